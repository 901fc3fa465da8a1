"""Questions to be answered in writing, in the forms of SQuAD, GSM8K, TriviaQA and the like: one right answer, or
several."""

from typing import Any

from trusteq.checks import brief
from trusteq.records.labelled_texts import read_columns
from trusteq.records.questions import first_of
from trusteq.squad import answer_texts

QUESTIONS = ("text", "question", "query", "prompt", "instruction")
ANSWERS = ("answer", "answers", "label", "gold", "target", "solution")
OF_SEVERAL = ("aliases", "normalized_aliases")  # TriviaQA's, beside a `value`


def read_written(
    dataset: str, split: str = "validation", text: str | None = None, label: str | None = None, group: str | None = None
) -> tuple[list[str], list[list[str]], list[Any] | None, int]:
    """Questions, the right answers of each, groups where a column says them, and how many rows have no answer.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.jsonl").write_text('{"question": "2 + 1 =", "answer": 3}')
    >>> read_written(str(folder / "a.jsonl"))
    (['2 + 1 ='], [['3']], None, 0)
    """
    columns, _ = read_columns(dataset, split)
    question = first_of(dataset, columns, (text,) if text else QUESTIONS)
    answer = first_of(dataset, columns, (label,) if label else ANSWERS)
    if group is not None and group not in columns:
        raise ValueError(f"{dataset} has no column {group!r}; its columns are {', '.join(columns)}")
    texts, right, places = [], [], []
    for i, (asked, given) in enumerate(zip(columns[question], columns[answer], strict=True)):
        if not isinstance(asked, str) or not asked.strip():
            raise ValueError(f"{dataset}: row {i + 1} has no question, got {brief(asked)}")
        if found := right_answers(f"{dataset}: row {i + 1}", given):
            texts.append(asked)
            right.append(found)
            places.append(i)
    if not texts:
        raise ValueError(f"{dataset}: no row has an answer in the column {answer!r}")
    own = None if group is None else [columns[group][i] for i in places]
    return texts, right, own, len(columns[question]) - len(texts)


def right_answers(where: str, given: Any) -> list[str]:
    """
    >>> right_answers("", ["a", "b"]), right_answers("", {"text": ["a"], "answer_start": [1]}), right_answers("", 1.5)
    (['a', 'b'], ['a'], ['1.5'])
    """
    found = answer_texts(given)
    if found is None and isinstance(given, dict) and "value" in given:
        found = [given["value"], *(one for name in OF_SEVERAL for one in given.get(name) or [])]
    if found is None:
        found = list(given) if isinstance(given, list | tuple) else [given]
    said = [plain(one) for one in found if not (one is None or one != one or one == "")]
    if not all(said):
        raise ValueError(f"{where} has the answer {brief(given)}, expected a text, a number, or a list of them")
    return list(dict.fromkeys(said))


def plain(one: Any) -> str:
    """
    >>> plain("a"), plain(2.0), plain(0.5), plain({})
    ('a', '2', '0.5', '')
    """
    if isinstance(one, float) and one.is_integer():
        return str(int(one))
    return str(one) if isinstance(one, str | int | float) else ""
