"""Does the small model come nearer while it is trained? The audit inside a real `Trainer`."""

from pathlib import Path

import evaluate
import pytest
import torch
import transformers
from small_families import GOLD, NAMES, STRANGE, TEXTS
from tiny_models import checkpoint, classifier, tokenizer

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"explained": 3, "attacked": 3, "attack": "deepwordbug", "samples": 20, "neighbors": 3, "k": 2}


@pytest.fixture(scope="module")
def audit():
    return evaluate.load(str(ROOT / "metrics" / "trust_equivalence"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return str(checkpoint(tmp_path_factory.mktemp("large"), seed=0, labels=NAMES))


def trainer(folder, logging_steps=1, **given):
    """A real Trainer of a tiny model with dropout: four steps, and an evaluation after every second."""
    transformers.set_seed(11)
    model = classifier(seed=5, labels=NAMES)
    cut = tokenizer()
    rows = [{**cut(text), "labels": int(label)} for text, label in zip(TEXTS, GOLD, strict=True)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        eval_strategy="steps",
        eval_steps=2,
        max_steps=4,
        learning_rate=1e-3,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=7,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        logging_steps=logging_steps,
    )
    rows_of = {"train_dataset": rows, "eval_dataset": rows}
    return transformers.Trainer(model, arguments, **rows_of, processing_class=cut, **given)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Trained without any audit."""
    made = trainer(tmp_path_factory.mktemp("plain"))
    made.train()
    return made


def with_callback(audit, large, folder, logging_steps=1, **given):
    callback = audit.callback(
        large=large, texts=TEXTS, references=GOLD, **({"every": 2, "ood_texts": STRANGE} | OPTIONS | given)
    )
    return trainer(folder, logging_steps, callbacks=[callback]), callback


def test_the_callback_logs_what_an_audit_of_that_moment_says(audit, large, tmp_path):
    made, _ = with_callback(audit, large, tmp_path)
    made.train()
    logged = [entry for entry in made.state.log_history if any("/" in key for key in entry)]
    assert [entry["step"] for entry in logged] == [2, 4]
    model = made.model.eval()
    now = audit.compute(
        large=large,
        compressed={"model": (model, tokenizer())},
        texts=TEXTS,
        references=GOLD,
        ood_texts=STRANGE,
        **OPTIONS,
    )
    headlines = {key: value for key, value in logged[-1].items() if "/" in key}
    assert len(headlines) == 6 * 3
    assert headlines == pytest.approx({key: now[f"model/{key}"] for key in headlines}, abs=1e-6)
    assert headlines != {key: logged[0][key] for key in headlines}


def test_the_callback_changes_nothing_about_the_training(audit, large, plain, tmp_path):
    made, _ = with_callback(audit, large, tmp_path)
    made.train()
    weights, expected = made.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    losses = [[entry["loss"] for entry in one.state.log_history if "loss" in entry] for one in (made, plain)]
    assert losses[0] == losses[1]


def test_the_large_model_works_once(audit, plain, tmp_path):
    def large(texts):
        asked.append(len(texts))
        return [[0.3, 0.7] if "good" in text else [0.6, 0.4] for text in texts]

    asked = []
    made, callback = with_callback(
        audit, large, tmp_path, dimensions=["prediction_error_jaccard", "attribution_alignment"]
    )
    cut = tokenizer()
    first = callback.figures(callback.student({"model": plain.model, "processing_class": cut}))
    once = sum(asked)
    assert once > len(TEXTS)
    with torch.no_grad():
        made.model.classifier.bias.add_(torch.tensor([0.5, -0.5]))
    second = callback.figures(callback.student({"model": made.model, "processing_class": cut}))
    assert first != second
    # The explainer asks the large model about one text again, to see how many classes it has.
    assert sum(asked) <= once + 1


def test_a_callback_that_knows_its_trainer_logs_through_it(audit, large, tmp_path):
    made, callback = with_callback(audit, large, tmp_path, dimensions="prediction_error_jaccard")
    callback.trainer = made
    heard = []

    class Listener(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs, **kwargs):
            heard.append((state.global_step, logs))

    made.add_callback(Listener())
    made.train()
    assert [step for step, logs in heard if "prediction_error_jaccard/jaccard" in logs] == [2, 4]
    assert sum("prediction_error_jaccard/jaccard" in entry for entry in made.state.log_history) == 2


@pytest.mark.parametrize(("logging_steps", "expected"), [(1, [1, 2, 3, 4]), (2, [2, 4])])
def test_a_callback_that_knows_its_trainer_keeps_no_loss_out_of_the_log(
    audit, large, plain, tmp_path, logging_steps, expected
):
    made, callback = with_callback(audit, large, tmp_path, logging_steps, dimensions="prediction_error_jaccard")
    callback.trainer = made
    made.train()
    losses = {entry["step"]: entry["loss"] for entry in made.state.log_history if "loss" in entry}
    assert list(losses) == expected
    if logging_steps == 1:
        assert losses == {entry["step"]: entry["loss"] for entry in plain.state.log_history if "loss" in entry}
    logged = [entry for entry in made.state.log_history if "prediction_error_jaccard/jaccard" in entry]
    assert [entry["step"] for entry in logged] == [2, 4]
    assert [entry["step"] for entry in made.state.log_history if "eval_loss" in entry] == [2, 4]


def test_a_model_with_more_than_a_step_in_between_is_looked_at_every_so_many(audit, large, tmp_path):
    made, _ = with_callback(audit, large, tmp_path, dimensions="prediction_error_jaccard", every=3)
    made.train()
    assert [entry["step"] for entry in made.state.log_history if "prediction_error_jaccard/jaccard" in entry] == [3]


def test_compute_metrics_gives_the_array_dimensions_at_every_evaluation(audit, large, tmp_path):
    teacher = transformers.AutoModelForSequenceClassification.from_pretrained(large).eval()
    cut = tokenizer()
    with torch.no_grad():
        logits = torch.cat([teacher(**cut(text, return_tensors="pt")).logits for text in TEXTS]).numpy()
    made = trainer(tmp_path, compute_metrics=audit.for_trainer(large_predictions=logits, n_bins=5))
    made.train()
    logged = [entry for entry in made.state.log_history if "eval_loss" in entry]
    assert [entry["step"] for entry in logged] == [2, 4]
    rows = made.predict(made.eval_dataset)
    expected = {}
    for name, own in (("prediction_error_jaccard", {}), ("calibration_gap", {"n_bins": 5})):
        metric = evaluate.load(str(ROOT / "metrics" / name))
        figures = metric.compute(
            predictions=rows.predictions, references=GOLD, large_predictions=logits, from_logits=True, **own
        )
        expected |= {f"eval_{name}/{key}": value for key, value in figures.items()}
    assert {key: logged[-1][key] for key in expected} == pytest.approx(expected, abs=1e-6)


def test_mistakes_are_said_before_the_training(audit, large):
    given = {"large": large, "texts": TEXTS, "references": GOLD}
    with pytest.raises(ValueError, match="every must be"):
        audit.callback(**given, every=0)
    with pytest.raises(ValueError, match="texts is empty"):
        audit.callback(**(given | {"texts": []}))
    with pytest.raises(ValueError, match="smaples"):
        audit.callback(**given, smaples=3)
    with pytest.raises(ValueError, match="attack must be one of"):
        audit.callback(**given, attack="poison")
    with pytest.raises(ValueError, match="n_bins must be"):
        audit.for_trainer(large_predictions=[], n_bins=0)


def test_a_model_whose_classes_have_no_names_is_refused_before_the_first_step(audit, large, tmp_path):
    made, _ = with_callback(audit, large, tmp_path)
    made.model.config.id2label = {0: "LABEL_0", 1: "LABEL_1"}
    with pytest.raises(ValueError, match=r"large names its classes .* but model does not"):
        made.train()
    assert made.state.global_step == 0


def test_a_trainer_without_a_tokenizer_is_told_so(audit, large, tmp_path):
    callback = audit.callback(large=large, texts=TEXTS, references=GOLD, every=1, **OPTIONS)
    with pytest.raises(ValueError, match="the callback needs the model's tokenizer: give Trainer"):
        callback.on_train_begin(None, None, None, model=classifier())
