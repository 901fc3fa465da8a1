"""Tiny decoder-only language models of four kinds, with a tokenizer of words."""

import tiny_models
import torch
import transformers

WORDS = [*tiny_models.WORDS, "Review", ":", "Verdict", "Premise", "Claim", "true", "thumbs", "up", "down"]
KINDS = {
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),  # looks back no further than a window
    "bloom": (transformers.BloomConfig, transformers.BloomForCausalLM),  # is told no positions
}


def tokenizer(length=64, words=WORDS):
    """Its post-processor adds [CLS] in front and [SEP] behind, as a tokenizer that marks the end of every text does."""
    return tiny_models.tokenizer(length, words=words)


def network(kind="gpt2", seed=0, width=32, spread=0.2, positions=64, words=WORDS, deep=2):
    torch.manual_seed(seed)
    config, model = KINDS[kind]
    layers, heads = ("n_layer", "n_head") if kind == "bloom" else ("num_hidden_layers", "num_attention_heads")
    sizes = {layers: deep, heads: 2, "intermediate_size": 2 * width}
    sizes |= {"max_position_embeddings": positions, "hidden_size": width, "initializer_range": spread}
    sizes |= {"num_key_value_heads": 2, "sliding_window": 8} if kind == "mistral" else {}
    sizes |= {"bos_token_id": 2, "eos_token_id": 3}
    return model(config(vocab_size=len(tiny_models.SPECIAL) + len(words), **sizes)).eval()
