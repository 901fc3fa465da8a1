"""`--keep`, `--losses` and `--text-only`: what a student learns of its teacher beside the right answers."""

import json
import shlex

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import checkpoint

from trusteq.cli import compress as cli_compress
from trusteq.cli import finetune as cli_finetune
from trusteq.compress import copies, extra_texts, keeping, lessons, rounding, trainer
from trusteq.compress import finetune as compress_finetune
from trusteq.compress.options import FinetuneOptions
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.models import open

GOOD, BAD = ("good", "great", "fine"), ("bad", "awful", "dull")
TEXTS = [f"the {thing} was {word}" for thing in ("film", "movie", "plot", "story") for word in GOOD + BAD]
LABELS = [int(text.split()[-1] in GOOD) for text in TEXTS]
FURTHER = [f"a {word} {thing}" for thing in ("film", "movie", "plot", "story") for word in GOOD + BAD]
FAST = ["--text", "sentence", "--epochs", "1", "--batch-size", "4", "--learning-rate", "2e-3"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("large"), seed=3, labels=("negative", "positive"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    pd.DataFrame({"sentence": TEXTS, "label": LABELS}).to_csv(folder / "train.csv", index=False)
    pd.DataFrame({"sentence": ["a dull cat"], "label": [0]}).to_csv(folder / "judged.csv", index=False)
    again = [FURTHER[0].upper() + " !", TEXTS[3], "a dull, dull cat", "A dull cat.", " ... "]
    (folder / "further.txt").write_text("\n".join([*FURTHER, *again]), encoding="utf-8")
    return folder


def distil(large, data, out, *more):
    judged = ["--dataset", data / "train.csv", "--eval-dataset", data / "judged.csv"]
    words = ["distil", large, *judged, "--layers", "1", "--out", out, *FAST, *more]
    return cli_compress.main([str(word) for word in words])


@pytest.fixture(scope="module")
def kept(large, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("kept") / "student"
    assert distil(large, data, out, "--keep", "errors", "neighbours", "--text-only", data / "further.txt") == 0
    return out


# What is written.


def test_the_record_says_which_losses_ran_and_what_was_left_out(kept):
    found = json.loads((kept / "training.json").read_text())["kept"]
    assert found["losses"] == {"projection": 2.0, "gradients": 0.5, "gram": 5.0}
    assert (found["keep"], found["temperature"]) == (["errors", "neighbours"], 4.0)
    counts = {"read": 29, "blank": 1, "repeated": 1, "in_training_data": 1, "in_evaluation_data": 1, "used": 25}
    assert found["text_only"] == counts | {"perturbed": 0, "cut": 0}
    assert found["set_aside"] == 2


def test_the_student_is_an_ordinary_checkpoint_without_the_map_to_its_teacher(kept):
    assert not any("to_teacher" in name for name in load_file(kept / "model.safetensors"))
    assert open.as_predictor(kept, "student")(TEXTS).shape == (len(TEXTS), 2)


def test_the_epoch_is_chosen_by_what_is_set_aside_and_not_by_what_is_reported(large, data, tmp_path, monkeypatch):
    scores = iter([0.1, 0.7, 0.3])

    def with_score(measure, *_):
        return lambda p: {"accuracy": 0.5, "score": next(scores)}

    monkeypatch.setattr(compress_finetune, "with_score", with_score)
    assert distil(large, data, tmp_path / "s", "--keep", "errors", "--epochs", "3") == 0
    assert json.loads((tmp_path / "s" / "training.json").read_text())["best_epoch"] == 2


def test_a_score_is_accuracy_less_divergence_on_rows_that_are_set_aside():
    from types import SimpleNamespace

    teacher = np.log(np.array([[0.8, 0.2], [0.5, 0.5], [0.5, 0.5]], dtype=np.float32))
    student = np.log(np.array([[0.9, 0.1], [0.5, 0.5], [0.4, 0.6], [0.5, 0.5]]))
    score = compress_finetune.with_score(lambda p: {"seen": len(p.predictions)}, 1, teacher, [0, 1, trainer.NONE])
    found = score(SimpleNamespace(predictions=student))
    kl = (0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5) + 0.5 * np.log(0.5 / 0.4) + 0.5 * np.log(0.5 / 0.6)) / 3
    assert found["seen"] == 1
    assert (found["aside_accuracy"], found["aside_kl"]) == (1.0, pytest.approx(kl, abs=1e-7))
    assert found["score"] == pytest.approx(1 - kl, abs=1e-7)


# The teacher is asked once.


def test_a_second_run_reads_what_the_teacher_said(large, data, kept, tmp_path, monkeypatch, capsys):
    def never(*_):
        raise AssertionError("the teacher was asked again")

    monkeypatch.setattr(lessons.Teacher, "ask", never)
    folder = kept.parent / "teacher-answers"
    assert len(list(folder.iterdir())) == 2  # of the texts with labels, and of those without
    more = ["--keep", "errors", "neighbours", "--text-only", data / "further.txt", "--answers", folder]
    assert distil(large, data, tmp_path / "again", *more) == 0
    assert "answers read from" in capsys.readouterr().err
    first, again = (load_file(path / "model.safetensors") for path in (kept, tmp_path / "again"))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_another_teacher_is_asked_itself(large, data, kept, tmp_path):
    folder = kept.parent / "teacher-answers"
    before = set(folder.iterdir())
    other = checkpoint(tmp_path / "other", seed=8, labels=("negative", "positive"))
    more = ["--keep", "errors", "neighbours", "--text-only", data / "further.txt", "--answers", folder]
    assert distil(other, data, tmp_path / "s", *more) == 0
    assert len(set(folder.iterdir()) - before) == 2


# The losses.


def seen(**given):
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    return keeping.Seen(**({"logits": logits, "teacher_logits": logits.clone()} | given))


def test_each_loss_is_nothing_for_a_student_that_is_its_teacher():
    rows = torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 1.0], [-1.0, -2.0, 0.0]])
    alike = seen(pooled=rows + 3, projected=2 * rows, teacher_pooled=rows, scores=rows, teacher_scores=rows)
    for name, loss in keeping.LOSSES.items():
        if loss.of is not None:
            assert loss.of(alike).item() == pytest.approx(0, abs=1e-6), name


def test_a_margin_costs_what_is_beyond_it_alone():
    apart = seen(teacher_logits=torch.tensor([[2.0, 0.0], [3.0, 0.0]]))
    # Less the mean of their row, the second row's logits are -0.5, 0.5 and the teacher's 1.5, -1.5.
    assert keeping.margin(apart).item() == pytest.approx((2.0 - keeping.MARGIN) ** 2 / 2)


def test_a_row_without_a_label_learns_from_the_teacher_alone():
    logits, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    alone = trainer.distillation_loss(logits, teacher, torch.tensor([trainer.NONE]), 4.0, 0.5)
    assert alone.item() == pytest.approx(trainer.distillation_loss(logits, teacher, torch.tensor([0]), 4.0, 1.0).item())


def test_gradients_times_input_are_those_of_finite_differences(large):
    predictor = open.as_predictor(large, "large")
    model = predictor.model.double().eval()
    inputs = dict(predictor.tokenizer(["the film was good"], return_tensors="pt"))
    told = torch.tensor([[0.0, 1.0]])
    _, scores = trainer.gradient_times_input(model, inputs, told, learning=False, how={})
    words = model.get_input_embeddings()(inputs["input_ids"]).detach()
    rest = {name: value for name, value in inputs.items() if name != "input_ids"}

    def best(words):
        logits = model(inputs_embeds=words, **rest).logits[0]
        return (logits[1] - logits.mean()).item()

    for place in range(words.shape[1]):
        more, less = words.clone(), words.clone()
        more[0, place] *= 1 + 1e-4
        less[0, place] *= 1 - 1e-4
        assert scores[0, place].item() == pytest.approx((best(more) - best(less)) / 2e-4, rel=1e-3, abs=1e-5)


def test_every_loss_runs_and_one_of_gradients_needs_the_same_tokens(large, data, tmp_path, capsys):
    every = ["--losses", *keeping.LOSSES, "--text-only", data / "further.txt"]
    assert distil(large, data, tmp_path / "all", *every) == 0
    found = json.loads((tmp_path / "all" / "training.json").read_text())["kept"]
    assert found["losses"] == {name: loss.weight for name, loss in keeping.LOSSES.items()}
    assert found["text_only"]["perturbed"] == round(0.25 * len(TEXTS))
    capsys.readouterr()
    assert distil(large, data, tmp_path / "none", "--losses", "gradients", "--vocabulary", "20") == 2
    assert "reads others than the model in training: leave out --vocabulary" in capsys.readouterr().err


def test_what_can_be_kept_are_the_six_dimensions():
    assert {dimension for dimension, _ in keeping.KEPT.values()} == set(DIMENSIONS)
    assert all(name in keeping.LOSSES for _, losses in keeping.KEPT.values() for name in losses)


def test_the_help_holds_what_every_loss_was_found_to_do(capsys):
    for main in (cli_finetune.main, lambda words: cli_compress.main(["distil", *words])):
        with pytest.raises(SystemExit):
            main(["--help"])
        printed = capsys.readouterr().out
        assert all(loss.paper in printed and loss.verdict in printed for loss in keeping.LOSSES.values())


# The rows of a batch.


def test_half_of_each_batch_has_labels_and_every_row_comes_in_turn():
    halves = trainer.Halves(list(range(30)), labelled=10, batch=4)
    batches = np.array(list(halves)).reshape(-1, 4)
    assert len(halves) == batches.size == 20
    assert ((batches < 10).sum(axis=1) == 2).all()
    assert sorted(batches[batches < 10]) == list(range(10))
    others = [row for _ in range(2) for row in halves if row >= 10]
    assert len(set(batches[batches >= 10])) == 10
    assert set(batches[batches >= 10]) | set(others) == set(range(10, 30))


def test_steps_are_equal_parts_whatever_the_number_of_rows(large, data, tmp_path):
    assert distil(large, data, tmp_path / "s", "--steps", "6", "--epochs", "3") == 0
    found = json.loads((tmp_path / "s" / "training.json").read_text())
    assert (found["steps"], len(found["epochs"])) == (6, 3)


# The texts.


def test_texts_of_several_columns_and_pairs(tmp_path):
    pd.DataFrame({"a": ["one", "two"], "b": ["three", "four"], "c": [1, 2]}).to_csv(tmp_path / "t.csv", index=False)
    of = [extra_texts.texts_of(str(tmp_path / "t.csv"), ("a", "b"), "train", pairs) for pairs in (False, True)]
    assert of == [["one", "two", "three", "four"], [("one", "three"), ("two", "four")]]


def test_perturbed_texts_keep_most_of_their_words():
    made = extra_texts.perturbed(["a b c d e f g h"] * 3 + ["x y"], 3, 0.25, seed=0)
    assert len(made) == 3
    assert all(len(text.split()) == len(own) for text, own in zip(made, map(str.split, made), strict=True))
    assert extra_texts.perturbed([("a b", "c")], 5, 0.25, seed=0)[0].__class__ is tuple


# One sentence each.


def test_bad_input_ends_with_one_sentence(large, data, tmp_path, capsys):
    (tmp_path / "none.txt").write_text("a dull cat\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xfa")
    teacher = ["--teacher", large]
    wrong = {
        "--keep knows no error; did you mean errors?": [*teacher, "--keep", "error"],
        "--keep knows no trust; there are errors, confidence, reasons": [*teacher, "--keep", "trust"],
        "--losses knows no grams; did you mean gram?": [*teacher, "--losses", "grams=2"],
        "the weight of gram must be 0 or more": [*teacher, "--losses", "gram=-1"],
        "--keep is about what a student keeps of its teacher: add --teacher": ["--keep", "errors"],
        "--text-only leaves no text to learn from: 0 of 1": [*teacher, "--text-only", tmp_path / "none.txt"],
        "bytes.txt could not be read as txt: it is not text in UTF-8": [
            *teacher,
            "--text-only",
            tmp_path / "bytes.txt",
        ],
        "has no column nowhere; its columns are sentence, label: name them by --text-only-columns": [
            *[*teacher, "--text-only", data / "train.csv", "--text-only-columns", "nowhere"]
        ],
        "--text-only-columns is about texts without labels": [*teacher, "--text-only-columns", "a"],
        "--steps 5 cannot be parted into 3 equal --epochs": ["--steps", "5", "--epochs", "3"],
    }
    use = ["--model", large, "--out", tmp_path / "new", "--dataset", data / "train.csv"]
    use += ["--eval-dataset", data / "judged.csv", *FAST]
    for sentence, argv in wrong.items():
        assert cli_finetune.main([str(word) for word in [*use, *argv]]) == 2
        assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_what_is_kept_sets_the_temperature_unless_one_is_given():
    given = shlex.split("--model m --dataset d --out o --teacher t --keep errors")
    parser = cli_finetune.parser()
    assert FinetuneOptions.of(**parser.read(given)).temperature == 4
    assert FinetuneOptions.of(**parser.read([*given, "--temperature", "3"])).temperature == 3
    assert FinetuneOptions.of(**parser.read(given[:-2])).temperature == 2


# Rounded in training.


@pytest.mark.parametrize("way", ["int8", "int4"])
def test_a_model_trained_to_be_rounded_is_saved_whole_for_8_bits_and_rounded_to_4(large, data, tmp_path, way):
    words = ["--model", large, "--teacher", large, "--quantize", way, "--out", tmp_path / "r", *FAST]
    words += ["--dataset", data / "train.csv", "--eval-dataset", data / "judged.csv"]
    assert cli_finetune.main([str(word) for word in words]) == 0
    record = json.loads((tmp_path / "r" / "training.json").read_text())
    assert record["quantized"] == {"as": way, **rounding.WAYS[way]}
    before, after = load_file(large / "model.safetensors"), load_file(tmp_path / "r" / "model.safetensors")
    assert before.keys() == after.keys()
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(after[name], before[name])
    of_group = [len(row.unique()) for row in after[name].unflatten(1, (-1, 32)).flatten(0, 1)]
    assert max(of_group) <= 16 if way == "int4" else min(of_group) > 16


def test_a_step_sees_the_weights_that_int8_stores(large):
    model = open.as_predictor(large, "large").model.eval()
    batch = {"input_ids": torch.arange(5, 20)[None]}
    stored = copies.quantized(model)(**batch).logits
    whole = model(**batch).logits
    rounding.begin_rounding(model, "int8")
    assert torch.allclose(model(**batch).logits, stored, atol=1e-6)
    rounding.end_rounding(model, "int8")
    assert torch.equal(model(**batch).logits, whole)


def test_a_step_passes_through_the_rounding_as_if_there_were_none():
    layer = torch.nn.Sequential(torch.nn.Linear(32, 2))
    rounding.begin_rounding(layer, "int4")
    given = torch.randn(5, 32)
    layer(given).sum().backward()
    slope = layer[0].parametrizations.weight.original.grad
    assert slope == pytest.approx(given.sum(dim=0).expand(2, 32), abs=1e-5)
    seen = layer(given)
    rounding.end_rounding(layer, "int4")
    assert torch.allclose(layer(given), seen, atol=1e-6)
    assert sorted(layer.state_dict()) == ["0.bias", "0.weight"]
