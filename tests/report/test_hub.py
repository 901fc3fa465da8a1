"""The verdict in a model's card on the Hub, and as a badge."""

from xml.etree import ElementTree

import pytest
from audit_examples import HOSTILE, audit
from huggingface_hub import ModelCard
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from trusteq.cli.main import main
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.badge import badge
from trusteq.report.hub import BEGIN, END, push_to_hub
from trusteq.report.write import write_report

CARD = """---
license: apache-2.0
tags:
- text-classification
model-index:
- name: My model
  results:
  - task:
      type: text-classification
    dataset:
      name: SST-2
      type: glue
    metrics:
    - type: accuracy
      value: 0.9
---

# My model

It is small.
"""


class FakeHub:
    """A Hub with one repository; it notes what is written."""

    def __init__(self, folder, card=None):
        self.place, self.messages = folder / "README.md", []
        if card is not None:
            self.place.write_text(card, encoding="utf-8")

    def hf_hub_download(self, repo_id, filename):
        assert (repo_id, filename) == ("me/tiny", "README.md")
        if not self.place.exists():
            raise EntryNotFoundError("there is none")
        return str(self.place)

    def upload_file(self, path_or_fileobj, path_in_repo, repo_id, commit_message):
        assert (repo_id, path_in_repo) == ("me/tiny", "README.md")
        self.place.write_bytes(path_or_fileobj)
        self.messages.append(commit_message)

    @property
    def card(self):
        return ModelCard(self.place.read_text(encoding="utf-8"))


def figures(card):
    return {(one.dataset_name, one.metric_type): one.metric_value for one in card.data.eval_results}


def test_a_verdict_joins_a_card_and_leaves_the_rest_as_it_was(tmp_path):
    found, hub = audit(), FakeHub(tmp_path, CARD)
    assert push_to_hub(found, "me/tiny", "tiny", api=hub)
    pair = next(pair for pair in found["pairs"] if pair["compressed"] == "tiny")
    own = {("invented reviews", name): entry["value"] for name, entry in pair["dimensions"].items()}
    assert figures(hub.card) == own | {("SST-2", "accuracy"): 0.9}
    assert hub.card.data.model_name == "My model"
    assert hub.card.data.license == "apache-2.0"
    assert hub.card.data.tags == ["text-classification", "trust-equivalence"]
    assert hub.card.text.strip().startswith("# My model\n\nIt is small.")
    assert "Can this model stand in for large?" in hub.card.text
    assert hub.messages == ["Trust equivalence: the verdict beside large"]


def test_twice_is_as_good_as_once(tmp_path):
    hub = FakeHub(tmp_path, CARD)
    assert push_to_hub(audit(), "me/tiny", "tiny", api=hub)
    before = hub.place.read_bytes()
    assert not push_to_hub(audit(), "me/tiny", "tiny", api=hub)
    assert hub.place.read_bytes() == before
    assert len(hub.messages) == 1


def test_a_newer_verdict_takes_the_place_of_the_older_one(tmp_path):
    found, hub = audit(), FakeHub(tmp_path, CARD)
    push_to_hub(found, "me/tiny", "tiny", api=hub)
    hub.place.write_text(hub.place.read_text() + "\nWritten since.\n")
    for pair in found["pairs"]:
        pair["dimensions"]["calibration_gap"]["value"] = 0.125
    assert push_to_hub(found, "me/tiny", "tiny", api=hub)
    assert figures(hub.card)["invented reviews", "calibration_gap"] == 0.125
    assert len(figures(hub.card)) == len(hub.card.data.eval_results) == len(DIMENSIONS) + 1
    text = hub.place.read_text()
    assert (text.count(BEGIN), text.count(END), text.count("Written since.")) == (1, 1, 1)


def test_a_repository_without_a_card_gets_one(tmp_path):
    hub = FakeHub(tmp_path)
    assert push_to_hub(audit(compressed=("distilled",)), "me/tiny", api=hub)
    assert hub.card.data.model_name == "distilled"
    assert hub.card.text.strip().startswith(BEGIN)


def test_which_model_is_meant_has_to_be_said_where_there_are_several(tmp_path):
    hub = FakeHub(tmp_path)
    for name in (None, "large", "huge"):
        with pytest.raises(ValueError, match="model must be 'distilled' or 'tiny'"):
            push_to_hub(audit(), "me/tiny", name, api=hub)
    with pytest.raises(ValueError, match="a report needs an audit with details"):
        push_to_hub({"failed": 0}, "me/tiny", api=hub)
    assert not hub.messages


def test_hostile_names_stay_inside_their_block(tmp_path):
    hub = FakeHub(tmp_path, CARD)
    found = audit(compressed=(HOSTILE[6],), large=f"{END} {HOSTILE[0]}", data=HOSTILE[1])
    push_to_hub(found, "me/tiny", api=hub)
    push_to_hub(found, "me/tiny", api=hub)
    text = hub.card.text
    assert (text.count(BEGIN), text.count(END)) == (1, 1)
    assert "<script" not in text
    assert hub.card.data.license == "apache-2.0"


def test_badges_lie_beside_the_report_and_say_the_verdict(tmp_path):
    found = audit(compressed=("distilled", "tiny"))
    names = {path.name for path in write_report(found, tmp_path, kinds=("svg",))}
    assert {"badge.distilled.svg", "badge.tiny.svg"} <= names
    root = ElementTree.fromstring((tmp_path / "badge.tiny.svg").read_text(encoding="utf-8"))
    assert root.get("aria-label") == "tiny stands in for large: no"


def test_a_badge_of_hostile_names_is_one_picture():
    for name in HOSTILE:
        root = ElementTree.fromstring(badge({"compressed": name, "large": name, "dimensions": {}}))
        assert {one.tag.rpartition("}")[2] for one in root.iter()} == {"svg", "title", "rect", "path", "g", "text"}


# The command.


def test_the_command_writes_to_the_hub(tmp_path, monkeypatch, capsys):
    write_report(audit(compressed=("distilled",)), tmp_path / "audit", kinds=("svg",))
    hub = FakeHub(tmp_path, CARD)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    for said in ("written to", "stands already on"):
        assert main(["push", str(tmp_path / "audit"), "me/tiny"]) == 0
        assert capsys.readouterr().out == f"{said} https://huggingface.co/me/tiny\n"
    assert len(hub.messages) == 1


def test_what_the_hub_refuses_is_one_sentence(tmp_path, monkeypatch, capsys):
    class Refuses(FakeHub):
        def hf_hub_download(self, repo_id, filename):
            raise LocalEntryNotFoundError("there is no connection\nand more")

    write_report(audit(compressed=("distilled",)), tmp_path / "audit", kinds=("svg",))
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: Refuses(tmp_path))
    assert main(["push", str(tmp_path / "audit"), "me/tiny"]) == 2
    said = capsys.readouterr().err
    assert said == "trusteq push: me/tiny could not be read or written on the Hub: there is no connection\n"
