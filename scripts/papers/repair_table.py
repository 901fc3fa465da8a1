"""What does a repair reach, on texts that it never saw? The table of `trusteq repair`, over models, data and seeds.

    repair_table.py DATA                       SST-2 dev, rt_polarity and SICK from the folder DATA
    repair_table.py DATA --page papers.md      and the table on that page

Models of sentiment are those that ship with the project; of SICK, small ones are trained here from nothing. Beside each
there are copies that are too sure, not sure enough, or lean to a class. In every trial some texts are drawn for the
repair; all figures are of the rest. What is refused stays as it was. Exit status 2, with one sentence, if it cannot be
done.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.audit.bundled import bundled_family
from trusteq.compress.finetune import finetune
from trusteq.compress.options import FinetuneOptions
from trusteq.compress.repair import Answers, fitted
from trusteq.compress.repair_checks import check, noise
from trusteq.compress.repair_options import TARGETS, RepairOptions
from trusteq.kinds.text import Text
from trusteq.models.labels import match_labels
from trusteq.models.open import as_predictor
from trusteq.report.write import write_whole
from trusteq.reproduce.data import SMALL, Rows
from trusteq.reproduce.printing import Table, markdown, write_section
from trusteq.scaling import Scaling, methods_for

HEADING = "Repair without training"
LIKELY = 0.05  # calibration error above which it is to be halved
NEAR = 0.01  # gap of the confidence curves that is asked for
Models = dict[str, Any]  # by name, the large one first


@dataclass
class Case:
    """A compressed model's answers and the large one's, on all texts of a data set."""

    data: str
    model: str
    answers: Answers


@dataclass
class Row:
    """Of a case, one trial a place: calibration errors and gaps to the large model, before and after."""

    case: Case
    ece: np.ndarray
    gap: np.ndarray
    overconfidence: np.ndarray
    accuracy: np.ndarray
    noise: float
    kept: list[int]  # repairs to the truth, and to the large model


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DATA", help="holds sst2/, rt_polarity/ and sick/")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the texts that the repair gets")
    parser.add_argument("--limit", type=int, help="at most so many texts of a data set")
    parser.add_argument(
        "--epochs", type=int, default=3, help="that the models of SICK are trained for; 0: without SICK"
    )
    parser.add_argument("--page", type=Path, help="Markdown page whose section of this table is written anew")
    options = parser.parse_args(argv)
    try:
        cases = sentiment(options.folder, options.limit)
        cases += sick(options.folder, options.limit, options.epochs) if options.epochs else []
    except (ValueError, OSError) as error:
        print(f"repair_table.py: {error}", file=sys.stderr)
        return 2
    rows = [tried(copy, options.seeds) for case in cases for copy in copies(case)]
    text = markdown([tabled(rows, options.seeds)])
    print(text)
    if options.page:
        command = f"Printed by `python scripts/papers/repair_table.py DATA --page {options.page.name}`:"
        write_section(options.page, HEADING, f"{command}\n\n{text}")
    return 0


# Models and texts.


def sentiment(folder: Path, limit: int | None) -> list[Case]:
    family = bundled_family()
    models = {"large": family["large"], **family["twin"]}
    models |= {name: source for name, source in family["compressed"].items() if Path(source).is_dir()}
    dev = SMALL["sentiment"](folder)
    seen = {row["text"] for split in ("train", "dev", "test") for row in dev[split]}
    reviews = [row for row in polarity(folder) if row["text"] not in seen]  # more than half stand in SST-2
    return [*cases_of("SST-2 dev", models, dev["test"][:limit]), *cases_of("rt_polarity", models, reviews[:limit])]


def polarity(folder: Path) -> Rows:
    rows: Rows = []
    for ending, label in (("neg", "negative"), ("pos", "positive")):
        lines = (folder / "rt_polarity" / f"rt-polarity.{ending}").read_text(encoding="latin-1").splitlines()
        rows += [{"text": line.strip(), "label": label} for line in lines if line.strip()]
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]


def sick(folder: Path, limit: int | None, epochs: int) -> list[Case]:
    """A larger model and two small ones, trained from nothing; the classes of SICK are three."""
    rows = SMALL["nli"](folder)
    with tempfile.TemporaryDirectory() as place:
        for split in ("train", "dev"):
            lines = (json.dumps(row) for row in rows[split][:limit])
            write_whole(Path(place) / f"{split}.jsonl", "\n".join(lines) + "\n")
        data = {"dataset": f"{place}/train.jsonl", "eval_dataset": f"{place}/dev.jsonl"}
        shape: dict[str, Any] = {"model": bundled_family()["large"], "from_scratch": True, "learning_rate": 1e-3}
        shape |= {"text_pair": ("first", "second"), "max_length": 64, "epochs": epochs, **data}
        models = {}
        for name, width, seed in (("large", 128, 1), ("small 1", 32, 2), ("small 2", 32, 3)):
            out = Path(place) / name.replace(" ", "-")
            finetune(FinetuneOptions(out=out, layers=1, width=width, heads=2, seed=seed, **shape), "repair_table.py")
            models[name] = str(out)
        held = [*rows["test"], *rows["dev"]] if limit is None else rows["test"][:limit]
        return cases_of("SICK", models, held)


def cases_of(data: str, models: Models, rows: Rows) -> list[Case]:
    texts: list[Text] = [row["text"] if "text" in row else (row["first"], row["second"]) for row in rows]
    opened = {name: as_predictor(source, name) for name, source in models.items()}
    large = opened.pop("large")
    said = large(texts)
    names = large.names or []
    gold = np.array([names.index(row["label"]) for row in rows])
    found = []
    for name, model in opened.items():
        match_labels(large, model)
        found.append(Case(data, name, Answers(texts, model(texts), said, gold, None)))
    return found


def copies(case: Case) -> list[Case]:
    """The model itself, and copies that are miscalibrated (a slope on the logits, or a bias of one class)."""
    classes = case.answers.rows.shape[1]
    lean = np.eye(classes)[0]
    found = [case]
    for how, slope, bias in (("too sure", 3.0, 0.0), ("unsure", 0.4, 0.0), ("leaning", 1.0, 1.0)):
        rows = Scaling("", slope * np.eye(classes), bias * lean).of(case.answers.rows)
        answers = Answers(case.answers.texts, rows, case.answers.large, case.answers.gold, None)
        found.append(Case(case.data, f"{case.model}, {how}", answers))
    return found


# The trials.


def tried(case: Case, seeds: int) -> Row:
    """Half of the texts, but at most 2,000, for the repair; the rest to be judged by."""
    count, answers = len(case.answers.texts), case.answers
    held_out = min(2000, count // 2)
    methods = methods_for(answers.rows.shape[1])
    ece: list[tuple[float, float]] = []
    gap: list[tuple[float, float]] = []
    over: list[tuple[float, float]] = []
    accuracy: list[tuple[float, float]] = []
    honest: list[float] = []
    kept = [0, 0]
    for seed in range(seeds):
        part = np.random.default_rng(seed).permutation(count)
        own, rest = (answers.some(np.isin(np.arange(count), some)) for some in (part[:held_out], part[held_out:]))
        for i, to in enumerate(TARGETS):
            options = RepairOptions(model="", like="", out=Path(), dataset="", to=to, seed=seed)
            found = fitted(own, methods, options)
            after = rest.rows if found.scaling is None else found.scaling.of(rest.rows)
            kept[i] += found.scaling is not None
            seen = check(rest.rows, after, rest.large, rest.gold, None, 0.95, seed).figures
            if to == "truth":
                honest.append(noise(after.max(axis=1), seed))
                ece.append((seen["ece"].before[0], seen["ece"].after[0]))
                accuracy.append((seen["accuracy"].before[0], seen["accuracy"].after[0]))
            else:
                gap.append((seen["curve_gap"].before[0], seen["curve_gap"].after[0]))
                over.append((seen["overconfidence_gap"].before[0], seen["overconfidence_gap"].after[0]))
    figures = [np.array(one) for one in (ece, gap, over, accuracy)]
    return Row(case, figures[0], figures[1], figures[2], figures[3], float(np.mean(honest)), kept)


def tabled(rows: list[Row], seeds: int) -> Table:
    head = [
        "data",
        "model",
        "accuracy",
        "ECE",
        "repaired to the truth",
        "gap of curves",
        "repaired to large",
        "of overconfidence",
    ]
    cells = [
        [
            row.case.data,
            row.case.model,
            " → ".join(f"{100 * share:.1f}" for share in row.accuracy.mean(axis=0)),
            f"{row.ece[:, 0].mean():.3f}",
            f"{row.ece[:, 1].mean():.3f} ({row.kept[0]} of {seeds}; by chance {row.noise:.3f})",
            f"{row.gap[:, 0].mean():.3f}",
            f"{row.gap[:, 1].mean():.3f} ({row.kept[1]} of {seeds})",
            " → ".join(f"{gap:.3f}" for gap in row.overconfidence.mean(axis=0)),
        ]
        for row in rows
    ]
    return Table("Before and after, on texts that the repair never saw", head, cells, tuple(summed(rows, seeds)))


def summed(rows: list[Row], seeds: int) -> list[str]:
    ece, gap = np.stack([row.ece for row in rows]), np.stack([row.gap for row in rows])
    chance = np.array([[row.noise] for row in rows])
    high = ece[:, :, 0] > LIKELY
    trials, worse = high.size, ece[:, :, 1] > ece[:, :, 0]
    half = ece[:, :, 1] <= ece[:, :, 0] / 2
    with_chance = ece[:, :, 1] <= np.maximum(ece[:, :, 0] / 2, 1.5 * chance)
    mean_ece, mean_gap = ece.mean(axis=1), gap.mean(axis=1)
    over = np.stack([row.overconfidence for row in rows])
    return [
        f"In brackets: repairs that were kept, of {seeds} draws of the texts; and the calibration error that a wholly "
        "honest model would show on so many texts by chance.",
        f"The calibration error rose in {int(worse.sum())} of {trials} trials (by at most "
        f"{max(0.0, float((ece[:, :, 1] - ece[:, :, 0]).max())):.3f}); where it was above {LIKELY}, in "
        f"{int(high.sum())} trials, it fell by half or more in {int((half & high).sum())}, and in "
        f"{int((with_chance & high).sum())} to half or to 1.5 times what chance shows. On average over the draws it "
        f"rose for {int((mean_ece[:, 1] > mean_ece[:, 0]).sum())} of {len(rows)} models.",
        f"The gap of the confidence curves to the large model came within {NEAR} in "
        f"{int((gap[:, :, 1] <= NEAR).sum())} of {trials} trials (before: {int((gap[:, :, 0] <= NEAR).sum())}), and "
        f"on average over the draws for {int((mean_gap[:, 1] <= NEAR).sum())} of {len(rows)} models "
        f"(before: {int((mean_gap[:, 0] <= NEAR).sum())}). That of mean overconfidence came within {NEAR} in "
        f"{int((over[:, :, 1] <= NEAR).sum())} of {trials} trials (before: {int((over[:, :, 0] <= NEAR).sum())}).",
    ]


if __name__ == "__main__":
    sys.exit(main())
