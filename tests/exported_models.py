"""Tiny models as a user has exported them: a graph of ONNX or OpenVINO beside config.json and tokenizer, without any
weights of PyTorch's; language models with their cache, in the names and shapes that optimum gives them."""

from pathlib import Path

import numpy as np
import torch
from transformers import DynamicCache

from trusteq.models.converted import logits_of, tracing

LAYERS, HEADS, WIDTH = 2, 2, 16  # of tiny_language_models' llama: its cache


class WithPast(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask, places, *past):
        pairs = [(past[2 * i], past[2 * i + 1]) for i in range(LAYERS)]
        kept = DynamicCache(pairs)
        said = self.model(input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=kept, use_cache=True)
        return said.logits, *(one for layer in said.past_key_values.layers for one in (layer.keys, layer.values))


def language_onnx(folder: Path, model, tokenizer) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model.config._attn_implementation = "eager"
    names = [f"past_key_values.{i}.{what}" for i in range(LAYERS) for what in ("key", "value")]
    past = {name: torch.ones(2, HEADS, 3, WIDTH) for name in names}
    ids, mask = torch.tensor([[5, 6, 7], [6, 7, 8]]), torch.ones(2, 6, dtype=torch.long)
    given = {"input_ids": ids, "attention_mask": mask, "position_ids": torch.tensor([[3, 4, 5]] * 2), **past}
    free = {one: {0: "batch", 1: "length"} for one in ("input_ids", "position_ids", "logits")}
    free |= {"attention_mask": {0: "batch", 1: "whole"}} | {one: {0: "batch", 2: "past"} for one in past}
    present = [one.replace("past_key_values", "present") for one in past]
    with tracing():
        torch.onnx.export(
            WithPast(model),
            tuple(given.values()),
            folder / "model.onnx",
            input_names=list(given),
            output_names=["logits", *present],
            dynamic_axes=free | {one: {0: "batch", 2: "whole"} for one in present},
            dynamo=False,
        )
    return folder


def classifier_onnx(folder: Path, model, tokenizer, names=("input_ids", "attention_mask", "token_type_ids")) -> Path:
    """A graph of these inputs and the logits alone."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    rows = ([[2, 6, 3], [2, 3, 0]], [[1, 1, 1], [1, 1, 0]], [[0, 0, 0]] * 2)
    free = {0: "batch", 1: "length"}
    with tracing():
        torch.onnx.export(
            logits_of(model, list(names)),
            tuple(map(torch.tensor, rows[: len(names)])),
            folder / "model.onnx",
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes=dict.fromkeys(names, free) | {"logits": free},
            dynamo=False,
        )
    return folder


def plain_onnx(folder: Path, model, tokenizer) -> Path:
    """A language model that is told no positions and keeps no cache."""
    model.config._attn_implementation = "eager"
    return classifier_onnx(folder, model, tokenizer, ("input_ids", "attention_mask"))


def as_openvino(folder: Path, out: Path) -> Path:
    """The same as an IR of OpenVINO's; a language model's cache becomes a state, as optimum makes it."""
    import openvino
    from openvino._offline_transformations import apply_make_stateful_transformation

    out.mkdir()
    for path in folder.iterdir():
        if path.suffix != ".onnx":
            (out / path.name).write_bytes(path.read_bytes())
    read = openvino.Core().read_model(folder / "model.onnx")
    past = [name for one in read.inputs if (name := one.get_any_name()).startswith("past_key_values")]
    if past:
        apply_make_stateful_transformation(read, {name: name.replace("past_key_values", "present") for name in past})
        begin_with_nothing(read)
    openvino.save_model(read, out / "openvino_model.xml", compress_to_fp16=False)
    return out


def begin_with_nothing(read) -> None:
    """The state of as many rows as there are, and of no tokens."""
    from openvino import opset8

    rows = opset8.gather(opset8.shape_of(read.input("input_ids")), np.array([0]), np.array(0))
    shape = opset8.concat([rows, *(opset8.constant(np.array([size])) for size in (HEADS, 0, WIDTH))], axis=0)
    for step in read.get_ops():
        if step.get_type_name() == "ReadValue":
            step.set_arguments([opset8.broadcast(opset8.constant(np.float32(0)), shape)])
    read.validate_nodes_and_infer_types()
