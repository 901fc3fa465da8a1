"""Who multiplies: oneDNN where MKL would take its slow path, with the same answers, and nothing else is changed."""

import platform
import sys
import threading
from pathlib import Path

import evaluate
import numpy as np
import pytest
import tiny_models
import torch

package = type(evaluate.load("metrics/attribution_alignment")).__module__.rpartition(".")[0]
inference, predictor = (sys.modules[f"{package}.{name}"] for name in ("inference", "predictor"))

TEXTS = [f"the {a} was {b} {c}" for a in ("film", "plot", "acting") for b in ("very", "not") for c in ("good", "bad")]


@pytest.fixture
def slow_mkl(monkeypatch):
    """As on a processor where MKL is slow, whatever this one is; the list grows with every product of oneDNN."""
    made, product = [], inference.linear_by_onednn

    def counted(*args):
        made.append(len(args))
        return product(*args)

    monkeypatch.setattr(inference, "mkl_is_slow", lambda: True)
    monkeypatch.setattr(inference, "linear_by_onednn", counted)
    return made


def wide():
    """Wide enough for the detour, and with weights as small as trained ones: its answers are no overflowing sums."""
    model = tiny_models.classifier(width=256)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.2)
    return model, tiny_models.tokenizer()


def test_a_model_says_the_same(slow_mkl):
    model = wide()
    asked = predictor.as_predictor(model, "model")
    with torch.backends.mkldnn.flags(enabled=False):
        rows, pooled = asked.both(TEXTS)
    assert not slow_mkl
    found, embedded = asked.both(TEXTS)
    assert slow_mkl
    assert found == pytest.approx(rows, abs=1e-6)  # float32 sums in another order
    assert embedded == pytest.approx(pooled, abs=1e-5)
    model[0].double()
    exact = predictor.as_predictor(model, "model")(TEXTS)
    assert found == pytest.approx(exact, abs=1e-6)


def test_the_weights_are_those_of_the_moment(slow_mkl):
    model = wide()
    asked = predictor.as_predictor(model, "model")
    before = asked(TEXTS)
    with torch.no_grad():
        for weight in model[0].parameters():
            weight.mul_(0.8)
    after = asked(TEXTS)
    with torch.backends.mkldnn.flags(enabled=False):
        assert after == pytest.approx(asked(TEXTS), abs=1e-6)
    assert np.abs(after - before).max() > 0.01


def products(layer, given, autocast=False):
    with inference.inference(), torch.autocast("cpu", enabled=autocast):
        return layer(given)


def test_what_oneDNN_is_given(slow_mkl):
    layer, given = torch.nn.Linear(256, 256), torch.randn(3, 64, 256)
    assert torch.allclose(products(layer, given), layer(given), atol=1e-5)
    assert len(slow_mkl) == 1
    assert torch.allclose(products(layer, given.transpose(0, 1)), layer(given).transpose(0, 1), atol=1e-5)
    without = torch.nn.Linear(256, 256, bias=False)
    assert torch.allclose(products(without, given), without(given), atol=1e-5)
    tied = torch.nn.Linear(256, 256)
    tied.weight = torch.nn.Parameter(layer.weight.detach().t())  # not contiguous
    assert torch.allclose(products(tied, given), tied(given), atol=1e-5)
    assert len(slow_mkl) == 4


def test_few_shapes_are_asked_for():
    counts = [inference.rounded(count) for count in range(1, 4097)]
    assert all(count <= filled <= max(16, count + 15, 1.125 * count) for count, filled in enumerate(counts, 1))
    assert len(set(counts)) == 8 + 8 * 5  # to 128 by sixteens, and eight for every doubling


def test_what_was_there_before_does_not_show(slow_mkl):
    layer = torch.nn.Linear(256, 256)
    for count in (1000, 300, 999, 17, 1024, 2000, 300):
        given = torch.randn(count, 256)
        assert torch.allclose(products(layer, given), layer(given), atol=1e-5)
    assert len(slow_mkl) == 7


class Packed(torch.Tensor):
    """As quantized weights are: a tensor of a type of its own, which knows how to multiply."""


@pytest.mark.parametrize("kind", ["small", "double", "half", "one row", "empty", "packed", "named"])
def test_what_goes_where_it_always_did(slow_mkl, kind):
    width, dtype = (8 if kind == "small" else 2048), {"double": torch.float64, "half": torch.bfloat16}.get(kind)
    layer = torch.nn.Linear(width, width, dtype=dtype)
    shape = {"one row": (width,), "empty": (0, width)}.get(kind, (4, width))
    given = torch.randn(shape, dtype=dtype)
    if kind == "packed":
        layer.weight = torch.nn.Parameter(layer.weight.detach().as_subclass(Packed))
    if kind == "named":
        with inference.inference():
            found = torch.nn.functional.linear(given, weight=layer.weight)
        assert torch.equal(found, torch.nn.functional.linear(given, layer.weight))
    else:
        assert torch.equal(products(layer, given), layer(given))
    assert not slow_mkl


def test_a_user_who_casts_to_half_gets_half(slow_mkl):
    layer, given = torch.nn.Linear(256, 256), torch.randn(64, 256)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with inference.inference():
            found = layer(given)
        assert torch.equal(found, layer(given))
    assert found.dtype == torch.bfloat16
    assert not slow_mkl


def test_another_thread_goes_on_as_before(slow_mkl):
    layer, given, answers = torch.nn.Linear(256, 256), torch.randn(64, 256), []
    with inference.inference():
        other = threading.Thread(target=lambda: answers.append(layer(given)))
        other.start()
        other.join()
        assert answers[0].requires_grad
        assert not slow_mkl
        layer(given)
    assert len(slow_mkl) == 1
    assert layer(given).requires_grad


def test_a_compiled_model_is_left_to_its_compiler_or_answers_the_same(slow_mkl):
    layer, given = torch.nn.Linear(256, 256), torch.randn(64, 256)
    compiled = torch.compile(layer, backend="eager")
    assert torch.allclose(products(compiled, given), layer(given), atol=1e-5)


INTEL, AMD = "vendor_id\t: GenuineIntel\n\n", "vendor_id\t: AuthenticAMD\n\n"


@pytest.mark.parametrize(
    ("capability", "vendor", "slow"),
    [("AVX512", AMD, True), ("AVX512", INTEL, False), ("AVX2", AMD, False), ("DEFAULT", "CPU part : 0xd4f", False)],
)
def test_where_mkl_is_slow(monkeypatch, capability, vendor, slow):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(inference, "processor", lambda: vendor)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert inference.mkl_is_slow.__wrapped__() == slow
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert not inference.mkl_is_slow.__wrapped__()


def test_the_processor_is_that_of_this_machine(monkeypatch):
    assert inference.processor()
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    assert inference.processor() == platform.processor()


def gone(*_):
    raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")


@pytest.mark.parametrize("product", [gone, lambda given, weight, bias: given @ weight.t()])
def test_a_function_that_is_gone_or_means_something_else_is_not_used(monkeypatch, product):
    assert inference.onednn_agrees()
    monkeypatch.setattr(inference, "linear_by_onednn", product)
    assert not inference.onednn_agrees()
