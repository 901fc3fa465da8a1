"""Which two models are compared? Those of the bundled family, opened once, and the latest ones from the Hub."""

import copy
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import asking
import hub
from asking import Asking
from limits import HUB_MEGABYTES, STEP, Kept, look_at_clock, watch_clock
from look import say
from work import waited

from trusteq.audit.bundled import bundled_family
from trusteq.audit.family import open_models, twins_of
from trusteq.models.checkpoints import open_network

DTYPE = "float32"  # whatever the weights are kept in: processors without a GPU are slow at anything shorter
PAIRS = 64

Opened = tuple[Any, Any]  # a transformers model and its tokenizer, which every metric takes as a model


@dataclass(frozen=True)
class Pair:
    """The compressed model and the large one."""

    compressed_name: str
    large_name: str
    compressed: Opened
    large: Opened
    twin: Opened | None
    asked: tuple[Any, Any]  # the two as predictors, with their classes in one order
    classes: list[str]
    asking: Asking | None = None  # how those of the two are asked that are language models
    turn: Any = field(default_factory=threading.Lock)

    @property
    def names(self) -> tuple[str, str]:
        return self.compressed_name, self.large_name

    def models(self) -> tuple[Opened, Opened]:
        """As dimensions take them. Every request has tokenizers of its own: they are not made for several threads."""
        return given(self.compressed, self.asking), given(self.large, self.asking)

    def family(self) -> dict[str, Any]:
        """As the audit takes them."""
        compressed = {self.compressed_name: own(self.compressed)}
        return {"large": own(self.large), "compressed": compressed, "twin": self.twin and own(self.twin)}

    def ask(self, texts: list[Any]) -> tuple[Any, Any]:
        """What the compressed model and the large one say of the texts: rows of probabilities, in one order."""
        with self.turn:
            compressed, large = self.asked
            return compressed(texts), large(texts)


def own(opened: Opened) -> Opened:
    return opened[0], copy.deepcopy(opened[1])


def given(opened: Opened, how: Asking | None) -> Any:
    """As metrics take it: a language model with its prompt."""
    return {"model": own(opened), **how.given} if how and asking.speaks(opened) else own(opened)


class Models:
    """The models that a visitor can choose, by name."""

    def __init__(self, family: dict[str, Any] | None = None):
        self.sample = family or bundled_family()
        self.twins = tuple(twins_of(self.sample.get("twin")))
        opened = open_models(self.sample["large"], self.sample["compressed"], self.sample.get("twin"), dtype=DTYPE)
        self.bundled: dict[str, Opened] = {name: self.take(predictor) for name, predictor in opened.items()}
        self.fetched = Kept(HUB_MEGABYTES, megabytes)
        self.pairs = Kept(PAIRS)
        self.fetching = threading.Lock()  # one at a time
        self.fetches = ""  # which one

    @property
    def names(self) -> list[str]:
        """The large one first, its twins last."""
        return sorted(self.bundled, key=lambda name: (name != "large", name in self.twins))

    def pair(self, large: Any, compressed: Any, how: Asking | None = None) -> Pair:
        """Both models opened, or a sentence why not. `how` language models are asked; without it they are refused."""
        large, compressed = (name if name in self.names else hub.check_hub_id(name) for name in (large, compressed))
        if large == compressed:
            raise ValueError("these are one and the same model: pick two different ones")
        try:
            return self.pairs.get((large, compressed, how), lambda: self.open_pair(large, compressed, how))
        finally:  # a pair holds its models: no pair outlives one that was let go
            self.pairs.forget(lambda key: not all(name in self.bundled or name in self.fetched for name in key[:2]))

    def opened(self, large: Any, compressed: Any, how: Asking | None = None) -> Generator[str, None, Pair]:
        """The same without keeping others waiting: meanwhile it yields what is waited for."""
        if isinstance(large, str) and isinstance(compressed, str) and (large, compressed, how) in self.pairs:
            return self.pair(large, compressed, how)
        return (yield from waited(lambda: self.pair(large, compressed, how), lambda: self.waits(large, compressed)))

    def waits(self, *names: Any) -> str:
        missing = [str(name).strip() for name in names if name not in self.bundled and name not in self.fetched]
        if not missing:
            return say("Opening the models …")
        before = "" if not self.fetches or self.fetches in missing else f" It waits for another one, {self.fetches}."
        return say(f"Fetching {missing[0]} from the Hugging Face Hub …{before}")

    def open_pair(self, large: str, compressed: str, how: Asking | None) -> Pair:
        large_model, model = self.open(large), self.open(compressed)
        speaking = [name for name, one in ((large, large_model), (compressed, model)) if asking.speaks(one)]
        if speaking and how is None:
            raise ValueError(f"{speaking[0]} {asking.ELSEWHERE}")
        how = how if speaking else None
        name = {"large": "the large one", "twin": "the twin"}.get(compressed, compressed)  # what an audit calls its own
        opened = open_models(given(large_model, how), {name: given(model, how)})
        asked = opened[name], opened["large"]
        rows = [predictor(["a sentence"]) for predictor in asked]
        if rows[0].shape != rows[1].shape:
            raise ValueError(f"{large} has {rows[1].shape[1]} classes but {compressed} has {rows[0].shape[1]}")
        classes = asked[1].names or [f"class {number}" for number in range(rows[1].shape[1])]
        twins = [name for name in self.twins if name != compressed]
        twin = self.bundled[twins[0]] if large == "large" and twins else None  # one: every other costs as much again
        return Pair(name, large, model, large_model, twin, asked, classes, how)

    def open(self, name: str) -> Opened:
        return self.bundled[name] if name in self.bundled else self.fetched.get(name, lambda: self.fetch(name))

    def fetch(self, name: str) -> Opened:
        while not self.fetching.acquire(timeout=STEP):
            look_at_clock()
        try:
            self.fetches = name
            return hub.fetch(name, self.open_folder)
        finally:
            self.fetches = ""
            self.fetching.release()

    def open_folder(self, folder: str, speaks: bool) -> Opened:
        if not speaks:
            return self.take(open_models(folder, dtype=DTYPE)["large"])
        opened = open_network(folder, "the model", None, DTYPE, False, "CausalLM")
        assert opened is not None
        watch_clock(opened[0])
        return opened

    def take(self, predictor: Any) -> Opened:
        watch_clock(predictor.model)
        return predictor.model, predictor.tokenizer


def megabytes(opened: Opened) -> float:
    """What a model takes in memory."""
    return float(sum(part.numel() * part.element_size() for part in opened[0].state_dict().values()) / 1e6)
