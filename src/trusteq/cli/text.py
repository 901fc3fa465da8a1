"""`trusteq audit --task text`: can a compressed language model stand in for the large one on running text?"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.audit.options import AuditOptions
from trusteq.audit.reading_text import TextOptions
from trusteq.cli.audit import MARGINS, named
from trusteq.cli.typed import Parser, Typed, part_of, run, visible
from trusteq.progress import command_progress
from trusteq.records.documents import read_documents
from trusteq.records.llama_cpp import LlamaBase, is_base

ABOUT = """
Can compressed language models stand in for the large one on running text, where every next token is a class?

    trusteq audit --task text --large owner/model --compressed int4=./model-int4 --dataset wiki.txt
    trusteq audit --task text --large f16.gguf --compressed q8.gguf q4.gguf --dataset wiki.txt --base f16.base
    trusteq audit --task text --large base.kld --compressed q4=./model-q4      a base file of llama-perplexity
    trusteq audit --task text --large base.kld --compressed q4.kld             two of them, without any model

The figures are those of llama-perplexity --kl-divergence, with intervals that count documents; the verdicts are those
of an audit. A text file is parted into documents at blank lines; of a folder of text files each is a document; of a
table each row. Everything goes to the folder --out: text.html, text.json.

Exit status: 0; 1 if a dimension failed; 2, with one sentence, if something is wrong with what was given.
"""

SETTINGS = ("margins", "confidence_level", "seed", "neighbors", "among", "n_bins", "binning", "keep")
OF_MODELS = ("device", "dtype", "trust_remote_code")
FILES = ("text.json", "text.html")


@dataclass(frozen=True)
class Texts:
    """Which models, and which texts.

    Args:
        task: "text".
        large: the model that is trusted, or a base file of llama-perplexity.
        compressed: the models under test, by name.
        dataset: a .txt file or a folder of them, or a csv, tsv, jsonl or parquet file, or a data set of the Hub.
        split: which part of a data set or folder of tables.
        text: the column of the texts in a table.
        ood_dataset: documents of another kind, for ood_divergence.
        limit: at most so many documents of each kind, the first ones.
        out: folder of the report.
    """

    task: str = "text"
    large: str | None = None
    compressed: tuple[str, ...] = ()
    dataset: str | None = None
    split: str = "validation"
    text: str = "text"
    ood_dataset: str | None = None
    limit: int | None = None
    out: Path = Path("results/text")


def main(argv: list[str] | None = None) -> int:
    return run("audit", parser(), begin, argv)


def parser() -> Parser:
    made = Parser("audit", ABOUT)
    many: dict[str, Any] = {"metavar": "[NAME=]MODEL"}
    made.add(Texts, large={"metavar": "MODEL"}, compressed=many, dataset={"metavar": "DATA"})
    made.add(TextOptions, under="how it is read", base={"metavar": "FILE"})
    made.add(AuditOptions, under="verdicts", only=SETTINGS, margins=MARGINS)
    made.add(AuditOptions, only=OF_MODELS)
    return made


def begin(typed: Typed) -> int:
    from trusteq.audit.running_text import audit_text
    from trusteq.report.running_text import figure_lines, page
    from trusteq.report.write import write_whole

    chosen, asked = part_of(Texts, typed), part_of(TextOptions, typed)
    settings = {name: typed[name] for name in (*SETTINGS, *OF_MODELS) if name in typed}
    options = part_of(AuditOptions, settings | {"margins": dict(typed.get("margins", ()))})
    for name in ("large", "compressed"):
        if not getattr(chosen, name):
            raise ValueError(f"--{name} is missing: a model, or a base file of llama-perplexity")
    if chosen.limit is not None and chosen.limit < 1:
        raise ValueError(f"`limit` must be 1 or more, got {chosen.limit}")
    if chosen.task != "text":
        raise ValueError(f"--task must be text here, got {chosen.task}")
    check_room(chosen.out)
    compressed: dict[str, Any] = named(chosen.compressed)
    if "large" in compressed or "rounding" in compressed:
        raise ValueError("a compressed model cannot be called large or rounding: give it a name, NAME=MODEL")
    large: Any = chosen.large
    if is_base(chosen.large):
        large = LlamaBase(chosen.large)
        compressed = {name: LlamaBase(place) if is_base(place) else place for name, place in compressed.items()}
        for name in ("dataset", "ood_dataset", "base"):
            if name in typed:
                raise ValueError(f"`{name}` does not go with a base file of llama-perplexity, which holds its texts")
    documents, ood = (
        read_documents(place, chosen.split, chosen.text, chosen.limit) if place else None
        for place in (chosen.dataset, chosen.ood_dataset)
    )
    found = audit_text(large, compressed, documents, ood, asked, options, command_progress)
    print(figure_lines(found))
    for failure in found["failures"]:
        print(visible(f"{failure['dimension']} of {failure['pair']} failed: {failure['reason']}"), file=sys.stderr)
    write_whole(chosen.out / "text.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    print(f"the report: {write_whole(chosen.out / 'text.html', page(found))}")
    return 1 if found["failures"] else 0


def check_room(out: Path) -> None:
    """What keeps the report from being written is said before hours of work."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{out} cannot be written ({error.strerror}): the report goes there") from None
    for path in (out / name for name in FILES):
        if path.exists():
            raise ValueError(f"{out} holds a report already: give another folder as --out")
