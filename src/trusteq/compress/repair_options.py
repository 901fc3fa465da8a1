"""What can a repair be asked? Its options, checked once."""

from dataclasses import dataclass
from pathlib import Path

from trusteq.scaling import METHODS

TARGETS = ("truth", "large")


@dataclass(frozen=True, kw_only=True)
class RepairOptions:
    """What is repaired, on which data, and where it goes.

    Args:
        model: the compressed model: a folder, a Hub id, or a .json file of a language model with its prompt.
        like: the large model that it stands in for.
        out: folder for the repaired model.
    Data:
        dataset: labelled texts that neither model was trained on: a csv, tsv, jsonl or parquet file, a folder of such
            files named by split, or a data set of the Hub.
        split: which part of a data set or folder.
        text: column of the text.
        text_pair: two columns, instead of --text.
        label: column of the label.
        group: column of what belongs together, such as the passage that several questions are about.
        limit: at most so many examples, drawn at random.
    The repair:
        to: "truth", to be right as often as it says, or "large", to be right as often as the large model is where that
            says the same (its confidence curve, not its mean confidence).
        method: "temperature", "bias", "vector" or "dirichlet" (default: chosen by cross-validation).
        confidence_level: of the intervals of the check.
        seed: of the halves and the folds.
    """

    model: str
    like: str
    out: Path
    dataset: str
    split: str = "validation"
    text: str = "text"
    text_pair: tuple[str, str] | None = None
    label: str = "label"
    group: str | None = None
    limit: int | None = None
    to: str = "truth"
    method: str | None = None
    confidence_level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("to", TARGETS), ("method", METHODS)):
            value = getattr(self, name)
            if value not in known and not (name == "method" and value is None):
                raise ValueError(f"`{name}` must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, got {value!r}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"`limit` must be 1 or more, got {self.limit}")
        if not 0 < self.confidence_level < 1:
            raise ValueError(f"`confidence_level` must lie between 0 and 1, got {self.confidence_level}")
        if self.seed < 0:
            raise ValueError(f"`seed` must be 0 or more, got {self.seed}")
