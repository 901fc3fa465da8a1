"""Questions that bring their options: in the forms of ARC, CommonsenseQA and MMLU, or question, options and answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from trusteq.checks import brief
from trusteq.kinds.text import Question
from trusteq.records.labelled_texts import is_unlabelled, read_columns

QUESTIONS = ("question", "query")
OPTIONS = ("options", "choices")
ANSWERS = ("answerKey", "answer", "label", "gold")


@dataclass(frozen=True)
class Questions:
    """Questions, and the letter of the right option of each; rows without one are counted and left out."""

    texts: list[Question]
    answers: list[str]
    rows: list[int]  # of the data, which these are
    unlabelled: int = 0

    @property
    def most(self) -> int:
        return max(len(text[1].split("\n")) for text in self.texts)


def read_questions(dataset: str, split: str = "validation", text: str = "text", label: str = "label") -> Questions:
    """`text` and `label` name the columns of questions and answers, where they are called otherwise than usual.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.jsonl").write_text('{"question": "What purrs?", "options": ["a dog", "a cat"], "answer": 1}')
    >>> read_questions(str(folder / "a.jsonl"))
    Questions(texts=[('What purrs?', 'a dog\\na cat')], answers=['B'], rows=[0], unlabelled=0)
    """
    columns, _ = read_columns(dataset, split)
    question, answer = first_of(dataset, columns, (text, *QUESTIONS)), first_of(dataset, columns, (label, *ANSWERS))
    spread = [name for name in columns if name in ascii_uppercase] if {"A", "B"} <= set(columns) else []  # MMLU's csv
    stems = any(isinstance(one, dict) for one in columns[question][:1])  # with their options, as CommonsenseQA's are
    options = None if spread or stems else first_of(dataset, columns, OPTIONS)
    texts, answers, rows = [], [], []
    for i, (asked, gold) in enumerate(zip(columns[question], columns[answer], strict=True)):
        where = f"{dataset}: row {i + 1}"
        if spread:
            given: Any = [columns[name][i] for name in spread if columns[name][i]]
        else:
            given = asked.get("choices") if isinstance(asked, dict) else columns[str(options)][i]
        asked = asked.get("stem") if isinstance(asked, dict) else asked
        words, labels = options_of(where, given)
        if not isinstance(asked, str) or not asked.strip():
            raise ValueError(f"{where} has no question, got {brief(asked)}")
        if is_unlabelled(gold):
            continue
        texts.append(Question.of(asked, words))
        answers.append(ascii_uppercase[place_of(where, gold, words, labels)])
        rows.append(i)
    if not texts:
        raise ValueError(f"{dataset}: no row has an answer in the column {answer!r}")
    return Questions(texts, answers, rows, len(columns[question]) - len(rows))


def first_of(dataset: str, columns: Any, names: Sequence[str]) -> str:
    found = next((name for name in names if name in columns), None)
    if found is None:
        raise ValueError(f"{dataset} has no column {' or '.join(names)}; its columns are {', '.join(columns)}")
    return found


def options_of(where: str, given: Any) -> tuple[list[str], list[str]]:
    """The options as texts, and what they are called: letters, or numbers as some of ARC's are."""
    words: Any
    labels: Any
    if isinstance(given, dict) and "text" not in given:
        there = {name: word for name, word in given.items() if word is not None}  # a table's columns are all there
        words, labels = list(there.values()), list(there)
    elif isinstance(given, dict):
        words, labels = given.get("text"), given.get("label")
    elif isinstance(given, list) and given and isinstance(given[0], dict):
        words, labels = ([one.get(name) for one in given] for name in ("text", "label"))
    else:
        words, labels = given, None
    if not isinstance(words, list | tuple) or len(words) < 2 or not all(map(is_said, words)):
        raise ValueError(f"{where} needs two options or more, none of them empty, got {brief(given)}")
    if len(words) > len(ascii_uppercase):
        raise ValueError(f"{where} has {len(words)} options, more than there are letters")
    return [str(word) for word in words], [str(label) for label in labels or ascii_uppercase[: len(words)]]


def is_said(word: Any) -> bool:
    return word is not None and bool(str(word).strip())


def place_of(where: str, gold: Any, words: list[str], labels: list[str]) -> int:
    """Which option is right, by its name, by its place (from 0), or by its text."""
    if isinstance(gold, str):
        for names in (labels, words):
            if gold in names:
                return names.index(gold)
    elif isinstance(gold, int | float) and gold == int(gold) and 0 <= gold < len(words):
        return int(gold)
    if isinstance(gold, str) and gold.isdigit() and int(gold) < len(words):
        return int(gold)
    raise ValueError(f"{where} has the answer {brief(gold)}, which is none of its {len(words)} options")
