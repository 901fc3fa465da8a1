"""What does each model say? Its clean answers, its explanations, its falls under attack: each worked out once, kept,
and used by every pair that the model is in."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .array_metric import VERSION
from .members import Member
from .predictor import Text
from .processes import Processes
from .store import Store, digest

PIECE = 128  # texts whose clean answers are kept together
GROUP = 8192  # texts that are asked at a time

Progress = Callable[[str, int], Any]  # what is done, and of how many pieces: a bar with `update` and `close`


@dataclass
class Work:
    """All that the pairs are made of, by the models' names."""

    gold: np.ndarray
    texts: list[Text]
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)  # of the models that have any
    ood: dict[str, np.ndarray] = field(default_factory=dict)  # probabilities of the out-of-distribution texts
    explained: list[int] = field(default_factory=list)  # which examples
    explanations: dict[str, dict[int, Any]] = field(default_factory=dict)
    attacked: list[int] = field(default_factory=list)
    outcomes: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    transfers: dict[tuple[str, str], dict[int, bool]] = field(default_factory=dict)  # (whose text, fools whom)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)  # (dimension, model) -> one sentence
    twin: dict[str, Any] | None = None  # what came out for large and twin, a dimension each


@dataclass
class Desk:
    """Where the work is done: the family, its texts, the store, the processes, and a word on progress."""

    members: list[Member]
    texts: list[Text]
    store: Store
    processes: Processes
    progress: Progress

    @property
    def family(self) -> str:
        """What the order of the classes, and so every kept answer, depends on beside the model itself."""
        return digest(VERSION, self.members[0].fingerprint, self.members[0].labels)


def clean_answers(desk: Desk, texts: Sequence[Text], embeddings: bool, what: str) -> dict[str, tuple[np.ndarray, Any]]:
    """Every model's probabilities of the texts, and their embeddings where it has any and they are wanted."""
    pieces = [list(texts[at : at + PIECE]) for at in range(0, len(texts), PIECE)]
    items = [digest(piece) for piece in pieces]
    found = {}
    with_bar = desk.progress(what, len(texts) * len(desk.members))
    for member in desk.members:
        wanted = embeddings and bool(member.about(desk.store).get("embeddings"))
        context = digest("clean", desk.family, member.fingerprint, wanted)
        known = desk.store.known(context)
        missing = [i for i, item in enumerate(items) if item not in known]
        with_bar.update(sum(len(piece) for i, piece in enumerate(pieces) if i not in set(missing)))

        def ask(
            member: Member = member, wanted: bool = wanted, context: str = context, missing: list[int] = missing
        ) -> dict[str, bytes]:
            done = {}
            for group in groups(desk.processes.deal(missing), GROUP // PIECE):
                some = [text for i in group for text in pieces[i]]
                rows, pooled = member.predictor.both(some, embeddings=wanted)
                at = 0
                for i in group:
                    stop = at + len(pieces[i])
                    done[items[i]] = packed(rows[at:stop], pooled[at:stop])
                    desk.store.put(context, items[i], done[items[i]])
                    with_bar.update(len(pieces[i]))
                    at = stop
            return done

        for done in desk.processes.together(ask):
            known |= done
        parts = [unpacked(known[item]) for item in items]
        rows, pooled = (np.concatenate(some) for some in zip(*parts, strict=True))
        found[member.name] = rows, pooled if wanted else None
    with_bar.close()
    return found


def each_example(
    desk: Desk,
    what: str,
    indices: list[int],
    labels: np.ndarray,
    settings: list[Any],
    run: Callable[[dict[str, Any], dict[str, list[int]]], Iterable[tuple[int, str, Any]]],
    members: list[Member] | None = None,
) -> tuple[dict[str, dict[int, Any]], dict[str, str]]:
    """One result for every example and model: `run(models, indices of each)` gives those that are not kept yet, as
    they finish. Also why a model has not all of them, in a sentence."""
    members = members or desk.members
    items = {i: digest(i, desk.texts[i], int(labels[i])) for i in indices}
    contexts = {member.name: digest(what, desk.family, member.fingerprint, settings) for member in members}
    found: dict[str, dict[int, Any]] = {}
    for member in members:
        known = desk.store.known(contexts[member.name])
        found[member.name] = {i: json.loads(known[item]) for i, item in items.items() if item in known}
    bar = desk.progress(what, len(indices) * len(members))
    bar.update(sum(map(len, found.values())))
    missing = [i for i in indices if any(i not in found[member.name] for member in members)]

    def work() -> tuple[dict[str, dict[int, Any]], dict[str, str]]:
        mine = desk.processes.deal(missing)
        todo = {member.name: [i for i in mine if i not in found[member.name]] for member in members}
        done: dict[str, dict[int, Any]] = {member.name: {} for member in members}
        reasons: dict[str, str] = {}

        def take(some: list[Member]) -> None:
            models = {member.name: member.predictor for member in [desk.members[0], *some]}
            left = {name: [i for i in todo.get(name, []) if i not in done.get(name, {})] for name in models}
            if desk.members[0] not in some:
                left["large"] = []
            for index, name, result in run(models, left):
                done[name][index] = result
                desk.store.put(contexts[name], items[index], json.dumps(result).encode())
                bar.update(1)

        busy = [member for member in members if todo[member.name]]
        if busy:
            try:
                take(busy)
            except Exception as error:  # one model's trouble is not the others': each that is not done goes on alone
                reason = sentence(error)
                for member in busy:
                    if len(done[member.name]) < len(todo[member.name]):
                        reasons |= attempt(take, member, reason)
        return done, reasons

    reasons: dict[str, str] = {}
    for done, why in desk.processes.together(work):
        reasons |= why
        for name, results in done.items():
            found[name] |= results
    bar.close()
    return found, reasons


def attempt(take: Callable[[list[Member]], None], member: Member, reason: str) -> dict[str, str]:
    try:
        take([member])
    except Exception as error:
        return {member.name: sentence(error)}
    return {}


def sentence(error: Exception) -> str:
    """An error as one sentence for the reader of a report."""
    text = (str(error).strip().splitlines() or [""])[0]
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


def transfers(
    desk: Desk, outcomes: dict[str, dict[int, dict[str, Any]]], pairs: list[tuple[str, str]], gold: np.ndarray
) -> dict[tuple[str, str], dict[int, bool]]:
    """For every ordered pair: does the text that broke the first model fool the second?"""
    by_name = {member.name: member for member in desk.members}
    found: dict[tuple[str, str], dict[int, bool]] = {}
    for source, target in pairs:
        broken = {i: one["adversarial"] for i, one in outcomes[source].items() if one["status"] == "broken"}
        texts = {i: tuple(text) if isinstance(text, list) else text for i, text in broken.items()}
        context = digest("transfers", desk.family, by_name[target].fingerprint)
        known = desk.store.known(context)
        missing = list(dict.fromkeys(text for text in texts.values() if digest(text) not in known))

        def ask(target: str = target, context: str = context, missing: list[Any] = missing) -> dict[str, bytes]:
            mine = desk.processes.deal(missing)
            rows = by_name[target].predictor(mine) if mine else np.empty((0, 2))
            done = {digest(text): json.dumps(int(row.argmax())).encode() for text, row in zip(mine, rows, strict=True)}
            for item, value in done.items():
                desk.store.put(context, item, value)
            return done

        for done in desk.processes.together(ask):
            known |= done
        found[source, target] = {i: json.loads(known[digest(text)]) != int(gold[i]) for i, text in texts.items()}
    return found


def silent(what: str, count: int) -> Any:
    """No progress bar: somebody else's is shown."""
    return bar_of(what, count, quiet=True)


def bars(rank: int) -> Progress:
    """A bar a dimension, with the time that is left, in the first process on a terminal."""
    return lambda what, count: bar_of(what, count, quiet=rank > 0)


def bar_of(what: str, count: int, quiet: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=count, desc=what, unit="text", leave=False, disable=True if quiet else None)


def groups(items: list[int], size: int) -> Iterator[list[int]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def packed(rows: np.ndarray, pooled: np.ndarray) -> bytes:
    """Two tables as bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, rows=rows, pooled=pooled)
    return buffer.getvalue()


def unpacked(value: bytes) -> tuple[np.ndarray, np.ndarray]:
    with np.load(io.BytesIO(value), allow_pickle=False) as tables:
        return tables["rows"], tables["pooled"]
