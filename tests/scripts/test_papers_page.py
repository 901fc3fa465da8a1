"""papers.md: written by the command that prints its tables, section by section."""

import shutil
from pathlib import Path

import paper_tables
import replication
import reproduce

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "papers.md"


def test_the_page_says_what_the_published_lists_give(published, tmp_path):
    page = tmp_path / PAGE.name
    shutil.copy(PAGE, page)
    assert reproduce.main(["--errors", *published, "--page", str(page)]) == 0
    assert page.read_bytes() == PAGE.read_bytes()


def test_a_section_is_written_anew_and_the_others_stay(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# Tables\n\nBy hand.\n\n## Paper B at the small scale\n\nold\n\n## Mine\n\nstays\n")
    for paper in ("trust", "miniature", "trust"):
        options = reproduce.read_options(["--paper", paper, "--data", "/somewhere", "--page", str(page)])
        reproduce.show([paper_tables.Table(f"Of {paper}", ["", "a"], [["b", "0.5"]])], options)
    printed = capsys.readouterr().out.split("\n**")
    top, trust, mine, miniature = page.read_text().split("\n## ")
    assert (top, mine) == ("# Tables\n\nBy hand.\n", "Mine\n\nstays\n")
    for paper, section, letter in (("trust", trust, "B"), ("miniature", miniature, "A")):
        heading, says, *table = section.strip().split("\n\n")
        assert heading == f"Paper {letter} at the small scale"
        assert says == f"Printed by `python scripts/papers/reproduce.py --paper {paper} --data FOLDER --page page.md`:"
        assert "\n\n".join(table).removeprefix("**") in [shown.removeprefix("**").strip() for shown in printed]


def test_a_page_that_is_not_there_is_begun(tmp_path):
    page = tmp_path / "new.md"
    reproduce.write_section(page, "First", "a")
    reproduce.write_section(page, "Second", "b")
    reproduce.write_section(page, "First", "c")
    assert page.read_text() == "# The papers' tables\n\n## First\n\nc\n\n## Second\n\nb\n"


def test_the_page_says_what_the_published_answers_give(data, tmp_path, capsys):
    page = tmp_path / PAGE.name
    shutil.copy(PAGE, page)
    assert replication.main([str(data("quantized_llms")), "--page", str(page)]) == 0
    assert page.read_bytes() == PAGE.read_bytes()
    printed = capsys.readouterr().out
    assert printed.strip() in page.read_text()
    same = next(line for line in printed.splitlines() if line.startswith("| Qwen2.5-3B, int8, CommonsenseQA"))
    assert [cell.strip() for cell in same.strip("|").split("|")][1:6] == ["986", "81.6", "81.6", "27", "27"]


def test_a_folder_without_answers_is_one_sentence(tmp_path, capsys):
    assert replication.main([str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err == f"replication.py: {tmp_path} holds no answers: looked for MODEL__fp16__BENCH.json\n"
    assert said.out == ""
