"""Can the compressed models stand in for the large one? Audits a family of models and writes a report.

Without arguments it audits the small family that ships with the project; with arguments, any models and any data:

    python scripts/audit.py --large bert-base --compressed distil tiny --twin bert-base-seed2 \\
        --dataset glue/sst2 --split validation --text sentence --out audits/sst2

Finished work is kept in the folder of the report: stopped at any point, `--resume` goes on from there.
"""

import argparse
import logging
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import evaluate
import labelled_texts
import numpy as np
import quiet  # noqa: F401
from tqdm import tqdm

DATA = "a csv, tsv, jsonl or parquet file, a folder of such files named by split, or a data set of the Hub"
ROOT = Path(__file__).resolve().parent.parent
METRICS = ROOT / "metrics"
PLAIN: tuple[str, ...] = ("dimensions", "pairs", "k", "method", "samples", "runs", "explain", "explained", "attack")
PLAIN += ("attacked", "max_queries", "neighbors", "queries", "n_bins", "binning", "score", "device", "dtype", "tokens")
PLAIN += ("trust_remote_code", "confidence_level", "seed")
REPORTS = ("report.json", "report.schema.json", "report.md", "report.html")
OF_REPORTS = (".json", ".svg", ".png", ".tex")  # in the folders of plots and tables
OF_ATTACKS = ("attack_field", "word_vectors", "similarity", "masked_model", "rate")


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    logging.basicConfig(format="%(message)s")
    try:
        return audit(options)
    except (ValueError, OSError) as error:
        print(f"audit.py: {visible(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = shlex.join([*(sys.argv[1:] if argv is None else argv), *(() if options.resume else ("--resume",))])
        print(f"\nstopped; what is finished is kept: go on with {Path(__file__).name} {again}", file=sys.stderr)
        return 130


def audit(options: argparse.Namespace) -> int:
    metric = evaluate.load(str(METRICS / "trust_equivalence"))
    given = read_inputs(metric, options)
    check_room(options.out, options.resume)
    chosen = {name: value for name in PLAIN if (value := getattr(options, name)) is not None}
    of_attack = {name: value for name in OF_ATTACKS if (value := getattr(options, name)) is not None}
    chosen |= {"margins": options.margins or None, "labels": options.labels or None}
    chosen["attack_options"] = of_attack or None
    result = metric.compute(
        **given,
        folder=options.out / "work",
        resume=options.resume,
        progress=progress,
        metrics=str(METRICS),
        details=True,
        **chosen,
    )
    if result is None:  # another process writes the report
        return 0
    written = metric.report(result, options.out)
    print(metric.table(result))
    failures = result["details"]["failures"]
    for failure in failures:
        reason = f"{failure['dimension']} of {failure['pair']} failed: {failure['reason']}"
        print(visible(reason), file=sys.stderr)
    print(f"the report: {next(path for path in written if path.name == 'report.html')}")
    return 1 if failures else 0


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
    for path in (*(out / name for name in REPORTS), *out.glob("model_card*.md"), *inner):
        if path.is_dir():
            raise ValueError(f"{path} is a folder where the report has a file: give another folder as --out")


def read_inputs(metric: Any, options: argparse.Namespace) -> dict[str, Any]:
    """The family and the texts: those that ship with the project, or those that the arguments name."""
    given: dict[str, Any] = {}
    if options.large is None:
        if options.compressed or options.twin:
            raise ValueError("--large is missing: the model that the others are compared with")
        if options.dataset is not None:
            given = {name: value for name, value in metric.bundled().items() if "texts" not in name}
        else:
            given = metric.bundled() | {"data_name": "the bundled reviews"}
    elif not options.compressed:
        raise ValueError("--compressed is missing: one model or more to compare with --large")
    elif options.dataset is None:
        raise ValueError(f"--dataset is missing: {DATA}")
    else:
        given |= {"large": options.large, "twin": options.twin, "compressed": named(options.compressed)}
    if options.dataset is not None:
        text, pair = options.text_pair or (options.text, None)
        data = labelled_texts.read(options.dataset, options.split, text, pair, options.label)
        on_hub = Path(options.dataset).suffix not in labelled_texts.SUFFIXES
        references = in_classes(data, given["large"], on_hub, bool(options.trust_remote_code))
        given |= {"texts": data.texts, "references": references, "data_name": data_name(options)}
    if options.ood_dataset is not None:
        text, pair = options.ood_text_pair or (options.ood_text or options.text, None)
        given["ood_texts"] = labelled_texts.read_texts(
            options.ood_dataset, options.ood_split or options.split, text, pair
        )
    return sampled(given, options.limit, options.seed or 0)


def in_classes(
    data: labelled_texts.LabelledTexts, large: str, on_hub: bool, trust_remote_code: bool = False
) -> list[Any]:
    """Labels by name: the model's order may be another. The Hub's are numbers too, for models without those names."""
    if data.names is None:
        return data.labels
    by_name = [data.names[label] for label in data.labels]
    if not on_hub:
        return by_name
    from transformers import AutoConfig  # slow to import, and often not needed

    try:
        config = AutoConfig.from_pretrained(large, trust_remote_code=trust_remote_code)
        known = {str(name).casefold() for name in config.id2label.values()}
    except (OSError, ValueError):
        return by_name  # what is wrong with the model is said where it is opened
    return by_name if {name.casefold() for name in data.names} <= known else data.labels


def sampled(given: dict[str, Any], limit: int | None, seed: int) -> dict[str, Any]:
    """At most `limit` examples, drawn at random: data sets are often sorted."""
    if limit is None:
        return given
    if limit < 1:
        raise ValueError(f"--limit must be 1 or more, got {limit}")
    for together in (("texts", "references"), ("ood_texts",)):
        if given.get(together[0]) is not None and len(given[together[0]]) > limit:
            kept = sorted(np.random.default_rng(seed).permutation(len(given[together[0]]))[:limit].tolist())
            given = given | {name: [given[name][i] for i in kept] for name in together}
    return given


def data_name(options: argparse.Namespace) -> str:
    place = Path(options.dataset)
    return place.name if place.suffix in labelled_texts.SUFFIXES else f"{options.dataset}, {options.split}"


def named(models: list[str]) -> dict[str, str]:
    """NAME=MODEL, or the model's last part as its name.

    >>> named(["runs/distil", "small=owner/tiny-bert"])
    {'distil': 'runs/distil', 'small': 'owner/tiny-bert'}
    """
    found: dict[str, str] = {}
    for model in models:
        name, equals, place = model.partition("=")
        name, place = (name, place) if equals else (Path(model.removeprefix("derived:")).name, model)
        if name in found:
            raise ValueError(f"--compressed has two models called {name}: give them names, NAME=MODEL")
        found[name] = place
    return found


def progress(what: str, count: int) -> Any:
    """A bar for each dimension with the time left, on a terminal; a line now and then in a file."""
    terminal = sys.stderr.isatty()
    shape = "{desc:<14} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}, {remaining} left"
    if not terminal:
        shape = "{desc:<14} {percentage:3.0f}%, {elapsed} gone, {remaining} left\n"
    return tqdm(total=count, desc=what, bar_format=shape, mininterval=0.1 if terminal else 15, disable=rank() > 0)


def visible(message: Any) -> str:
    """One line without what a terminal would obey: names come from files that others made.

    >>> visible("there is no column 'a'; its columns are b\\x1b[2J\\nc")
    "there is no column 'a'; its columns are b [2J c"
    """
    return "".join(character if character.isprintable() else " " for character in str(message))


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def number_of(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, got {text!r}") from None


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.HelpFormatter)
    models = parser.add_argument_group(
        "models", "a local folder or a Hub id each; none: the family that ships with the project"
    )
    models.add_argument("--large", help="the model that is trusted")
    models.add_argument("--compressed", nargs="+", default=[], metavar="[NAME=]MODEL", help="the models under test")
    models.add_argument("--twin", help="a second large model, of another seed: the floor for every difference")
    models.add_argument(
        "--labels",
        nargs="+",
        type=number_of,
        default=[],
        metavar="NAME=NUMBER",
        help="class numbers, where the models name their classes differently",
    )
    models.add_argument("--device", help="cpu, cuda, cuda:1, ...")
    models.add_argument("--dtype", help="float32, float16, bfloat16")
    models.add_argument("--tokens", type=int, help="tokens of a batch")
    models.add_argument(
        "--trust-remote-code", action="store_true", default=None, help="let a checkpoint run code of its own"
    )
    data = parser.add_argument_group("data", DATA)
    data.add_argument("--dataset", help="texts with labels")
    data.add_argument("--split", default="validation", help="of a data set or folder (default: validation)")
    data.add_argument("--text", default="text", help="the column of the texts (default: text)")
    data.add_argument("--text-pair", nargs=2, metavar="COLUMN", help="the two columns of pairs of texts")
    data.add_argument("--label", default="label", help="the column of the labels (default: label)")
    data.add_argument("--ood-dataset", help="texts of another kind, for ood_divergence")
    data.add_argument("--ood-split", help="(default: --split)")
    data.add_argument("--ood-text", help="(default: --text)")
    data.add_argument("--ood-text-pair", nargs=2, metavar="COLUMN")
    data.add_argument("--limit", type=int, help="at most so many examples, drawn at random")
    what = parser.add_argument_group("what is compared")
    what.add_argument(
        "--dimensions", nargs="+", metavar="NAME", help="which of the six (default: all that the data allow)"
    )
    what.add_argument("--pairs", choices=("large", "all"), help="each model with the large one, or all pairs")
    what.add_argument(
        "--margins",
        nargs="+",
        type=number_of,
        default=[],
        metavar="DIMENSION=MARGIN",
        help="absolute, such as 0.05: how much the divergence may be, or with a twin the excess over it",
    )
    what.add_argument("--k", nargs="+", type=int, help="how many of the most important words are compared (5 10)")
    what.add_argument("--method", help="of explanation: lime (default), shap, occlusion or integrated_gradients")
    what.add_argument("--samples", type=int, help="perturbed texts per explanation (100)")
    what.add_argument("--runs", type=int, help="explanations per text, with different seeds")
    what.add_argument("--explain", choices=("gold", "large", "own"), help="the class that is explained")
    what.add_argument("--explained", type=int, help="examples that are explained (100)")
    what.add_argument("--attack", help="textbugger (default), deepwordbug, bert_attack, typos or textattack:NAME")
    what.add_argument("--attacked", type=int, help="examples that are attacked (100)")
    what.add_argument("--max-queries", type=int, help="questions that an attack may ask of an example")
    what.add_argument("--attack-field", choices=("first", "second"), help="the text of a pair that may change")
    what.add_argument("--word-vectors", help="a file of word vectors, for textbugger")
    what.add_argument("--similarity", help="an encoder that compares sentences, for textbugger and bert_attack")
    what.add_argument("--masked-model", help="a masked language model that proposes words, for bert_attack")
    what.add_argument("--rate", type=float, help="the chance of a slip at each letter, for typos")
    what.add_argument("--neighbors", nargs="+", type=int, help="how many nearest neighbours are compared (10)")
    what.add_argument("--queries", type=int, help="how many texts are asked for their neighbours")
    what.add_argument("--n-bins", type=int, help="of the calibration errors")
    what.add_argument("--binning", choices=("quantile", "uniform"))
    what.add_argument("--score", choices=("msp", "entropy"), help="of strangeness")
    what.add_argument("--confidence-level", type=float, help="(default: 0.95)")
    what.add_argument("--seed", type=int, help="(default: 0)")
    out = parser.add_argument_group("output")
    out.add_argument(
        "--out", type=Path, default=Path("results/audit"), help="folder of the report (default: results/audit)"
    )
    out.add_argument("--resume", action="store_true", help="go on with the audit in that folder")
    options = parser.parse_args(argv)
    options.out = Path(os.path.expanduser(options.out))
    options.margins = dict(options.margins)
    options.labels = {name: int(value) if value.is_integer() else value for name, value in options.labels}
    return options


if __name__ == "__main__":
    sys.exit(main())
