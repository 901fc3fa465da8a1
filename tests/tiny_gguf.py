"""Tiny language models as GGUF files: of the architecture llama, with a tokenizer of bytes, in any of GGUF's types."""

from pathlib import Path

import gguf
import numpy as np

WIDTH, INNER, LAYERS, HEADS, POSITIONS = 32, 64, 2, 2, 256


def byte_letters() -> list[str]:
    """A letter for each byte, as byte-level tokenizers write them."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(others)) for byte in range(256)]


def tiny_gguf(path: Path, kind: str = "F32", seed: int = 0, architecture: str = "llama") -> Path:
    rng, quantized = np.random.default_rng(seed), gguf.GGMLQuantizationType[kind]
    made = gguf.GGUFWriter(path, architecture)
    made.add_context_length(POSITIONS)
    made.add_embedding_length(WIDTH)
    made.add_block_count(LAYERS)
    made.add_feed_forward_length(INNER)
    made.add_head_count(HEADS)
    made.add_head_count_kv(HEADS)
    made.add_layer_norm_rms_eps(1e-5)
    made.add_rope_freq_base(10000.0)
    tokens = [*byte_letters(), "go", "ba", "<|end|>"]
    made.add_vocab_size(len(tokens))
    made.add_tokenizer_model("gpt2")
    made.add_token_list(tokens)
    made.add_token_types([1] * (len(tokens) - 1) + [3])
    made.add_token_merges(["g o", "b a"])
    made.add_bos_token_id(len(tokens) - 1)
    made.add_eos_token_id(len(tokens) - 1)
    shapes = {"token_embd.weight": (len(tokens), WIDTH), "output.weight": (len(tokens), WIDTH)}
    for layer in range(LAYERS):
        square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
        for name, shape in (
            square | {"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
        ).items():
            shapes[f"blk.{layer}.{name}.weight"] = shape
        made.add_tensor(f"blk.{layer}.attn_norm.weight", np.ones(WIDTH, dtype=np.float32))
        made.add_tensor(f"blk.{layer}.ffn_norm.weight", np.ones(WIDTH, dtype=np.float32))
    made.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    for name, shape in shapes.items():
        table = rng.normal(0, 0.2, shape).astype(np.float32)
        made.add_tensor(name, gguf.quants.quantize(table, quantized), raw_dtype=quantized)
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()
    return path
