"""Slices: the verdicts that an audit of the slice alone would give, from the same work, corrected for their number."""

import re
from functools import partial

import evaluate
import numpy as np
import pytest

from trusteq.audit import slicing
from trusteq.audit.audit import compare_each
from trusteq.audit.options import AuditOptions
from trusteq.dimensions.work import Work
from trusteq.report.words import answer

ROLES = {"large": "large", "twin": "twin", "small": "compressed"}
PAIRS = [("twin", "large"), ("small", "large")]
ERRORS = "prediction_error_jaccard"


def saying(words):
    return lambda texts: [[0.1, 0.9] if any(word in text.split() for word in words) else [0.8, 0.2] for text in texts]


FAMILY = {
    "large": saying(["good", "great"]),
    "twin": saying(["good", "warm"]),
    "compressed": {"small": saying(["good"])},
}
TEXTS = ["a good film", "a great one", "warm", "dull and not good", "bad", "this is a great story of a warm heart"] * 25
GOLD = [1, 1, 1, 0, 0, 1] * 25
SOURCE = (["web", "book", "web", "web", "book", "book"] * 25)[: len(TEXTS)]


@pytest.fixture(scope="module")
def trust_equivalence():
    return evaluate.load("metrics/trust_equivalence")


@pytest.fixture(scope="module")
def sliced(trust_equivalence):
    return trust_equivalence.compute(
        **FAMILY,
        texts=TEXTS,
        references=GOLD,
        dimensions=[ERRORS],
        slices={"source": SOURCE, "label": None},
        details=True,
    )


def test_a_slice_gets_what_an_audit_of_it_alone_gives(trust_equivalence, sliced):
    found = sliced["details"]["slices"]
    assert [one["name"] for one in found] == ["source", "label"]
    for one, values in zip(found, (SOURCE, GOLD), strict=True):
        for part in one["slices"]:
            some = [i for i, value in enumerate(values) if str(value) == part["slice"]]
            assert part["examples"] == len(some)
            given = {"texts": [TEXTS[i] for i in some], "references": [GOLD[i] for i in some]}
            alone = trust_equivalence.compute(**FAMILY, **given, dimensions=[ERRORS], details=True)
            entry = alone["details"]["pairs"][1]["dimensions"][ERRORS]
            (ours,) = [verdict for verdict in one["verdicts"] if verdict["slice"] == part["slice"]]
            for key in ("value", "divergence", "divergence_low", "divergence_high", "margin", "floor", "examples"):
                assert ours[key] == entry[key]
            key = f"small/{ERRORS}/{one['name']}/{part['slice']}"
            assert sliced[f"{key}/divergence"] == entry["divergence"]
            assert f"{key}/verdict" in sliced


def test_nothing_is_asked_again_and_the_rest_of_the_audit_is_the_same(trust_equivalence, sliced):
    asked = []

    def counted(texts):
        asked.append(len(texts))
        return FAMILY["large"](texts)

    counts = []
    for slices in (None, {"source": SOURCE}):
        asked.clear()
        family = FAMILY | {"large": counted}
        found = trust_equivalence.compute(
            **family, texts=TEXTS, references=GOLD, dimensions=[ERRORS], slices=slices, details=True
        )["details"]
        counts.append(sum(asked))
        strip = [{key: pair[key] for key in pair if key != "different_for"} for pair in found["pairs"]]
        assert strip == [{key: pair[key] for key in strip[0]} for pair in sliced["details"]["pairs"]]
        assert ("slices" in found) == (slices is not None)
        assert ("|slices=source|" in found["signature"]) == (slices is not None)
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ("mood", "slices: mood needs a value for each text (in a dict); only length and label are built in"),
        ({"source": ["web"]}, "slices: source has 1 values, but there are 150 texts"),
        ({"source": "web"}, "needs a list with one entry per text, got str"),
        ({"id": range(150)}, "slices: id has a different value for every text: at most 50 slices are compared"),
        ({"id": [i // 2 for i in range(150)]}, "slices: id has 75 different values: at most 50 slices are compared"),
        ({"source": ["web"] * 150}, "slices: all texts are alike in source (web), so there is nothing to compare"),
        (3, "slices needs a list with one entry per text, got int"),
    ],
)
def test_what_cannot_be_sliced_is_one_sentence_before_any_model_is_asked(trust_equivalence, slices, said):
    def never(texts):
        raise AssertionError("asked")

    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        trust_equivalence.compute(large=never, compressed={"a": never}, texts=TEXTS, references=GOLD, slices=slices)
    assert "\n" not in str(caught.value)


def test_a_slice_of_few_examples_is_listed_with_its_count_and_no_verdict(trust_equivalence):
    source = ["one", *["few"] * 49, *["many"] * 100]
    found = trust_equivalence.compute(
        **FAMILY, texts=TEXTS, references=GOLD, dimensions=[ERRORS], slices={"source": source}, details=True
    )["details"]["slices"][0]
    assert {part["slice"]: part["examples"] for part in found["slices"]} == {"one": 1, "few": 49, "many": 100}
    left = {part["slice"]: part["left_out"] for part in found["slices"]}
    assert left["one"] == {ERRORS: "It holds 1 example, and a verdict takes at least 50."}
    assert left["few"] == {ERRORS: "It holds 49 examples, and a verdict takes at least 50."}
    assert [verdict["slice"] for verdict in found["verdicts"]] == ["many"]


def test_lengths_are_bands_with_round_limits_that_hold_every_text():
    rng = np.random.default_rng(0)
    for scale in (3, 20, 200, 3000):
        counts = rng.poisson(rng.gamma(2, scale, 500))
        bands = slicing.by_length(counts)
        assert sorted(i for some in bands.values() for i in some) == list(range(500))
        assert 2 <= len(bands) <= 4
        limits = [int(word) for name in bands for word in name.split() if word.isdigit()]
        assert all(limit in slicing.ROUND or limit - 1 in slicing.ROUND for limit in limits)
    pairs = slicing.slicings_of("length", [("a b", "c")] * 3 + [("a " * 40, "b")] * 3, [0] * 6)
    assert list(pairs["length"].values()) == [[0, 1, 2], [3, 4, 5]]


# Of made-up errors: every model is wrong about some examples.


def work_of_errors(wrong):
    """Two classes; `wrong` has a column for each model."""
    gold = np.zeros(len(wrong), int)
    work = Work(gold, ["a text"] * len(wrong))
    for name, column in zip(ROLES, wrong.T, strict=True):
        work.probabilities[name] = np.where(column[:, None], [0.2, 0.8], [0.8, 0.2])
    return work


def drawn_errors(rng, count, own=0.06, shared=0.12):
    """Models that share some errors and have others of their own, equally many each."""
    return (rng.random((count, 1)) < shared) | (rng.random((count, 3)) < own)


def judged(work, values, options):
    slicings = slicing.slicings_of({"part": values}, work.texts, work.gold)
    return slicing.judged(work, slicings, lambda part, few: compare_each(part, ROLES, PAIRS, few, options), {}, options)


def test_fine_on_average_does_not_hide_what_is_different_in_a_slice():
    rng = np.random.default_rng(1)
    wrong = drawn_errors(rng, 12_000)
    part = np.where(np.arange(12_000) < 1_000, "negations", "others")
    here = part == "negations"
    wrong[here, 2] = rng.random(1_000) < 0.18  # as often wrong there as the others, but about other texts
    options = AuditOptions(dimensions=ERRORS)
    work = work_of_errors(wrong)
    whole = compare_each(work, ROLES, PAIRS, {}, options)[1]
    assert whole["dimensions"][ERRORS]["verdict"] == "equivalent"
    (found,) = judged(work, part.tolist(), options)
    assert [(one["slice"], one["verdict"]) for one in found["verdicts"]] == [
        ("negations", "different"),
        ("others", "equivalent"),
    ]
    assert found["verdicts"][0]["beyond"] > 1 > 0 > found["verdicts"][1]["beyond"]
    whole["different_for"] = slicing.different_for([found], "small")
    assert answer(whole).word == "Not settled"
    assert answer(whole).summary.endswith("of 6, but different for part: negations.")


def test_the_worst_comes_first():
    rng = np.random.default_rng(2)
    wrong = drawn_errors(rng, 8_000)
    part = np.arange(8_000) % 4
    for which in (1, 3):
        of = part == which
        wrong[of, 2] = np.where(rng.random(of.sum()) < 0.3 * which, rng.random(of.sum()) < 0.18, wrong[of, 2])
    (found,) = judged(work_of_errors(wrong), [f"part {i}" for i in part], AuditOptions(dimensions=ERRORS))
    assert found["verdicts"][0]["slice"] == "part 3"
    assert found["verdicts"] == sorted(found["verdicts"], key=slicing.worse)
    assert found["corrected_for"] == 4


def test_holm_is_for_the_verdicts_of_all_slicings_together():
    wrong = drawn_errors(np.random.default_rng(3), 2_000)
    options, work = AuditOptions(dimensions=ERRORS), work_of_errors(wrong)
    values = {"half": [i % 2 for i in range(2_000)], "third": [i % 3 for i in range(2_000)]}
    slicings = slicing.slicings_of(values, work.texts, work.gold)
    compare = partial(compare_each, roles=ROLES, pairs=PAIRS, options=options)
    found = slicing.judged(work, slicings, lambda part, few: compare(part, skipped=few), {}, options)
    assert [one["corrected_for"] for one in found] == [5, 5]


def test_slices_drawn_at_random_are_called_different_no_more_often_than_stated():
    """The compressed model lies on the margin, where a false alarm is likeliest: 2.5 % of slicings may have one (5 % is
    allowed for the luck of 60), and without the correction more do."""
    truth = excess_of(drawn_errors(np.random.default_rng(3), 1_000_000), moved=0.35)
    options = AuditOptions(dimensions=ERRORS, margins={ERRORS: truth})
    alarms, by_itself, trials = 0, 0, 60
    for trial in range(trials):
        rng = np.random.default_rng([4, trial])
        wrong = moved_errors(drawn_errors(rng, 2_000), rng, 0.35)
        (found,) = judged(work_of_errors(wrong), [f"part {i}" for i in rng.integers(5, size=2_000)], options)
        alarms += any(one["verdict"] == "different" for one in found["verdicts"])
        by_itself += any(one["chance"] < 0.025 for one in found["verdicts"])
    assert alarms <= 0.05 * trials
    assert by_itself > alarms


def moved_errors(wrong, rng, share):
    """A part of the compressed model's errors are drawn anew."""
    anew = rng.random(len(wrong)) < share
    wrong[anew, 2] = rng.random(anew.sum()) < 0.1728
    return wrong


def excess_of(wrong, moved):
    large, twin, small = moved_errors(wrong, np.random.default_rng(5), moved).T
    return float((twin & large).sum() / (twin | large).sum() - (small & large).sum() / (small | large).sum())
