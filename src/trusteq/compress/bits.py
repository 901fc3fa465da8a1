"""What would this model be in fewer bits? A copy whose linear weights lie on a coarser grid, for study."""

from typing import Any

from trusteq.compress.copies import linear_layers, with_other_weights


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
    if not 2 <= bits <= 8:
        raise ValueError(f"`bits` must be from 2 to 8, got {bits}")
    if group < 1:
        raise ValueError(f"`group` must be 1 or more, got {group}")
    body = getattr(model, "base_model", model)  # without the head, which language models share with their embeddings
    return with_other_weights(model, linear_layers(body), lambda weight: in_groups(weight, 2 ** (bits - 1) - 1, group))


def in_groups(weight: Any, steps: int, group: int) -> Any:
    """The nearest numbers of a grid with so many steps on each side of zero, one for each group; the last of a row may
    be a shorter one."""
    import torch

    made = weight.clone()  # and changed in place: temporaries of its size leave holes in memory
    whole = weight.shape[1] - weight.shape[1] % group
    for some in (made[:, :whole].unflatten(1, (whole // group, group)), made[:, None, whole:]):
        if some.numel():
            largest = torch.maximum(some.amax(dim=-1, keepdim=True), -some.amin(dim=-1, keepdim=True))
            scale = (largest / steps).clamp(min=torch.finfo(weight.dtype).tiny)
            some.div_(scale).round_().mul_(scale)
    return made
