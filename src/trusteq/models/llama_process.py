"""A program of its own: llama.cpp's server for one GGUF file, until the program that began it ends.

It prints its address. What llama.cpp says goes to its stderr, and what goes wrong in it ends this program alone."""

import json
import sys
import urllib.request

import xllamacpp


def main(file: str, context: int, threads: int) -> None:
    server = started(file, context, threads)
    with urllib.request.urlopen(f"{server.listening_address}/v1/models") as said:
        most = int(json.load(said)["data"][0]["meta"]["n_ctx_train"])
    if most < context:  # beyond what it was trained on, a model would answer, and its answers mean nothing
        del server
        server = started(file, most, threads)
    print(server.listening_address, flush=True)
    sys.stdin.read()


def started(file: str, context: int, threads: int) -> xllamacpp.Server:
    given = xllamacpp.CommonParams()
    given.model.path, given.port = file, 0
    given.n_ctx, given.n_parallel, given.warmup = context, 1, False
    given.cpuparams.n_threads = threads
    # In float32 beside the weights, so that what differs from transformers is kernels, not a cache in float16.
    given.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    given.cache_type_k = given.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    return xllamacpp.Server(given)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
