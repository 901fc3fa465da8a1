"""A checkpoint that lacks weights is refused by name: transformers would make them up at random."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import checkpoint, classifier, language_model, reader, tokenizer
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from trusteq.audit import start
from trusteq.audit.options import AuditOptions
from trusteq.cli import audit as cli_audit
from trusteq.compress.compress import load
from trusteq.compress.starting_model import starting_model
from trusteq.models.checkpoints import load_checkpoint
from trusteq.models.images import as_image_predictor
from trusteq.models.language import as_causal_predictor
from trusteq.models.open import as_predictor
from trusteq.models.question_answering import as_question_answerer

TEXTS = ["a good film", "the plot was bad", "the acting is not very good", "a dull story"] * 3


def change(folder, how):
    """The checkpoint with its weights as `how` makes them of those that it has."""
    save_file(how(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    return folder


def without(part):
    return lambda weights: {name: value for name, value in weights.items() if part not in name}


def compiled(weights):
    return {f"_orig_mod.{name}": value for name, value in weights.items()}


def cut(weights):
    return weights | {"classifier.weight": weights["classifier.weight"][:, :5].contiguous()}


def wide(weights):
    return weights | {"classifier.weight": torch.zeros(3, 32), "classifier.bias": torch.zeros(3)}


LACKING = {
    "torch.compile": (compiled, r"lack bert\.\S+ and \d+ others; its names hold _orig_mod\., as torch\.compile saves"),
    "inside": (lambda w: {n.replace("bert.", "bert._orig_mod."): v for n, v in w.items()}, r"hold _orig_mod\."),
    "no head": (without("classifier"), r"lack classifier\.bias and 1 other; this is its head, which was never trained"),
    "no layer": (without("layer.1.output.dense.bias"), r"lack bert\.encoder\.layer\.1\.output\.dense\.bias$"),
    "no pooler": (without("pooler"), r"its weights lack bert\.pooler\.dense\.bias and 1 other"),
    "cut": (cut, r"classifier\.weight has the shape \[2, 5\] where config\.json asks for \[2, 32\]"),
    "more classes": (wide, r"classifier\.bias has the shape \[3\] where .* \[2\] and 1 other: its weights and"),
}


@pytest.mark.parametrize("case", LACKING)
def test_missing_and_misshapen_weights_are_refused_by_name(tmp_path, case):
    how, sentence = LACKING[case]
    folder = change(checkpoint(tmp_path / "model"), how)
    with pytest.raises(ValueError, match=f"^large: .*{sentence}") as error:
        as_predictor(folder, "large")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=sentence):
        load(folder)


@pytest.mark.parametrize("case", ["torch.compile", "no head"])
def test_an_audit_of_made_up_weights_ends_with_2_and_writes_no_report(tmp_path, capsys, case):
    how, sentence = LACKING[case]
    large, small = checkpoint(tmp_path / "large"), change(checkpoint(tmp_path / "small", seed=1), how)
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(f"{text},{i % 2}\n" for i, text in enumerate(TEXTS)))
    words = ["--large", large, "--compressed", small, "--dataset", tmp_path / "texts.csv", "--out", tmp_path / "out"]
    assert cli_audit.main([str(word) for word in words]) == 2
    assert re.search(sentence, capsys.readouterr().err)
    assert not (tmp_path / "out" / "report.json").exists()


def test_weights_that_are_not_read_are_said_in_the_report(tmp_path):
    large, small = checkpoint(tmp_path / "large"), checkpoint(tmp_path / "small", seed=1)
    change(small, lambda weights: weights | {"more.bias": torch.zeros(2), "more.weight": torch.zeros(2)})
    options = AuditOptions(dimensions=("prediction_error_jaccard",))
    for _ in range(2):  # the second time no model is opened
        found = start.audit(
            options, str(large), str(small), None, TEXTS, [0, 1] * 6, folder=tmp_path / "work", resume=True
        )
        assert {name: model["unread"] for name, model in found["models"].items()} == {
            "large": [],
            "compressed": ["more.bias", "more.weight"],
        }
    assert json.dumps(found)


def saved(model, folder):
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def test_an_encoder_is_opened_for_its_embeddings_whatever_head_it_had(tmp_path):
    """A masked model has no pooler, and the embeddings need none."""
    config = classifier().config
    for kind in (BertModel, BertForMaskedLM, BertForPreTraining):
        folder = saved(kind(config), tmp_path / kind.__name__)
        assert as_predictor(folder, "model").embed(["a film"]).shape == (1, 32)
        change(folder, lambda weights: {f"_orig_mod.{name}": value for name, value in weights.items()})
        with pytest.raises(ValueError, match=r"hold _orig_mod\."):
            as_predictor(folder, "model")


def test_tied_weights_and_buffers_are_not_missing(tmp_path):
    folder = saved(BertForMaskedLM(classifier().config), tmp_path / "masked")
    assert not any("decoder.weight" in name for name in load_file(folder / "model.safetensors"))
    model, _ = load_checkpoint(str(folder), "masked_model", None, None, False, "MaskedLM")
    assert model.unread == []
    folder = checkpoint(tmp_path / "old")  # older versions saved this buffer with the weights
    change(folder, lambda weights: weights | {"bert.embeddings.position_ids": torch.arange(64)[None]})
    assert as_predictor(folder, "model").model.unread == []


def test_other_tasks_refuse_what_their_models_lack(tmp_path):
    prompt = {"prompt": "{text} It was", "verbalizers": {"bad": "bad", "good": "good"}}
    folder = saved(language_model(), tmp_path / "language")
    as_causal_predictor({"model": str(folder), **prompt}, "model")
    change(folder, without("h.1.ln_1"))
    with pytest.raises(ValueError, match=r"its weights lack transformer\.h\.1\.ln_1\.bias and 1 other"):
        as_causal_predictor({"model": str(folder), **prompt}, "model")
    folder = saved(reader(), tmp_path / "questions")
    as_question_answerer(str(folder), "model")
    change(folder, without("qa_outputs"))
    with pytest.raises(ValueError, match=r"lack qa_outputs\.bias and 1 other; this is its head"):
        as_question_answerer(str(folder), "model")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    folder = tmp_path / "images"
    ViTForImageClassification(ViTConfig(**sizes, image_size=8, patch_size=4)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(folder)
    assert as_image_predictor(str(folder), "model").scores([np.zeros((8, 8, 3), np.uint8)]).shape == (1, 2)
    change(folder, without("classifier"))
    with pytest.raises(ValueError, match=r"lack classifier\.bias and 1 other; this is its head"):
        as_image_predictor(str(folder), "model")


def test_training_may_begin_its_head_anew_and_nothing_else(tmp_path):
    for kind in (BertModel, BertForMaskedLM):
        folder = saved(kind(classifier().config), tmp_path / kind.__name__)
        model, _ = starting_model(str(folder), ["a", "b", "c"], TEXTS)
        kept = load_file(folder / "model.safetensors")
        name = next(name for name in kept if name.endswith("layer.1.output.dense.weight"))
        assert torch.equal(model.bert.encoder.layer[1].output.dense.weight.data, kept[name])
    model, _ = starting_model(str(checkpoint(tmp_path / "two")), ["a", "b", "c"], TEXTS)
    assert model.classifier.weight.shape == (3, 32)
    model, _ = starting_model(str(tmp_path / "two"), ["a", "b"], TEXTS, layers=1)
    assert model.config.num_hidden_layers == 1
    with pytest.raises(ValueError, match=r"hold _orig_mod\."):
        starting_model(str(change(folder, compiled)), ["a", "b"], TEXTS)
    assert AutoTokenizer.from_pretrained(folder)
