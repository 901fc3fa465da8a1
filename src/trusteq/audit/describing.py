"""What is each model, for somebody who has only the report? How it was made, how large it lies on disk, what runs it.

Facts alone, and only those that are known: of a function hardly any, of a checkpoint on disk most."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

from trusteq.models.classifiers import ModelPredictor
from trusteq.models.predictor import Predictor
from trusteq.wording import place_name

FACTS = ("architecture", "runs_as", "stored_as", "vocabulary", "labels", "disk_megabytes", "files", "made")
HELD, SCALED = "held to it in ", " with its confidence scaled"  # how a model was made, for whoever looks for it
WEIGHTS = (".safetensors", ".gguf", ".onnx", ".bin")


def facts_of(predictor: Predictor) -> dict[str, Any]:
    """What an opened model says of itself."""
    found: dict[str, Any] = {"runs_as": predictor.kind.removeprefix("an ").removeprefix("a ")}
    if predictor.names is not None:
        found["labels"] = list(predictor.names)
    if isinstance(predictor, ModelPredictor):
        config = predictor.model.config
        kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in predictor.model.parameters()}
        found["architecture"] = shape_of(type(predictor.model).__name__, config.to_dict())
        if kinds:  # an export has no weights to look at
            found["runs_as"] = f"transformers, {' and '.join(sorted(kinds))}"
        if hasattr(predictor.tokenizer, "get_vocab"):
            found["vocabulary"] = len(predictor.tokenizer.get_vocab())
    return found


def size_of(model: Any) -> dict[str, Any]:
    """How many numbers a network has, tied ones once, and what they take in memory."""
    tensors = {tensor.data_ptr(): tensor for tensor in model.parameters()}.values()
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return {"parameters": sum(tensor.numel() for tensor in tensors), "megabytes": round(size / 1e6, 3)}


def shape_of(kind: str, config: dict[str, Any]) -> str:
    """
    >>> shape_of("BertForSequenceClassification", {"num_hidden_layers": 2, "hidden_size": 128})
    'BertForSequenceClassification, 2 layers of 128'
    >>> shape_of("T5Model", {})
    'T5Model'
    """
    layers = next((config[key] for key in ("num_hidden_layers", "n_layers", "n_layer") if config.get(key)), None)
    width = next((config[key] for key in ("hidden_size", "dim", "n_embd") if config.get(key)), None)
    return f"{kind}, {layers} layer{'s' * (layers != 1)} of {width}" if layers and width else kind


def of_checkpoint(place: str, files: dict[str, str]) -> dict[str, Any]:
    """What its files say: how large its weights lie there, in what numbers, and how it was made."""
    folder = Path(os.path.expanduser(place))
    sizes = [path_in(folder, name).stat().st_size for name in files if name.endswith(WEIGHTS)]
    found: dict[str, Any] = {"files": files, "disk_megabytes": round(sum(sizes) / 1e6, 3)} if sizes else {}
    config = as_json(folder / "config.json")
    kind = config.get("dtype") or config.get("torch_dtype")
    found |= {"stored_as": kind} if isinstance(kind, str) else {}
    if made := how_made(config, as_json(folder / "training.json"), as_json(folder / "repair.json")):
        found["made"] = made
    return found


def path_in(folder: Path, name: str) -> Path:
    return folder if folder.is_file() else folder / name


def how_made(config: dict[str, Any], training: dict[str, Any], repair: dict[str, Any]) -> str:
    """As far as the checkpoint has it written down.

    >>> taught = {"command": "trusteq finetune --model l --teacher big/large --keep errors reasons --seed 4"}
    >>> how_made({}, taught, {}), how_made({}, {"command": "trusteq finetune --model l --seed 4"}, {})
    ('distilled from large, held to it in errors, reasons', 'trained on labels')
    >>> how_made({"quantization_config": {"quant_method": "torchao"}}, {}, {}), how_made({}, {}, {})
    ('quantized (torchao)', '')
    >>> how_made({}, {}, {"command": "trusteq repair distilled --like large", "scaling": {"method": "temperature"}})
    'distilled with its confidence scaled (temperature)'
    """
    said = []
    if command := words_of(training.get("command")):
        said.append("trained on labels")
        if teacher := after(command, "--teacher"):
            kept = after(command, "--keep")
            said = [f"distilled from {place_name(teacher[0]).rpartition('/')[2]}"]
            said += [f"{HELD}{', '.join(kept)}"] * bool(kept)
    scaling, numbers = repair.get("scaling"), config.get("quantization_config")
    if isinstance(scaling, dict):
        before = [place_name(word).rpartition("/")[2] for word in words_of(repair.get("command"))[2:3]]
        said.append(f"{''.join(before)}{SCALED} ({scaling.get('method')})".removeprefix(" with "))
    if isinstance(numbers, dict):
        said.append(f"quantized ({numbers.get('quant_method')})")
    return ", ".join(said)


def words_of(command: Any) -> list[str]:
    try:
        return shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return []


def after(words: list[str], flag: str) -> list[str]:
    """
    >>> after(["--keep", "errors", "reasons", "--seed", "4"], "--keep"), after(["--seed"], "--keep")
    (['errors', 'reasons'], [])
    """
    rest = words[words.index(flag) + 1 :] if flag in words else []
    end = next((i for i, word in enumerate(rest) if word.startswith("--")), len(rest))
    return rest[:end]


def as_json(path: Path) -> dict[str, Any]:
    """Notes that anybody may have written: what cannot be read says nothing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
