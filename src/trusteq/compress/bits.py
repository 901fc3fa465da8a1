"""What would this model be in fewer bits? A copy whose linear weights lie on a coarser grid, for study."""

import copy
from typing import Any

from trusteq.compress.copies import linear_layers


def in_bits(model: Any, bits: int, group: int) -> Any:
    """A copy whose linear weights, but for the head's, are rounded to so many bits and kept as ordinary numbers.

    Each row is cut into groups with a grid of their own, symmetric around zero: a scale that moves zero as well
    (asymmetric rounding) would change nothing in weights that were stored that way, in Q4_1 say.

    >>> import torch
    >>> layer = torch.nn.Linear(4, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 1.2, 0.3, -0.1]]))
    >>> [round(value, 3) for value in in_bits(torch.nn.Sequential(layer), bits=3, group=2)[0].weight[0].tolist()]
    [3.0, 1.0, 0.3, -0.1]
    """
    import torch

    if not 2 <= bits <= 8:
        raise ValueError(f"`bits` must be from 2 to 8, got {bits}")
    if group < 1:
        raise ValueError(f"`group` must be 1 or more, got {group}")
    made = copy.deepcopy(model)
    body = getattr(made, "base_model", made)  # without the head, which language models share with their embeddings
    steps = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for weight in (layer.weight for layer in linear_layers(body)):
            for at in range(0, weight.shape[1], group):
                some = weight[:, at : at + group]
                scale = (some.abs().amax(dim=1, keepdim=True) / steps).clamp(min=torch.finfo(weight.dtype).tiny)
                some.copy_((some / scale).round() * scale)
    return made
