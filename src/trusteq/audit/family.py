"""Who is in the family? Models opened only when there is something to ask them, and known by what they are made of."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.audit.describing import facts_of, of_checkpoint, size_of
from trusteq.audit.store import Store, digest
from trusteq.checks import InVain, brief, failure
from trusteq.compress.bits import in_bits
from trusteq.compress.copies import pruned, quantized, rounded
from trusteq.kinds.text import Text
from trusteq.models.checkpoints import is_gguf, is_served, looks_local
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.exported import Exported, files_of, folder_of, graph_in, is_graph
from trusteq.models.labels import match_labels
from trusteq.models.llama_cpp import SCHEME, by_llama_cpp, by_other_kernels, file_of
from trusteq.models.open import as_predictor
from trusteq.models.predictor import Predictor
from trusteq.models.prompted import Prompted
from trusteq.models.served import Served
from trusteq.options import VERSION
from trusteq.wording import place_name

DERIVED: dict[str, Callable[..., Any]] = {
    "derived:pruned": partial(pruned, share=0.3),
    "derived:quantized": quantized,
    "derived:rounded": rounded,
    **{f"derived:{bits}bits": partial(in_bits, bits=bits, group=32) for bits in range(2, 9)},
}
AGAIN = "derived:again"  # the large model itself, asked one question at a time: what a batch does to its answers
PARTS = (".safetensors", ".json", ".txt", ".model", ".jinja", ".tiktoken", ".bpe", ".spm", ".vocab", ".py")
CUTS = ("token", "vocab", "merges")  # one of these is in the name of a tokenizer's .json or .txt
PLACES = ("_name_or_path", "name_or_path", "transformers_version")  # settings that say where a model is from
# Of a predictor: what it asks.
ASKED = ("names", "pooling", "layer", "length", "parts", "verbalizers", "prompt", "calibration")
PROBES = 256  # texts that a function is also asked about with every other word left out


@dataclass
class Member:
    """One model of the family. `source` is what the user gave; `large` is the model whose order of classes counts."""

    name: str
    role: str  # large, twin or compressed
    source: Any
    settings: dict[str, Any]
    labels: dict[str, int] | None
    texts: Sequence[Text]
    large: "Member | None" = None
    said: dict[Text, np.ndarray] = field(default_factory=dict)  # what a function answered when it was made known
    store: Store | None = None  # where what a server says is kept, answer by answer
    listens: str | None = None  # for a score of texts, too, while it answers them
    heard: dict[Text, float] = field(default_factory=dict)  # what it was, until it is asked for

    @cached_property
    def predictor(self) -> Predictor:
        made = self._derive() if self.derived else as_predictor(self.source, self.name, **self.settings)
        if self.large is not None:
            match_labels(self.large.predictor, made, self.labels)
        elif self.labels is not None:
            match_labels(made, made, self.labels)
        made.quiet = True
        if isinstance(made, Served) and self.store is not None:
            self._go_on(made, self.store)
        return made

    def _go_on(self, made: Served, store: Store) -> None:
        """A server costs time or money, and may end at any moment: what it said before is not asked again."""
        about, context = store.known(self._of_about).get("about"), digest("served", VERSION, self.fingerprint)
        if about is not None:
            made.check_same(json.loads(about)["probe"])
        made.known = {key: json.loads(value) for key, value in store.each(context)}
        made.keep = lambda key, value: store.put(context, key, json.dumps(value).encode())
        if store.folder is not None:
            made.client.kept = "; its answers so far are kept: give resume=True to go on from there"

    def answers(self, texts: list[Text], embeddings: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities, embeddings where they are wanted, and of a language model how probable it is that any of the
        answers follows, and whether the text was cut; of a failure it says whose it was."""
        none = np.empty((len(texts), 0))
        if not embeddings and self.said and all(text in self.said for text in texts):
            return np.stack([self.said[text] for text in texts]), none, none
        with self.failing("gave no answers to the texts"):
            asked = self.predictor if isinstance(self.predictor, Prompted) else None
            if asked:
                asked.listens = self.listens
            try:
                rows, pooled = self.predictor.both(texts, embeddings=embeddings)
            finally:
                if asked:
                    asked.listens = None
        self.heard |= asked.heard if asked else {}
        more = [[asked.on_labels[text], text in asked.shortened] for text in texts] if asked else none
        return rows, pooled if embeddings else none, np.array(more, dtype=np.float64)

    def surprise(self, texts: list[Text], score: str) -> np.ndarray:
        """How strange the texts themselves are to a language model, a column: see `Prompted.surprise`."""
        known = self.heard if score == self.listens else {}
        heard = {text: known.pop(text) for text in set(texts) if text in known}
        if left := [text for text in dict.fromkeys(texts) if text not in heard]:
            with self.failing("gave no score to the texts"):
                assert isinstance(self.predictor, Prompted)
                heard |= zip(left, self.predictor.surprise(left, score), strict=True)
        return np.array([[heard[text]] for text in texts])

    def rest(self) -> None:
        """Lets go of a model that is made from another, which takes a moment: many together would fill the memory."""
        if self.derived:
            self.__dict__.pop("predictor", None)

    @contextmanager
    def failing(self, how: str) -> Iterator[None]:
        try:
            yield
        except InVain:
            raise
        except Exception as error:
            text = str(error) if type(error) is ValueError else failure(error)
            raise ValueError(f"{self.name} {how} ({text})") from error

    @property
    def speaks(self) -> bool:
        """Whether it is a language model with a prompt."""
        return isinstance(self.large.source if self.derived and self.large else self.source, dict)

    @cached_property
    def fingerprint(self) -> str:
        """A short name of all that decides the model's answers, without asking it where it lies on disk."""
        asked = {key: str(value) for key, value in self.settings.items() if key in ("dtype", "pooling", "layer")}
        return digest(self._content(), asked, self.labels)

    @cached_property
    def likeness(self) -> str:
        """The same for models that answer alike: notes and records beside a checkpoint's weights make it no other."""
        if not self.on_disk:
            return self.fingerprint
        said = {name: without_places(self.folder / name) or sha for name, sha in self.files.items() if decides(name)}
        return digest(sorted(said.items()), *self.prompting)

    @cached_property
    def files(self) -> dict[str, str]:
        """The checkpoint's files by name, and what they hold."""
        place, folder = Path(os.path.expanduser(self.place)), self.folder
        alone = is_gguf(str(place)) or is_graph(str(place))
        if alone and not place.is_file():
            raise ValueError(f"{self.name}: there is no file {self.place}")
        if is_gguf(str(place)):
            return {place.name: of_file(place)}
        if not folder.is_dir():
            raise ValueError(f"{self.name}: there is no folder {self.place}")
        if not (folder / "config.json").is_file():
            raise ValueError(f"{self.name}: {self.place} is no checkpoint: it has no config.json")
        graph = place if alone else graph_in(folder)
        found = sorted(path for path in folder.iterdir() if path.suffix in PARTS and path.is_file())
        return {path.name: of_file(path) for path in (*(files_of(graph) if graph else ()), *found)}

    @property
    def folder(self) -> Path:
        """Where its config.json lies."""
        place = Path(os.path.expanduser(self.place))
        return folder_of(place) if is_graph(str(place)) else place

    @property
    def place(self) -> Any:
        """What was given without the prompt, where there is one: a path, a Hub id, or a model."""
        return self.source.get("model") if isinstance(self.source, dict) else self.source

    @property
    def prompting(self) -> list[Any]:
        """How a language model is asked, as plain data; of a classifier nothing."""
        if not isinstance(self.source, dict):
            return []
        return [{name: value for name, value in self.source.items() if name != "model"}]

    @property
    def on_disk(self) -> bool:
        named = not self.derived and isinstance(self.place, str | os.PathLike)
        return named and not self.served and is_on_disk(os.fspath(self.place))

    @property
    def served(self) -> bool:
        return is_served(self.place)

    @property
    def derived(self) -> bool:
        """Made from the large model when it is opened, by pruning or quantizing it; that is simulated: its weights are
        changed, but kept as ordinary numbers, so that it is no smaller and no faster."""
        return isinstance(self.source, str) and (self.source in DERIVED or self.source == AGAIN)

    @property
    def way(self) -> str:
        """How a derived model is made: pruned, quantized, 4bits."""
        return str(self.source).removeprefix("derived:")

    @property
    def shown(self) -> str:
        """What the reader of a report is told about where the model is from."""
        if self.source == AGAIN:
            return "large, one question at a time"
        if self.derived:
            return f"{self.way} from {self.large.name if self.large else 'the large model'}"
        if by_llama_cpp(self.place):
            return SCHEME + place_name(self.place.removeprefix(SCHEME))
        if isinstance(self.place, str | os.PathLike):
            return place_name(os.fspath(self.place))
        return type(self.place[0] if isinstance(self.place, tuple | list) else self.place).__name__

    def about(self, store: Store) -> dict[str, Any]:
        """Classes, parameters and size; kept, so that an audit that has nothing left to ask opens no model."""
        kept = store.known(self._of_about).get("about")
        if kept is None:
            kept = json.dumps(self._describe()).encode()
            store.put(self._of_about, "about", kept)
        return json.loads(kept)

    @property
    def _of_about(self) -> str:
        return digest("about, facts", self.fingerprint, self.large and self.large.fingerprint)

    def _describe(self) -> dict[str, Any]:
        predictor = self.predictor
        found: dict[str, Any]
        if isinstance(predictor, Served):
            found = {"classes": len(predictor.prompt.names), "names": predictor.names, "unread": []}
            found |= {"parameters": None, "megabytes": None, "lacks": predictor.lacks, "probe": predictor.probe}
            return found | facts_of(predictor)
        classes = self.answers(list(self.texts[:1]), embeddings=False)[0].shape[1]
        names = predictor.names
        if names is not None and predictor.order is not None:
            names = [names[i] for i in predictor.order]
        found = {"classes": classes, "names": names, "unread": []}
        found |= {"parameters": None, "megabytes": None}
        if isinstance(predictor, ModelPredictor) and isinstance(predictor.model, Exported):
            found |= {"megabytes": round(predictor.model.bytes / 1e6, 3), "lacks": predictor.lacks}
        elif isinstance(predictor, ModelPredictor):
            found |= size_of(predictor.model)
            found |= {"embeddings": True, "unread": [] if self.derived else getattr(predictor.model, "unread", [])}
        found |= facts_of(predictor) | (of_checkpoint(os.fspath(self.place), self.files) if self.on_disk else {})
        return found | ({"made": f"{self.shown}, simulated"} if self.derived else {})

    def _derive(self) -> Predictor:
        assert self.large is not None
        opened = self.large.predictor
        if self.source == AGAIN:
            return self._again(opened)
        if not isinstance(opened, ModelPredictor) or isinstance(opened.model, Exported):
            raise ValueError(f"{self.name}: only a transformers model can be {self.way}, and large is {opened.kind}")
        made: Any = (DERIVED[self.source](opened.model), opened.tokenizer)
        asked = dict(self.large.source, model=made) if isinstance(self.large.source, dict) else made
        return as_predictor(asked, self.name, **self.settings)

    def _again(self, opened: Predictor) -> Predictor:
        assert self.large is not None
        source: Any = self.large.source
        if isinstance(opened, ModelPredictor):
            made = (opened.model, opened.tokenizer)
            source = dict(source, model=made) if isinstance(source, dict) else made
        elif not isinstance(opened, Served):
            raise ValueError(f"floor='batch' is for transformers models and servers, and large is {opened.kind}")
        return as_predictor(source, self.name, **{**self.settings, "tokens": 1, "at_once": 1})

    def _content(self) -> str:
        if self.derived:
            assert self.large is not None
            return digest(self.source, self.large._content())
        if self.on_disk:
            return digest(of_files(self.files), *self.prompting) if self.prompting else of_files(self.files)
        if self.served:
            place = str(self.place)
            content = of_file(file_of(place, self.name)) if by_llama_cpp(place) else place
            return digest("served", content, *self.prompting)
        if isinstance(self.predictor, ModelPredictor):
            return of_model(self.predictor)
        return self._of_function()

    def _of_function(self) -> str:
        """Of a function there is nothing to go by but what it says: of the texts, and of some with words left out."""
        rows, *_ = self.answers(list(self.texts), embeddings=False)
        others, *_ = self.answers([thinned(text) for text in self.texts[:PROBES]], embeddings=False)
        self.said = dict(zip(self.texts, rows, strict=True))
        said = [hashlib.sha256(np.round(some, 6).tobytes()).hexdigest() for some in (rows, others)]
        return digest(self.name, said)


def is_on_disk(source: str) -> bool:
    return looks_local(source) or is_gguf(source) or is_graph(source) or Path(os.path.expanduser(source)).is_dir()


def of_files(files: dict[str, str]) -> str:
    """Of a checkpoint on disk: its weights, its configuration and its tokenizer, byte for byte."""
    total = hashlib.sha256()
    for name, sha in files.items():
        total.update(f"{name} {sha}".encode())
    return total.hexdigest()


def decides(name: str) -> bool:
    """Whether answers depend on this file of a checkpoint.

    >>> [decides(name) for name in ("model.safetensors", "config.json", "vocab.txt", "notes.txt", "training.json")]
    [True, True, True, False, False]
    """
    if not name.endswith((".json", ".txt")):
        return True
    return name == "config.json" or any(part in name for part in CUTS)


def without_places(path: Path) -> str | None:
    """Settings in a form of their own, without where they are from; None of what is no settings."""
    if not path.name.endswith("config.json"):
        return None
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in settings.items() if key not in PLACES}
    except (ValueError, AttributeError):
        return None  # what is wrong with it is said where it is opened
    return json.dumps(kept, sort_keys=True)


def of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def thinned(text: Text) -> Text:
    """Every other word left out.

    >>> thinned("a dull and long film"), thinned(("a film", "good"))
    ('a and film', ('a', 'good'))
    """
    return " ".join(text.split()[::2]) if isinstance(text, str) else (str(thinned(text[0])), str(thinned(text[1])))


def of_model(predictor: ModelPredictor) -> str:
    """Of a model in memory: its weights as they are now, and how it cuts and names things."""
    import torch

    asked = {name: value for name, value in vars(predictor).items() if name in ASKED}
    config = {name: value for name, value in predictor.model.config.to_dict().items() if name != "_name_or_path"}
    total = hashlib.sha256(json.dumps([asked, config], sort_keys=True, default=str).encode())
    for name, tensor in predictor.model.state_dict().items():
        total.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    tokenizer = predictor.tokenizer
    total.update(json.dumps(tokenizer.get_vocab(), sort_keys=True).encode())
    if hasattr(tokenizer, "backend_tokenizer"):
        cuts = json.loads(tokenizer.backend_tokenizer.to_str())
        parts = {name: value for name, value in cuts.items() if name not in ("truncation", "padding", "model")}
        total.update(json.dumps(parts, sort_keys=True).encode())
    return total.hexdigest()


def open_family(
    large: Any,
    compressed: dict[str, Any],
    twins: dict[str, Any],
    texts: Sequence[Text],
    settings: dict[str, Any],
    labels: dict[str, int] | None,
) -> list[Member]:
    """Large, its twins, and the compressed ones in the order given; no model twice under two names."""
    family = [Member("large", "large", large, settings, labels, texts)]
    if both := sorted(twins.keys() & compressed.keys()):
        raise ValueError(
            f"a twin and a compressed model are both called {brief(both[0])}: give them names of their own"
        )
    others = [(name, "twin", source) for name, source in twins.items()]
    others += [(name, "compressed", source) for name, source in compressed.items()]
    for name, role, source in others:
        family.append(Member(name, role, source, settings, labels, texts, large=family[0]))
    for i, member in enumerate(family):
        for other in family[:i]:
            if member.source is other.source or member.likeness == other.likeness:
                raise ValueError(f"{other.name} and {member.name} are the same model: give each model once")
    return family


def check_names(compressed: Any) -> dict[str, Any]:
    """The compressed models by name; one alone may come without."""
    if compressed is None:
        raise ValueError("compressed is missing: a dict from a name to a model, such as {'distil': path}")
    found = compressed if isinstance(compressed, dict) else {"compressed": compressed}
    if not found:
        raise ValueError("compressed is empty: give at least one model to compare with the large one")
    for name in found:
        if not isinstance(name, str) or not name.strip() or name in ("large", "twin"):
            raise ValueError(f"compressed needs names other than 'large' and 'twin', got {brief(name)}")
    return found


MADE: dict[str, Callable[[Any], Any]] = {  # floors that need nothing but the large model
    "rounding": lambda large: "derived:rounded",
    "batch": lambda large: AGAIN,
    "kernels": lambda large: (
        dict(large, model=by_other_kernels(large["model"])) if isinstance(large, dict) else by_other_kernels(large)
    ),
}


def twins_of(twin: Any, floor: str | None = None, large: Any = None) -> dict[str, Any]:
    """The other large models by name: one, several in a list or a dict, or what the floor is made of without any.

    >>> twins_of("runs/seed2"), twins_of(["a", "b"]), twins_of(None, floor="rounding")
    ({'twin': 'runs/seed2'}, {'twin 1': 'a', 'twin 2': 'b'}, {'rounding': 'derived:rounded'})
    """
    if floor in MADE:
        if twin is not None:
            raise ValueError(f"a twin is a floor already: give twin or floor={brief(floor)}, not both")
        return {floor: MADE[floor](large)}
    needed = {
        "wording": "the large model with its prompt said otherwise",
        "calibration": "the compressed model made again with other calibration data",
    }
    if floor in needed and twin is None:
        raise ValueError(f"floor={floor!r} needs twin: {needed[floor]}")
    if twin is None:
        return {}
    if isinstance(twin, dict) and "prompt" not in twin:  # with a prompt it is one language model
        found = twin
    elif isinstance(twin, list) and len(twin) > 1:
        found = {f"twin {i}": one for i, one in enumerate(twin, 1)}
    else:
        found = {"twin": twin[0] if isinstance(twin, list) and twin else twin}
    for name, one in found.items():
        if not isinstance(name, str) or not name.strip() or name == "large" or one is None or one == []:
            raise ValueError(f"twin needs models, under names other than 'large', got {brief(name)}: {brief(one)}")
    if not found:
        raise ValueError("twin is empty: give another large model, or leave it out")
    return dict(found)


def open_models(large: Any, compressed: Any = None, twin: Any = None, **opening: Any) -> dict[str, Predictor]:
    """The models by name, opened once for many questions: callables from texts to rows of probabilities.

    The classes of all are in the large model's order. `opening` says how: device, dtype, tokens, labels, ...

    >>> models = open_models(lambda texts: [[0.25, 0.75] for text in texts])
    >>> models["large"](["a good film"]).tolist()
    [[0.25, 0.75]]
    """
    labels = opening.pop("labels", None)
    names = {} if compressed is None else check_names(compressed)
    family = open_family(large, names, twins_of(twin), ["a text"], opening, labels)
    return {member.name: member.predictor for member in family}
