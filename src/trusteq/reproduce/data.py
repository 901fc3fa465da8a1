"""What do the models learn from, and what are they asked about? Every split of a task as a file of one form.

Labelled texts become jsonl files (text, or first and second, and label), questions json files in SQuAD's form. The full
scale takes them from the Hub, the small one from a folder that holds

    sick/SICK.txt   mrpc/msr_paraphrase_train.txt, msr_paraphrase_test.txt   sst2/train.tsv, dev.tsv
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from trusteq.kinds.text import Text
from trusteq.records import labelled_texts
from trusteq.report.write import write_whole
from trusteq.reproduce import cloze

Rows = list[dict[str, Any]]
T = TypeVar("T")
SEED = 0  # of the order of the rows, where a split is cut out of another


def fetch(task: Any, scale: str, data: Path, folder: Path) -> dict[str, Path]:
    """The files of a task's splits; those that are there already are left as they are."""
    files = {split: folder / f"{split}.{'jsonl' if task.classes else 'json'}" for split in task.rows}
    if all(path.exists() for path in files.values()):
        return files
    sources = FULL if scale == "full" else SMALL
    found = sources[task.name]() if scale == "full" else sources[task.name](data)
    folder.mkdir(parents=True, exist_ok=True)
    for split, path in files.items():
        rows = found[split][: task.rows[split]]
        if not rows:
            raise ValueError(f"{task.data} has no rows for {split}")
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"
        write_whole(path, lines if task.classes else json.dumps(rows, ensure_ascii=False))
    return files


def count(path: Path) -> int:
    """The rows of a file that `fetch` wrote."""
    text = path.read_text(encoding="utf-8")
    return text.count("\n") if path.suffix == ".jsonl" else len(json.loads(text))


def read_texts(path: Path, classes: tuple[str, ...]) -> tuple[list[Text], list[str]]:
    """The texts of a file that `fetch` wrote, and the names of their classes."""
    text, pair = ("first", "second") if holds_pairs(path) else ("text", None)
    found = labelled_texts.read(str(path), text=text, text_pair=pair, names=classes)
    return found.texts, [classes[label] for label in found.labels]


def holds_pairs(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return "first" in json.loads(file.readline())


def shuffled(rows: list[T]) -> list[T]:
    return random.Random(SEED).sample(rows, len(rows))


def cut(rows: Rows, *sizes: int) -> list[Rows]:
    """The first so many, the next so many, and the rest."""
    ends = [0]
    for size in sizes:
        ends.append(min(len(rows), ends[-1] + size))
    return [rows[start:stop] for start, stop in zip(ends, [*ends[1:], len(rows)], strict=True)]


# The small scale: files at hand.


def table(path: Path, columns: int) -> list[list[str]]:
    """A file with tabs and a head line, as SICK, MRPC and SST-2 have it."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ValueError(f"{path} could not be read: {error.strerror}; --data names the folder that holds it") from None
    rows = [line.split("\t") for line in lines[1:] if line.strip()]
    for number, row in enumerate(rows, start=2):
        if len(row) != columns:
            raise ValueError(f"{path}: line {number} has {len(row)} fields, expected {columns}")
    return rows


def sick(data: Path) -> list[list[str]]:
    """SICK comes without splits and in the order of its making."""
    return shuffled(table(data / "sick" / "SICK.txt", columns=5))


def mrpc(data: Path, split: str) -> list[list[str]]:
    return table(data / "mrpc" / f"msr_paraphrase_{split}.txt", columns=5)


def small_nli(data: Path) -> dict[str, Rows]:
    rows = [{"first": row[1], "second": row[2], "label": row[4].lower()} for row in sick(data)]
    test, dev, train = cut(rows, 2000, 500)
    return {"train": train, "dev": dev, "test": test}


def small_pi(data: Path) -> dict[str, Rows]:
    def rows(split: str) -> Rows:
        names = ("not_paraphrase", "paraphrase")
        return [{"first": row[3], "second": row[4], "label": names[int(row[0])]} for row in mrpc(data, split)]

    dev, train = cut(rows("train"), 500)
    return {"train": train, "dev": dev, "test": rows("test")}


def small_qa(data: Path) -> dict[str, Rows]:
    """News: paraphrases have an answer, other pairs have none. Captions of pictures are out-of-distribution."""

    def news(split: str) -> Rows:
        return cloze.questions([(row[3], row[4], row[0] == "1") for row in mrpc(data, split)], f"mrpc-{split}")

    captions = [(row[1], row[2], row[4] == "ENTAILMENT") for row in sick(data)]
    return {"train": news("train"), "test": news("test"), "ood": cloze.questions(captions, "sick")}


def small_sentiment(data: Path) -> dict[str, Rows]:
    def rows(split: str) -> Rows:
        names = ("negative", "positive")
        found = table(data / "sst2" / f"{split}.tsv", columns=2)
        return [{"text": row[0].strip(), "label": names[int(row[1])]} for row in found]

    dev, train = cut(shuffled(rows("train")), 1000)
    return {"train": train, "dev": dev, "test": shuffled(rows("dev"))}


SMALL: dict[str, Callable[..., dict[str, Rows]]] = {
    "nli": small_nli, "pi": small_pi, "qa": small_qa, "sentiment": small_sentiment,
}  # fmt: skip


# The full scale: the Hub. (Written from the data sets' cards; it has not been run from here.)


def hub(name: str, split: str, text: str, pair: str | None = None) -> Rows:
    found = labelled_texts.read(name, split, text, pair)
    classes = found.names or []
    rows = []
    for words, label in zip(found.texts, found.labels, strict=True):
        texts = {"text": words} if isinstance(words, str) else {"first": words[0], "second": words[1]}
        rows.append({**texts, "label": classes[label] if classes else label})
    return rows


def snli() -> dict[str, Rows]:
    splits = {"train": "train", "dev": "validation", "test": "test"}
    return {name: hub("stanfordnlp/snli", split, "premise", "hypothesis") for name, split in splits.items()}


def qqp() -> dict[str, Rows]:
    """GLUE keeps the labels of its test split to itself: ours is a part of the validation split, the rest is dev."""
    train, rows = (hub("glue/qqp", split, "question1", "question2") for split in ("train", "validation"))
    test, dev = cut(shuffled(rows), 15_000)
    return {"train": train, "dev": dev, "test": test}


def imdb() -> dict[str, Rows]:
    """IMDB has no dev split: ours is a tenth of the training split."""
    train, test = (hub("stanfordnlp/imdb", split, "text") for split in ("train", "test"))
    names = {"neg": "negative", "pos": "positive"}
    train, test = ([row | {"label": names[row["label"]]} for row in rows] for rows in (train, test))
    dev, rest = cut(shuffled(train), 2500)
    return {"train": rest, "dev": dev, "test": shuffled(test)}


def squad_and_newsqa() -> dict[str, Rows]:
    """SQuAD 2.0's test split is not public: as in the paper (11,873 questions) the validation split is asked."""
    import datasets

    keys = ("id", "question", "context", "answers")
    squad = {split: datasets.load_dataset("rajpurkar/squad_v2", split=split) for split in ("train", "validation")}
    train, test = ([{key: row[key] for key in keys} for row in rows] for rows in squad.values())
    news = datasets.load_dataset("lucadiliello/newsqa", split="validation")  # context, question, answers (strings)
    ood = [
        {"id": f"newsqa-{i}", "question": row["question"], "context": row["context"], "answers": {"text": []}}
        for i, row in enumerate(news)
    ]  # only how sure the models are is asked of these, not whether they are right
    return {"train": train, "test": test, "ood": ood}


FULL: dict[str, Callable[..., dict[str, Rows]]] = {
    "nli": snli, "pi": qqp, "qa": squad_and_newsqa, "sentiment": imdb,
}  # fmt: skip
