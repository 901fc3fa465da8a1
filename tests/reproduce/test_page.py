"""A page of tables: written by the command that prints them, section by section."""

import shutil
from pathlib import Path

from trusteq.cli import reproduce
from trusteq.reproduce import printing

PAGE = Path(__file__).resolve().parents[2] / "papers.md"


def test_the_page_says_what_the_published_lists_give(published, tmp_path):
    page = tmp_path / PAGE.name
    shutil.copy(PAGE, page)
    assert reproduce.main(["--errors", *published, "--page", str(page)]) == 0
    assert page.read_bytes() == PAGE.read_bytes()


def test_a_section_is_written_anew_and_the_others_stay(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# Tables\n\nBy hand.\n\n## Paper B at the small scale\n\nold\n\n## Mine\n\nstays\n")
    for paper in ("trust", "miniature", "trust"):
        options = reproduce.ReproduceOptions(paper=paper, data=Path("/somewhere"), page=page)
        printing.show([printing.Table(f"Of {paper}", ["", "a"], [["b", "0.5"]])], page, *reproduce.place_of(options))
    printed = capsys.readouterr().out.split("\n**")
    top, trust, mine, miniature = page.read_text().split("\n## ")
    assert (top, mine) == ("# Tables\n\nBy hand.\n", "Mine\n\nstays\n")
    for paper, section, letter in (("trust", trust, "B"), ("miniature", miniature, "A")):
        heading, says, *table = section.strip().split("\n\n")
        assert heading == f"Paper {letter} at the small scale"
        assert says == f"Printed by `trusteq reproduce --paper {paper} --data FOLDER --page page.md`:"
        assert "\n\n".join(table).removeprefix("**") in [shown.removeprefix("**").strip() for shown in printed]


def test_a_page_that_is_not_there_is_begun(tmp_path):
    page = tmp_path / "new.md"
    printing.write_section(page, "First", "a")
    printing.write_section(page, "Second", "b")
    printing.write_section(page, "First", "c")
    assert page.read_text() == "# The papers' tables\n\n## First\n\nc\n\n## Second\n\nb\n"
