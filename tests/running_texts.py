"""Tiny causal models that differ by as much noise as is asked for, texts for them, and llama.cpp's way of writing."""

import struct

import numpy as np
import tiny_models
import torch
import transformers

WORDS = tiny_models.WORDS


def network(noise=0.0, seed=1, vocabulary=None):
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "hidden_size": 32}
    count = vocabulary or len(tiny_models.SPECIAL) + len(WORDS)
    config = transformers.LlamaConfig(vocab_size=count, max_position_embeddings=64, initializer_range=0.5, **sizes)
    model = transformers.LlamaForCausalLM(config).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(noise * torch.randn_like(weights))
    return model


def reader(noise=0.0, **more):
    return network(noise, **more), tiny_models.tokenizer(words=WORDS)


def texts(count=12, longest=50, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(2, longest))) for _ in range(count)]


def write_llama(path, tokens, length, logits):
    """What llama-perplexity writes (tools/perplexity/perplexity.cpp), number by number: `logits` are the rows of every
    window's second half."""
    tokens, logits = np.asarray(tokens, "<i4"), np.asarray(logits, np.float32)
    count, vocabulary = len(tokens) // length, logits.shape[1]
    with open(path, "wb") as file:
        file.write(b"_logits_" + struct.pack("<Iii", length, vocabulary, count) + tokens[: count * length].tobytes())
        for row in logits:
            top = row.max()
            least = max(row.min(), top - np.float32(16))
            log_sum = np.float32(np.log(np.exp(row - top, dtype=np.float32).sum(dtype=np.float64)))
            scale = np.float32((top - least) / np.float32(65535))
            steps = np.where(row > least, np.rint((row - least) / scale), 0) if scale else np.zeros(vocabulary)
            held = np.zeros(2 * ((vocabulary + 1) // 2), "<u2")
            held[:vocabulary] = steps.astype("<u2")
            file.write(struct.pack("<ff", scale, least - top - log_sum) + held.tobytes())
    return path


def as_llama_prints(base, logits, targets):
    """Its log_softmax of a row beside what a base file holds of it, in a plain loop: KL, both log-losses, same top."""
    found = []
    for held, row, target in zip(base, np.asarray(logits, np.float32), targets, strict=True):
        scale, least = held[:4].copy().view("<f4")
        logs = scale * held[4 : 4 + len(row)].astype(np.float32) + least
        total = row.max() + np.log(np.exp(row - row.max()).sum(dtype=np.float64))
        some = logs > -16
        kl = (np.exp(logs[some], dtype=np.float64) * (logs[some] - row[some] + total)).sum()
        found.append((kl, total - row[target], -logs[target], float(row.argmax() == logs.argmax())))
    return np.array(found)
