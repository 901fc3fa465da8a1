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

TRAINED = [name for name in MODELS if (FAMILY / name / "training.json").is_file()]

members = pytest.mark.parametrize("name", MODELS)
trained = pytest.mark.parametrize("name", TRAINED)


def record(name):
    return json.loads((FAMILY / name / "training.json").read_text())


def open_model(name):
    return as_predictor(FAMILY / name, name, dtype="float32")


def test_the_family_is_whole_and_small():
    assert set(MODELS) == {"large", *bundled.TWINS, *bundled.MADE}
    assert sum(path.stat().st_size for path in FAMILY.rglob("*") if path.is_file()) <= 30e6


@trained
def test_a_record_is_that_of_the_weights_beside_it(name):
    weights = load_file(FAMILY / name / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert record(name)["parameters"] == sum(value.numel() for value in weights.values())
    assert record(name)["megabytes"] == (FAMILY / name / "model.safetensors").stat().st_size / 1e6
    assert f"--seed {record(name)['seed']} " in record(name)["command"]
    assert record(name)["command"].endswith(f"--out family/{name}")


@trained
def test_the_readme_tells_what_the_record_tells(name):
    (row,) = re.findall(rf"^\| `{name}` \|.*$", (FAMILY / "README.md").read_text(), re.MULTILINE)
    seed, parameters, megabytes, accuracy = [cell.strip() for cell in row.split("|")[3:7]]
    found = record(name)
    assert (int(seed), parameters) == (found["seed"], f"{found['parameters']:,}")
    assert (megabytes, accuracy) == (f"{found['megabytes']:.2f}", f"{100 * found['accuracy']:.2f} %")


def test_repaired_is_distilled_with_its_last_layer_scaled():
    assert set(MODELS) - set(TRAINED) == {"repaired"}
    weights = {name: load_file(FAMILY / name / "model.safetensors") for name in ("distilled", "repaired")}
    assert weights["distilled"].keys() == weights["repaired"].keys()
    changed = [key for key, value in weights["distilled"].items() if not torch.equal(value, weights["repaired"][key])]
    assert changed == ["classifier.bias", "classifier.weight"]
    told = json.loads((FAMILY / "repaired" / "repair.json").read_text())
    assert told["command"] in (FAMILY / "README.md").read_text()
    texts = ["a wonderful , moving film", "not bad at all", "a terrible , boring film"]
    before, after = (open_model(name)(texts) for name in ("distilled", "repaired"))
    odds = [np.log(rows[:, 1] / rows[:, 0]) for rows in (before, after)]
    scale = told["scaling"]["weight"][0][0]
    assert odds[1] == pytest.approx(scale * odds[0], rel=1e-2)  # weights in float16


def test_large_and_its_twins_differ_in_their_seed_alone():
    records = [record(name) for name in ("large", *bundled.TWINS)]
    assert len({re.sub(r"--seed \d+|--out \S+", "", one["command"]) for one in records}) == 1
    assert len({one["seed"] for one in records}) == len(records)
    assert all(one["versions"] == records[0]["versions"] for one in records)


@members
def test_a_model_knows_good_from_bad_in_words_outside_its_vocabulary_too(name):
    model = open_model(name)
    assert model.names == ["negative", "positive"]
    assert model(["a wonderful , moving film", "a terrible , boring film"]).argmax(axis=1).tolist() == [1, 0]
    unseen = model.tokenizer("Zorbulon\u2019s Quvvix: na\u00efve \u2014 10/10!")
    assert model.tokenizer.unk_token_id not in unseen["input_ids"]


@trained
def test_its_accuracy_on_the_dev_set_is_the_recorded_one(name, data):
    dev = labelled_texts.read(str(data("sst2") / "dev.tsv"), text="sentence")
    right = (open_model(name)(dev.texts).argmax(axis=1) == np.array(dev.labels)).sum()
    assert len(dev.texts) == record(name)["examples"] == 872
    assert abs(right - record(name)["accuracy"] * 872) <= 1  # another processor may round one sentence over the edge
