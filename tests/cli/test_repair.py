"""`trusteq repair`: a model's confidence is mended on held-out data, checked on other, and saved as a checkpoint."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_models import WORDS, language_model, tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, GPT2Config, GPT2ForSequenceClassification

from trusteq.audit.bundled import bundled_family
from trusteq.audit.family import open_family
from trusteq.cli.repair import main
from trusteq.compress import repair
from trusteq.compress.repair_checks import BINS, check
from trusteq.dimensions.calibration_gap import redrawn_ece
from trusteq.models.open import as_predictor
from trusteq.resampling import Weights
from trusteq.scaling import Scaling

NAMES = ["negative", "positive"]


@pytest.fixture(scope="module")
def family():
    found = bundled_family()
    compressed = next(source for source in found["compressed"].values() if not source.startswith("derived:"))
    return SimpleNamespace(large=found["large"], compressed=compressed, twin=found["twin"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two thirds of the bundled texts for the repair, and the others, which it never sees."""
    given = bundled_family()
    order = np.random.default_rng(0).permutation(len(given["texts"]))
    texts, labels = ([given[key][i] for i in order] for key in ("texts", "references"))
    most, folder = len(texts) * 2 // 3, tmp_path_factory.mktemp("data")
    rows = [json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True)]
    (folder / "held-out.jsonl").write_text("\n".join(rows[:most]))
    return SimpleNamespace(
        file=folder / "held-out.jsonl", texts=texts[most:], gold=np.array([NAMES.index(one) for one in labels[most:]])
    )


def copy(source, folder, slope=1.0, bias=0.0, names=None, half=False):
    """The model with its logits stretched and moved; with `names` in another order, its classes, too."""
    model = AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32)
    layer = repair.last_layer(model)
    with torch.no_grad():
        layer.weight *= slope
        layer.bias *= slope
        layer.bias[1] += bias
        if names:
            order = [NAMES.index(name) for name in names]
            layer.weight.copy_(layer.weight[order])
            layer.bias.copy_(layer.bias[order])
            model.config.id2label = dict(enumerate(names))
            model.config.label2id = {name: i for i, name in enumerate(names)}
    (model.half() if half else model).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


def run(model, family, data, out, *more, like=None):
    words = [str(model), "--like", str(like or family.large), "--dataset", str(data.file), "--out", str(out), *more]
    return main(words)


def rows_of(model, texts):
    """What anybody gets who loads it with transformers alone."""
    network = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()
    reader = AutoTokenizer.from_pretrained(model)
    with torch.inference_mode():
        rows = network(**reader(texts, padding=True, return_tensors="pt")).logits.double().softmax(dim=-1).numpy()
    order = [{name.lower(): i for i, name in network.config.id2label.items()}[name] for name in NAMES]
    return rows[:, order]


def ece(rows, gold):
    return redrawn_ece(Weights(len(gold), 0), rows.max(axis=1), rows.argmax(axis=1) == gold, BINS)[0]


@pytest.mark.parametrize("half", [False, True])
def test_a_model_that_is_too_sure_becomes_honest_on_texts_that_were_not_fitted(family, data, tmp_path, capsys, half):
    model = copy(family.compressed, tmp_path / "sure", slope=6.0, half=half)
    assert run(model, family, data, tmp_path / "out", "--method", "temperature") == 0
    before, after = rows_of(model, data.texts), rows_of(tmp_path / "out", data.texts)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert ece(before, data.gold) > 0.05
    assert ece(after, data.gold) < ece(before, data.gold) / 2
    said = capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "repair.json").read_text())
    assert record["examples"] == len(data.file.read_text().splitlines())
    assert f"to the truth, on {record['examples']:,} examples." in said
    figure = record["figures"]["ece"]
    assert f"{figure['before'][0]:.3f} ({figure['before'][1]:.3f} to {figure['before'][2]:.3f})" in said
    assert figure["change"][2] < 0
    assert record["figures"]["accuracy"]["change"] == [0.0, 0.0, 0.0]
    assert "wrong where large is right" in said
    scaled = Scaling("", *(np.array(record["scaling"][key]) for key in ("weight", "bias"))).of(before)
    assert after == pytest.approx(scaled, abs=5e-3 if half else 1e-5)


def test_what_leans_to_a_class_is_set_right_and_gains_accuracy(family, data, tmp_path, capsys):
    model = copy(family.compressed, tmp_path / "leaning", bias=15.0)
    assert run(model, family, data, tmp_path / "out") == 0
    before, after = rows_of(model, data.texts), rows_of(tmp_path / "out", data.texts)
    assert (after.argmax(axis=1) == data.gold).mean() > (before.argmax(axis=1) == data.gold).mean() + 0.05
    assert ece(after, data.gold) < ece(before, data.gold)
    assert "in cross-validation: none " in capsys.readouterr().out


def test_classes_in_another_order_are_repaired_as_they_are(family, data, tmp_path):
    models = {
        name: copy(family.compressed, tmp_path / name, bias=15.0, names=names)
        for name, names in (("same", None), ("turned", ["positive", "negative"]))
    }
    for name, model in models.items():
        assert run(model, family, data, tmp_path / f"{name}-out", "--method", "vector") == 0
    same, turned = (rows_of(tmp_path / f"{name}-out", data.texts) for name in models)
    assert turned == pytest.approx(same, abs=1e-4)
    assert np.abs(same - rows_of(models["same"], data.texts)).max() > 0.1


def test_beside_a_large_model_its_curve_is_met_not_the_truth(family, data, tmp_path):
    """The large one is too sure: what is repaired to it becomes as sure, and not honest."""
    large = copy(family.large, tmp_path / "large", slope=4.0)
    model = copy(family.compressed, tmp_path / "unsure", slope=0.3)
    assert run(model, family, data, tmp_path / "out", "--to", "large", "--method", "temperature", like=large) == 0
    rows = [rows_of(path, data.texts) for path in (model, tmp_path / "out", large)]
    found = check(*rows, data.gold, None, 0.95, 0).figures["curve_gap"]
    assert found.after[0] < found.before[0] / 2
    assert ece(rows[1], data.gold) > 0.05


def test_what_is_honest_is_left_alone_and_nothing_is_written(family, data, tmp_path, capsys):
    model = copy(family.compressed, tmp_path / "sure", slope=6.0)
    assert run(model, family, data, tmp_path / "out", "--method", "temperature") == 0
    capsys.readouterr()
    assert run(tmp_path / "out", family, data, tmp_path / "again", "--method", "temperature") == 1
    assert capsys.readouterr().err.startswith("trusteq repair: nothing is written: ")
    assert not (tmp_path / "again").exists()


def test_lost_accuracy_is_seen_and_refused():
    """A bias that turns one answer in five, on 1,000 examples."""
    rng = np.random.default_rng(0)
    p = rng.uniform(size=1000)
    rows, gold = np.stack([1 - p, p], axis=1), (rng.uniform(size=1000) < p).astype(int)
    after = Scaling("bias", np.eye(2), np.array([0.0, 1.0])).of(rows)
    found = check(rows, after, rows, gold, None, 0.95, 0)
    assert found.suffered("truth").startswith("accuracy may have fallen by more than 1 point (by up to ")
    assert found.figures["accuracy"].change[0] == (after.argmax(1) == gold).mean() - (rows.argmax(1) == gold).mean()
    assert found.figures["negative_flips"].before == (0, 0, 0)
    assert found.figures["negative_flips"].after[0] > 0.05


def test_the_curve_is_a_logistic_regression_and_honest_rows_lie_on_the_diagonal():
    rng = np.random.default_rng(1)
    p = rng.beta(0.7, 0.7, size=20_000)
    rows, gold = np.stack([1 - p, p], axis=1), (rng.uniform(size=20_000) < p).astype(int)
    sure = Scaling("", 3 * np.eye(2), np.zeros(2)).of(rows)
    found = check(rows, sure, rows, gold, None, 0.95, 0)
    for share, (before, after, large) in found.curves.items():
        assert before == large == pytest.approx(float(share), abs=0.015)
        odds = (float(share) / (1 - float(share))) ** (1 / 3)
        assert after == pytest.approx(odds / (1 + odds), abs=0.015)
    assert found.figures["curve_gap"].before == (0, 0, 0)


def test_a_head_without_a_bias_takes_a_temperature_alone(family, data, tmp_path, capsys):
    torch.manual_seed(0)
    sizes = {"n_positions": 64, "n_embd": 32, "n_layer": 1, "n_head": 2, "pad_token_id": 0, "num_labels": 2}
    model = GPT2ForSequenceClassification(GPT2Config(vocab_size=5 + len(WORDS), **sizes)).eval()
    model.config.id2label = dict(enumerate(NAMES))
    model.config.label2id = {name: i for i, name in enumerate(NAMES)}
    with torch.no_grad():
        model.score.weight *= 400  # sure of what it does not know
    model.save_pretrained(tmp_path / "gpt")
    tokenizer().save_pretrained(tmp_path / "gpt")
    assert run(tmp_path / "gpt", family, data, tmp_path / "out", "--method", "bias") == 2
    assert "--method bias needs a bias in the last layer" in capsys.readouterr().err
    assert run(tmp_path / "gpt", family, data, tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "repair.json").read_text())["scaling"]["method"] == "temperature"
    said = [as_predictor(path, "model")(data.texts) for path in (tmp_path / "gpt", tmp_path / "out")]
    assert said[1].max(axis=1).mean() < said[0].max(axis=1).mean() - 0.05


def test_label_words_of_a_language_model_get_a_calibration_beside_them(family, data, tmp_path):
    """Its labels are leaned to, as language models do; the audit takes the dict that is written, as another model."""
    folder = tmp_path / "lm"
    language_model().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    given = {"prompt": "{text} the film was", "verbalizers": {"negative": "bad", "positive": "good"}}
    (tmp_path / "lm.json").write_text(json.dumps(given | {"model": "lm"}))
    assert run(tmp_path / "lm.json", family, data, tmp_path / "out", "--method", "vector") in (0, 1)
    leaning = {"method": "bias", "weight": [[1.0, 0.0], [0.0, 1.0]], "bias": [0.0, 3.0]}
    (tmp_path / "leaning.json").write_text(json.dumps(given | {"model": "lm", "calibration": leaning}))
    assert run(tmp_path / "leaning.json", family, data, tmp_path / "repaired") == 0
    written = json.loads((tmp_path / "repaired" / "model.json").read_text())
    before, after = (as_predictor(one, "model") for one in (given | {"model": str(folder)}, written))
    scaling = Scaling("", *(np.array(written["calibration"][key]) for key in ("weight", "bias")))
    assert after(data.texts) == pytest.approx(scaling.of(before(data.texts)), abs=1e-9)
    members = open_family(before, {"repaired": after}, {}, data.texts, {}, None)
    assert members[0].fingerprint != members[1].fingerprint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "platt"], "--method must be 'temperature', 'bias', 'vector' or 'dirichlet', got 'platt'"),
        (["--to", "mean"], "--to must be 'truth' or 'large', got 'mean'"),
        (["--method", "dirichlet"], "--method dirichlet can do no more for two classes than vector scaling: give that"),
        (["--limit", "60"], "has 60 labelled texts, and a repair takes at least 100"),
        (["--label", "gold"], "has no column 'gold'; its columns are text, label"),
    ],
)
def test_a_mistake_is_one_sentence(family, data, tmp_path, capsys, words, said):
    assert run(family.compressed, family, data, tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("trusteq repair: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_models_are_told(family, data, tmp_path, capsys):
    (tmp_path / "torn.json").write_text("{")
    (tmp_path / "other.json").write_text('{"prompt": "{text}"}')
    for name, said in (("torn", "cannot be read as JSON"), ("other", "holds no language model")):
        assert run(tmp_path / f"{name}.json", family, data, tmp_path / "out") == 2
        assert said in capsys.readouterr().err
