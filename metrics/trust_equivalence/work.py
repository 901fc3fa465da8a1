"""What does each model say? Its clean answers, its explanations, its falls under attack: each worked out once, kept,
and used by every pair that the model is in."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .array_metric import VERSION
from .members import Member
from .predictor import Text
from .processes import Processes
from .store import NoRoom, Store, digest

PIECE = 128  # texts whose clean answers are kept together
GROUP = 1024  # texts that are asked at a time: what a killed process loses at most

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


def clean_answers(
    desk: Desk, member: Member, texts: Sequence[Text], embeddings: bool, bar: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """A model's probabilities of the texts, and its embeddings where it has any and they are wanted."""
    pieces = [texts[at : at + PIECE] for at in range(0, len(texts), PIECE)]
    places: dict[str, list[int]] = {}  # equal pieces are asked once
    for i, piece in enumerate(pieces):
        places.setdefault(digest(piece), []).append(i)
    wanted = embeddings and bool(member.about(desk.store).get("embeddings"))
    context = digest("clean", desk.family, member.fingerprint, wanted)
    tables: list[np.ndarray] = []  # filled piece by piece: there is no room for them twice
    empty = dict(places)

    def fill(item: str, value: bytes) -> None:
        parts = unpacked(value)
        if not tables:
            tables.extend(np.empty((len(texts), part.shape[1]), dtype=part.dtype) for part in parts)
        for i in empty.pop(item, ()):
            for table, part in zip(tables, parts, strict=True):
                table[i * PIECE : i * PIECE + len(part)] = part
            bar.update(len(pieces[i]))

    def ask(items: list[str]) -> list[tuple[str, bytes]]:
        mine = desk.processes.deal(items)
        some = [pieces[places[item][0]] for item in mine]
        if not some:
            return []
        answers = member.answers([text for piece in some for text in piece], wanted)
        cuts = np.cumsum([len(piece) for piece in some])[:-1]
        done = []
        for item, *parts in zip(mine, *(np.split(table, cuts) for table in answers), strict=True):
            done.append((item, packed(*parts)))
            if all(np.isfinite(part).all() for part in parts):  # what went wrong once may go right next time
                desk.store.put(context, *done[-1])
        return done

    for item, value in desk.store.each(context):
        fill(item, value)
    for items in groups(desk.processes.agreed(list(empty)), GROUP // PIECE * desk.processes.count):
        for done in desk.processes.together(partial(ask, items)):
            for item, value in done:
                fill(item, value)
    rows, pooled = tables
    return rows, pooled if wanted else None


def each_example(
    desk: Desk,
    what: str,
    indices: list[int],
    labels: np.ndarray,
    settings: list[Any],
    run: Callable[[dict[str, Any], dict[str, list[int]]], Iterable[tuple[int, str, Any]]],
) -> tuple[dict[str, dict[int, Any]], dict[str, str]]:
    """One result for every example and model: `run(models, indices of each)` gives those that are not kept yet, as
    they finish. Also why a model has not all of them, in a sentence."""
    members = desk.members
    items = {i: digest(i, desk.texts[i], int(labels[i])) for i in indices}
    contexts = {member.name: digest(what, desk.family, member.fingerprint, settings) for member in members}
    found: dict[str, dict[int, Any]] = {}
    for member in members:
        known = desk.store.known(contexts[member.name])
        found[member.name] = {i: json.loads(known[item]) for i, item in items.items() if item in known}
    bar = desk.progress(what, len(indices) * len(members))
    bar.update(sum(map(len, found.values())))
    missing = desk.processes.agreed([i for i in indices if any(i not in found[member.name] for member in members)])

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
                kept = json.dumps(result).encode()
                desk.store.put(contexts[name], items[index], kept)
                done[name][index] = json.loads(kept)  # the same, whether it is fresh or kept
                bar.update(1)

        busy = [member for member in members if todo[member.name]]
        try:
            if busy:
                take(busy)
        except NoRoom:
            raise
        except Exception:  # one model's trouble is not the others': each that is not done goes on alone
            for member in (member for member in busy if len(done[member.name]) < len(todo[member.name])):
                try:
                    take([member])
                except NoRoom:
                    raise
                except Exception as error:
                    reasons[member.name] = sentence(error)
        return done, reasons

    reasons: dict[str, str] = {}
    for done, why in desk.processes.together(work):
        reasons |= why
        for name, results in done.items():
            found[name] |= results
    bar.close()
    return found, reasons


def sentence(error: Exception) -> str:
    """An error as one sentence for the reader of a report."""
    text = (str(error).strip().splitlines() or [""])[0]
    text = text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"
    cause: BaseException | None = error
    while cause is not None:
        for note in getattr(cause, "__notes__", ()):  # of the predictor
            if note.endswith(" failed") and note.removesuffix(" failed") not in text:
                return f"{note}: {text}"
        cause = cause.__cause__
    return text


def transfers(
    desk: Desk,
    outcomes: dict[str, dict[int, dict[str, Any]]],
    pairs: list[tuple[str, str]],
    gold: np.ndarray,
    settings: list[Any],
) -> tuple[dict[tuple[str, str], dict[int, bool]], dict[str, str]]:
    """For every ordered pair: does the text that broke the first model fool the second? And why one cannot say."""
    by_name = {member.name: member for member in desk.members}
    found: dict[tuple[str, str], dict[int, bool]] = {}
    reasons: dict[str, str] = {}
    for source, target in pairs:
        broken = {i: one["adversarial"] for i, one in outcomes[source].items() if one["status"] == "broken"}
        texts = {i: tuple(text) if isinstance(text, list) else text for i, text in broken.items()}
        context = digest("transfers", desk.family, by_name[target].fingerprint, settings)
        known = desk.store.known(context)
        new = desk.processes.agreed([text for text in dict.fromkeys(texts.values()) if digest(text) not in known])

        def ask(target: str = target, context: str = context, new: list[Text] = new) -> dict[str, bytes]:
            mine = desk.processes.deal(new)
            rows = by_name[target].predictor(mine) if mine else np.empty((0, 2))
            done = {digest(text): json.dumps(int(row.argmax())).encode() for text, row in zip(mine, rows, strict=True)}
            for item, value in done.items():
                desk.store.put(context, item, value)
            return done

        try:
            for done in desk.processes.together(ask):
                known |= done
        except NoRoom:
            raise
        except Exception as error:
            reasons[target] = sentence(error)
        else:
            found[source, target] = {i: json.loads(known[digest(text)]) != int(gold[i]) for i, text in texts.items()}
    return found, reasons


def silent(what: str, count: int) -> Any:
    """No progress bar: somebody else's is shown."""
    return bar_of(what, count, quiet=True)


def bars(rank: int) -> Progress:
    """A bar a dimension, with the time that is left, in the first process on a terminal."""
    return lambda what, count: bar_of(what, count, quiet=rank > 0)


def bar_of(what: str, count: int, quiet: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=count, desc=what, unit="text", leave=False, disable=True if quiet else None)


def groups(items: list[str], size: int) -> Iterator[list[str]]:
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
