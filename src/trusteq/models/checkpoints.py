"""From a folder, a Hub id, a pipeline or (model, tokenizer) to a network: safetensors alone, and no code of its own."""

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

from trusteq.checks import brief, first_line
from trusteq.models.exported import Exported, folder_of, graph_in, is_graph
from trusteq.models.llama_cpp import by_llama_cpp


def open_network(
    model: Any, name: str, device: Any, dtype: Any, trust_remote_code: bool, task: str = "SequenceClassification"
) -> tuple[Any, Any] | None:
    """A transformers model and its tokenizer from (model, tokenizer), a pipeline or a checkpoint; None for another."""
    if isinstance(model, str | os.PathLike):
        return load_checkpoint(os.fspath(model), name, device, dtype, trust_remote_code, task)
    if isinstance(model, tuple | list):
        if len(model) != 2 or not callable(getattr(model[0], "forward", None)) or not callable(model[1]):
            raise ValueError(f"{name} needs (model, tokenizer) when it is a tuple")
        return placed(model[0], model[1], name, device, dtype), model[1]
    if callable(getattr(getattr(model, "model", None), "forward", None)) and getattr(model, "tokenizer", None):
        return placed(model.model, model.tokenizer, name, device, dtype), model.tokenizer  # a pipeline
    if callable(getattr(model, "forward", None)):
        raise ValueError(f"{name} is a model without its tokenizer: give the tuple (model, tokenizer)")
    return None


def placed(model: Any, reader: Any, name: str, device: Any, dtype: Any, reads: str = "tokenizer") -> Any:
    """A model that the user handed over: never changed, so that another device or dtype is for a copy of it."""
    known = hasattr(reader, "pad_token_id") == (reads == "tokenizer")
    if not hasattr(model, "config") or not hasattr(model, "device") or not known:
        kinds = f"{type(model).__name__} and {type(reader).__name__}"
        raise ValueError(f"{name} needs a transformers model with its {reads}, got {kinds}")
    device = model.device if device is None else as_device(device)
    dtype = model.dtype if dtype is None else as_dtype(dtype)
    if (device, dtype) == (model.device, model.dtype):
        return model
    return copy.deepcopy(model).to(device=device, dtype=dtype)


HEADS = {  # how the names of architectures end that have what a task needs
    "SequenceClassification": ("ForSequenceClassification",),
    "ImageClassification": ("ForImageClassification",),
    "CausalLM": ("ForCausalLM", "LMHeadModel"),
    "MaskedLM": ("ForMaskedLM", "ForPreTraining"),
    "QuestionAnswering": ("ForQuestionAnswering", "ForQuestionAnsweringSimple"),
}


TOKENIZERS = ("tokenizer", "vocab", "merges", "spiece", "sentencepiece")  # how the names of their files begin
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def load_checkpoint(
    path: str, name: str, device: Any, dtype: Any, trust_remote_code: bool, task: str
) -> tuple[Any, Any]:
    """A checkpoint from disk or from the Hub, with its tokenizer, or for images its image processor.

    Safetensors only, and no code of its own unless that is asked for. One without a head for classification is loaded
    as an encoder, which has embeddings; another task needs its head. A GGUF file is a language model with its
    tokenizer; its weights become ordinary numbers. A folder without safetensors, but with a graph of ONNX or OpenVINO,
    or such a graph in it by its own name, is run by their engines (exported.py).
    """
    if is_served(path):
        raise ValueError(f"{name} is asked over HTTP, and this needs the model itself: give a folder or a GGUF file")
    place = Path(os.path.expanduser(path))  # of nobody's home it says nothing, and there is no such folder
    if is_gguf(path):
        return load_gguf(place, name, device, dtype, task)
    if graph := place if is_graph(path) else graph_in(place):
        return load_graph(graph, name, device, dtype, trust_remote_code, task)
    if looks_local(path) and not place.is_dir():
        raise ValueError(f"{name}: there is no folder {brief(path)[1:-1]}")
    import torch
    import transformers

    where = as_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    source = os.path.expanduser(path) if looks_local(path) or Path(path).is_dir() else path
    remote = {"trust_remote_code": trust_remote_code}
    wanted = "auto" if dtype is None else as_dtype(dtype)
    try:
        with without_chatter():
            config = transformers.AutoConfig.from_pretrained(source, **remote)
            has_head = any(kind.endswith(HEADS[task]) for kind in config.architectures or [])
            if not has_head and task != "SequenceClassification":
                raise ValueError(
                    f"its architectures are {config.architectures}, expected one that ends in {HEADS[task]}"
                )
            auto = getattr(transformers, f"AutoModelFor{task}" if has_head else "AutoModel")
            if dtype is None and where.type == "cpu" and getattr(config, "dtype", None) in (torch.float16, "float16"):
                wanted = torch.float32  # a processor computes float16 by way of float32, and slower
            model = with_weights(auto, source, dtype=wanted, **remote)
            reader = transformers.AutoImageProcessor if task == "ImageClassification" else transformers.AutoTokenizer
            read = reader.from_pretrained(source, **remote)
    except Exception as error:  # torn weights, wrong sizes, a missing package: each library has errors of its own
        what = f"{name}: {brief(path)[1:-1]} is no checkpoint with safetensors that could be loaded"
        raise ValueError(f"{what}: {why_not(source, error, task)}") from error
    return model.to(where), read


def is_gguf(path: str) -> bool:
    return path.lower().endswith(".gguf")


def is_served(place: Any) -> bool:
    """Whether it is asked over HTTP: at an address, or a GGUF file that llama.cpp's server is started for.

    >>> is_served("http://localhost:8000/v1#small"), is_served("llama.cpp:q4.gguf"), is_served("owner/name")
    (True, True, False)
    """
    return isinstance(place, str) and (by_llama_cpp(place) or place.lower().startswith(("http://", "https://")))


def load_gguf(path: Path, name: str, device: Any, dtype: Any, task: str) -> tuple[Any, Any]:
    """A language model from a GGUF file, which is data and no code."""
    if not path.is_file():
        raise ValueError(f"{name}: there is no file {path}")
    if task != "CausalLM":
        raise ValueError(f"{name}: {path.name} is a language model: give a prompt and verbalizers, or another model")
    if util.find_spec("gguf") is None:
        raise ValueError(f"{name}: reading {path.name} needs the package gguf: pip install gguf")
    import torch
    import transformers

    where = as_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    wanted = torch.float32 if dtype is None else as_dtype(dtype)
    try:
        with without_chatter(), read_once():
            inside: dict[str, Any] = {"gguf_file": path.name, "trust_remote_code": False}
            model = with_weights(transformers.AutoModelForCausalLM, path.parent, dtype=wanted, **inside)
            read = transformers.AutoTokenizer.from_pretrained(path.parent, **inside)
            as_ordinary(model)
    except Exception as error:  # an unknown architecture, a torn file: each has errors of its own
        raise ValueError(f"{name}: {path.name} could not be read: {first_line(error)}") from error
    return model.to(where), read


@contextmanager
def read_once() -> Iterator[None]:
    """transformers reads all that stands in front of a GGUF file's weights three times, for the settings, the weights
    and the tokenizer, and lists the names that weights may have anew for every layer: most of the time that opening
    takes. It asks gguf for both, which gives it here what it gave before."""
    import gguf

    given = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, make in given.items():
        setattr(gguf, name, cache(make))
    try:
        yield
    finally:
        for name, make in given.items():
            setattr(gguf, name, make)


def load_graph(graph: Path, name: str, device: Any, dtype: Any, trust_remote_code: bool, task: str) -> tuple[Any, Any]:
    """A classifier or a language model that was exported to ONNX or OpenVINO, with the tokenizer beside it."""
    if not graph.is_file():
        raise ValueError(f"{name}: there is no file {graph}")
    if dtype is not None or as_device(device or "cpu").type != "cpu":
        raise ValueError(
            f"{name}: {graph.name} is run on the processor, in its own numbers: leave out device and dtype"
        )
    import transformers

    folder, remote = folder_of(graph), {"trust_remote_code": trust_remote_code}
    if not any(path.name.startswith(TOKENIZERS) for path in folder.iterdir()):
        how = "copy the large model's tokenizer.json and tokenizer_config.json there"
        raise ValueError(f"{name}: {graph} has no tokenizer beside it: {how}")
    try:
        with without_chatter():
            config = transformers.AutoConfig.from_pretrained(folder, **remote)
            kinds = config.architectures or []
            if task != "SequenceClassification" and not any(kind.endswith(HEADS[task]) for kind in kinds):
                raise ValueError(f"its architectures are {kinds}, expected one that ends in {HEADS[task]}")
            return Exported(graph, config), transformers.AutoTokenizer.from_pretrained(folder, **remote)
    except Exception as error:  # no config.json, a torn graph: each library has errors of its own
        raise ValueError(f"{name}: {graph} could not be opened: {first_line(error)}") from error


def as_ordinary(model: Any) -> None:
    """Its weights are ordinary numbers by now, which it says itself: or else it could not be saved."""
    model.hf_quantizer = None
    for owner, name in ((model, "is_quantized"), (model, "quantization_method"), (model.config, "quantization_config")):
        if hasattr(owner, name):
            delattr(owner, name)


def with_weights(auto: Any, source: Any, new_head: bool = False, **settings: Any) -> Any:
    """The model with its weights from the checkpoint, all of them: transformers makes up at random what is missing.

    With `new_head` the head may be begun anew, as for training. What the checkpoint holds beyond the model is noted on
    it as `unread`.
    """
    how = {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True, **settings}
    model, told = auto.from_pretrained(source, **how)
    body = f"{model.base_model_prefix}."
    bare = not hasattr(model, model.base_model_prefix)

    def of_head(name: str) -> bool:  # of a bare encoder nothing is, but what is made for a head nobody asks for
        return "pooler" in name.split(".") or not (bare or name.startswith(body))

    def needed(name: str) -> bool:
        return not ((bare or new_head) and of_head(name))

    misshapen = sorted((name, *map(list, shapes)) for name, *shapes in told["mismatched_keys"] if needed(name))
    missing, model.unread = sorted(filter(needed, told["missing_keys"])), sorted(told["unexpected_keys"])
    if misshapen:
        name, found, wanted = misshapen[0]
        shapes = f"{name} has the shape {found} where config.json asks for {wanted}{and_others(misshapen)}"
        raise ValueError(f"{shapes}: its weights and its config.json are of different models")
    if missing:
        why = ""
        if all(map(of_head, missing)):
            why = "; this is its head, which was never trained, or not saved: train it first"
        if any("_orig_mod." in name for name in model.unread):
            why = "; its names hold _orig_mod., as torch.compile saves them: save model._orig_mod instead of model"
        raise ValueError(f"its weights lack {missing[0]}{and_others(missing)}{why}")
    return model


def and_others(names: Sequence[Any]) -> str:
    """
    >>> and_others(["a"]), and_others(["a", "b"]), and_others(["a", "b", "c"])
    ('', ' and 1 other', ' and 2 others')
    """
    more = len(names) - 1
    return f" and {more} other{'s' * (more > 1)}" if more else ""


@contextmanager
def without_chatter() -> Iterator[None]:
    """transformers without its bars and reports: what is wrong is an error, and that is ours to say."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(level if level < logging.WARNING else max(level, logging.ERROR))
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def why_not(source: str, error: Exception, task: str = "SequenceClassification") -> str:
    """Why a checkpoint could not be loaded, in a line; of one that is pickled, how to convert it."""
    folder, refused = Path(source), "which may run code of their maker's and are refused"
    files = {path.name: path.suffix for path in folder.iterdir()} if folder.is_dir() else {}
    pickled = sorted(name for name, kind in files.items() if kind in PICKLED)
    if pickled and ".safetensors" not in files.values():
        convert = f"from transformers import AutoModelFor{task} as M; M.from_pretrained('.').save_pretrained('.')"
        advice = f'if you trust their maker, convert them: cd {folder} && python -c "{convert}"'
        return f"its weights are pickles ({pickled[0]}), {refused}; {advice}"
    reason = first_line(error)
    if not folder.is_dir() and "use_safetensors" in reason:
        page = "https://huggingface.co/spaces/safetensors/convert converts them"
        return f"it has no weights in safetensors but pickles, {refused}; {page}"
    return reason


def looks_local(path: str) -> bool:
    """A path of this machine, as a Hub id (`name` or `owner/name`) never looks.

    >>> [looks_local(path) for path in ("./small", "/models/small", "runs/a/b", "owner/name", "bert-base-uncased")]
    [True, True, True, False, False]
    """
    return path.startswith((".", "/", "~", os.sep)) or path.count("/") > 1 or "\\" in path


def as_dtype(dtype: Any) -> Any:
    import torch

    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype):
        raise ValueError(f"dtype must name a torch type such as 'float16', got {brief(dtype)}")
    return found


def as_device(device: Any) -> Any:
    """The device by its full name, if this machine has it."""
    import torch

    try:
        return torch.empty(0, device=device).device
    except Exception as error:  # each kind of device has errors of its own
        raise ValueError(
            f"device must be one that this machine has, got {brief(device)} ({first_line(error)})"
        ) from None
