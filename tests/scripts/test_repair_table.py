"""The table of repairs: what `trusteq repair` reaches on texts that it never saw."""

import re

import repair_table


def test_the_table_is_printed_and_written_to_its_page(data, tmp_path, capsys):
    page = tmp_path / "page.md"
    folder = data("sst2").parent
    assert repair_table.main([str(folder), "--limit", "240", "--seeds", "1", "--epochs", "0", "--page", str(page)]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() in page.read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if " → " in line]
    assert {row[0] for row in rows} == {"SST-2 dev", "rt_polarity"}
    assert len(rows) % 4 == 0  # each model and three copies
    for one, sure in zip(rows[::4], rows[1::4], strict=True):
        assert sure[1] == f"{one[1]}, too sure"
        assert one[2].split()[0] == sure[2].split()[0]  # a slope changes no answer
        assert sure[3] != one[3]  # it is another calibration error: of a model that was not sure enough a smaller one
    assert re.search(rf"The calibration error rose in \d+ of {len(rows)} trials", printed)


def test_a_folder_without_data_is_one_sentence(tmp_path, capsys):
    assert repair_table.main([str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("repair_table.py: ")
    assert said.err.count("\n") == 1
