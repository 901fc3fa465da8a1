"""attribution_alignment with models: known weights, the explainers' own packages, kinds of models, and bad input."""

import io
import json
from pathlib import Path

import evaluate
import numpy as np
import pytest
import shap
import tiny_models
import torch
from drawn import texts_of
from hypothesis import given, settings
from hypothesis import strategies as st
from lime.lime_text import LimeTextExplainer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from trusteq.dimensions.plots.alignment import shorten
from trusteq.dimensions.plots.drawable import drawable
from trusteq.explain.methods import explain
from trusteq.models.open import as_predictor

ROOT = Path(__file__).resolve().parents[2]
METHODS = ["lime", "shap", "shap_permutation", "occlusion"]
WORDS = {"good": 1.0, "great": 2.0, "bad": -1.5, "awful": -3.0, "dull": -0.5}
TEXTS = ["good plot but awful acting", "a great film and a dull story", "bad movie with good acting", "the cat sleeps"]
GOLD = [0, 1, 0, 1]


@pytest.fixture(scope="module")
def alignment():
    return evaluate.load("metrics/attribution_alignment")


def bag_of_words(weights, scale=1.0):
    """A model that adds up the weights of a text's words."""

    def model(texts):
        words = [(text if isinstance(text, str) else " ".join(text)).split() for text in texts]
        score = scale * np.array([sum(weights.get(word, 0) for word in some) for some in words])
        return np.stack([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], axis=1)

    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two tiny checkpoints with the same classes in another order."""
    base = tmp_path_factory.mktemp("models")
    large = tiny_models.checkpoint(base / "large", seed=0, labels=("negative", "positive"))
    return large, tiny_models.checkpoint(base / "small", seed=1, labels=("POSITIVE", "NEGATIVE"), width=16)


# Known weights.


@pytest.mark.parametrize("method", METHODS)
def test_every_method_ranks_known_words_as_they_weigh(alignment, method):
    model = bag_of_words(WORDS, scale=0.3)
    result = alignment.compute(
        texts=TEXTS[:3], references=[1, 1, 1], model=model, large_model=model, method=method, k=2, details=True
    )
    for entry in result["details"]["per_example"]:
        known = sorted((w for w in entry["text"].split() if w in WORDS), key=lambda word: -abs(WORDS[word]))
        found = entry["explanations"][0][: len(known)]
        assert [word for word, _ in found] == known
        assert all(np.sign(weight) == np.sign(WORDS[word]) for word, weight in found)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_agrees_with_itself_fully(alignment, method):
    model = bag_of_words(WORDS)
    result = alignment.compute(texts=TEXTS, references=GOLD, model=model, large_model=model, method=method, k=[1, 3])
    for k in (1, 3):
        assert result[f"jaccard_at_{k}"] == result[f"sign_agreement_at_{k}"] == 1
    assert result["top_word_agreement"] == 1
    assert result["examples_used"] == 4


@pytest.mark.parametrize("method", METHODS)
def test_models_that_look_at_other_words_share_none(alignment, method):
    small, large = bag_of_words({"good": 2, "dull": -2}), bag_of_words({"awful": -2, "great": 2})
    result = alignment.compute(texts=TEXTS[:2], references=GOLD[:2], model=small, large_model=large, method=method, k=1)
    assert result["jaccard_at_1"] == result["top_word_agreement"] == 0


def test_the_explained_class_turns_the_signs(alignment):
    model = bag_of_words(WORDS)
    signs = {}
    for name, options in {
        "gold 0": {"references": [0]},
        "gold 1": {"references": [1]},
        "large": {"explain": "large"},
        "own": {"explain": "own"},
    }.items():
        result = alignment.compute(
            texts=["awful film"], model=model, large_model=model, method="occlusion", k=1, details=True, **options
        )
        signs[name] = np.sign(result["details"]["per_example"][0]["explanations"][0][0][1])
    assert signs == {"gold 0": 1, "gold 1": -1, "large": 1, "own": 1}


def test_own_explains_what_each_model_predicts(alignment):
    small, large = bag_of_words({"good": 1}), bag_of_words({"good": -1})
    arguments = {"texts": ["good film"], "model": small, "large_model": large, "method": "occlusion", "k": 1}
    assert alignment.compute(**arguments, explain="large")["sign_agreement_at_1"] == 0
    assert alignment.compute(**arguments, explain="own")["sign_agreement_at_1"] == 1


def test_runs_show_the_explainers_noise(alignment):
    model = bag_of_words(WORDS)
    arguments = {"texts": TEXTS, "references": GOLD, "model": model, "large_model": model, "k": 4, "runs": 3}
    exact = alignment.compute(**arguments, method="occlusion")
    assert exact["self_jaccard_at_4"] == exact["large_self_jaccard_at_4"] == exact["alignment_at_4"] == 1
    noisy = alignment.compute(**arguments, method="lime", samples=10)
    assert noisy["self_jaccard_at_4"] < 1
    assert noisy["self_jaccard_at_4"] == noisy["large_self_jaccard_at_4"]  # the same model, the same perturbations
    assert noisy["jaccard_at_4"] == 1
    assert noisy["alignment_at_4"] == pytest.approx(1)  # as near to each other as each is to itself


# Real networks.


@pytest.mark.parametrize("method", [*METHODS, "integrated_gradients"])
def test_every_method_explains_checkpoints_with_classes_in_another_order(alignment, folders, method):
    large, small = folders
    arguments = {"texts": TEXTS[:3], "references": ["positive", "negative", "positive"], "method": method, "k": [1, 2]}
    if method == "lime":
        arguments["samples"] = 100
    result = alignment.compute(**arguments, model=str(small), large_model=str(large), details=True)
    assert result["examples_used"] == 3
    assert 0 <= result["jaccard_at_2_low"] <= result["jaccard_at_2"] <= result["jaccard_at_2_high"] <= 1
    swapped = alignment.compute(**arguments, model=str(large), large_model=str(small), details=True)
    entries = zip(result["details"]["per_example"], swapped["details"]["per_example"], strict=True)
    for one, other in entries:
        assert dict(one["explanations"][0]) == pytest.approx(dict(other["large_explanations"][0]), abs=1e-5)


def test_every_kind_of_model_gives_the_same_figures(alignment, folders):
    large, small = folders
    pairs = [
        (AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
        for folder in (large, small)
    ]
    pipes = [pipeline("text-classification", model=m, tokenizer=t) for m, t in pairs]
    results = [
        alignment.compute(texts=TEXTS, references=GOLD, model=b, large_model=a, method="occlusion", k=2)
        for a, b in ((large, small), (str(large), str(small)), pairs, pipes)
    ]
    assert all(result == pytest.approx(results[0]) for result in results)


def test_pairs_may_come_as_lists_as_json_and_arrow_give_them(alignment):
    pairs = [("a good film", "awful acting"), ("dull", "great plot")]
    model = bag_of_words(WORDS)
    arguments = {"references": ["1", "0.0"], "model": model, "large_model": model, "k": 2, "method": "occlusion"}
    expected = alignment.compute(texts=pairs, details=True, **arguments)
    given = [list(pair) for pair in pairs]
    assert alignment.compute(texts=given, details=True, **arguments) == expected
    options = {"method": "occlusion", "k": 2}
    found = sorted(alignment.explain(given, [1, 0], {"large": model}, **options))
    explanations = [explained for _, _, explained in found]
    figures = [alignment.compare(texts, explanations, explanations, **options) for texts in (pairs, given)]
    assert figures[0] == figures[1]


def test_names_of_references_are_those_of_labels_where_it_is_given(alignment):
    tokenizer = tiny_models.tokenizer()
    large, small = ((tiny_models.classifier(seed, ("negative", "Very_positive")), tokenizer) for seed in (0, 1))
    arguments = {"texts": TEXTS[:2], "model": small, "large_model": large, "method": "occlusion", "k": 2}
    arguments["details"] = True
    expected = alignment.compute(**arguments, references=[0, 1])["details"]["per_example"]
    for names in (["negative", "Very_positive"], ["NEGATIVE", "very positive"]):
        for labels in (None, {"negative": 0, "very positive": 1}, {"negative": 1, "VERY-POSITIVE": 0}):
            result = alignment.compute(**arguments, references=names, labels=labels)
            assert result["details"]["per_example"] == expected


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients"])
def test_both_classes_of_a_single_output_have_opposite_weights(alignment, method):
    tokenizer = tiny_models.tokenizer()
    large, small = ((tiny_models.classifier(seed, classes=1), tokenizer) for seed in (0, 1))
    first, second = (
        alignment.compute(
            texts=TEXTS[:1], references=[gold], model=small, large_model=large, method=method, k=2, details=True
        )["details"]["per_example"][0]["explanations"][0]
        for gold in (0, 1)
    )
    assert any(abs(weight) > 1e-3 for _, weight in first)
    assert dict(first) == pytest.approx({word: -weight for word, weight in second}, abs=1e-6)


def alone(folder):
    """A checkpoint in float64, asked one text at a time: what an explainer's own package would be given."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="float64")
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def ask(texts):
        rows = [model(**tokenizer(str(text), return_tensors="pt")).logits.softmax(-1)[0] for text in texts]
        return np.stack([row.detach().numpy() for row in rows])

    return ask


def alone_pairs(folder):
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="float64")
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def ask(pairs):
        rows = [model(**tokenizer(*pair, return_tensors="pt")).logits.softmax(-1)[0] for pair in pairs]
        return np.stack([row.detach().numpy() for row in rows])

    return ask


def example_seed(seed, index):
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def test_lime_weights_are_those_of_the_lime_package(alignment, folders):
    large, small = folders
    arguments = {"texts": TEXTS, "references": GOLD, "model": small, "large_model": large, "dtype": "float64"}
    result = alignment.compute(**arguments, method="lime_package", samples=200, k=2, seed=42, details=True)
    for index in (0, 2):
        explainer = LimeTextExplainer(random_state=example_seed(42, index))
        theirs = explainer.explain_instance(
            TEXTS[index], alone(large), labels=(GOLD[index],), num_features=20, num_samples=200
        )
        ours = dict(result["details"]["per_example"][index]["large_explanations"][0])
        assert ours == pytest.approx(dict(theirs.as_list(label=GOLD[index])), abs=1e-6)


def test_shap_values_are_those_of_the_shap_package(alignment, folders):
    large, small = folders
    arguments = {"texts": TEXTS[:2], "references": GOLD[:2], "model": small, "large_model": large, "dtype": "float64"}
    result = alignment.compute(**arguments, method="shap", k=2, details=True)
    explainer = shap.Explainer(alone(large), shap.maskers.Text(r"\s+"), algorithm="partition")
    theirs = explainer(TEXTS[:1], max_evals=500, silent=True)
    ours = dict(result["details"]["per_example"][0]["large_explanations"][0])
    expected = {word.strip(): value for word, value in zip(theirs.data[0], theirs.values[0][:, GOLD[0]], strict=True)}
    assert ours == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_an_explanation_does_not_depend_on_what_is_explained_beside_it(alignment, folders, method):
    large, small = folders
    options = {"method": method, "k": 2, "details": True, "dtype": "float64"}
    options |= {} if method == "occlusion" else {"samples": 60}
    many = alignment.compute(texts=TEXTS * 5, references=GOLD * 5, model=small, large_model=large, **options)
    one = alignment.compute(texts=TEXTS[:1], references=GOLD[:1], model=small, large_model=large, **options)
    for key in ("explanations", "large_explanations"):
        ours, theirs = (dict(r["details"]["per_example"][0][key][0]) for r in (many, one))
        assert ours == pytest.approx(theirs, abs=1e-9)


# Pairs.


@pytest.mark.parametrize("method", METHODS)
def test_no_question_loses_the_boundary_of_a_pair(alignment, method):
    asked = []

    def model(texts):
        asked.extend(texts)
        return bag_of_words(WORDS)(texts)

    pairs = [("a good film [SEP] | indeed", "awful  acting"), ("dull", "great plot")]
    alignment.compute(texts=pairs, references=[1, 0], model=model, large_model=model, method=method, k=2)
    assert len(asked) > 4
    for text in asked:
        assert isinstance(text, tuple)
        first, second = text
        assert set(first.split()) - {"..."} <= {"a", "good", "film", "[SEP]", "|", "indeed", "dull", "[]"}
        assert set(second.split()) - {"..."} <= {"awful", "acting", "great", "plot"}


# What counts: only support, and no special tokens.


def test_only_words_that_support_the_class_count_where_that_is_asked(alignment):
    small, large = bag_of_words({"good": 2, "plot": 1, "awful": -3}), bag_of_words({"good": 1, "awful": 2, "but": -3})
    given = {"texts": TEXTS[:1], "references": [1], "model": small, "large_model": large, "method": "occlusion", "k": 2}
    result = alignment.compute(**given, rank="support", details=True)
    (entry,) = result["details"]["per_example"]
    assert [[word for word, _ in entry[key][0][:2]] for key in ("explanations", "large_explanations")] == [
        ["good", "plot"],
        ["awful", "good"],
    ]
    assert result["jaccard_at_2"] == pytest.approx(1 / 3)
    assert alignment.compute(**given)["jaccard_at_2"] == pytest.approx(1 / 3)  # good, awful; but, awful
    assert result["sign_agreement_at_2"] == 1


def test_examples_without_support_are_empty_sets(alignment):
    """Two empty sets are the same, and one is nothing like a set that is not empty."""
    against, for_it = bag_of_words({"good": -1, "film": -1}), bag_of_words({"good": 1, "film": -1})
    given = {"texts": ["good film"], "references": [1], "method": "occlusion", "k": 2, "rank": "support"}
    for models, share in (((against, against), 1), ((against, for_it), 0), ((for_it, for_it), 1)):
        result = alignment.compute(**given, model=models[0], large_model=models[1])
        assert (result["jaccard_at_2"], result["examples_used"]) == (share, 1)
    for empty in ([], [("good", -0.5)]):  # explanations that were made elsewhere
        found = [[("good", 0.5)], empty, [("a", 1.0)]]
        result = alignment.compute(predictions=found, large_predictions=[found[0], empty, empty], k=1, rank="support")
        assert (result["jaccard_at_1"], result["examples_used"]) == (pytest.approx(2 / 3), 3)
    with pytest.raises(ValueError, match=r'example 1: there is no word .* with rank="support" that is an empty set'):
        alignment.compute(predictions=[{"a": 1}, []], large_predictions=[{"a": 1}, {"a": 1}], k=1)


@pytest.mark.parametrize("method, kept", [("lime_package", "SEP"), ("shap", "[SEP]"), ("occlusion", "[SEP]")])
def test_what_separators_leave_behind_is_dropped_on_request(alignment, method, kept):
    """Two texts joined in one string, as paper B gives them to its explainers, for a model that splits them again."""
    model = bag_of_words({"good": 1, "SEP": 3, "[SEP]": 3, "[": 1})
    asked = {"references": [1], "model": lambda texts: model([text.replace("[SEP]", "SEP") for text in texts])}
    asked |= {"large_model": asked["model"], "method": method, "k": 1, "details": True}
    for text, word in (("a good film [SEP] so good", "good"), ("SEP is good [SEP] it", "SEP")):
        with_it, without = (
            alignment.compute(**asked, texts=[text], drop_special=drop)["details"]["per_example"][0]
            for drop in (False, True)
        )
        first, then = (entry["large_explanations"][0] for entry in (with_it, without))
        assert first[0][0] in (kept, "SEP")
        assert then[0][0] == word  # a word that the text has besides is no leftover
        assert [pair for pair in first if pair[0] != kept or word == kept] == then
    if method == "shap":
        small = alignment.compute(**asked, texts=["one [SEP] two"], drop_special=True)
        assert small["expected_jaccard_at_1"] == 0.5  # of two words


def test_explanations_made_elsewhere_lose_separators_on_request(alignment):
    found = [[("SEP", 0.9), ("good", 0.5), ("[CLS]", 3)]]
    large = [[("good", 0.9), ("CLS", 0.5)]]
    for drop, share in ((False, 0), (True, 1)):
        result = alignment.compute(predictions=found, large_predictions=large, k=1, drop_special=drop)
        assert result["jaccard_at_1"] == share


# Paper B's two protocols, beside the packages run as it describes.


def test_paper_bs_protocol_of_nli_is_that_of_the_packages(alignment, folders):
    """The pair is one string to the explainer, and is split again for the model; of the gold class the first words by
    the size of their weight."""
    pairs = [("a good film don't", "awful acting in the plot"), ("the cat sleeps", "it's a dull story")]
    joined = [" [SEP] ".join(pair) for pair in pairs]

    def splitting(folder):
        ask = alone_pairs(folder)
        return lambda lines: ask([str(line).partition("[SEP]")[::2] for line in lines])

    large, small = map(splitting, folders)
    given = {"texts": joined, "references": [1, 0], "model": small, "large_model": large, "k": 3, "details": True}
    for method, samples in (("lime_package", 60), ("shap", 50)):
        result = alignment.compute(**given, method=method, samples=samples, seed=42)
        shares = []
        for i, (text, entry) in enumerate(zip(joined, result["details"]["per_example"], strict=True)):
            tops = []
            for model, key in ((small, "explanations"), (large, "large_explanations")):
                if method == "shap":
                    explainer = shap.Explainer(model, shap.maskers.Text(r"(?<=\S)(?=\s+\S)"), algorithm="partition")
                    theirs = explainer([text], max_evals=samples, silent=True)
                    pairs_of = zip((w.strip() for w in theirs.data[0]), theirs.values[0][:, int(i == 0)], strict=True)
                else:
                    explainer = LimeTextExplainer(random_state=example_seed(42, i))
                    found = explainer.explain_instance(
                        text, model, labels=(int(i == 0),), num_features=20, num_samples=samples
                    )
                    pairs_of = found.as_list(label=int(i == 0))
                strongest = {}
                for word, weight in sorted(pairs_of, key=lambda pair: -abs(pair[1])):
                    strongest.setdefault(word, weight)
                assert dict(entry[key][0]) == pytest.approx(strongest, abs=1e-6)
                tops.append(set(list(strongest)[:3]))
            shares.append(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))
        assert result["jaccard_at_3"] == pytest.approx(np.mean(shares))


def test_paper_bs_protocol_of_pi_is_that_of_the_packages(alignment, folders):
    """Words that support the gold class, by signed weight; SHAP by permutations, at least twice the words and one."""
    seed_compiled = pytest.importorskip("numba").njit(lambda seed: np.random.seed(seed))  # noqa: NPY002
    large, small = map(alone, folders)
    texts = TEXTS[:3]
    given = {"texts": texts, "references": GOLD[:3], "model": small, "large_model": large, "k": 3, "rank": "support"}
    result = alignment.compute(**given, method="shap_permutation", seed=43, details=True)
    shares = []
    for i, text in enumerate(texts):
        tops = []
        for model in (small, large):
            explainer = shap.Explainer(model, shap.maskers.Text(r"(?<=\S)(?=\s+\S)"), algorithm="permutation")
            seed_compiled(example_seed(43, i))
            theirs = explainer([text], max_evals=max(100, 2 * len(text.split()) + 1), silent=True)
            ranked = sorted(zip(theirs.values[0][:, GOLD[i]], theirs.data[0], strict=True), key=lambda pair: -pair[0])
            tops.append(list(dict.fromkeys(word.strip() for value, word in ranked if value > 0))[:3])
        entry = result["details"]["per_example"][i]
        assert [[w for w, _ in entry[key][0][:3]] for key in ("explanations", "large_explanations")] == tops
        ours, theirs = map(set, tops)
        shares.append(len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0)
    assert result["jaccard_at_3"] == pytest.approx(np.mean(shares))


# Stop when sure.


def test_stopping_when_sure_takes_a_part_of_the_examples_and_says_how_many(alignment):
    small, large = bag_of_words({"good": 1, "awful": -1}), bag_of_words({"good": 1, "great": 1})
    texts, gold = TEXTS * 300, GOLD * 300
    arguments = {"texts": texts, "references": gold, "model": small, "large_model": large, "method": "occlusion"}
    arguments["k"] = 1
    whole = alignment.compute(**arguments)
    part = alignment.compute(**arguments, target_width=0.2)
    assert part["examples_used"] < whole["examples_used"] == 1200
    assert part["jaccard_at_1_high"] - part["jaccard_at_1_low"] <= 0.2
    assert part["jaccard_at_1_low"] <= whole["jaccard_at_1"] <= part["jaccard_at_1_high"]
    assert alignment.compute(**arguments, target_width=0.2) == part


# Odd texts.


def test_short_texts_are_compared_as_far_as_they_go_and_counted(alignment):
    model = bag_of_words(WORDS)
    texts = ["good", "a good film"]
    result = alignment.compute(texts=texts, references=[1, 1], model=model, large_model=model, method="shap", k=[1, 2])
    assert (result["short_examples_at_1"], result["short_examples_at_2"]) == (0, 1)
    assert result["jaccard_at_2"] == 1


def test_texts_beyond_the_models_length_are_counted(alignment, folders):
    large, small = folders
    texts = ["good " * 70 + "film", "good film"]
    result = alignment.compute(texts=texts, references=[1, 0], model=small, large_model=large, method="occlusion", k=1)
    assert result["truncated_texts"] > 0
    assert result["large_truncated_texts"] > 0


@pytest.mark.parametrize("explain", ["gold", "large", "own"])
def test_integrated_gradients_count_every_text_that_was_cut_once(alignment, folders, explain):
    large, small = folders
    texts = ["good film", *("good " * 70 + word for word in ("film", "plot", "cat"))]
    arguments = {"texts": texts, "references": [1, 0, 1, 0], "model": small, "large_model": large, "k": 1}
    result = alignment.compute(**arguments, method="integrated_gradients", explain=explain)
    assert (result["truncated_texts"], result["large_truncated_texts"]) == (3, 3)


@pytest.mark.parametrize("explain", ["gold", "large", "own"])
@pytest.mark.parametrize("method", METHODS)
def test_no_model_is_asked_the_same_text_twice_for_one_example(alignment, method, explain):
    asked = {"model": [], "large_model": []}

    def watched(name):
        def model(texts):
            asked[name].extend(texts)
            return bag_of_words(WORDS)(texts)

        return model

    models = {name: watched(name) for name in asked}
    alignment.compute(texts=TEXTS[:1], references=[1], **models, method=method, k=2, explain=explain)
    for questions in asked.values():
        assert len(questions) == len(set(questions)) > 4


def test_a_predictor_that_is_used_again_counts_anew(alignment, folders):
    large, small = (as_predictor(folder, name) for folder, name in zip(folders, ("large_model", "model"), strict=True))
    texts = ["good " * 70 + "film", "good film"]
    arguments = {"texts": texts, "references": [1, 0], "model": small, "large_model": large, "method": "occlusion"}
    assert alignment.compute(**arguments) == alignment.compute(**arguments)
    assert not small.quiet


def test_lime_keeps_as_many_words_as_are_compared(alignment):
    model = bag_of_words(WORDS)
    text = " ".join(f"w{i}" for i in range(40))
    arguments = {"texts": [text], "references": [1], "model": model, "large_model": model, "samples": 50}
    result = alignment.compute(**arguments, k=[10, 30, 50])
    assert [result[f"short_examples_at_{k}"] for k in (10, 30, 50)] == [0, 0, 1]
    assert alignment.compute(**arguments, k=30, features=20)["short_examples_at_30"] == 1


def test_texts_without_words_for_lime_are_left_out(alignment):
    model = bag_of_words(WORDS)
    arguments = {"references": [1, 1], "model": model, "large_model": model, "k": 1, "samples": 20}
    assert alignment.compute(texts=["!!! 🎬", "good film"], method="lime", **arguments)["examples_used"] == 1
    with pytest.raises(ValueError, match="texts have no word that lime could explain"):
        alignment.compute(texts=["!!!", "🎬"], method="lime", **arguments)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=30).filter(str.strip), min_size=1, max_size=3),
    st.sampled_from(["lime", "shap", "occlusion"]),
)
def test_any_text_gives_a_sentence_or_finite_figures(alignment, texts, method):
    model = bag_of_words(WORDS)
    options = {} if method == "occlusion" else {"samples": 20}
    try:
        result = alignment.compute(
            texts=texts, references=[1] * len(texts), model=model, large_model=model, method=method, k=[1, 5], **options
        )
    except ValueError as error:
        assert "texts have no word" in str(error)
    else:
        assert np.isfinite(list(result.values())).all()


# What goes wrong is one sentence.

MODEL = bag_of_words(WORDS)
ARGUMENTS = {"texts": TEXTS, "references": GOLD, "model": MODEL, "large_model": MODEL, "method": "occlusion", "k": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"texts": ["good", " "], "references": [1, 0]}, r"texts\[1\] is empty or blank"),
        ({"texts": [("good", "")], "references": [1]}, r"texts\[0\] is empty or blank"),
        ({"texts": "good film"}, "texts needs a list"),
        ({"texts": []}, "texts needs a list"),
        ({"texts": ["good", ("a", "b")]}, r"texts\[1\] must be a string"),
        ({"texts": None}, "texts is missing"),
        ({"model": None}, "model is missing"),
        ({"references": None}, "references is missing"),
        ({"references": [1]}, "references needs one entry per text, got 1 for 4"),
        ({"references": [0, 1, 2, 0]}, r"references\[2\] is 2, which is none of large_model's 2 classes"),
        ({"references": [0, 1, "yes", 0]}, r"references\[2\] is 'yes'"),
        ({"references": [0, 1, None, 0]}, r"references\[2\] is None"),
        ({"references": [0, 1, 0.5, 0]}, r"references\[2\] is 0.5"),
        ({"model": lambda texts: [[0.2, 0.3, 0.5]] * len(texts)}, "model has 3 classes but large_model has 2"),
        ({"model": lambda texts: [0.5] * len(texts)}, "model returned an array of shape"),
        ({"large_model": lambda texts: [[np.nan, 1]] * len(texts)}, "large_model returned NaN"),
        ({"model": 7}, "model must be a callable"),
        ({"method": "guess"}, "method must be 'lime' or"),
        ({"method": "integrated_gradients"}, "that are classifiers or language models, and model is a function"),
        ({"explain": "best"}, "explain must be"),
        ({"k": 0}, "k must be a whole number of at least 1"),
        ({"k": [3, 3]}, "k must be one number or several different ones"),
        ({"k": []}, "k must be one number or several different ones"),
        ({"runs": 0}, "runs must be"),
        ({"samples": 1}, "samples must be"),
        ({"target_width": 2}, "target_width must be"),
        ({"target_width": 0.1, "confidence_level": None}, "target_width needs intervals"),
        ({"predictions": [{"a": 1}]}, "not both"),
        ({"metod": "lime"}, "unknown option metod; did you mean method"),
        ({"labels": ["negative", "positive"]}, "labels must be a dict from class name to class number"),
        ({"labels": {}}, "labels must be a dict"),
        ({"labels": {0: "negative", 1: "positive"}}, "labels must give every class name a whole number, got 0"),
        ({"labels": {"negative": None}}, "labels must give every class name a whole number, got 'negative': None"),
        ({"labels": {"negative": "1"}}, "labels must give every class name a whole number"),
        ({"references": 5}, "references needs a list with one entry per text, got int"),
        ({"references": "0101"}, "references needs a list with one entry per text, got str"),
        ({"references": [[1], 0, 0, 0]}, r"references\[0\] is \[1\]"),
        ({"references": [0, {}, 0, 0]}, r"references\[1\] is {}"),
        ({"references": [0, 1j, 0, 0]}, r"references\[1\] is 1j"),
        ({"references": [0, 0, np.inf, 0]}, r"references\[2\] is inf"),
        ({"references": np.array([0, 0, np.nan, 0])}, r"references\[2\] is nan"),
        ({"references": [0, 0, 0, b"1"]}, r"references\[3\] is b'1'"),
        ({"references": [0, 0, 0, 10**400]}, r"references\[3\] is 1000"),
        ({"texts": {"a": "b"}}, "texts needs a list with one entry per text, got dict"),
        ({"target_width": "0.02"}, "target_width must be a number"),
        ({"target_width": [0.1]}, "target_width must be a number"),
        ({"samples": 50}, "samples is for lime, lime_package, shap, shap_permutation, got it with occlusion"),
        ({"samples": 50, "method": "integrated_gradients"}, "samples is for lime, lime_package, shap"),
    ],
)
def test_bad_input_is_named_in_one_sentence_and_leaves_the_module_usable(alignment, change, words):
    with pytest.raises(ValueError, match=words):
        alignment.compute(**ARGUMENTS | change)
    assert alignment.compute(**ARGUMENTS)["jaccard_at_2"] == 1


def test_a_model_that_fails_half_way_leaves_what_was_finished(alignment):
    calls = []

    def failing(texts):
        calls.append(texts)
        if len(calls) > 2:
            raise RuntimeError("device lost")
        return MODEL(texts)

    arguments = ARGUMENTS | {"texts": TEXTS * 50, "references": GOLD * 50, "model": failing, "method": "lime"}
    with pytest.raises(ValueError, match=r"a model failed \(RuntimeError: device lost\); \d+ of 200") as caught:
        alignment.compute(**arguments | {"samples": 500})
    assert caught.value.partial == alignment.partial
    assert 0 < alignment.partial["examples_used"] < 200
    assert alignment.partial["jaccard_at_2"] == 1


def test_a_model_that_fails_at_the_first_question_interrupts_too(alignment):
    def failing(texts):
        raise RuntimeError("device lost")

    with pytest.raises(ValueError, match=r"failed at the first question \(RuntimeError: device lost\)") as caught:
        alignment.compute(**ARGUMENTS | {"large_model": failing})
    assert caught.value.partial is None


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_leaves_the_module_usable(alignment, method):
    calls = []

    def interrupted(texts):
        calls.append(texts)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return MODEL(texts)

    expected = alignment.compute(**ARGUMENTS | {"method": method})
    with pytest.raises(KeyboardInterrupt):
        alignment.compute(**ARGUMENTS | {"model": interrupted, "method": method})
    assert alignment.compute(**ARGUMENTS | {"method": method}) == expected


def test_numbers_of_any_library_are_taken_and_come_back_plain(alignment):
    numbers = {"k": np.int64(2), "runs": np.int64(2), "samples": np.int64(30), "features": np.int64(3)}
    result = alignment.compute(**ARGUMENTS | {"method": "shap"} | numbers, seed=10**30, details=True)
    assert json.loads(json.dumps(result))["details"]["k"] == [2]
    several = alignment.compute(**ARGUMENTS | {"k": np.array([1, 2]), "references": torch.tensor(GOLD)}, details=True)
    assert json.loads(json.dumps(several)) == several
    assert {"jaccard_at_1", "jaccard_at_2"} <= several.keys()


def test_an_error_in_one_example_names_it_and_keeps_the_others(alignment, monkeypatch):
    def fragile(method, text, *arguments, **options):
        if text == TEXTS[2]:
            raise ArithmeticError("singular")
        return explain(method, text, *arguments, **options)

    monkeypatch.setattr("trusteq.explain.explaining.explain", fragile)
    with pytest.raises(ValueError, match=r"texts\[2\] could not be explained for \w+ \(ArithmeticError: singular\)"):
        alignment.compute(**ARGUMENTS)
    assert alignment.partial["examples_used"] == 3


def test_one_example_is_drawn_with_the_words_of_both_models(alignment):
    result = alignment.compute(**ARGUMENTS, details=True)
    entry, figure = result["details"]["per_example"][2], alignment.plot(result, example=2)
    for axis, name in zip(figure.axes, ("large_explanations", "explanations"), strict=True):
        top = entry[name][0][:2]
        assert [text for text in texts_of(axis) if text[0].isalpha()] == [*(w for w, _ in top), axis.get_title()]
        assert [f"{weight:+.2g}" for _, weight in top] == [text for text in texts_of(axis) if not text[0].isalpha()]
    heading = figure.texts[0].get_text().splitlines()
    assert heading[0] == TEXTS[2]
    assert f"Example 2. Jaccard of the top 2: {entry['jaccard_at_2']:.2f}" in heading[-1]
    with pytest.raises(ValueError, match="example must be a whole number from 0 to 3"):
        alignment.plot(result, example=9)


def test_what_explain_gives_for_each_model_compares_to_what_compute_gives(alignment):
    texts, references = ["a good film", "good acting but a bad plot", "a dull film"], [1, 1, 0]
    small = bag_of_words({"good": 1.0, "dull": -2.0, "a": 0.3})
    models = {"large": bag_of_words({"good": 2.0, "bad": -1.0}), "small": small}
    options = {"method": "lime", "samples": 50, "runs": 2, "k": [1, 3]}
    found = {(index, name): runs for index, name, runs in alignment.explain(texts, references, models, **options)}
    sides = ([found[i, name] for i in range(3)] for name in ("small", "large"))
    expected = alignment.compute(
        texts=texts, references=references, model=models["small"], large_model=models["large"], **options
    )
    compared = alignment.compare(texts, *sides, **options)
    assert compared == {key: value for key, value in expected.items() if "truncated" not in key}


def test_explain_only_what_is_asked_for_and_the_same_whatever_else_is(alignment):
    texts, references = ["a good film", "a bad film"], [1, 0]
    models = {"large": bag_of_words({"good": 2.0, "bad": -1.0}), "small": bag_of_words({"good": 1.0})}
    options = {"method": "lime", "samples": 50}
    everything = {(i, name): runs for i, name, runs in alignment.explain(texts, references, models, **options)}
    some = list(alignment.explain(texts, references, models, {"large": [1], "small": [0]}, **options))
    assert sorted((i, name) for i, name, _ in some) == [(0, "small"), (1, "large")]
    assert all(runs == everything[i, name] for i, name, runs in some)


@pytest.mark.parametrize(("option", "most"), [("runs", 1000), ("samples", 10**6)])
def test_more_than_anybody_can_wait_for_is_refused(alignment, option, most):
    with pytest.raises(ValueError, match=f"{option} must be a whole number from . to {most}, got 2147483648"):
        alignment.compute(texts=["a"], references=[0], model=len, large_model=len, **{option: 2**31})


@pytest.mark.parametrize("word", ["good", "\x00", "\ud800", "$\\frac$"])
def test_one_example_of_explanations_made_elsewhere_is_drawn(alignment, word):
    result = alignment.compute(predictions=[[(word, 0.5)]], large_predictions=[[(word, 0)]], k=1, details=True)
    figure = alignment.plot(result, example=0)
    figure.savefig(io.BytesIO(), format="svg")
    shown = shorten(drawable(word)[0])
    assert [[text.get_text() for text in axis.texts] for axis in figure.axes] == [["+0", shown], ["+0.5", shown]]
