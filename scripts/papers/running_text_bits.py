"""A language model in fewer and fewer bits, pruned, and without some of its layers, on running text: which figure gives
way first?

python scripts/papers/running_text_bits.py --model MODEL --data ../shared/data --out results/bits
python scripts/papers/running_text_bits.py ... --write papers.md     # and put the table into its place there
python scripts/papers/running_text_bits.py ... --kernels 8           # and with the same file run by llama.cpp

The models are made as in bits.py: linear weights in groups of 32, kept as ordinary numbers. The documents are stories
of AG News, and those of another kind sentences of film reviews. Large is the model in float32, and the floor itself in
bfloat16. What is there already in --out is not computed again. llama.cpp's server gives the whole row of one next token
at a time, which takes half a second a token on an idle machine: --kernels says of how many documents.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bits import SHARE, WITHOUT, kept

from trusteq.audit.options import AuditOptions
from trusteq.audit.reading_text import TextOptions
from trusteq.audit.running_text import audit_text
from trusteq.compress.bits import in_bits
from trusteq.compress.compress import without_layers
from trusteq.compress.copies import pruned
from trusteq.models.client import Client
from trusteq.models.llama_cpp import SCHEME, client_of
from trusteq.models.next_token import LEAST_LOG, NextToken, Window, apart, log_probabilities, said, windows_of_documents
from trusteq.next_tokens import figures_of
from trusteq.progress import command_progress
from trusteq.records.documents import Documents, made_of
from trusteq.report.running_text import figure_lines, page
from trusteq.wording import signed

PRUNED, DROPPED = f"{SHARE:.0%} pruned", f"without {len(WITHOUT)} layers"
KERNELS = "by llama.cpp"
MARKS = "<!-- running text by bits: begin -->", "<!-- running text by bits: end -->"
COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "model": lambda pair: str(pair["name"]),
    "probability on other tokens": lambda pair: with_interval(pair, "moved_probability", "{:.3f}"),
    "same top token": lambda pair: with_interval(pair, "same_top", "{:.3f}"),
    "KL divergence": lambda pair: with_interval(pair, "kl_mean", "{:.4f}"),
    "ratio of perplexities": lambda pair: with_interval(pair, "perplexity_ratio", "{:.3f}"),
    "errors' Jaccard": lambda pair: beside_chance(pair, "prediction_error_jaccard", "jaccard"),
    "ECE gap": lambda pair: within(pair, "calibration_gap", "ece_gap", "{:+.3f}"),
    "shared neighbours": lambda pair: beside_chance(pair, "representation_overlap", "neighbor_jaccard_at_10"),
    "AUROC gap": lambda pair: within(pair, "ood_divergence", "auroc_gap", "{:+.3f}"),
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


def within(pair: dict[str, Any], dimension: str, name: str, form: str) -> str:
    return with_interval(pair["dimensions"][dimension], name, form) if pair["dimensions"] else "–"


def beside_chance(pair: dict[str, Any], dimension: str, name: str) -> str:
    if not pair["dimensions"]:
        return "–"
    chance = pair["dimensions"][dimension]["figures"][f"expected_{name}"]
    return f"{within(pair, dimension, name, '{:.2f}')}, chance {chance:.2f}"


def with_interval(pair: dict[str, Any], name: str, form: str) -> str:
    ends = (pair["figures"][f"{name}{end}"] for end in ("", "_low", "_high"))
    return signed(f"{form} ({form} to {form})".format(*ends))


def verdicts(pair: dict[str, Any]) -> str:
    return " ".join(SHORT.get(entry["verdict"], "floor") for entry in pair["dimensions"].values()) or "–"


# The same file by other kernels.


def by_llama_cpp(model: str, texts: list[str], out: Path) -> dict[str, Any]:
    """What llama.cpp's kernels say beside those of torch, of every next token; each document's is kept."""
    reader, client = NextToken.open(model, "large", dtype="float32"), client_of(SCHEME + model, KERNELS)
    windows = windows_of_documents(reader.tokens_of(texts), reader.length, reader.begin)
    out.mkdir(exist_ok=True)
    heard = []
    for number, window in enumerate(windows):
        file = out / f"{number}.json"
        if not file.exists():
            found = {name: values.tolist() for name, values in beside(reader, client, window).items()}
            file.write_text(json.dumps(found), encoding="utf-8")
        heard.append(json.loads(file.read_text(encoding="utf-8")))
    both = {name: np.concatenate([one[name] for one in heard]) for name in heard[0]}
    large = {name.removeprefix("large_"): values for name, values in both.items() if name.startswith("large_")}
    groups = np.concatenate([window.documents for window in windows])
    figures = figures_of(both, large, groups, AuditOptions().confidence_level)
    name = f"{KERNELS}, {len(windows)} documents, {len(groups):,} tokens"
    return {"name": name, "figures": figures, "dimensions": {}}


def beside(reader: NextToken, client: Client, window: Window) -> dict[str, Any]:
    large, large_probabilities = log_probabilities(reader.logits([window])[0][0], "large")
    rows = [row_of(client, window.ids[:place], reader.vocabulary) for place in range(window.first, len(window.ids))]
    logs, probabilities = log_probabilities(torch.tensor(rows), KERNELS)
    targets = torch.tensor(window.targets)
    told = {f"large_{name}": values for name, values in said(large, large_probabilities, targets).items()}
    told |= said(logs, probabilities, targets)
    return told | apart(large, logs, probabilities)


def row_of(client: Client, ids: tuple[int, ...], vocabulary: int) -> list[float]:
    """The log-probability of every token that may come next."""
    asked = {"prompt": list(ids), "n_predict": 1, "n_probs": vocabulary, "temperature": 0, "cache_prompt": True}
    row = [LEAST_LOG] * vocabulary
    for one in client.ask("/completion", asked, under=False)["completion_probabilities"][0]["top_logprobs"]:
        row[one["id"]] = one["logprob"]
    return row


# The table.


def table(pairs: list[dict[str, Any]]) -> list[str]:
    rows = [list(COLUMNS), ["---"] * len(COLUMNS)]
    rows += [[write(pair) for write in COLUMNS.values()] for pair in pairs]
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a folder, a Hub id or a .gguf file")
    parser.add_argument("--data", type=Path, required=True, help="the folder with agnews and rt_polarity")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 7, 6, 5, 4, 3])
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kernels", type=int, default=0, help="documents that the same .gguf file reads by llama.cpp")
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
    rows = list(found["pairs"])
    if options.kernels:
        rows.append(by_llama_cpp(options.model, texts[0].texts[: options.kernels], options.out / "kernels"))
    (options.out / "text.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (options.out / "text.html").write_text(page(found), encoding="utf-8")
    print(figure_lines(found), *table(rows), sep="\n")
    if options.write:
        before, _, rest = options.write.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        text = "\n".join([before + MARKS[0], *table(rows), MARKS[1] + after])
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
