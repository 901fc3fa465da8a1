"""What does training begin with? A checkpoint, or a new small model of its kind, whole or with fewer word pieces."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from trusteq.compress.vocabulary import trim
from trusteq.models.checkpoints import looks_local, why_not, with_weights, without_chatter

SAFE = {"trust_remote_code": False}  # no checkpoint runs code of its own, and nobody is asked whether it may


def starting_model(
    source: str,
    classes: Sequence[str],
    texts: list[str],
    vocabulary: int | None = None,
    max_length: int | None = None,
    layers: int | None = None,
    new: dict[str, int | None] | None = None,
    reuse_embeddings: bool = False,
) -> tuple[Any, Any]:
    """The model as it is before the first step, and its tokenizer.

    `vocabulary`: keep so many word pieces, those that `texts` use most. `layers`: keep so many, from the first on.
    `new`: make a new model of the kind of `source`, of this `width` and these `heads` (None: as `source` has), that
    reads `max_length` tokens; `reuse_embeddings`: its word embeddings begin as those of `source`, cut to its width.
    """
    source = checkpoint(source)
    with opening(source):
        config, tokenizer = configured(source, classes), AutoTokenizer.from_pretrained(source, **SAFE)
    if tokenizer.pad_token_id is None:
        raise ValueError(f"the tokenizer of {source} has no padding token, which texts of several lengths need")
    rows = None
    if vocabulary is not None:
        tokenizer, rows = trim(tokenizer, texts, vocabulary)
    if new is None:
        if layers is not None and layers > config.num_hidden_layers:
            raise ValueError(f"`layers` {layers} is more than the {config.num_hidden_layers} of {source}")
        config.num_hidden_layers = layers or config.num_hidden_layers
        model = pretrained(source, config)
        if rows is not None:
            set_embeddings(model, model.get_input_embeddings().weight.data[rows], tokenizer)
        return model, tokenizer
    if config.max_position_embeddings == tokenizer.model_max_length:  # not where some positions are set aside
        config.max_position_embeddings = tokenizer.model_max_length = max_length or tokenizer.model_max_length
    shape(config, layers, **new)
    config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    if reuse_embeddings:
        table = pretrained(source, configured(source, classes)).get_input_embeddings().weight.data
        set_embeddings(model, narrowed(table if rows is None else table[rows], config.hidden_size), tokenizer)
    return model, tokenizer


def checkpoint(path: str) -> str:
    """A folder that is there, or a Hub id; a mistyped folder is not looked for on the Hub."""
    if Path(os.path.expanduser(path)).is_dir():
        return str(Path(os.path.expanduser(path)))
    if looks_local(path):
        raise ValueError(f"there is no folder {path}")
    return path


def configured(source: str, classes: Sequence[str]) -> Any:
    """The checkpoint's settings, with these classes; its own names stand where the new ones are mere numbers."""
    config = AutoConfig.from_pretrained(source, **SAFE)
    numbered = all(name.startswith("LABEL_") for name in classes)
    if not (numbered and config.num_labels == len(classes)):
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: i for i, name in enumerate(classes)}
    return config


def pretrained(source: str, config: Any) -> Any:
    """In float32, since training in half precision loses small steps; a head for other classes is begun anew."""
    with opening(source):
        return with_weights(
            AutoModelForSequenceClassification, source, new_head=True, config=config, dtype=torch.float32, **SAFE
        )


@contextmanager
def opening(source: str) -> Iterator[None]:
    """Each library has errors of its own for a checkpoint that is none; here they become one sentence."""
    try:
        with without_chatter():
            yield
    except Exception as error:
        raise ValueError(f"{source} is no checkpoint that could be loaded: {why_not(source, error)}") from error


def shape(config: Any, layers: int | None, width: int | None, heads: int | None) -> None:
    """The size of the model, under the names that its kind has for it."""
    config.num_hidden_layers = layers or config.num_hidden_layers
    config.num_attention_heads = heads or config.num_attention_heads
    if width:
        config.hidden_size = width
        inner = next((name for name in ("intermediate_size", "hidden_dim") if hasattr(config, name)), None)
        if inner is None:
            raise ValueError(f"a {config.model_type} model has no inner width that this script knows how to set")
        setattr(config, inner, 4 * width)
    if config.hidden_size % config.num_attention_heads:
        raise ValueError(f"`width` {config.hidden_size} cannot be divided among `heads` {config.num_attention_heads}")


def narrowed(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Word embeddings in fewer dimensions: those in which they differ most.

    >>> narrowed(torch.tensor([[3.0, 0.0], [4.0, 0.0]]), 1).abs().tolist()
    [[3.0], [4.0]]
    >>> narrowed(torch.ones(1, 3), 2).shape  # fewer pieces than dimensions
    torch.Size([1, 2])
    """
    if width > rows.shape[1]:
        raise ValueError(f"`reuse_embeddings`: `width` {width} is more than the {rows.shape[1]} of `model`")
    return rows @ torch.linalg.svd(rows, full_matrices=len(rows) < width).Vh[:width].T


def set_embeddings(model: Any, rows: torch.Tensor, tokenizer: Any) -> None:
    table = torch.nn.Embedding(len(rows), rows.shape[1], padding_idx=tokenizer.pad_token_id)
    table.weight.data.copy_(rows)
    model.set_input_embeddings(table)
    model.config.vocab_size, model.config.pad_token_id = len(rows), tokenizer.pad_token_id
