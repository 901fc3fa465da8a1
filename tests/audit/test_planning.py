"""Plans: the stated number of examples settles about 80 % of open verdicts; closed formulas give the true widths."""

import json
import re

import jsonschema
import numpy as np
import pytest
from audit_examples import audit
from scipy.stats import norm
from simulate_planning import KINDS, guesses_for, trial, width

from trusteq import resampling
from trusteq.audit.planning import NUMBERS, TWINS, Guesses, excess_in, guessed, plan
from trusteq.audit.schema import SCHEMA
from trusteq.dimensions import calibration_gap
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.planned import plan_markdown, plan_plot, plan_table, write_plan

ERRORS = "prediction_error_jaccard"


def rows_of(found):
    return {(row["compressed"], row["dimension"]): row for row in found["rows"]}


@pytest.fixture(scope="module")
def few_draws():
    """A tenth of the draws: an interval's ends scatter more, by a few percent of its width. (The intervals of figures
    that no verdict is about have fewer still.)"""
    patch = pytest.MonkeyPatch()
    patch.setattr(resampling, "DRAWS", 400)
    patch.setattr(calibration_gap, "DRAWS", 20)
    yield
    patch.undo()


@pytest.mark.parametrize(("kind", "audits"), [("errors", 200), ("ECE", 60)])
def test_the_stated_number_settles_about_four_of_five_open_verdicts(kind, audits, few_draws):
    tried, settled = np.array([trial(kind, index) for index in range(audits)]).sum(axis=0)
    assert tried >= 30
    assert 0.7 <= settled / tried <= 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_closed_formulas_give_the_widths_that_audits_have(kind, few_draws):
    found = rows_of(guessed(guesses_for(kind)))[None, KINDS[kind][0]]
    for count in (500, 2000):
        seen = np.mean([width(kind, count, index) for index in range(12)])
        assert found["half_widths"][NUMBERS.index(count)] == pytest.approx(seen, rel=0.35)


def test_a_plan_from_guesses_says_how_often_equals_are_called_equivalent():
    found = guessed(Guesses(fall=0.5, alike=0.6, accuracy=0.8))
    row = rows_of(found)[None, "attack_divergence"]
    error = np.sqrt(2 * 0.25 * 0.4 / 0.8 / 1000)
    assert row["half_widths"][NUMBERS.index(1000)] == pytest.approx(norm.ppf(0.975) * error)
    assert row["chances"][NUMBERS.index(200)] == pytest.approx(norm.cdf(0.1 / (error * 5**0.5) - norm.ppf(0.975)))
    for row in found["rows"]:
        assert row["chances"] == sorted(row["chances"])
        assert row["half_widths"] == sorted(row["half_widths"], reverse=True)
        below = max(count for count in NUMBERS if count < row["needed"])
        assert row["chances"][NUMBERS.index(below)] < 0.8
    few = rows_of(found)[None, "calibration_gap"]["chances"]
    assert few[:2] == [0, 0] < few[2:]  # with fewer than 400 there is no verdict


@pytest.mark.parametrize(
    ("guesses", "said"),
    [
        ({"accuracy": 1.0}, "accuracy must be a number above 0 and below 1, got 1.0"),
        ({"shared": "much"}, "shared must be a number above 0 and below 1, got 'much'"),
        ({"accuracy": 0.5, "shared": 0.2}, "shared is 0.2, and chance alone gives 0.33: guess more, or fewer errors"),
    ],
)
def test_guesses_that_cannot_be_are_one_sentence(guesses, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        guessed(Guesses(**guesses))


def test_a_plan_from_an_audit_has_what_each_verdict_lacks():
    found = json.loads(json.dumps(audit()))
    jsonschema.validate(found, SCHEMA)
    made = plan(found)
    rows = rows_of(made)
    entries = {
        (pair["compressed"], name): entry
        for pair in found["pairs"]
        if pair["role"] == "compressed"
        for name, entry in pair["dimensions"].items()
    }
    assert rows.keys() == entries.keys()
    for key, row in rows.items():
        entry = entries[key]
        if entry["verdict"] != "inconclusive":
            assert row["says"] == f"settled: {entry['verdict']}"
        elif not entry["open_because"]:
            assert row["needed"] == entry["examples_needed"]
            at = [count for count in NUMBERS if count >= row["needed"]]
            assert all(row["chances"][NUMBERS.index(count)] >= 0.8 for count in at)
        elif entry["examples"] < DIMENSIONS[key[1]].fewest:  # too few for a verdict, not for a plan
            assert row["needed"] >= DIMENSIONS[key[1]].fewest


def test_where_seeds_keep_it_open_the_plan_asks_for_twins():
    found = audit(compressed=("tiny",))
    entry = next(pair for pair in found["pairs"] if pair["role"] == "compressed")["dimensions"][ERRORS]
    entry |= {"divergence": 0.1, "divergence_low": -0.1, "divergence_high": 0.3, "margin": 0.11}
    entry |= {"seeds": 0.1, "one_more": 0.2, "verdict": "inconclusive", "examples": 1000}
    entry["open_because"] = "The twins differ too much among themselves to say: more twins would decide."
    excess = excess_in(entry, 0.95)
    assert excess.interval == pytest.approx((-0.1, 0.3))
    row = rows_of(plan(found))["tiny", ERRORS]
    assert (row["needed"], row["says"]) == (None, TWINS)
    assert max(row["chances"]) < 0.8
    assert TWINS in plan_table(plan(found))
    entry |= {"seeds": 0.0, "one_more": 0.0, "open_because": "The attack breaks nearly everything."}
    row = rows_of(plan(found))["tiny", ERRORS]
    assert (row["chances"], row["says"]) == (None, "The attack breaks nearly everything.")


def test_a_plan_is_written_as_table_markdown_json_and_plot(tmp_path):
    for made in (plan(audit()), guessed(Guesses())):
        paths = write_plan(made, tmp_path)
        assert [path.name for path in paths] == ["plan.json", "plan.md", "plan.svg"]
        assert json.loads(paths[0].read_text()) == json.loads(json.dumps(made))
        assert paths[1].read_text() == plan_markdown(made)
        assert max(map(len, plan_table(made).splitlines())) <= 100
        panels = [panel for panel in plan_plot(made).axes if panel.get_lines()]
        assert len(panels) == len({row["compressed"] for row in made["rows"]})
        drawn = {line.get_label(): line for panel in panels[:1] for line in panel.get_lines()}
        for row in made["rows"]:
            if row["chances"] is None:  # more examples are not what is missing
                assert row["says"]
                continue
            if row["compressed"] == made["rows"][0]["compressed"]:
                percent = [100 * chance for chance in row["chances"] if chance]
                assert drawn[DIMENSIONS[row["dimension"]].question].get_ydata() == pytest.approx(percent)
            for text in (plan_table(made), paths[1].read_text()):
                assert all(f"{100 * chance:.0f}" in text for chance in row["chances"] if chance)


def test_an_audit_that_measured_nothing_has_no_plan():
    with pytest.raises(ValueError, match=r"^the audit holds no verdict that more examples could settle"):
        plan(audit(compressed=("distilled",), skipped=tuple(DIMENSIONS)))
