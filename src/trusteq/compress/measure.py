"""What did compression save? Size and speed of two models, measured by turns."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers.utils import cached_file

from trusteq.compress.loading import place_of, task_of
from trusteq.models.checkpoints import is_gguf, load_checkpoint

BATCH, LENGTH, PAIRS = 16, 32, 24
TURN = 0.03  # seconds of a turn at least: of a model that takes less, the best time of the turn counts

NOTES = {
    "prune": "Pruning is simulated: the zeros are stored and multiplied like other weights, which makes the model "
    "neither smaller on disk nor faster.",
    "round": "Rounding is simulated: the weights are stored as ordinary numbers, which makes the model neither "
    "smaller on disk nor faster.",
    "int8": "The linear weights are stored in 8 bits; each is turned back into a float where it is multiplied.",
}


def report(original: str, compressed: Path, note: str = "") -> str:
    """Size and speed of both, as one table, in the precision in which the metrics ask them."""
    opened = {"original": place_of(original), "compressed": str(compressed)}
    models: dict[str, Any] = {}
    for name, source in opened.items():
        models[name], _ = load_checkpoint(source, name, None, None, False, task_of(source))
        models[name].eval()
    known = min(model.config.vocab_size for model in models.values())  # tokens that both have
    batch = {name: value.to(models["original"].device) for name, value in some_tokens(known).items()}
    with torch.inference_mode():
        times = by_turns(*(lambda model=model: model(**batch).logits.cpu() for model in models.values()))
    ratios = [b / a for a, b in times]
    counts = [parameters(model) for model in models.values()]
    rows = {
        "megabytes on disk": [megabytes(source) for source in opened.values()],
        "million parameters": [total / 1e6 for total, _ in counts],
        "of them not zero": [nonzero / 1e6 for _, nonzero in counts],
    }
    lines = [f"{'':34}{'original':>12}{'compressed':>12}{'ratio':>8}"]
    lines += [f"{name:34}{a:12.3f}{b:12.3f}{b / a:8.2f}" for name, (a, b) in rows.items()]
    a, b = (1000 * statistics.median(one) for one in zip(*times, strict=True))
    name = f"milliseconds for {BATCH} x {LENGTH} tokens"
    lines.append(f"{name:34}{a:12.3f}{b:12.3f}{statistics.median(ratios):8.2f}")
    low, _, high = statistics.quantiles(ratios)
    ends = f"{low:.2f} to {high:.2f} in the middle half, {min(ratios):.2f} to {max(ratios):.2f} in all"
    lines.append(f"Times are medians of {len(times)} pairs, taken by turns. Their ratio: {ends}.")
    return "\n".join([*lines, *([note] if note else [])])


def by_turns(
    first: Callable[[], Any], second: Callable[[], Any], clock: Callable[[], float] = time.perf_counter
) -> list[tuple[float, float]]:
    """Seconds of both, pair by pair: what else the machine does slows both alike, and their ratio stands."""

    def seconds(run: Callable[[], Any]) -> float:
        start, best = clock(), float("inf")
        while clock() - start < TURN:
            begun = clock()
            run()
            best = min(best, clock() - begun)
        return best

    for run in (first, second):  # the first time is not like the others
        run()
    pairs = []
    for _ in range(PAIRS // 2):  # neither is always the one that follows the other
        pairs.append((seconds(first), seconds(second)))
        pairs.append((seconds(second), seconds(first))[::-1])
    return pairs


def some_tokens(known: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(known, (BATCH, LENGTH), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def megabytes(source: str) -> float:
    """Of the weights as they lie on disk."""
    if is_gguf(source):
        return Path(source).expanduser().stat().st_size / 1e6
    folder = Path(str(cached_file(source, "config.json"))).parent
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6


def parameters(model: Any) -> tuple[int, int]:
    """How many there are, and how many of them are not zero."""
    values = [value.dequantize() if hasattr(value, "qdata") else value for value in model.parameters()]
    return sum(value.numel() for value in values), sum(int(value.count_nonzero().item()) for value in values)
