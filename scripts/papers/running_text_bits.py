"""A language model in fewer and fewer bits, pruned, and without some of its layers, on running text: which figure gives
way first?

python scripts/papers/running_text_bits.py --model MODEL --data ../shared/data --out results/bits
python scripts/papers/running_text_bits.py ... --write papers.md     # and put the table into its place there

The models are made as in bits.py: linear weights in groups of 32, kept as ordinary numbers. The documents are stories
of AG News, and those of another kind sentences of film reviews. Large is the model in float32, and the floor itself in
bfloat16. What is there already in --out is not computed again.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bits import SHARE, WITHOUT, kept

from trusteq.audit.options import AuditOptions
from trusteq.audit.reading_text import TextOptions
from trusteq.audit.running_text import audit_text
from trusteq.compress.bits import in_bits
from trusteq.compress.compress import without_layers
from trusteq.compress.copies import pruned
from trusteq.models.next_token import NextToken
from trusteq.progress import command_progress
from trusteq.records.documents import Documents, made_of
from trusteq.report.running_text import figure_lines, page

PRUNED, DROPPED = f"{SHARE:.0%} pruned", f"without {len(WITHOUT)} layers"
MARKS = "<!-- running text by bits: begin -->", "<!-- running text by bits: end -->"
COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "model": lambda pair: str(pair["name"]),
    "probability on other tokens": lambda pair: with_interval(pair, "moved_probability", "{:.3f}"),
    "same top token": lambda pair: with_interval(pair, "same_top", "{:.3f}"),
    "KL divergence": lambda pair: with_interval(pair, "kl_mean", "{:.4f}"),
    "ratio of perplexities": lambda pair: with_interval(pair, "perplexity_ratio", "{:.3f}"),
    "errors' Jaccard": lambda pair: "{:.2f}".format(figure(pair, "prediction_error_jaccard", "jaccard")),
    "ECE gap": lambda pair: "{:+.3f}".format(figure(pair, "calibration_gap", "ece_gap")).replace("-", "−"),
    "shared neighbours": lambda pair: "{:.2f}".format(value(pair, "representation_overlap")),
    "AUROC gap": lambda pair: "{:+.3f}".format(value(pair, "ood_divergence")).replace("-", "−"),
    "verdicts": lambda pair: verdicts(pair),
}
SHORT = {"equivalent": "=", "different": "≠", "inconclusive": "?"}


def made(model: Any, way: str) -> Any:
    """A smaller model, by its name in the table."""
    if way == PRUNED:
        return pruned(model, SHARE)
    if way == DROPPED:
        return without_layers(model, kept(model))
    return in_bits(model, int(way.split()[0]), group=32)


def some(name: str, texts: list[str], count: int) -> Documents:
    drawn = np.random.default_rng(0).permutation(len(texts))[:count]
    return made_of(name, [texts[place] for place in drawn])


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def figure(pair: dict[str, Any], dimension: str, name: str) -> float:
    return float(pair["dimensions"][dimension]["figures"][name])


def value(pair: dict[str, Any], dimension: str) -> float:
    return float(pair["dimensions"][dimension]["value"])


def with_interval(pair: dict[str, Any], name: str, form: str) -> str:
    low, high = (pair["figures"][f"{name}_{end}"] for end in ("low", "high"))
    return f"{form} ({form} to {form})".format(pair["figures"][name], low, high)


def verdicts(pair: dict[str, Any]) -> str:
    return " ".join(SHORT.get(entry["verdict"], "floor") for entry in pair["dimensions"].values())


def table(found: dict[str, Any]) -> list[str]:
    rows = [list(COLUMNS), ["---"] * len(COLUMNS)]
    rows += [[write(pair) for write in COLUMNS.values()] for pair in found["pairs"]]
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a folder, a Hub id or a .gguf file")
    parser.add_argument("--data", type=Path, required=True, help="the folder with agnews and rt_polarity")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 7, 6, 5, 4, 3])
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write", type=Path, help="a page with the table's marks")
    options = parser.parse_args()
    news = [line.partition("\t")[0] for line in lines_of(options.data / "agnews" / "test.tsv")]
    reviews = [line for path in sorted((options.data / "rt_polarity").rglob("*pos*")) for line in lines_of(path)]
    texts = some("AG News", news, options.documents), some("film reviews", reviews, options.documents)
    options.out.mkdir(parents=True, exist_ok=True)
    ways = [*(f"{bits} bits" for bits in options.bits), PRUNED, DROPPED]
    files = {way: options.out / f"{way}.json" for way in ways}
    missing = [way for way in ways if not files[way].exists()]
    large = NextToken.open(options.model, "large", dtype="float32") if missing else None
    for way in missing:
        assert large
        small = {way: NextToken(made(large.model, way), large.tokenizer, way)}
        asked = TextOptions(base=options.out / "large.base")
        found = audit_text(large, small, *texts, asked, AuditOptions(), command_progress)
        files[way].write_text(json.dumps(found, indent=1), encoding="utf-8")
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in files.values()]
    found = runs[0] | {"pairs": [runs[0]["pairs"][0], *(run["pairs"][1] for run in runs)]}
    (options.out / "text.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (options.out / "text.html").write_text(page(found), encoding="utf-8")
    print(figure_lines(found), *table(found), sep="\n")
    if options.write:
        before, _, rest = options.write.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        text = "\n".join([before + MARKS[0], *table(found), MARKS[1] + after])
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
