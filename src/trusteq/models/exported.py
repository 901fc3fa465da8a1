"""A model that was exported to ONNX or to OpenVINO, as optimum writes it: a graph beside its config.json and tokenizer.

ONNX Runtime or OpenVINO runs the graph, in float32 wherever it leaves the choice, so that what differs from the large
model is the export and its weights. optimum itself is not needed: its releases are tied to some of transformers'. Such
a model gives logits and nothing else; a language model's cache goes in and out as the graph has it, or as a state."""

import copy
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from trusteq.checks import first_line
from trusteq.models.converted import openvino_core, openvino_settings

GRAPHS = {".onnx": "onnxruntime", ".xml": "openvino"}  # by the engine that runs them
USUAL = ("model.onnx", "onnx/model.onnx", "openvino_model.xml")
NUMBERS = {  # as ONNX and OpenVINO call them
    "int64": np.int64, "i64": np.int64, "int32": np.int32, "i32": np.int32, "bool": np.bool_, "boolean": np.bool_,
    "float": np.float32, "f32": np.float32, "float16": np.float16, "f16": np.float16,
}  # fmt: skip
OF_TEXTS = ("input_ids", "attention_mask", "position_ids", "token_type_ids", "beam_idx")
PAST = "past_key_values"
Tensors = dict[str, np.ndarray]


def is_graph(path: str) -> bool:
    """
    >>> is_graph("int8/model_quantized.onnx"), is_graph("int8")
    (True, False)
    """
    return Path(path).suffix in GRAPHS


def graph_in(folder: Path) -> Path | None:
    """The graph of a folder that holds no weights of PyTorch's."""
    if any(folder.glob("*.safetensors")):
        return None
    return next((folder / name for name in USUAL if (folder / name).is_file()), None)


def folder_of(graph: Path) -> Path:
    """Where the graph's config.json lies: beside it, or above the folder `onnx`."""
    return graph.parent.parent if graph.parent.name == "onnx" else graph.parent


class Exported:
    """As a model of transformers is called: token ids in, an object with logits out."""

    def __init__(self, graph: Path, config: Any):
        import torch

        engine = GRAPHS[graph.suffix]
        if find_spec(engine) is None:
            raise ValueError(f"running {graph.name} needs the package {engine}: pip install {engine}")
        self.config, self.name = config, {"onnxruntime": "ONNX", "openvino": "OpenVINO"}[engine]
        self.device, self.dtype, self.stays = torch.device("cpu"), torch.float32, f"it was exported for {engine}"
        try:
            self.graph: Graph = (OnnxGraph if engine == "onnxruntime" else OpenVinoGraph)(graph)
        except Exception as error:  # a torn file, an operation that this release does not know: errors of their own
            raise ValueError(f"{engine} cannot read {graph.name}: {first_line(error)}") from error
        self.bytes = sum(path.stat().st_size for path in files_of(graph))
        if odd := [name for name in self.graph.wants if name not in OF_TEXTS and not name.startswith(PAST)]:
            raise ValueError(
                f"{graph.name} asks for {odd[0]}, which neither classifiers nor language models of texts do"
            )
        if "logits" not in self.graph.gives:
            gives = ", ".join(self.graph.gives[:3])
            raise ValueError(f"{graph.name} gives {gives} and no logits: export it for its task, as a classifier say")

    @property
    def kind(self) -> str:
        return f"an {self.name} export"

    @property
    def lacks(self) -> dict[str, str]:
        """What it cannot be asked, and why."""
        return {what: f"is {self.kind} and has no {what}" for what in ("embeddings", "gradients")}

    def get_input_embeddings(self) -> None:
        return None

    def modules(self) -> tuple[Any, ...]:
        return ()

    named_modules = parameters = modules

    def __call__(self, **given: Any) -> Any:
        return self.forward(**given)

    def forward(
        self,
        input_ids: Any,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        past_key_values: Any = None,
        use_cache: bool = False,
        output_hidden_states: bool = False,
    ) -> Any:
        import torch

        if output_hidden_states:
            raise ValueError(f"the model {self.lacks['embeddings']}")
        ids = input_ids.cpu().numpy()
        kept = 0 if past_key_values is None else past_key_values.length
        mask = np.ones((len(ids), kept + ids.shape[1]), int) if attention_mask is None else attention_mask.cpu().numpy()
        if "position_ids" not in self.graph.wants and kept == 0 and not use_cache and (mask[:, :1] == 0).any():
            return self.one_by_one(ids, mask)
        given = {"input_ids": ids, "attention_mask": mask, "beam_idx": np.arange(len(ids))}
        given["position_ids"] = (mask.cumsum(axis=1) - 1).clip(min=0)[:, -ids.shape[1] :]
        given["token_type_ids"] = np.zeros_like(ids) if token_type_ids is None else token_type_ids.cpu().numpy()
        given = {
            name: value.astype(self.graph.wants[name]) for name, value in given.items() if name in self.graph.wants
        }
        logits, found = self.graph.run(given, None if past_key_values is None else past_key_values.tensors, use_cache)
        more = {"past_key_values": Kept(found, mask.shape[1])} if found else {}
        return SimpleNamespace(logits=torch.from_numpy(np.asarray(logits, dtype=np.float32)), **more)

    def one_by_one(self, ids: np.ndarray, mask: np.ndarray) -> Any:
        """Rows padded on the left, of a graph that counts the places of tokens itself: each without its padding."""
        import torch

        found = None
        for i, (row, own) in enumerate(zip(ids, mask, strict=True)):
            logits = self(input_ids=torch.from_numpy(row[own == 1][None])).logits[0]
            found = torch.zeros(*ids.shape, logits.shape[-1]) if found is None else found
            found[i, -len(logits) :] = logits
        return SimpleNamespace(logits=found)


class Kept:
    """A cache, which is handed back as it came; never changed."""

    def __init__(self, tensors: Tensors, length: int):
        self.tensors, self.length = tensors, length

    def __deepcopy__(self, memo: Any) -> "Kept":
        return copy.copy(self)


class Graph:
    """`wants` are its inputs with their numbers, `gives` its outputs. What it keeps goes out as `present...`, and comes
    in again as `past_key_values...`, of which `shapes` are the sizes."""

    wants: dict[str, Any]
    gives: list[str]
    shapes: dict[str, list[Any]]

    def run(self, given: Tensors, kept: Tensors | None, keep: bool) -> tuple[np.ndarray, Tensors]:
        """The logits, and what is kept of the tokens if it is to be."""
        nothing = {name: self.nothing(name, len(given["input_ids"])) for name in self.shapes} if kept is None else kept
        wanted = [name for name in self.gives if name.startswith("present") and keep]
        logits, *found = self.values(given | nothing, ["logits", *wanted])
        return logits, {name.replace("present", PAST, 1): value for name, value in zip(wanted, found, strict=True)}

    def nothing(self, name: str, rows: int) -> np.ndarray:
        """The cache of no tokens: of the sizes that are not fixed, the first is the rows, and others are tokens."""
        _, *others = self.shapes[name]
        return np.zeros([rows, *(size if isinstance(size, int) else 0 for size in others)], self.wants[name])

    def values(self, given: Tensors, wanted: list[str]) -> list[np.ndarray]:
        raise NotImplementedError


class OnnxGraph(Graph):
    def __init__(self, place: Path):
        import onnxruntime
        import torch

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.log_severity_level = torch.get_num_threads(), 3
        self.session = onnxruntime.InferenceSession(str(place), settings, providers=["CPUExecutionProvider"])
        inputs = self.session.get_inputs()
        self.wants = {one.name: number(one.type.removeprefix("tensor(").removesuffix(")")) for one in inputs}
        self.shapes = {one.name: one.shape for one in inputs if one.name.startswith(PAST)}
        self.gives = [one.name for one in self.session.get_outputs()]

    def values(self, given: Tensors, wanted: list[str]) -> list[np.ndarray]:
        return self.session.run(wanted, given)


class OpenVinoGraph(Graph):
    def __init__(self, place: Path):
        core = openvino_core()
        read = core.read_model(place)
        self.wants = {one.get_any_name(): number(one.get_element_type().get_type_name()) for one in read.inputs}
        sizes = {one.get_any_name(): one.get_partial_shape() for one in read.inputs}
        self.shapes = {
            name: [None if size.is_dynamic else size.get_length() for size in shape]
            for name, shape in sizes.items()
            if name.startswith(PAST)
        }
        self.gives = [one.get_any_name() for one in read.outputs]
        self.stateful = any(step.get_type_name() == "ReadValue" for step in read.get_ops())
        whole = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, **({"KV_CACHE_PRECISION": "f32"} if self.stateful else {})}
        self.request = core.compile_model(read, "CPU", openvino_settings() | whole).create_infer_request()

    def run(self, given: Tensors, kept: Tensors | None, keep: bool) -> tuple[np.ndarray, Tensors]:
        """As every graph; what is kept may also be a state."""
        if not self.stateful:
            return super().run(given, kept, keep)
        import openvino

        self.request.reset_state()
        if kept is not None:
            for state in self.request.query_state():
                state.state = openvino.Tensor(kept[state.name])
        (logits,) = self.values(given, ["logits"])
        return logits, {one.name: np.array(one.state.data) for one in self.request.query_state()} if keep else {}

    def values(self, given: Tensors, wanted: list[str]) -> list[np.ndarray]:
        self.request.infer(given)
        return [np.array(self.request.get_tensor(name).data) for name in wanted]


def number(name: str) -> Any:
    if name not in NUMBERS:
        raise ValueError(f"it reads numbers of the type {name}, which are not known here")
    return NUMBERS[name]


def files_of(graph: Path) -> list[Path]:
    """The graph and its weights, which lie beside it."""
    beside = {".onnx": (".onnx_data", ".onnx.data"), ".xml": (".bin",)}[graph.suffix]
    others = [graph.with_name(graph.stem + end) for end in beside]
    return [graph, *(path for path in others if path.is_file())]
