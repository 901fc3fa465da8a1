"""Where does a person read what an audit found? `write_report` puts it into a folder: page, tables, plots and data."""

import contextlib
import json
import os
import re
import time
import uuid
import zlib
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trusteq.audit.schema import SCHEMA
from trusteq.audit.store import digest
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.options import VERSION
from trusteq.report.badge import badge
from trusteq.report.forest import forest_file
from trusteq.report.latex import models_table, pairwise_tables, verdict_tables
from trusteq.report.markdown import markdown, model_card
from trusteq.report.page import Drawn, Plots, page
from trusteq.report.plots import plot_pair
from trusteq.report.queries import judged
from trusteq.report.svg import Layouts, Styles, inline_svg, pictures
from trusteq.report.words import Audit, Pair
from trusteq.wording import clean, without_places

OLD = 3600  # seconds after which a file that is half written is nobody's
KINDS = ("svg",)
INLINED = 850_000  # characters of plots that stand on the page itself


def write_report(
    audit: Audit,
    folder: str | Path,
    plot: Callable[[str, Pair], Any] = plot_pair,
    kinds: tuple[str, ...] = KINDS,
    space: str | None = None,
) -> list[Path]:
    """Write report.html, report.json with its schema, report.md, tables/, plots/, and of every compressed model a card
    and a badge.

    `plot(dimension, pair)` draws the plot of a pair and a dimension, in these kinds of files: "svg", which the page
    shows, and "png" beside it. `space` is the address of a Space that has these models: from the page's examples links
    lead there. A plot that cannot be drawn is named on the page; the rest is written. Every file appears whole or not
    at all; cards and plots that an earlier report has left there, and this one has not, are removed. Returns the paths,
    the page first.

    >>> import tempfile
    >>> audit = {"schema": "trust_equivalence/2", "version": "0.1.0", "signature": "trust_equivalence:0.1.0|seed=0",
    ...          "settings": {}, "models": {}, "pairs": [], "examples": {"explanations": [], "attacks": []},
    ...          "data": {"name": "x", "examples": 0, "ood_examples": 0, "unlabelled": 0, "classes": [],
    ...                   "groups": None, "duplicates": 0, "duplicates_apart": 0, "ood_duplicates": 0,
    ...                   "fingerprint": ""},
    ...          "failures": [], "run": {"started": "", "seconds": 0.0, "processes": 1, "versions": {}}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_report(audit, folder)]
    ['report.html', 'report.json', 'report.schema.json', 'report.md',
     'verdicts.tex', 'pairwise.tex', 'models.tex', 'summary.svg', 'drawn.json']
    """
    folder = Path(folder)
    plots: Plots = {}
    files: list[Path] = []

    def write(name: str, content: str | bytes) -> None:
        files.append(write_whole(folder / name, content))

    write("report.json", json.dumps(audit, indent=1, allow_nan=False))
    write("report.schema.json", json.dumps(SCHEMA, indent=1))
    write("report.md", markdown(audit))
    cards, stems = card_names(audit), plot_stems(audit)
    kept = Kept(
        folder,
        [*cards, *map(badge_name, cards), *(f"plots/{stem}.{kind}" for stem in stems.values() for kind in kinds)],
    )
    for pair, name in zip(judged(audit), cards, strict=True):
        write(name, model_card(audit, pair))
        write(badge_name(name), badge(pair))
    write("tables/verdicts.tex", verdict_tables(audit))
    write("tables/pairwise.tex", pairwise_tables(audit))
    write("tables/models.tex", models_table(audit))
    write("plots/summary.svg", forest_file(audit))
    room, styles = INLINED, Styles()
    for place, pair in enumerate(audit["pairs"]):
        for dimension in [name for name, entry in pair["dimensions"].items() if entry["status"] == "done"]:
            stem = stems[place, dimension]
            try:
                shown = [pair["dimensions"][dimension][key] for key in ("figures", "details")]
                drawn = kept.pictures(stem, shown, partial(plot, dimension, pair), kinds)
                inlined = inline_svg(drawn["svg"].decode(), f"p{place}-{dimension}-", spoken(dimension, pair), styles)
            except Exception as error:  # hours of audit must not be lost for a picture
                problem = without_places(f"{type(error).__name__}: {error}")
                plots[pair["name"], dimension] = Drawn("", problem)
                continue
            if pair["role"] != "other":  # the page would grow with the square of the models; the files are there
                fits = len(inlined) <= room
                room -= len(inlined) * fits
                plots[pair["name"], dimension] = Drawn(inlined) if fits else Drawn("", file=f"plots/{stem}.svg")
            for kind, content in drawn.items():
                write(f"plots/{stem}.{kind}", content)
    files.append(kept.close([path.relative_to(folder).as_posix() for path in files]))
    sweep(folder)
    return [write_whole(folder / "report.html", page(audit, plots, space, styles.sheet)), *files]


def card_names(audit: Audit) -> list[str]:
    cards = file_names([pair["compressed"] for pair in judged(audit)])
    return ["model_card.md"] if len(cards) == 1 else [f"model_card.{name}.md" for name in cards]


def badge_name(card: str) -> str:
    """
    >>> badge_name("model_card.tiny.md")
    'badge.tiny.svg'
    """
    return card.replace("model_card", "badge").removesuffix("md") + "svg"


def plot_stems(audit: Audit) -> dict[tuple[int, str], str]:
    """What the plot of a pair (by its place) and a dimension is called."""
    pairs = file_names([f"{pair['compressed']}--{pair['large']}" for pair in audit["pairs"]])
    return {
        (place, dimension): f"{dimension}.{short}"
        for place, (pair, short) in enumerate(zip(audit["pairs"], pairs, strict=True))
        for dimension, entry in pair["dimensions"].items()
        if entry["status"] == "done"
    }


class Kept:
    """What an earlier report left in this folder: plots of the same data (drawing is most of a report's time), and
    cards and plots of other models, which are removed. The list of them is written before they are, so that it holds
    what a killed report has left, too."""

    OURS = re.compile(r"model_card(\.[\w-]+)?\.md|badge(\.[\w-]+)?\.svg|plots/\w+\.[\w-]+\.(svg|png)")

    def __init__(self, folder: Path, planned: list[str]):
        self.folder, self.planned = folder, planned
        self.list = folder / "plots" / "drawn.json"
        self.library = version("matplotlib")
        self.marks: dict[str, Any] = {}
        self.layouts: dict[str, Layouts] = {}  # of each dimension
        self.before: dict[str, Any] = {}
        self.old: list[str] = []
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # none yet, or not ours
            found = json.loads(self.list.read_text(encoding="utf-8"))
            self.before = dict(found["plots"])
            self.old = [name for name in found["files"] if self.OURS.fullmatch(name)]
        self._write(self.before, [*planned, *(name for name in self.old if name not in planned)])

    def pictures(
        self, stem: str, data: Any, draw: Callable[[], Any], kinds: tuple[str, ...] = KINDS
    ) -> dict[str, bytes]:
        of = digest(data, VERSION, self.library)
        found: dict[str, bytes] = {}
        with contextlib.suppress(OSError):
            found = {kind: (self.folder / "plots" / f"{stem}.{kind}").read_bytes() for kind in kinds}
        if not found or self.before.get(stem) != [of, *map(zlib.crc32, found.values())]:
            layouts = self.layouts.setdefault(stem.partition(".")[0], {})
            found = pictures(draw(), "png" in kinds, layouts)
        self.marks[stem] = [of, *map(zlib.crc32, found.values())]
        return found

    def close(self, written: list[str]) -> Path:
        there = {name.lower(): self.folder / name for name in written}
        for name in {*self.planned, *self.old} - set(written):
            old, new = self.folder / name, there.get(name.lower())
            with contextlib.suppress(OSError):
                if new is None or not new.samefile(old):  # some file systems take A and a for one
                    old.unlink()
        return self._write(self.marks, [name for name in written if self.OURS.fullmatch(name)])

    def _write(self, plots: dict[str, Any], files: list[str]) -> Path:
        return write_whole(self.list, json.dumps({"plots": plots, "files": files}))


def spoken(dimension: str, pair: Pair) -> str:
    """What a plot shows, for those who do not see it."""
    names = f"{clean(pair['compressed'])} against {clean(pair['large'])}"
    return f"{DIMENSIONS[dimension].question} {names}. {clean(pair['dimensions'][dimension]['sentence'])}"


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write beside the file first and then rename: a file of that name is always a whole one."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")  # two audits may write the same report at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        raise ValueError(f"the report could not be written: {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return path


def sweep(folder: Path) -> None:
    """Remove the parts that killed runs left; a young one may be another run's that is at work."""
    for part in folder.rglob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > OLD:
                part.unlink()


def file_names(names: list[str]) -> list[str]:
    """Names that every file system takes, different ones where the names differ.

    >>> file_names(["bert/base", "bert base", "../..", "tiny"])
    ['bert-base', 'bert-base-2', 'unnamed', 'tiny']
    """
    taken: list[str] = []
    for name in names:
        stem = candidate = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:60] or "unnamed"
        more = 1
        while candidate.lower() in map(str.lower, taken):  # some file systems take A and a for one
            more += 1
            candidate = f"{stem}-{more}"
        taken.append(candidate)
    return taken
