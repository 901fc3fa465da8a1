"""A pair of models' answers as tables, for the tests of what engines add up."""

import numpy as np
import pyarrow as pa

OPTIONS = 4


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def answers(count, seed=0, groups_of=5):
    """`(probabilities, large probabilities, gold, ids, groups)`; the compressed model is the large one with noise."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(count, OPTIONS))
    large, compressed = softmax(logits), softmax(logits + 0.4 * rng.normal(size=(count, OPTIONS)))
    gold = (large.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1).clip(0, OPTIONS - 1)
    numbers = np.arange(count)
    return compressed, large, gold, [f"q{i:06d}" for i in numbers], [f"passage {i // groups_of}" for i in numbers]


def table(probabilities, gold, ids, groups):
    said = probabilities.argmax(axis=1)
    return pa.table(
        {
            "id": ids,
            "group": groups,
            "right": said == gold,
            "said": ["ABCD"[option] for option in said],
            "gold": ["ABCD"[option] for option in gold],
            "gold_index": gold,
            "confidence": probabilities.max(axis=1),
            "probabilities": probabilities.tolist(),
        }
    )


def tables(count, **options):
    """The tables of the large model and of the compressed one."""
    compressed, large, gold, ids, groups = answers(count, **options)
    return table(large, gold, ids, groups), table(compressed, gold, ids, groups)


def flat(found):
    return {f"{kind} {name}": value for kind, figures in found.items() for name, value in figures.items()}
