"""A classifier as another engine runs it: OpenVINO, or ONNX Runtime. Token ids in, logits out, in float32."""

import inspect
import io
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

Converted = Callable[[dict[str, Any]], Any]  # named tensors in, the logits out
SHAPES = 64  # of batches, whose plans OpenVINO keeps: they come in order of their length, and few come back


def by_openvino(model: Any, example: dict[str, Any]) -> Converted:
    import torch

    core = openvino_core()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # As openvino.convert_model does, which beside it sets the root logger and heeds this program's command line.
    given, names = tuple(example.values()), list(example)
    with tracing():
        traced = TorchScriptPythonDecoder(
            logits_of(model, names), example_input=given, trace_kwargs={"check_trace": False}
        )
        reader = FrontEndManager().load_by_framework("pytorch")
        graph = reader.convert(reader.load(traced))
    keep_first_tokens(graph)
    request, turn = core.compile_model(graph, "CPU", openvino_settings()).create_infer_request(), threading.Lock()

    def answer(tensors: dict[str, Any]) -> Any:
        with turn:
            found = request.infer([tensors[name].numpy() for name in names], share_inputs=True)
            return torch.from_numpy(found[0])

    return answer


def openvino_settings() -> dict[str, Any]:
    import torch

    return {
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16, where the processor has it
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # several processes would be pinned to one core
        "CPU_RUNTIME_CACHE_CAPACITY": SHAPES,
    }


@cache
def openvino_core() -> Any:
    """OpenVINO with its plugin for CPUs, loaded in a thread that ends with it.

    On processors with AMX the plugin gives the thread that loads it a new stack for signals and takes it away when the
    last model is dropped, in whatever thread that is: in ours, the next Ctrl-C or alarm would end the process.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it would report us to its maker
    import openvino

    def load() -> Any:
        core = openvino.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")
        return core

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(load).result()


def by_onnxruntime(model: Any, example: dict[str, Any]) -> Converted:
    import onnxruntime
    import torch

    file, given, names, free = io.BytesIO(), tuple(example.values()), list(example), {0: "batch", 1: "length"}
    with tracing():
        torch.onnx.export(
            logits_of(model, names),
            given,
            file,  # type: ignore[arg-type]  # what writes by `dynamo=False` takes it
            input_names=names,
            output_names=["logits"],
            dynamic_axes=dict.fromkeys(names, free) | {"logits": {0: "batch"}},
            dynamo=False,  # the other way needs a package more and takes several times as long
        )
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file.getvalue(), settings, providers=["CPUExecutionProvider"])

    def answer(tensors: dict[str, Any]) -> Any:
        (found,) = session.run(["logits"], {name: tensor.numpy() for name, tensor in tensors.items()})
        return torch.from_numpy(found)

    return answer


CONVERTERS = {"openvino": by_openvino, "onnxruntime": by_onnxruntime}


def logits_of(model: Any, names: list[str]) -> Any:
    """The model as a function of tensors in this order, with its logits and nothing else as its value."""
    import torch

    alone = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *given: Any) -> Any:
            return self.model(**dict(zip(names, given, strict=True)), **alone).logits

    return Logits().eval()


@contextmanager
def tracing() -> Iterator[None]:
    """Both read what a trace of the model did with an example; what traces warn of is looked at by who asks us."""
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# Most classifiers look at the first token alone: the others' way through the last layer need not be computed.

ELEMENTWISE = {"Add", "Convert", "Divide", "Erf", "Gelu", "HSwish", "Multiply", "Power", "Relu", "Sigmoid", "Sqrt",
               "Subtract", "Swish", "Tanh"}  # fmt: skip


def keep_first_tokens(graph: Any) -> None:
    """Takes the first token as early as possible, where a model of OpenVINO takes it at its end.

    From there backwards, every step whose result nothing else reads and that treats each token by itself is given the
    first token alone: of a transformer's last layer all that follows its attention.
    """
    from openvino import opset8, passes

    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(graph)
    steps, first = graph.get_ordered_ops(), set[str]()
    for step in reversed(steps):
        readers = {reader.get_node().get_name() for out in step.outputs() for reader in out.get_target_inputs()}
        if takes_first_token(step) or (readers and readers <= first and treats_tokens_alone(step)):
            first.add(step.get_name())
    zero, one = np.array([0]), np.array([1])
    for step in steps:
        for given in step.inputs() if step.get_name() in first else []:
            source = given.get_source_output()
            if of_tokens(source) and source.get_node().get_name() not in first:
                given.replace_source_output(opset8.slice(source, zero, one, one, one).output(0))
    graph.validate_nodes_and_infer_types()


def of_tokens(output: Any) -> bool:
    """Whether this has the shape (batch, length, width)."""
    shape = output.get_partial_shape()
    return shape.rank.is_static and len(shape) == 3 and shape[1].is_dynamic


def takes_first_token(step: Any) -> bool:
    return step.get_type_name() == "Gather" and of_tokens(step.input_value(0)) and constants(step) == [[0], [1]]


def treats_tokens_alone(step: Any) -> bool:
    kind, given = step.get_type_name(), step.input_values()
    if not of_tokens(step.output(0)):
        return False
    if kind == "MatMul":
        return len(given[1].get_partial_shape()) == 2 and not step.get_attributes()["transpose_a"]
    if kind == "MVN":
        return constants(step) in ([[-1]], [[2]])
    if kind == "Slice":
        return of_tokens(given[0]) and constants(step)[-1] == [0]  # of the batch
    return kind in ELEMENTWISE and all(of_tokens(one) or is_same_for_all_tokens(one) for one in given)


def is_same_for_all_tokens(output: Any) -> bool:
    shape = output.get_partial_shape()
    return shape.rank.is_static and len(shape) <= 3 and (len(shape) < 2 or shape[-2] == 1)


def constants(step: Any) -> list[Any]:
    """The values of a step's inputs beyond the first; None where they are not known before it runs."""
    nodes = [value.get_node() for value in step.input_values()[1:]]
    return [node.data.reshape(-1).tolist() if node.get_type_name() == "Constant" else None for node in nodes]
