"""What can making a smaller model be asked? Options of training and of each way to compress, checked once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.compress.keeping import TEMPERATURE, chosen

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
    What the student keeps of its teacher:
        keep: what it is to share with the teacher: errors, confidence, reasons, attacks, outliers, neighbours. This
            chooses the losses listed below and their weights, a temperature of 4, no dropout; and the epoch with the
            highest accuracy less KL divergence from the teacher, on a twentieth of the training data (at most 2,000
            rows of each kind) that is set aside for this alone.
        losses: weights of single losses, such as gram=2; they stand over those that --keep chooses, 0 leaves one out
            (in code: a dict).
        text_only: texts without labels, which the teacher labels: txt files with a text per line, csv, tsv, jsonl or
            parquet files, or data sets. They make half of each batch.
        text_only_columns: their columns: each of those that a table has (default: as --text or --text-pair).
        text_only_split: their split, of a data set.
        text_only_without: what the model will be judged by, beside --eval-dataset: texts that occur in these files or
            data sets (their text columns) are left out of --text-only.
        answers: folder in which the teacher's answers are kept for the next run (default, with --keep:
            teacher-answers, beside --out).
    Training:
        preset: settings of the paper, "paper-b-nli" or "paper-b-pi"; what is given beside it stands.
        epochs: how often all rows are seen; the best epoch is kept.
        steps: so many in all, parted into as many equal parts as there are --epochs (default: as many as all rows
            take).
        learning_rate: the highest, after the warm-up.
        batch_size: rows of a step.
        weight_decay: of AdamW.
        clip: norm that gradients are cut to.
        warmup: share of the steps in which the learning rate rises; then it falls, linearly, to zero.
        max_length: tokens of a text that are read.
        seed: of everything random.
        quantize: "int8" or "int4": every step sees linear weights as so many bits hold them. For int8 they are saved
            whole, and `trusteq compress int8` rounds them as every step did; for int4 (a grid for each 32 numbers of a
            row) they are saved rounded, as ordinary numbers.
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
    keep: tuple[str, ...] = ()
    losses: dict[str, float] | None = None
    text_only: tuple[str, ...] = ()
    text_only_columns: tuple[str, ...] = ()
    text_only_split: str = "train"
    text_only_without: tuple[str, ...] = ()
    answers: Path | None = None
    preset: str | None = None
    epochs: int = 3
    steps: int | None = None
    learning_rate: float = 5e-5
    batch_size: int = 32
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup: float = 0.05
    max_length: int = 128
    seed: int = 42
    quantize: str | None = None
    bf16: bool = False
    half: bool = False

    def __post_init__(self) -> None:
        whole = ("epochs", "steps", "batch_size", "max_length", "limit", "layers", "width", "heads", "vocabulary")
        for name in whole:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {value}")
        if self.steps and self.steps % self.epochs:
            raise ValueError(f"`steps` {self.steps} cannot be parted into {self.epochs} equal `epochs`")
        for name in ("learning_rate", "temperature", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")
        for name in ("mix", "warmup"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must lie from 0 to 1, got {getattr(self, name)}")
        if not self.from_scratch and (self.width or self.heads or self.reuse_embeddings):
            raise ValueError("`width`, `heads` and `reuse_embeddings` shape a new model: add `from_scratch`")
        check_quantize(self.quantize)
        chosen(self.keep, self.losses or {})  # it says which names are unknown
        for name in ("keep", "losses", "text_only"):
            if getattr(self, name) and not self.teacher:
                raise ValueError(f"`{name}` is about what a student keeps of its teacher: add `teacher`")
        for name in ("text_only_columns", "text_only_without"):
            if getattr(self, name) and not self.text_only:
                raise ValueError(f"`{name}` is about texts without labels: add `text_only`")
        if (self.text_only or "perturbed" in self.weights) and self.batch_size % 2:
            raise ValueError(f"`batch_size` must be even: half of each batch has no labels; got {self.batch_size}")

    @property
    def weights(self) -> dict[str, float]:
        """Of every loss beside the divergence from the teacher and the labels."""
        return chosen(self.keep, self.losses or {})

    @property
    def keeping(self) -> bool:
        """Whether more is learned from the teacher than its probabilities on the training data."""
        return bool(self.keep or self.losses or self.text_only)

    @classmethod
    def of(cls, **given: Any) -> "FinetuneOptions":
        """The options, where a preset stands for what is not given."""
        preset = given.get("preset")
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"`preset` must be {' or '.join(map(repr, PRESETS))}, got {preset!r}")
        keeping = any(given.get(name) for name in ("keep", "losses", "text_only"))
        defaults: dict[str, Any] = {"temperature": TEMPERATURE} if keeping else {}
        return cls(**(defaults | PRESETS.get(preset or "", {}) | given))


@dataclass(frozen=True, kw_only=True)
class HealOptions:
    """How a causal language model is brought back to its teacher.

    Args:
        model: the student: a folder or a Hub id of a causal language model.
        teacher: the model whose next token it learns.
        out: folder for the trained model.
        text_only: texts to learn on: txt files with a text per line, csv, tsv, jsonl or parquet files, or data sets.
        text_only_columns: their columns: each of those that a table has.
        text_only_split: their split, of a data set.
        text_only_without: what the model will be judged by: texts that occur there are left out.
        lora: learn through added weights of this rank alone (needs peft), which are merged before saving.
        quantize: "int8" or "int4": every step sees linear weights as so many bits hold them; for int8 they are saved
            whole, for int4 rounded, as ordinary numbers.
        steps: of training.
        learning_rate: the highest, after the warm-up.
        batch_size: texts of a step.
        max_length: tokens of a text that are read.
        seed: of everything random.
    """

    model: str
    teacher: str
    out: Path
    text_only: tuple[str, ...]
    text_only_columns: tuple[str, ...] = ("text",)
    text_only_split: str = "train"
    text_only_without: tuple[str, ...] = ()
    lora: int | None = None
    quantize: str | None = None
    steps: int = 300
    learning_rate: float = 1e-4
    batch_size: int = 8
    max_length: int = 256
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("lora", "steps", "batch_size", "max_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {value}")
        if not self.learning_rate > 0:
            raise ValueError(f"`learning_rate` must be positive, got {self.learning_rate}")
        check_quantize(self.quantize)
        if self.lora and self.quantize:
            raise ValueError("`lora` leaves the weights whole that `quantize` would round: give one of them")


def check_quantize(way: str | None) -> None:
    if way not in (None, "int8", "int4"):
        raise ValueError(f"`quantize` must be 'int8' or 'int4', got {way!r}")
