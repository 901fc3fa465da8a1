"""SQuAD's form of gold answers, and its rule for when two answers are the same."""

import re
import string
from typing import Any

import numpy as np

PUNCTUATION = str.maketrans("", "", string.punctuation)


def answer_texts(answers: Any) -> list[str] | None:
    """The texts of {"text": [...], ...} or of a list of {"text": ...}; None where it is neither.

    >>> answer_texts([{"text": "Ann"}, {"text": "Ann Lee"}]), answer_texts({"text": []}), answer_texts("Ann")
    (['Ann', 'Ann Lee'], [], None)
    """
    if isinstance(answers, list) and all(isinstance(answer, dict) for answer in answers):
        answers = {"text": [answer.get("text") for answer in answers]}
    texts = answers.get("text") if isinstance(answers, dict) else None
    texts = texts.tolist() if isinstance(texts, np.ndarray) else texts
    return list(texts) if isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts) else None


def acceptable(texts: list[str]) -> set[str]:
    """The gold answers after normalization; none means that no answer is the right answer.

    >>> acceptable(["The", "an Ant"]), acceptable([])
    ({'ant'}, {''})
    """
    return {normal for text in texts if (normal := normalize_answer(text))} or {""}


def normalize_answer(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces.

    >>> normalize_answer("The  Denver Broncos!")
    'denver broncos'
    """
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(PUNCTUATION)).split())
