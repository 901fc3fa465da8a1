"""`trusteq compress heal`: a causal language model learns the next token of the one that it was made from."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import SPECIAL, WORDS, tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from trusteq.cli import compress as cli_compress
from trusteq.compress import next_token

TEXTS = [f"the {thing} was {how} {word}" for thing in WORDS[2:4] for how in ("very", "not") for word in WORDS[8:14]]


def language_model(folder, seed):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    sizes |= {"max_position_embeddings": 64, "initializer_range": 0.3, "tie_word_embeddings": True}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(SPECIAL) + len(WORDS), **sizes)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    (folder / "texts.txt").write_text("\n".join([*TEXTS, TEXTS[0]]))
    return {"teacher": language_model(folder / "a", 0), "student": language_model(folder / "b", 1), "data": folder}


def heal(family, out, *more):
    words = ["heal", family["student"], "--teacher", family["teacher"], "--text-only", family["data"] / "texts.txt"]
    words += ["--steps", "20", "--batch-size", "4", "--learning-rate", "1e-2", "--out", out, *more]
    return cli_compress.main([str(word) for word in words])


def test_a_student_comes_nearer_to_its_teacher_on_texts_that_it_did_not_learn(family, tmp_path, capsys):
    assert heal(family, tmp_path / "s") == 0
    record = json.loads((tmp_path / "s" / "training.json").read_text())
    assert record["kl_after"] < 0.7 * record["kl_before"]
    assert f"{record['kl_before']:.4f} before, {record['kl_after']:.4f} after" in capsys.readouterr().out
    assert record["text_only"] == {"read": 25, "used": 24, "repeated": 1, "cut": 0} | dict.fromkeys(
        ("blank", "in_training_data", "in_evaluation_data"), 0
    )
    teacher, words = next_token.opened(str(family["teacher"]))
    saved, _ = next_token.opened(str(tmp_path / "s"))
    student, _ = next_token.opened(str(family["student"]))
    rows = [words(text)["input_ids"] for text in TEXTS]
    assert next_token.divergence(saved, teacher, rows, 4) < next_token.divergence(student, teacher, rows, 4)


def test_what_is_padded_is_not_measured(family):
    teacher, words = next_token.opened(str(family["teacher"]))
    student, _ = next_token.opened(str(family["student"]))
    rows = [words(text)["input_ids"] for text in ("the film", "the film was very very good")]
    alone = torch.cat([next_token.apart(student, teacher, [row]) for row in rows])
    assert torch.allclose(next_token.apart(student, teacher, rows), alone, atol=1e-4)
    assert len(alone) == sum(len(row) - 1 for row in rows)


def test_a_language_model_that_is_rounded_in_training_is_saved_so_and_its_embeddings_stay_whole(family, tmp_path):
    assert heal(family, tmp_path / "q", "--quantize", "int4") == 0
    saved = load_file(tmp_path / "q" / "model.safetensors")
    weight = saved["model.layers.0.mlp.up_proj.weight"]
    assert max(len(row.unique()) for row in weight.unflatten(1, (-1, 32)).flatten(0, 1)) <= 16
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "q")
    assert torch.equal(model.lm_head.weight, model.get_input_embeddings().weight)
    assert len(model.lm_head.weight[0].unique()) > 16


def test_a_few_added_weights_learn_and_are_merged_into_a_plain_checkpoint(family, tmp_path):
    assert heal(family, tmp_path / "l", "--lora", "4") == 0
    record = json.loads((tmp_path / "l" / "training.json").read_text())
    assert record["kl_after"] < record["kl_before"]
    before, after = (load_file(folder / "model.safetensors") for folder in (family["student"], tmp_path / "l"))
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.endswith("_proj.weight") for name in moved)
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.linalg.matrix_rank(after[name] - before[name], atol=1e-4) == 4


def test_bad_input_ends_with_one_sentence(family, tmp_path, capsys):
    (tmp_path / "one.txt").write_text("the film was good\n")
    wrong = {
        "--lora leaves the weights whole that --quantize would round": ["--lora", "2", "--quantize", "int8"],
        "--quantize must be 'int8' or 'int4', got 'int2'": ["--quantize", "int2"],
        "--steps must be 1 or more, got 0": ["--steps", "0"],
        "--text-only needs at least two texts": ["--text-only", tmp_path / "one.txt"],
    }
    for sentence, more in wrong.items():
        assert heal(family, tmp_path / "new", *more) == 2
        assert sentence in capsys.readouterr().err
