"""Our attacks beside TextAttack's: the same where the parts are the same, alike where chance is in them.

Runs in an environment of its own (see README.md); there is nothing here that could be skipped.
"""

from functools import cache
from pathlib import Path

import evaluate
import numpy as np
import pytest
import textattack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from textattack import constraints, goal_functions, search_methods, transformations

from trusteq.attack.constraints import EditDistance, NoWordTwice
from trusteq.attack.moves import DeleteLetter, InsertLetter, SubstituteLetter, SwapNeighbours
from trusteq.attack.recipes import Attack

metric = evaluate.load(str(Path(__file__).resolve().parents[2] / "metrics" / "attack_divergence"))

GOOD = ["charming", "brilliant", "funny", "moving", "delightful", "superb", "witty", "touching", "inventive"]
BAD = ["tedious", "clumsy", "boring", "shallow", "pointless", "awful", "lifeless", "predictable", "messy"]
OTHER = ["story", "actors", "camera", "director", "ending", "dialogue", "music", "scenes", "picture", "minutes"]


@cache
def classifier():
    """Trained on reviews of random words, from pieces of them, so that a misspelling may or may not hide a word."""
    texts, labels = reviews(2000, seed=0)
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    return make_pipeline(features, LogisticRegression(C=20, max_iter=1000)).fit(texts, labels).predict_proba


@cache
def reviews(count, seed):
    """No word is there twice: of two equally important ones, theirs may begin with either."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = int(rng.integers(2))
        sides = (BAD, GOOD) if label else (GOOD, BAD)
        kinds = (sides[1], rng.integers(2, 5)), (sides[0], rng.integers(0, 3)), (OTHER, rng.integers(2, 8))
        words = [word for kind, size in kinds for word in rng.choice(kind, size, replace=False)]
        texts.append(" ".join(rng.permutation(words)))
        labels.append(label)
    return texts, labels


def attacked(attack, texts, labels):
    found = metric.attack(texts, labels, {"model": classifier()}, attack=attack)
    return [entry for _, _, entry in sorted(found, key=lambda one: one[0])]


def misspelt(word):
    """Three misspellings of a word, none by chance."""
    return [word[0] + word, word[:-1], word[1] + word[0] + word[2:]]


class Misspell(transformations.WordSwap):
    def _get_replacement_words(self, word):
        return misspelt(word)


@pytest.mark.parametrize("edits", [30, 4])
def test_the_same_parts_give_the_same_attack(edits):
    """Goal, ranking by deletion, no word twice, edit distance, greedy search; nothing in them is random."""

    def theirs(wrapper):
        goal = goal_functions.UntargetedClassification(wrapper)
        once, near = constraints.pre_transformation.RepeatModification(), constraints.overlap.LevenshteinEditDistance
        return textattack.Attack(goal, [once, near(edits)], Misspell(), search_methods.GreedyWordSwapWIR("delete"))

    ours = Attack([lambda word, rng: misspelt(word)], [NoWordTwice(), EditDistance(edits)])
    texts, labels = reviews(60, seed=1)
    mine, other = attacked(ours, texts, labels), attacked(theirs, texts, labels)
    assert {"broken", "withstood"} <= {one["status"] for one in mine}
    assert max(one["changed_words"] for one in mine) > 1
    for one, two in zip(mine, other, strict=True):
        same = ("status", "adversarial", "adversarial_scores", "changed_words")
        assert {key: one[key] for key in same} == {key: two[key] for key in same}


WORDS = ["film", "aab", "it", "Great", "a", "oo", "x1y"]


INSIDE = {"random_one": False, "skip_first_char": True, "skip_last_char": True}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SwapNeighbours(), transformations.WordSwapNeighboringCharacterSwap(random_one=False)),
        (SwapNeighbours(inside=True), transformations.WordSwapNeighboringCharacterSwap(**INSIDE)),
        (DeleteLetter(), transformations.WordSwapRandomCharacterDeletion(random_one=False)),
        (DeleteLetter(inside=True), transformations.WordSwapRandomCharacterDeletion(**INSIDE)),
    ],
)
@pytest.mark.parametrize("word", WORDS)
def test_swaps_and_deletions_can_be_the_same_ones(ours, theirs, word):
    rng = np.random.default_rng(0)
    drawn = {found for _ in range(200) for found in ours(word, rng)}  # at most 5 places each
    assert drawn == set(theirs._get_replacement_words(word)) - {word}


@pytest.mark.parametrize("word", ["film", "it", "great"])
def test_insertions_and_substitutions_are_the_same_but_for_case_and_what_changes_nothing(word):
    """Theirs draw from both cases, never insert behind the last letter, and may substitute a letter by itself."""
    rng = np.random.default_rng(0)
    np.random.seed(0)  # noqa: NPY002 - what TextAttack draws from

    def drawn(draw):
        return {found for _ in range(6000) for found in draw()}  # at most 6 places and 52 letters each

    insertion = transformations.WordSwapRandomCharacterInsertion(random_one=False)
    inserted = {found.lower() for found in drawn(lambda: insertion._get_replacement_words(word))}
    behind = {word + letter for letter in "abcdefghijklmnopqrstuvwxyz"}
    assert drawn(lambda: InsertLetter()(word, rng)) == inserted | behind
    substitution = transformations.WordSwapRandomCharacterSubstitution(random_one=False)
    substituted = {found.lower() for found in drawn(lambda: substitution._get_replacement_words(word))}
    assert drawn(lambda: SubstituteLetter()(word, rng)) == substituted - {word}


def test_deepwordbug_succeeds_about_as_often():
    """Not with the same texts: letters are drawn, and theirs ranks words by what [UNK] in their place does."""
    texts, labels = reviews(400, seed=2)
    rows = [attacked(attack, texts, labels) for attack in ("deepwordbug", "textattack:DeepWordBugGao2018")]
    right = [i for i, one in enumerate(rows[0]) if one["status"] != "skipped"]
    assert len(right) > 300
    broken = np.array([[one[i]["status"] == "broken" for i in right] for one in rows], dtype=float)
    assert 0.15 < broken.mean() < 0.85  # or it would prove little
    difference = broken[0] - broken[1]
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(len(right))  # what chance does, seldom exceeded
