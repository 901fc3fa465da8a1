"""Prompts that begin alike: what they share is read once, and the scores are those of each prompt read whole."""

import numpy as np
import pytest
import torch
from tiny_language_models import KINDS, WORDS, network, tokenizer

from trusteq.models.beginnings import common_tokens, dealt
from trusteq.models.open import as_predictor

SHOTS = [("a very good film", "positive"), ("the plot is dull", "negative"), ("not bad", "positive")]
ASKED = {"prompt": "Review : {text} Verdict :", "verbalizers": {"negative": "bad", "positive": "very good"}}
SHORT = ASKED | {"verbalizers": {"negative": "bad", "positive": "good"}}  # one token each: prompts are packed
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS[:14], size)) for size in RNG.integers(1, 12, 30)]
LONG = " ".join(RNG.choice(WORDS[:14], 40))
OCCLUDED = [" ".join(word for i, word in enumerate(LONG.split()) if i != out) for out in range(40)]


def predictor(model, sharing, **more):
    made = as_predictor({"model": (model, tokenizer(256)), **ASKED, **more}, "model", tokens=400)
    if not sharing:
        made.beginnings = None
    return made


def read_by(model, predict, texts):
    """How many tokens go through the model, and what it says."""
    count: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda module, args, given: count.append(given["input_ids"].numel()), with_kwargs=True
    )
    rows = predict(texts)
    hook.remove()
    return sum(count), rows


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [TEXTS, OCCLUDED], ids=["shots", "occluded"])
@pytest.mark.parametrize("asked", [ASKED, SHORT], ids=["behind", "packed"])
def test_scores_are_those_of_prompts_read_whole(kind, texts, asked):
    model = network(kind, positions=256)
    whole, shared = (predictor(model, sharing, shots=SHOTS, **asked) for sharing in (False, True))
    expected = whole(texts)
    found, embeddings = shared.both(texts)
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.log(found) == pytest.approx(np.log(expected), abs=1e-4)
    assert shared.on_labels == pytest.approx(whole.on_labels, abs=1e-5)
    assert embeddings == pytest.approx(whole.embed(texts), abs=1e-4)


def test_solved_examples_are_read_once():
    model = network("llama", positions=256)
    whole, _ = read_by(model, predictor(model, False, shots=SHOTS * 4), TEXTS)
    shared, _ = read_by(model, predictor(model, True, shots=SHOTS * 4), TEXTS)
    assert shared < 0.35 * whole


def test_the_unchanged_start_of_a_perturbed_text_is_read_once():
    model = network("llama", positions=256)
    whole, _ = read_by(model, predictor(model, False), OCCLUDED)
    shared, _ = read_by(model, predictor(model, True), OCCLUDED)
    assert shared < 0.75 * whole  # half of it is the least: each text is read from its gap on


@pytest.mark.parametrize(("texts", "most"), [(TEXTS, 0.3), (OCCLUDED, 0.65)], ids=["shots", "occluded"])
def test_what_two_packed_prompts_begin_with_is_read_once(texts, most):
    model = network("llama", positions=256)
    shots = SHOTS * 4 if texts is TEXTS else []
    whole, expected = read_by(model, predictor(model, False, shots=shots, **SHORT), texts)
    packing = predictor(model, True, shots=shots, **SHORT)
    shared, found = read_by(model, packing, texts)
    assert packing.packs is True
    assert found == pytest.approx(expected, abs=1e-5)
    assert shared < most * whole


@pytest.mark.parametrize("way", ["ignored", "refused"])
def test_a_model_that_packed_prompts_confuse_reads_each_by_itself(way, monkeypatch):
    model = network("llama", positions=256)
    expected = predictor(model, False, **SHORT)(TEXTS)
    predict, plain = predictor(model, True, **SHORT), model.forward

    def forward(*args, attention_mask, **given):
        if attention_mask.ndim == 4 and way == "refused":
            raise TypeError("the mask has two dimensions")
        seen = torch.ones(attention_mask.shape[0], attention_mask.shape[-1], dtype=torch.long)
        return plain(*args, attention_mask=attention_mask if attention_mask.ndim == 2 else seen, **given)

    monkeypatch.setattr(model, "forward", forward)
    assert predict(TEXTS) == pytest.approx(expected, abs=1e-5)
    assert predict.packs is False


def test_a_model_that_looks_back_no_further_than_a_window_reads_prompts_whole():
    model = network("mistral", positions=256)
    predict = predictor(model, True, shots=SHOTS)
    predict(TEXTS)
    assert predict.beginnings.possible is False


def test_nothing_is_kept_beyond_a_pass():
    """A model in training says something else the next time."""
    model = network("llama", positions=256)
    predict = predictor(model, True, shots=SHOTS)
    before = predict(TEXTS)
    assert predict.beginnings.kept is None
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.2)
    assert predict(TEXTS) == pytest.approx(predictor(model, False, shots=SHOTS)(TEXTS), abs=1e-5)
    assert np.abs(predict(TEXTS) - before).max() > 1e-3


@pytest.mark.parametrize("tokens", [1, 40, 4000])
def test_every_prompt_is_dealt_once(tokens):
    rng = np.random.default_rng(1)
    prompts = [[1, 2, 3, *rng.integers(0, 3, rng.integers(1, 9)).tolist()] for _ in range(70)]
    batches = list(dealt(prompts, np.ones(70, int), lambda: tokens, start=8))
    assert sorted(i for batch in batches for i in batch.tolist()) == list(range(70))


def test_of_equal_prompts_the_last_token_is_read_by_each():
    assert common_tokens([[1, 2, 3], [1, 2, 3]]) == 2
    assert common_tokens([[7]]) == 0
