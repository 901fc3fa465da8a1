"""From whatever the user has to a predictor, and the options that say how."""

import dataclasses
from typing import Any

from trusteq.checks import check_choice
from trusteq.models.checkpoints import is_served, open_network
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.engines import ENGINES
from trusteq.models.labels import check_class_numbers
from trusteq.models.language import as_causal_predictor
from trusteq.models.predictor import FunctionPredictor, Predictor
from trusteq.models.served import as_served_predictor
from trusteq.options import Options


@dataclasses.dataclass(frozen=True)
class ModelOptions(Options):
    """What everything that asks models can be asked: how they are opened, and which of their classes is which."""

    labels: dict[str, int] | None = None
    device: Any = None
    dtype: Any = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels is not None:
            check_class_numbers(self.labels)
        check_choice("trust_remote_code", self.trust_remote_code, (True, False))

    @property
    def opening(self) -> dict[str, Any]:
        return {"device": self.device, "dtype": self.dtype, "trust_remote_code": self.trust_remote_code}


@dataclasses.dataclass(frozen=True)
class ClassifierOptions(ModelOptions):
    """Of what asks classifiers of texts, also which engine answers (see engines.py)."""

    engine: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("engine", self.engine, ENGINES)

    @property
    def opening(self) -> dict[str, Any]:
        return super().opening | {"engine": self.engine}


def as_predictor(
    model: Any,
    name: str,
    device: Any = None,
    dtype: Any = None,
    trust_remote_code: bool = False,
    at_once: int | None = None,
    timeout: float | None = None,
    **settings: Any,
) -> Predictor:
    """A predictor from a callable, a pipeline, (model, tokenizer), a local path, a Hub id, or a dict with a prompt.

    `name` is what messages call it; a dict is a language model with its prompt (language.py), perhaps behind a server
    (served.py), which `at_once` and `timeout` are for. Settings of transformers models: pooling ("mean" or "cls"),
    layer, tokens (of a batch), engine ("auto", "torch", "openvino" or "onnxruntime", see engines.py).
    """
    if isinstance(model, Predictor):
        return model
    if isinstance(model, dict) and is_served(model.get("model")):
        return as_served_predictor(model, name, at_once, timeout)
    if is_served(model):
        raise ValueError(f"{name} is a server: give a prompt and verbalizers, so that it can be asked")
    if isinstance(model, dict):
        return as_causal_predictor(model, name, device, dtype, trust_remote_code, **settings)
    opened = open_network(model, name, device, dtype, trust_remote_code)
    if opened is not None:
        return ModelPredictor(*opened, name, **settings)
    if not callable(model):
        kinds = "a callable, a pipeline, (model, tokenizer), a local path, a Hub id, or a dict with a prompt"
        raise ValueError(f"{name} must be {kinds}, got {type(model).__name__}")
    return FunctionPredictor(model, name)
