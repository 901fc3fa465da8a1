"""Trains a classifier of texts, or of pairs of texts: from a checkpoint or from scratch, with a teacher or without.

The epoch with the best accuracy is kept. Written: safetensors, tokenizer, class names, and `training.json` (command,
seed, versions, accuracy of what was saved)."""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import (
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from trusteq.compress.compress import check_empty
from trusteq.compress.options import FinetuneOptions
from trusteq.compress.starting_model import starting_model
from trusteq.dimensions import calibration_gap, prediction_error_jaccard
from trusteq.kinds.text import split_pairs
from trusteq.models.checkpoints import without_chatter
from trusteq.models.labels import match_labels
from trusteq.models.open import as_predictor
from trusteq.progress import command_progress
from trusteq.records.labelled_texts import LabelledTexts, is_table, left_out, read

PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "numpy")


@without_chatter()
def finetune(options: FinetuneOptions, command: str) -> dict[str, Any]:
    """Train as the options say, save, and return what `training.json` holds."""
    started = time.monotonic()
    check_empty(options.out)
    options.out.mkdir(parents=True, exist_ok=True)  # so that it is known to be writable
    train, held_out = training_data(options)
    set_seed(options.seed)
    model, tokenizer = starting_model(
        options.model,
        train.names or [f"LABEL_{i}" for i in range(max(train.labels) + 1)],
        [part for text in train.texts for part in ([text] if isinstance(text, str) else text)],
        options.vocabulary,
        options.max_length,
        options.layers,
        {"width": options.width, "heads": options.heads} if options.from_scratch else None,
        options.reuse_embeddings,
    )
    teacher = None
    if options.teacher:
        teacher = answers(options.teacher, "the teacher", model, tokenizer, train, options.bf16)
    features = tokenized(tokenizer, train, options.max_length, teacher)
    evaluation = tokenized(tokenizer, held_out, options.max_length)
    measure = accuracy_of(held_out)
    if options.large:
        large = answers(options.large, "the large model", model, tokenizer, held_out, options.bf16)
        measure = beside(large, held_out)
    with tempfile.TemporaryDirectory(dir=options.out, prefix="epochs-") as epochs:
        trainer = Distiller(
            model=model,
            args=arguments(options, epochs, len(features)),
            train_dataset=features,
            lengths=[len(row["input_ids"]) for row in features],
            eval_dataset=evaluation,
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=measure,
            temperature=options.temperature,
            mix=options.mix,
            callbacks=[Told()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        history = [entry for entry in trainer.state.log_history if "eval_accuracy" in entry]
        best = max(history, key=lambda entry: entry["eval_accuracy"])
    (model.half() if options.half else model).save_pretrained(options.out)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()  # the length of this training is no property of the tokenizer
    tokenizer.save_pretrained(options.out)
    record = {
        "command": command,
        "seed": options.seed,
        "accuracy": saved_accuracy(options.out, held_out),
        "examples": len(held_out.texts),
        "best_epoch": round(best["epoch"]),
        "epochs": [figures_of(entry) for entry in history],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "megabytes": sum(path.stat().st_size for path in options.out.glob("*.safetensors")) / 1e6,
        "training_examples": len(train.texts),
        "without_label": train.unlabelled,
        "seconds": round(time.monotonic() - started),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
    (options.out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


# What is learned, and by what.


def training_data(options: FinetuneOptions) -> tuple[LabelledTexts, LabelledTexts]:
    first, second = options.text_pair or (options.text, None)
    columns: dict[str, Any] = {"text": first, "text_pair": second, "label": options.label}
    train = read(options.dataset, options.split, names=options.names, limit=options.limit, **columns)
    other = options.eval_dataset or options.dataset
    if options.eval_dataset is None and is_table(other):
        raise ValueError(f"{other} is a file without splits: give `eval_dataset`, the file to choose the epoch on")
    held_out = read(other, options.eval_split, names=train.names, **columns)
    for name, data in {options.dataset: train, other: held_out}.items():
        if data.unlabelled:
            print(left_out(name, data.unlabelled), file=sys.stderr)
    most = len(train.names) - 1 if train.names else max(train.labels)
    if most < 1:
        raise ValueError(f"{options.dataset} has one class alone; a classifier needs two")
    if max(held_out.labels) > most:
        raise ValueError(f"{other} has the label {max(held_out.labels)}, the training data only 0 to {most}")
    return train, held_out


def tokenized(
    tokenizer: Any, data: LabelledTexts, length: int, teacher: np.ndarray | None = None
) -> list[dict[str, Any]]:
    first, second = split_pairs(data.texts)
    encoded = tokenizer(first, second, truncation=True, max_length=min(length, tokenizer.model_max_length))
    rows = [dict(zip(encoded, values, strict=True)) for values in zip(*encoded.values(), strict=True)]
    for i, row in enumerate(rows):
        row["labels"] = data.labels[i]
        if teacher is not None:
            row["teacher"] = teacher[i].tolist()
    return rows


# The loss, and the order of the batches.


class ByLength(Trainer):
    """A Trainer whose batches hold rows of like length."""

    def __init__(self, *, lengths: list[int], **settings: Any):
        super().__init__(**settings)
        self.lengths = lengths

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        # The Trainer's own grouping by length also shuffles the evaluation set (transformers 5), and then its rows
        # no longer stand beside the large model's.
        return LengthGroupedSampler(self.args.train_batch_size, lengths=self.lengths)


class Distiller(ByLength):
    """One that also learns a teacher's probabilities, where the rows hold them."""

    def __init__(self, *, temperature: float, mix: float, **settings: Any):
        super().__init__(**settings)
        self.temperature, self.mix = temperature, mix

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        teacher = inputs.pop("teacher", None)
        if teacher is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        outputs = model(**inputs)
        loss = distillation_loss(outputs.logits.float(), teacher, inputs["labels"], self.temperature, self.mix)
        return (loss, outputs) if return_outputs else loss


def distillation_loss(
    logits: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, temperature: float, mix: float
) -> torch.Tensor:
    """Hinton et al. 2015: soft targets at a temperature (scaled back by its square), mixed with the gold labels."""
    soft = F.softmax(teacher / temperature, dim=-1)
    learned = F.log_softmax(logits / temperature, dim=-1)
    divergence = F.kl_div(learned, soft, reduction="batchmean") * temperature**2
    return mix * divergence + (1 - mix) * F.cross_entropy(logits, labels)


def arguments(options: FinetuneOptions, folder: str, examples: int) -> TrainingArguments:
    steps = -(-examples // options.batch_size) * options.epochs
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=2 * options.batch_size,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        max_grad_norm=options.clip,
        warmup_steps=round(options.warmup * steps),
        seed=options.seed,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        remove_unused_columns=False,  # the teacher's column is no argument of the model
        report_to="none",
        disable_tqdm=True,
    )


class Told(TrainerCallback):
    """How far training is, and what every epoch came to."""

    bar: Any

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar = command_progress("training", state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.update(1)

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), float("nan"))
        shown = {name: given["metrics"].get(f"eval_{name}") for name in ("accuracy", "jaccard", "ece_gap")}
        figures = "".join(f", {name} {value:.4f}" for name, value in shown.items() if value is not None)
        self.bar.write(f"epoch {round(state.epoch)} of {args.num_train_epochs}: loss {loss:.4f}{figures}", sys.stderr)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.close()


# What other models say, and the figures.


def answers(path: str, name: str, model: Any, tokenizer: Any, data: LabelledTexts, bf16: bool) -> np.ndarray:
    """Another model's logits (up to a constant of each row), its classes in the order of the model in training."""
    other: Any = as_predictor(path, name, dtype="float32")
    own = as_predictor((model, tokenizer), "the model in training")
    if own.names and other.names:
        match_labels(own, other)
    with torch.autocast(other.model.device.type, torch.bfloat16, enabled=bf16):
        rows = other(data.texts)
    if rows.shape[1] != model.config.num_labels:
        raise ValueError(f"{name} {path} has {rows.shape[1]} classes, the data have {model.config.num_labels}")
    accuracy = (rows.argmax(axis=1) == np.array(data.labels)).mean()
    order = "" if own.names and other.names else "; its classes are taken to be in the order of the data's numbers"
    print(f"{name} {path}: accuracy {accuracy:.4f} on {len(rows):,} examples{order}", file=sys.stderr)
    return np.log(np.clip(rows, 1e-9, None)).astype(np.float32)


def accuracy_of(data: LabelledTexts) -> Callable[[Any], dict[str, float]]:
    return lambda p: {"accuracy": float((p.predictions.argmax(axis=1) == np.array(data.labels)).mean())}


def beside(large: np.ndarray, data: LabelledTexts) -> Callable[[Any], dict[str, float]]:
    """The array metrics at every evaluation, the large model's predictions being at hand."""
    dimensions = (prediction_error_jaccard.DIMENSION, calibration_gap.DIMENSION)

    def measure(p: Any) -> dict[str, float]:
        both = {"predictions": p.predictions, "large_predictions": large, "references": data.labels}
        return {key: value for one in dimensions for key, value in one.of(**both, from_logits=True).items()}

    return measure


def figures_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What an evaluation found, without how long it took."""
    timing = ("runtime", "samples_per_second", "steps_per_second")
    named = {name.removeprefix("eval_"): value for name, value in entry.items()}
    return {name: value for name, value in named.items() if name not in (*timing, "step")}


def saved_accuracy(folder: Path, data: LabelledTexts) -> float:
    """Of what lies in the folder, read as anybody would read it, in float32."""
    saved = as_predictor(folder, str(folder), dtype="float32")
    return float((saved(data.texts).argmax(axis=1) == np.array(data.labels)).mean())
