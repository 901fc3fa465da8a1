"""`trusteq plan`: from an audit's report or from guesses, with no model asked."""

import json

import pytest
from audit_examples import audit

from trusteq.audit.planning import Guesses, guessed, plan
from trusteq.cli.plan import main
from trusteq.report.planned import plan_table
from trusteq.report.queries import in_order, judged


def test_from_guesses_and_from_a_report_or_its_folder(tmp_path, capsys):
    assert main(["--accuracy", "0.9", "--out", str(tmp_path / "out")]) == 0
    said, *written = capsys.readouterr().out.rsplit("\n", 4)
    assert said == plan_table(guessed(Guesses(accuracy=0.9)))
    assert written[:3] == [str(tmp_path / "out" / name) for name in ("plan.json", "plan.md", "plan.svg")]
    assert main([]) == 0
    assert capsys.readouterr().out == plan_table(guessed(Guesses())) + "\n"
    (tmp_path / "report.json").write_text(json.dumps(audit()))
    expected = plan_table(plan(audit() | {"pairs": in_order(audit())}))
    for place in (tmp_path, tmp_path / "report.json"):
        assert main([str(place)]) == 0
        assert capsys.readouterr().out == expected + "\n"


def test_models_stand_in_the_reports_order_and_a_dash_is_explained(tmp_path, capsys):
    found = audit()
    found["pairs"].reverse()
    (tmp_path / "report.json").write_text(json.dumps(found))
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    names = [pair["compressed"] for pair in judged(found)]
    assert len(names) > 1
    assert [line for line in said.splitlines() if line in names] == names
    assert "  –" in said
    assert "A dash: so few get no verdict" in " ".join(said.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.json"], "there is no file none.json: give report.json of an audit"),
        (["other.json"], "other.json is no report of an audit: give report.json of one"),
        (
            ["old.json"],
            "old.json is of an earlier version: go on with that audit (--resume), which asks no model again",
        ),
        (["torn.json"], "torn.json is no report of an audit: give report.json of one"),
        (["report.json", "--shared", "0.5"], "give an audit to plan from, or guesses (--shared), not both"),
        (["--accuracy", "2"], "--accuracy must be a number above 0 and below 1, got 2.0"),
        (["--acuracy", "0.5"], "there is no option --acuracy; did you mean --accuracy?"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text('{"settings": {}}')
    old = audit()
    del old["pairs"][0]["dimensions"]["calibration_gap"]["seeds"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    (tmp_path / "torn.json").write_text('{"settings"')
    assert main(words) == 2
    assert capsys.readouterr().err == f"trusteq plan: {said}\n"
