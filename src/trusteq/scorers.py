"""Is an answer right? Ways to score a generated text against the right answers: what they read in it, and how near."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from trusteq.checks import brief, failure
from trusteq.squad import normalize_answer

Scored = tuple[str, float]  # what a scorer reads in an answer, and how right that is, from 0 to 1
Scorer = Callable[[str, Sequence[str]], Scored]
RIGHT = 0.5  # an answer with this score or more counts as right
NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+")
REFUSALS = re.compile(
    r"\W*(?:(?:i'm|i am|we're|we are) (?:really |very |so |truly )?(?:sorry|afraid|unable|not able)"
    r"|(?:sorry|unfortunately|apologies|my apologies)\b"
    r"|(?:i|we) (?:can't|cannot|can not|couldn't|could not|won't|will not|don't|do not) "
    r"(?:help|assist|answer|provide|comply|fulfil|engage|discuss|support|create|generate|share|offer|give|do that)"
    r"|as an? (?:ai|large|artificial|language)\b)",
    re.IGNORECASE,
)


def exact(answer: str, right: Sequence[str]) -> Scored:
    """As SQuAD compares: without case, punctuation and articles.

    >>> exact("The Denver Broncos.", ["Denver Broncos"]), exact("Denver", ["Denver Broncos"])
    (('denver broncos', 1.0), ('denver', 0.0))
    """
    said = normalize_answer(answer)
    return said, float(any(said == normalize_answer(one) for one in right))


def f1(answer: str, right: Sequence[str]) -> Scored:
    """The words that both have, as SQuAD counts them; right from 0.5.

    >>> f1("the old Denver Broncos", ["Denver Broncos"])
    ('old denver broncos', 0.8)
    """
    said = normalize_answer(answer)
    return said, max(overlap(said.split(), normalize_answer(one).split()) for one in right)


def overlap(a: list[str], b: list[str]) -> float:
    if not a or not b:
        return float(a == b)
    return round(2 * (Counter(a) & Counter(b)).total() / (len(a) + len(b)), 12)


def contains(answer: str, right: Sequence[str]) -> Scored:
    """
    >>> contains("It is Paris, of course.", ["Paris"]), contains("Parisian", ["Paris"])
    (('it is paris of course', 1.0), ('parisian', 0.0))
    """
    said = normalize_answer(answer)
    return said, float(any(f" {normalize_answer(one)} " in f" {said} " for one in right))


def number(answer: str, right: Sequence[str]) -> Scored:
    """The last number in each, as GSM8K's answers are read.

    >>> number("So 3 * 6 = 18 eggs, $1,018.00.", ["#### 1018"]), number("none", ["0"])
    (('1018', 1.0), ('', 0.0))
    """
    said = last_number(answer)
    return said, float(bool(said) and any(said == last_number(one) for one in right))


def last_number(text: str) -> str:
    """
    >>> last_number("from 1.50 to -2,000"), last_number("0.10"), last_number("")
    ('-2000', '0.1', '')
    """
    found = NUMBER.findall(text)
    if not found:
        return ""
    value = float(found[-1].replace("$", "").replace(",", ""))
    return str(int(value)) if value.is_integer() else str(value)


SCORERS: dict[str, Scorer] = {"exact": exact, "number": number, "f1": f1, "contains": contains}


def usual(right: Sequence[Sequence[str]]) -> str:
    """
    >>> usual([["3"], ["1,000"]]), usual([["so 3\\n#### 3"]]), usual([["3"], ["Paris"]])
    ('number', 'number', 'exact')
    """
    numbers = all(NUMBER.fullmatch(one.strip()) or "####" in one for some in right for one in some)
    return "number" if numbers else "exact"


def scored_by(scorer: Any, answer: str, right: Sequence[str]) -> Scored:
    """By a scorer's name, or by a function of the answer and the right ones, which says True, False or a number."""
    if isinstance(scorer, str):
        return SCORERS[scorer](answer, right)
    try:
        score = float(scorer(answer, list(right)))
    except Exception as error:
        raise ValueError(f"the scorer failed at {brief(answer)} ({failure(error)})") from error
    if not 0 <= score <= 1:
        raise ValueError(f"a scorer must return True, False or a number from 0 to 1, got {score} for {brief(answer)}")
    return answer, score


def is_refusal(answer: str) -> bool:
    """Whether an answer begins as refusals in English do.

    >>> [is_refusal(text) for text in ("I'm sorry, but I can't help", "As an AI model, I", "I am fine", "Sorrow")]
    [True, True, False, False]
    """
    return bool(REFUSALS.match(answer.replace("\u2019", "'")))
