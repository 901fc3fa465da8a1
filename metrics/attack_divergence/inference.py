# Shared file: the original is metrics/attribution_alignment/inference.py, and scripts/copy_shared.py writes the copies.
"""How is a model asked as fast as this machine can? Without gradients, and past the slow half of its library.

PyTorch multiplies float32 matrices on x86 with MKL, which keeps AVX-512 for Intel's processors. On others that have it,
oneDNN, which comes with PyTorch too, is about twice as fast and as close to the exact product (benchmarks.md). With
`torch.backends.mkldnn.flags(enabled=False)` nothing but PyTorch's own choice is used.
"""

import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

LEAST = 2**20  # multiplications: below, the detour takes as long as it saves


@contextmanager
def inference() -> Iterator[None]:
    """Inside, this thread's models are asked: no gradients, and their linear layers by whichever library is faster."""
    import torch

    as_ever = not torch.backends.mkldnn.enabled or torch.is_autocast_enabled("cpu") or not mkl_is_slow()
    with torch.inference_mode(), nullcontext() if as_ever else by_onednn():
        yield


@cache
def mkl_is_slow() -> bool:
    """Whether MKL multiplies here, on a processor with AVX-512 that it does not use, and oneDNN can stand in."""
    import torch

    capable = torch.backends.cpu.get_cpu_capability() == "AVX512" and "GenuineIntel" not in processor()
    return capable and torch.backends.mkl.is_available() and onednn_agrees()


def processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:  # not Linux
        return platform.processor()


def onednn_agrees() -> bool:
    """Its function is not among those that PyTorch promises to keep: it must be there and give the product."""
    import torch

    random = torch.Generator().manual_seed(0)
    given = [torch.randn(shape, generator=random) for shape in ((4, 3, 16), (8, 16), (8,))]
    try:
        with torch.inference_mode():
            found = linear_by_onednn(*given)
    except Exception:  # whatever a function that changed may raise
        return False
    return torch.allclose(found, torch.nn.functional.linear(*given), rtol=1e-5, atol=1e-5)


def linear_by_onednn(given: Any, weight: Any, bias: Any = None) -> Any:
    """The product, of rows filled up to one of a few numbers: oneDNN keeps half a megabyte for every shape it met."""
    import torch

    rows = given.reshape(-1, given.shape[-1])
    filled = filled_up(rows, rounded(len(rows)))
    found = torch.ops.mkldnn._linear_pointwise(filled, weight, bias, "none", [], "")
    return found[: len(rows)].view(*given.shape[:-1], len(weight))


def filled_up(rows: Any, count: int) -> Any:
    """These rows and then zeros, in memory that this thread keeps: fresh memory takes longer than the copy itself."""
    import torch

    width = rows.shape[1]
    if count == len(rows):
        return rows
    if len(kept.by_width.get(width, ())) < count:
        kept.by_width[width] = torch.empty(max(count, 1024), width)
    filled = kept.by_width[width][:count]
    filled[: len(rows)] = rows
    filled[len(rows) :] = 0
    return filled


class Kept(threading.local):
    def __init__(self) -> None:
        self.by_width: dict[int, Any] = {}


kept = Kept()


def rounded(count: int) -> int:
    """Up to the next of eight steps between two powers of two.

    >>> [rounded(count) for count in (1, 16, 17, 129, 250, 1000, 1024)]
    [16, 16, 32, 144, 256, 1024, 1024]
    """
    step = max(16, 2 ** (count - 1).bit_length() // 16)
    return -(-count // step) * step


def by_onednn() -> Any:
    """Linear layers of float32 go to oneDNN; all else, and what is too small to gain, goes where it always does.

    A mode of this thread: the model stays untouched, and its weights are read anew each time, so that it may be trained
    in between.
    """
    import torch

    linear, dense = torch._C._nn.linear, (torch.Tensor, torch.nn.Parameter)  # a quantized weight has a type of its own

    def suits(given: Any, weight: Any, bias: Any = None) -> bool:
        return (
            type(given) in dense
            and type(weight) in dense
            and given.dtype == weight.dtype == torch.float32
            and given.device.type == weight.device.type == "cpu"
            and given.ndim > 1
            and weight.ndim == 2
            and given.numel() * len(weight) >= LEAST
        )

    class ByOneDNN(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is linear and not kwargs and suits(*args):
                return linear_by_onednn(*args)
            return function(*args, **(kwargs or {}))

    return ByOneDNN()
