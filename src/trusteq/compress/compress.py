"""Makes a smaller model from a trained one: pruned, with fewer layers, or with weights in fewer bits.

What is written loads like any checkpoint (that of int8 needs torchao where it is loaded), and is loaded again to see
that it says what was made."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from trusteq.compress.bits import in_bits
from trusteq.compress.copies import pruned
from trusteq.compress.loading import load, place_of, tokenizer_of
from trusteq.compress.measure import some_tokens
from trusteq.compress.options import CompressOptions
from trusteq.models.checkpoints import without_chatter


def compress(way: str, options: CompressOptions) -> None:
    """Write the compressed model, and make sure that what lies on disk is what was made."""
    check_empty(options.out)
    source = place_of(options.model)
    made = int8(source) if way == "int8" else WAYS[way](load(source), options)
    with without_chatter():
        made.save_pretrained(options.out)
        tokenizer_of(source).save_pretrained(options.out)
    batch = some_tokens(made.config.vocab_size)
    with torch.inference_mode():
        difference = (made(**batch).logits - load(options.out)(**batch).logits).abs().max().item()
    if not difference < 1e-3:  # rounding, of half-precision models above all
        raise ValueError(f"{options.out} differs from the model that was made by {difference:.3g}: do not use it")


def check_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already: give another folder as `out`, or remove it")


def without_layers(model: Any, keep: Sequence[int]) -> Any:
    """A copy with only these of its layers, in their order."""
    count = model.config.num_hidden_layers
    if not keep or sorted(set(keep)) != list(keep) or not all(0 <= layer < count for layer in keep):
        raise ValueError(f"`keep` must name layers 0 to {count - 1} once each, in order; got {list(keep)}")
    made = copy.deepcopy(model)
    stacks = [
        (parent, name)
        for parent in made.base_model.modules()
        for name, child in parent.named_children()
        if isinstance(child, torch.nn.ModuleList) and len(child) == count
    ]
    if len(stacks) != 1:
        raise ValueError(f"{type(model).__name__} has {len(stacks)} stacks of {count} layers; expected one")
    parent, name = stacks[0]
    setattr(parent, name, torch.nn.ModuleList(getattr(parent, name)[layer] for layer in keep))
    for place, layer in enumerate(getattr(parent, name)):
        for part in layer.modules():
            if hasattr(part, "layer_idx"):
                part.layer_idx = place  # where it keeps what it has read
    made.config.num_hidden_layers = len(keep)
    if kinds := getattr(made.config, "layer_types", None):
        made.config.layer_types = [kinds[layer] for layer in keep]
    return made


def int8(source: str) -> Any:
    if int(transformers.__version__.split(".")[0]) < 5:
        raise ValueError(f"int8 needs transformers 5, which can save it as safetensors; got {transformers.__version__}")
    try:
        from torchao.quantization import Int8WeightOnlyConfig
    except ImportError:
        raise ValueError("int8 needs torchao: pip install torchao") from None
    load(source)  # says what is wrong with it
    return load(source, quantization_config=transformers.TorchAoConfig(Int8WeightOnlyConfig(version=2)))


WAYS: dict[str, Callable[[Any, CompressOptions], Any]] = {
    "prune": lambda model, options: pruned(model, options.share),
    "drop-layers": lambda model, options: without_layers(model, options.keep),
    "round": lambda model, options: in_bits(model, options.bits, options.group),
}
