"""What an audit says of its models is what lies on disk."""

import hashlib

from trusteq.audit.bundled import FOLDER
from trusteq.audit.family import open_family
from trusteq.audit.store import Store


def test_a_checkpoint_is_described_by_its_own_files():
    place = FOLDER / "kept"
    family = open_family(
        str(FOLDER / "large"), {"kept": str(place), "int8": "derived:quantized"}, {}, ["A film."], {}, None
    )
    large, kept, derived = (member.about(Store(None)) for member in family)
    weights = (place / "model.safetensors").read_bytes()
    assert kept["files"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert kept["disk_megabytes"] == round(len(weights) / 1e6, 3)
    assert kept["made"] == "distilled from large, held to it in errors, neighbours, reasons"
    assert kept["runs_as"] == "transformers, float32"
    assert kept["stored_as"] == "float16"
    assert kept["architecture"] == "BertForSequenceClassification, 2 layers of 128"
    assert (kept["vocabulary"], kept["labels"]) == (6000, ["negative", "positive"])
    assert large["architecture"].endswith("2 layers of 256")
    assert derived["made"] == "quantized from large, simulated"
    assert "files" not in derived
    assert str(FOLDER) not in repr(kept)


def test_a_function_is_described_by_what_is_known_of_it():
    (member,) = open_family(lambda texts: [[0.25, 0.75] for _ in texts], {}, {}, ["A film."], {}, None)
    about = member.about(Store(None))
    assert about["runs_as"] == "function"
    assert not {"architecture", "files", "disk_megabytes", "made"} & about.keys()
