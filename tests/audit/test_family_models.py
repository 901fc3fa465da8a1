"""The bundled models: small, half-precision, and as good as their records and the family's README say."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from trusteq.audit import bundled
from trusteq.models.open import as_predictor
from trusteq.records import labelled_texts

FAMILY = Path(bundled.__file__).parent / "bundled_family"
MODELS = sorted(path.parent.name for path in FAMILY.glob("*/config.json"))

members = pytest.mark.parametrize("name", MODELS)


def record(name):
    return json.loads((FAMILY / name / "training.json").read_text())


def open_model(name):
    return as_predictor(FAMILY / name, name, dtype="float32")


def test_the_family_is_whole_and_small():
    assert MODELS == ["distilled", "large", "tiny", "twin"]
    assert sum(path.stat().st_size for path in FAMILY.rglob("*") if path.is_file()) <= 25e6


@members
def test_a_record_is_that_of_the_weights_beside_it(name):
    weights = load_file(FAMILY / name / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert record(name)["parameters"] == sum(value.numel() for value in weights.values())
    assert record(name)["megabytes"] == (FAMILY / name / "model.safetensors").stat().st_size / 1e6
    assert f"--seed {record(name)['seed']} " in record(name)["command"]
    assert record(name)["command"].endswith(f"--out family/{name}")


@members
def test_the_readme_tells_what_the_record_tells(name):
    (row,) = re.findall(rf"^\| `{name}` \|.*$", (FAMILY / "README.md").read_text(), re.MULTILINE)
    seed, parameters, megabytes, accuracy = [cell.strip() for cell in row.split("|")[3:7]]
    found = record(name)
    assert (int(seed), parameters) == (found["seed"], f"{found['parameters']:,}")
    assert (megabytes, accuracy) == (f"{found['megabytes']:.2f}", f"{100 * found['accuracy']:.2f} %")


def test_large_and_twin_differ_in_their_seed_alone():
    commands = [re.sub(r"--seed \d+|--out \S+", "", record(name)["command"]) for name in ("large", "twin")]
    assert commands[0] == commands[1]
    assert record("large")["seed"] != record("twin")["seed"]
    assert record("large")["versions"] == record("twin")["versions"]


@members
def test_a_model_knows_good_from_bad_in_words_outside_its_vocabulary_too(name):
    model = open_model(name)
    assert model.names == ["negative", "positive"]
    assert model(["a wonderful , moving film", "a terrible , boring film"]).argmax(axis=1).tolist() == [1, 0]
    unseen = model.tokenizer("Zorbulon\u2019s Quvvix: na\u00efve \u2014 10/10!")
    assert model.tokenizer.unk_token_id not in unseen["input_ids"]


@members
def test_its_accuracy_on_the_dev_set_is_the_recorded_one(name, data):
    dev = labelled_texts.read(str(data("sst2") / "dev.tsv"), text="sentence")
    right = (open_model(name)(dev.texts).argmax(axis=1) == np.array(dev.labels)).sum()
    assert len(dev.texts) == record(name)["examples"] == 872
    assert abs(right - record(name)["accuracy"] * 872) <= 1  # another processor may round one sentence over the edge
