"""Does the task text say of a real model what a direct computation says, in float64, one document at a time?

python scripts/benchmarks/agree_with_direct.py MODEL FILE     (FILE: documents, one a line, up to a tab)
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trusteq.audit.options import AuditOptions
from trusteq.audit.reading_text import TextOptions
from trusteq.audit.running_text import audit_text
from trusteq.compress.bits import in_bits
from trusteq.models.next_token import NextToken, Window, windows_of_documents
from trusteq.records.documents import made_of


def main(model: str, file: str) -> None:
    large = NextToken.open(model, "large", dtype="float32")
    texts = [line.partition("\t")[0] for line in Path(file).read_text(encoding="utf-8").splitlines()[:12]]
    made = {f"{bits} bits": NextToken(in_bits(large.model, bits, 32), large.tokenizer, "small") for bits in (8, 4)}
    found = audit_text(large, made, made_of("texts", texts), None, TextOptions(floor="none"), AuditOptions())
    windows = windows_of_documents(large.tokens_of(texts), large.length, large.begin)
    targets = np.concatenate([window.targets for window in windows])
    p = direct(large.model, windows)
    for pair in found["pairs"]:
        q = direct(made[pair["name"]].model, windows)
        own, right = (rows[np.arange(len(targets)), targets] for rows in (q, p))
        expected = {
            "kl_mean": (np.exp(p) * (p - q)).sum(axis=1).mean(),
            "moved_probability": np.abs(np.exp(p) - np.exp(q)).sum(axis=1).mean() / 2,
            "same_top": (p.argmax(axis=1) == q.argmax(axis=1)).mean(),
            "perplexity_ratio": np.exp((right - own).mean()),
        }
        for name, value in expected.items():
            ours = pair["figures"][name]
            print(f"| {pair['name']}, {len(targets):,} tokens | {name} | {ours:.6f} | {abs(ours - value):.0e} |")


def direct(model: Any, windows: list[Window]) -> np.ndarray:
    """Log-probabilities in float64, one window at a time, without padding or batches."""
    rows = []
    for window in windows:
        with torch.no_grad():
            logits = model(torch.tensor([window.ids])).logits[0].double()
        rows.append(torch.log_softmax(logits, dim=-1)[window.first - 1 : -1].numpy())
    return np.concatenate(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
