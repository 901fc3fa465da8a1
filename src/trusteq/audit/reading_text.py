"""Which windows are read, and by whom: the large model now, or its base file, or llama.cpp's; then each compressed one.

What is left out, cut or read in several windows is counted."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.audit.listening import Heard, Kept, Live, Progress, listen
from trusteq.audit.options import AuditOptions
from trusteq.audit.store import digest
from trusteq.checks import check_choice, check_integer
from trusteq.models.next_token import (
    LONGEST,
    STRETCH,
    NextToken,
    Said,
    Window,
    starts_of,
    windows_of_documents,
    windows_of_stretches,
)
from trusteq.records.base_file import BaseFile, Draft
from trusteq.records.documents import Documents
from trusteq.records.llama_cpp import LlamaBase
from trusteq.wording import place_name


@dataclass(frozen=True)
class TextOptions:
    """How a running text is read.

    Args:
        windows: "documents", each document by itself, or "stretches", the whole text as llama.cpp cuts it, of which
            the second half of each window is predicted.
        context: tokens of a window (default: of documents 2,048 or what the models read, of stretches 512).
        base: a file that keeps what the large model says: written if it is not there, else read, so that the large
            model runs once. The KL divergence is then an unbiased estimate, with its error.
        floor: what large differs from itself by: "rounding", in bfloat16 (or, if it is saved so, in float32), or
            "none".
    """

    windows: str = "documents"
    context: int | None = None
    base: Path | None = None
    floor: str = "rounding"

    def __post_init__(self) -> None:
        check_choice("windows", self.windows, ("documents", "stretches"))
        check_choice("floor", self.floor, ("rounding", "none"))
        if self.context is not None:
            check_integer("context", self.context, at_least=4)


@dataclass
class Cut:
    """Documents as windows."""

    windows: list[Window]
    documents: int  # that tokens are predicted of, and those without any
    told: dict[str, int]
    noticed: list[str]

    @property
    def places(self) -> np.ndarray:
        """The document of each token that is predicted."""
        return np.concatenate([window.documents for window in self.windows])

    @property
    def some(self) -> np.ndarray:
        """The documents of which tokens are predicted."""
        return np.unique(self.places)


@dataclass
class Spoken:
    """All that was heard, of the documents and of those of another kind."""

    heard: Heard
    cut: Cut
    strange: dict[str, np.ndarray] = field(default_factory=dict)  # by model, of every document out of distribution
    noticed: list[str] = field(default_factory=list)
    vocabulary: int = 0
    estimated: bool = False


# What is read, and by whom.


def cut(documents: Documents, reader: NextToken, length: int, how: str) -> Cut:
    """The documents' windows, and what could not be made one of."""
    told: dict[str, int] = {"documents": len(documents.texts), "context": length}
    if how == "stretches":
        ids, places = reader.whole(documents.whole)
        begin = reader.begin
        windows = windows_of_stretches(ids, documents.at(places).tolist(), length, begin)
        told["left_over"] = len(ids) % length
        if not windows:
            raise ValueError(f"{documents.name} has {len(ids):,} tokens, too few for a window of {length:,}")
    else:
        encoded = reader.tokens_of(documents.texts)
        windows = windows_of_documents(encoded, length, reader.begin)
        told["too_short"] = sum(len(ids) < 2 for ids in encoded)
        told["windowed"] = sum(len(ids) > length for ids in encoded)
        if not windows:
            raise ValueError(f"{documents.name} has no document of two tokens or more, and the first predicts nothing")
    told |= {"windows": len(windows), "tokens": int(starts_of(windows)[-1])}
    return Cut(windows, len(documents.texts), told, sentences_of(documents, told))


COUNTED = {  # what is said of one document or token, and of several
    "empty": ("document is empty and is left out", "documents are empty and are left out"),
    "too_short": (
        "document has one token, which nothing predicts",
        "documents have one token each, which nothing predicts",
    ),
    "windowed": ("document is read in several windows", "documents are read in several windows each"),
    "left_over": (
        "token at the end fills no window and is left out",
        "tokens at the end fill no window and are left out",
    ),
}


def sentences_of(documents: Documents, told: Mapping[str, int]) -> list[str]:
    """What was left out or parted, counted."""
    counts = {"empty": documents.empty} | {name: told.get(name, 0) for name in COUNTED if name != "empty"}
    return [f"{documents.name}: {n:,} {COUNTED[name][n > 1]}" for name, n in counts.items() if n]


def context_of(asked: TextOptions, readers: Sequence[NextToken]) -> int:
    reads = min(reader.length for reader in readers)
    if asked.context is not None and asked.context > reads:
        raise ValueError(
            f"context must be {reads:,} tokens or fewer, which is what the models read, got {asked.context:,}"
        )
    return asked.context or min(reads, STRETCH if asked.windows == "stretches" else LONGEST)


def check_same_tokens(large: NextToken, other: NextToken, documents: Documents) -> None:
    """A divergence over the vocabulary takes one vocabulary."""
    first = large.tokens_of(documents.texts[:100])
    for number, (ids, own) in enumerate(zip(first, other.tokens_of(documents.texts[:100]), strict=True)):
        if ids != own:
            parted = f"document {number} of {documents.name} has {len(ids)} tokens in one and {len(own)} in the other"
            two = f"{other.name} and {large.name} have two vocabularies ({parted})"
            raise ValueError(f"{two}, and the task text compares next tokens: take models of one tokenizer")


# The large model runs, or has run.


def beside_model(
    large: Any,
    compressed: Mapping[str, Any],
    documents: Documents,
    ood: Documents | None,
    asked: TextOptions,
    options: AuditOptions,
    progress: Progress | None,
) -> Spoken:
    how = {name: getattr(options, name) for name in ("device", "dtype", "trust_remote_code")}

    def opened(name: str) -> NextToken:
        return NextToken.open(compressed[name], name, **how)

    if asked.base is None:
        reader = NextToken.open(large, "large", **how)
        others = {**floor_of(reader, asked.floor), **{name: opened(name) for name in compressed}}
        return heard_together(reader, others, documents, ood, asked, None, progress)
    called = place_name(os.fspath(large)) if isinstance(large, str | os.PathLike) else None
    if not asked.base.exists():
        reader = NextToken.open(large, "large", **how)
        write_base(asked, reader, called, documents, ood, options.seed, progress)
        del reader
    base = BaseFile(asked.base)
    if called and base.head.get("large") not in (None, called):
        raise ValueError(f"{base.path} was made of {base.head['large']}, not of {called}: give a new file as base")
    return beside_base(base, dict.fromkeys(compressed, opened), documents, ood, asked, progress)


def floor_of(reader: NextToken, floor: str) -> dict[str, NextToken]:
    """The large model in other numbers."""
    if floor == "none":
        return {}
    import torch

    other = torch.float32 if reader.model.dtype == torch.bfloat16 else torch.bfloat16
    rounded = copy.deepcopy(reader.model).to(other)
    return {"rounding": NextToken(rounded, reader.tokenizer, "rounding")}


def heard_together(
    large: NextToken,
    others: Mapping[str, NextToken],
    documents: Documents,
    ood: Documents | None,
    asked: TextOptions,
    draft: Callable[[Cut, int, int], Draft] | None,
    progress: Progress | None,
) -> Spoken:
    for other in others.values():
        if other.tokenizer is not large.tokenizer:
            check_same_tokens(large, other, documents)
    readers = [large, *others.values()]
    width, length = min(reader.vocabulary for reader in readers), context_of(asked, readers)
    own = cut(documents, large, length, asked.windows)
    sources = {name: Live(reader, width, True) for name, reader in others.items()}
    strange = cut(ood, large, length, "documents") if ood else None
    begun = draft(own, width, len(strange.some) if strange else 0) if draft else None
    try:
        heard = listen(own.windows, Live(large, width, True), sources, width, own.documents, begun, progress)
        spoken = Spoken(heard, own, vocabulary=width, noticed=narrower(readers, width))
        if strange:
            quiet = {name: Live(reader, width, False) for name, reader in others.items()}
            also = listen(strange.windows, Live(large, width, False), quiet, width, strange.documents, None, progress)
            spoken.strange = {name: by_document(said, strange) for name, said in also.said.items()}
            spoken.noticed += strange.noticed
        if begun:
            begun.close(heard.said, heard.embeddings, spoken.strange)
    except BaseException:
        if begun:
            begun.drop()
        raise
    return spoken


def narrower(readers: Sequence[NextToken], width: int) -> list[str]:
    more = {reader.name: reader.vocabulary - width for reader in readers if reader.vocabulary > width}
    return [
        f"{name}: {count:,} entries of its vocabulary that others lack are left out" for name, count in more.items()
    ]


def write_base(
    asked: TextOptions,
    large: NextToken,
    called: str | None,
    documents: Documents,
    ood: Documents | None,
    seed: int,
    progress: Progress | None,
) -> None:
    floors = floor_of(large, asked.floor)
    assert asked.base is not None
    path = asked.base

    def draft(own: Cut, width: int, strange: int) -> Draft:
        size = int(large.model.config.get_text_config().hidden_size)
        head = {
            "vocabulary": width,
            "floors": list(floors),
            "documents": own.documents,
            "made_of": made_of(documents, ood),
        }
        head |= {"large": called, "windows": asked.windows, "context": own.told["context"], "strange": strange}
        return Draft(path, head, own.windows, size, seed)

    heard_together(large, floors, documents, ood, asked, draft, progress)


def made_of(documents: Documents, ood: Documents | None) -> str:
    return digest(documents.texts, ood.texts if ood else None)


def beside_base(
    base: BaseFile,
    openers: Mapping[str, Callable[[str], NextToken]],
    documents: Documents,
    ood: Documents | None,
    asked: TextOptions,
    progress: Progress | None,
) -> Spoken:
    """One compressed model after another, beside what the large one said before."""
    heard, strange, noticed = Heard(), dict[str, np.ndarray](), list[str]()
    if base.head.get("made_of") != made_of(documents, ood):
        raise ValueError(
            f"{base.path} was made of other texts than these: give another file as base, and it is written"
        )
    if base.head.get("windows") != asked.windows or asked.context not in (None, base.head.get("context")):
        was = f"{base.head.get('windows')} of {base.head.get('context')} tokens"
        raise ValueError(f"{base.path} was made with windows of {was}: ask for the same, or give another file as base")
    length = int(base.head["context"])
    if asked.floor != "none" and not base.floors:
        noticed.append(f"{base.path.name} was made without a floor")
    for name in ("large", *(base.floors if asked.floor != "none" else ())):
        heard.said[name] = base.said(name)
        if (states := base.of_documents(name, "embeddings")) is not None:
            heard.embeddings[name] = states
        if (scores := base.of_documents(name, "strange")) is not None:
            strange[name] = scores
    own: Cut | None = None
    for name, opener in openers.items():
        reader = opener(name)
        if reader.length < length:
            raise ValueError(f"{name} reads {reader.length:,} tokens, and the windows of {base.path} have {length:,}")
        own = cut(documents, reader, length, asked.windows)
        if [window.ids for window in own.windows] != [window.ids for window in base.windows]:
            two = f"{name} and the large model of {base.path} have two vocabularies: the same texts are other tokens"
            raise ValueError(f"{two}, and the task text compares next tokens")
        if reader.vocabulary < base.vocabulary:
            raise ValueError(
                f"{name} has a vocabulary of {reader.vocabulary:,}, and {base.path} one of {base.vocabulary:,}"
            )
        noticed += narrower([reader], base.vocabulary)
        width = base.vocabulary
        also = listen(own.windows, base, {name: Live(reader, width, True)}, width, own.documents, None, progress)
        heard.said |= also.said
        heard.embeddings |= also.embeddings
        if ood:
            out = cut(ood, reader, length, "documents")
            found = listen(out.windows, Live(reader, width, False), {}, width, out.documents, None, progress)
            strange[name] = by_document(found.said["large"], out)
    assert own is not None
    return Spoken(heard, own, strange, noticed, base.vocabulary, estimated=True)


def beside_llama(
    large: LlamaBase,
    compressed: Mapping[str, Any],
    documents: Documents | None,
    options: AuditOptions,
    progress: Progress | None,
) -> Spoken:
    """Models, or further files of the same tokens, beside what llama.cpp's large model said."""
    how = {name: getattr(options, name) for name in ("device", "dtype", "trust_remote_code")}
    heard, windows = Heard(), large.windows()
    told = {
        "documents": 0,
        "context": large.length,
        "windows": len(windows),
        "tokens": int(starts_of(windows)[-1]),
    }
    for name, given in compressed.items():
        source: Live | Kept
        begin = None
        if isinstance(given, LlamaBase):
            if given.length != large.length or not np.array_equal(given.tokens, large.tokens):
                raise ValueError(
                    f"{given.path} and {large.path} are of other texts, tokens or windows: make them alike"
                )
            source, wide = Kept(given), given.vocabulary
        else:
            reader = NextToken.open(given, name, **how)
            begin, wide = reader.begin, reader.vocabulary
            if reader.length < large.length:
                raise ValueError(
                    f"{name} reads {reader.length:,} tokens, and the windows of {large.path} have {large.length:,}"
                )
            source = Live(reader, large.vocabulary, False)
        if wide < large.vocabulary or (wide > large.vocabulary and isinstance(given, LlamaBase)):
            raise ValueError(unlike(name, wide, large))
        own = large.windows(begin)
        also = listen(own, Kept(large), {name: source}, large.vocabulary, len(own), None, progress)
        heard.said |= also.said
    ends = f"{large.path.name} does not say where documents end, so intervals count its {len(windows):,} windows"
    return Spoken(heard, Cut(windows, len(windows), told, []), {}, [ends], large.vocabulary)


def unlike(name: str, width: int, base: BaseFile | LlamaBase) -> str:
    return f"{name} has a vocabulary of {width:,}, and {base.path} one of {base.vocabulary:,}"


def by_document(said: Said, own: Cut) -> np.ndarray:
    """The mean log-probability of each document's tokens, of those that have any."""
    places = own.places
    counts = np.bincount(places, minlength=own.documents)
    sums = np.bincount(places, said["right"].astype(np.float64), own.documents)
    return np.asarray(sums[own.some] / counts[own.some])
