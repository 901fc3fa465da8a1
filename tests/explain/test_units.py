"""Reasons over sentences and shots, and for the next token: the same methods, the units taken away as they are."""

import evaluate
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from served_models import Server
from tiny_language_models import network, tokenizer

from trusteq.explain.language_gradients import language_gradients
from trusteq.kinds.sentences import Sentences, sentence_places
from trusteq.kinds.text import Question
from trusteq.models.open import as_predictor
from trusteq.overlap import expected_jaccard

alignment = evaluate.load("metrics/attribution_alignment")
METHODS = ["lime", "lime_package", "shap", "shap_permutation", "occlusion"]
TEXT = "The plot is thin. The end is good! Who cares? Nobody does. So it goes."
PROMPT, LABELS = "Review : {text} Verdict :", {"negative": "bad", "positive": "good"}
SHOTS = [("a fine film", "positive"), ("dull", "negative"), ("the acting is great", "positive"), ("awful", "negative")]


def looks_for(*weights):
    def model(texts):
        lines = [text if isinstance(text, str) else " ".join(text) for text in texts]
        p = np.array([0.1 + sum(weight * (word in line) for word, weight in weights) for line in lines])
        return np.stack([1 - p, p], axis=1)

    return model


def spoken(seed=0, **more):
    model = network("llama", seed=seed, positions=256)
    return {"model": (model, tokenizer(256)), "prompt": PROMPT, "verbalizers": LABELS, **more}


def explained(model, texts=(TEXT,), labels=(1,), **options):
    return [runs[0] for _, _, runs in alignment.explain(list(texts), list(labels), {"large": model}, **options)]


# Sentences.


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One.", ["One."]),
        ("No end", ["No end"]),
        ("He said “So.” Then he left (by 3.15 p.m. or so).", ["He said “So.”", "Then he left (by 3.15 p.m. or so)."]),
        ("Dr. No met J. Bond, e.g. in May. Why?! Well...", ["Dr. No met J. Bond, e.g. in May.", "Why?!", "Well..."]),
        ("- first\n- second\n\n- third", ["- first", "- second", "- third"]),
        ("a good film . not dull !", ["a good film .", "not dull !"]),
        ("是的。不是。好", ["是的。", "不是。", "好"]),
        (" \n ", []),
    ],
)
def test_where_sentences_end(text, sentences):
    assert Sentences(text).names == sentences


@given(st.text(alphabet='aA .!?\n")', max_size=40))
@settings(max_examples=300, deadline=None)
def test_sentences_cover_all_that_can_be_seen_and_with_all_of_them_the_text_is_whole(text):
    places = sentence_places(text)
    assert "".join("".join(text[a:b] for a, b in places).split()) == "".join(text.split())
    assert all(text[a:b].strip() for a, b in places)
    sentences = Sentences(text)
    assert sentences.left(range(len(sentences.names)), gaps=True) == text
    assert not sentences.left((), gaps=False).strip()


@pytest.mark.parametrize("method", METHODS)
def test_the_sentence_that_decides_comes_first(method):
    (found,) = explained(looks_for(("good", 0.6), ("Nobody", -0.05)), method=method, units="sentences")
    assert found[0][0] == "The end is good!"
    assert found[1][0] == "Nobody does."
    assert found[1][1] < 0 < found[0][1]
    assert len(found) == 5


def test_what_a_sentence_is_worth_is_what_goes_with_it():
    (found,) = explained(looks_for(("good", 0.6), ("Who", 0.2)), method="occlusion", units="sentences")
    others = dict.fromkeys(("The plot is thin.", "Nobody does.", "So it goes."), 0)
    assert dict(found) == pytest.approx({"The end is good!": 0.6, "Who cares?": 0.2} | others)


def test_both_texts_of_a_pair_have_sentences_and_of_a_question_the_options_stay():
    asked = []
    model = lambda texts: asked.extend(texts) or looks_for(("good", 0.6))(texts)  # noqa: E731
    (found,) = explained(model, [("It rains. So?", "It is good. Is it?")], method="occlusion", units="sentences")
    assert found[0] == ("It is good.", pytest.approx(0.6))
    assert set(asked) >= {("So?", "It is good. Is it?"), ("It rains. So?", "Is it?")}
    asked.clear()
    (found,) = explained(
        model, [Question.of("It is good. Who says so?", ["a. b", "c"])], method="lime", units="sentences"
    )
    assert {name for name, _ in found} == {"It is good.", "Who says so?"}
    assert {text[1] for text in asked} == {"a. b\nc"}


def test_chance_and_k_are_those_of_few_units():
    one, other = looks_for(("good", 0.6)), looks_for(("Nobody", 0.6))
    how = {"texts": [TEXT], "references": [1], "units": "sentences", "method": "occlusion"}
    found = alignment.compute(model=one, large_model=other, **how)
    assert (found["jaccard_at_1"], found["expected_jaccard_at_1"]) == (0, pytest.approx(1 / 5))
    assert found["expected_jaccard_at_3"] == pytest.approx(expected_jaccard(3, 3, 5))
    assert found["short_examples_at_3"] == 0
    assert alignment.compute(model=one, large_model=one, **how)["jaccard_at_3"] == 1
    short = alignment.compute(model=one, large_model=one, **how | {"texts": ["So good. Is it?"]}, k=[1, 3])
    assert (short["short_examples_at_3"], short["expected_jaccard_at_3"]) == (1, 1)


# Shots.


def said(model, texts, shots, column=1):
    return as_predictor(model | {"shots": shots}, "model")(texts)[:, column]


def test_what_a_shot_is_worth_is_what_goes_with_it():
    model = spoken()
    (found,) = explained(model | {"shots": SHOTS}, ["the film was fine"], method="occlusion", units="shots")
    whole = said(model, ["the film was fine"], SHOTS)[0]
    for i, (text, label) in enumerate(SHOTS):
        without = said(model, ["the film was fine"], SHOTS[:i] + SHOTS[i + 1 :])[0]
        assert dict(found)[f"{i + 1}. {text} → {label}"] == pytest.approx(whole - without, abs=1e-5)


@pytest.mark.parametrize("method", ["shap", "shap_permutation"])
def test_shapley_values_of_shots_sum_to_what_all_of_them_change(method):
    model = spoken()
    (found,) = explained(model | {"shots": SHOTS}, ["awful"], method=method, units="shots", samples=500)
    changed = said(model, ["awful"], SHOTS)[0] - said(model, ["awful"], [])[0]
    assert sum(weight for _, weight in found) == pytest.approx(changed, abs=1e-5)
    assert len(found) == len(SHOTS)


def test_shots_of_two_models_are_compared_and_chance_knows_how_many_there_are():
    models = {name: spoken(seed, shots=SHOTS) for seed, name in enumerate(("model", "large_model"))}
    how = {"texts": ["awful", "good", "awful"], "references": [0, 1, 0], "units": "shots", "samples": 60}
    found = alignment.compute(**models, **how, runs=2)
    assert found["expected_jaccard_at_1"] == pytest.approx(1 / 4)
    assert found["expected_jaccard_at_3"] == pytest.approx(expected_jaccard(3, 3, 4))
    assert 0 <= found["jaccard_at_1"] <= 1
    assert found["examples_used"] == 3


def test_what_a_model_cuts_without_a_shot_is_counted_as_its_own():
    predict = as_predictor(spoken(shots=SHOTS[:2]), "model")
    explained(predict, ["good " * 300], method="occlusion", units="shots")
    assert predict.truncated == 3  # with both shots, and without either


# The next token.


def of_all_tokens(model, prompt, token):
    ids = tokenizer(256)(prompt, return_tensors="pt")["input_ids"][:, :-1]
    with torch.no_grad():
        return float(model(ids).logits[0, -1].softmax(dim=0)[tokenizer(256).convert_tokens_to_ids(token)])


def test_the_next_token_is_one_of_all():
    model = network("llama", positions=256)
    asked = {"model": (model, tokenizer(256)), "prompt": PROMPT, "verbalizers": {"no": "bad", "yes": "very good"}}
    (found,) = explained(asked, ["the film"], method="occlusion", explains="next_token")
    whole, without = (of_all_tokens(model, f"Review : {text} Verdict :", "very") for text in ("the film", "film"))
    assert dict(found)["the"] == pytest.approx(whole - without, abs=1e-6)
    rows = as_predictor(asked, "model").under(as_predictor(asked, "model").prompt, next_token=True)(["the film"])
    assert rows[0, 1] == pytest.approx(whole, abs=1e-6)
    assert rows.sum() == pytest.approx(1)
    assert rows.shape == (1, 3)


def test_labels_in_another_order_are_explained_as_they_are():
    large, small = spoken(0), spoken(1, verbalizers=dict(reversed(LABELS.items())))
    how = {"method": "occlusion", "explains": "next_token", "units": "words"}
    found = {name: runs[0] for _, name, runs in alignment.explain(["a film"], [1], {"large": large, "s": small}, **how)}
    (alone,) = explained(spoken(1), ["a film"], **how)
    assert dict(found["s"]) == pytest.approx(dict(alone), abs=1e-6)


# From inside.


@pytest.mark.parametrize("next_token", [False, True])
def test_gradient_times_input_is_captums(next_token):
    captum = pytest.importorskip("captum.attr")
    predict = as_predictor(spoken(), "model")
    tokens = [ids[0] for ids in predict.verbalizers]

    def probability(ids):
        logits = predict.model(ids).logits[:, -1]
        return logits.softmax(dim=-1)[:, tokens] if next_token else logits[:, tokens].softmax(dim=-1)

    ids = torch.tensor(predict.encode(["awful the film"])["input_ids"])
    scores = captum.LayerGradientXActivation(probability, predict.model.get_input_embeddings()).attribute(ids, target=1)
    how = {"method": "gradient_x_input", "next_token": next_token}
    (found,) = language_gradients(predict, ["awful the film"], [1], **how)
    assert dict(found) == pytest.approx(
        dict(zip(["awful", "the", "film"], scores[0, 3:6].sum(dim=-1).tolist(), strict=True)), abs=1e-6
    )


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_x_input"])
def test_a_sentence_has_the_gradients_of_its_words(method):
    text = "the film was dull . a plot is good !"
    words, sentences = (
        dict(explained(spoken(), [text], method=method, units=units)[0]) for units in ("words", "sentences")
    )
    summed = sum(words[word] for word in ("the", "film", "was", "dull", "."))
    assert sentences["the film was dull ."] == pytest.approx(summed, abs=1e-6)
    assert len(sentences) == 2


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_x_input"])
def test_of_a_text_too_long_the_words_that_are_read_have_gradients(method):
    predict = as_predictor(spoken(), "model")
    long = "good " * 100 + "awful " + "film " * 300 + "bad"
    (found,) = explained(predict, [long], method=method)
    assert {word for word, _ in found} == {"good", "awful", "film"}
    assert predict.truncated == 1


def test_gradients_are_compared_of_classifiers_too():
    import tiny_models

    models = {name: (tiny_models.classifier(seed), tiny_models.tokenizer()) for seed, name in enumerate(("a", "b"))}
    how = {"texts": ["the film was very good"], "references": [1], "method": "gradient_x_input", "k": 2}
    found = alignment.compute(model=models["a"], large_model=models["b"], **how)
    assert 0 <= found["jaccard_at_2"] <= 1
    assert alignment.compute(model=models["a"], large_model=models["a"], **how)["jaccard_at_2"] == 1


# What cannot be done is one sentence.


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (spoken(), {"units": "shots"}, 'units="shots" explains the solved examples before a question, and large has'),
        (looks_for(), {"units": "shots"}, "and large has none: give `shots`"),
        (
            spoken(shots=SHOTS),
            {"units": "shots", "method": "gradient_x_input"},
            'gradient_x_input takes no shot away: give lime, shap or occlusion for units="shots"',
        ),
        (looks_for(), {"explains": "next_token"}, "is for language models at hand, and large has no prompt"),
        (
            spoken(verbalizers={"no": "very bad", "yes": "very good"}),
            {"explains": "next_token"},
            "large: the answers for 'no' and 'yes' begin with the same token: explain the answer",
        ),
        (looks_for(), {"units": "letters"}, "units must be 'words' or 'sentences' or 'shots', got 'letters'"),
        (looks_for(), {"method": "gradient_x_input"}, "gradient_x_input needs transformers models"),
    ],
)
def test_what_cannot_be_explained(model, options, words):
    with pytest.raises(ValueError, match=words):
        explained(model, ["good"], **options)


def test_other_shots_are_not_compared():
    models = {"model": spoken(1, shots=SHOTS[:2]), "large_model": spoken(0, shots=SHOTS[:3])}
    with pytest.raises(ValueError, match=r"compares the same shots, and model has others than large_model"):
        alignment.compute(texts=["good"], references=[1], units="shots", **models)


# A server is asked in the same ways.


@pytest.mark.parametrize("form", ["echo", "llama"])
def test_a_server_without_a_shot_says_what_the_model_itself_says(form):
    server = Server(network("llama", positions=256), tokenizer(256), form)
    try:
        asked = {"prompt": PROMPT, "verbalizers": {"no": " bad", "yes": " good"}, "shots": [("a film", "yes")]}
        (own,) = explained(spoken(**asked), ["awful"], method="occlusion", units="shots")
        behind = as_predictor({"model": server.url, **asked}, "large")
        (found,) = explained(behind, ["awful"], method="occlusion", units="shots")
        assert dict(found) == pytest.approx(dict(own), abs=1e-5)
        assert len(behind.known) == 2  # what it said with the shot, and without
        before = len(server.asked)
        explained(behind, ["awful"], method="occlusion", units="shots")
        assert len(server.asked) == before
        with pytest.raises(ValueError, match="is for language models at hand, and large is a server"):
            explained(behind, ["awful"], explains="next_token")
        with pytest.raises(ValueError, match="gradient_x_input: large is a server and has no gradients"):
            explained(behind, ["awful"], method="gradient_x_input")
    finally:
        server.close()
