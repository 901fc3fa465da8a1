"""Where do questions come from when no set of questions is at hand? From pairs of sentences, by leaving words out.

Of two sentences that say the same, the one becomes the context; in the other the words that both have are replaced by
"what", and the question is what they were: "the cat chased what ?" on "a mouse was chased by the cat ." Of two that do
not say the same, the words left out are such as the context does not have, and the right answer is that there is none.
Rows are in the form of SQuAD 2.0. (Answers are found by position and words alone; nobody has read them.)
"""

import random
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]  # id, question, context and answers: {"text": [...], "answer_start": [...]}
Words = list[str]

SHORTEST = 4  # letters of a word that may be asked for: most shorter ones are the same in every sentence
LONGEST = 4  # words of an answer


def questions(pairs: Iterable[tuple[str, str, bool]], name: str, seed: int = 0) -> list[Row]:
    """A question for each pair (context, other sentence, do they say the same) that has words to ask for.

    >>> [row] = questions([("a mouse was chased by the old cat .", "the old cat chased it .", True)], "pair")
    >>> row["question"], row["answers"]
    ('the old cat what it .', {'text': ['chased'], 'answer_start': [12]})
    >>> [row] = questions([("a mouse is asleep .", "the cat chased a mouse .", False)], "pair")
    >>> row["question"], row["answers"]
    ('the cat what a mouse .', {'text': [], 'answer_start': []})
    """
    rows: list[Row] = []
    for number, (context, other, same) in enumerate(pairs):
        words, others = context.split(), other.split()
        choice = random.Random(f"{seed} {number}")  # of its own, so that a question does not depend on those before it
        runs = shared(words, others) if same else [(i, i + 1) for i in range(len(others)) if is_new(others[i], words)]
        if not runs:
            continue
        start, stop = choice.choice(runs)
        found = " ".join(others[start:stop])
        context = " ".join(words)
        answers: dict[str, list[Any]] = {"text": [], "answer_start": []}
        if same:
            answers = {"text": [found], "answer_start": [f" {context} ".index(f" {found} ")]}
        question = " ".join([*others[:start], "what", *others[stop:]])
        rows.append({"id": f"{name}-{number}", "question": question, "context": context, "answers": answers})
    return rows


def shared(words: Words, others: Words) -> list[tuple[int, int]]:
    """The longest runs of words to ask for, as places in `others`, that stand in `words` too, once in each."""
    runs = []
    i = 0
    while i < len(others):
        stop = i
        while (
            stop < min(len(others), i + LONGEST) and can_be_asked(others[stop]) and times(others[i : stop + 1], words)
        ):
            stop += 1
        if stop > i and times(others[i:stop], words) == times(others[i:stop], others) == 1:
            runs.append((i, stop))
        i = max(stop, i + 1)
    return runs


def times(run: Words, words: Words) -> int:
    """How often the run stands in the words.

    >>> times(["a", "b"], ["a", "b", "c", "a", "b"])
    2
    """
    return sum(words[i : i + len(run)] == run for i in range(len(words) - len(run) + 1))


def can_be_asked(word: str) -> bool:
    return len(word) >= SHORTEST and word.isalnum()


def is_new(word: str, words: Words) -> bool:
    return can_be_asked(word) and word.casefold() not in {other.casefold() for other in words}
