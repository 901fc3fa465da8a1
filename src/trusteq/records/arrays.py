"""What two models said, as arrays in files: which are there, do they fit together, and what can be made of them?"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.records.memory import check_fits

KEYS = ("labels", "probabilities", "logits", "embeddings", "ood_probabilities", "ood_logits")
NEIGHBORS = 10
Arrays = dict[str, np.ndarray]

# The files, and what can be wrong with them.


def are_archives(places: Sequence[str]) -> bool:
    """Whether these are files of such arrays: an archive whose names are all others is left to those who know them."""
    if not all(place.endswith(".npz") for place in places):
        return False
    try:
        with zipfile.ZipFile(places[0]) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return True  # what is wrong with it is said where it is read
    return not names or bool(names & set(KEYS))


def read(path: Path) -> Arrays:
    """The arrays of one file, by their documented names; nothing is unpacked before names and sizes are known."""
    with as_archive(path):
        file = np.load(path, allow_pickle=False)
        names, size = file.files, sum(part.file_size for part in file.zip.infolist())
    if unknown := sorted(set(names) - set(KEYS)):
        raise ValueError(f"{path} holds {unknown[0]!r}; the names are {', '.join(KEYS)}")
    check_fits(path, size)
    with as_archive(path), file:
        arrays = {name: file[name] for name in names}
    for name in ("", "ood_"):
        if f"{name}probabilities" in arrays and f"{name}logits" in arrays:
            raise ValueError(f"{path} holds both {name}probabilities and {name}logits; give one")
    for name, array in arrays.items():
        if problem := problem_of(name, array):
            raise ValueError(f"{path}: `{name}` {problem}")
    return arrays


@contextmanager
def as_archive(path: Path) -> Iterator[None]:
    """What is wrong with a file as such becomes one sentence."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path} could not be read: {error.strerror or error}") from None
    except Exception:  # a header is Python that NumPy parses, an archive is of any kind: each has errors of its own
        raise ValueError(f"{path} is not an .npz archive of plain arrays, as numpy.savez writes it") from None


def problem_of(name: str, array: np.ndarray) -> str | None:
    """What is wrong with one array, as the end of a sentence. (Sums may miss 1 by 0.01, as in the metrics.)"""
    if array.dtype.kind not in "biuf":
        classes = "; save class numbers, 0 for the first column" if name == "labels" else ""
        return f"must hold numbers, got {'strings' if array.dtype.kind in 'US' else array.dtype}{classes}"
    if name == "labels":
        if array.ndim != 1 or array.size == 0:
            return f"must hold one class number per example, got the shape {array.shape}"
        whole = np.isfinite(array) & (array == np.floor(array)) & (array >= 0)
        return None if whole.all() else f"must hold class numbers, 0 and up, got {array[np.argmin(whole)]}"
    if array.ndim != 2 or array.size == 0:
        return f"must hold one row per example, got the shape {array.shape}"
    if name != "embeddings" and array.shape[1] < 2:
        return "must have a column per class, two or more; for a binary model's single column p save 1 - p and p"
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        return f"holds NaN or infinity (first in row {np.argmin(finite)})"
    if name == "embeddings":
        return None
    total = array.sum(axis=1, dtype=np.float64)
    good = (np.abs(total - 1) <= 0.01) & (array.min(axis=1) >= 0)
    logits = name.replace("probabilities", "logits")
    if name != logits and not good.all():
        row = int(np.argmin(good))
        if array.min() < 0:
            return f"look like logits (row {row} holds {array[row].min():.4g}): save them as `{logits}`"
        return f"are not probabilities: row {row} sums to {total[row]:.4g}; if they are logits, save them as `{logits}`"
    if name == logits and good.all() and len(array) >= 8:
        return f"look like probabilities: save them as `{name.replace('logits', 'probabilities')}`"
    return None


def check_pair(large_path: Path, large: Arrays, compressed_path: Path, compressed: Arrays) -> None:
    """The same examples and classes in both files, also in what belongs together within one file."""
    if "labels" in large and "labels" in compressed and not np.array_equal(large["labels"], compressed["labels"]):
        raise ValueError(
            f"{large_path}: `labels` and {compressed_path}: `labels` differ; the files need the same examples in order"
        )
    named = [
        (f"{path}: `{name}`", name, arrays[name])
        for path, arrays in ((compressed_path, compressed), (large_path, large))
        for name in KEYS
        if name in arrays
    ]
    usual = [entry for entry in named if not entry[1].startswith("ood_")]
    strange = [entry for entry in named if entry[1].startswith("ood_")]
    outputs = [entry for entry in named if entry[1] not in ("labels", "embeddings")]
    for group, what, axis in ((usual, "rows", 0), (strange, "rows", 0), (outputs, "columns", 1)):
        for place, _, array in group[1:]:
            first, _, expected = group[0]
            if array.shape[axis] != expected.shape[axis]:
                sizes = f"{first} has {expected.shape[axis]:,} {what} but {place} has {array.shape[axis]:,}"
                raise ValueError(f"{sizes}; {'give the same classes' if axis else 'give the same examples'} everywhere")
    for place, name, array in named:
        if name == "labels" and outputs and array.max() >= outputs[0][2].shape[1]:
            first, _, rows = outputs[0]
            raise ValueError(f"{place} holds {array.max()} but {first} has the columns 0 to {rows.shape[1] - 1}")


def arrange(large: Arrays, compressed: Arrays) -> dict[str, dict[str, Any] | str]:
    """For each metric its arguments, or a sentence that says what it needs."""
    labels = compressed.get("labels", large.get("labels"))
    outputs = pair(large, compressed, "probabilities", "logits")
    strange = pair(large, compressed, "ood_probabilities", "ood_logits")
    embeddings = pair(large, compressed, "embeddings")
    calls: dict[str, dict[str, Any] | str] = {}
    for name in ("prediction_error_jaccard", "calibration_gap"):
        calls[name] = "it needs labels, and probabilities (or logits) in both files"
        if outputs is not None and labels is not None:
            calls[name] = outputs | {"references": labels}
    calls["representation_overlap"] = "it needs embeddings in both files"
    if embeddings is not None:
        few = len(embeddings["predictions"]) <= NEIGHBORS
        calls["representation_overlap"] = f"it needs more than {NEIGHBORS} examples" if few else embeddings
    calls["ood_divergence"] = "it needs ood_probabilities (or ood_logits) in both files"
    if outputs is None:
        calls["ood_divergence"] = "it needs probabilities and ood_probabilities (or both as logits) in both files"
    elif strange is not None:
        if outputs.keys() != strange.keys():
            raise ValueError("the outputs are of one kind and the ood_ outputs of another; give the same kind for both")
        sides = ("predictions", "large_predictions")
        counts = [len(outputs["predictions"]), len(strange["predictions"])]
        calls["ood_divergence"] = {
            **outputs,
            **{side: np.concatenate([outputs[side], strange[side]]) for side in sides},
            "references": np.repeat([0, 1], counts),
        }
    return calls


def pair(large: Arrays, compressed: Arrays, *names: str) -> dict[str, Any] | None:
    """The first of these arrays that both files have, as arguments; None when there is none."""
    for name in names:
        if name in large and name in compressed:
            arguments: dict[str, Any] = {"predictions": compressed[name], "large_predictions": large[name]}
            return arguments | ({"from_logits": True} if name.endswith("logits") else {})
        if name in large or name in compressed:
            other = [n for n in names if n != name and (n in large or n in compressed)]
            if other:
                raise ValueError(f"one file has {name} and the other {other[0]}; give the same kind for both")
    return None
