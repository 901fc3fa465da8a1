"""attack_divergence: cases worked by hand, figures against direct counts, seeds, kinds of models, and bad input."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import evaluate
import numpy as np
import pyarrow
import pytest
import tiny_models
import torch
from drawn import spans_of
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from trusteq.attack.moves import Typos
from trusteq.attack.recipes import Attack
from trusteq.attack.search import NoSearch
from trusteq.dimensions.attack_divergence import columns, fall_gap_interval
from trusteq.dimensions.plots.attacks import MOST_WORDS
from trusteq.dimensions.plots.drawable import drawable
from trusteq.intervals import paired_share_gap_interval
from trusteq.models.labels import gold
from trusteq.side_by_side import side_by_side

ROOT = Path(__file__).resolve().parents[2]
metric = evaluate.load(str(ROOT / "metrics" / "attack_divergence"))

TEXTS = ["good plot but awful acting", "a great film and a dull story", "bad movie with good acting", "the cat sleeps"]
GOLD = [0, 1, 0, 1]
OWN = ["textbugger", "deepwordbug", "typos"]


def keyword(*words):
    """A model that says 1 where one of the words stands, and else 0."""

    def model(texts):
        said = [any(word in (text if isinstance(text, str) else text[1]).split() for word in words) for text in texts]
        return [[0.1, 0.9] if yes else [0.8, 0.2] for yes in said]

    return model


def deaf(texts):
    """A model that ignores the text."""
    return [[0.3, 0.7]] * len(texts)


def bag_of_words(weights):
    def model(texts):
        words = [(text if isinstance(text, str) else " ".join(text)).split() for text in texts]
        score = np.array([sum(weights.get(word, 0) for word in some) for some in words])
        return np.stack([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], axis=1)

    return model


MODEL = bag_of_words({"good": 1.0, "great": 2.0, "bad": -1.5, "awful": -3.0, "dull": -0.5, "sleeps": 1.0})
LARGE = bag_of_words({"good": 1.0, "great": 3.0, "bad": -2.5, "awful": -3.0, "acting": -1.0, "cat": 1.0, "film": 1.0})
ARGUMENTS = {"texts": TEXTS, "references": GOLD, "model": MODEL, "large_model": LARGE, "attack": "deepwordbug"}


def outcomes_of(result, name="outcome"):
    return [entry[name] for entry in result["details"]["per_example"]]


# Worked by hand.


def test_a_keyword_model_falls_exactly_when_the_keyword_is_misspelt():
    texts, references = ["a good film", "the film", "good !"], [1, 0, 1]
    result = metric.compute(
        texts=texts, references=references, model=keyword("good"), large_model=deaf, attack="deepwordbug", details=True
    )
    first, second, third = outcomes_of(result)
    # The clean text, it without each of two words, four misspellings of `good`.
    assert (first["status"], first["queries"], first["changed_words"]) == ("broken", 1 + 2 + 4, 1)
    assert first["adversarial"].startswith("a ")
    assert first["adversarial"].endswith(" film")
    assert "good" not in first["adversarial"].split()
    # The only word that may change is not compared with others, and no change of it matters.
    assert (second["status"], second["queries"]) == ("withstood", 1 + 4)
    assert (third["status"], third["queries"]) == ("broken", 1 + 4)
    expected = {
        "accuracy": 1, "attacked_accuracy": 1 / 3, "accuracy_fall": 2 / 3, "success_rate": 2 / 3,
        "mean_queries": (7 + 5 + 5) / 3, "mean_changed_words": 1, "unchangeable_texts": 0,
        "large_accuracy": 2 / 3, "large_attacked_accuracy": 2 / 3, "large_accuracy_fall": 0, "large_success_rate": 0,
        "large_mean_changed_words": 0, "broken_jaccard": 0, "expected_broken_jaccard": 0, "transfer_to_large": 0,
        "transfer_from_large": 0, "examples": 3, "accuracy_fall_gap": 2 / 3, "attacked_accuracy_gap": -1 / 3,
    }  # fmt: skip
    assert {key: result[key] for key in expected} == pytest.approx(expected)


@pytest.mark.parametrize("attack", OWN)
def test_a_model_that_ignores_the_text_never_falls(attack):
    result = metric.compute(
        texts=TEXTS, references=[1, 1, 1, 0], model=deaf, large_model=deaf, attack=attack, details=True
    )
    assert [outcome["status"] for outcome in outcomes_of(result)] == ["withstood"] * 3 + ["skipped"]
    assert result["accuracy"] == result["attacked_accuracy"] == 0.75
    assert result["accuracy_fall"] == result["success_rate"] == result["transfer_to_large"] == 0
    assert result["broken_jaccard"] == result["expected_broken_jaccard"] == 1
    assert all(outcome["adversarial"] == outcome["text"] for outcome in outcomes_of(result))


@pytest.mark.parametrize("attack", OWN)
def test_texts_with_nothing_to_change_withstand_and_are_counted(attack):
    if attack == "typos":  # has no constraint: only a text without words cannot be changed
        attack, texts = Attack([Typos(0.5)], constraints=[], search=NoSearch()), ["?!", "...", "good"]
    else:
        texts = ["it is the", "not for us !", "good film indeed"]
    result = metric.compute(
        texts=texts, references=[0, 0, 1], model=keyword("good"), large_model=keyword("good"), attack=attack,
        details=True,
    )  # fmt: skip
    first, second, third = outcomes_of(result)
    assert [(o["status"], o["changeable"], o["queries"]) for o in (first, second)] == [("withstood", False, 1)] * 2
    assert third["changeable"]
    assert result["unchangeable_texts"] == result["large_unchangeable_texts"] == 2


def test_every_clean_prediction_wrong_has_stated_figures():
    result = metric.compute(**ARGUMENTS | {"model": deaf, "references": [0, 0, 0, 0], "texts": ["good film"] * 4})
    zero = ["accuracy", "attacked_accuracy", "accuracy_fall", "success_rate", "transfer_to_large", "mean_queries"]
    assert [result[key] for key in zero] == [0] * len(zero)
    assert all(np.isfinite(value) for value in result.values())
    assert -1 <= result["accuracy_fall_gap_low"] <= result["accuracy_fall_gap"] <= result["accuracy_fall_gap_high"] <= 1
    both = metric.compute(**ARGUMENTS | {"model": deaf, "large_model": deaf, "references": [0, 0, 0, 0]})
    assert both["broken_jaccard"] == both["expected_broken_jaccard"] == 1
    assert (both["broken_jaccard_low"], both["broken_jaccard_high"]) == (0, 1)


def test_identical_models_break_alike_and_share_every_text():
    result = metric.compute(**ARGUMENTS | {"model": LARGE})
    assert result["accuracy_fall"] > 0
    assert result["accuracy_fall_gap"] == 0
    assert result["broken_jaccard"] == result["transfer_to_large"] == result["transfer_from_large"] == 1


def test_words_are_replaced_by_their_nearest_vectors():
    vectors = {"good": [1, 0.1], "decent": [1, 0.2], "nice": [1, 0.5], "awful": [-1, 0]}

    def no_speller(texts):  # corrects every misspelling, and likes what is not decent
        return [[0.9, 0.1] if "decent" in text else [0.2, 0.8] for text in texts]

    result = metric.compute(
        texts=["a Good film today"], references=[1], model=no_speller, large_model=deaf, word_vectors=vectors,
        details=True,
    )  # fmt: skip
    assert outcomes_of(result)[0]["status"] == "withstood"  # `Decent` has a capital
    result = metric.compute(
        texts=["a good film today"], references=[1], model=no_speller, large_model=deaf, word_vectors=vectors,
        details=True,
    )  # fmt: skip
    assert outcomes_of(result)[0]["adversarial"] == "a decent film today"
    assert (result["word_vectors"], result["details"]["word_vectors"]) == (4, "mapping")


def test_the_large_models_embeddings_serve_both_where_no_vectors_are_given():
    tokenizer = tiny_models.tokenizer()
    large = (tiny_models.classifier(0), tokenizer)
    result = metric.compute(texts=TEXTS, references=GOLD, model=keyword("good"), large_model=large, details=True)
    assert (result["word_vectors"], result["details"]["word_vectors"]) == (len(tiny_models.WORDS), "large_model")
    without = metric.compute(texts=TEXTS, references=GOLD, model=large, large_model=keyword("good"), details=True)
    assert (without["word_vectors"], without["details"]["word_vectors"]) == (0, None)


def test_a_target_is_reached_or_withstood():
    def three(texts):
        rows = [[0.2, 0.7, 0.1] if "good" in text.split() else [0.5, 0.3, 0.2] for text in texts]
        return [[0.1, 0.2, 0.7] if "xood" in text else row for row, text in zip(rows, texts, strict=True)]

    attack = Attack(transformations=[lambda word, rng: ["x" + word[1:], "y" + word[1:]]])
    arguments = {"texts": ["a good film"], "model": three, "large_model": three, "attack": attack, "details": True}
    for target, expected in ((2, "a xood film"), (0, "a yood film")):
        result = metric.compute(**arguments, references=[1], target=target)
        assert outcomes_of(result)[0]["adversarial"] == expected
    own = metric.compute(**arguments, references=[1], target=1)
    assert (outcomes_of(own)[0]["status"], outcomes_of(own)[0]["queries"]) == ("withstood", 1)


def test_similarity_forbids_what_goes_too_far():
    def near(texts):  # what has lost its `good` is another sentence
        return [[1.0, 0.0] if "good" in text else [0.0, 1.0] for text in texts]

    arguments = ARGUMENTS | {"attack": "textbugger", "texts": ["a good film"], "references": [1], "details": True}
    arguments |= {"model": keyword("good"), "large_model": keyword("good")}
    free, held = metric.compute(**arguments, similarity=lambda texts: [[1.0]] * len(texts)), None
    assert outcomes_of(free)[0]["status"] == "broken"
    held = metric.compute(**arguments, similarity=near)
    assert outcomes_of(held)[0]["status"] == "withstood"
    assert outcomes_of(held)[0]["changeable"]


def test_an_encoder_can_be_a_model_with_its_tokenizer():
    encoder = (tiny_models.classifier(1), tiny_models.tokenizer())
    result = metric.compute(**ARGUMENTS | {"attack": "textbugger", "similarity": encoder})
    assert 0 <= result["accuracy_fall"] <= 1


@pytest.mark.parametrize(
    ("encoder", "sentence"),
    [
        (lambda texts: 1 / 0, r"similarity failed \(ZeroDivisionError: division by zero\)"),
        (lambda texts: [1.0], r"similarity returned an array of shape \(1,\), expected one vector of finite numbers"),
        (lambda texts: [[float("nan")]] * len(texts), "similarity returned an array of shape .*, expected one vector"),
        (lambda texts: "vectors", "similarity failed"),
    ],
)
def test_an_encoder_that_fails_is_named(encoder, sentence):
    with pytest.raises(ValueError, match=sentence):
        metric.compute(**ARGUMENTS | {"attack": "textbugger", "similarity": encoder})


def test_in_a_pair_one_text_changes():
    pairs = [("good film", "a good film"), ("good end", "good end")]
    for field, place in (("first", 0), ("second", 1)):
        result = metric.compute(
            texts=pairs, references=[1, 1], model=keyword("good"), large_model=bag_of_words({"good": 1, "end": -1.1}),
            attack="deepwordbug", attack_field=field, details=True,
        )  # fmt: skip
        for outcome in outcomes_of(result) + outcomes_of(result, "large_outcome"):
            assert outcome["adversarial"][1 - place] == outcome["text"][1 - place]
            assert (outcome["adversarial"] != outcome["text"]) == (outcome["status"] == "broken")
        # The keyword model reads the second text only.
        assert result["accuracy_fall"] == (1 if field == "second" else 0)


@pytest.mark.parametrize("most", [1, 2, 5, 20])
def test_no_attack_asks_more_than_max_queries(most):
    result = metric.compute(**ARGUMENTS, max_queries=most, details=True)
    for outcome in outcomes_of(result) + outcomes_of(result, "large_outcome"):
        assert outcome["queries"] <= most
        assert outcome["changeable"]
    if most == 1:
        assert result["accuracy_fall"] == result["large_accuracy_fall"] == 0


# Figures against direct counts.


@pytest.mark.parametrize("attack", OWN)
def test_transfer_is_what_a_direct_count_gives(attack):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(tiny_models.WORDS, 7)) for _ in range(40)]
    tokenizer = tiny_models.tokenizer()
    small, large = ((tiny_models.classifier(seed), tokenizer) for seed in (1, 2))
    gold = rng.integers(0, 2, 40)
    result = metric.compute(
        texts=texts, references=gold, model=small, large_model=large, attack=attack,
        rate=0.3 if attack == "typos" else None, details=True,
    )  # fmt: skip

    def says(model, text):
        with torch.inference_mode():
            return model[0](**tokenizer(text, return_tensors="pt")).logits.argmax().item()

    for one, other, key, name in (
        (small, large, "outcome", "transfer_to_large"), (large, small, "large_outcome", "transfer_from_large")
    ):  # fmt: skip
        fooled = count = 0
        for text, label, outcome in zip(texts, gold, outcomes_of(result, key), strict=True):
            assert (outcome["status"] != "skipped") == (says(one, text) == label)
            if outcome["status"] == "broken":
                assert says(one, outcome["adversarial"]) != label
                if says(other, text) == label:
                    count += 1
                    fooled += says(other, outcome["adversarial"]) != label
                    assert outcome["transfers"] == (says(other, outcome["adversarial"]) != label)
        assert count > 0
        assert result[name] == fooled / count


def test_outcomes_that_are_handed_in_give_the_figures_of_the_attack():
    result = metric.compute(**ARGUMENTS, details=True)
    small, large = (json.loads(json.dumps(outcomes_of(result, name))) for name in ("outcome", "large_outcome"))
    again = metric.compute(predictions=small, large_predictions=large, details=True)
    models_only = {"truncated_texts", "large_truncated_texts", "details"}
    assert {key: result[key] for key in result.keys() - models_only} == {
        key: again[key] for key in again.keys() - models_only
    }
    assert outcomes_of(again) == outcomes_of(result)
    for outcome in small + large:
        del outcome["transfers"]
    bare = metric.compute(predictions=small, large_predictions=large)
    assert result.keys() - bare.keys() == models_only | {"transfer_to_large", "transfer_from_large"}


outcome_rows = st.lists(
    st.tuples(st.sampled_from(["skipped", "broken", "withstood"]), st.sampled_from(["skipped", "broken", "withstood"])),
    min_size=1, max_size=30,
)  # fmt: skip


@given(outcome_rows, st.sampled_from([0.5, 0.95]))
def test_the_figures_are_those_of_a_direct_count(rows, level):
    columns = [[{"status": row[i], "queries": 2, "changed_words": 1} for row in rows] for i in (0, 1)]
    result = metric.compute(predictions=columns[0], large_predictions=columns[1], confidence_level=level)
    for i, prefix in ((0, ""), (1, "large_")):
        right = [row for row in rows if row[i] != "skipped"]
        broken = [row for row in right if row[i] == "broken"]
        assert result[f"{prefix}accuracy"] == len(right) / len(rows)
        assert result[f"{prefix}attacked_accuracy"] == (len(right) - len(broken)) / len(rows)
        fall = len(broken) / len(right) if right else 0
        assert result[f"{prefix}accuracy_fall"] == result[f"{prefix}success_rate"] == fall
        if right:  # the definition in the paper
            assert 1 - result[f"{prefix}attacked_accuracy"] / result[f"{prefix}accuracy"] == pytest.approx(fall)
    both = [row for row in rows if "skipped" not in row]
    either = [row for row in both if "broken" in row]
    jaccard = either.count(("broken", "broken")) / len(either) if either else 1
    assert result["broken_jaccard"] == jaccard
    assert result["accuracy_fall_gap_low"] <= result["accuracy_fall_gap"] <= result["accuracy_fall_gap_high"]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60), st.sampled_from([0.8, 0.95]))
def test_where_all_were_right_the_gaps_interval_is_that_of_two_paired_shares(rows, level):
    small, large = (columns([(True, row[i], 1, 0, True, -1) for row in rows]) for i in (0, 1))
    only = sum(a and not b for a, b in rows), sum(b and not a for a, b in rows)
    expected = paired_share_gap_interval(*only, len(rows), level)
    assert fall_gap_interval(small, large, level) == pytest.approx(expected)


# One seed, one result.


def test_an_outcome_depends_on_nothing_that_runs_beside_it():
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(tiny_models.WORDS, size)) for size in rng.integers(2, 9, 20)]
    gold = rng.integers(0, 2, 20)
    models = {"large": LARGE, "small": MODEL}
    for attack in OWN:
        whole = {(i, name): found for i, name, found in metric.attack(texts, gold, models, attack=attack, seed=5)}
        assert len(whole) == 40
        some = {"large": [3], "small": [7, 3, 19]}
        part = {(i, name): found for i, name, found in metric.attack(texts, gold, models, some, attack=attack, seed=5)}
        assert part == {key: whole[key] for key in ((3, "large"), (7, "small"), (3, "small"), (19, "small"))}
    other = {(i, name): found for i, name, found in metric.attack(texts, gold, models, attack="deepwordbug", seed=6)}
    mine = {(i, name): found for i, name, found in metric.attack(texts, gold, models, attack="deepwordbug", seed=5)}
    assert other != mine


def test_another_process_with_another_hash_seed_gives_the_same_texts():
    code = (
        "import json, sys, evaluate, numpy as np\n"
        "metric = evaluate.load(sys.argv[1])\n"
        "right = lambda text: {'good', 'film'} <= set(text.split())\n"
        "model = lambda texts: [[0.1, 0.9] if right(text) else [0.8, 0.2] for text in texts]\n"
        "vectors = {w: [len(w), i] for i, w in enumerate(['good', 'film', 'plain', 'story', 'picture', 'word', 'x'])}\n"
        "for attack, options in (('textbugger', {'word_vectors': vectors}), ('deepwordbug', {}), ('typos', {})):\n"
        "    texts = ['A very good film indeed', 'good good film']\n"
        "    found = metric.attack(texts, [1, 1], {'large': model}, attack=attack, **options)\n"
        "    print(json.dumps(sorted(found)))\n"
    )
    printed = []
    for seed in ("0", "1"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        arguments = [sys.executable, "-c", code, str(ROOT / "metrics" / "attack_divergence")]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert printed[0].count('"broken"') >= 3


def test_pairs_may_come_as_lists_as_json_and_arrow_give_them():
    pairs = [("good film", "a good film"), ("good end", "good end")]
    arguments = ARGUMENTS | {"references": [1, 1], "details": True}
    expected = metric.compute(**arguments | {"texts": pairs})
    array = np.empty(2, dtype=object)
    array[:] = [np.array(pair, dtype=object) for pair in pairs]
    for texts in (json.loads(json.dumps(pairs)), pyarrow.array(pairs), np.array(pairs), array):
        assert metric.compute(**arguments | {"texts": texts}) == expected
        found = metric.attack(texts, [1, 1], {"large": LARGE}, attack="deepwordbug")
        assert {outcome["text"] for _, _, outcome in found} == set(pairs)


# References.


def test_whole_numbers_may_be_written_as_strings():
    large = SimpleNamespace(name="large", classes=3, names=None)
    assert gold(["1", "0.0", "2.", " 2", 1, 2.0], large, None).tolist() == [1, 0, 2, 2, 1, 2]
    assert gold(["1", "low", "2"], large, {"low": 0, "high": 1}).tolist() == [1, 0, 2]
    named = SimpleNamespace(name="large", classes=3, names=["1", "2", "3"])
    assert gold(["1", "3", 0], named, None).tolist() == [0, 2, 0]


@pytest.mark.parametrize(
    ("label", "names", "expected"),
    [
        ("3", None, "0 to 2"),
        ("-1", None, "0 to 2"),
        ("1.5", None, "0 to 2"),
        ("nan", None, "0 to 2"),
        ("good", None, "0 to 2"),
        ("good", ["Low", "Mid", "High"], "Low, Mid, High"),
        ("3", ["Low", "Mid", "High"], "Low, Mid, High"),
        ("0", ["1", "2", "3"], "1, 2, 3"),  # a class number here would be another class than its neighbour's name
    ],
)
def test_a_label_that_is_no_class_is_refused_with_what_the_classes_are(label, names, expected):
    large = SimpleNamespace(name="teacher", classes=3, names=names)
    sentence = f"references[1] is {label!r}, which is none of teacher's 3 classes: {expected}"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        gold([1, label], large, None)


def test_of_many_classes_the_first_names_are_listed():
    large = SimpleNamespace(name="teacher", classes=100, names=[f"class {i}" for i in range(100)])
    with pytest.raises(ValueError, match=r"teacher's 100 classes: class 0, class 1, .*, class 11, \.\.\.$"):
        gold([100], large, None)


# Kinds of models.


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two tiny checkpoints with the same classes in another order."""
    base = tmp_path_factory.mktemp("models")
    large = tiny_models.checkpoint(base / "large", seed=0, labels=("negative", "positive"))
    return large, tiny_models.checkpoint(base / "small", seed=1, labels=("POSITIVE", "NEGATIVE"), width=16)


def test_every_kind_of_model_gives_the_same_figures(folders):
    pairs = [
        (AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
        for folder in folders
    ]
    pipes = [pipeline("text-classification", model=m, tokenizer=t) for m, t in pairs]
    names = ["negative", "positive", "negative", "positive"]
    results = [
        metric.compute(texts=TEXTS, references=names, model=b, large_model=a, attack="deepwordbug")
        for a, b in ((str(folders[0]), str(folders[1])), folders, pairs, pipes)
    ]
    assert all(result == pytest.approx(results[0]) for result in results)
    numbers = metric.compute(texts=TEXTS, references=GOLD, model=pairs[1], large_model=pairs[0], attack="deepwordbug")
    assert numbers == pytest.approx(results[0])
    swapped = metric.compute(texts=TEXTS, references=names, model=pairs[0], large_model=pairs[1], attack="deepwordbug")
    assert swapped["accuracy_fall"] == results[0]["large_accuracy_fall"]
    assert swapped["transfer_to_large"] == results[0]["transfer_from_large"]


def test_texts_that_are_too_long_are_counted(folders):
    text = " ".join(["good"] * 70)
    result = metric.compute(
        texts=[text, "good film"], references=[0, 0], model=str(folders[0]), large_model=deaf, attack="typos"
    )
    assert result["truncated_texts"] >= 1
    assert result["large_truncated_texts"] == 0


# Bad input.

BAD = {
    "nothing": ({}, "nothing to compute: give predictions and large_predictions"),
    "no texts": (ARGUMENTS | {"texts": None}, "texts is missing"),
    "no model": (ARGUMENTS | {"model": None}, "model is missing"),
    "no labels": (ARGUMENTS | {"references": None}, "references is missing"),
    "fewer labels": (ARGUMENTS | {"references": [0]}, "references needs one entry per text, got 1 for 4 texts"),
    "a label too many": (ARGUMENTS | {"references": [0, 1, 2, 1]}, r"references\[2\] is 2, which is none of"),
    "both kinds": (ARGUMENTS | {"predictions": []}, "give outcomes .* or models to attack, not both"),
    "a blank text": (ARGUMENTS | {"texts": ["good", " ", "a", "b"]}, r"texts\[1\] is empty or blank"),
    "a number": (ARGUMENTS | {"texts": ["good", 3, "a", "b"]}, r"texts\[1\] must be a string"),
    "unknown attack": (ARGUMENTS | {"attack": "textfooler"}, "attack must be one of 'textbugger', 'deepword"),
    "no attack": (ARGUMENTS | {"attack": 3}, "attack must be a name, an Attack composed of parts"),
    "unknown option": (ARGUMENTS | {"max_query": 3}, "unknown option max_query; did you mean max_queries"),
    "no queries": (ARGUMENTS | {"max_queries": 0}, "max_queries must be a whole number of at least 1"),
    "field": (ARGUMENTS | {"attack_field": 1}, "attack_field must be 'first' or 'second'"),
    "rate": (ARGUMENTS | {"attack": "typos", "rate": 1.5}, "rate must be a number above 0 and below 1"),
    "rate of another": (ARGUMENTS | {"rate": 0.5}, "rate is for typos, got it with deepwordbug"),
    "vectors of another": (ARGUMENTS | {"word_vectors": {}}, "word_vectors is for textbugger, got it with deepwordbug"),
    "similarity": (ARGUMENTS | {"attack": "textbugger", "similarity": 3}, "similarity must be a callable from texts"),
    "no masked model": (ARGUMENTS | {"attack": "bert_attack"}, "bert_attack needs masked_model"),
    "masked model": (ARGUMENTS | {"attack": "bert_attack", "masked_model": 3}, "masked_model must be a path"),
    "target": (ARGUMENTS | {"target": 5}, "target is 5, which is none of large_model's 2 classes"),
    "other classes": (ARGUMENTS | {"model": lambda some: [[0.2, 0.3, 0.5]] * len(some)}, "model has 3 classes but"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_in_one_sentence(case):
    arguments, sentence = BAD[case]
    with pytest.raises(ValueError, match=sentence):
        metric.compute(**arguments)
    assert metric.compute(**ARGUMENTS, confidence_level=None)["examples"] == 4


GOOD = {"status": "broken", "queries": 3, "changed_words": 1}
BAD_OUTCOMES = {
    "no dict": (["broken"], "example 0: expected a dict with status"),
    "no status": ([{"queries": 3, "changed_words": 0}], "example 0: status is missing"),
    "no queries": ([{"status": "broken", "changed_words": 0}], "queries is missing"),
    "status": ([GOOD | {"status": "failed"}], "status must be 'skipped' or 'broken' or 'withstood', got 'failed'"),
    "queries": ([GOOD | {"queries": -1}], "queries must be a whole number from 0 to 9007199254740992, got -1"),
    "too many queries": ([GOOD | {"queries": 10**30}], "queries must be a whole number from 0 to 9007199254740992"),
    "endless queries": ([GOOD | {"queries": float("inf")}], "queries must be a whole number from 0 to"),
    "half a word": ([GOOD | {"changed_words": 0.5}], "changed_words must be a whole number"),
    "transfers": ([GOOD | {"transfers": "yes"}], "transfers must be True or False"),
    "unknown key": ([GOOD | {"success": True}], "unknown key 'success'"),
    "unknown keys": ([GOOD | {"success": True, 3: 1}], "example 0: unknown key 3; the keys are label"),
    "equal texts": ([GOOD | {"text": "a", "adversarial": "a"}], "'broken' but the adversarial text equals the text"),
    "text": ([GOOD | {"text": 3}], "text must be a string or a pair of strings"),
    "scores": ([GOOD | {"scores": [1, "a"]}], "scores must be the probabilities of two or more classes"),
    "empty": ([], "predictions is empty"),
    "one dict": (GOOD, "predictions needs one outcome"),
}


@pytest.mark.parametrize("case", BAD_OUTCOMES)
def test_bad_outcomes_are_named_in_one_sentence(case):
    given, sentence = BAD_OUTCOMES[case]
    with pytest.raises(ValueError, match=sentence):
        metric.compute(predictions=given, large_predictions=[GOOD])


@pytest.mark.parametrize("name", ["text", "label"])
def test_outcomes_of_different_examples_are_no_pair(name):
    values = {"text": ["good film", ["a", "b"]], "label": [0, 1]}[name]
    known, other = ([GOOD | {name: value} for value in order] for order in (values, values[::-1]))
    assert metric.compute(predictions=known, large_predictions=known)["examples"] == 2
    assert metric.compute(predictions=known, large_predictions=[GOOD, GOOD])["examples"] == 2
    with pytest.raises(ValueError, match=f"^example 0: predictions and large_predictions are of different {name}s$"):
        metric.compute(predictions=known, large_predictions=other)


def test_outcomes_as_attack_gives_them_are_compared_once_they_are_sorted():
    models = {"large": LARGE, "small": MODEL}
    found = sorted(metric.attack(TEXTS, GOLD, models, attack="deepwordbug"), key=lambda one: one[0])
    small, large = ([outcome for _, name, outcome in found if name == wanted] for wanted in ("small", "large"))
    whole = metric.compute(**ARGUMENTS)
    result = metric.compute(predictions=small, large_predictions=large)
    assert {name: whole[name] for name in result if name != "signature"} == {
        name: value for name, value in result.items() if name != "signature"
    }
    with pytest.raises(ValueError, match="are of different texts"):
        metric.compute(predictions=small[::-1], large_predictions=large)


def test_a_model_that_fails_leaves_the_figures_of_what_was_finished(monkeypatch):
    monkeypatch.setattr("trusteq.attack.attacking.side_by_side", lambda jobs: side_by_side(jobs, width=2))
    calls = []

    def fragile(texts):
        calls.append(texts)
        if len(calls) > 8:
            raise RuntimeError("device lost")
        return MODEL(texts)

    with pytest.raises(ValueError, match=r"broke off \(RuntimeError: device lost\); \d of 8 attacks were") as caught:
        metric.compute(**ARGUMENTS | {"model": fragile})
    assert 1 <= caught.value.partial["examples"] < 4
    assert metric.partial == caught.value.partial


def test_a_model_that_fails_at_once_is_named():
    with pytest.raises(ValueError, match=r"failed at the first question \(ZeroDivisionError: division") as caught:
        metric.compute(**ARGUMENTS | {"model": lambda texts: 1 / 0})
    assert caught.value.partial is None


def test_an_interrupt_leaves_module_and_models_usable():
    tokenizer = tiny_models.tokenizer()
    network = tiny_models.classifier(0).train()
    calls = []

    def interrupted(texts):
        calls.append(texts)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return MODEL(texts)

    expected = metric.compute(**ARGUMENTS)
    with pytest.raises(KeyboardInterrupt):
        metric.compute(**ARGUMENTS | {"model": interrupted, "large_model": (network, tokenizer)})
    assert network.training
    assert all(module.training for module in network.modules())
    assert metric.compute(**ARGUMENTS) == expected


def test_a_transformation_that_gives_no_words_names_the_example():
    attack = Attack(transformations=[lambda word, rng: [len(word)]])
    with pytest.raises(ValueError, match=r"texts\[\d\] could not be attacked for .* a transformation must give a list"):
        metric.compute(**ARGUMENTS | {"attack": attack})


def test_a_transformation_that_changes_nothing_counts_as_nothing_to_change():
    attack = Attack(transformations=[lambda word, rng: [word]])
    result = metric.compute(**ARGUMENTS | {"attack": attack})
    assert result["accuracy_fall"] == 0
    assert result["unchangeable_texts"] == round(result["accuracy"] * 4)


def test_attack_takes_any_number_of_models_and_names_bad_indices():
    found = list(metric.attack(TEXTS, GOLD, {"large": LARGE, "a": MODEL, "b": deaf}, {"b": [1]}, attack="typos"))
    assert [(index, name) for index, name, _ in found] == [(1, "b")]
    with pytest.raises(ValueError, match=r"indices\['large'\] holds 9, but there are 4 texts"):
        list(metric.attack(TEXTS, GOLD, {"large": LARGE}, {"large": [9]}, attack="typos"))
    with pytest.raises(ValueError, match="models needs one model or more"):
        list(metric.attack(TEXTS, GOLD, {}, attack="typos"))


# Plots.


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(["good", "film", "$x$", "中文", "👩\u200d🚀", "awful", "a"]), min_size=1, max_size=200))
def test_any_text_can_be_drawn(words):
    result = metric.compute(
        texts=[" ".join(words)], references=[1], model=MODEL, large_model=keyword("good", "film"), attack="typos",
        rate=0.5, details=True,
    )  # fmt: skip
    figure = metric.plot(result, example=0)
    figure.canvas.draw()
    shown = [text.get_text() for text in figure.texts]
    (outcome,), (large,) = outcomes_of(result), outcomes_of(result, "large_outcome")
    changed = [one["adversarial"].split() for one in (outcome, large) if one["status"] == "broken"]
    if max(map(len, [words, *changed])) <= MOST_WORDS:  # of longer ones only what lies near a change is drawn
        headings = 4  # of the original and both models, and the note
        assert len(shown) == headings + len(words) + sum(map(len, changed))
        assert [drawable(word)[0] for word in words] == shown[1 : 1 + len(words)]


def test_a_result_is_drawn_with_every_figure_of_it():
    result = metric.compute(**ARGUMENTS, details=True)
    curves, sets, overlap = metric.plot(result).axes
    for line, prefix in zip(curves.lines, ("", "large_"), strict=True):
        heights = line.get_ydata()
        accuracy, attacked = result[f"{prefix}accuracy"], result[f"{prefix}attacked_accuracy"]
        assert heights[[0, -1]] == pytest.approx([100 * accuracy, 100 * attacked])
        outcomes = outcomes_of(result, f"{prefix}outcome")
        broken = sorted(one["queries"] for one in outcomes if one["status"] == "broken")
        assert line.get_xdata()[1:-1].tolist() == broken
    both = [pair for pair in zip(outcomes_of(result), outcomes_of(result, "large_outcome"), strict=True)
            if all(one["status"] != "skipped" for one in pair)]  # fmt: skip
    broke = [tuple(one["status"] == "broken" for one in pair) for pair in both]
    kinds = [(True, False), (True, True), (False, True), (False, False)]
    assert [bar.get_width() for bar in sets.patches] == [broke.count(kind) for kind in kinds]
    assert f"of the {len(both)} that both had right" in sets.get_title(loc="left")
    shown = [line.get_xdata()[0] for line in overlap.lines]
    keys = ["broken_jaccard", "transfer_to_large", "transfer_from_large", "expected_broken_jaccard"]
    assert shown == [result[key] for key in keys]
    said = [text.get_text() for text in overlap.texts]
    assert said == [*(f"{result[key]:.2f}" for key in keys[:3]), f"chance {result[keys[3]]:.2f}"]
    assert (result["broken_jaccard_low"], result["broken_jaccard_high"]) in spans_of(overlap)


def test_an_example_is_drawn_with_what_either_attack_changed():
    pairs = [("good film", "a good film")]
    falls = {"texts": pairs, "references": [1], "model": keyword("good")}  # it reads the second text alone
    result = metric.compute(**ARGUMENTS | falls, details=True)
    shown = [(text.get_text(), text.get_fontweight() == "bold") for text in metric.plot(result, example=0).texts]
    (fallen,), (standing,) = outcomes_of(result), outcomes_of(result, "large_outcome")
    assert (fallen["status"], standing["status"]) == ("broken", "withstood")
    changed = fallen["adversarial"][1].split()
    bold = [new != old for new, old in zip(changed, ["a", "good", "film"], strict=True)]
    untouched = [("good", False), ("film", False), ("|", False)]
    scores = f"the gold class falls from {fallen['scores'][1]:.2f} to {fallen['adversarial_scores'][1]:.2f}"
    also = "also fools" if fallen["transfers"] else "does not fool"
    assert shown == [
        ("original, example 0, gold class 1", True),
        *untouched,
        *zip(["a", "good", "film"], bold, strict=True),
        (f"compressed: broke after {fallen['queries']} questions; {scores}; {also} the large one", True),
        *untouched,
        *zip(changed, bold, strict=True),
        (f"large: withstood {standing['queries']} questions", True),
        ("Underlined: changed for the compressed model (solid), the large one (dashed), or both (double).", False),
    ]
    with pytest.raises(ValueError, match="example must be a whole number from 0 to 0"):
        metric.plot(result, example=1)
    bare = metric.compute(predictions=[GOOD], large_predictions=[GOOD], details=True)
    with pytest.raises(ValueError, match="example 0 has no texts"):
        metric.plot(bare, example=0)


@pytest.mark.parametrize("key", ["status", "changeable", "transfers"])
@pytest.mark.parametrize("value", [np.array([1, 0]), np.empty(0)])
def test_an_array_is_no_part_of_an_outcome(key, value):
    good = {"status": "broken", "queries": 2, "changed_words": 1}
    with pytest.raises(ValueError, match=f"predictions, example 0: {key} must be"):
        metric.compute(predictions=[{**good, key: value}], large_predictions=[good])
