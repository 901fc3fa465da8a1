"""`trusteq audit`: can the compressed models stand in for the large one? A verdict for each, and a report."""

import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trusteq.audit.bundled import ASKED, bundled_family
from trusteq.audit.options import AuditOptions
from trusteq.cli.asked import SHAPES, Asked, drawn, label_of, lines
from trusteq.cli.typed import VALUES, Parser, Typed, pair, part_of, run, unknown, visible
from trusteq.dimensions.attack_divergence import AttackOptions
from trusteq.kinds.text import options_of as answers_of
from trusteq.models.checkpoints import is_served
from trusteq.models.llama_cpp import SCHEME, by_llama_cpp
from trusteq.progress import command_progress, rank
from trusteq.records.chosen import ChosenTexts, only, sampled
from trusteq.records.labelled_texts import left_out

ABOUT = """
Can the compressed models stand in for the large one? Audits a family of models and writes a report.

Without options it audits the small family that ships with the project; with them, any models and any data:

    trusteq audit --large bert-base --compressed distil tiny=./tiny --twin bert-base-seed2 \\
        --dataset glue/sst2 --split validation --text sentence --out results/sst2

A language model, which may be a GGUF file, is asked with a prompt:

    trusteq audit --large owner/model --compressed q4.gguf --prompt "Review: {text}\\nThis film is" \\
        --verbalizers negative=" bad" positive=" good" --dataset reviews.csv

So is one behind a server (vLLM, llama-server and others with OpenAI's API and log-probabilities): give its address, and
#MODEL after it if it serves several. An API key is taken from the environment, TRUSTEQ_API_KEY or OPENAI_API_KEY:

    trusteq audit --large http://localhost:8000/v1 --compressed int4=http://localhost:8001/v1 --task choices \\
        --dataset arc.jsonl

A model is a local folder, a Hub id, a GGUF file or a server's address. Finished work is kept in the folder of the
report: after a stop, the same command with --resume goes on from there. Exit status: 0; 1 if a dimension
failed, or if nothing could be compared; 2, with one sentence, if something is wrong with what was given; 130 if it was
stopped.
"""

REPORTS = ("report.json", "report.schema.json", "report.md", "report.html")
OF_REPORTS = (".json", ".svg", ".png", ".tex")  # in the folders of plots and tables
PAIRS: dict[str, Any] = {"nargs": "+", "type": pair}
MARGINS = PAIRS | {"metavar": "DIMENSION=MARGIN", "action": "extend"}
COMMAND = "command.json"  # beside the kept work: the words as they were typed, for what reads that work again
OF_ATTACKS = ("attack_field", "word_vectors", "similarity", "masked_model", "rate", "sentences")


@dataclass(frozen=True)
class Family:
    """Which models are audited, and where the report goes.

    Args:
    Models:
        large: the model that is trusted.
        compressed: the models under test; "derived:pruned" (by 30 %), "derived:quantized" and "derived:4bits" (2 to 8)
            are made from the large one.
        twin: further large models, trained alike with other seeds: what differs among them is the floor.
    Output:
        out: folder of the report.
        resume: go on with the audit in that folder.
        space: address of a Space that has these models: from the page, examples open there, in *Why* or *Break it*.
    """

    large: str | None = None
    compressed: tuple[str, ...] = ()
    twin: tuple[str, ...] = ()
    out: Path = Path("results/audit")
    resume: bool = False
    space: str | None = None


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv

    def begin(typed: Typed) -> int:
        try:
            return task_of(typed)(typed, words)
        except KeyboardInterrupt:
            again = shlex.join([*words, *(() if "resume" in typed else ("--resume",))])
            print(f"\nstopped; what is finished is kept: go on with trusteq audit {again}", file=sys.stderr)
            return 130

    return run("audit", parser(), begin, words)


def task_of(typed: Typed) -> Callable[[Typed, Sequence[str]], int]:
    task = typed.get("task", "classify")
    if task not in TASKS:
        known = (*TASKS, "text", "generate")
        raise ValueError(unknown("task", task, known, f"there are {', '.join(known)}"))
    return TASKS[task]


def parser() -> Parser:
    made = Parser("audit", ABOUT)
    columns: dict[str, Any] = {
        name: {"metavar": "COLUMN"}
        for name in ("text", "text_pair", "label", "group", "slice", "ood_text", "ood_text_pair")
    }
    several: dict[str, Any] = {name: {"metavar": "[NAME=]MODEL"} for name in ("compressed", "twin")}
    made.add(Family, only=("large", "compressed", "twin"), large={"metavar": "MODEL"}, **several)
    made.add(ChosenTexts, **columns, dataset={"metavar": "DATA"}, ood_dataset={"metavar": "DATA"})
    made.add(
        AuditOptions,
        under="what is compared",
        without=("details", "from_logits", "attack_options"),
        dimensions={"nargs": "+"},
        margins=MARGINS,
        k={"nargs": "+", **VALUES[int]},
        labels=PAIRS | {"metavar": "NAME=NUMBER"},
        until_settled={"nargs": "?", "const": True, "metavar": "N_MAX"},
    )
    made.add(Asked, **SHAPES)
    made.add(AttackOptions, under="attacks", only=OF_ATTACKS, sentences={"metavar": "FILE"})
    made.add(Family, only=("out", "resume", "space"))
    return made


def audit(typed: Typed, words: Sequence[str]) -> int:
    from trusteq.audit import start
    from trusteq.audit.advice import with_advice
    from trusteq.audit.owner import owned
    from trusteq.report.disagreements import check_space
    from trusteq.report.plots import plot_pair
    from trusteq.report.terminal import verdict_table, what_next
    from trusteq.report.write import write_report

    family, options = part_of(Family, typed), options_of(typed)
    check_space(family.space)
    given = read_inputs(family, part_of(ChosenTexts, typed), options, part_of(Asked, typed))
    check_room(family.out, family.resume)
    if given.get("unlabelled") and rank() == 0:
        print(visible(left_out(given["data_name"], given["unlabelled"])), file=sys.stderr)
    if (shown := given.pop("shown", 0)) and rank() == 0:
        print(f"{shown:,} examples are shown, solved, before each question and are not judged", file=sys.stderr)
    work = family.out / "work"
    with nullcontext() if rank() else owned(work, "report"):  # what there is to say of the folder, the audit says
        found = start.audit(options, **given, folder=work, resume=family.resume, progress=command_progress)
        if found is None:  # another process writes the report
            return 0
        found = with_advice(found, words)
        (work / COMMAND).write_text(json.dumps(words), encoding="utf-8")
        written = write_report(found, family.out, plot_pair, space=family.space)
    print(verdict_table(found))
    for failure in found["failures"]:
        reason = f"{failure['dimension']} of {failure['pair']} failed: {failure['reason']}"
        print(visible(reason), file=sys.stderr)
    if next_lines := what_next(found, words):
        print(next_lines)
    print(f"the report: {next(path for path in written if path.name == 'report.html')}")
    if reasons := why_nothing(found):
        print(f"trusteq audit: nothing could be compared: {visible(reasons)}", file=sys.stderr)
    return 1 if found["failures"] or reasons else 0


def options_of(typed: Typed) -> AuditOptions:
    chosen = typed | {name: dict(typed[name]) for name in ("margins", "labels") if name in typed}
    of_attack = {name: typed[name] for name in OF_ATTACKS if name in typed}
    if typed.get("attack") == "wording" and "wording" in typed:
        of_attack["wordings"] = [lines(words) for words in typed["wording"]]
    own = ASKED if "large" not in typed else {}
    return part_of(AuditOptions, own | chosen | {"attack_options": of_attack or None})


def read_inputs(
    family: Family, chosen: ChosenTexts, options: AuditOptions, asked: Asked | None = None
) -> dict[str, Any]:
    """The family and the texts: those that ship with the project, or those that were named."""
    asked = asked or Asked()
    if family.large is None:
        if family.compressed or family.twin or asked.prompted:
            raise ValueError("--large is missing: the model that the others are compared with")
        given = bundled_family() | {"data_name": "the bundled reviews"}
        if chosen.dataset is not None:
            given = {name: value for name, value in given.items() if name in ("large", "twin", "compressed")}
    elif not family.compressed:
        raise ValueError("--compressed is missing: one model or more to compare with --large")
    elif chosen.dataset is None:
        raise ValueError("--dataset is missing: a csv, tsv, jsonl or parquet file, or a data set of the Hub")
    else:
        twins = named(family.twin, "--twin")
        alone = list(twins.values()) if len(family.twin) == 1 and "=" not in family.twin[0] else None
        given = {"large": family.large, "twin": alone or twins or None, "compressed": named(family.compressed)}
    given |= chosen.read(given["large"], options.trust_remote_code, asked.labels, asked.task == "choices")
    if asked.prompted:
        given = with_prompt(given, asked, chosen, options)
    return sampled(given, chosen.limit, options.seed)


def with_prompt(given: dict[str, Any], asked: Asked, chosen: ChosenTexts, options: AuditOptions) -> dict[str, Any]:
    """The models with their prompt and the same solved examples, which are not among the texts any more."""
    floor, usable = options.floor == "wording", "wording" in (options.floor, options.attack)
    if (floor and not asked.wording) or (asked.wording and not usable):
        raise ValueError(
            '`wording` and --floor wording go together: give both, as in --wording "Is it good? {text}\\nIt is"'
        )
    if floor and given["twin"]:
        raise ValueError("a twin is a floor already: give --twin or --floor wording, not both")
    most, shots = most_options(given), []
    if asked.shots and asked.shots_dataset is None:
        places = drawn(asked.shots, len(given["texts"]), options.seed)
        shots = [(given["texts"][i], given["references"][i]) for i in places]
        shown = {text for text, _ in shots}
        left = [i for i, text in enumerate(given["texts"]) if text not in shown]
        given = only(given, left) | {"shown": len(given["texts"]) - len(left)}
    elif asked.shots:
        split = asked.shots_split or chosen.split
        other = replace(chosen, dataset=asked.shots_dataset, split=split, ood_dataset=None, group=None, slice=())
        more = other.read(given["large"], options.trust_remote_code, asked.labels, asked.task == "choices")
        places = drawn(asked.shots, len(more["texts"]), options.seed)
        shots = [(more["texts"][i], more["references"][i]) for i in places]
        most = max(most, most_options(more))
    solved = [(text, label_of(label, asked.labels)) for text, label in shots]

    def ask(models: Any) -> Any:
        if isinstance(models, dict):
            return {name: ask(model) for name, model in models.items()}
        return [ask(model) for model in models] if isinstance(models, list) else asked.model(models, solved, most)

    large, twin = given["large"], given["twin"]
    twins = asked.twins(large, solved, most) if floor else None if twin is None else ask(twin)
    return given | {"large": ask(large), "compressed": ask(given["compressed"]), "twin": twins}


def most_options(given: dict[str, Any]) -> int:
    texts = (*given["texts"], *given.get("ood_texts", ()))
    return max(len(answers_of(text)) if isinstance(text, tuple) else 0 for text in texts)


def named(models: Sequence[str], what: str = "--compressed", place: str = "MODEL") -> dict[str, str]:
    """NAME=MODEL, or the model's last part as its name; a path may hold an equals sign, too.

    >>> named(["runs/distil", "small=owner/tiny-bert", "./runs/lr=3e-5"])
    {'distil': 'runs/distil', 'small': 'owner/tiny-bert', 'lr=3e-5': './runs/lr=3e-5'}
    """
    found: dict[str, str] = {}
    for model in models:
        name, equals, source = model.partition("=")
        is_name = equals and not any(separator in name for separator in ("/", "\\"))
        name, source = (name, source) if is_name else (place_of(model), model)
        if name in found:
            raise ValueError(f"{what} has two models called {name}: give them names, NAME={place}")
        found[name] = source
    return found


def place_of(model: str) -> str:
    """
    >>> place_of("runs/distil"), place_of("http://localhost:8001/v1"), place_of("http://localhost:8001/v1#q4")
    ('distil', 'localhost:8001', 'q4')
    >>> place_of("llama.cpp:runs/q4.gguf")
    'q4'
    """
    if is_served(model) and not by_llama_cpp(model):
        parts = urlsplit(model)
        return parts.fragment or parts.netloc.rpartition("@")[2] or model
    name = Path(model.removeprefix("derived:").removeprefix(SCHEME)).name
    return name.removesuffix(".gguf") or name


def check_room(out: Path, resume: bool) -> None:
    """Nothing is overwritten, and what keeps the report from being written is said before hours of work."""
    if not resume and ((out / "report.json").is_file() or (out / "report.html").is_file()):
        raise ValueError(f"{out} holds a report already: give --resume to go on with it, or another folder as --out")
    for folder in (out, out / "plots", out / "tables"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise ValueError(f"{folder} cannot be written ({error.strerror}): the report goes there") from None
    inner = (path for name in ("plots", "tables") for path in (out / name).iterdir() if path.suffix in OF_REPORTS)
    for path in (*(out / name for name in REPORTS), *out.glob("model_card*.md"), *out.glob("badge*.svg"), *inner):
        if path.is_dir():
            raise ValueError(f"{path} is a folder where the report has a file: give another folder as --out")


def why_nothing(found: dict[str, Any]) -> str:
    """Where every dimension of every pair was skipped: each with its reason."""
    entries = {name: entry for pair in found["pairs"] for name, entry in pair["dimensions"].items()}
    if any(entry["status"] != "skipped" for pair in found["pairs"] for entry in pair["dimensions"].values()):
        return ""
    return "; ".join(f"{name} was skipped ({entry['reason']})" for name, entry in entries.items())


TASKS: dict[str, Callable[[Typed, Sequence[str]], int]] = {"classify": audit, "choices": audit}
