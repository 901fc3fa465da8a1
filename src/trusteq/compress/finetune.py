"""Trains a classifier of texts, or of pairs of texts: from a checkpoint or from scratch, with a teacher or without.

The epoch with the best accuracy is kept; of a student that is to keep more of its teacher, the best on rows set aside
by accuracy and divergence (see keeping.py). Written: safetensors, tokenizer, class names, and `training.json` (command,
seed, versions, accuracy of what was saved)."""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PrinterCallback, TrainerCallback, TrainingArguments, set_seed

from trusteq.compress.compress import check_empty
from trusteq.compress.extra_texts import Counts, extra_texts, perturbed, texts_of
from trusteq.compress.keeping import EXCHANGED, LOSSES
from trusteq.compress.lessons import Lessons, Teacher, principal, told
from trusteq.compress.options import FinetuneOptions
from trusteq.compress.rounding import WAYS, begin_rounding, end_rounding
from trusteq.compress.starting_model import starting_model
from trusteq.compress.trainer import NONE, Distiller, add_projection
from trusteq.dimensions import calibration_gap, prediction_error_jaccard
from trusteq.kinds.text import Text, parts_of, split_pairs
from trusteq.models.checkpoints import without_chatter
from trusteq.models.open import as_predictor
from trusteq.progress import command_progress
from trusteq.records.labelled_texts import LabelledTexts, is_table, left_out, read

PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "numpy")
ASIDE, MOST_ASIDE = 20, 2000  # one row in so many chooses the epoch of a student that is to keep something
SCORE = "accuracy less KL divergence from the teacher, in nats, on rows set aside"


@without_chatter()
def finetune(options: FinetuneOptions, command: str) -> dict[str, Any]:
    """Train as the options say, save, and return what `training.json` holds."""
    started = time.monotonic()
    check_empty(options.out)
    options.out.mkdir(parents=True, exist_ok=True)  # so that it is known to be writable
    train, held_out = training_data(options)
    losses = options.weights
    further, counts = further_texts(options, train, held_out, losses)
    texts = train.texts + further
    set_seed(options.seed)
    model, tokenizer = starting_model(
        options.model,
        train.names or [f"LABEL_{i}" for i in range(max(train.labels) + 1)],
        [part for text in texts for part in parts_of(text)],
        options.vocabulary,
        options.max_length,
        options.layers,
        {"width": options.width, "heads": options.heads} if options.from_scratch else None,
        options.reuse_embeddings,
    )
    if options.quantize:
        begin_rounding(model, options.quantize)
    teacher, lessons = None, None
    if options.teacher:
        kept = options.answers or (options.out.parent / "teacher-answers" if options.keeping else None)
        teacher = Teacher(options.teacher, "the teacher", model, tokenizer, options.bf16, kept)
        if any(LOSSES[name].needs == "gradients" for name in losses):
            teacher.check_reads_like(tokenizer, train.texts)
        lessons = lessons_of(teacher, train, further, losses)
        if lessons.pooled is not None:
            add_projection(model, lessons.pooled.shape[1])
    rows, cut = encoded(tokenizer, texts, options.max_length)
    for i, row in enumerate(rows):
        row["labels"] = train.labels[i] if i < len(train.labels) else NONE
    aside = set_aside(len(train.texts), len(further), options.seed) if options.keeping else []
    evaluation = tokenized(tokenizer, held_out, options.max_length) + [dict(rows[i]) for i in aside]
    apart = set(aside)
    features = [row | ({"row": i} if lessons else {}) for i, row in enumerate(rows) if i not in apart]
    measure = accuracy_of(held_out)
    if options.large:
        large = answers(options.large, "the large model", model, tokenizer, held_out, options.bf16)
        measure = beside(large, held_out)
    if aside and lessons:
        measure = with_score(measure, len(held_out.texts), lessons.logits[aside], [rows[i]["labels"] for i in aside])
    if options.keeping:
        print(*said(counts, cut, len(rows), aside, len(train.texts), losses), sep="\n", file=sys.stderr)
    by = "score" if aside else "accuracy"
    with tempfile.TemporaryDirectory(dir=options.out, prefix="epochs-") as epochs:
        trainer = Distiller(
            model=model,
            args=arguments(options, epochs, len(train.texts), by),
            train_dataset=features,
            lengths=[len(row["input_ids"]) for row in features],
            labelled=sum(row["labels"] != NONE for row in features),
            eval_dataset=evaluation,
            processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=measure,
            lessons=lessons,
            temperature=options.temperature,
            mix=options.mix,
            losses=losses,
            keeping=options.keeping,
            model_of_teacher=teacher.predictor.model.eval() if teacher else None,
            callbacks=[Told()],
        )
        trainer.remove_callback(PrinterCallback)
        began = time.monotonic()
        trainer.train()
        stepping = time.monotonic() - began
        history = [entry for entry in trainer.state.log_history if f"eval_{by}" in entry]
        best = max(range(len(history)), key=lambda i: history[i][f"eval_{by}"])
    if lessons and lessons.pooled is not None:
        del model.to_teacher
    if options.quantize:
        end_rounding(model, options.quantize)
    (model.half() if options.half else model).save_pretrained(options.out)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()  # the length of this training is no property of the tokenizer
    tokenizer.save_pretrained(options.out)
    record = {
        "command": command,
        "seed": options.seed,
        "accuracy": saved_accuracy(options.out, held_out),
        "examples": len(held_out.texts),
        "best_epoch": best + 1,
        "epochs": [figures_of(entry) for entry in history],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "megabytes": sum(path.stat().st_size for path in options.out.glob("*.safetensors")) / 1e6,
        "training_examples": len(train.texts),
        "without_label": train.unlabelled,
        "steps": trainer.state.global_step,
        "seconds": round(time.monotonic() - started),
        "seconds_of_steps": round(stepping, 1),  # without what the teacher was asked before
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
    if options.quantize:
        record["quantized"] = {"as": options.quantize, **WAYS[options.quantize]}
    if options.keeping:
        record["kept"] = {
            "keep": list(options.keep),
            "losses": losses,
            "temperature": options.temperature,
            "mix": options.mix,
            "text_only": asdict(counts) | {"perturbed": len(further) - counts.used, "cut": cut},
            "epoch_chosen_by": SCORE,
            "set_aside": len(aside),
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


def further_texts(
    options: FinetuneOptions, train: LabelledTexts, held_out: LabelledTexts, losses: Mapping[str, float]
) -> tuple[list[Text], Counts]:
    """What is learned without labels: texts that were given, and altered ones of the training data."""
    found: list[Text] = []
    counts = Counts()
    if options.text_only:
        pairs, own = options.text_pair is not None, options.text_pair or (options.text,)
        columns, split = options.text_only_columns or own, options.text_only_split
        judged = list(held_out.texts)
        for source in options.text_only_without:
            judged += texts_of(source, tuple(dict.fromkeys([*own, *columns])), options.eval_split, pairs)
        found, counts = extra_texts(options.text_only, columns, split, pairs, train.texts, judged)
    altered = round(losses.get("perturbed", 0) * len(train.texts))
    return found + perturbed(train.texts, altered, EXCHANGED, options.seed), counts


def lessons_of(teacher: Teacher, train: LabelledTexts, further: list[Text], losses: Mapping[str, float]) -> Lessons:
    """What the teacher says of all of them, first of the texts with labels."""
    embeddings = any(LOSSES[name].needs == "embeddings" for name in losses)
    parts = [teacher.answers(texts, embeddings) for texts in (train.texts, further) if texts]
    print(told(teacher, parts[0].logits, train.labels), file=sys.stderr)
    logits = np.concatenate([part.logits for part in parts])
    pooled = np.concatenate([part.pooled for part in parts]) if embeddings else None
    return Lessons(logits, None if pooled is None else principal(pooled))


def encoded(tokenizer: Any, texts: list[Text], length: int) -> tuple[list[dict[str, Any]], int]:
    """The tokens of each text, and how many had to be cut."""
    first, second = split_pairs(texts)
    most = min(length, tokenizer.model_max_length)
    whole = tokenizer(first, second, return_attention_mask=False, return_token_type_ids=False, verbose=False)
    made = tokenizer(first, second, truncation=True, max_length=most)
    rows = [dict(zip(made, values, strict=True)) for values in zip(*made.values(), strict=True)]
    return rows, sum(len(ids) > most for ids in whole["input_ids"])


def tokenized(tokenizer: Any, data: LabelledTexts, length: int) -> list[dict[str, Any]]:
    rows, _ = encoded(tokenizer, data.texts, length)
    return [row | {"labels": label} for row, label in zip(rows, data.labels, strict=True)]


def set_aside(labelled: int, further: int, seed: int) -> list[int]:
    """Rows that choose the epoch, of either kind."""
    chance = np.random.default_rng(seed)

    def some(start: int, count: int) -> list[int]:
        size = min(MOST_ASIDE, max(1, count // ASIDE)) if count else 0
        return sorted((start + chance.permutation(count)[:size]).tolist())

    return some(0, labelled) + some(labelled, further)


def with_score(
    measure: Callable[[Any], dict[str, float]], count: int, teacher: np.ndarray, labels: list[int]
) -> Callable[[Any], dict[str, float]]:
    """The same figures of the first `count` rows; the rest, set aside, say how good an epoch is."""
    gold = np.array(labels)
    told = torch.from_numpy(teacher).double().log_softmax(dim=-1)

    def both(p: Any) -> dict[str, float]:
        rows = p.predictions[count:]
        own = torch.from_numpy(np.asarray(rows)).double().log_softmax(dim=-1)
        divergence = float((told.exp() * (told - own)).sum(dim=-1).mean())
        accuracy = float((rows.argmax(axis=1) == gold)[gold != NONE].mean())
        figures = measure(SimpleNamespace(predictions=p.predictions[:count]))
        return figures | {"aside_accuracy": accuracy, "aside_kl": divergence, "score": accuracy - divergence}

    return both


def said(
    counts: Counts, cut: int, rows: int, aside: list[int], labelled: int, losses: Mapping[str, float]
) -> list[str]:
    """What is learned from, and what was left out, a line each."""
    lines = [str(counts)] if counts.read else []
    lines += [f"{cut:,} of {rows:,} texts are longer than --max-length and cut"] if cut else []
    own = sum(i < labelled for i in aside)
    other = f" and {len(aside) - own:,} without" if len(aside) > own else ""
    weights = ", ".join(f"{weight:g} {name}" for name, weight in losses.items()) or "none"
    return [
        *lines,
        f"the epoch is chosen on {own:,} texts with labels{other}, set aside, by {SCORE.partition(', on')[0]}",
        f"losses beside the divergence from the teacher and the labels: {weights}",
    ]


def arguments(options: FinetuneOptions, folder: str, examples: int, by: str) -> TrainingArguments:
    """`examples` are labelled; where half of a batch is not, it takes twice the steps to see them all."""
    size = options.batch_size // 2 if options.text_only or "perturbed" in options.weights else options.batch_size
    steps = options.steps or -(-examples // size) * options.epochs
    every: Any = "steps" if options.steps else "epoch"
    part = options.steps // options.epochs if options.steps else 500  # of no account where every epoch is evaluated
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        max_steps=options.steps or -1,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=2 * options.batch_size,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        max_grad_norm=options.clip,
        warmup_steps=round(options.warmup * steps),
        seed=options.seed,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        eval_strategy=every,
        save_strategy=every,
        logging_strategy=every,
        eval_steps=part,
        save_steps=part,
        logging_steps=part,
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model=by,
        remove_unused_columns=False,  # the place of a row among the teacher's answers is no argument of the model
        report_to="none",
        disable_tqdm=True,
    )


class Told(TrainerCallback):
    """How far training is, and what every epoch came to."""

    bar: Any

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar = command_progress("training", state.max_steps)
        self.evaluated = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.update(1)

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), float("nan"))
        shown = {name: given["metrics"].get(f"eval_{name}") for name in ("accuracy", "jaccard", "ece_gap", "score")}
        figures = "".join(f", {name} {value:.4f}" for name, value in shown.items() if value is not None)
        self.evaluated += 1
        self.bar.write(f"epoch {self.evaluated} of {args.num_train_epochs}: loss {loss:.4f}{figures}", sys.stderr)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.bar.close()


# What other models say, and the figures.


def answers(path: str, name: str, model: Any, tokenizer: Any, data: LabelledTexts, bf16: bool) -> np.ndarray:
    """Another model's logits (up to a constant of each row), its classes in the order of the model in training."""
    other = Teacher(path, name, model, tokenizer, bf16)
    logits = other.answers(data.texts).logits
    print(told(other, logits, data.labels), file=sys.stderr)
    return logits


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
