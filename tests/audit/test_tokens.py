"""An audit's `tokens` hold wherever a model is asked: for its answers, its explanations and its attacks."""

import pytest
import tiny_models
import torch
import transformers

from trusteq.audit.options import AuditOptions
from trusteq.audit.start import audit

TOKENS = 64
TEXTS = [
    "the film was very good",
    "a dull plot and awful acting",
    "the story is not bad but the acting is great",
    "good",
]
PROMPT_WORDS = [*tiny_models.WORDS, "Review", ":", "Verdict", "thumbs", "up", "down"]


def classifier(seed):
    return tiny_models.classifier(seed), tiny_models.tokenizer()


def language_model(seed):
    """With verbalizers longer than its prompt, so that what is read behind the prompt counts, too."""
    torch.manual_seed(seed)
    words = tiny_models.tokenizer(words=PROMPT_WORDS)
    config = transformers.GPT2Config(
        vocab_size=len(words), n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=2, eos_token_id=3
    )
    verbalizers = {"negative": " ".join(["thumbs down"] * 8), "positive": " ".join(["thumbs up"] * 8)}
    network = transformers.GPT2LMHeadModel(config).eval()
    return {"model": (network, words), "prompt": "{text} Verdict :", "verbalizers": verbalizers}


def largest_batches(make, method, tokens):
    """Of the audit of two models, the most tokens that either read at once, padding and what is kept included; and how
    many rows they read in all."""
    seen = []

    def note(_, args, given):
        ids, mask = given.get("input_ids", args[0] if args else None), given.get("attention_mask")
        seen.append((len(ids), (ids if mask is None else mask).numel()))

    models = {"large": make(0), "compressed": make(1)}
    for model in models.values():
        network = model["model"][0] if isinstance(model, dict) else model[0]
        network.register_forward_pre_hook(note, with_kwargs=True)
    options = AuditOptions(
        dimensions=["attribution_alignment", "attack_divergence"], method=method, attack="deepwordbug", tokens=tokens
    )
    found = audit(options, models["large"], {"small": models["compressed"]}, None, TEXTS, [1, 0, 1, 1])
    assert found["pairs"][0]["dimensions"].keys() == set(options.dimensions)
    assert found["failures"] == []
    return max(size for _, size in seen), sum(rows for rows, _ in seen)


@pytest.mark.parametrize(
    ("make", "method"),
    [(classifier, "lime"), (classifier, "integrated_gradients"), (language_model, "lime"), (language_model, "shap")],
)
def test_no_explanation_and_no_attack_is_asked_in_a_larger_batch(make, method):
    most, rows = largest_batches(make, method, TOKENS)
    free, _ = largest_batches(make, method, None)
    assert rows > 300  # all of what was asked went by here
    assert most <= TOKENS < free
