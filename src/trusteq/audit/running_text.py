"""Can a compressed language model stand in for the large one on running text, where the next token is a class?

Errors are of tokens, and so is confidence; neighbours and what is out of distribution are of documents. Intervals and
verdicts count documents throughout, as tokens of one are alike."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from trusteq.audit.audit import versions
from trusteq.audit.judging import correct, entry_of
from trusteq.audit.listening import Progress
from trusteq.audit.options import AuditOptions
from trusteq.audit.reading_text import Spoken, TextOptions, beside_llama, beside_model, by_document
from trusteq.audit.sentences import sentence
from trusteq.audit.work import reason_of
from trusteq.dimensions.next_token import ERRORS, TokenWork
from trusteq.dimensions.record import Dimension
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.next_tokens import figures_of
from trusteq.options import VERSION
from trusteq.records.documents import Documents
from trusteq.records.llama_cpp import LlamaBase
from trusteq.wording import place_name

ASKED = {
    "prediction_error_jaccard": ERRORS,
    **{name: DIMENSIONS[name] for name in ("calibration_gap", "representation_overlap", "ood_divergence")},
}
LEAST_DOCUMENTS = 12
OF_TOKENS = ("prediction_error_jaccard", "calibration_gap")
SETTINGS = ("confidence_level", "seed", "margins", "n_bins", "binning", "neighbors", "among", "keep")


def audit_text(
    large: Any,
    compressed: Mapping[str, Any],
    documents: Documents | None,
    ood: Documents | None,
    asked: TextOptions,
    options: AuditOptions,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The audit as plain data. `large` is a model, or llama.cpp's base file; so may the compressed ones be then."""
    started, clock = datetime.now(UTC), time.monotonic()
    if isinstance(large, LlamaBase):
        spoken = beside_llama(large, compressed, documents, options, progress)
    elif documents is None:
        raise ValueError("`dataset` is missing: a text file, a folder of them, or a table with a column of texts")
    else:
        spoken = beside_model(large, compressed, documents, ood, asked, options, progress)
    names, said = list(compressed), spoken.heard.said
    floors = [name for name in said if name not in ("large", *names)]
    judging = replace(options, floor="rounding" if floors else None, score="msp")
    pairs = pairs_of(spoken, names, floors, judging)
    conclude(pairs, judging)
    noticed = [*spoken.cut.noticed, *spoken.noticed]
    settings = {name: options.settings[name] for name in SETTINGS} | {"windows": asked.windows}
    settings |= {"context": spoken.cut.told["context"], "floor": judging.floor}
    data: dict[str, Any] = {"name": documents.name if documents else place_name(str(large.path))}
    data |= {"empty": documents.empty if documents else 0, **spoken.cut.told}
    data |= {"ood_documents": len(next(iter(spoken.strange.values()), ()))}
    return {
        "schema": "trust_equivalence/text-1",
        "version": VERSION,
        "signature": "|".join([f"running_text:{VERSION}", *(f"{k}={v}" for k, v in sorted((settings | data).items()))]),
        "settings": settings,
        "data": data,
        "estimated": spoken.estimated,
        "models": {"large": {"role": "large"}, **{pair["name"]: {"role": pair["role"]} for pair in pairs}},
        "pairs": pairs,
        "noticed": noticed,
        "failures": [
            {"pair": pair["name"], "dimension": key, "reason": one["reason"]}
            for pair in pairs
            for key, one in pair["dimensions"].items()
            if one["status"] == "failed"
        ],
        "run": {
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            "versions": versions(),
        },
    }


# From what was heard to verdicts.


def pairs_of(spoken: Spoken, compressed: Sequence[str], floors: Sequence[str], options: Any) -> list[dict[str, Any]]:
    """Floors first, since they are what the others are held against."""
    tokens, documents, skipped = works(spoken)
    said, groups, found = spoken.heard.said, tokens.groups, list[dict[str, Any]]()
    assert groups is not None
    for name in (*floors, *compressed):
        role = "twin" if name in floors else "compressed"
        entries = {}
        for key, dimension in ASKED.items():
            work = tokens if key in OF_TOKENS else documents
            beside = floors if role == "compressed" else ()
            entries[key] = entry(dimension, work, name, skipped.get(key), beside, options, role)
        if role == "twin":
            tokens.floors[name] = documents.floors[name] = entries
        figures = figures_of(said[name], said["large"], groups, options.confidence_level, options.seed)
        pair = {"name": name, "compressed": name, "large": "large", "role": role, "dimensions": entries}
        found.append(pair | {"figures": bounded(figures)})
    return found


def works(spoken: Spoken) -> tuple[TokenWork, Work, dict[str, str]]:
    """As the dimensions take them: the tokens in their documents, and the documents; and why one is left out."""
    said, own = spoken.heard.said, spoken.cut
    targets = np.concatenate([window.targets for window in own.windows])
    some, groups = np.unique(own.places, return_inverse=True)
    tokens = TokenWork(targets, [], groups, moved={name: one["moved"] for name, one in said.items() if name != "large"})
    for name, one in said.items():
        tokens.labels[name] = np.where(one["top"] == targets, 0, one["top"].astype(np.int64) + 1)
        tokens.confidence[name] = np.exp(np.minimum(one["sure"].astype(np.float64), 0.0))
    documents, skipped = Work(np.zeros(len(some), np.intp), []), dict[str, str]()
    if all(name in spoken.heard.embeddings for name in said):
        documents.embeddings = {name: spoken.heard.embeddings[name][some] for name in said}
        if len(some) < LEAST_DOCUMENTS:
            skipped["representation_overlap"] = f"it needs at least {LEAST_DOCUMENTS} documents, got {len(some)}"
    else:
        skipped["representation_overlap"] = (
            "a base file of llama.cpp, or a model exported to ONNX or OpenVINO, holds no hidden states"
        )
    if spoken.strange:  # how unlikely a document is: its perplexity's logarithm is 1 less this confidence
        documents.confidence = {name: 1 + by_document(one, own) for name, one in said.items()}
        documents.ood = {name: 1 + scores for name, scores in spoken.strange.items()}
    else:
        skipped["ood_divergence"] = "no documents of another kind were given (ood_dataset)"
    return tokens, documents, skipped


def entry(
    dimension: Dimension,
    work: Work,
    name: str,
    skipped: str | None,
    floors: Sequence[str],
    options: Any,
    role: str,
) -> dict[str, Any]:
    if skipped:
        return {"status": "skipped", "reason": skipped}
    try:
        beside = [floor for floor in floors if work.floors[floor][dimension.name]["status"] == "done"]
        return entry_of(dimension, work, name, "large", options, beside, role == "compressed")
    except Exception as error:
        return {"status": "failed", "reason": reason_of(error)}


def conclude(pairs: Sequence[dict[str, Any]], options: Any) -> None:
    """The verdicts, corrected for their number, and in words."""
    entries = [one for pair in pairs for one in pair["dimensions"].values() if one["status"] == "done"]
    correct([one for one in entries if one["verdict"]], options.confidence_level)
    for pair in pairs:
        for key, one in pair["dimensions"].items():
            if one["status"] == "done":
                one["sentence"] = sentence(ASKED[key], one, pair["compressed"], pair["large"])
                del one["details"]  # a number for every document, which nothing here draws


def bounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no endless numbers: an end of an interval that nothing is known of is none.

    >>> bounded({"a": 1.0, "a_high": math.inf})
    {'a': 1.0, 'a_high': None}
    """
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
