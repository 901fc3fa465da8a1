"""`trusteq compress` of language models, and of any model to fewer bits."""

import numpy as np
import pytest
import torch
from tiny_language_models import network, tokenizer
from tiny_models import checkpoint

from trusteq.cli import compress as cli_compress
from trusteq.compress import measure
from trusteq.compress.bits import in_bits
from trusteq.compress.copies import quantized
from trusteq.compress.loading import load
from trusteq.models.open import as_predictor

ASKED = {"prompt": "Review : {text} Verdict :", "verbalizers": {"negative": "bad", "positive": "very good"}}
TEXTS = ["the film was good", "the plot was awful and dull", "a cat sleeps"]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spoken")
    network("llama").save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(measure, "TURN", 0.0)
    monkeypatch.setattr(measure, "PAIRS", 4)


def run(*words):
    return cli_compress.main([str(word) for word in words])


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_in_few_bits_lie_on_a_grid_of_their_group(bits):
    layer = torch.nn.Linear(40, 3)
    made = in_bits(torch.nn.Sequential(layer), bits, group=16)[0].weight.detach()
    for row, before in zip(made, layer.weight.detach(), strict=True):
        for at in (0, 16, 32):  # the last group is shorter
            some, old = row[at : at + 16], before[at : at + 16]
            scale = old.abs().max() / (2 ** (bits - 1) - 1)
            assert torch.allclose((some / scale).round() * scale, some, atol=1e-6)
            assert (some - old).abs().max() <= scale / 2 + 1e-6
            assert some.unique().numel() <= 2**bits - 1


def test_fewer_bits_move_a_model_further():
    model = network("llama", spread=0.5)
    before = as_predictor({"model": (model, tokenizer()), **ASKED}, "large")(TEXTS)
    moved = [
        np.abs(as_predictor({"model": (in_bits(model, bits, 32), tokenizer()), **ASKED}, "small")(TEXTS) - before).max()
        for bits in (8, 5, 3, 2)
    ]
    assert moved == sorted(moved)
    assert 0 < moved[0] < moved[-1] / 3


def test_the_head_and_what_it_shares_with_the_embeddings_stay():
    model = network("llama")
    made = in_bits(model, 2, 32)
    assert torch.equal(made.lm_head.weight, model.lm_head.weight)
    assert torch.equal(made.get_input_embeddings().weight, model.get_input_embeddings().weight)
    assert not torch.equal(made.model.layers[0].mlp.up_proj.weight, model.model.layers[0].mlp.up_proj.weight)


@pytest.mark.parametrize("make", [quantized, lambda model: in_bits(model, 4, 32)])
def test_a_copy_shares_what_stays_and_leaves_the_model_alone(make):
    model = network("llama")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    made = make(model)
    places = {weight.data_ptr() for weight in model.parameters()}
    kept, changed = (
        {name for name, weight in made.named_parameters() if (weight.data_ptr() in places) == shared}
        for shared in (True, False)
    )
    assert "model.norm.weight" in kept
    assert "model.layers.0.mlp.up_proj.weight" in changed
    assert all(torch.equal(made.get_parameter(name), before[name]) for name in kept)
    assert all(not torch.equal(made.get_parameter(name), before[name]) for name in changed)
    made.to(torch.bfloat16)  # the copy alone
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("way", [["round", "--bits", 4], ["prune", "--share", 0.3], ["drop-layers", "--keep", 1]])
def test_a_language_model_made_smaller_loads_and_answers(spoken, tmp_path, capsys, way):
    name, *options = way
    assert run(name, spoken, *options, "--out", tmp_path / "small") == 0
    assert "milliseconds" in capsys.readouterr().out
    rows = as_predictor({"model": str(tmp_path / "small"), **ASKED}, "small")(TEXTS)
    before = as_predictor({"model": str(spoken), **ASKED}, "large")(TEXTS)
    assert np.abs(rows - before).max() > 1e-4
    assert load(tmp_path / "small").config.num_hidden_layers == (1 if name == "drop-layers" else 2)


def test_a_classifier_is_rounded_too(tmp_path, capsys):
    large = checkpoint(tmp_path / "large", seed=3, labels=("negative", "positive"))
    assert run("round", large, "--bits", 3, "--group", 8, "--out", tmp_path / "small") == 0
    assert "Rounding is simulated" in capsys.readouterr().out
    assert as_predictor(str(tmp_path / "small"), "small").names == ["negative", "positive"]


@pytest.mark.parametrize(
    ("words", "said"), [(["--bits", 9], "--bits must be from 2 to 8"), (["--group", 0], "--group")]
)
def test_what_is_no_number_of_bits_is_refused(spoken, tmp_path, capsys, words, said):
    assert run("round", spoken, *words, "--out", tmp_path / "small") == 2
    assert said in capsys.readouterr().err
