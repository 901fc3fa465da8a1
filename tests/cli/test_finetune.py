"""`trusteq finetune`: real training of tiny models on tiny files, and one sentence for everything that cannot work."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny_models import checkpoint
from tokenizers import Tokenizer, models
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from trusteq.cli import finetune as cli_finetune
from trusteq.compress import finetune as compress_finetune
from trusteq.compress import starting_model, trainer, vocabulary
from trusteq.compress.options import FinetuneOptions
from trusteq.models import open
from trusteq.records import labelled_texts

ROOT = Path(__file__).resolve().parents[2]

GOOD, BAD = ("good", "great", "fine"), ("bad", "awful", "dull")
TEXTS = [f"the {thing} was {word}" for thing in ("film", "movie", "plot", "story") for word in GOOD + BAD]
LABELS = [int(text.split()[-1] in GOOD) for text in TEXTS]
TABLE = pd.DataFrame({"sentence": TEXTS, "label": LABELS})
NAMES = ["--names", "negative", "positive"]
FAST = ["--text", "sentence", "--epochs", "2", "--batch-size", "4", "--learning-rate", "2e-3"]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Random weights, small enough that a few steps teach it something."""
    folder = checkpoint(tmp_path_factory.mktemp("start"), seed=1)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(0.2 if value.ndim == 2 else 1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One table in every format that is read, by its suffix."""
    folder = tmp_path_factory.mktemp("data")
    TABLE.to_csv(folder / "all.csv", index=False)
    TABLE.to_csv(folder / "all.tsv", index=False, sep="\t", quoting=3)
    TABLE.to_json(folder / "all.jsonl", orient="records", lines=True)
    TABLE.to_parquet(folder / "all.parquet")
    return {path.suffix[1:]: str(path) for path in folder.iterdir()}


@pytest.fixture(scope="module")
def trained(start, data, tmp_path_factory):
    """Twelve epochs: enough to learn six words."""
    out = tmp_path_factory.mktemp("trained") / "model"
    file = ["--dataset", data["csv"], "--eval-dataset", data["csv"]]
    assert cli_finetune.main(["--model", str(start), "--out", str(out), *file, *FAST, *NAMES, "--epochs", "12"]) == 0
    return out


def weights(folder):
    return load_file(folder / "model.safetensors")


def fails(capsys, *argv):
    """The sentence with which it ends."""
    assert cli_finetune.main([str(word) for word in argv]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("trusteq finetune: ")
    return last


# What is written.


def test_what_is_written_loads_like_any_checkpoint_and_in_the_predictor(trained):
    model = AutoModelForSequenceClassification.from_pretrained(trained, use_safetensors=True)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.config.label2id == {"negative": 0, "positive": 1}
    predictor = open.as_predictor(trained, "model")
    assert predictor.names == ["negative", "positive"]
    assert (predictor(TEXTS).argmax(axis=1) == LABELS).all()
    assert sorted(path.name for path in trained.iterdir() if path.is_dir()) == []


def test_the_record_says_how_and_how_well(trained):
    record = json.loads((trained / "training.json").read_text())
    assert record["command"].startswith("trusteq finetune --model ")
    assert (record["seed"], record["accuracy"], record["examples"]) == (42, 1.0, len(TEXTS))
    assert record["parameters"] == sum(value.numel() for value in weights(trained).values())
    assert record["megabytes"] == (trained / "model.safetensors").stat().st_size / 1e6
    assert record["versions"]["torch"] == torch.__version__.split("+")[0] or record["versions"]["torch"]
    assert [round(entry["epoch"]) for entry in record["epochs"]] == list(range(1, 13))


def test_the_best_epoch_is_kept_not_the_last(start, data, tmp_path, monkeypatch):
    scores = iter([0.4, 0.9, 0.6])
    seen = []

    def measure(_):
        return lambda p: seen.append(p.predictions.copy()) or {"accuracy": next(scores)}

    monkeypatch.setattr(compress_finetune, "accuracy_of", measure)
    file = ["--dataset", data["csv"], "--eval-dataset", data["csv"], *FAST, "--epochs", "3"]
    assert cli_finetune.main(["--model", str(start), "--out", str(tmp_path / "out"), *file]) == 0
    assert json.loads((tmp_path / "out" / "training.json").read_text())["best_epoch"] == 2
    saved = open.as_predictor(tmp_path / "out", "saved")(TEXTS)
    softmax = [np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True) for rows in seen]
    assert saved == pytest.approx(softmax[1], abs=1e-5)
    assert np.abs(saved - softmax[2]).max() > 1e-3


def test_half_precision_halves_the_file_and_keeps_the_answers(start, trained, data, tmp_path):
    out = tmp_path / "half"
    file = ["--dataset", data["csv"], "--eval-dataset", data["csv"], *FAST, *NAMES, "--epochs", "12", "--half"]
    assert cli_finetune.main(["--model", str(start), "--out", str(out), *file]) == 0
    assert {value.dtype for value in weights(out).values()} == {torch.float16}
    for name, value in weights(trained).items():
        assert torch.equal(weights(out)[name], value.half())


def test_a_seed_gives_one_model_and_another_seed_another(start, data, tmp_path):
    file = ["--dataset", data["csv"], "--eval-dataset", data["csv"], *FAST]
    scratch = ["--from-scratch", "--layers", "1"]
    for out, seed in (("a", "7"), ("again", "7"), ("b", "8")):
        where = ["--out", str(tmp_path / out), "--seed", seed]
        assert cli_finetune.main(["--model", str(start), *scratch, *where, *file]) == 0
    a, again, b = (weights(tmp_path / out) for out in ("a", "again", "b"))
    assert all(torch.equal(a[name], again[name]) for name in a)
    assert not any(torch.equal(a[name], b[name]) for name in a if name.endswith("query.weight"))


# What it learns from.


def test_pairs_of_texts_are_learned_as_pairs(start, tmp_path):
    rows = {
        "one": ["the film was good", "the film was bad"] * 4,
        "two": ["great", "awful"] * 4,
        "gold": ["yes", "no"] * 4,
    }
    pd.DataFrame(rows).to_csv(tmp_path / "pairs.csv", index=False)
    file = ["--dataset", str(tmp_path / "pairs.csv"), "--eval-dataset", str(tmp_path / "pairs.csv")]
    columns = ["--text-pair", "one", "two", "--label", "gold", "--epochs", "1"]
    assert cli_finetune.main(["--model", str(start), "--out", str(tmp_path / "out"), *file, *columns]) == 0
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert model.config.id2label == {0: "no", 1: "yes"}
    found = labelled_texts.read(str(tmp_path / "pairs.csv"), text="one", text_pair="two", label="gold")
    tokenizer = AutoTokenizer.from_pretrained(start)
    row = compress_finetune.tokenized(tokenizer, found, 64)[0]
    assert row["input_ids"] == tokenizer("the film was good", "great")["input_ids"]


def test_the_preset_is_paper_bs_and_what_is_given_beside_it_stands():
    given = ["--model", "m", "--dataset", "d", "--out", "o", "--preset", "paper-b-pi"]
    options = FinetuneOptions.of(**cli_finetune.parser().read([*given, "--batch-size", "16"]))
    found = (options.learning_rate, options.epochs, options.weight_decay, options.clip, options.seed)
    assert found == (1e-5, 10, 0.0, 1.0, 42)
    assert options.batch_size == 16
    assert FinetuneOptions.of(**cli_finetune.parser().read([*given[:-1], "paper-b-nli"])).epochs == 5


# A teacher, and a large model beside.


def test_the_loss_of_a_student_is_the_mixture_of_hinton():
    logits, teacher = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [0.0, 2.0]])
    labels = torch.tensor([0, 1])
    gold = -(torch.log_softmax(logits, 1)[0, 0] + torch.log_softmax(logits, 1)[1, 1]) / 2
    p, q = torch.softmax(teacher / 2, 1), torch.softmax(logits / 2, 1)
    soft = 4 * (p * (p / q).log()).sum(1).mean()
    for mix in (0.0, 0.25, 1.0):
        expected = mix * soft + (1 - mix) * gold
        assert trainer.distillation_loss(logits, teacher, labels, 2.0, mix).item() == pytest.approx(
            expected.item(), abs=1e-6
        )


def test_a_student_takes_its_teachers_side_against_the_labels(start, trained, data, tmp_path):
    """Every label is turned round; with the teacher alone in the loss the student still says what the teacher says."""
    turned = TABLE.assign(label=1 - TABLE["label"])
    turned.to_csv(tmp_path / "turned.csv", index=False)
    file = ["--dataset", str(tmp_path / "turned.csv"), "--eval-dataset", data["csv"]]
    learn = ["--teacher", str(trained), "--mix", "1", *FAST, *NAMES, "--epochs", "8"]
    assert cli_finetune.main(["--model", str(start), "--out", str(tmp_path / "student"), *file, *learn]) == 0
    predictor = open.as_predictor(tmp_path / "student", "student")
    assert (predictor(TEXTS).argmax(axis=1) == LABELS).mean() > 0.8


def test_a_teacher_whose_classes_stand_in_another_order_is_matched_by_name(start, trained, tmp_path, capsys):
    model = AutoModelForSequenceClassification.from_pretrained(trained)
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight.flip(0))
        model.classifier.bias.copy_(model.classifier.bias.flip(0))
    model.config.id2label, model.config.label2id = {0: "positive", 1: "negative"}, {"positive": 0, "negative": 1}
    model.save_pretrained(tmp_path / "turned")
    AutoTokenizer.from_pretrained(trained).save_pretrained(tmp_path / "turned")
    student = BertForSequenceClassification.from_pretrained(trained)
    data = labelled_texts.LabelledTexts(TEXTS, LABELS, ["negative", "positive"])
    tokenizer = AutoTokenizer.from_pretrained(trained)
    for folder in (trained, tmp_path / "turned"):
        logits = compress_finetune.answers(str(folder), "the teacher", student, tokenizer, data, bf16=False)
        assert (logits.argmax(axis=1) == LABELS).all()
    assert capsys.readouterr().err.count("accuracy 1.0000 on 24 examples\n") == 2


def test_every_epoch_is_compared_with_the_large_model_by_the_metrics(start, trained, data, tmp_path):
    import evaluate

    file = ["--dataset", data["csv"], "--eval-dataset", data["csv"], *FAST, *NAMES, "--epochs", "1"]
    assert cli_finetune.main(["--model", str(start), "--large", str(trained), "--out", str(tmp_path / "o"), *file]) == 0
    (entry,) = json.loads((tmp_path / "o" / "training.json").read_text())["epochs"]
    both = {
        "predictions": open.as_predictor(tmp_path / "o", "small")(TEXTS),
        "large_predictions": open.as_predictor(trained, "large")(TEXTS),
        "references": LABELS,
    }
    for name in ("prediction_error_jaccard", "calibration_gap"):
        for key, value in evaluate.load(str(ROOT / "metrics" / name)).compute(**both).items():
            assert entry[key] == pytest.approx(value, abs=1e-4), key  # float32 logits against float64 probabilities


# New small models, and fewer word pieces.


def test_a_new_model_has_the_shape_that_was_asked_for(trained, data, tmp_path):
    small = ["--from-scratch", "--layers", "1", "--width", "16", "--heads", "4", "--max-length", "24"]
    file = ["--dataset", data["csv"], "--eval-dataset", data["csv"], *FAST, "--epochs", "1"]
    assert cli_finetune.main(["--model", str(trained), "--out", str(tmp_path / "s"), *small, *file]) == 0
    config = AutoModelForSequenceClassification.from_pretrained(tmp_path / "s").config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (1, 16, 4)
    assert (config.intermediate_size, config.max_position_embeddings) == (64, 24)
    assert config.id2label == {0: "negative", 1: "positive"}
    assert AutoTokenizer.from_pretrained(tmp_path / "s").model_max_length == 24


def test_reused_embeddings_keep_the_angles_that_their_width_can_hold(trained):
    whole = AutoModelForSequenceClassification.from_pretrained(trained).get_input_embeddings().weight.data
    shape = {"width": 32, "heads": 2}
    model, _ = starting_model.starting_model(str(trained), ["a", "b"], TEXTS, new=shape, reuse_embeddings=True)
    again = model.get_input_embeddings().weight.data
    assert again @ again.T == pytest.approx(whole @ whole.T, abs=1e-3)  # as wide as before: a rotation, in float32
    shape["width"] = 16
    model, _ = starting_model.starting_model(str(trained), ["a", "b"], TEXTS, new=shape, reuse_embeddings=True)
    error = (
        torch.linalg.matrix_norm(whole) ** 2 - torch.linalg.matrix_norm(model.get_input_embeddings().weight.data) ** 2
    )
    assert error == pytest.approx((torch.linalg.svdvals(whole)[16:] ** 2).sum().item(), rel=1e-3)


def test_a_trimmed_model_answers_as_before_on_texts_of_the_kept_words(trained):
    whole, before = starting_model.starting_model(str(trained), ["LABEL_0", "LABEL_1"], [])
    model, tokenizer = starting_model.starting_model(str(trained), ["LABEL_0", "LABEL_1"], TEXTS, vocabulary=18)
    assert len(tokenizer) == model.config.vocab_size == len(model.get_input_embeddings().weight) == 18
    assert model.config.id2label == {0: "negative", 1: "positive"}
    texts = [*TEXTS, "a good film and a cat"]  # "and" and "cat" are not among the words of the texts
    with torch.no_grad():
        answers = [
            made.eval()(**tokens(texts, return_tensors="pt", padding=True)).logits
            for made, tokens in ((whole, before), (model, tokenizer))
        ]
    assert torch.equal(answers[0][:-1], answers[1][:-1])
    assert tokenizer.tokenize("a good cat") == ["a", "good", "[UNK]"]


def test_word_pieces_that_were_trimmed_are_read_in_shorter_pieces(tmp_path):
    tokenizer = word_pieces(tmp_path)
    made, old = vocabulary.trim(tokenizer, ["unhappy", "happy happy"], 62)
    assert made.tokenize("unhappy happy") == ["un", "##happy", "happy"]
    assert made.tokenize("sad") == ["s", "##a", "##d"]
    assert [tokenizer.convert_ids_to_tokens(i) for i in old] == made.convert_ids_to_tokens(range(len(made)))
    ids = made("happy", "sad")["input_ids"]
    assert made.convert_ids_to_tokens(ids) == ["[CLS]", "happy", "[SEP]", "s", "##a", "##d", "[SEP]"]
    with pytest.raises(ValueError, match="needs at least 57 pieces"):
        vocabulary.trim(tokenizer, ["happy"], 20)


def word_pieces(folder):
    from transformers import BertTokenizerFast

    letters = [chr(ord("a") + i) for i in range(26)]
    words = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    (folder / "vocab.txt").write_text("\n".join([*words, "sad", "happy", "un", "##happy", "##ness"]), encoding="utf-8")
    return BertTokenizerFast(str(folder / "vocab.txt"))


# One sentence each.


def test_bad_input_ends_with_one_sentence(start, trained, data, tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("sentence,label\n")
    (tmp_path / "odd.csv").write_text("sentence,label\ngood,1\nbad,7\n")
    (tmp_path / "none.csv").write_text("sentence,label\ngood,-1\n")
    (tmp_path / "one.csv").write_text("sentence,label\ngood,0\n")
    (tmp_path / "broken.jsonl").write_text("{\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")
    new = tmp_path / "new"
    csv = data["csv"]
    model = ["--model", start, "--out", new, "--text", "sentence"]
    use = [*model, "--dataset", csv, "--eval-dataset", csv]
    wrong = {
        "has no column 'text'; its columns are sentence, label": [*use, "--text", "text"],
        "full is no checkpoint that could be loaded": [*use, "--model", tmp_path / "full"],
        "--epochs must be 1 or more, got 0": [*use, "--epochs", "0"],
        "--limit must be 1 or more, got -3": [*use, "--limit", "-3"],
        "--temperature must be positive, got 0.0": [*use, "--temperature", "0"],
        "--mix must lie from 0 to 1, got 2.0": [*use, "--mix", "2"],
        "a BPE vocabulary cannot be trimmed; expected": [
            *use,
            "--model",
            byte_pairs(tmp_path / "b"),
            "--vocabulary",
            9,
        ],
        "there is no folder ./nowhere": [*use, "--model", "./nowhere"],
        "there is no file nowhere.csv": [*use, "--dataset", "nowhere.csv"],
        "empty.csv holds no rows": [*use, "--dataset", tmp_path / "empty.csv"],
        "no row has a label in the column 'label'": [*use, "--dataset", tmp_path / "none.csv"],
        "has one class alone; a classifier needs two": [*use, "--dataset", tmp_path / "one.csv"],
        "could not be read as jsonl": [*use, "--dataset", tmp_path / "broken.jsonl"],
        "odd.csv has the label 7, the training data only 0 to 1": [*use, "--eval-dataset", tmp_path / "odd.csv"],
        "the label 7 is no class number; expected 0 to 1": [*use, *NAMES, "--dataset", tmp_path / "odd.csv"],
        "is a file without splits: give --eval-dataset": [*model, "--dataset", csv],
        "full is there already": [*use, "--out", tmp_path / "full"],
        "add --from-scratch": [*use, "--width", "16"],
        "--layers 3 is more than the 2": [*use, "--layers", "3"],
        "--width 30 cannot be divided among --heads 4": [*use, "--from-scratch", "--width", "30", "--heads", "4"],
        "--width 64 is more than the 32": [*use, "--from-scratch", "--width", "64", "--reuse-embeddings"],
        "has no classification head": [*use, "--teacher", encoder_alone(tmp_path / "encoder")],
        "do not match by name": [*use, "--names", "no", "yes", "--teacher", trained],
    }
    for sentence, argv in wrong.items():
        assert sentence in fails(capsys, *argv)
        assert not new.exists() or not any(new.iterdir()), sentence
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep me"


def byte_pairs(folder):
    """The tiny checkpoint with a tokenizer of the kind that GPT-2 and RoBERTa have."""
    checkpoint(folder)
    made = Tokenizer(models.BPE({"<pad>": 0, "a": 1, "b": 2, "ab": 3}, [("a", "b")]))
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>").save_pretrained(folder)
    return folder


def encoder_alone(folder):
    from tiny_models import tokenizer
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(vocab_size=26, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)).save_pretrained(
        folder
    )
    tokenizer().save_pretrained(folder)
    return folder
