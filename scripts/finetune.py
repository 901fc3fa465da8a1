"""Trains a classifier of texts, or of pairs of texts: from a checkpoint or from scratch, with a teacher or without.

    finetune.py --model bert-base-uncased --dataset glue/sst2 --text sentence --out large
    finetune.py --model bert-base-uncased --dataset train.tsv --eval-dataset dev.tsv --text-pair premise hypothesis \\
                --preset paper-b-nli --out large
    finetune.py --model large --from-scratch --layers 2 --width 128 --heads 2 --vocabulary 8000 --reuse-embeddings \\
                --teacher large --large large --dataset glue/sst2 --text sentence --out distilled

The epoch with the best accuracy is kept. Written: safetensors, tokenizer, class names, and `training.json` (command,
seed, versions, accuracy of what was saved). Data: see labelled_texts.py. Exit status 2, with one sentence, if it
cannot be done.
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import quiet  # noqa: F401
import torch
import torch.nn.functional as F
import transformers
from from_metrics import METRICS, helper
from labelled_texts import SUFFIXES, LabelledTexts, read
from starting_model import starting_model
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments, set_seed
from transformers.trainer_pt_utils import LengthGroupedSampler

# Paper B's settings; of the schedule it says nothing, so that it is this script's own, linear without warm-up.
PAPER_B = {"learning_rate": 1e-5, "batch_size": 32, "weight_decay": 0.0, "clip": 1.0, "seed": 42, "warmup": 0.0}
PRESETS = {"paper-b-nli": PAPER_B | {"epochs": 5}, "paper-b-pi": PAPER_B | {"epochs": 10}}
PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "numpy")


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    options = read_options(argv)
    try:
        record = finetune(options, shlex.join(["finetune.py", *argv]))
    except (ValueError, OSError) as error:
        print(f"finetune.py: {error}", file=sys.stderr)
        return 2
    figures = f"accuracy {record['accuracy']:.4f} on {record['examples']:,} examples"
    print(f"{options.out}: {figures}, {record['parameters']:,} parameters, {record['megabytes']:.2f} MB")
    return 0


def read_options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="checkpoint to start from: a folder or a Hub id")
    parser.add_argument("--out", required=True, type=Path, help="folder for the trained model")
    data = parser.add_argument_group("data")
    data.add_argument("--dataset", required=True, help="training data: Hub id, or a csv, tsv, jsonl or parquet file")
    data.add_argument("--split", default="train", help="training split of a Hub data set")
    data.add_argument("--eval-dataset", help="data to choose the epoch on (default: --dataset; a file has no splits)")
    data.add_argument("--eval-split", default="validation", help="its split, of a Hub data set")
    data.add_argument("--text", default="text", help="column of the text")
    data.add_argument("--text-pair", nargs=2, metavar=("FIRST", "SECOND"), help="two columns, instead of --text")
    data.add_argument("--label", default="label", help="column of the label")
    data.add_argument("--names", nargs="+", help="names of the classes 0, 1, ..., where the data have none")
    data.add_argument("--limit", type=int, help="train on the first rows only")
    parser.add_argument("--layers", type=int, help="so many: the first of --model, or of a new model")
    parser.add_argument("--vocabulary", type=int, help="keep only so many word pieces, those that the texts use most")
    scratch = parser.add_argument_group("a new model, from scratch")
    scratch.add_argument("--from-scratch", action="store_true", help="take only the kind and the tokenizer of --model")
    scratch.add_argument("--width", type=int, help="the inner layers are four times as wide")
    scratch.add_argument("--heads", type=int)
    scratch.add_argument("--reuse-embeddings", action="store_true", help="begin with --model's word embeddings, by SVD")
    teacher = parser.add_argument_group("a teacher, or a large model to be compared with")
    teacher.add_argument("--teacher", help="checkpoint whose probabilities are learned beside the labels")
    teacher.add_argument("--temperature", type=float, default=2.0, help="that softens both (2)")
    teacher.add_argument("--mix", type=float, default=0.9, help="share of the teacher in the loss (0.9)")
    teacher.add_argument("--large", help="checkpoint that each epoch is compared with by the project's metrics")
    training = parser.add_argument_group("training")
    training.add_argument("--preset", choices=PRESETS, help="settings of the paper; what is given beside it stands")
    training.add_argument("--epochs", type=int, default=3)
    training.add_argument("--learning-rate", type=float, default=5e-5)
    training.add_argument("--batch-size", type=int, default=32)
    training.add_argument("--weight-decay", type=float, default=0.0)
    training.add_argument("--clip", type=float, default=1.0, help="norm that gradients are cut to")
    training.add_argument("--warmup", type=float, default=0.05, help="share of the steps; then linear to zero")
    training.add_argument("--max-length", type=int, default=128, help="tokens of a text that are read")
    training.add_argument("--seed", type=int, default=42)
    training.add_argument("--bf16", action="store_true", help="compute in bfloat16, weights stay in float32")
    training.add_argument("--half", action="store_true", help="save the weights in float16")
    preset = parser.parse_args(argv).preset
    parser.set_defaults(**PRESETS.get(preset, {}))
    return parser.parse_args(argv)


def finetune(options: argparse.Namespace, command: str) -> dict[str, Any]:
    """Train as the options say, save, and return what `training.json` holds."""
    started = time.monotonic()
    check(options)
    train, held_out = training_data(options)
    set_seed(options.seed)
    model, tokenizer = starting_model(
        options.model,
        train.names or [f"LABEL_{i}" for i in range(max(train.labels) + 1)],
        [part for text in train.texts for part in ([text] if isinstance(text, str) else text)],
        options.vocabulary,
        options.max_length,
        options.layers,
        new_shape(options),
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
        )
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


def check(options: argparse.Namespace) -> None:
    """What can be known to be wrong before anything is loaded; makes the folder, so that it is known to be writable."""
    for name in ("epochs", "batch_size", "max_length", "limit", "layers", "width", "heads", "vocabulary"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be 1 or more, got {value}")
    for name in ("learning_rate", "temperature", "clip"):
        if not getattr(options, name) > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be positive, got {getattr(options, name)}")
    for name in ("mix", "warmup"):
        if not 0 <= getattr(options, name) <= 1:
            raise ValueError(f"--{name} must lie from 0 to 1, got {getattr(options, name)}")
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise ValueError(f"{options.out} is there already: give another --out, or remove it")
    options.out.mkdir(parents=True, exist_ok=True)


# What is learned, and by what.


def training_data(options: argparse.Namespace) -> tuple[LabelledTexts, LabelledTexts]:
    first, second = options.text_pair or (options.text, None)
    columns = {"text": first, "text_pair": second, "label": options.label}
    train = read(options.dataset, options.split, names=options.names, limit=options.limit, **columns)
    other = options.eval_dataset or options.dataset
    if options.eval_dataset is None and Path(other).suffix in SUFFIXES:
        raise ValueError(f"{other} is a file without splits: give --eval-dataset, the file to choose the epoch on")
    held_out = read(other, options.eval_split, names=train.names, **columns)
    most = len(train.names) - 1 if train.names else max(train.labels)
    if most < 1:
        raise ValueError(f"{options.dataset} has one class alone; a classifier needs two")
    if max(held_out.labels) > most:
        raise ValueError(f"{other} has the label {max(held_out.labels)}, the training data only 0 to {most}")
    return train, held_out


def new_shape(options: argparse.Namespace) -> dict[str, int | None] | None:
    """The shape of a new model; None where training goes on from the checkpoint."""
    if options.from_scratch:
        return {"width": options.width, "heads": options.heads}
    if options.width or options.heads or options.reuse_embeddings:
        raise ValueError("--width, --heads and --reuse-embeddings shape a new model: add --from-scratch")
    return None


def tokenized(
    tokenizer: Any, data: LabelledTexts, length: int, teacher: np.ndarray | None = None
) -> list[dict[str, Any]]:
    first, second = helper("attribution_alignment", "predictor").split_pairs(data.texts)
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


def arguments(options: argparse.Namespace, folder: str, examples: int) -> TrainingArguments:
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
    )


# What other models say, and the figures.


def answers(path: str, name: str, model: Any, tokenizer: Any, data: LabelledTexts, bf16: bool) -> np.ndarray:
    """Another model's logits (up to a constant of each row), its classes in the order of the model in training."""
    predicting = helper("attribution_alignment", "predictor")
    other = predicting.as_predictor(path, name, dtype="float32")
    own = predicting.as_predictor((model, tokenizer), "the model in training")
    if own.names and other.names:
        predicting.match_labels(own, other)
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
    import evaluate

    metrics = [evaluate.load(str(METRICS / name)) for name in ("prediction_error_jaccard", "calibration_gap")]

    def measure(p: Any) -> dict[str, float]:
        both = {"predictions": p.predictions, "large_predictions": large, "references": data.labels}
        return {name: value for metric in metrics for name, value in metric.compute(**both, from_logits=True).items()}

    return measure


def figures_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What an evaluation found, without how long it took."""
    timing = ("runtime", "samples_per_second", "steps_per_second")
    named = {name.removeprefix("eval_"): value for name, value in entry.items()}
    return {name: value for name, value in named.items() if name not in (*timing, "step")}


def saved_accuracy(folder: Path, data: LabelledTexts) -> float:
    """Of what lies in the folder, read as anybody would read it, in float32."""
    saved = helper("attribution_alignment", "predictor").as_predictor(folder, str(folder), dtype="float32")
    return float((saved(data.texts).argmax(axis=1) == np.array(data.labels)).mean())


if __name__ == "__main__":
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sys.exit(main())
