"""`trusteq audit --task generate`: do compressed language models still write the right answers?"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.audit.generated import FLOORS, Questions, written_family
from trusteq.audit.options import AuditOptions
from trusteq.audit.owner import owned
from trusteq.audit.store import has_work
from trusteq.checks import check_choice
from trusteq.cli.asked import drawn, lines
from trusteq.cli.audit import MARGINS, check_room, named
from trusteq.cli.compare import reported, status_of
from trusteq.cli.typed import Parser, Typed, part_of, run, visible
from trusteq.kinds.text import Text
from trusteq.models.prompts import Prompt, check_written
from trusteq.models.writing import Decoding
from trusteq.progress import command_progress
from trusteq.records.chosen import order
from trusteq.records.written import read_written
from trusteq.report.tasks import partings, scored
from trusteq.scorers import SCORERS

ABOUT = """
Do compressed language models still write the right answers, and where do their texts part from the large one's?

    trusteq audit --task generate --large owner/model --compressed int4=./model-int4 --dataset questions.jsonl
    trusteq audit --task generate --large f16.gguf --compressed q4.gguf --dataset questions.jsonl --floor rounding
    trusteq audit --task generate --large http://localhost:8000/v1 --compressed http://localhost:8001/v1 \\
        --dataset questions.jsonl --chat --floor batch

Each row has a question and one or more right answers. A scorer decides whether a written answer is right; the verdict
is on which answers turn right or wrong. Beside it stand scores, lengths, refusals, and after how many words and tokens
two texts part, each with its interval. The report, flips.csv and every answer (answers/NAME.parquet, which
`trusteq compare` reads) go to --out. Answers are kept as they come: after a stop, the same command with --resume
goes on from there.

Exit status: 0; 1 if a dimension failed; 2, with one sentence, if something is wrong with what was given; 130 if it was
stopped.
"""

SETTINGS = ("margins", "confidence_level")
ASKED = ["prediction_error_jaccard"]  # of the dimensions: the others need more than an answer in words
OF_MODELS = ("device", "dtype", "tokens", "at_once", "timeout", "trust_remote_code")
USUAL, USUAL_CHAT, USUAL_STOP = "Question: {text}\nAnswer:", "{text}", ("\n\n",)


@dataclass(frozen=True)
class Written:
    """Which models, and which questions.

    Args:
        task: "generate".
        large: the model that is trusted: a folder, a Hub id, a GGUF file, or the address of a server.
        compressed: the models under test; "derived:4bits" (2 to 8), "derived:pruned" and "derived:quantized" are made
            from the large one.
        twin: other large models, trained in the same way with other seeds: how far they differ is the floor.
        dataset: questions with answers: a csv, tsv, jsonl or parquet file, a folder of such files, or a data set of
            the Hub.
        split: the part of a data set or folder to use.
        text: the column of the questions (default: text, question, query or prompt).
        label: the column of the answers (default: answer, answers, label, gold or target).
        group: the column that says which rows belong together: intervals and verdicts then count groups.
        limit: ask at most this many questions, drawn at random.
        out: folder of the report.
        resume: go on with the audit in that folder.
    How they are asked:
        prompt: what a model reads, with {text} where the question stands; \\n is a new line (default: "Question:
            {text}\\nAnswer:", or with --chat the question).
        system: what a model is told before everything else.
        chat: ask in the model's own chat template.
        shots: how many solved questions to show before each, drawn at random, the same for all models and not judged.
        scorer: "exact" and "f1" (as SQuAD has them), "contains" or "number" (the last one in the answer)
            (default: number where all right answers are numbers, or else exact).
        floor: what stands in for another seed: "rounding", the large model itself in bfloat16; "batch", the large
            model once more, one question at a time; or "kernels", a GGUF file by llama.cpp's kernels, or if it is run
            by these, by those of transformers.
    """

    task: str = "generate"
    large: str | None = None
    compressed: tuple[str, ...] = ()
    twin: tuple[str, ...] = ()
    dataset: str | None = None
    split: str = "validation"
    text: str | None = None
    label: str | None = None
    group: str | None = None
    limit: int | None = None
    out: Path = Path("results/generate")
    resume: bool = False
    prompt: str | None = None
    system: str | None = None
    chat: bool = False
    shots: int = 0
    scorer: str | None = None
    floor: str | None = None

    def __post_init__(self) -> None:
        for name in ("large", "compressed", "dataset"):
            if not getattr(self, name):
                raise ValueError(f"`{name}` is missing: --task generate needs --large, --compressed and --dataset")
        if self.scorer is not None:
            check_choice("scorer", self.scorer, tuple(SCORERS))
        if self.floor is not None:
            check_choice("floor", self.floor, FLOORS)
        if self.floor and self.twin:
            raise ValueError("a twin is a floor already: give --twin or --floor, not both")
        for name, least in (("limit", 1), ("shots", 0)):
            if (count := getattr(self, name)) is not None and count < least:
                raise ValueError(f"`{name}` must be {least} or more, got {count}")


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv

    def begin(typed: Typed) -> int:
        try:
            return audit(typed)
        except KeyboardInterrupt:
            again = shlex.join([*words, *(() if "resume" in typed else ("--resume",))])
            print(f"\nstopped; what is finished is kept: go on with trusteq audit {again}", file=sys.stderr)
            return 130

    return run("audit", parser(), begin, words)


def parser() -> Parser:
    made = Parser("audit", ABOUT)
    several: dict[str, Any] = {name: {"metavar": "[NAME=]MODEL"} for name in ("compressed", "twin")}
    columns: dict[str, Any] = {name: {"metavar": "COLUMN"} for name in ("text", "label", "group")}
    texts: dict[str, Any] = {"prompt": {"metavar": "TEXT"}, "system": {"metavar": "TEXT"}}
    made.add(Written, large={"metavar": "MODEL"}, dataset={"metavar": "DATA"}, **several, **columns, **texts)
    made.add(Decoding, under="how they are asked", stop={"metavar": "TEXT"})
    made.add(AuditOptions, under="verdicts", only=SETTINGS, margins=MARGINS)
    made.add(AuditOptions, only=OF_MODELS)
    return made


def audit(typed: Typed) -> int:
    chosen, decoding = part_of(Written, typed), decoding_of(typed)
    settings = {name: typed[name] for name in (*SETTINGS, *OF_MODELS, "seed") if name in typed}
    settings |= {"margins": dict(typed.get("margins", ()))}
    settings |= {"floor": chosen.floor} if chosen.floor else {}
    options = part_of(AuditOptions, settings | {"dimensions": ASKED})
    compressed, twins = named(chosen.compressed), named(chosen.twin, "--twin")
    models = {"large": chosen.large, **twins, **compressed}
    if len(models) < 1 + len(twins) + len(compressed) or (chosen.floor in compressed and chosen.floor):
        raise ValueError("two of the models have the same name, or one has the floor's: give them names, NAME=MODEL")
    questions, prompt = read_inputs(chosen, decoding.seed)
    check_room(chosen.out, chosen.resume)
    work = chosen.out / "work"
    with owned(work, "audit", lambda said: print(visible(said), file=sys.stderr)):
        if not chosen.resume and has_work(work):
            raise ValueError(f"{work} holds an audit already: give --resume to go on with it, or another folder")
        given = models, questions, prompt, decoding, chosen.scorer, chosen.floor, list(twins)
        family, records = written_family(*given, options.opening, work, command_progress)
        (chosen.out / "answers").mkdir(exist_ok=True)
        for name, one in records.items():
            one.write(chosen.out / "answers" / f"{name.replace('/', '-')}.parquet")
        found = reported(family, options, chosen.out)
    for line in written_lines(found):
        print(visible(line))
    return status_of(found, None, "audit")


def written_lines(found: dict[str, Any]) -> list[str]:
    """What there is to say of texts: the scores, and where they part."""
    lines = []
    for one in scored(found):
        ends = f" ({one['interval']})" if one["interval"] else ""
        lines.append(f"{one['model']}: {one['score']} {one['values']}, {one['gap']}{ends}")
    for one in (model for task in partings(found) for model in task["models"]):
        lines.append(
            f"{one['model']}: {one['identical']}{one['ends']} of the texts are the same to the end; {one['shared']}"
        )
    return lines


def decoding_of(typed: Typed) -> Decoding:
    stop = tuple(lines(words) for words in typed.get("stop", ())) or (() if typed.get("chat") else USUAL_STOP)
    return part_of(Decoding, typed | {"stop": stop})


def read_inputs(chosen: Written, seed: int) -> tuple[Questions, Prompt]:
    """The questions that are judged, and the prompt with those that are shown, solved."""
    texts, right, groups, unanswered = read_written(
        str(chosen.dataset), chosen.split, chosen.text, chosen.label, chosen.group
    )
    notes = [f"{unanswered:,} rows without an answer are left out"] if unanswered else []
    kept = list(range(len(texts)))
    shots: list[tuple[Text, str]] = []
    if chosen.shots:
        places = drawn(chosen.shots, len(texts), seed)
        shots = [(texts[i], right[i][0]) for i in places]
        shown = {text for text, _ in shots}
        kept = [i for i in kept if texts[i] not in shown]
        notes.append(f"{len(texts) - len(kept):,} questions are shown as solved examples and not judged")
    if chosen.limit is not None and len(kept) > chosen.limit:
        kept = sorted(kept[i] for i in order(len(kept), seed)[: chosen.limit])
    usual = USUAL_CHAT if chosen.chat else USUAL
    prompt = lines(chosen.prompt) if chosen.prompt else usual
    system = None if chosen.system is None else lines(chosen.system)
    asked = check_written("`prompt`", Prompt(prompt=prompt, system=system, chat=chosen.chat, shots=shots))
    own = None if groups is None else [groups[i] for i in kept]
    place = Path(str(chosen.dataset)).name
    return Questions([texts[i] for i in kept], [right[i] for i in kept], place, own, notes), asked
