"""What do the models of a family write, and is it right? Their answers become records, and records an audit.

Answers are kept one by one: whatever ends a run, the next one asks for what is missing."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.audit.describing import facts_of, of_checkpoint, size_of
from trusteq.audit.family import DERIVED, MADE, Member, of_file, of_model
from trusteq.audit.recorded import Family
from trusteq.audit.store import Store, digest
from trusteq.checks import brief
from trusteq.kinds.text import Text
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.llama_cpp import by_llama_cpp, file_of
from trusteq.models.prompts import Prompt
from trusteq.models.writing import Answer, Decoding, ServedWriter, Writer, open_writer
from trusteq.options import VERSION
from trusteq.records.record import Record, record
from trusteq.records.runs import tasks_of
from trusteq.scorers import RIGHT, SCORERS, is_refusal, scored_by, usual

FLOORS = ("rounding", "batch", "kernels")
ALONE = 1  # token of a batch: every question is asked by itself


@dataclass(frozen=True)
class Questions:
    """Questions and, of each, the answers that are right; `notes` are what was left out or guessed."""

    texts: Sequence[Text]
    right: Sequence[Sequence[str]]
    name: str = "questions"
    groups: Sequence[Any] | None = None
    notes: Sequence[str] = ()


def written_family(
    models: dict[str, Any],
    questions: Questions,
    prompt: Prompt,
    decoding: Decoding,
    scorer: Any = None,
    floor: str | None = None,
    twins: Sequence[str] = (),
    opening: dict[str, Any] | None = None,
    folder: Path | None = None,
    progress: Callable[[str, int], Any] | None = None,
) -> tuple[Family, dict[str, Record]]:
    """What all of them say, as the family of an audit (`audit_answers`), and as records. The large model is the first
    and called "large"; `scorer` is a name, or a function of the answer and the right ones."""
    if floor == "batch":
        models = {"large": models["large"], "batch": models["large"], **models}
    elif floor:
        models = {"large": models["large"], floor: MADE[floor](models["large"]), **models}
    scorer = usual(questions.right) if scorer is None else scorer
    if isinstance(scorer, str) and scorer not in SCORERS:
        raise ValueError(f"scorer must be {' or '.join(SCORERS)}, or a function, got {brief(scorer)}")
    store = Store(folder)
    records: dict[str, Record] = {}
    facts: dict[str, dict[str, Any]] = {}
    large: Any = None
    try:
        for name, model in models.items():
            alone = {"tokens": ALONE, "at_once": 1} if name == "batch" and floor == "batch" else {}
            writer = opened(name, model, large, prompt, decoding, (opening or {}) | alone)
            large = large or writer
            context = digest(
                "generate", VERSION, name, made_of(model, models["large"], writer), asked(prompt, decoding)
            )
            given = answers_of(writer, questions.texts, store, context, progress)
            records[name] = recorded(name, given, questions, scorer, writer)
            facts[name] = known_of(model, writer)
    finally:
        store.close()
    tasks, noticed = tasks_of({name: [one] for name, one in records.items()})
    also = [*([floor] if floor else []), *twins]
    roles = {name: "large" if name == "large" else "twin" if name in also else "compressed" for name in records}
    called = scorer if isinstance(scorer, str) else getattr(scorer, "__name__", type(scorer).__name__)
    notes = [f"the scorer {called} decides which answers are right", *questions.notes, *noticed]
    shown, how = {name: shown_as(model) for name, model in models.items()}, asked(prompt, decoding) | {"scorer": called}
    return Family(shown, roles, questions.name, tasks, noticed=notes, asked=how, facts=facts), records


def opened(
    name: str, model: Any, large: Any, prompt: Prompt, decoding: Decoding, opening: dict[str, Any]
) -> Writer | ServedWriter:
    if not (isinstance(model, str) and model in DERIVED):
        return open_writer(model, name, prompt, decoding, **opening)
    if not isinstance(large, Writer):
        way = model.removeprefix("derived:")
        how = "--floor batch asks it once more, one question at a time" if way == "rounded" else "give a model"
        raise ValueError(f"{name}: only a transformers model can be {way}, and large is {large.kind}: {how}")
    made = DERIVED[model](large.model), large.tokenizer
    return open_writer(made, name, prompt, decoding, **{**opening, "device": None, "dtype": None})


def made_of(model: Any, large: Any, writer: Writer | ServedWriter) -> str:
    """What decides a model's answers, beside how it is asked."""
    if isinstance(model, str) and model in DERIVED:
        return digest(model, made_of(large, large, writer) if isinstance(large, str) else "")
    if isinstance(writer, ServedWriter):
        file = of_file(file_of(model, writer.name)) if by_llama_cpp(model) else ""
        return digest("served", writer.client.shown, writer.model, file)
    member = member_of(model)
    if member.on_disk:
        return member.fingerprint
    assert isinstance(writer, ModelPredictor)
    return of_model(writer)


def known_of(model: Any, writer: Writer | ServedWriter) -> dict[str, Any]:
    """How large it is, what runs it and how it was made, as far as that can be seen from here."""
    if isinstance(writer, ServedWriter):
        return {}
    found = size_of(writer.model) | facts_of(writer)
    if isinstance(model, str) and model in DERIVED:
        return found | {"simulated": True}
    member = member_of(model)
    return found | (of_checkpoint(os.fspath(member.place), member.files) if member.on_disk else {})


def member_of(model: Any) -> Member:
    return Member("large", "large", {"model": model}, {}, None, [])


def asked(prompt: Prompt, decoding: Decoding) -> dict[str, Any]:
    """How the models are asked, as plain data."""
    shots = [[text, label] for text, label in prompt.shots]
    found = {"prompt": prompt.prompt, "system": prompt.system, "chat": prompt.chat, "shots": shots}
    return found | {name: list(value) if isinstance(value, tuple) else value for name, value in vars(decoding).items()}


def answers_of(
    writer: Writer | ServedWriter,
    texts: Sequence[Text],
    store: Store,
    context: str,
    progress: Callable[[str, int], Any] | None,
) -> list[Answer]:
    """The model's answer to every question: as it was kept, or written now; equal questions are asked once."""
    keys = [digest(text) for text in texts]
    known = {key: Answer(**json.loads(value)) for key, value in store.each(context)}
    places = {key: i for i, key in reversed(list(enumerate(keys))) if key not in known}
    missing = sorted(places.values())
    if isinstance(writer, ServedWriter) and store.folder is not None:
        writer.client.kept = "; its answers so far are kept: give resume=True to go on from there"
    bar = progress(f"answers of {writer.name}", len(missing)) if progress and missing else None
    with closing(bar) if bar is not None else closing(Silent()) as moving:
        for place, answer in writer.write([texts[i] for i in missing]) if missing else ():
            known[keys[missing[place]]] = answer
            store.put(context, keys[missing[place]], json.dumps(answer.plain).encode())
            moving.update(1)
    return [known[key] for key in keys]


class Silent:
    def update(self, count: int) -> None:
        pass

    def close(self) -> None:
        pass


def recorded(
    name: str, answers: Sequence[Answer], questions: Questions, scorer: Any, writer: Writer | ServedWriter
) -> Record:
    """Right or wrong, and the scores whose gaps the report shows: of the scorer, lengths, refusals, cut answers."""
    read = [scored_by(scorer, one.text, right) for one, right in zip(answers, questions.right, strict=True)]
    whole = all(one.tokens is not None for one in answers)
    columns: dict[str, Any] = {
        "id": [str(i) for i in range(len(answers))],
        "question": [text if isinstance(text, str) else "\n".join(text) for text in questions.texts],
        "gold": [" | ".join(right) for right in questions.right],
        "said": [said for said, _ in read],
        "answer": [one.text for one in answers],
        "tokens": [one.tokens for one in answers] if whole else None,
        "right": [score >= RIGHT for _, score in read],
        "group": None if questions.groups is None else [str(group) for group in questions.groups],
        f"score:{scorer if isinstance(scorer, str) else 'score'}": [score for _, score in read],
        "score:words": [float(len(one.text.split())) for one in answers],
        "score:refusals": [float(is_refusal(one.text)) for one in answers],
        "score:cut at max_tokens": [float(not one.ended) for one in answers],
        "score:empty": [float(not one.text) for one in answers],
    }
    noticed = []
    if writer.truncated:
        noticed.append(f"{name}: {writer.truncated:,} questions were longer than it can read, and were cut")
    if (mute := sum(not one.text for one in answers)) > len(answers) / 2:
        how = "it ends, or writes a stop, at once: another prompt, a chat or another stop may be what it was trained on"
        noticed.append(f"{name}: {mute:,} of {len(answers):,} answers are empty: {how}")
    if not whole:
        noticed.append(f"{name} does not report its tokens, so where answers part is counted in words only")
    head = {"model": name, "task": questions.name, "format": "generated", "place": name, "noticed": noticed}
    return record(head, columns)


def shown_as(model: Any) -> str:
    if isinstance(model, str) and model in DERIVED:
        return f"{model.removeprefix('derived:')} from large"
    return Member("large", "large", {"model": model}, {}, None, []).shown
