"""What was typed becomes options: flags are made of a dataclass and its documentation, and a mistake is one line."""

import argparse
import dataclasses
import difflib
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from trusteq.checks import brief
from trusteq.options import argument_help

Typed = dict[str, Any]


class Parser(argparse.ArgumentParser):
    """The flags of one command. What it gives holds only what was typed; its errors are sentences."""

    def __init__(self, command: str, about: str):
        super().__init__(
            prog=f"trusteq {command}",
            usage=f"trusteq {command} [options]",
            description=about.strip(),
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30),
            argument_default=argparse.SUPPRESS,
            allow_abbrev=False,
        )
        self.parts: dict[str, Any] = {}
        self.flags: dict[str, str] = {}
        self.needed: dict[str, str] = {}

    def add(
        self, kind: Any, under: str = "options", only: Iterable[str] = (), without: Iterable[str] = (), **shapes: Any
    ) -> None:
        """A flag for each field of a dataclass, under the headings of its documentation; `under` is the first one's.

        `shapes` holds what argparse has to know and the field does not say.
        """
        fields = {field.name: field for field in dataclasses.fields(kind)}
        hints = typing.get_type_hints(kind)
        for heading, explanations in headings(kind.__doc__, under).items():
            for name, text in explanations.items():
                if name not in (only or fields) or name in without:
                    continue
                default = fields[name].default
                settings = shape(hints[name], default) | shapes.get(name, {})
                alone = settings.get("nargs") in ("?", "*") and "const" not in settings
                self.flags[name] = name if alone else "--" + name.replace("_", "-")
                if default is dataclasses.MISSING:
                    self.needed[name] = text
                if heading not in self.parts:
                    self.parts[heading] = self.add_argument_group(heading)
                self.parts[heading].add_argument(self.flags[name], help=help_of(text, default), **settings)

    def read(self, words: Sequence[str]) -> Typed:
        """What was typed, by the names of the fields."""
        found, rest = self.parse_known_args([re.sub(r"^--margin(?=$|=)", "--margins", word) for word in words])
        for word in rest:
            if word.startswith("--"):
                there = f"{self.prog} --help lists them"
                raise ValueError(unknown("option", word.partition("=")[0], self.flags.values(), there))
            raise ValueError(f"{brief(word)} is one word too many")
        for name, text in self.needed.items():
            if name not in found:
                raise ValueError(f"{self.flags[name]} is missing: {text.rstrip('.')}")
        return vars(found)

    def error(self, message: str) -> typing.NoReturn:
        """What argparse says, in a sentence like the others."""
        for said, better in SAID.items():
            message = re.sub(said, better, message)
        raise ValueError(message)


SAID = {
    r"^argument (?:-h/)?([^ :]+): ": r"\1 ",
    r" expected one argument$": " needs a value",
    r" expected at least one argument$": " needs one value or more",
    r" expected (\d+) arguments$": r" needs \1 values",
    r" ignored explicit argument .*$": " takes no value",
}


def run(command: str, parser: Parser, work: Callable[[Typed], int], words: Sequence[str] | None) -> int:
    """The command's exit status: what is wrong with what was given is one line and 2."""
    try:
        return work(parser.read(sys.argv[1:] if words is None else words))
    except (ValueError, OSError) as error:
        print(f"trusteq {command}: {in_flags(visible(error), parser.flags)}", file=sys.stderr)
        return 2


def part_of(kind: Any, typed: Typed) -> Any:
    """The dataclass, from what was typed of its fields."""
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in typed.items() if name in names})


# From a field to a flag.


def headings(documentation: str, under: str) -> dict[str, dict[str, str]]:
    """The explanations of the arguments, by the heading that they stand under.

    >>> headings("Args:\\n    k: how many.\\nAttacks:\\n    rate: of slips.", "options")
    {'options': {'k': 'how many.'}, 'attacks': {'rate': 'of slips.'}}
    """
    text = inspect.cleandoc(documentation).partition("Args:")[2]
    parts = re.split(r"^(\w[\w ]*):\n", f"{under}:\n{text.lstrip(chr(10))}", flags=re.MULTILINE)
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {heading.lower(): help for heading, part in found if (help := argument_help(f"Args:\n{part}"))}


def shape(hint: Any, default: Any) -> dict[str, Any]:
    """What argparse has to know of a field, from its type; of one that takes anything, from its default."""
    kind = next((one for one in typing.get_args(hint) if one is not types.NoneType), hint)
    kind = hint if typing.get_origin(hint) in (tuple, dict) else kind
    kind = type(default) if kind is Any and default is not None else kind
    if kind is bool:
        return {"action": "store_true"}
    if kind is tuple or typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind) or (type(default[0]), ...)
        count = "+" if ... in inner else len(inner)
        return {"nargs": count, **VALUES.get(inner[0], WORD)}
    return dict(VALUES.get(kind, WORD))


def help_of(text: str, default: Any) -> str:
    """An explanation as a command gives it: without what is for code, and with the default."""
    text = re.sub(r" \(in code[^()]*\)", "", text).rstrip(".").replace("%", "%%")
    if default is dataclasses.MISSING:
        return f"{text} (required)"
    if default is None or default is False or default == () or "(default" in text:
        return text
    return f"{text} (default: {' '.join(map(str, default)) if isinstance(default, tuple) else default})"


# From a word to a value.


def number(kind: type, what: str) -> Callable[[str], Any]:
    def read(word: str) -> Any:
        try:
            return kind(word)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {what}, got {brief(word)}") from None

    return read


def pair(word: str) -> tuple[str, float]:
    """NAME=NUMBER.

    >>> pair("negative=0")
    ('negative', 0)
    """
    name, _, value = word.partition("=")
    try:
        found = float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=NUMBER, got {brief(word)}") from None
    return name, int(found) if found.is_integer() else found


def path(word: str) -> Path:
    return Path(word).expanduser()


WORD = {"type": str, "metavar": "NAME"}
VALUES: dict[Any, dict[str, Any]] = {
    int: {"type": number(int, "a whole number"), "metavar": "N"},
    float: {"type": number(float, "a number"), "metavar": "X"},
    Path: {"type": path, "metavar": "FOLDER"},
}


# Sentences.


def unknown(what: str, given: str, known: Iterable[str], there: str) -> str:
    """
    >>> unknown("command", "adit", ["audit"], "there is audit"), unknown("command", "?", ["audit"], "there is audit")
    ('there is no command adit; did you mean audit?', 'there is no command ?; there is audit')
    """
    near = difflib.get_close_matches(given, known, n=1)
    return f"there is no {what} {visible(given)}; {f'did you mean {near[0]}?' if near else there}"


def in_flags(message: str, flags: dict[str, str]) -> str:
    """A sentence of the code, which speaks of arguments, as a command says it.

    >>> flags = {"resume": "--resume", "n_bins": "--n-bins", "k": "--k", "margins": "--margins"}
    >>> in_flags("n_bins must be 1 or more: give resume=True", flags), in_flags("`k` is 0, margins={name: 1}", flags)
    ('--n-bins must be 1 or more: give --resume', '--k is 0, --margins NAME=NUMBER')
    >>> in_flags("a.npz: `k` differ", flags)
    'a.npz: `k` differ'
    >>> in_flags("name the column of ids (k=...)", flags)
    'name the column of ids (--k)'
    >>> in_flags("give n_bins, not {n_bins}", flags)
    'give --n-bins, not {n_bins}'
    >>> in_flags("margins['calibration_gap'] must be above 0", flags)
    '--margins calibration_gap must be above 0'
    """
    for name, flag in flags.items():
        message = re.sub(rf"(?<!\.npz: )(?<!as )`{name}`", flag, message)  # what a file holds is no flag
        message = re.sub(rf"\b{name}=True\b", flag, message)
        message = re.sub(rf"\b{name}=[\"']([^\"']*)[\"']", rf"{flag} \1", message)
        message = re.sub(rf"\b{name}=\.\.\.", flag, message)
        message = re.sub(rf"\b{name}={{[^{{}}]*}}", f"{flag} NAME=NUMBER", message)
        message = re.sub(rf"^{name}(?=:? (?:must|needs?|is for|there|has no class|gives) )", flag, message)
        message = re.sub(rf"^{name}\['(\w+)'\]", rf"{flag} \1", message)
        if "_" in name:
            message = re.sub(rf"(?<![\w./'\"{{-]){name}(?![\w/'\"])", flag, message)
    return message


def visible(message: Any) -> str:
    """One line without what a terminal would obey: names come from files that others made.

    >>> visible("there is no column 'a'; its columns are b\\x1b[2J\\nc")
    "there is no column 'a'; its columns are b [2J c"
    """
    return "".join(character if character.isprintable() else " " for character in str(message))
