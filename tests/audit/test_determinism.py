"""The same question has the same answer: the bundled audit again, turned around, divided and in other batches.

Every value of report.json is compared; only `run` (date, seconds, number of processes) may differ. Figures are equal to
1e-6. What single answers of a model go into (`details` and `examples`: probabilities, thresholds) is equal to 1e-5: a
batch's shape decides how float32 rounds, and of an earlier family two of 400 probabilities differed by up to 1.7e-6
from those of each review alone, which is as far as both were from those in float64. No decision turns on that.
"""

import json
from pathlib import Path

import pytest
from audit_runs import on_two_processes
from small_audits import finished, report

from trusteq.audit import bundled

FAMILY = Path(bundled.__file__).parent / "bundled_family"
SOME = ["--limit", "40", "--explained", "6", "--attacked", "6", "--samples", "50"]


def numbers(audit):
    """Every value of the report by its path; models, pairs and examples by name, so that their order does not count."""
    found = {}

    def walk(path, value):
        if isinstance(value, dict):
            for key, item in value.items():
                walk((*path, key), item)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                walk((*path, known_as(item, i)), item)
        else:
            found[path] = value

    walk((), audit)
    return found


def known_as(item, i):
    if not isinstance(item, dict):
        return i
    return item.get("name") or (item["pair"], item.get("index")) if "pair" in item or "name" in item else i


def differences(one, other):
    """Where two reports differ."""
    one, other = numbers(one), numbers(other)
    wrong = [(path, one.get(path), other.get(path)) for path in one.keys() ^ other.keys()]
    for path in one.keys() & other.keys():
        a, b = one[path], other[path]
        close = 1e-5 if {"details", "examples"} & set(path) else 1e-6
        same = abs(a - b) <= close if isinstance(a, float) and isinstance(b, float) else a == b
        if not same:
            wrong.append((path, a, b))
    return wrong


@pytest.fixture(scope="module")
def straight(processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    code, said = finished(processes, [*SOME, "--out", str(folder / "out")], folder / "log")
    assert code == 0, said
    return report(folder / "out")


@pytest.mark.parametrize("options", [[], ["--tokens", "300"]], ids=["again", "small batches"])
def test_the_audit_again_and_in_other_batches_says_the_same(processes, straight, tmp_path, options):
    code, said = finished(processes, [*SOME, *options, "--out", str(tmp_path / "out")], tmp_path / "log")
    assert code == 0, said
    assert differences(report(tmp_path / "out"), straight) == []


def test_another_order_of_the_models_says_the_same(processes, straight, tmp_path):
    data = ["--dataset", str(FAMILY / "reviews.csv"), "--ood-dataset", str(FAMILY / "other.csv")]
    order = ["derived:quantized", *(str(FAMILY / name) for name in reversed(bundled.MADE))]
    twins = [str(FAMILY / name) for name in bundled.TWINS]
    models = ["--large", str(FAMILY / "large"), "--twin", *twins, "--compressed", *order]
    # what the bundled family is asked, where it is not named
    asked = [word for name, value in bundled.ASKED.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    code, said = finished(processes, [*models, *data, *asked, *SOME, "--out", str(tmp_path / "out")], tmp_path / "log")
    assert code == 0, said
    turned = report(tmp_path / "out")
    assert [pair["name"] for pair in turned["pairs"]] == [*bundled.TWINS, "quantized", *reversed(bundled.MADE)]
    turned["data"]["name"] = straight["data"]["name"]  # the only thing that was said otherwise
    assert differences(turned, straight) == []


def test_two_processes_say_what_one_says(processes, straight, tmp_path):
    on_two_processes(processes, [*SOME, "--out", str(tmp_path / "out")], tmp_path)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["run"]["processes"] == 2
    assert differences(report(tmp_path / "out"), straight) == []


def test_a_difference_would_be_noticed(straight):
    """That nothing differs above is worth something only if what does differ is seen."""
    place = [pair["name"] for pair in straight["pairs"]].index("distilled")
    entry = straight["pairs"][place]["dimensions"]["attribution_alignment"]
    assert len(numbers(straight)) > 1000
    for change in ({"value": entry["value"] + 2e-6}, {"verdict": "other"}, {"new": 0.0}, {"low": None}):
        changed = json.loads(json.dumps(straight))
        changed["pairs"][place]["dimensions"]["attribution_alignment"] |= change
        ((path, *_),) = differences(changed, straight)
        assert path == ("pairs", "distilled", "dimensions", "attribution_alignment", *change)
