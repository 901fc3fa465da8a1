"""`trusteq COMMAND ...`: what was typed is handed to the command, which is imported only then."""

import gc
import importlib
import os
import sys
from itertools import pairwise

RARELY = 200_000, 20, 100  # collecting garbage among what was just imported would take a tenth of the start
COMMANDS = {
    "audit": "audit a family of models: a verdict for each, and a report",
    "cascade": "the compressed model where it is sure, the large one elsewhere: from a finished audit",
    "compare": "compare what models said, from logs, tables or arrays on disk",
    "compress": "make a smaller model from a trained one, and measure what that saved",
    "finetune": "train a classifier of texts, with a teacher or without",
    "push": "the verdict of an audit into a model's card on the Hub",
    "reproduce": "the two papers' protocols, from data to their tables",
    "repair": "make a compressed model honest about its confidence, without training",
    "plan": "how many examples the verdicts will take, before any model is asked",
}

HELP = """usage: trusteq COMMAND [options]

Can a compressed model stand in for the large one?

    trusteq audit                     the small family that ships with the project
    trusteq audit --large ./large --twin ./twin --compressed ./int8 --dataset reviews.csv --out results/reviews

commands:
{}

`trusteq COMMAND --help` lists a command's options."""


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP.format("\n".join(f"  {name:10}{what}" for name, what in COMMANDS.items())))
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        from trusteq.cli.typed import unknown

        there = f"there are {', '.join(COMMANDS)}"
        print(f"trusteq: {unknown('command', argv[0], COMMANDS, there)}", file=sys.stderr)
        return 2
    from trusteq.cli.quiet import quiet

    quiet()
    gc.set_threshold(*RARELY)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads double the time on a busy machine
    try:
        return int(importlib.import_module(f"trusteq.cli.{module_of(argv)}").main(argv[1:]))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def module_of(argv: list[str]) -> str:
    """The module of a command; audits of running text, and of answers that are written, have their own.

    >>> [module_of(["audit", *words]) for words in (["--task", "text"], ["--task=generate"], ["--text", "x"])]
    ['text', 'generate', 'audit']
    """
    tasks = (task for task in ("text", "generate") if f"--task={task}" in argv or ("--task", task) in pairwise(argv))
    return next(tasks, "audit") if argv[0] == "audit" else argv[0]


if __name__ == "__main__":
    sys.exit(main())
