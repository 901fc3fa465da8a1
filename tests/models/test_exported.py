"""Models exported to ONNX and OpenVINO, as a user has them on disk: the figures of the models themselves."""

import json

import numpy as np
import pytest
import tiny_models
from exported_models import as_openvino, classifier_onnx, language_onnx, plain_onnx
from small_families import GOLD, NAMES, TEXTS
from tiny_language_models import network, tokenizer

from trusteq.audit.family import open_models
from trusteq.cli import audit as command
from trusteq.cli.main import main
from trusteq.models.next_token import NextToken, windows_of_documents
from trusteq.models.open import as_predictor
from trusteq.models.prompts import Prompt
from trusteq.models.writing import Decoding, open_writer

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

ASKED = {"prompt": "Review : {text} Verdict :", "verbalizers": {"negative": " bad", "positive": " very very good"}}
ENGINES = ("ONNX", "OpenVINO")


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("classifiers"), tiny_models.classifier(labels=tuple(NAMES))
    made.save_pretrained(folder / "torch")
    tiny_models.tokenizer().save_pretrained(folder / "torch")
    onnx = classifier_onnx(folder / "onnx-export", made, tiny_models.tokenizer())
    return {"torch": folder / "torch", "ONNX": onnx, "OpenVINO": as_openvino(onnx, folder / "ov")}


@pytest.fixture(scope="module")
def writers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("writers")
    made = network("llama", positions=128), tokenizer(128)
    onnx = language_onnx(folder / "onnx-export", *made)
    return {"torch": made, "ONNX": str(onnx), "OpenVINO": str(as_openvino(onnx, folder / "ov"))}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_classifier_says_what_it_says_in_torch(classifiers, engine):
    own, found = (as_predictor(str(classifiers[name]), name) for name in ("torch", engine))
    assert np.ptp(own(TEXTS), axis=0).max() > 0.1
    assert found(TEXTS) == pytest.approx(own(TEXTS), abs=1e-4)
    assert found.names == own.names
    with pytest.raises(ValueError, match=f"is an {engine} export and has no embeddings"):
        found.embed(TEXTS)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_language_model_says_what_it_says_in_torch(writers, engine):
    own, found = (as_predictor({"model": writers[name], **ASKED}, name) for name in ("torch", engine))
    assert np.log(found(TEXTS)) == pytest.approx(np.log(own(TEXTS)), abs=1e-4)
    for score in ("perplexity", "vocabulary"):
        assert found.surprise(TEXTS, score) == pytest.approx(own.surprise(TEXTS, score), abs=1e-4)
    said = [
        dict(open_writer(writers[name], name, Prompt(prompt="Review : {text}"), Decoding(8)).write(TEXTS))
        for name in ("torch", engine)
    ]
    assert len({answer.text for answer in said[0].values()}) > 2
    assert said[0] == said[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_running_text_is_read_as_torch_reads_it(writers, engine):
    windows = windows_of_documents([[2, 5, 6, 7, 8, 9], [2, 9, 8]], length=64)
    own, found = (NextToken.open(writers[name], name).logits(windows)[0] for name in ("torch", engine))
    for rows, expected in zip(found, own, strict=True):
        assert rows.numpy() == pytest.approx(expected.numpy(), abs=1e-4)


def test_an_audit_of_running_text_leaves_out_what_an_export_has_not(writers, tmp_path, capsys):
    for part in writers["torch"]:
        part.save_pretrained(tmp_path / "torch")
    texts = [f"the film was very good {'and the plot is dull ' * (i % 3 + 1)}" for i in range(12)]
    (tmp_path / "docs.txt").write_text("\n\n".join(texts))
    words = ["--task", "text", "--large", str(tmp_path / "torch"), "--compressed", f"onnx={writers['ONNX']}"]
    assert main(["audit", *words, "--dataset", str(tmp_path / "docs.txt"), "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "text.json").read_text())
    onnx = next(pair for pair in found["pairs"] if pair["name"] == "onnx")
    assert onnx["dimensions"]["representation_overlap"]["reason"].endswith("holds no hidden states")
    assert "KL divergence" in capsys.readouterr().out


def test_a_graph_that_counts_its_tokens_itself_reads_no_padding(writers, tmp_path):
    """Without position_ids, padding on the left would move every token; without a cache, prompts are read again."""
    alone = plain_onnx(tmp_path / "plain", *writers["torch"])
    own, found = (as_predictor({"model": place, **ASKED}, "m") for place in (writers["torch"], str(alone)))
    assert np.log(found(TEXTS)) == pytest.approx(np.log(own(TEXTS)), abs=1e-4)


def test_an_audit_of_exports_from_the_command_line(classifiers, tmp_path, capsys):
    rows = [{"text": text, "label": NAMES[i]} for text, i in zip(TEXTS, GOLD, strict=True)]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    models = [f"onnx={classifiers['ONNX'] / 'model.onnx'}", f"ov={classifiers['OpenVINO']}"]
    words = ["--large", str(classifiers["torch"]), "--compressed", *models, "--out", str(tmp_path / "out")]
    words += ["--dataset", str(tmp_path / "reviews.jsonl"), "--dimensions", "prediction_error_jaccard"]
    words += ["representation_overlap"]
    assert command.main(words) == 0, capsys.readouterr().err
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    for pair in found["pairs"]:
        errors, neighbours = pair["dimensions"].values()
        assert errors["value"] == 1.0
        assert neighbours["reason"].endswith("export and has no embeddings")
    assert found["models"]["onnx"]["megabytes"] == pytest.approx(
        (classifiers["ONNX"] / "model.onnx").stat().st_size / 1e6, abs=1e-3
    )
    assert command.main([*words, "--resume"]) == 0  # known by its bytes


def test_what_cannot_be_opened_is_one_sentence(classifiers, writers, tmp_path):
    torn, bare = tmp_path / "torn", tmp_path / "bare"
    for folder, keep in ((torn, 500), (bare, None)):
        folder.mkdir()
        for path in classifiers["ONNX"].iterdir():
            if folder == torn or "token" not in path.name:
                (folder / path.name).write_bytes(path.read_bytes()[: keep if path.suffix == ".onnx" else None])
    for place, why in {
        torn: "torn/model.onnx could not be opened: onnxruntime cannot read model.onnx: ",
        bare: "has no tokenizer beside it: copy the large model's tokenizer.json and tokenizer_config.json there",
        tmp_path / "none.onnx": "there is no file .*none.onnx",
        writers["ONNX"]: "is a language model",
    }.items():
        with pytest.raises(ValueError, match=why) as told:
            as_predictor(str(place), "small")(TEXTS)
        assert "\n" not in str(told.value)
    with pytest.raises(ValueError, match="leave out device and dtype"):
        as_predictor(str(classifiers["ONNX"]), "small", dtype="float16")
    with pytest.raises(ValueError, match="only a transformers model can be rounded, and large is an ONNX export"):
        open_models(str(classifiers["ONNX"]), {"r": "derived:rounded"})
