"""Which engine answers: a copy of the model that says the same, made of its weights of the moment, or PyTorch."""

import copy
import os
import subprocess
import sys
import textwrap
from itertools import product
from pathlib import Path

import evaluate
import numpy as np
import pytest
import tiny_models
import torch

from trusteq.models import engines
from trusteq.models.converted import CONVERTERS
from trusteq.models.open import as_predictor
from trusteq.models.probing import at_work

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [f"the {a} was {b} {c}" for a in ("film", "plot", "acting") for b in ("very", "not") for c in ("good", "bad")]
TEXTS += [
    "awful",
    "a cat sleeps and the plot is dull but the acting is great " * 3,
    *("good " * n for n in range(1, 40)),
]
SAME = 1e-6  # float32 sums in another order


def scaled(model, by):
    with torch.no_grad():
        for weight in model.parameters():
            weight.data.mul_(by)  # `.data`: no version counter of PyTorch sees it


def tiny(**settings):
    """With weights of half the usual size: nearer to trained ones, whose sums float32 holds."""
    model = tiny_models.classifier(**settings)
    scaled(model, 0.5)
    return model, tiny_models.tokenizer()


@pytest.fixture
def eager(monkeypatch):
    """However few the questions are, `auto` converts."""
    monkeypatch.setattr(engines, "PAYS", 0)


@pytest.mark.parametrize("engine", CONVERTERS)
@pytest.mark.parametrize("classes", [2, 3])
def test_an_engine_says_the_same(engine, classes):
    model = tiny(classes=classes)
    asked = as_predictor(model, "model", engine=engine)
    found = asked(TEXTS)
    assert (asked.engine.used, asked.engine.reason) == (engine, "")
    assert found == pytest.approx(as_predictor(model, "model", engine="torch")(TEXTS), abs=SAME)
    model[0].double()
    assert found == pytest.approx(as_predictor(model, "model")(TEXTS), abs=SAME)


@pytest.mark.parametrize("name", ["DistilBert", "Roberta", "Electra", "Albert", "Deberta", "ModernBert"])
@pytest.mark.usefixtures("eager")
def test_architectures_say_the_same_or_stay(name, caplog):
    """Whether an engine can run it is the engine's affair; what is said never is."""
    import transformers

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    sizes |= {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    sizes |= {"embedding_size": 32, "max_position_embeddings": 66, "pad_token_id": 0}
    config = getattr(transformers, f"{name}Config")(vocab_size=40, num_labels=3, **sizes)
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForSequenceClassification")(config).eval()
    tokenizer = tiny_models.tokenizer()
    if name in ("DistilBert", "Roberta", "ModernBert"):
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    asked = as_predictor((model, tokenizer), name)
    assert asked(TEXTS) == pytest.approx(as_predictor((model, tokenizer), name, engine="torch")(TEXTS), abs=SAME)
    assert (asked.engine.used == "openvino") != (f"{name} stays with PyTorch" in caplog.text)


@pytest.mark.usefixtures("eager")
def test_the_weights_are_those_of_the_moment():
    model = tiny()
    asked, plain = as_predictor(model, "model"), as_predictor(model, "model", engine="torch")
    before = asked(TEXTS)
    scaled(model[0], 0.8)
    assert asked(TEXTS) == pytest.approx(plain(TEXTS), abs=SAME)
    assert np.abs(asked(TEXTS) - before).max() > 0.01
    assert asked.engine.used == "openvino"


@pytest.mark.usefixtures("eager")
def test_the_weights_are_hashed_once_for_a_piece_of_work(monkeypatch):
    """A search asks hundreds of small questions; a step of training in the middle of it is noticed all the same."""
    model, hashed = tiny(), []
    asked, plain = as_predictor(model, "model"), as_predictor(model, "model", engine="torch")
    state = engines.state
    monkeypatch.setattr(engines, "state", lambda model: hashed.append(1) or state(model))
    with at_work([asked]):
        for _ in range(5):
            asked(TEXTS)
        assert len(hashed) == 1
        with torch.no_grad():
            model[0].classifier.weight.mul_(0.5)
        assert asked(TEXTS) == pytest.approx(plain(TEXTS), abs=SAME)
    scaled(model[0], 0.8)
    with at_work([asked]):
        assert asked(TEXTS) == pytest.approx(plain(TEXTS), abs=SAME)
    assert asked.work is None


@pytest.mark.usefixtures("eager")
def test_a_model_is_trained_on_after_it_was_asked():
    model = tiny()
    as_predictor(model, "model")(TEXTS)
    model[0](**model[1](TEXTS[:2], return_tensors="pt", padding=True)).logits.sum().backward()
    assert all(weight.grad is not None for weight in model[0].classifier.parameters())


@pytest.mark.usefixtures("eager")
def test_embeddings_are_pytorchs():
    asked = as_predictor(tiny(), "model")
    rows, pooled = asked.both(TEXTS)
    assert asked.engine.used == "torch"
    plain_rows, plain_pooled = as_predictor(tiny(), "model", engine="torch").both(TEXTS)
    assert np.array_equal(rows, plain_rows)
    assert np.array_equal(pooled, plain_pooled)


class Shifted(torch.nn.Linear):
    """Of nobody's library: it may do anything."""


def with_own_part(model):
    model.classifier.__class__ = Shifted


def with_hook(model):
    model.classifier.register_forward_hook(lambda *_: None)


def with_other_forward(model):
    model.classifier.forward = torch.nn.Linear(32, 2).forward


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_own_part, "it holds Shifted of test_engines, which may change as it is asked"),
        (with_hook, "hooks of others watch it"),
        (with_other_forward, "hooks of others watch it"),
        (lambda model: model.double(), "its weights are in float64"),
        (lambda model: model.bfloat16(), "its weights are in bfloat16"),
    ],
)
@pytest.mark.usefixtures("eager")
def test_who_stays_with_pytorch(change, reason):
    model = tiny()
    change(model[0])
    asked = as_predictor(model, "model")
    asked(TEXTS)
    assert (asked.engine.used, asked.engine.reason) == ("torch", reason)


def test_few_questions_do_not_pay_for_a_conversion():
    asked = as_predictor(tiny(), "model")
    asked(TEXTS)
    assert (asked.engine.used, asked.engine.reason) == ("torch", "too few questions to pay for a conversion")


@pytest.mark.usefixtures("eager")
def test_under_autocast_pytorch_answers():
    asked = as_predictor(tiny(), "model")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        asked(TEXTS)
    assert asked.engine.reason == "autocast is on"


@pytest.mark.usefixtures("eager")
def test_what_cannot_be_converted_stays_and_says_so_once(monkeypatch, caplog):
    def refuses(*_):
        raise RuntimeError("no conversion rule for aten::strange")

    monkeypatch.setitem(CONVERTERS, "openvino", refuses)
    model = tiny()
    asked = as_predictor(model, "the model")
    found = [asked(TEXTS), asked(TEXTS)]
    assert np.array_equal(*found)
    assert np.array_equal(found[0], as_predictor(model, "model", engine="torch")(TEXTS))
    (record,) = caplog.records
    assert record.message.startswith("the model stays with PyTorch: openvino cannot run it (")
    assert "no conversion rule for aten::strange" in record.message


@pytest.mark.usefixtures("eager")
def test_a_copy_that_says_something_else_never_answers(monkeypatch, caplog):
    """Off by what half precision is off by, and only on long texts."""

    def wrong(model, _):
        def answer(tensors):
            return model(**tensors).logits + (1e-3 if tensors["input_ids"].shape[1] > 20 else 0)

        return answer

    monkeypatch.setitem(CONVERTERS, "openvino", wrong)
    model = tiny()
    asked = as_predictor(model, "model")
    with torch.inference_mode():
        asked(["good", "bad"])
        assert asked.engine.used == "openvino"
        assert np.array_equal(asked(TEXTS), as_predictor(model, "model", engine="torch")(TEXTS))
    assert "its logits would be off by" in caplog.text


def test_an_engine_that_is_not_there(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="engine='onnxruntime' needs a package: pip install onnxruntime"):
        as_predictor(tiny(), "model", engine="onnxruntime")
    asked = as_predictor(tiny(), "model")
    asked(TEXTS)
    assert asked.engine.reason == "openvino is not installed"


def test_an_unknown_engine():
    with pytest.raises(ValueError, match=r"engine must be .*'openvino'.*, got 'tensorrt'"):
        as_predictor(tiny(), "model", engine="tensorrt")


@pytest.mark.parametrize("options", [{"attack": "textbugger"}, {"attack": "deepwordbug"}])
@pytest.mark.usefixtures("eager")
def test_the_same_adversarial_texts(options):
    models = {"model": tiny(seed=1), "large_model": tiny()}
    texts, found = TEXTS[:12], {}
    for engine in ("torch", "openvino", "onnxruntime"):
        metric = evaluate.load("metrics/attack_divergence")
        found[engine] = metric.compute(
            texts=texts, references=[0, 1] * 6, details=True, engine=engine, **models, **options
        )
    attacked = {engine: result.pop("details")["per_example"] for engine, result in found.items()}
    assert any(entry["outcome"]["status"] == "broken" for entry in attacked["torch"])
    for engine in ("openvino", "onnxruntime"):
        assert found[engine] == pytest.approx(found["torch"], abs=SAME)
        for entry, plain in zip(attacked[engine], copy.deepcopy(attacked["torch"]), strict=True):
            for side, key in product(("outcome", "large_outcome"), ("scores", "adversarial_scores")):
                assert entry[side].pop(key, 0) == pytest.approx(plain[side].pop(key, 0), abs=SAME)
            assert entry == plain


def test_nothing_of_openvino_reports_to_its_maker():
    """In a process of its own, where nobody else has imported it before."""
    program = """
        import sys
        import tiny_models
        from trusteq.models.open import as_predictor

        model = as_predictor((tiny_models.classifier(), tiny_models.tokenizer()), "model", engine="openvino")
        model(["a good film"])
        print(model.engine.used, sys.modules.get("openvino_telemetry", "never asked for"))
    """
    run = run_alone(program)
    assert (run.returncode, run.stdout) == (0, "openvino None\n"), run.stderr


def test_a_signal_after_a_converted_model_was_dropped_in_another_thread_is_handled():
    """In a process of its own: where this fails, the kernel ends it (seen on processors with AMX)."""
    program = """
        import gc, signal, threading
        import tiny_models
        from trusteq.models.open import as_predictor

        heard = []
        signal.signal(signal.SIGALRM, lambda *_: heard.append("heard"))
        held = [as_predictor((tiny_models.classifier(), tiny_models.tokenizer()), "model", engine="openvino")]
        held[0](["a good film"])
        assert held[0].engine.used == "openvino"
        thread = threading.Thread(target=lambda: (held.clear(), gc.collect()))
        thread.start()
        thread.join()
        signal.raise_signal(signal.SIGALRM)
        print(*heard)
    """
    run = run_alone(program)
    assert (run.returncode, run.stdout) == (0, "heard\n"), run.stderr


def run_alone(program):
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT / "tests")))}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
