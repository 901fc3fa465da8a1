"""Who computes what a classifier says? PyTorch, or a copy of the model that another engine runs faster.

Figures do not depend on it, nor does work that is kept: a copy computes in float32, with the weights of the moment, and
only after it was held against the model. What needs embeddings or gradients, and whatever is no float32 classifier of
transformers on a processor, stays with PyTorch."""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from trusteq.checks import check_choice, failure
from trusteq.models.converted import CONVERTERS, Converted

ENGINES = ("auto", "torch", *CONVERTERS)
PAYS = 1e10  # tokens times the weights of a linear layer: from there on, a copy saves more time than making it takes
EQUAL = 1e-5  # of the largest logit: float32 itself is off by a tenth of it, bfloat16 by a hundred times as much
Rows = Sequence[int]


class Engine:
    """Which engine answers for a model, and why it is PyTorch where it is."""

    def __init__(self, choice: str, model: Any, name: str, stays: str = ""):
        check_choice("engine", choice, ENGINES)
        if choice in CONVERTERS and find_spec(choice) is None:
            raise ValueError(f"engine={choice!r} needs a package: pip install {choice}")
        self.choice, self.model, self.name, self.stays = choice, model, name, stays
        self.kind = choice if choice in CONVERTERS else "openvino"
        self.used, self.reason = "torch", "nothing was asked yet"  # of the latest pass
        self.failed = ""
        self.forget()

    def forget(self) -> None:
        self.copy: Converted | None = None
        self.made_of: Any = None  # the weights that the copy has
        self.seen: tuple[Any, ...] = ()  # the work that last asked for it, and its tensors' counters of changes
        self.tokens = 0  # that were read with these weights
        self.reach = 0  # the longest row of which it is known that the copy says the same

    def copy_for(
        self,
        lengths: np.ndarray,
        tensors: Callable[[Rows], dict[str, Any]],
        apart: Callable[[Converted, Rows], float],
        work: object | None = None,
    ) -> Converted | None:
        """What answers a pass over rows of these lengths; None: the model itself.

        `tensors` gives what the model reads for some rows, `apart` how far a copy's logits are from the model's there.
        All that can speak against a copy is looked at in every pass; but of those for one piece of `work`, which may be
        small and hundreds, in the first one: after that, PyTorch's own counters tell of changes.
        """
        known = work is not None and self.copy is not None and len(lengths) and lengths.max() <= self.reach
        if known and self.seen == (work, *self.changes()):
            return self.copy
        self.reason = self.reason_for_torch() or self.prepare(lengths, tensors, apart)
        self.used = "torch" if self.reason else self.kind
        if self.reason and self.copy is not None:
            self.forget()
        self.seen = (work, *self.changes()) if self.copy is not None and work is not None else ()
        return self.copy

    def changes(self) -> tuple[int, ...]:
        """Of every weight: how often it was written to, but through `.data`."""
        return tuple(weight._version for weight in self.model.parameters() if not weight.is_inference())

    def reason_for_torch(self) -> str:
        """What can be seen before a conversion: why the model has to answer itself."""
        import torch

        if self.choice == "torch":
            return "it was asked for"
        if reason := self.stays or self.failed:
            return reason
        if find_spec(self.kind) is None:
            return f"{self.kind} is not installed"
        if self.model.device.type != "cpu":
            return f"the model is on {self.model.device}"
        if torch.is_autocast_enabled("cpu"):
            return "autocast is on"
        for weight in self.model.parameters():
            if type(weight.data) is not torch.Tensor:
                return f"its weights are of the type {type(weight.data).__name__}"
            if weight.dtype != torch.float32:
                return f"its weights are in {str(weight.dtype).removeprefix('torch.')}"
        for module in self.model.modules():
            if not type(module).__module__.startswith(("torch.nn.", "transformers.")):
                return f"it holds {type(module).__name__} of {type(module).__module__}, which may change as it is asked"
            if "forward" in vars(module) or any(map(is_foreign, hooks(module))):
                return "hooks of others watch it"
        return ""

    def prepare(
        self, lengths: np.ndarray, tensors: Callable[[Rows], dict[str, Any]], apart: Callable[[Converted, Rows], float]
    ) -> str:
        """Have a copy of the model as it is now, or the reason why there is none."""
        if self.copy is not None and self.made_of != state(self.model):
            self.forget()
        self.tokens += int(lengths.sum())
        if not len(lengths):
            return "nothing was asked"
        if self.copy is None and self.choice == "auto" and self.tokens * weights_of_a_layer(self.model) < PAYS:
            return "too few questions to pay for a conversion"
        order = np.argsort(lengths, kind="stable")
        shortest, middle, longest = order[0], order[len(order) // 2], order[-1]
        try:
            if self.copy is None:
                self.made_of = state(self.model)
                self.copy = CONVERTERS[self.kind](self.model, tensors([middle, shortest]))
            if lengths[longest] > self.reach:
                differ = max(apart(self.copy, rows) for rows in ([longest, shortest], [middle]))
                if not differ <= EQUAL:
                    raise ValueError(f"its logits would be off by {differ:.1g}")
                self.reach = int(lengths[longest])
        except Exception as error:  # what converts has errors of its own, and so has what runs the result
            self.failed = f"{self.kind} cannot run it ({failure(error)})"
            logging.getLogger("trust_equivalence").warning(f"{self.name} stays with PyTorch: {self.failed}")
        return self.failed


def hooks(module: Any) -> list[Any]:
    return [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]


def is_foreign(hook: Any) -> bool:
    """transformers leaves hooks of its own, which do nothing unless hidden states are asked for."""
    return not (getattr(hook, "__module__", None) or "").startswith("transformers.")


def weights_of_a_layer(model: Any) -> float:
    import torch

    layers = [module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear)]
    return sum(layers) / max(1, len(layers))


def state(model: Any) -> tuple[Any, ...]:
    """Equal only if every weight is: of each tensor the bits, since a write through `.data` leaves no other trace."""
    import torch
    import xxhash

    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    bits = ((name, xxhash.xxh3_128_digest(one.detach().contiguous().numpy())) for name, one in tensors.items())
    return torch.get_num_threads(), *bits
