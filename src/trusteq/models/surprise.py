"""How strange is a text to a language model? Scores of what it reads, whatever it is asked about it.

The probability of a label flags texts near one half, and nothing strange. These are of the text itself, in its place
behind what the prompt has before it."""

from typing import Any


def of_tokens(logits: Any, ids: Any, score: str) -> Any:
    """Of every token of a row: how improbable it was, or how open what comes next was; in nats.

    >>> import torch
    >>> from trusteq.strangeness import SURPRISES
    >>> even = torch.zeros(1, 3, 4)
    >>> [of_tokens(even, torch.tensor([[0, 1, 2]]), score)[0].exp().round().tolist() for score in SURPRISES]
    [[4.0, 4.0], [4.0, 4.0]]
    """
    import torch

    said = torch.log_softmax(logits[:, :-1].float(), dim=-1)
    if score == "perplexity":
        return -said.gather(2, ids[:, 1:, None])[..., 0]
    return -(said.exp() * said).sum(dim=-1)
