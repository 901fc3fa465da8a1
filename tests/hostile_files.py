"""Command lines, the files that they name, and what is typed into the Space: good ones, of which some is broken."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hostile import ARRAYS, mostly
from hypothesis import strategies as st
from tiny_models import WORDS

NAMES = ("negative", "positive")
CELLS = st.sampled_from(
    ["good", "", " ", "0", "1", "-1", "1.5", "nan", "inf", "1e400", "9" * 400, "\x00", "a,b", '"', "a;b"]
)
LINES = ["", "\n\n", ",", "text", "text,label", '"', 'text,label\n"a', "text,text,label\na,b,1", "\x00", "a\tb\n1"]
LINES += ["{", "[]", "[1]", "null", '{"text": 1}', '{"text": "a", "label": 1}\n', '["a", "b"]', '["a", 1]']
LINES += ['["\\ud800", "b"]', "NaN", '{"a":' * 2000, "[" * 100_000, '["a", "a"]']
LINES += ['{"text": "\\ud800", "label": "\\ud800"}', "label,text\n1", "9" * 5000, "text\tlabel\nonly one cell"]
LINES += ["text,label\na,b,c,d", "\ufefftext,label\na,1\nb,0", '{"text": "a", "label": [1]}']
LINES += ['{"text": "a", "label": {"b": 1}}', '{"text": "a", "label": true}', "text,label\na,1e400\nb,0"]
LINES += ["[" + "9" * 5000 + "]"]
BYTES = [b"\xff\xfe\x00", b"PK\x03\x04", b"\x93NUMPY", b"PAR1", b"\x80\x04\x95", b"", b"text,label\n\xe4,1\n"]
TEXT_CELLS = st.sampled_from(
    ["a good film", "the plot was dull", "good", "", "not bad, not good", "مرحبا", "x" * 2000, " "]
)


@st.composite
def tables(draw: Any, least: int = 6) -> str:
    """Texts with labels as csv, tsv or jsonl; a few cells are odd."""
    count = draw(st.integers(least, least + 4))
    labels = draw(
        st.sampled_from([*[("0", "1"), NAMES] * 3, ("1", "1"), ("0", "7"), ("Positive", "NEGATIVE"), ("-1", "1")])
    )
    rows = [[" ".join(WORDS[i : i + 3]), labels[i % 2]] for i in range(count)]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        rows[draw(st.integers(0, count - 1))][draw(st.integers(0, 1))] = draw(st.one_of(CELLS, TEXT_CELLS))
    return "\n".join(",".join(row) for row in [["text", "label"], *rows]) + "\n"


def as_kind(table: str, kind: str) -> str:
    rows = [line.split(",") for line in table.splitlines()]
    if kind == ".tsv":
        return "\n".join("\t".join(row) for row in rows)
    if kind == ".jsonl":
        return "\n".join(json.dumps(dict(zip(rows[0], row, strict=False))) for row in rows[1:])
    return table


@st.composite
def data_files(draw: Any) -> tuple[str, bytes]:
    """The end of a file's name, and what it holds."""
    if draw(st.integers(0, 5)) < 5:
        kind = draw(st.sampled_from([".csv", ".csv", ".tsv", ".jsonl"]))
        return kind, as_kind(draw(tables()), kind).encode("utf-8", "surrogatepass")
    content = draw(st.one_of(st.sampled_from(LINES).map(str.encode), st.sampled_from(BYTES)))
    return draw(st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"])), content


ODD = ["", " ", "-1", "0", "1", "2", "nan", "inf", "-inf", "1e400", "0.5", "\udcff", "a=b", "="]
ODD += ["ä", ".", "..", "/", "/etc/passwd", "./nowhere", "owner/name", "text", "label", "--", "-h", "--help"]
ODD += ["x" * 5000, "1,2"]


@st.composite
def commands(draw: Any, needed: list[str], optional: list[list[str]], flags: tuple[str, ...]) -> list[str]:
    """A good command line with some good options; in some a word is odd, missing or one too many."""
    words = [*needed]
    for option in draw(st.lists(st.sampled_from(optional), max_size=2)):
        words += option
    way = draw(st.sampled_from([*[""] * 8, "value", "value", "flag", "flag", "cut", "word"]))
    if way == "value":
        words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(ODD))
    elif way == "flag":
        words += [draw(st.sampled_from(flags)), draw(st.sampled_from(ODD))]
    elif way == "cut":
        del words[draw(st.integers(0, len(words) - 1))]
    elif way == "word":
        words.insert(draw(st.integers(0, len(words))), draw(st.sampled_from(ODD)))
    return words


# The words FILE, OTHER, OUT, LARGE, COMPRESSED and DATA become paths where the command is run.
AUDIT = commands(
    ["--large", "LARGE", "--compressed", "COMPRESSED", "--dataset", "FILE", "--out", "OUT",
     "--dimensions", "calibration_gap"],
    [["--twin", "LARGE"], ["--limit", "5"], ["--seed", "3"], ["--text", "label"], ["--label", "text"], ["--resume"],
     ["--ood-dataset", "OTHER"], ["--margins", "calibration_gap=0.2"], ["--labels", "negative=0", "positive=1"],
     ["--text-pair", "text", "label"], ["--n-bins", "3"], ["--confidence-level", "0.9"], ["--pairs", "all"]],
    ("--limit", "--seed", "--text", "--label", "--margins", "--labels", "--device", "--dtype", "--tokens", "--twin",
     "--k", "--n-bins", "--dimensions", "--attack", "--confidence-level", "--out", "--ood-dataset", "--samples"),
)  # fmt: skip
FINETUNE = commands(
    ["--model", "COMPRESSED", "--dataset", "FILE", "--eval-dataset", "FILE", "--out", "OUT", "--epochs", "1"],
    [["--names", "negative", "positive"], ["--limit", "4"], ["--batch-size", "4"], ["--layers", "1"], ["--half"],
     ["--vocabulary", "10"], ["--from-scratch", "--width", "16", "--heads", "2"], ["--large", "LARGE"],
     ["--teacher", "LARGE"], ["--text-pair", "text", "label"], ["--max-length", "8"], ["--mix", "0"]],
    ("--limit", "--seed", "--text", "--label", "--names", "--epochs", "--batch-size", "--learning-rate", "--layers",
     "--vocabulary", "--width", "--heads", "--mix", "--warmup", "--clip", "--max-length", "--temperature", "--teacher",
     "--weight-decay", "--preset", "--eval-dataset", "--large"),
)  # fmt: skip
COMPRESS = st.one_of(
    commands(
        ["prune", "COMPRESSED", "--out", "OUT"], [["--share", "0.3"], ["--share", "1"]], ("--share", "--keep", "--out")
    ),
    commands(
        ["drop-layers", "COMPRESSED", "--out", "OUT", "--keep", "0"], [["--keep", "0", "1"]], ("--share", "--keep")
    ),
    commands(
        ["distil", "COMPRESSED", "--out", "OUT", "--layers", "1", "--width", "16", "--heads", "2", "--dataset", "FILE"],
        [["--eval-dataset", "FILE", "--epochs", "1"]],
        ("--epochs", "--width", "--mix", "--large"),
    ),
)
REPRODUCE = st.one_of(
    commands(["--errors", "FILE", "b=OTHER", "--questions", "IDS"], [["--scale", "full"]], ("--errors", "--questions")),
    commands(["--paper", "trust", "--dry-run"], [["--limit", "20"], ["--scale", "full"]], ("--limit", "--paper")),
    commands(
        ["--paper", "miniature", "--data", "DATA", "--out", "OUT", "--encoder", "COMPRESSED"], [["--limit", "30"]],
        ("--limit", "--data", "--encoder"),
    ),
)  # fmt: skip
ID_LISTS = st.one_of(
    st.lists(st.sampled_from(["q0", "q1", "q2", "q3", "", "\u200fنعم"]), min_size=1, max_size=4, unique=True).map(
        lambda ids: json.dumps(ids).encode()
    ),
    st.sampled_from(LINES).map(str.encode),
)
COMPARE = commands(
    ["--large", "LARGE.npz", "--compressed", "COMPRESSED.npz", "--out", "OUT"],
    [["--large", "COMPRESSED.npz"], ["--compressed", "FILE"], ["--large", "nowhere.npz"]],
    ("--large", "--compressed", "--out"),
)


@st.composite
def archives(draw: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What the two models said, as compare.py reads it from .npz files; now and then an array is odd."""
    count = draw(st.sampled_from([2, 9, 12]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    names = draw(
        st.lists(st.sampled_from(["probabilities", "embeddings", "ood_probabilities"]), min_size=1, unique=True)
    )
    made = []
    for _ in range(2):
        file: dict[str, np.ndarray] = {"labels": np.arange(count) % 2}
        for name in names:
            p = rng.random(count).round(3)
            file[name] = rng.normal(size=(count, 3)) if name == "embeddings" else np.stack([p, 1 - p], axis=1)
        made.append(file)
    if draw(st.integers(0, 2)) == 2:
        name = draw(st.sampled_from(["labels", "probabilities", "logits", "embeddings", "ood_logits", "other"]))
        plain = [array for array in ARRAYS if not isinstance(array, np.ma.MaskedArray)]
        made[draw(st.integers(0, 1))][name] = draw(st.sampled_from(plain))
    return made[0], made[1]


def write(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


# The Space.

TYPED = mostly(
    st.sampled_from(["a good film", "the plot was dull, but not bad", "a", "good " * 60, "x" * 600]),
    st.sampled_from(
        ["", " ", "!", "\ud800", "\x00", "a\x00b", "مرحبا", "\u202eevil\u202c word", "x" * 601, "😀 film", "[CLS]",
         "<script>alert(1)</script>", "{text}", None, 3, [], {}, True, b"a", "\ud800 a"]
    ),
    one_in=3,
)  # fmt: skip
LARGE = mostly(st.just("large"), st.sampled_from(["distilled", "twin", "quantized", "", "a/b", None, [], {}, 3]))
COMPRESSED = mostly(
    st.sampled_from(["distilled", "tiny", "quantized", "twin"]), st.sampled_from(["large", "../x", 3, [], "a" * 200]), 6
)
SLIDER = mostly(
    st.sampled_from([2, 3, 5, 10, 10.0]),
    st.sampled_from([0, 1, -1, 2.5, 30, 1e300, float("nan"), float("inf"), None, "5", True, [], 10**400]),
    one_in=3,
)
COLUMNS = ["references,predictions,large_predictions", "references,predictions_0,predictions_1,large_predictions_0,"
           "large_predictions_1", "embeddings_0,embeddings_1,large_embeddings_0,large_embeddings_1"]  # fmt: skip
NUMBERS = st.sampled_from(["0", "1", "0.5", "0.5", "0.25", "1.0"])


@st.composite
def pasted(draw: Any) -> Any:
    """A table of outputs as it is pasted, or something else."""
    if draw(st.integers(0, 4)) == 4:
        return draw(st.one_of(st.sampled_from(LINES), st.sampled_from([None, 3, [], "a" * 2_000_001])))
    header = draw(st.sampled_from(COLUMNS)) + draw(
        st.sampled_from(["", "", "", "", ",strange", ",other", ",references"])
    )
    count = draw(st.sampled_from([14, 14, 12, 11, 5, 1]))
    rows = []
    for i in range(count):
        p, q = draw(NUMBERS), draw(NUMBERS)
        cells = {"references": i % 2, "strange": i % 2, "predictions_0": p, "predictions_1": 1 - float(p)}
        cells |= {"large_predictions_0": q, "large_predictions_1": 1 - float(q)}
        rows.append([str(cells.get(name, draw(st.sampled_from(["0", "1"])))) for name in header.split(",")])
    if draw(st.integers(0, 3)) == 3:
        rows[draw(st.integers(0, count - 1))][0] = draw(CELLS)
    separator = draw(st.sampled_from([",", ",", ";", "\t"]))
    return "\n".join([header.replace(",", separator), *(separator.join(row) for row in rows)])


UPLOADS = st.one_of(
    st.sampled_from(BYTES), st.sampled_from(LINES).map(str.encode), tables().map(str.encode), st.just(b"a" * 2_000_001)
)
