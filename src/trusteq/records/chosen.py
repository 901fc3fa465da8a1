"""Which texts is an audit of? Labelled texts, and some of another kind, read and drawn as a command's options say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.records.labelled_texts import LabelledTexts, is_table, read, read_columns, read_more, read_texts
from trusteq.records.questions import read_questions

BUILT_IN = ("length", "label")  # slicings that need no column


@dataclass(frozen=True)
class ChosenTexts:
    """Where the texts are.

    Args:
    Data:
        dataset: texts with labels: a csv, tsv, jsonl or parquet file, a folder of such files named by split, or a data
            set of the Hub.
        split: which part of a data set or folder.
        text: the column of the texts.
        text_pair: the two columns of pairs of texts, instead of --text.
        label: the column of the labels.
        group: the column of what belongs together, such as the passage that several questions are about: intervals
            and verdicts then count groups.
        slice: columns by which the texts are divided, to judge every part by itself as well; "length" (in words) and
            "label" are built in.
        ood_dataset: texts of another kind, without labels, for ood_divergence.
        ood_split: which part of the texts of another kind (default: --split).
        ood_text: the column of the texts of another kind (default: --text).
        ood_text_pair: the two columns of pairs of texts of another kind.
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

    def read(
        self, large: str, trust_remote_code: bool = False, labels: Sequence[str] = (), choices: bool = False
    ) -> dict[str, Any]:
        """Texts and references as an audit takes them, and how many rows had no label.

        `labels` are a prompted model's; with `choices` the texts are questions that bring their options.
        """
        if choices:
            return self.read_choices()
        found: dict[str, Any] = {"slices": dict.fromkeys(self.slice)} if self.slice else {}
        columns = [name for name in self.slice if name not in BUILT_IN]
        if columns and self.dataset is None:
            raise ValueError(f"`slice` {columns[0]} is no column of the bundled texts: give {' or '.join(BUILT_IN)}")
        if self.dataset is not None:
            first, second = self.text_pair or (self.text, None)
            data = read(self.dataset, self.split, first, second, self.label, group=self.group)
            on_hub = not is_table(self.dataset)
            references = in_classes(data, large, on_hub, trust_remote_code, labels)
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

    def read_choices(self) -> dict[str, Any]:
        assert self.dataset is not None
        found = read_questions(self.dataset, self.split, self.text, self.label)
        given: dict[str, Any] = {"texts": found.texts, "references": found.answers, "data_name": self.name}
        given["unlabelled"] = found.unlabelled
        more = [name for name in (self.group, *self.slice) if name and name not in BUILT_IN]
        columns = read_columns(self.dataset, self.split)[0] if more else {}
        for name in more:
            if name not in columns:
                raise ValueError(f"{self.dataset} has no column {name!r}; its columns are {', '.join(columns)}")
        values = {name: [columns[name][i] for i in found.rows] for name in more}
        if self.group is not None:
            given["groups"] = values[self.group]
        if self.slice:
            given["slices"] = {name: values.get(name) for name in self.slice}
        if self.ood_dataset is not None:
            where = self.ood_dataset, self.ood_split or self.split, self.ood_text or self.text, self.label
            given["ood_texts"] = read_questions(*where).texts
        return given

    @property
    def name(self) -> str:
        """What the report calls the data."""
        place = str(self.dataset)
        return Path(place).name if is_table(place) else f"{place}, {self.split}"


def in_classes(
    data: LabelledTexts, large: str, on_hub: bool, trust_remote_code: bool = False, labels: Sequence[str] = ()
) -> list[Any]:
    """Labels by name: the model's order may be another. The Hub's are numbers too, for models without those names."""
    if data.names is None:
        return data.labels
    by_name = [data.names[label] for label in data.labels]
    if not on_hub:
        return by_name
    known = {label.casefold() for label in labels}
    if not labels:
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

    def drawn(count: int) -> list[int] | None:
        return None if limit is None or count <= limit else order(count, seed)[:limit]

    if kept := drawn(len(given.get("texts") or [])):
        given = only(given, sorted(kept))
    if kept := drawn(len(given.get("ood_texts") or [])):
        given = given | {"ood_texts": [given["ood_texts"][i] for i in sorted(kept)]}
    return given


def order(count: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).permutation(count).tolist()


def only(given: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """Some of the examples, with all that is known of them.

    >>> only({"texts": ["a", "b"], "references": [0, 1], "slices": {"kind": ["x", "y"], "length": None}}, [1])
    {'texts': ['b'], 'references': [1], 'slices': {'kind': ['y'], 'length': None}}
    """
    labelled = ("texts", "references", *(["groups"] if "groups" in given else []))
    found = given | {name: [given[name][i] for i in kept] for name in labelled}
    if "slices" in given:
        found["slices"] = {name: values and [values[i] for i in kept] for name, values in given["slices"].items()}
    return found
