"""How are language models asked? What was typed of prompts and answers becomes models with a prompt."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trusteq.checks import brief, check_choice
from trusteq.kinds.text import Text
from trusteq.models.prompts import LENGTHS, USUAL

TASKS = ("classify", "choices")


@dataclass(frozen=True)
class Asked:
    """How language models are asked.

    Args:
    Language models:
        task: "classify" (which label does a text have?) or "choices" (which of its options is a question's answer?);
            "text" (running text) and "generate" (written answers) have options of their own, see
            trusteq audit --task text --help (default: classify).
        prompt: what a language model reads, with {text} where the text stands, {text_pair} for a second one, and
            {options} for a question's options, one per line after its letter; \\n is a new line.
        verbalizers: what a language model says for each label, with the space that stands before it, such as
            negative=" bad" positive=" good".
        scored: of options: their "letters", which the prompt lists, or the options themselves as "continuations"
            (default: letters).
        length: what an answer's log-probability is divided by: nothing ("total"), its tokens ("mean") or its
            "characters" (default: total).
        wording: the prompt said otherwise, once or several times: with --floor wording, or with --attack wording
            (which has some of its own).
        system: what a language model is told before everything else.
        chat: ask in the model's own chat template.
        shots: so many solved examples before each question, the same for all models, drawn at random and not judged.
        shots_dataset: where they are drawn from (default: --dataset).
        shots_split: of it (default: --split).
    """

    task: str = "classify"
    prompt: str | None = None
    verbalizers: tuple[tuple[str, str], ...] = ()
    scored: str = "letters"
    length: str = "total"
    wording: tuple[str, ...] = ()
    system: str | None = None
    chat: bool = False
    shots: int = 0
    shots_dataset: str | None = None
    shots_split: str | None = None

    def __post_init__(self) -> None:
        check_choice("scored", self.scored, tuple(USUAL))
        check_choice("length", self.length, LENGTHS)
        if self.shots < 0:
            raise ValueError(f"`shots` must be 0 or more, got {self.shots}")
        if self.shots_dataset is not None and not self.shots:
            raise ValueError("`shots_dataset` is where solved examples are drawn from: say how many with `shots`")
        if self.task == "choices" and self.verbalizers:
            raise ValueError("`verbalizers` are for labels: with --task choices every example brings its options")
        if self.task == "classify" and (self.prompt is None) != (not self.verbalizers):
            missing = "prompt" if self.prompt is None else "verbalizers"
            raise ValueError(f"`{missing}` is missing: a language model needs a prompt and words for each label")
        given = {"system": self.system, "chat": self.chat, "shots": self.shots, "wording": self.wording}
        if not self.prompted and (said := [name for name, value in given.items() if value]):
            raise ValueError(f"`{said[0]}` is for language models: give --prompt and --verbalizers, too")

    @property
    def prompted(self) -> bool:
        return self.prompt is not None or self.task == "choices"

    def model(self, source: Any, shots: Sequence[tuple[Text, str]], most: int, wording: str | None = None) -> Any:
        """A model with the prompt; one that is derived from the large model is asked as that one is."""
        if not self.prompted or str(source).startswith("derived:"):
            return source
        found = {"model": source, "prompt": lines(wording or self.prompt or USUAL[self.scored])}
        answers = {"choices": self.scored, "most": most} if self.task == "choices" else {}
        found |= answers or {"verbalizers": {label: lines(words) for label, words in self.verbalizers}}
        more = {"length": self.length, "chat": self.chat, "shots": list(shots)}
        found |= {name: value for name, value in more.items() if value not in ("total", False, [])}
        return found | ({} if self.system is None else {"system": lines(self.system)})

    def twins(self, large: Any, shots: Sequence[tuple[Text, str]], most: int) -> dict[str, Any]:
        """The large model with its prompt said otherwise."""
        ways = enumerate(self.wording, 1)
        return {f"wording {i}": self.model(large, shots, most, wording=words) for i, words in ways}

    @property
    def labels(self) -> list[str]:
        return [label for label, _ in self.verbalizers]


def lines(typed: str) -> str:
    r"""What a shell leaves of a new line.

    >>> lines(r"Review: {text}\nThis film is")
    'Review: {text}\nThis film is'
    """
    return typed.replace("\\n", "\n").replace("\\t", "\t")


def label_words(word: str) -> tuple[str, str]:
    """LABEL=WORDS.

    >>> label_words("negative= bad")
    ('negative', ' bad')
    """
    label, equals, words = word.partition("=")
    if not equals or not label.strip() or not words.strip():
        raise argparse.ArgumentTypeError(f"must be LABEL=WORDS, got {brief(word)}")
    return label, words


SHAPES: dict[str, Any] = {
    "verbalizers": {"nargs": "+", "type": label_words, "metavar": "LABEL=WORDS"},
    "prompt": {"metavar": "TEXT"},
    "system": {"metavar": "TEXT"},
    "wording": {"metavar": "TEXT"},
    "shots_dataset": {"metavar": "DATA"},
}


def drawn(count: int, of: int, seed: int) -> list[int]:
    """Which examples are shown, solved.

    >>> drawn(2, 10, seed=0) == drawn(2, 10, seed=0), len(drawn(2, 10, seed=0))
    (True, 2)
    """
    if count >= of:
        raise ValueError(f"`shots` asks for {count} solved examples of {of}: give fewer, or more data")
    return np.random.default_rng([seed, 1]).permutation(of)[:count].tolist()


def label_of(reference: Any, labels: Sequence[str]) -> str:
    """A class by its name, as a shot has it."""
    if isinstance(reference, str) and not re.fullmatch(r"\d+", reference):
        return reference
    if not 0 <= int(reference) < len(labels):
        raise ValueError(f"the label {brief(reference)} has no verbalizer; there are {', '.join(labels)}")
    return labels[int(reference)]
