"""`trusteq cascade`: the compressed model where it is sure, the large one elsewhere; from an audit's kept work."""

import json
from dataclasses import dataclass
from pathlib import Path

from trusteq.cli import audit
from trusteq.cli.typed import Parser, Typed, part_of, run
from trusteq.records.chosen import ChosenTexts

ABOUT = """
Can the two stand in together? The compressed model answers where it is sure, the large one elsewhere.

    trusteq cascade results/audit --model distilled

From the kept work of a finished audit; no model is asked. Says, for each share of requests that is passed on to the
large model, how far the pair is from it, and from which confidence on the pair is equivalent. The threshold is chosen
on one half of the texts and judged on the other. cascade.html, cascade.json and cascade.svg go beside the report.
Exit status: 0; 2, with one sentence, if it cannot be done.
"""


@dataclass(frozen=True)
class CascadeOptions:
    """Whose cascade, and where it goes.

    Args:
        audit: the folder of a finished audit.
        model: the compressed models, by name (default: all).
        out: a folder for cascade.html, cascade.json and cascade.svg (default: that of the audit).
    """

    audit: str
    model: tuple[str, ...] = ()
    out: Path | None = None


def main(argv: list[str] | None = None) -> int:
    return run("cascade", parser(), begin, argv)


def parser() -> Parser:
    made = Parser("cascade", ABOUT)
    made.usage = "trusteq cascade AUDIT_FOLDER [options]"
    made.add(CascadeOptions, under="what is read and written", audit={"nargs": "?", "metavar": "AUDIT_FOLDER"})
    return made


def begin(typed: Typed) -> int:
    from trusteq.audit.cascade import cascade, kept_work
    from trusteq.report.cascaded import cascade_table, write_cascades

    options = part_of(CascadeOptions, typed)
    folder = Path(options.audit).expanduser()
    words = audit.parser().read(words_of(folder))
    asked = audit.options_of(words)
    given = audit.read_inputs(part_of(audit.Family, words), part_of(ChosenTexts, words), asked)
    work, members, skipped = kept_work(given, asked, folder / "work")
    there = [member.name for member in members if member.role == "compressed"]
    if strange := [name for name in options.model if name not in there]:
        raise ValueError(f"the audit has no compressed model {strange[0]}: it has {', '.join(there)}")
    found = [cascade(work, members, skipped, asked, name) for name in options.model or there]
    print("\n\n".join(map(cascade_table, found)))
    for path in write_cascades(found, options.out or folder):
        print(path)
    return 0


def words_of(folder: Path) -> list[str]:
    """What the audit was asked with."""
    path = folder / "work" / audit.COMMAND
    try:
        return [str(word) for word in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        raise ValueError(
            f"there is no file {path}: give the folder of a finished audit of this version (--resume adds it)"
        ) from None
    except (ValueError, TypeError):
        raise ValueError(f"{path} is damaged: go on with that audit (--resume), which writes it again") from None
