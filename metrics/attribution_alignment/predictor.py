# Shared file: the original is metrics/attribution_alignment/predictor.py, and scripts/copy_shared.py writes the copies.
"""One way to talk to a model: texts in, probabilities (and embeddings) out, whatever the model is.

`as_predictor` makes a `Predictor` from a callable, a transformers pipeline, a model with its tokenizer, a local path, a
Hub id, or a language model with its prompt. It owns all that makes inference fast and safe: equal texts are asked once,
texts of like length go together in batches cut by tokens, a batch is halved when memory runs out, and what comes back
is checked. `match_labels` puts the classes of two models in one order.
"""

import copy
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from .inference import inference

Text = str | tuple[str, str]

TOKENS = {"cpu": 1024, "cuda": 32_768}  # of a batch, padding included: measured best on two cores; a GPU wants far more
START = {"cpu": 24, "cuda": 4096}  # tokens that a model reads in the time that beginning a batch takes
PIECE = 8192  # distinct texts that are tokenized at a time


class Predictor:
    """A callable: a list of texts, or of text pairs, in; one row of probabilities a text out."""

    names: list[str] | None = None  # of the classes, where the model has names for them

    def __init__(self, name: str):
        self.name = name
        self.order: np.ndarray | None = None  # of the classes, where it is not the model's own (see match_labels)
        self.classes: int | None = None
        self.asked = 0  # distinct texts that the model was asked about
        self.truncated = 0  # of them, texts that were longer than the model can read
        self.quiet = False  # no progress bar: somebody else shows one

    def __call__(self, texts: Sequence[Text]) -> np.ndarray:
        """Probabilities, one row a text.

        >>> predictor = as_predictor(lambda texts: [[0.25, 0.75] for _ in texts], "model")
        >>> predictor(["a", "b", "a"]).shape, predictor.asked
        ((3, 2), 2)
        """
        return self.both(texts, embeddings=False)[0]

    def embed(self, texts: Sequence[Text]) -> np.ndarray:
        """Pooled embeddings, one row a text."""
        return self.both(texts, probabilities=False)[1]

    def both(
        self, texts: Sequence[Text], probabilities: bool = True, embeddings: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and embeddings from one pass; what was not wanted comes back empty."""
        check_texts("texts", texts)
        distinct = list(dict.fromkeys(texts))
        place = {text: i for i, text in enumerate(distinct)}
        pieces: list[tuple[np.ndarray, np.ndarray]] = []
        with progress_bar(len(distinct), f"asking {self.name}", self.quiet) as bar:
            for at in range(0, len(distinct), PIECE):
                part = distinct[at : at + PIECE]
                try:
                    rows, pooled = self._answer(part, probabilities, embeddings, bar)
                except FunctionFailed:  # it says whose
                    raise
                except Exception as error:
                    error.add_note(f"{self.name} failed")  # one of many, and few errors say whose they are
                    raise
                pieces.append((self._check(rows, len(part)) if probabilities else np.empty(0), pooled))
        self.asked += len(distinct)
        back = np.array([place[text] for text in texts])
        rows, pooled = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        if probabilities:
            rows = rows[back] if self.order is None else rows[back][:, self.order]
        return rows, pooled[back] if embeddings else pooled

    def _answer(self, texts: list[Text], probabilities: bool, embeddings: bool, bar: Any) -> tuple[Any, np.ndarray]:
        raise NotImplementedError

    def _check(self, given: Any, count: int) -> np.ndarray:
        """Rows of probabilities, or one sentence that says what came instead."""
        try:
            rows = np.asarray(numbers(given))
            if rows.dtype.kind == "c":
                raise TypeError("complex numbers")
            rows = rows.astype(np.float64)
        except Exception:
            raise ValueError(f"{self.name} returned no regular array of numbers for {count} texts") from None
        if rows.ndim != 2 or len(rows) != count or rows.shape[1] < 2:
            expected = f"for {count} texts, expected ({count}, number of classes)"
            raise ValueError(f"{self.name} returned an array of shape {rows.shape} {expected}")
        if self.classes is not None and rows.shape[1] != self.classes:
            raise ValueError(f"{self.name} returned {rows.shape[1]} classes after {self.classes} in an earlier call")
        if not np.isfinite(rows).all():
            raise ValueError(f"{self.name} returned NaN or infinity")
        if rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 0.01:
            raise ValueError(f"{self.name} returned rows that are not probabilities, positive and with a sum of 1")
        self.classes = rows.shape[1]
        return rows


class FunctionFailed(ValueError):
    """A callable raised an error of its own, which is the cause of this one."""


class FunctionPredictor(Predictor):
    """A callable, left alone."""

    def __init__(self, function: Callable[[list[Text]], Any], name: str):
        super().__init__(name)
        self.function = function

    def _answer(self, texts: list[Text], probabilities: bool, embeddings: bool, bar: Any) -> tuple[Any, np.ndarray]:
        if embeddings:
            raise ValueError(f"{self.name} is a function and has no embeddings; give a transformers model")
        try:
            rows = self.function(list(texts))
        except Exception as error:
            raise FunctionFailed(f"{self.name} failed ({failure(error)})") from error
        bar.update(len(texts))
        return rows, np.empty(0)


class ModelPredictor(Predictor):
    """A transformers model with its tokenizer."""

    poolings: tuple[str, ...] = ("mean", "cls")

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        pooling: str | None = None,
        layer: int = -1,
        tokens: int | None = None,
    ):
        super().__init__(name)
        if not (pooling is None or (isinstance(pooling, str) and pooling in self.poolings)):
            raise ValueError(f"pooling must be {' or '.join(map(repr, self.poolings))}, got {brief(pooling)}")
        check_whole("layer", layer)
        check_whole("tokens", 1 if tokens is None else tokens, at_least=1)
        self.pooling = pooling or self.poolings[0]
        self.model, self.tokenizer, self.layer = model, tokenizer, layer
        self.padding = self.padding_token()
        self.tokens = tokens or TOKENS.get(model.device.type, TOKENS["cpu"])
        self.start = START.get(model.device.type, START["cpu"])
        self.length = longest_input(model, tokenizer)
        self.names = class_names(model.config)

    def padding_token(self) -> int:
        if self.tokenizer.pad_token_id is None:
            how = "set tokenizer.pad_token, to its eos_token say"
            raise ValueError(f"{self.name}'s tokenizer has no padding token: {how}")
        return int(self.tokenizer.pad_token_id)

    def _answer(
        self, texts: list[Text], probabilities: bool, embeddings: bool, bar: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        rows, pooled = self._pass(self.encode(texts), probabilities, embeddings, bar)
        empty = np.empty(0)
        return np.stack(rows) if probabilities else empty, np.stack(pooled) if embeddings else empty

    def _pass(
        self, encoded: dict[str, list[list[int]]], probabilities: bool, embeddings: bool, bar: Any
    ) -> tuple[list[Any], list[Any]]:
        """What the model says of every row of tokens, and its embedding, in batches of like length."""
        lengths = np.array([len(ids) for ids in encoded["input_ids"]])
        rows: list[Any] = [None] * len(lengths)
        pooled: list[Any] = [None] * len(lengths)
        with self.in_evaluation():
            for batch in batches(lengths, lambda: self.tokens, self.start):
                for part, (probability, embedding) in self._run(encoded, batch, probabilities, embeddings):
                    for i, index in enumerate(part):
                        rows[index] = probability[i] if probabilities else None
                        pooled[index] = embedding[i] if embeddings else None
                bar.update(len(batch))
        return rows, pooled

    def in_evaluation(self) -> AbstractContextManager[None]:
        return in_evaluation(self.model)

    def encode(self, texts: list[Text]) -> dict[str, list[list[int]]]:
        """Token ids, cut to what the model can read; how many had to be cut is counted."""
        first, second = split_pairs(texts)
        encoded = dict(self.tokenizer(first, second, return_attention_mask=False, verbose=False))
        long = [i for i, ids in enumerate(encoded["input_ids"]) if len(ids) > self.length]
        self.truncated += len(long)
        if long:
            cut = self.tokenizer(
                [first[i] for i in long],
                [second[i] for i in long] if second else None,
                return_attention_mask=False,
                truncation=True,
                max_length=self.length,
            )
            for key, values in encoded.items():
                for i, value in zip(long, cut[key], strict=True):
                    values[i] = value
        return encoded

    def _run(
        self, encoded: dict[str, list[list[int]]], batch: np.ndarray, probabilities: bool, embeddings: bool
    ) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
        """A batch, or its halves when memory runs out."""
        import torch

        try:
            yield batch, self._forward(encoded, batch, probabilities, embeddings)
            return
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ValueError(f"{self.name} runs out of memory on a single text") from None
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        self.tokens = max(1, self.tokens // 2)
        for half in np.array_split(batch, 2):
            yield from self._run(encoded, half, probabilities, embeddings)

    def _forward(
        self, encoded: dict[str, list[list[int]]], batch: np.ndarray, probabilities: bool, embeddings: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        import torch

        inputs = {key: [values[i] for i in batch] for key, values in encoded.items()}
        length = max(map(len, inputs["input_ids"]))
        padding = {"input_ids": self.padding}
        tensors = {
            key: torch.tensor([row + [padding.get(key, 0)] * (length - len(row)) for row in values])
            for key, values in inputs.items()
        }
        mask = [[1] * len(row) + [0] * (length - len(row)) for row in inputs["input_ids"]]
        tensors["attention_mask"] = torch.tensor(mask)
        tensors = {key: value.to(self.model.device) for key, value in tensors.items()}
        with inference():
            output = self.model(**tensors, **({"output_hidden_states": True} if embeddings else {}))
            rows, pooled = np.empty(0), np.empty(0)
            if probabilities:
                rows = self._probabilities(output)
            if embeddings:
                hidden = self._hidden(output).float()
                weight = tensors["attention_mask"][..., None].float()
                mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
                pooled = (hidden[:, 0] if self.pooling == "cls" else mean).cpu().numpy()
        return rows, pooled

    def _probabilities(self, output: Any) -> np.ndarray:
        if getattr(output, "logits", None) is None:
            raise ValueError(f"{self.name} has no classification head: its checkpoint is an encoder alone")
        if getattr(self.model.config, "problem_type", None) == "multi_label_classification":
            raise ValueError(f"{self.name} gives every label a probability of its own; one label per text is needed")
        if getattr(self.model.config, "problem_type", None) == "regression":
            raise ValueError(f"{self.name}'s head is for regression and gives no probabilities; a classifier is needed")
        return class_probabilities(output.logits.double()).cpu().numpy()

    def _hidden(self, output: Any) -> Any:
        try:
            return output.hidden_states[self.layer]
        except IndexError:
            count = len(output.hidden_states)
            raise ValueError(f"layer must be from {-count} to {count - 1} for {self.name}, got {self.layer}") from None


@contextmanager
def in_evaluation(model: Any) -> Iterator[None]:
    """The model without dropout; afterwards as it was, since it may be in the middle of its training."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def class_probabilities(logits: Any) -> Any:
    """Softmax over the classes; a single logit is a sigmoid's, and its two classes have 1 - p and p."""
    import torch

    if logits.shape[-1] > 1:
        return torch.softmax(logits, dim=-1)
    return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], dim=-1)


def numbers(given: Any) -> Any:
    """What a callable returned as something that NumPy reads: tensors of any kind, and lists of them, too."""
    if hasattr(given, "detach"):
        return given.detach().cpu().double().numpy()
    if isinstance(given, list | tuple) and any(hasattr(row, "detach") for row in given):
        return [numbers(row) for row in given]
    return given


# From whatever the user has to a predictor.


def as_predictor(
    model: Any, name: str, device: Any = None, dtype: Any = None, trust_remote_code: bool = False, **settings: Any
) -> Predictor:
    """A predictor from a callable, a pipeline, (model, tokenizer), a local path, a Hub id, or a dict with a prompt.

    `name` is what messages call it; a dict is a language model with its prompt (see causal_lm.py). Settings of
    transformers models: pooling ("mean" or "cls"), layer, tokens (of a batch).
    """
    if isinstance(model, Predictor):
        return model
    model = getattr(model, "with_prompt", model)  # of a language model's predictor from another metric's copy of this
    if isinstance(model, dict):
        from .causal_lm import as_causal_predictor

        return as_causal_predictor(model, name, device, dtype, trust_remote_code, **settings)
    opened = open_network(model, name, device, dtype, trust_remote_code)
    if opened is not None:
        return ModelPredictor(*opened, name, **settings)
    if not callable(model):
        kinds = "a callable, a pipeline, (model, tokenizer), a local path, a Hub id, or a dict with a prompt"
        raise ValueError(f"{name} must be {kinds}, got {type(model).__name__}")
    return FunctionPredictor(model, name)


def open_network(
    model: Any, name: str, device: Any, dtype: Any, trust_remote_code: bool, task: str = "SequenceClassification"
) -> tuple[Any, Any] | None:
    """A transformers model and its tokenizer from (model, tokenizer), a pipeline or a checkpoint; None for another."""
    if isinstance(model, str | os.PathLike):
        return load_checkpoint(os.fspath(model), name, device, dtype, trust_remote_code, task)
    if isinstance(model, tuple | list):
        if len(model) != 2 or not callable(getattr(model[0], "forward", None)) or not callable(model[1]):
            raise ValueError(f"{name} needs (model, tokenizer) when it is a tuple")
        return placed(model[0], model[1], name, device, dtype), model[1]
    if callable(getattr(getattr(model, "model", None), "forward", None)) and getattr(model, "tokenizer", None):
        return placed(model.model, model.tokenizer, name, device, dtype), model.tokenizer  # a pipeline
    if callable(getattr(model, "forward", None)):
        raise ValueError(f"{name} is a model without its tokenizer: give the tuple (model, tokenizer)")
    return None


def placed(model: Any, reader: Any, name: str, device: Any, dtype: Any, reads: str = "tokenizer") -> Any:
    """A model that the user handed over: never changed, so that another device or dtype is for a copy of it."""
    known = hasattr(reader, "pad_token_id") == (reads == "tokenizer")
    if not hasattr(model, "config") or not hasattr(model, "device") or not known:
        kinds = f"{type(model).__name__} and {type(reader).__name__}"
        raise ValueError(f"{name} needs a transformers model with its {reads}, got {kinds}")
    device = model.device if device is None else as_device(device)
    dtype = model.dtype if dtype is None else as_dtype(dtype)
    if (device, dtype) == (model.device, model.dtype):
        return model
    return copy.deepcopy(model).to(device=device, dtype=dtype)


HEADS = {  # how the names of architectures end that have what a task needs
    "SequenceClassification": ("ForSequenceClassification",),
    "ImageClassification": ("ForImageClassification",),
    "CausalLM": ("ForCausalLM", "LMHeadModel"),
    "MaskedLM": ("ForMaskedLM", "ForPreTraining"),
    "QuestionAnswering": ("ForQuestionAnswering", "ForQuestionAnsweringSimple"),
}


def load_checkpoint(
    path: str, name: str, device: Any, dtype: Any, trust_remote_code: bool, task: str
) -> tuple[Any, Any]:
    """A checkpoint from disk or from the Hub, with its tokenizer, or for images its image processor.

    Safetensors only, and no code of its own unless that is asked for. One without a head for classification is loaded
    as an encoder, which has embeddings; another task needs its head.
    """
    if looks_local(path) and not Path(os.path.expanduser(path)).is_dir():
        raise ValueError(f"{name}: there is no folder {brief(path)[1:-1]}")
    import torch
    import transformers
    from transformers.utils import logging

    where = as_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    source = os.path.expanduser(path) if looks_local(path) or Path(path).is_dir() else path
    remote = {"trust_remote_code": trust_remote_code}
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(source, **remote)
        has_head = any(kind.endswith(HEADS[task]) for kind in config.architectures or [])
        if not has_head and task != "SequenceClassification":
            raise ValueError(f"its architectures are {config.architectures}, expected one that ends in {HEADS[task]}")
        auto = getattr(transformers, f"AutoModelFor{task}" if has_head else "AutoModel")
        wanted = "auto" if dtype is None else as_dtype(dtype)
        if dtype is None and where.type == "cpu" and getattr(config, "dtype", None) in (torch.float16, "float16"):
            wanted = torch.float32  # a processor computes float16 by way of float32, and slower
        model = auto.from_pretrained(source, use_safetensors=True, dtype=wanted, **remote)
        reader = transformers.AutoImageProcessor if task == "ImageClassification" else transformers.AutoTokenizer
        read = reader.from_pretrained(source, **remote)
    except Exception as error:  # torn weights, wrong sizes, a missing package: each library has errors of its own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        what = brief(path)[1:-1]
        raise ValueError(f"{name}: {what} is no checkpoint with safetensors that could be loaded: {reason}") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    return model.to(where), read


def looks_local(path: str) -> bool:
    """A path of this machine, as a Hub id (`name` or `owner/name`) never looks.

    >>> [looks_local(path) for path in ("./small", "/models/small", "runs/a/b", "owner/name", "bert-base-uncased")]
    [True, True, True, False, False]
    """
    return path.startswith((".", "/", "~", os.sep)) or path.count("/") > 1 or "\\" in path


def as_dtype(dtype: Any) -> Any:
    import torch

    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype):
        raise ValueError(f"dtype must name a torch type such as 'float16', got {brief(dtype)}")
    return found


def as_device(device: Any) -> Any:
    """The device by its full name, if this machine has it."""
    import torch

    try:
        return torch.empty(0, device=device).device
    except Exception as error:  # each kind of device has errors of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"device must be one that this machine has, got {brief(device)} ({reason})") from None


def longest_input(model: Any, tokenizer: Any) -> int:
    """How many tokens the model can read: its tokenizer's limit and its positions, whichever is less.

    Where a table of positions has one for padding (RoBERTa and its kin), the text's begin behind it.
    """
    positions = getattr(model.config, "max_position_embeddings", None) or 10**9
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions = min(positions, module.num_embeddings - module.padding_idx - 1)
    return int(min(tokenizer.model_max_length, positions))


def class_names(config: Any) -> list[str] | None:
    """The classes' names, where they are more than LABEL_0, LABEL_1, ..."""
    names = getattr(config, "id2label", None)
    if not names or len(names) < 2:
        return None
    found = [str(names[i]) for i in sorted(names)]
    return None if all(re.fullmatch(r"LABEL_\d+", name) for name in found) else found


# Two models, one order of classes.


def match_labels(large: Predictor, small: Predictor, labels: dict[str, int] | None = None) -> None:
    """Put the classes of both models in one order: by name where both have names, by `labels` where that is given.

    `labels` maps every class name of the models (also LABEL_0, LABEL_1, ...) to its class number. Without it the large
    model's order stands. Neither has names: the order is taken to be the same.
    """
    large.order = small.order = None
    if labels is not None:
        for predictor in (large, small):
            predictor.order = order_by(predictor, labels)
        return
    if large.names is None and small.names is None:
        return
    if large.names is None or small.names is None:
        with_names, without = (large, small) if large.names else (small, large)
        if isinstance(without, FunctionPredictor):
            return
        raise ValueError(
            f"{with_names.name} names its classes {with_names.names} but {without.name} does not, so their order may "
            f"differ: give labels={{name: class number}} with the names of both, such as 'LABEL_0'"
        )
    places = {fold(name): i for i, name in enumerate(small.names)}
    wanted = [fold(name) for name in large.names]
    if sorted(places) != sorted(wanted) or len(places) < len(small.names):
        raise ValueError(
            f"{large.name}'s classes {large.names} and {small.name}'s {small.names} do not match by name: "
            f"give labels={{name: class number}} with the names of both"
        )
    order = np.array([places[name] for name in wanted])
    small.order = None if (order == np.arange(len(order))).all() else order


def order_by(predictor: Predictor, labels: dict[str, int]) -> np.ndarray | None:
    """The columns of a predictor in the order of the class numbers that `labels` gives to their names."""
    if isinstance(predictor, FunctionPredictor):
        return None
    config = getattr(predictor, "model").config  # noqa: B009 - only ModelPredictor gets here
    count = max(2, config.num_labels)  # a single logit has two classes
    names = predictor.names or [f"LABEL_{i}" for i in range(count)]
    numbers = {fold(name): number for name, number in labels.items()}
    if missing := [name for name in names if fold(name) not in numbers]:
        raise ValueError(f"labels has no class number for {predictor.name}'s class {brief(missing[0])}")
    found = [numbers[fold(name)] for name in names]
    if sorted(found) != list(range(len(names))):
        raise ValueError(f"labels gives {predictor.name}'s classes the numbers {found}, expected 0 to {len(names) - 1}")
    return np.argsort(found)


def check_class_numbers(labels: Any) -> None:
    """`labels` as the user gave them: a dict from class name to class number."""
    if not isinstance(labels, dict) or not labels:
        raise ValueError(f"labels must be a dict from class name to class number, got {brief(labels)}")
    for name, number in labels.items():
        if not isinstance(name, str) or isinstance(number, bool) or not isinstance(number, Integral):
            raise ValueError(f"labels must give every class name a whole number, got {brief(name)}: {brief(number)}")


def fold(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().casefold())


# Texts, batches, progress.


def check_texts(name: str, texts: Any) -> None:
    """A list of strings, or of pairs of strings; not both."""
    if isinstance(texts, str) or not isinstance(texts, Sequence) or len(texts) == 0:
        raise ValueError(f"{name} needs a list of texts, or of pairs of texts, got {type(texts).__name__}")
    pair = isinstance(texts[0], tuple)
    for i, text in enumerate(texts):
        parts = text if pair and isinstance(text, tuple) and len(text) == 2 else (text,)
        if len(parts) != (2 if pair else 1) or not all(isinstance(part, str) for part in parts):
            kind = "a pair of strings, as the first one is" if pair else "a string"
            raise ValueError(f"{name}[{i}] must be {kind}, got {brief(text)}")
        for part in parts:
            check_characters(f"{name}[{i}]", part)


def check_whole(name: str, value: Any, at_least: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or (at_least is not None and value < at_least):
        limit = "" if at_least is None else f" of at least {at_least}"
        raise ValueError(f"{name} must be a whole number{limit}, got {brief(value)}")


def check_characters(where: str, text: str) -> None:
    """Half of a character (a lone surrogate, as broken JSON has it) can be neither tokenized nor written down.

    >>> check_characters("texts[0]", "a good \\ud83d film")
    Traceback (most recent call last):
    ValueError: texts[0] holds half of a character, '\\ud83d', in place 7: mend or remove it
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"half of a character, {text[error.start]!r}, in place {error.start}"
        raise ValueError(f"{where} holds {half}: mend or remove it") from None


def failure(error: BaseException) -> str:
    """Somebody else's error on one line, with its kind; of a callable that failed, what it raised itself.

    >>> failure(OSError("no room\\nleft")), failure(MemoryError())
    ('OSError: no room left', 'MemoryError')
    """
    if isinstance(error, FunctionFailed) and error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def brief(value: Any) -> str:
    """A value as a sentence can hold it: on one line, and not much of it.

    >>> brief("good"), brief(np.zeros((2, 2))), brief(10**5000)
    ("'good'", 'array([[0., 0.], [0., 0.]])', 'int')
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of a number too long to be written, or of a repr that fails
        text = type(value).__name__
    text = type(value).__name__ if " at 0x" in text else text
    return text if len(text) <= 80 else f"{text[:76]} ..."


def split_pairs(texts: Sequence[Text]) -> tuple[list[str], list[str] | None]:
    if isinstance(texts[0], tuple):
        return [text[0] for text in texts], [text[1] for text in texts]
    return [str(text) for text in texts], None


def batches(lengths: np.ndarray, tokens: Callable[[], int], start: int) -> Iterator[np.ndarray]:
    """Indices in batches of like length, longest first, each with at most `tokens()` tokens, padding included.

    >>> [batch.tolist() for batch in batches(np.array([3, 9, 3, 4]), lambda: 12, start=4)]
    [[1], [3, 0, 2]]
    """
    order = np.argsort(-lengths, kind="stable")
    for stretch in np.split(order, cuts(lengths[order], tokens(), start)):
        at = 0
        while at < len(stretch):
            count = max(1, tokens() // max(1, int(lengths[stretch[at]])))
            yield stretch[at : at + count]
            at += count


def cuts(lengths: np.ndarray, tokens: int, start: int) -> np.ndarray:
    """Where to part falling lengths so that the padding and `start` tokens for every batch together are fewest.

    >>> cuts(np.array([9, 9, 8, 2, 2, 2]), tokens=100, start=4)
    array([3])
    """
    edges = np.flatnonzero(np.diff(lengths, prepend=lengths[0] + 1, append=-1))  # texts of one length stay together
    cost = np.full(len(edges), np.inf)  # of all texts before each edge
    cost[0] = 0
    came_from = np.zeros(len(edges), dtype=int)
    for i, edge in enumerate(edges[:-1]):
        count, longest = edges[i + 1 :] - edge, max(1, int(lengths[edge]))
        total = cost[i] + count * longest + start * np.ceil(count / max(1, tokens // longest))
        came_from[i + 1 :][total < cost[i + 1 :]] = i
        cost[i + 1 :] = np.minimum(total, cost[i + 1 :])
    found = [int(came_from[-1])]
    while found[-1] > 0:
        found.append(int(came_from[found[-1]]))
    return edges[found[-2::-1]]


def is_out_of_memory(error: BaseException) -> bool:
    return "out of memory" in str(error).lower() or "can't allocate memory" in str(error)


def progress_bar(total: int, what: str, quiet: bool = False, unit: str = "text") -> Any:
    """A bar on a terminal for what takes longer than a few seconds; nothing in files, tests and helper processes."""
    from tqdm import tqdm

    quiet = quiet or multiprocessing.parent_process() is not None or os.environ.get("RANK", "0") != "0"
    return tqdm(total=total, desc=what, unit=unit, delay=3, leave=False, disable=True if quiet else None)
