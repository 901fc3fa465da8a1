"""A transformers classifier of texts with its tokenizer: batches cut by tokens, halved when memory runs out."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from trusteq.checks import brief, check_integer
from trusteq.kinds.text import Text, split_pairs
from trusteq.models.batches import START, TOKENS, batches, is_out_of_memory, start_of
from trusteq.models.checkpoints import HEADS
from trusteq.models.converted import Converted
from trusteq.models.engines import Engine, weights_of_a_layer
from trusteq.models.labels import class_names
from trusteq.models.predictor import Predictor
from trusteq.models.tokenized import Encoded, Tokens, tokens_for

Answer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # a batch's probabilities and embeddings


class ModelPredictor(Predictor):
    """A transformers model with its tokenizer."""

    poolings: tuple[str, ...] = ("mean", "cls")
    stays = ""  # why PyTorch answers, whatever the engine, where it does

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        pooling: str | None = None,
        layer: int = -1,
        tokens: int | None = None,
        engine: str = "auto",
    ):
        super().__init__(name)
        if not (pooling is None or (isinstance(pooling, str) and pooling in self.poolings)):
            raise ValueError(f"pooling must be {' or '.join(map(repr, self.poolings))}, got {brief(pooling)}")
        check_integer("layer", layer)
        check_integer("tokens", 1 if tokens is None else tokens, at_least=1)
        self.pooling = pooling or self.poolings[0]
        self.model, self.tokenizer, self.layer = model, tokenizer, layer
        self.padding = self.padding_token()
        self.tokens = tokens or TOKENS.get(model.device.type, TOKENS["cpu"])
        self.start = START.get(model.device.type, START["cpu"])
        self.length = longest_input(model, tokenizer)
        self.names = class_names(model.config)
        self.engine = Engine(engine, model, name, self.stays or getattr(model, "stays", ""))
        self.kind = getattr(model, "kind", self.kind)

    @property
    def lacks(self) -> dict[str, str]:
        return getattr(self.model, "lacks", {})

    @cached_property
    def shared(self) -> Tokens:
        return tokens_for(self, self.tokenizer)

    @cached_property
    def own_start(self) -> int:
        return start_of(self.model.device.type, weights_of_a_layer(self.model))

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
        lengths = lengths_of(encoded)
        rows: list[Any] = [None] * len(lengths)
        pooled: list[Any] = [None] * len(lengths)
        answer: Answer = partial(self._forward, encoded, probabilities=probabilities, embeddings=embeddings)
        with self.in_evaluation():
            if probabilities and not embeddings:
                given = lengths, partial(self.tensors, encoded), partial(self._apart, encoded)
                copy = self.engine.copy_for(*given, self.work)
                answer = partial(self._by_copy, encoded, copy) if copy else answer
            for batch in self.deal(encoded):
                for part, (probability, embedding) in self._run(answer, batch):
                    for i, index in enumerate(part):
                        rows[index] = probability[i] if probabilities else None
                        pooled[index] = embedding[i] if embeddings else None
                bar.update(len(batch))
        return rows, pooled

    def deal(self, encoded: dict[str, list[list[int]]]) -> Iterator[np.ndarray]:
        return batches(lengths_of(encoded), lambda: self.tokens, self.own_start)

    def in_evaluation(self) -> AbstractContextManager[None]:
        return in_evaluation(self.model)

    def encode(self, texts: list[Text]) -> dict[str, list[list[int]]]:
        """Token ids, cut to what the model can read; how many had to be cut is counted."""
        encoded = self.shared.of(texts, self.tokenize)
        first, second = split_pairs(texts)
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
        return {key: values for key, values in encoded.items() if takes(self.model, key)}

    def tokenize(self, texts: list[Text]) -> Encoded:
        return dict(self.tokenizer(*split_pairs(texts), return_attention_mask=False, verbose=False))

    def _run(self, answer: Answer, batch: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
        """A batch, or its halves when memory runs out."""
        import torch

        try:
            yield batch, answer(batch)
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
            yield from self._run(answer, half)

    def tensors(self, encoded: dict[str, list[list[int]]], batch: Sequence[int] | np.ndarray) -> dict[str, Any]:
        """What the model is given for these rows: as long as the longest of them."""
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
        return {key: value.to(self.model.device) for key, value in tensors.items()}

    def _forward(
        self, encoded: dict[str, list[list[int]]], batch: np.ndarray, probabilities: bool, embeddings: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        import torch

        tensors = self.tensors(encoded, batch)
        with torch.inference_mode():
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

    def _by_copy(
        self, encoded: dict[str, list[list[int]]], copy: Converted, batch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        logits = copy(self.tensors(encoded, batch))
        return self._probabilities(SimpleNamespace(logits=logits)), np.empty(0)

    def _apart(self, encoded: dict[str, list[list[int]]], copy: Converted, batch: np.ndarray) -> float:
        """How far a copy's logits are from the model's, as a share of the largest, or of 1."""
        import torch

        tensors = self.tensors(encoded, batch)
        with torch.inference_mode():
            plain = self.model(**tensors).logits
        return float((copy(tensors) - plain).abs().max() / plain.abs().max().clamp(min=1))

    def _probabilities(self, output: Any) -> np.ndarray:
        logits = getattr(output, "logits", None)
        if logits is None or logits.ndim == 3:
            kinds = getattr(self.model.config, "architectures", None) or []
            if any(kind.endswith(HEADS["CausalLM"]) for kind in kinds):
                asks = "say with a prompt and verbalizers how it names the labels"
                raise ValueError(f"{self.name} has no classification head, it is a language model: {asks}")
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


def takes(model: Any, name: str) -> bool:
    """Whether a model can be given this: BERT's tokenizer tells the parts of a pair apart, and before transformers 5
    DistilBERT, which has no use for that, refuses it."""
    known = inspect.signature(model.forward).parameters
    return name in known or any(one.kind is one.VAR_KEYWORD for one in known.values())


def lengths_of(encoded: dict[str, list[list[int]]]) -> np.ndarray:
    return np.array([len(ids) for ids in encoded["input_ids"]])


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


def longest_input(model: Any, tokenizer: Any) -> int:
    """How many tokens the model can read: its tokenizer's limit and its positions, whichever is less.

    Where a table of positions has one for padding (RoBERTa and its kin), the text's begin behind it.
    """
    positions = getattr(model.config, "max_position_embeddings", None) or 10**9
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions = min(positions, module.num_embeddings - module.padding_idx - 1)
    return int(min(tokenizer.model_max_length, positions))
