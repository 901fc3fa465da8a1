"""What would this model be, pruned or quantized? Copies of a model that are made when it is loaded, not trained."""

import copy
from collections.abc import Callable, Sequence
from typing import Any


def pruned(model: Any, share: float) -> Any:
    """A copy whose encoder lacks that share of its linear weights, the smallest of all its layers together.

    >>> import torch
    >>> layer = torch.nn.Linear(4, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, -4.0, 3.0, -2.0]]))
    >>> pruned(torch.nn.Sequential(layer), 0.5)[0].weight.tolist()
    [[0.0, -4.0, 3.0, -0.0]]
    """
    from torch.nn.utils import prune

    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
    made = copy.deepcopy(model)
    encoder = getattr(made, "base_model", made)  # without the classification head
    weights = [(layer, "weight") for layer in linear_layers(encoder)]
    prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=share)
    for layer, name in weights:
        prune.remove(layer, name)
    return made


def quantized(model: Any) -> Any:
    """A copy whose linear weights are rounded to 8 bits, each row on a grid of its own, and kept as ordinary numbers.

    These are the very numbers that torchao's int8 weights stand for (its symmetric grid: 127.5 steps to the largest
    weight of the row, -128 to 127), so that the copy says what an int8 model says; it is no smaller and no faster.

    >>> import torch
    >>> layer = torch.nn.Linear(3, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[0.001, 0.5, -1.275]]))
    >>> [round(value, 4) for value in quantized(layer).weight[0].tolist()]
    [0.0, 0.5, -1.28]
    """
    return with_other_weights(model, linear_layers(model), lambda weight: on_grid(weight, 8))


def with_other_weights(model: Any, layers: Sequence[Any], other: Callable[[Any], Any]) -> Any:
    """A copy with other weights in these layers. All that stays as it is lies in memory once, for both models: many
    copies of a large model are less to hold, and sooner made. A copy that is to be trained needs its own.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Embedding(2, 3), torch.nn.Linear(3, 1))
    >>> made = with_other_weights(model, [model[1]], lambda weight: weight + 1)
    >>> torch.equal(made[1].weight, model[1].weight + 1), made[0].weight.data_ptr() == model[0].weight.data_ptr()
    (True, True)
    """
    from torch.nn import Parameter

    known = {id(one): Parameter(one.detach(), one.requires_grad) for one in model.parameters()}
    known |= {id(one.weight): Parameter(other(one.weight.detach()), one.weight.requires_grad) for one in layers}
    return copy.deepcopy(model, known)


def on_grid(weight: Any, bits: int, group: int | None = None) -> Any:
    """The nearest numbers of a symmetric grid, one for each row, or for each `group` numbers of a row.

    >>> import torch
    >>> on_grid(torch.tensor([[3.2, -7.5, 32.0, -75.0]]), bits=4, group=2).tolist()
    [[3.0, -8.0, 30.0, -80.0]]
    """
    import torch

    whole = weight.unflatten(1, (-1, group)) if group and weight.shape[1] % group == 0 else weight
    steps = 2 ** (bits - 1)
    scale = (whole.abs().amax(dim=-1, keepdim=True) / (steps - 0.5)).clamp(min=torch.finfo(weight.dtype).eps)
    return ((whole * (1 / scale)).round().clamp(-steps, steps - 1) * scale).reshape(weight.shape)


def rounded(model: Any) -> Any:
    """A copy that computes in bfloat16; of a model that does so already, or in float16, one in float32. It is the same
    model: what it says otherwise is noise.

    >>> import torch
    >>> rounded(torch.nn.Linear(3, 1)).weight.dtype, rounded(torch.nn.Linear(3, 1).to(torch.float16)).weight.dtype
    (torch.bfloat16, torch.float32)
    """
    import torch

    whole = next(model.parameters()).dtype == torch.float32
    return copy.deepcopy(model).to(torch.bfloat16 if whole else torch.float32)


def linear_layers(model: Any) -> list[Any]:
    """Those whose weights are plain numbers, all of them, or one sentence."""
    import torch

    found = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    if not found:
        raise ValueError(f"{type(model).__name__} has no linear layers that could be pruned or quantized")
    if any(type(layer.weight.data) is not torch.Tensor for layer in found):
        raise ValueError(f"{type(model).__name__} is quantized already; give the model that it was made from")
    return found
