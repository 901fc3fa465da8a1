"""Tiny transformers checkpoints, made in a second from a config: real classes, real tokenizers, random weights."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

WORDS = ["the", "a", "film", "movie", "was", "is", "not", "very", "good", "great", "bad", "awful", "dull", "fine"]
WORDS += ["and", "but", "plot", "acting", "story", "cat", "sleeps"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


LETTERS = sorted({letter for word in WORDS for letter in word})  # as many as there are words


def tokenizer(length: int = 64, words: list[str] = WORDS) -> PreTrainedTokenizerFast:
    """Words to numbers; with `words=LETTERS` the letters, so that misspellings differ, too."""
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    split: list[Any] = [pre_tokenizers.BertPreTokenizer()]
    if words is LETTERS:
        split.append(pre_tokenizers.Split(Regex("."), "isolated"))
    made.pre_tokenizer = pre_tokenizers.Sequence(split)
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=length, **names)


def classifier(
    seed: int = 0, labels: tuple[str, ...] | None = None, classes: int = 2, width: int = 32, layers: int = 2
):
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=64,
        num_labels=len(labels) if labels else classes,
        initializer_range=0.5,
    )
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: i for i, label in enumerate(labels)}
    return BertForSequenceClassification(config).eval()


def reader():
    """A model that answers questions by a span of a text."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    sizes |= {"max_position_embeddings": 64, "initializer_range": 0.5}
    return BertForQuestionAnswering(BertConfig(vocab_size=len(SPECIAL) + len(WORDS), **sizes)).eval()


def language_model(words: list[str] = WORDS):
    """A model that goes on with a text, for a tokenizer of these words."""
    torch.manual_seed(0)
    vocabulary = {"vocab_size": len(SPECIAL) + len(words), "bos_token_id": 2, "eos_token_id": 3}
    return GPT2LMHeadModel(GPT2Config(n_positions=64, n_embd=32, n_layer=2, n_head=2, **vocabulary)).eval()


def checkpoint(folder: Path, words: list[str] = WORDS, **settings) -> Path:
    classifier(**settings).save_pretrained(folder)
    tokenizer(words=words).save_pretrained(folder)
    return folder
