"""GGUF files are language models like others: read as data, asked with a prompt, audited, made smaller."""

import json

import gguf
import numpy as np
import pandas as pd
import pytest
from small_families import GOLD, NAMES, TEXTS
from tiny_gguf import tiny_gguf

from trusteq.cli import audit as command
from trusteq.cli import compress as cli_compress
from trusteq.compress import measure
from trusteq.models.next_token import NextToken
from trusteq.models.open import as_predictor

ASKED = {"prompt": "Review: {text} Verdict:", "verbalizers": {"negative": " bad", "positive": " good"}}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    return {kind: tiny_gguf(folder / f"{kind}.gguf", kind) for kind in ("F32", "Q8_0", "Q4_0")}


def test_weights_of_fewer_bits_are_further_from_the_whole_ones(files):
    rows = {kind: as_predictor({"model": str(path), **ASKED}, kind)(TEXTS) for kind, path in files.items()}
    apart = [np.abs(rows[kind] - rows["F32"]).max() for kind in ("Q8_0", "Q4_0")]
    assert 0 < apart[0] < apart[1]


def test_what_stands_in_front_of_the_weights_is_read_once(files, monkeypatch):
    read, reader, named = [], gguf.GGUFReader, gguf.get_tensor_name_map
    monkeypatch.setattr(gguf, "GGUFReader", lambda path: (read.append("file"), reader(path))[1])
    monkeypatch.setattr(gguf, "get_tensor_name_map", lambda *kind: (read.append("names"), named(*kind))[1])
    begin = gguf.GGUFReader, gguf.get_tensor_name_map
    as_predictor({"model": str(files["Q4_0"]), **ASKED}, "large")
    assert sorted(read) == ["file", "names"]
    assert begin == (gguf.GGUFReader, gguf.get_tensor_name_map)  # and given back


def test_an_audit_of_gguf_files(files, tmp_path, capsys):
    pd.DataFrame({"text": TEXTS, "label": [NAMES[i] for i in GOLD]}).to_csv(tmp_path / "reviews.csv")
    words = ["--large", files["F32"], "--compressed", files["Q8_0"], f"four={files['Q4_0']}", "--out", tmp_path / "out"]
    words += ["--dataset", tmp_path / "reviews.csv", "--prompt", ASKED["prompt"]]
    words += ["--verbalizers", "negative= bad", "positive= good", "--dimensions", "prediction_error_jaccard"]
    assert command.main(list(map(str, words))) == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [(name, model["source"]) for name, model in found["models"].items()] == [
        ("large", "F32.gguf"),
        ("Q8_0", "Q8_0.gguf"),
        ("four", "Q4_0.gguf"),
    ]
    assert command.main([*map(str, words), "--resume"]) == 0  # known by its bytes: nothing is asked again


def test_a_gguf_file_is_made_smaller(files, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "TURN", 0.0)
    monkeypatch.setattr(measure, "PAIRS", 4)
    out = tmp_path / "small"
    assert cli_compress.main(["round", str(files["F32"]), "--bits", "3", "--out", str(out)]) == 0, capsys.readouterr()
    whole, small = (as_predictor({"model": str(path), **ASKED}, "m")(TEXTS) for path in (files["F32"], out))
    assert np.abs(whole - small).max() > 0


def test_an_architecture_that_nobody_reads_is_one_sentence(tmp_path):
    path = tiny_gguf(tmp_path / "odd.gguf", architecture="clip")
    with pytest.raises(ValueError, match=r"^large: odd\.gguf could not be read: .*not supported"):
        as_predictor({"model": str(path), **ASKED}, "large")


def test_a_gguf_file_has_no_labels_of_its_own(files):
    with pytest.raises(ValueError, match=r"F32\.gguf is a language model: give a prompt and verbalizers"):
        as_predictor(str(files["F32"]), "large")


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/v1", "llama.cpp:q4.gguf"])
def test_running_text_needs_the_model_itself(place):
    with pytest.raises(ValueError, match=r"^large is asked over HTTP, and this needs the model itself"):
        NextToken.open(place, "large")
