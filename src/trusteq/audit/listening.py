"""What do the models say of the same next tokens? They read the same windows, batch by batch, and a few numbers are
kept of each token: never a row of the vocabulary, but in a base file a part of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trusteq.models.next_token import (
    NextToken,
    Said,
    Window,
    apart,
    batches_of,
    log_probabilities,
    parts_of,
    read_in_parts,
    said,
    starts_of,
)
from trusteq.records.base_file import BaseFile, Draft
from trusteq.records.llama_cpp import FLOOR, LlamaBase

Progress = Callable[[str, int], Any]


@dataclass
class Heard:
    """By model: of every token what it said, and of every document the mean of the last hidden states."""

    said: dict[str, Said] = field(default_factory=dict)
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)


class Live:
    """A model that is asked."""

    floor = -np.inf

    def __init__(self, reader: NextToken, width: int, embed: bool):
        self.reader, self.width = reader, width
        self.embed = embed and "embeddings" not in getattr(reader.model, "lacks", {})  # as an export does

    def begin(self, windows: Sequence[Window], rows: Sequence[np.ndarray]) -> Any:
        """Reads a batch; gives the hidden states, where they are wanted."""
        self.logits, states = read_in_parts(self.reader, windows, self.embed)
        return states

    def logs(self, window: int, part: slice) -> tuple[Any, Any]:
        """Log-probabilities and probabilities of some rows of a window; of each they are asked for once."""
        return log_probabilities(self.logits[window][part, : self.width], self.reader.name)


class Kept:
    """A file of llama.cpp's, which holds whole rows."""

    floor = FLOOR

    def __init__(self, base: LlamaBase):
        self.base = base

    def begin(self, windows: Sequence[Window], rows: Sequence[np.ndarray]) -> Any:
        """A file holds no hidden states."""
        self.rows = rows
        return None

    def logs(self, window: int, part: slice) -> tuple[Any, Any]:
        logs = self.base.logs(self.rows[window][part])
        return logs, logs.exp()


Source = Live | Kept


def listen(
    windows: Sequence[Window],
    large: Source | BaseFile,
    others: Mapping[str, Source],
    width: int,
    documents: int,
    draft: Draft | None = None,
    progress: Progress | None = None,
) -> Heard:
    """What large says ("large", unless a base file has said it before) and every other model, with its divergence.

    Of a batch the large model's rows and those of one other are in memory.
    """
    import torch

    starts, found = starts_of(windows), Heard()
    sources: dict[str, Source] = {} if isinstance(large, BaseFile) else {"large": large}
    sources |= others
    readers = [source.reader for source in sources.values() if isinstance(source, Live)]
    device = readers[0].model.device if readers else torch.device("cpu")
    count, sums = int(starts[-1]), {name: np.empty(0) for name in sources}
    bar = progress("reading", count) if progress else None
    targets = np.concatenate([window.targets for window in windows])
    of_document = np.concatenate([window.documents for window in windows])
    for batch in batches_of(windows, readers):
        some, rows = (
            [windows[place] for place in batch],
            [np.arange(starts[place], starts[place + 1]) for place in batch],
        )
        right = [torch.from_numpy(targets[own].astype(np.int64)).to(device) for own in rows]
        parts = [(i, part) for i, own in enumerate(rows) for part in parts_of(len(own), width, device.type)]
        whole = []  # the large model's log-probabilities, part by part
        for name, source in sources.items():
            states = source.begin(some, rows)
            if states is not None:
                add_states(sums, name, states, of_document[np.concatenate(rows)], documents)
            for number, (window, part) in enumerate(parts):
                logs, probabilities = (one.to(device) for one in source.logs(window, part))
                own = rows[window][part]
                numbers = said(logs, probabilities, right[window][part])
                if name == "large":
                    if len(sources) > 1:
                        whole.append(logs)
                    if draft:
                        draft.add(own, logs)
                elif isinstance(large, BaseFile):
                    numbers |= large.apart(own, logs)
                else:
                    numbers |= apart(whole[number], logs, probabilities, large.floor)
                keep(found, name, own, numbers, count)
            if isinstance(source, Live):
                del source.logits
        if bar:
            bar.update(sum(map(len, rows)))
    if bar:
        bar.close()
    counts = np.bincount(of_document, minlength=documents).clip(min=1)[:, None]
    found.embeddings = {name: (total / counts).astype(np.float32) for name, total in sums.items() if total.size}
    return found


def keep(found: Heard, name: str, rows: np.ndarray, numbers: dict[str, Any], count: int) -> None:
    own = found.said.setdefault(name, {})
    for key, values in numbers.items():
        array = values.cpu().numpy()
        if key not in own:
            own[key] = np.zeros(count, np.int32 if key == "top" else np.float32)
        own[key][rows] = array


def add_states(sums: dict[str, np.ndarray], name: str, states: Any, documents: np.ndarray, count: int) -> None:
    """Adds the states up by document; a sum of each run of rows is all that leaves the device."""
    import torch

    if not sums[name].size:
        sums[name] = np.zeros((count, states.shape[1]))
    first = np.flatnonzero(np.diff(documents, prepend=-1))
    lengths = torch.from_numpy(np.diff(np.append(first, len(documents)))).tolist()
    runs = torch.stack([part.sum(dim=0, dtype=torch.float64) for part in states.split(lengths)])
    np.add.at(sums[name], documents[first], runs.cpu().numpy())
