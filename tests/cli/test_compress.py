"""`trusteq compress` and the two derivations: what they make loads like any checkpoint, and is measured as it is."""

import importlib.util
import json
import re
import shlex
import statistics
import sys

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import checkpoint, classifier, tokenizer
from transformers import AutoModelForSequenceClassification, DistilBertConfig, DistilBertForSequenceClassification

from trusteq.cli import compress as cli_compress
from trusteq.compress import compress, copies, measure
from trusteq.models import open

TEXTS = ["the film was good", "the plot was awful and dull", "a cat sleeps"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("large"), seed=3, labels=("negative", "positive"))


def answers(path):
    return open.as_predictor(path, "model")(TEXTS)


def made(capsys, *argv):
    """Run it, and read the table that it prints: {what: (original, compressed, ratio)}."""
    assert cli_compress.main([str(word) for word in argv]) == 0
    return table(capsys.readouterr().out)


def table(printed):
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    return {line[0]: tuple(map(float, line[1:])) for line in lines if len(line) == 4}


# Pruning.


def test_pruning_removes_the_smallest_weights_of_all_layers_together_and_spares_the_head():
    model = classifier(seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = copies.pruned(model, 0.3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    after = made.state_dict()
    linear = [name for name in before if name.endswith(".weight") and before[name].ndim == 2]
    encoder = [name for name in linear if "embeddings" not in name and not name.startswith("classifier")]
    assert set(after) == set(before)
    gone = torch.cat([before[name][after[name] == 0].abs() for name in encoder])
    left = torch.cat([before[name][after[name] != 0].abs() for name in encoder])
    assert len(gone) == round(0.3 * (len(gone) + len(left)))
    assert gone.max() <= left.min()
    assert all(torch.equal(after[name][after[name] != 0], before[name][after[name] != 0]) for name in encoder)
    assert all(torch.equal(after[name], before[name]) for name in before if name not in encoder)


def test_a_pruned_checkpoint_loads_and_its_size_is_told_as_it_is(large, tmp_path, capsys):
    sizes = made(capsys, "prune", large, "--share", "0.5", "--out", tmp_path / "pruned")
    before, after = (AutoModelForSequenceClassification.from_pretrained(path) for path in (large, tmp_path / "pruned"))
    expected = copies.pruned(before, 0.5)
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in expected.state_dict().items())
    assert answers(tmp_path / "pruned") == pytest.approx(answers(large), abs=1)
    assert sizes["megabytes on disk"][2] == 1.0
    parameters = sum(int((value != 0).sum()) for value in after.parameters())
    assert sizes["of them not zero"][1] == pytest.approx(parameters / 1e6, abs=5e-4)
    assert sizes["of them not zero"][2] < 0.8


# Dropping layers.


def test_dropping_layers_keeps_the_others_as_they_are(large, tmp_path, capsys):
    sizes = made(capsys, "drop-layers", large, "--keep", "1", "--out", tmp_path / "shallow")
    before, after = load_file(large / "model.safetensors"), load_file(tmp_path / "shallow" / "model.safetensors")
    for name, value in after.items():
        assert torch.equal(value, before[name.replace("layer.0.", "layer.1.")])
    assert len(after) == len(before) - sum(".layer.0." in name for name in before)
    size = (tmp_path / "shallow" / "model.safetensors").stat().st_size / (large / "model.safetensors").stat().st_size
    assert sizes["megabytes on disk"][2] == pytest.approx(size, abs=0.01)
    assert json.loads((tmp_path / "shallow" / "config.json").read_text())["num_hidden_layers"] == 1
    assert answers(tmp_path / "shallow").shape == (3, 2)


def test_layers_are_found_whatever_the_model_calls_them(tmp_path):
    config = DistilBertConfig(vocab_size=26, dim=32, n_layers=3, n_heads=2, hidden_dim=64)
    DistilBertForSequenceClassification(config).save_pretrained(tmp_path / "large")
    tokenizer().save_pretrained(tmp_path / "large")
    argv = ["drop-layers", str(tmp_path / "large"), "--keep", "0", "2", "--out", str(tmp_path / "small")]
    assert cli_compress.main(argv) == 0
    small = AutoModelForSequenceClassification.from_pretrained(tmp_path / "small")
    assert small.config.n_layers == len(small.distilbert.transformer.layer) == 2


# Eight bits.


def test_an_int8_checkpoint_loads_like_any_and_says_what_it_said(large, tmp_path, capsys):
    sizes = made(capsys, "int8", large, "--out", tmp_path / "int8")
    stored = load_file(tmp_path / "int8" / "model.safetensors")
    packed = [value for name, value in stored.items() if name.endswith("_qdata")]
    assert {value.dtype for value in packed} == {torch.int8}
    assert len(packed) == 2 * 6 + 2  # two layers, pooler, classifier
    assert answers(tmp_path / "int8") == pytest.approx(answers(large), abs=0.1)  # 8 bits of random weights
    assert not (answers(tmp_path / "int8") == answers(large)).all()
    size = (tmp_path / "int8" / "model.safetensors").stat().st_size / (large / "model.safetensors").stat().st_size
    assert sizes["megabytes on disk"][2] == pytest.approx(size, abs=0.01)
    assert size < 0.75  # a quarter for the linear weights; embeddings and scales stay


def test_the_derived_quantized_model_has_the_numbers_of_torchao(large, tmp_path):
    assert cli_compress.main(["int8", str(large), "--out", str(tmp_path / "int8")]) == 0
    packed = compress.load(tmp_path / "int8")
    model = compress.load(large)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ours = copies.quantized(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    changed = 0
    for (name, value), theirs in zip(ours.named_parameters(), packed.parameters(), strict=True):
        theirs = theirs.dequantize() if type(theirs).__name__ == "Int8Tensor" else theirs
        assert torch.equal(value, theirs), name
        changed += not torch.equal(value, before[name])
    assert changed == 14


def test_a_row_of_zeros_stays_zero():
    layer = torch.nn.Sequential(torch.nn.Linear(4, 2))
    with torch.no_grad():
        layer[0].weight[0] = 0
    assert torch.equal(copies.quantized(layer)[0].weight[0], torch.zeros(4))


def test_what_cannot_be_derived_is_refused_in_one_sentence(large, tmp_path):
    assert cli_compress.main(["int8", str(large), "--out", str(tmp_path / "int8")]) == 0
    packed = compress.load(tmp_path / "int8")
    for make in (copies.quantized, lambda model: copies.pruned(model, 0.5)):
        with pytest.raises(ValueError, match="is quantized already; give the model that it was made from"):
            make(packed)
        with pytest.raises(ValueError, match="Embedding has no linear layers that could be pruned or quantized"):
            make(torch.nn.Embedding(3, 2))


# Distillation.


def test_distillation_makes_the_smaller_model_that_was_asked_for(large, tmp_path, capsys):
    pd.DataFrame({"text": TEXTS * 4, "label": [1, 0, 1] * 4}).to_csv(tmp_path / "texts.csv", index=False)
    file = ["--dataset", tmp_path / "texts.csv", "--eval-dataset", tmp_path / "texts.csv", "--epochs", "1"]
    size = ["--layers", "1", "--width", "16", "--heads", "2"]
    words = [str(word) for word in ("distil", large, *size, *file, "--out", tmp_path / "small")]
    assert cli_compress.main(words) == 0
    said = capsys.readouterr()
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "small")
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (16, 1)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert table(said.out)["million parameters"][2] == pytest.approx(
        model.num_parameters() / classifier(labels=("a", "b")).num_parameters(), abs=0.01
    )
    assert f"the teacher {large}: accuracy" in said.err
    record = json.loads((tmp_path / "small" / "training.json").read_text())
    assert record["command"] == shlex.join(["trusteq", "compress", *words])


# How long they take.


def test_times_are_taken_by_turns_so_that_their_ratio_stands_whatever_else_the_machine_does():
    """One model takes twice as long as the other; every few calls the machine is three times slower, or faster."""
    now, calls, order = [0.0], [0], []

    def model(name, seconds):
        def run():
            calls[0] += 1
            order.append(name)
            now[0] += seconds * (1, 3, 0.5)[calls[0] // 12 % 3]

        return run

    pairs = measure.by_turns(model("large", 2.0), model("small", 1.0), clock=lambda: now[0])
    ratios = [small / large for large, small in pairs]
    assert len(pairs) == measure.PAIRS
    assert {small for _, small in pairs} == {0.5, 1.0, 3.0}
    assert statistics.median(ratios) == 0.5
    assert ratios.count(0.5) == len(ratios) - 4  # but where the load changed within a pair
    assert order[:6] == ["large", "small", "large", "small", "small", "large"]


def test_the_table_gives_the_range_of_the_times_and_says_what_is_simulated(large, tmp_path, capsys):
    assert cli_compress.main(["prune", str(large), "--out", str(tmp_path / "pruned")]) == 0
    said = capsys.readouterr().out
    ratio = table(said)["milliseconds for 16 x 32 tokens"][2]
    ends = r"Their ratio: (\S+) to (\S+) in the middle half, (\S+) to (\S+) in all\.\n"
    low, high, least, most = map(float, re.search(ends, said).groups())
    assert least <= low <= ratio <= high <= most
    assert "Pruning is simulated: the zeros are stored and multiplied like other weights" in said
    assert cli_compress.main(["int8", str(large), "--out", str(tmp_path / "int8")]) == 0
    assert "each is turned back into a float where it is multiplied" in capsys.readouterr().out
    assert cli_compress.main(["drop-layers", str(large), "--keep", "0", "--out", str(tmp_path / "shallow")]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith("Times are medians of 24 pairs, taken by turns")


# One sentence each.


def test_bad_input_ends_with_one_sentence(large, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")
    out = ["--out", tmp_path / "out"]
    wrong = {
        "share must lie between 0 and 1, got 1.5": ["prune", large, "--share", "1.5", *out],
        "--keep must name layers 0 to 1 once each, in order; got [2]": [
            "drop-layers",
            large,
            "--keep",
            "2",
            *out,
        ],
        "got [1, 0]": ["drop-layers", large, "--keep", "1", "0", *out],
        "there is no folder ./nowhere": ["int8", "./nowhere", *out],
        "full is there already": ["prune", large, "--out", tmp_path / "full"],
        "is no checkpoint that could be loaded": ["prune", tmp_path / "full", *out],
    }
    for sentence, argv in wrong.items():
        assert cli_compress.main([str(word) for word in argv]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("trusteq compress: ")]
        assert sentence in line
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep me"


def test_an_encoder_without_a_trained_head_is_refused(tmp_path, capsys):
    classifier().bert.save_pretrained(tmp_path / "encoder")
    tokenizer().save_pretrained(tmp_path / "encoder")
    assert cli_compress.main(["prune", str(tmp_path / "encoder"), "--out", str(tmp_path / "out")]) == 2
    said = "its weights lack classifier.bias and 1 other; this is its head, which was never trained, or not saved"
    assert said in capsys.readouterr().err


def test_without_torchao_the_sentence_says_what_to_install(large, tmp_path, capsys, monkeypatch):
    assert importlib.util.find_spec("torchao")
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    assert cli_compress.main(["int8", str(large), "--out", str(tmp_path / "out")]) == 2
    assert "int8 needs torchao: pip install" in capsys.readouterr().err


def test_int8_with_a_transformers_that_cannot_save_it_says_so(large, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(compress.transformers, "__version__", "4.57.1")
    assert cli_compress.main(["int8", str(large), "--out", str(tmp_path / "out")]) == 2
    assert "int8 needs transformers 5, which can save it as safetensors; got 4.57.1" in capsys.readouterr().err


def test_a_checkpoint_that_does_not_say_what_was_made_is_not_passed_on(large, tmp_path, capsys, monkeypatch):
    other = classifier(seed=9).eval()
    monkeypatch.setattr(compress, "without_layers", lambda model, keep: Impostor(model, other))
    assert cli_compress.main(["drop-layers", str(large), "--keep", "0", "--out", str(tmp_path / "out")]) == 2
    assert "differs from the model that was made by" in capsys.readouterr().err


class Impostor:
    """Answers as one model and saves another."""

    def __init__(self, answers, saves):
        self.answers, self.save_pretrained, self.config = answers, saves.save_pretrained, answers.config

    def __call__(self, **batch):
        return self.answers(**batch)
