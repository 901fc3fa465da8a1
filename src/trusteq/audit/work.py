"""What does each model say? Its clean answers, its explanations, its outcomes under attack: each worked out once, kept,
and used by every pair that the model is in."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from trusteq.attack.attacking import said_under
from trusteq.attack.outcomes import read_outcome
from trusteq.audit.family import Member
from trusteq.audit.memo import Done, Key, Run, remembered
from trusteq.audit.store import digest
from trusteq.checks import InVain
from trusteq.kinds.text import Text
from trusteq.wording import without_places

PIECE = 128  # texts whose clean answers are kept together
GROUP = 1024  # texts that are asked at a time: what a killed process loses at most
Explore = Callable[[dict[str, Any], dict[str, list[int]]], Iterable[tuple[int, str, Any]]]


def clean_answers(
    run: Run, member: Member, texts: Sequence[Text], embeddings: bool, bar: Any
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """A model's probabilities of the texts; its embeddings where it has any and they are wanted; and of a language
    model how probable it is that any of the answers follows, and whether the text was cut."""
    wanted = embeddings and bool(member.about(run.store).get("embeddings"))
    context = run.context("clean", member, wanted)
    rows, pooled, told = of_pieces(run, texts, context, lambda some: member.answers(some, wanted), bar)
    return rows, pooled if wanted else None, told if told.shape[1] else None


def surprise(run: Run, member: Member, texts: Sequence[Text], score: str, bar: Any) -> np.ndarray:
    """How strange the texts are to a language model, a number each."""
    context = run.context("surprise", member, score)
    return of_pieces(run, texts, context, lambda some: (member.surprise(some, score),), bar)[0][:, 0]


def of_pieces(
    run: Run,
    texts: Sequence[Text],
    context: str,
    answer: Callable[[list[Text]], tuple[np.ndarray, ...]],
    bar: Any,
) -> list[np.ndarray]:
    """Tables with a row for each text, worked out piece by piece."""
    pieces = [texts[at : at + PIECE] for at in range(0, len(texts), PIECE)]
    places: dict[Key, list[int]] = {}  # equal pieces are asked once
    for i, piece in enumerate(pieces):
        places.setdefault((context, digest(piece)), []).append(i)
    tables: list[np.ndarray] = []  # filled piece by piece: there is no room for them twice

    def fill(key: Key, value: bytes) -> None:
        parts = unpacked(value)
        if not tables:
            tables.extend(np.empty((len(texts), part.shape[1]), dtype=part.dtype) for part in parts)
        for i in places[key]:
            for table, part in zip(tables, parts, strict=True):
                table[i * PIECE : i * PIECE + len(part)] = part

    def ask(keys: list[Key], reasons: dict[str, str]) -> Iterator[Done]:
        some = [pieces[places[key][0]] for key in keys]
        answers = answer([text for piece in some for text in piece])
        cuts = np.cumsum([len(piece) for piece in some])[:-1]
        for key, *parts in zip(keys, *(np.split(table, cuts) for table in answers), strict=True):
            good = all(np.isfinite(part).all() for part in parts)  # what went wrong once may go right next time
            yield key, packed(*parts), good

    def texts_in(key: Key) -> int:
        return sum(len(pieces[i]) for i in places[key])

    remembered(run, [[key] for key in places], ask, fill, bar, texts_in, at_a_time=GROUP // PIECE)
    return tables


def each_example(
    run: Run, what: str, indices: list[int], labels: np.ndarray, settings: list[Any], explore: Explore
) -> tuple[dict[str, dict[int, Any]], dict[str, str]]:
    """One result for every example and model: `explore(models, indices of each)` gives those that are not kept yet, as
    they finish. Also why a model has not all of them, in a sentence."""
    large, names = run.members[0], [member.name for member in run.members]
    contexts = {member.name: run.context(what, member, settings) for member in run.members}
    items = {i: digest(i, run.texts[i], int(labels[i])) for i in indices}
    owners = {(contexts[name], item): (name, i) for name in names for i, item in items.items()}
    units = [[(contexts[name], item) for name in names] for item in items.values()]
    found: dict[str, dict[int, Any]] = {name: {} for name in names}

    def take(key: Key, value: bytes) -> None:
        name, i = owners[key]
        found[name][i] = json.loads(value)

    def ask(keys: list[Key], reasons: dict[str, str]) -> Iterator[Done]:
        todo: dict[str, list[int]] = {name: [] for name in names}
        for name, i in map(owners.__getitem__, keys):
            todo[name].append(i)

        def results(some: list[Member]) -> Iterator[Done]:
            models = {member.name: member.predictor for member in [large, *some]}
            wanted = {member.name: list(todo[member.name]) for member in some}
            for i, name, result in explore(models, {large.name: []} | wanted):
                todo[name].remove(i)
                yield (contexts[name], items[i]), json.dumps(result).encode(), True

        busy = [member for member in run.members if todo[member.name]]
        try:
            yield from results(busy)
        except InVain:
            raise
        except Exception:  # one model's trouble is not the others': each that is not done goes on alone
            for member in (member for member in busy if todo[member.name]):
                try:
                    yield from results([member])
                except InVain:
                    raise
                except Exception as error:
                    reasons[member.name] = reason_of(error)

    with closing(run.progress(what, len(indices) * len(names))) as bar:
        reasons = remembered(run, units, ask, take, bar)
    return found, reasons


def transfers(
    run: Run,
    outcomes: dict[str, dict[int, dict[str, Any]]],
    pairs: list[tuple[str, str]],
    settings: list[Any],
) -> tuple[dict[tuple[str, str], dict[int, bool]], dict[str, str]]:
    """For every ordered pair: does the text that broke the first model fool the second? And why one cannot say."""
    by_name = {member.name: member for member in run.members}
    found: dict[tuple[str, str], dict[int, bool]] = {}
    reasons: dict[str, str] = {}
    for source, target in pairs:
        broken = {i: read_outcome("", one) for i, one in outcomes[source].items() if one["status"] == "broken"}
        context = run.context("transfers", by_name[target], settings)
        keys_of = {i: (context, digest(one.adversarial, *filter(None, [one.wording]))) for i, one in broken.items()}
        of_key = {keys_of[i]: one for i, one in broken.items()}
        said: dict[Key, int] = {}

        def ask(keys: list[Key], _: dict[str, str], target: str = target, of_key: Any = of_key) -> Iterator[Done]:
            labels = said_under(by_name[target].predictor, [of_key[key] for key in keys])
            for key, label in zip(keys, labels, strict=True):
                yield key, json.dumps(label).encode(), True

        def take(key: Key, value: bytes, said: Any = said) -> None:
            said[key] = json.loads(value)

        try:
            remembered(run, [[key] for key in of_key], ask, take)
        except InVain:
            raise
        except Exception as error:
            reasons[target] = reason_of(error)
        else:
            found[source, target] = {i: said[keys_of[i]] != one.right for i, one in broken.items()}
    return found, reasons


def reason_of(error: Exception) -> str:
    """An error as one sentence for the reader of a report."""
    text = (str(error).strip().splitlines() or [""])[0]
    text = without_places(text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}")
    cause: BaseException | None = error
    while cause is not None:
        for note in getattr(cause, "__notes__", ()):  # of the predictor
            if note.endswith(" failed") and note.removesuffix(" failed") not in text:
                return f"{note}: {text}"
        cause = cause.__cause__
    return text


def packed(*tables: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *tables)
    return buffer.getvalue()


def unpacked(value: bytes) -> list[np.ndarray]:
    with np.load(io.BytesIO(value), allow_pickle=False) as tables:
        return [tables[name] for name in tables.files]
