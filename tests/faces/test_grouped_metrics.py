"""Groups in a metric: in one call, in batches, row by row, from several processes; and an audit's."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import evaluate
import numpy as np
import pytest
from one_of_two import one_of_two

METRICS = ("prediction_error_jaccard", "calibration_gap", "ood_divergence")


def load(name, folder, **options):
    return evaluate.load(f"metrics/{name}", cache_dir=str(folder), **options)


def rows(count, seed=0):
    rng = np.random.default_rng(seed)
    gold = rng.integers(2, size=count)
    data = {"references": gold, "groups": np.arange(count) // 5}
    for name in ("predictions", "large_predictions"):
        data[name] = (rng.dirichlet([1, 1], size=count) + np.eye(2)[gold]) / 2
    return data


def part(data, rows):
    return {name: values[rows] for name, values in data.items()}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("names", [None, "passage"])
def test_batches_and_single_rows_give_the_result_of_one_call(tmp_path, name, names):
    data = rows(60)
    if names:
        data["groups"] = np.array([f"{names} {group}" for group in data["groups"]], dtype=object)
    whole = load(name, tmp_path).compute(**data, details=True)
    assert "|groups=12|" in whole["details"]["signature"]
    metric = load(name, tmp_path)
    metric.add_batch(**part(data, slice(0, 33)))
    for i in range(33, 60):
        row = part(data, i)
        metric.add(
            prediction=row["predictions"],
            reference=row["references"],
            large_prediction=row["large_predictions"],
            group=row["groups"],
        )
    assert metric.compute(details=True) == whole
    metric.add_batch(**part(data, slice(0, 33)))
    assert metric.compute(**part(data, slice(33, 60)), details=True) == whole


def test_groups_of_several_processes_are_one(tmp_path):
    data = rows(100)
    whole = load("calibration_gap", tmp_path).compute(**data)
    halves = [part(data, slice(0, 48)), part(data, slice(48, 100))]  # a group lies in both
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def from_two(cache):
            jobs = [pool.submit(one_of_two, "metrics/calibration_gap", i, str(cache), halves[i], {}) for i in (0, 1)]
            return [job.result(timeout=120) for job in reversed(jobs)]

        assert from_two(tmp_path / "all") == [None, whole]
        del halves[1]["groups"]
        with pytest.raises(ValueError, match="groups are missing for some batches of rows"):
            from_two(tmp_path / "some")


def test_groups_come_with_all_rows_or_with_none(tmp_path):
    data, missing = rows(20), "groups are missing"
    without = {name: values for name, values in data.items() if name != "groups"}
    for first, second in ((data, without), (without, data)):
        metric = load("calibration_gap", tmp_path)
        metric.add_batch(**first)
        with pytest.raises(
            ValueError, match="groups are missing for some batches of rows: give them with all, or with"
        ):
            metric.add_batch(**second)
        metric.compute()  # the first batch is still there
    one = {name.removesuffix("s"): values[0] for name, values in data.items()}
    metric = load("calibration_gap", tmp_path)
    with pytest.raises(ValueError, match="groups is missing from this row"):
        metric.add(**one | {"group": None})
    metric.add(**one)
    metric.add(**{name: value for name, value in one.items() if name != "group"})
    with pytest.raises(ValueError, match=missing):
        metric.compute()
    with pytest.raises(ValueError, match="predictions is missing"):
        metric.compute(groups=[1, 2])
    with pytest.raises(ValueError, match=r"add_batch takes .*, groups, not gruops"):
        metric.add_batch(**without, gruops=[1])


# An audit.


def model_of(*words):
    return lambda texts: [[0.1, 0.9] if any(word in text for word in words) else [0.8, 0.2] for text in texts]


def audit(**given):
    words = ("good", "dull", "great", "awful", "fun", "long")
    texts = [f"a {words[i % 6]} film, number {i}" for i in range(60)]
    data = {"texts": texts, "references": [int(i % 6 in (0, 2, 4)) for i in range(60)]} | given
    metric = evaluate.load("metrics/trust_equivalence")
    models = {"large": model_of("good", "great", "awful"), "twin": model_of("good", "great", "fun")}
    models["compressed"] = {"small": model_of("good", "dull")}
    return metric.compute(**models, **data, dimensions=["prediction_error_jaccard"], details=True)["details"]


def entry_of(found):
    return next(p for p in found["pairs"] if p["name"] == "small")["dimensions"]["prediction_error_jaccard"]


def test_an_audit_counts_groups():
    plain, found = audit(), audit(groups=[i // 6 for i in range(60)])
    assert plain["data"]["groups"] is None
    assert "groups" not in plain["signature"]
    assert found["data"] | {"groups": None, "fingerprint": ""} == plain["data"] | {"fingerprint": ""}
    assert found["data"]["groups"] == 10
    assert "|groups=10|" in found["signature"]
    assert found["data"]["fingerprint"] != plain["data"]["fingerprint"]
    few = audit(groups=[i // 30 for i in range(60)])
    assert entry_of(few)["verdict"] == "inconclusive"
    assert "leaves 2 of 60 examples: too few for a verdict" in entry_of(few)["sentence"]
    assert few["models"]["small"]["accuracy_high"] - few["models"]["small"]["accuracy_low"] == pytest.approx(1, abs=0.5)


def test_a_text_that_is_repeated_counts_once():
    """Three times the same texts: the intervals are those of the texts once, and the number of repetitions is told."""
    once = audit(groups=list(range(60)))
    texts = [f"a {('good', 'dull', 'great', 'awful', 'fun', 'long')[i % 6]} film, number {i}" for i in range(60)]
    gold = [int(i % 6 in (0, 2, 4)) for i in range(60)]
    thrice = audit(texts=texts * 3, references=gold * 3)
    assert thrice["data"]["duplicates"] == 120
    assert thrice["data"]["groups"] is None
    for key in ("low", "high", "divergence_low", "divergence_high"):
        assert entry_of(thrice)[key] == pytest.approx(entry_of(once)[key])
    for key in ("accuracy_low", "accuracy_high"):
        assert thrice["models"]["small"][key] == pytest.approx(once["models"]["small"][key])
    apart = audit(texts=texts * 2, references=gold * 2, groups=[0] * 60 + [1] * 60)
    assert (apart["data"]["duplicates"], apart["data"]["duplicates_apart"]) == (0, 60)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ([None] * 60, "groups are missing for 60 of 60 examples, the first in row 0"),
        ([1] * 59, "all arguments need one entry per example, but texts has 60, groups has 59"),
    ],
)
def test_groups_that_do_not_fit_are_said_before_a_model_is_asked(groups, says):
    with pytest.raises(ValueError, match=says):
        audit(groups=groups)


def test_other_groups_ask_no_model_again(tmp_path):
    asked = []

    def counting(texts):
        asked.extend(texts)
        return model_of("good")(texts)

    metric = evaluate.load("metrics/trust_equivalence")
    texts = [f"a good film, {i}" if i % 2 else f"a dull film, {i}" for i in range(30)]
    given = {"large": counting, "compressed": {"small": model_of("dull")}, "texts": texts, "references": [0, 1] * 15}
    given |= {"folder": tmp_path, "dimensions": ["prediction_error_jaccard"], "details": True}
    metric.compute(**given)
    asked.clear()
    metric.compute(**given, resume=True)
    again = len(asked)  # what a function is known by
    found = metric.compute(**given, resume=True, groups=[i // 3 for i in range(30)])["details"]
    assert found["data"]["groups"] == 10
    assert len(asked) == 2 * again


def test_predictions_and_a_trainer_take_groups():
    data = rows(60)
    metric = evaluate.load("metrics/trust_equivalence")
    found = metric.compute(**data)
    plain = metric.compute(**{name: values for name, values in data.items() if name != "groups"})
    wide, narrow = (f["calibration_gap/brier_gap_high"] - f["calibration_gap/brier_gap_low"] for f in (found, plain))
    assert wide != narrow
    evaluation = type("", (), {"predictions": data["predictions"], "label_ids": data["references"]})
    compute = metric.for_trainer(data["large_predictions"], from_logits=False, groups=data["groups"])
    assert compute(evaluation) == found
