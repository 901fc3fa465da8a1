"""What can making a smaller model be asked? Options of training and of each way to compress, checked once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Paper B's settings; of the schedule it says nothing, so that it is this project's own, linear without warm-up.
PAPER_B = {"learning_rate": 1e-5, "batch_size": 32, "weight_decay": 0.0, "clip": 1.0, "seed": 42, "warmup": 0.0}
PRESETS: dict[str, dict[str, Any]] = {"paper-b-nli": PAPER_B | {"epochs": 5}, "paper-b-pi": PAPER_B | {"epochs": 10}}


@dataclass(frozen=True, kw_only=True)
class CompressOptions:
    """What is made smaller, and how far.

    Args:
        model: the trained checkpoint: a folder or a Hub id.
        out: folder for the compressed model.
        share: of the encoder's linear weights, the smallest, which become zero.
        keep: the layers that stay, counted from 0.
        bits: of a weight, from 2 to 8.
        group: so many weights of a row share a grid.
    """

    model: str
    out: Path
    share: float = 0.5
    keep: tuple[int, ...] = ()
    bits: int = 8
    group: int = 32


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions:
    """How a classifier is trained.

    Args:
        model: checkpoint to start from: a folder or a Hub id.
        out: folder for the trained model.
        layers: so many: the first of the checkpoint, or of a new model.
        vocabulary: keep only so many word pieces, those that the texts use most.
    Data:
        dataset: training data: a Hub id, or a csv, tsv, jsonl or parquet file.
        split: training split of a Hub data set.
        eval_dataset: data to choose the epoch on (default: --dataset; but a file has no splits).
        eval_split: its split, of a Hub data set.
        text: column of the text.
        text_pair: two columns, instead of --text.
        label: column of the label.
        names: names of the classes 0, 1, ..., where the data have none.
        limit: train on the first rows only.
    A new model:
        from_scratch: take only the kind and the tokenizer of the checkpoint.
        width: of its layers; the inner ones are four times as wide (default: as the checkpoint's).
        heads: of attention (default: as the checkpoint's).
        reuse_embeddings: begin with the checkpoint's word embeddings, cut to the width by SVD.
    A teacher or a large model to be compared with:
        teacher: checkpoint whose probabilities are learned beside the labels.
        temperature: by which both models' probabilities are softened.
        mix: share of the teacher in the loss; the rest is of the labels.
        large: checkpoint that each epoch is compared with, in errors and calibration.
    Training:
        preset: settings of the paper, "paper-b-nli" or "paper-b-pi"; what is given beside it stands.
        epochs: how often all rows are seen; the best epoch is kept.
        learning_rate: the highest, after the warm-up.
        batch_size: rows of a step.
        weight_decay: of AdamW.
        clip: norm that gradients are cut to.
        warmup: share of the steps in which the learning rate rises; then it falls, linearly, to zero.
        max_length: tokens of a text that are read.
        seed: of everything random.
        bf16: compute in bfloat16; weights stay in float32.
        half: save the weights in float16.
    """

    model: str
    out: Path
    dataset: str
    split: str = "train"
    eval_dataset: str | None = None
    eval_split: str = "validation"
    text: str = "text"
    text_pair: tuple[str, str] | None = None
    label: str = "label"
    names: tuple[str, ...] | None = None
    limit: int | None = None
    layers: int | None = None
    vocabulary: int | None = None
    from_scratch: bool = False
    width: int | None = None
    heads: int | None = None
    reuse_embeddings: bool = False
    teacher: str | None = None
    temperature: float = 2.0
    mix: float = 0.9
    large: str | None = None
    preset: str | None = None
    epochs: int = 3
    learning_rate: float = 5e-5
    batch_size: int = 32
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup: float = 0.05
    max_length: int = 128
    seed: int = 42
    bf16: bool = False
    half: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "max_length", "limit", "layers", "width", "heads", "vocabulary"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {value}")
        for name in ("learning_rate", "temperature", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")
        for name in ("mix", "warmup"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must lie from 0 to 1, got {getattr(self, name)}")
        if not self.from_scratch and (self.width or self.heads or self.reuse_embeddings):
            raise ValueError("`width`, `heads` and `reuse_embeddings` shape a new model: add `from_scratch`")

    @classmethod
    def of(cls, **given: Any) -> "FinetuneOptions":
        """The options, where a preset stands for what is not given."""
        preset = given.get("preset")
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"`preset` must be {' or '.join(map(repr, PRESETS))}, got {preset!r}")
        return cls(**(PRESETS.get(preset or "", {}) | given))
