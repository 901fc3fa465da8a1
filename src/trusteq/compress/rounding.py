"""Training that knows it will be rounded: every step sees linear weights as 8 or 4 bits hold them.

What is learned are the whole weights; a step's slope passes through the rounding as if there were none (Bengio et al.
2013, the straight-through estimator; Jacob et al. 2018, quantization-aware training)."""

from typing import Any

import torch
from torch.nn.utils import parametrize

from trusteq.compress.copies import linear_layers, on_grid

WAYS: dict[str, dict[str, Any]] = {"int8": {"bits": 8}, "int4": {"bits": 4, "group": 32}}


class Rounded(torch.nn.Module):
    """A weight as its grid has it, with the slope of the weight itself."""

    def __init__(self, way: str):
        super().__init__()
        self.way = way

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + (on_grid(weight, **WAYS[self.way]) - weight).detach()


def begin_rounding(model: Any, way: str) -> None:
    """All linear layers but one that shares its weights with the embeddings, which stay whole."""
    tied = getattr(model, "get_output_embeddings", lambda: None)()
    layers = [layer for layer in linear_layers(model) if layer is not tied]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no linear layers that could be rounded")
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", Rounded(way))


def end_rounding(model: Any, way: str) -> None:
    """To 4 bits the weights become the rounded ones, as ordinary numbers. To 8 they stay whole: torchao, which stores
    them, rounds them as every step did, but rounded ones a second time, since their largest is another."""
    for layer in model.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
            if way != "int8":
                layer.weight.data.copy_(on_grid(layer.weight.data, **WAYS[way]))
