"""A base file of the large model: an unbiased estimate of the KL divergence from a part of its rows."""

import json

import numpy as np
import pytest
import torch

from trusteq.models.next_token import Window
from trusteq.records.base_file import BaseFile, Draft, kept_of

ROWS, VOCABULARY, SEEDS = 40, 3000, 60


def rows_of(noise, seed=0):
    """Log-probabilities as a language model's are: a few likely tokens, and a long tail."""
    rng = np.random.default_rng(0)
    logits = 3 * rng.standard_normal((ROWS, VOCABULARY)) + 4 * (rng.random((ROWS, VOCABULARY)) < 0.01)
    logits = logits + noise * np.random.default_rng(seed + 1).standard_normal(logits.shape)
    return torch.log_softmax(torch.from_numpy(logits).float(), dim=-1)


def kept(path, large, seed=0):
    windows = [Window(tuple(range(ROWS + 1)), 1, (0,) * ROWS)]
    head = {"vocabulary": VOCABULARY, "floors": [], "documents": 1, "strange": 0, "windows": "documents"}
    draft = Draft(path, head, windows, 0, seed)
    for part in (np.arange(25, ROWS), np.arange(25)):  # in any order
        draft.add(part, large[part])
    draft.close({"large": {name: np.zeros(ROWS) for name in ("right", "sure", "top", "entropy")}}, {}, {})
    return BaseFile(path)


@pytest.mark.parametrize("noise", [0.02, 0.2, 0.7, 2.0])  # as of 8, 6, 5 and 3 bits
def test_the_estimate_is_unbiased_and_its_error_as_stated(tmp_path, noise):
    large, small = rows_of(0), rows_of(noise)
    p, q = large.double(), small.double()
    kl, moved = (p.exp() * (p - q)).sum(dim=1), (p.exp() - q.exp()).abs().sum(dim=1) / 2
    errors, stated, of_moved = [], [], []
    for seed in range(SEEDS):
        found = kept(tmp_path / f"{seed}.base", large, seed).apart(np.arange(ROWS), small)
        errors.append(float((found["kl"] - kl).mean()))
        of_moved.append(float((found["moved"] - moved).mean()))
        stated.append(float(found["variance"].sum().sqrt()) / ROWS)
    for seen in (errors, of_moved):
        assert abs(np.mean(seen)) < 4 * np.std(seen) / np.sqrt(SEEDS)
    assert 0.6 < np.sqrt(np.mean(np.square(stated))) / np.std(errors) < 1.7
    on_2500 = np.std(errors) * np.sqrt(ROWS / 2500)
    assert on_2500 < 0.01 * float(kl.mean())


def test_the_large_models_top_alone_is_far_off(tmp_path):
    """What the sample is for."""
    large, small = rows_of(0), rows_of(0.2)
    base = kept(tmp_path / "x.base", large)
    tokens = torch.from_numpy(base.arrays["top_tokens"].astype(np.int64))
    p, q = large.gather(1, tokens).double(), small.gather(1, tokens).double()
    rest = (1 - p.exp().sum(dim=1)) * ((1 - p.exp().sum(dim=1)) / (1 - q.exp().sum(dim=1))).log()
    alone = ((p.exp() * (p - q)).sum(dim=1) + rest).mean()
    whole = (large.double().exp() * (large - small)).sum(dim=1).mean()
    assert alone < 0.9 * whole


def test_the_large_model_itself_does_not_diverge(tmp_path):
    large = rows_of(0)
    found = kept(tmp_path / "x.base", large).apart(np.arange(ROWS), large)
    assert float(found["kl"].abs().max()) < 1e-6
    assert float(found["variance"].max()) == 0


@pytest.mark.parametrize("vocabulary", [2_000, 32_000, 49_152, 151_936])
def test_a_row_takes_at_most_a_twentieth(vocabulary):
    top, drawn = kept_of(vocabulary)
    each = 4 + (2 if vocabulary <= 2**16 else 4)
    beside = 5 * 4 + 4 + 4  # what was said, the document, the token
    assert (top + drawn) * each + beside <= 4 * vocabulary / 20


def edited(path, change):
    """The file with another head."""
    content = path.read_bytes()
    length = int.from_bytes(content[8:12], "little")
    head = json.loads(content[12 : 12 + length])
    change(head)
    path.write_bytes(content[:12] + json.dumps(head).encode().ljust(length)[:length] + content[12 + length :])


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: path.write_bytes(b"trusteq1"),
        lambda path: path.write_bytes(b"another file"),
        lambda path: path.write_bytes(b"trusteq1\xff\xff\xff\xff" + b"x" * 100),
        lambda path: path.write_bytes(b"trusteq1" + (4).to_bytes(4, "little") + b"[[[[" + b"x" * 100),
        lambda path: edited(path, lambda head: head["arrays"].update(ids=["<i4", [10**30], 0])),
        lambda path: edited(path, lambda head: head["arrays"].update(ids=["|O", [3], 0])),
        lambda path: edited(path, lambda head: head["arrays"].update(top_logs=["<f4", [2, 2], 0])),
        lambda path: edited(path, lambda head: head["arrays"].pop("lengths")),
        lambda path: edited(path, lambda head: head.update(vocabulary=7)),
        lambda path: edited(path, lambda head: head.update(arrays=3)),
    ],
)
def test_a_file_that_may_be_anything_is_one_sentence(tmp_path, harm):
    path = tmp_path / "x.base"
    kept(path, rows_of(0))
    harm(path)
    with pytest.raises(ValueError, match="base file of this program"):
        BaseFile(path)
