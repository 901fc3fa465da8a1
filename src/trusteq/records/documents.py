"""Which documents is a running text made of? From a text file, a folder of them, or a column of a table or data set."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trusteq.checks import check_characters
from trusteq.records.labelled_texts import read_texts

APART = "\n\n"
PLAIN = (".txt", ".raw", ".md")  # wikitext's files end in .raw


@dataclass(frozen=True)
class Documents:
    """Texts, and how they stand one after another in one."""

    name: str
    texts: list[str]
    empty: int  # left out
    whole: str
    starts: list[int]  # where each begins in it

    def at(self, places: Sequence[int]) -> np.ndarray:
        """Which document each place of the whole is in; what stands between two is of the first of them.

        >>> made_of("x", ["ab", "", "c"]).at([0, 1, 2, 4])
        array([0, 0, 0, 1])
        """
        return (np.searchsorted(self.starts, places, side="right") - 1).clip(min=0)


def read_documents(dataset: str, split: str = "validation", text: str = "text", limit: int | None = None) -> Documents:
    """A .txt file is parted at blank lines; of a folder of such files each is a document; a table has one in a row.

    >>> path = getfixture("tmp_path") / "wiki.txt"
    >>> _ = path.write_text("One line,\\nand another.\\n\\n \\nThe second.\\n")
    >>> read_documents(str(path)).texts
    ['One line,\\nand another.', 'The second.']
    """
    path = Path(os.path.expanduser(dataset))
    if path.suffix.lower() in PLAIN and path.is_file():
        return parted(path, limit)
    if path.is_dir() and (files := sorted(one for one in path.iterdir() if one.suffix.lower() in PLAIN)):
        return made_of(path.name, [plain(one) for one in files], limit)
    if path.suffix.lower() in PLAIN:
        raise ValueError(f"there is no file {dataset}")
    rows = read_texts(dataset, split, text)
    for number, row in enumerate(rows):
        if row is not None and not isinstance(row, str):
            raise ValueError(f"{dataset}: the column {text!r} holds {row!r}, no text, in row {number}")
    return made_of(path.name, ["" if row is None else str(row) for row in rows], limit)


def parted(path: Path, limit: int | None) -> Documents:
    whole, at = plain(path), 0
    texts, lines, starts = list[str](), list[str](), list[int]()
    for line in [*whole.splitlines(keepends=True), ""]:
        if line.strip():
            lines.append(line)
        elif lines:
            text = "".join(lines)
            texts.append(text.rstrip("\r\n"))
            starts.append(at - len(text))
            lines = []
        at += len(line)
    if limit is not None and limit < len(texts):
        return made_of(path.name, texts, limit)
    return some(Documents(path.name, texts, 0, whole.removesuffix("\n"), starts))  # as llama.cpp reads a file


def made_of(name: str, texts: Sequence[str], limit: int | None = None) -> Documents:
    kept = [text for text in texts if text.strip()][:limit]
    starts = np.concatenate([[0], np.cumsum([len(text) + len(APART) for text in kept])])[: len(kept)]
    empty = sum(not text.strip() for text in texts)
    return some(Documents(name, kept, empty, APART.join(kept), starts.astype(int).tolist()))


def some(found: Documents) -> Documents:
    if not found.texts:
        raise ValueError(f"{found.name} holds no document: every text in it is empty")
    for number, text in enumerate(found.texts):
        check_characters(f"{found.name}, document {number}", text)
    return found


def plain(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 (byte {error.start:,}): save it as UTF-8") from None
