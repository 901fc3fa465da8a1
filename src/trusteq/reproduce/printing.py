"""A table as Markdown and as LaTeX, and its place on a page that is kept."""

import re
from dataclasses import dataclass
from pathlib import Path

from trusteq.report.latex import latex as escaped
from trusteq.report.latex import latex_table
from trusteq.report.write import write_whole


@dataclass(frozen=True)
class Table:
    title: str
    head: list[str]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()


def markdown(tables: list[Table]) -> str:
    """
    >>> print(markdown([Table("Two", ["", "a"], [["b", "0.5"]], ("So.",))]))
    **Two**
    <BLANKLINE>
    |     |   a |
    | --- | --: |
    | b   | 0.5 |
    <BLANKLINE>
    So.
    """
    return "\n\n".join("\n\n".join([f"**{table.title}**", grid(table), *table.notes]) for table in tables)


def grid(table: Table) -> str:
    columns = []
    for i, cells in enumerate(zip(table.head, *table.rows, strict=True)):
        width = max(3, *map(len, cells))
        head, *texts = (f"{cell:{'>' if i else '<'}{width}}" for cell in cells)
        columns.append([head, "-" * (width - 1) + (":" if i else "-"), *texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))


def latex(tables: list[Table]) -> str:
    """All tables, each with what has to be known to read it; needs \\usepackage{booktabs,graphicx}."""
    parts = []
    for table in tables:
        head, *rows = ([escaped(cell) for cell in line] for line in (table.head, *table.rows))
        parts.append(latex_table(" ".join([f"{table.title}.", *table.notes]), head, rows))
    return "% \\usepackage{booktabs,graphicx}\n" + "\n".join(parts)


def write_section(page: Path, heading: str, text: str) -> None:
    """These lines under a heading of their own, in place of what stood there before; otherwise at the end."""
    whole = page.read_text(encoding="utf-8") if page.exists() else "# The papers' tables"
    top, *sections = (part.strip() for part in re.split(r"^(?=## )", whole, flags=re.MULTILINE))
    named = {section.partition("\n")[0]: section for section in sections} | {f"## {heading}": f"## {heading}\n\n{text}"}
    write_whole(page, "\n\n".join([top, *named.values()]) + "\n")


def show(tables: list[Table], page: Path | None, heading: str, given: str) -> None:
    """To the screen and, where a page is given, under its heading, with the command that prints them."""
    text = markdown(tables)
    print(text)
    if page is not None:
        write_section(page, heading, f"Printed by `trusteq reproduce {given} --page {page.name}`:\n\n{text}")
