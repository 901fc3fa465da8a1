"""A GGUF file by llama.cpp's own kernels, as llama.cpp:FILE: its server, from the package xllamacpp, is started for it.

What is asked of servers is asked of it (served.py). It is a process of its own, and ends when nobody asks any more."""

import os
import subprocess
import sys
import tempfile
import weakref
from importlib.util import find_spec
from pathlib import Path

from trusteq.models.client import Client

SCHEME = "llama.cpp:"
LONGEST = 4096  # tokens that it reads, where the model could read more: a cache for them all may not fit
PROGRAM = Path(__file__).with_name("llama_process.py")


def by_llama_cpp(place: object) -> bool:
    """
    >>> by_llama_cpp("llama.cpp:q4.gguf"), by_llama_cpp("q4.gguf")
    (True, False)
    """
    return isinstance(place, str) and place.startswith(SCHEME)


def file_of(place: str, name: str) -> Path:
    file = Path(os.path.expanduser(place.removeprefix(SCHEME)))
    if file.suffix.lower() != ".gguf" or not file.is_file():
        raise ValueError(f"{name}: there is no GGUF file {file}: llama.cpp: stands before one, as in llama.cpp:q4.gguf")
    return file


def by_other_kernels(place: object) -> str:
    """The same GGUF file by llama.cpp, or if it is run by that, by transformers.

    >>> by_other_kernels("f16.gguf"), by_other_kernels("llama.cpp:f16.gguf")
    ('llama.cpp:f16.gguf', 'f16.gguf')
    """
    if by_llama_cpp(place):
        return str(place).removeprefix(SCHEME)
    if not (isinstance(place, str | os.PathLike) and os.fspath(place).lower().endswith(".gguf")):
        raise ValueError(
            "floor='kernels' takes a GGUF file as the large model, which llama.cpp and transformers can run"
        )
    return SCHEME + os.fspath(place)


def client_of(place: str, name: str, at_once: int | None = None, timeout: float | None = None) -> Client:
    """Who asks the server at this address, or the one that is started for this file."""
    if not by_llama_cpp(place):
        return Client(place, name, at_once, timeout)
    file = file_of(place, name)
    if find_spec("xllamacpp") is None:
        raise ValueError(f"{name}: running {file.name} by llama.cpp needs the package xllamacpp: pip install xllamacpp")
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0] or str(os.cpu_count() or 1)
    words = [sys.executable, "-P", str(PROGRAM), str(file), str(LONGEST), threads]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            process.wait()
            log.seek(0)
            said = log.read().decode(errors="replace")
            raise ValueError(f"{name}: llama.cpp cannot read {file.name}: {why_not(said)}")
    made = Client(f"{address}/v1", name, at_once, timeout)
    made.shown = f"{SCHEME}{file.name}"
    weakref.finalize(made, end, process)
    return made


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def why_not(said: str) -> str:
    """The first reason in llama.cpp's log.

    >>> why_not("0.01 I loading\\n0.02 E llama_model_load: error loading model: unknown model architecture: 'clip'")
    "unknown model architecture: 'clip'"
    """
    errors = [line.partition(" E ")[2] for line in said.splitlines() if " E " in line]
    reasons = [line.rpartition("error loading model: ")[2] for line in errors if "error loading model: " in line]
    return (reasons or errors or said.strip().splitlines()[-1:] or ["it says nothing"])[0].strip()
