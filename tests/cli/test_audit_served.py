"""`trusteq audit` of servers: a report as of the models themselves; stopped in the middle, it goes on from there."""

import json

import pytest
from served_models import Server
from small_audits import SMALL
from small_families import GOLD, NAMES, STRANGE, TEXTS
from tiny_language_models import WORDS, network, tokenizer

from trusteq.cli import audit as command
from trusteq.models import client

PROMPT = ["--prompt", r"Review : {text} Verdict :", "--verbalizers", "negative= bad", "positive= good"]
SPOKEN = [*WORDS, "A", "B", "C", "."]
QUICK = ["--dimensions", "prediction_error_jaccard", "calibration_gap"]


@pytest.fixture
def servers(monkeypatch):
    monkeypatch.setattr(client, "WAITS", (0.01, 0.01))
    monkeypatch.setenv("TRUSTEQ_API_KEY", "secret-one")
    made = [
        Server(network("llama", seed=seed, positions=256, words=SPOKEN), tokenizer(256, SPOKEN), form, key="secret-one")
        for seed, form in enumerate(("echo", "llama"))
    ]
    yield made
    for server in made:
        server.close()


@pytest.fixture
def data(tmp_path):
    rows = [{"text": text, "label": NAMES[i]} for text, i in zip(TEXTS, GOLD, strict=True)]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "other.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in STRANGE))
    return tmp_path


def words(servers, data, *more):
    large, small = servers
    models = ["--large", large.url, "--compressed", f"small={small.url}"]
    return [*models, *PROMPT, "--dataset", str(data / "reviews.jsonl"), "--out", str(data / "out"), *map(str, more)]


def report(data):
    return json.loads((data / "out" / "report.json").read_text())


def test_what_servers_cannot_answer_is_left_out_with_the_reason(servers, data, capsys):
    more = ["--ood-dataset", data / "other.jsonl", *SMALL, "--method", "occlusion"]
    assert command.main(words(servers, data, *more)) == 0, capsys.readouterr().err
    found = report(data)["pairs"][0]["dimensions"]
    left_out = {name: entry["reason"] for name, entry in found.items() if entry["status"] == "skipped"}
    assert left_out == {
        "representation_overlap": "large is a server and has no embeddings",
    }
    assert {entry["status"] for name, entry in found.items() if name not in left_out} == {"done"}
    everything = b"".join(path.read_bytes() for path in sorted((data / "out").rglob("*")) if path.is_file())
    assert b"secret-one" not in everything + capsys.readouterr().out.encode()
    assert servers[0].url.encode() in everything


def test_the_floor_of_a_server_is_itself_one_question_at_a_time(servers, data, capsys):
    large = servers[0]
    assert command.main([*words(servers, data, *QUICK), "--floor", "batch"]) == 0, capsys.readouterr().err
    told = " ".join(capsys.readouterr().out.split())
    assert "Held against itself, asked once more and one question at a time (batch)" in told
    assert "simulated" not in told
    found = report(data)
    assert [pair["role"] for pair in found["pairs"]] == ["twin", "compressed"]
    assert found["models"]["batch"]["source"] == "large, one question at a time"
    assert found["pairs"][0]["dimensions"]["prediction_error_jaccard"]["value"] == 1.0
    assert found["pairs"][1]["dimensions"]["prediction_error_jaccard"]["floor"] == 1.0
    before = len(large.asked)
    assert command.main([*words(servers, data, *QUICK), "--floor", "batch", "--resume"]) == 0
    assert len(large.asked) == before
    large.close()


def test_scores_are_those_of_the_models_themselves(servers, data, capsys):
    for seed, name in enumerate(("large", "small")):
        network("llama", seed=seed, positions=256, words=SPOKEN).save_pretrained(data / name)
        tokenizer(256, SPOKEN).save_pretrained(data / name)
    assert command.main(words(servers, data, *QUICK)) == 0, capsys.readouterr().err
    asked = report(data)
    local = ["--large", str(data / "large"), "--compressed", str(data / "small"), *PROMPT, *QUICK]
    assert command.main([*local, "--dataset", str(data / "reviews.jsonl"), "--out", str(data / "local")]) == 0
    own = json.loads((data / "local" / "report.json").read_text())
    for name, entry in own["pairs"][0]["dimensions"].items():
        assert asked["pairs"][0]["dimensions"][name]["figures"] == pytest.approx(entry["figures"], abs=1e-4)
    assert asked["models"]["large"]["on_labels"] == pytest.approx(own["models"]["large"]["on_labels"], abs=1e-5)


@pytest.mark.parametrize("method", [QUICK, ["--dimensions", "attribution_alignment", "--method", "occlusion", *SMALL]])
def test_killed_in_the_middle_it_goes_on_from_there(servers, data, capsys, method):
    large = servers[0]
    large.dies_after = 70
    assert command.main(words(servers, data, *method)) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "trusteq audit: large: the server" in told
    assert "does not answer (RemoteDisconnected), asked 3 times; its answers so far are kept: give --resume" in told
    large.dies_after, before = None, len(large.asked)
    assert command.main(words(servers, data, *method, "--resume")) == 0, capsys.readouterr().err
    again = len(large.asked) - before
    found = report(data)["pairs"][0]["dimensions"]
    large.asked.clear()
    whole = data / "whole"
    assert command.main([*words(servers, data, *method), "--out", str(whole)]) == 0
    assert len(large.asked) - again > 20  # of the 70 that were asked first
    alone = json.loads((whole / "report.json").read_text())["pairs"][0]["dimensions"]
    assert {name: entry["figures"] for name, entry in found.items()} == {
        name: entry["figures"] for name, entry in alone.items()
    }


def test_another_model_behind_the_address_is_noticed(servers, data, capsys):
    large = servers[0]
    large.dies_after = 70
    assert command.main(words(servers, data, *QUICK)) == 2
    large.dies_after, large.model = None, network("llama", seed=5, positions=256, words=SPOKEN)
    capsys.readouterr()
    assert command.main(words(servers, data, *QUICK, "--resume")) == 2
    assert "now holds another model than before" in capsys.readouterr().err


def test_a_finished_audit_asks_nothing_more(servers, data, capsys):
    assert command.main(words(servers, data, *QUICK)) == 0
    for server in servers:
        server.dies_after = 0
    assert command.main(words(servers, data, *QUICK, "--resume")) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "more, why",
    [
        (["--floor", "rounding"], "rounding: only a transformers model can be rounded, and large is a server"),
        (["--chat"], "large's chat template cannot be filled: the server does not give it out"),
        (["--at-once", "0"], "--at-once must be a whole number of at least 1, got 0"),
        (["--timeout", "0"], "--timeout must be a number above 0"),
    ],
)
def test_bad_input(servers, data, capsys, more, why):
    assert command.main(words(servers, data, *QUICK, *more)) == 2
    assert why in capsys.readouterr().err
