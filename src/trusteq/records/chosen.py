"""Which texts is an audit of? Labelled texts, and some of another kind, read and drawn as a command's options say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.records.labelled_texts import LabelledTexts, is_table, read, read_more, read_texts

BUILT_IN = ("length", "label")  # slicings that need no column


@dataclass(frozen=True)
class ChosenTexts:
    """Where the texts are.

    Args:
    Data:
        dataset: texts with labels: a csv, tsv, jsonl or parquet file, a folder of such files named by split, or a data
            set of the Hub.
        split: of a data set or folder.
        text: the column of the texts.
        text_pair: the two columns of pairs of texts, instead of --text.
        label: the column of the labels.
        group: the column of what belongs together, such as the passage that several questions are about: intervals
            and verdicts then count groups.
        slice: columns by which the texts are divided, to judge every part by itself as well; "length" (in words) and
            "label" are built in.
        ood_dataset: texts of another kind, without labels, for ood_divergence.
        ood_split: of the texts of another kind (default: --split).
        ood_text: their column (default: --text).
        ood_text_pair: their two columns.
        limit: at most so many examples of each kind, drawn at random.
    """

    dataset: str | None = None
    split: str = "validation"
    text: str = "text"
    text_pair: tuple[str, str] | None = None
    label: str = "label"
    group: str | None = None
    slice: tuple[str, ...] = ()
    ood_dataset: str | None = None
    ood_split: str | None = None
    ood_text: str | None = None
    ood_text_pair: tuple[str, str] | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"`limit` must be 1 or more, got {self.limit}")
        if self.group is not None and self.dataset is None:
            raise ValueError("`group` is a column of `dataset`, which is missing")

    def read(self, large: str, trust_remote_code: bool = False) -> dict[str, Any]:
        """Texts and references as an audit takes them, and how many rows had no label."""
        found: dict[str, Any] = {"slices": dict.fromkeys(self.slice)} if self.slice else {}
        columns = [name for name in self.slice if name not in BUILT_IN]
        if columns and self.dataset is None:
            raise ValueError(f"`slice` {columns[0]} is no column of the bundled texts: give {' or '.join(BUILT_IN)}")
        if self.dataset is not None:
            first, second = self.text_pair or (self.text, None)
            data = read(self.dataset, self.split, first, second, self.label, group=self.group)
            references = in_classes(data, large, not is_table(self.dataset), trust_remote_code)
            found |= {"texts": data.texts, "references": references, "data_name": self.name}
            found["unlabelled"] = data.unlabelled
            if data.groups is not None:
                found["groups"] = data.groups
            if columns:
                found["slices"] |= read_more(self.dataset, self.split, self.label, columns)
        if self.ood_dataset is not None:
            first, second = self.ood_text_pair or (self.ood_text or self.text, None)
            found["ood_texts"] = read_texts(self.ood_dataset, self.ood_split or self.split, first, second)
        return found

    @property
    def name(self) -> str:
        """What the report calls the data."""
        place = str(self.dataset)
        return Path(place).name if is_table(place) else f"{place}, {self.split}"


def in_classes(data: LabelledTexts, large: str, on_hub: bool, trust_remote_code: bool = False) -> list[Any]:
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
    """At most `limit` examples, drawn at random: data sets are often sorted.

    >>> sampled({"texts": ["a", "b", "c"], "references": [0, 1, 1]}, 2, seed=0)
    {'texts': ['a', 'c'], 'references': [0, 1]}
    """
    labelled = ("texts", "references", *(["groups"] if "groups" in given else []))
    for together in (labelled, ("ood_texts",)):
        if limit is not None and len(given.get(together[0]) or []) > limit:
            kept = sorted(np.random.default_rng(seed).permutation(len(given[together[0]]))[:limit].tolist())
            given = given | {name: [given[name][i] for i in kept] for name in together}
            if "slices" in given and "texts" in together:
                of = given["slices"].items()
                given["slices"] = {name: values and [values[i] for i in kept] for name, values in of}
    return given
