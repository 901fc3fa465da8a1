"""What does the teacher say? It is asked about each text once, and its answers are kept beside the run.

A second run with the same teacher and texts reads them. What is kept is numbers alone, under a name made of the
teacher's weights and of the texts."""

import hashlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.utils import cached_file

from trusteq.compress.keeping import DIRECTIONS
from trusteq.compress.starting_model import checkpoint
from trusteq.kinds.text import Text, parts_of
from trusteq.models.labels import match_labels
from trusteq.models.open import as_predictor


@dataclass
class Lessons:
    """A row for each text: the teacher's logits (up to a constant of each row), and where wanted its embeddings."""

    logits: np.ndarray
    pooled: np.ndarray | None = None


class Teacher:
    """A model that is asked, its classes in the order of the model in training."""

    def __init__(self, path: str, name: str, model: Any, tokenizer: Any, bf16: bool = False, kept: Path | None = None):
        self.path, self.name, self.bf16, self.kept = path, name, bf16, kept
        self.classes = model.config.num_labels
        self.predictor: Any = as_predictor(path, name, dtype="float32")
        own = as_predictor((model, tokenizer), "the model in training")
        self.by_name = bool(own.names and self.predictor.names)
        if self.by_name:
            match_labels(own, self.predictor)

    def answers(self, texts: list[Text], embeddings: bool = False) -> Lessons:
        """What it says of these texts, from the folder of what is kept where it lies there."""
        if self.kept is None:
            return self.ask(texts, embeddings)
        place = self.kept / f"{self.key(texts, embeddings)}.npz"
        more = place if embeddings else self.kept / f"{self.key(texts, True)}.npz"  # holds the logits as well
        if more.exists():
            place = more
        if place.exists():
            with np.load(place, allow_pickle=False) as file:
                found = Lessons(file["logits"], file["pooled"].astype(np.float32) if embeddings else None)
            print(f"{self.name} {self.path}: {len(texts):,} answers read from {place}", file=sys.stderr)
            return found
        found = self.ask(texts, embeddings)
        arrays = {"logits": found.logits}
        if found.pooled is not None:
            arrays["pooled"] = found.pooled.astype(np.float16)
            found.pooled = arrays["pooled"].astype(np.float32)  # as a second run will read it
        self.kept.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.kept, suffix=".part", delete=False) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(file.name, place)
        return found

    def ask(self, texts: list[Text], embeddings: bool) -> Lessons:
        with torch.autocast(self.predictor.model.device.type, torch.bfloat16, enabled=self.bf16):
            rows, pooled = self.predictor.both(texts, embeddings=embeddings)
        if rows.shape[1] != self.classes:
            raise ValueError(f"{self.name} {self.path} has {rows.shape[1]} classes, the data have {self.classes}")
        return Lessons(np.log(np.clip(rows, 1e-9, None)).astype(np.float32), pooled if embeddings else None)

    def check_reads_like(self, tokenizer: Any, texts: list[Text]) -> None:
        """Whether both models read the same tokens, so that each has a score from either."""
        for text in texts[:200]:
            if tokenizer(*parts_of(text))["input_ids"] != self.predictor.tokenizer(*parts_of(text))["input_ids"]:
                raise ValueError(
                    f"the loss gradients compares tokens, and {self.path} reads others than the model in training: "
                    "leave out `vocabulary`, or this loss (`losses` gradients=0)"
                )

    def key(self, texts: list[Text], embeddings: bool) -> str:
        """What the answers depend on, in one word."""
        order = None if self.predictor.order is None else self.predictor.order.tolist()
        made = hashlib.sha256(json.dumps([order, embeddings, self.bf16, texts]).encode())
        folder = Path(str(cached_file(checkpoint(self.path), "config.json"))).parent
        for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors"), *folder.glob("*.txt")]):
            if path.name != "training.json":
                made.update(path.name.encode() + path.read_bytes())
        return made.hexdigest()[:24]


def told(teacher: Teacher, logits: np.ndarray, labels: list[int]) -> str:
    """How often a model is right on labelled data."""
    order = "" if teacher.by_name else "; its classes are taken to be in the order of the data's numbers"
    accuracy = (logits.argmax(axis=1) == np.array(labels)).mean()
    return f"{teacher.name} {teacher.path}: accuracy {accuracy:.4f} on {len(labels):,} examples{order}"


def principal(rows: np.ndarray, count: int = DIRECTIONS) -> np.ndarray:
    """Embeddings less their mean, along the directions in which they differ most.

    >>> principal(np.array([[1.0, 5.0], [3.0, 5.0]]), 1).ravel().tolist() in ([-1.0, 1.0], [1.0, -1.0])
    True
    """
    apart = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh((apart.T @ apart).astype(np.float64))
    return np.asarray(apart @ vectors[:, ::-1][:, :count].astype(rows.dtype))
