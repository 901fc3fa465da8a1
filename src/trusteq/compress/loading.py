"""Which models can be made smaller? Trained classifiers, and causal language models, also from GGUF files."""

from pathlib import Path
from typing import Any

import transformers

from trusteq.compress.starting_model import SAFE, checkpoint, opening
from trusteq.models.checkpoints import HEADS, is_gguf, load_gguf, with_weights


def place_of(model: str) -> str:
    """The checkpoint's folder or Hub id, or a GGUF file, which is there."""
    return model if is_gguf(model) else checkpoint(model)


def task_of(source: str) -> str:
    if is_gguf(source):
        return "CausalLM"
    kinds = transformers.AutoConfig.from_pretrained(source, **SAFE).architectures or []
    return "CausalLM" if any(kind.endswith(HEADS["CausalLM"]) for kind in kinds) else "SequenceClassification"


def load(path: str | Path, **more: Any) -> Any:
    """A trained model in evaluation, in the precision that it was saved in."""
    source = str(path)
    if is_gguf(source):
        return load_gguf(Path(source), "the model", "cpu", None, "CausalLM")[0].eval()
    with opening(source):
        auto = getattr(transformers, f"AutoModelFor{task_of(source)}")
        return with_weights(auto, path, dtype="auto", **more, **SAFE).eval()


def tokenizer_of(source: str) -> Any:
    if is_gguf(source):
        path = Path(source).expanduser()
        return transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, **SAFE)
    return transformers.AutoTokenizer.from_pretrained(source, **SAFE)
