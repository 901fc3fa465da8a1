"""Tiny transformers checkpoints, made in a second from a config: real classes, real tokenizers, random weights."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

WORDS = ["the", "a", "film", "movie", "was", "is", "not", "very", "good", "great", "bad", "awful", "dull", "fine"]
WORDS += ["and", "but", "plot", "acting", "story", "cat", "sleeps"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokenizer(length: int = 64, words: list[str] = WORDS) -> PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
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


def checkpoint(folder: Path, **settings) -> Path:
    classifier(**settings).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder
