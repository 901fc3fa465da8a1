"""What an audit of a language model reads once, and what it does not hold longer than it has to."""

import weakref

import numpy as np
import tiny_models
import torch
import transformers
from small_families import compute

from trusteq.audit import family
from trusteq.models.language import CausalPredictor

ARRAYS = ["prediction_error_jaccard", "calibration_gap", "representation_overlap", "ood_divergence"]


def test_ordinary_texts_are_scored_where_they_are_answered_and_models_are_let_go(monkeypatch):
    made, most, scored = weakref.WeakSet(), [], []
    opening, surprise = family.as_predictor, CausalPredictor.surprise

    def open_one(source, name, **settings):
        found = opening(source, name, **settings)
        made.add(found.model)
        most.append(len(made))
        return found

    def score(self, texts, which):
        scored.extend(texts)
        return surprise(self, texts, which)

    monkeypatch.setattr(family, "as_predictor", open_one)
    monkeypatch.setattr(CausalPredictor, "surprise", score)
    torch.manual_seed(0)
    words = tiny_models.tokenizer(64, words=[*tiny_models.WORDS, "Review", "Verdict", ":"])
    config = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    texts = [" ".join(np.random.default_rng(i).choice(tiny_models.WORDS, 6)) for i in range(60)]
    strangers = [" ".join(reversed(text.split())) for text in texts[:40]]
    compute(
        large={
            "model": (transformers.LlamaForCausalLM(config).eval(), words),
            "prompt": "Review : {text} Verdict :",
            "verbalizers": {"negative": "bad", "positive": "good"},
        },
        compressed={f"{bits} bits": f"derived:{bits}bits" for bits in (2, 3, 4)},
        texts=texts,
        references=[0, 1] * 30,
        ood_texts=strangers,
        score="perplexity",
        dimensions=ARRAYS,
    )
    assert set(scored) == set(strangers)
    assert max(most) == 2  # the large one, and the one that is asked
