"""What to do next: for every dimension that is different or open, in commands that can be typed."""

import copy
import dataclasses
import json
import shlex

import pytest
from audit_examples import audit

from trusteq.audit import advice
from trusteq.audit.advice import advice_of, flags_of, next_step, shared, too_small, with_advice
from trusteq.audit.schema import SCHEMA
from trusteq.cli import audit as cli_audit
from trusteq.cli import cascade, compress, repair
from trusteq.compress.options import FinetuneOptions
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.markdown import markdown
from trusteq.report.page import page
from trusteq.report.terminal import verdict_table, what_next

WORDS = shlex.split(
    "--large models/large --twin models/twin --compressed models/distilled tiny=models/t --limit 400 --dataset dev.tsv "
    "--text sentence --max-queries 40 --out audits/one --resume"
)
KNOWN = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(FinetuneOptions)}
BUILDING = {"--keep", "--text-only"} - KNOWN  # options of distil that may not be there yet


def parsed(line):
    """The command's own parser reads it, or says what is wrong."""
    trusteq, command, *words = shlex.split(line)
    assert trusteq == "trusteq"
    if command == "compress":
        way, *words = words
        given = flags_of(words[1:])
        kept = [word for name, values in given.items() if name not in BUILDING for word in (name, *values)]
        return compress.parser(way).read([words[0], *kept]) | {name: given[name] for name in BUILDING & set(given)}
    return {"audit": cli_audit, "repair": repair, "cascade": cascade}[command].parser().read(words)


def pair(made, model="distilled"):
    return next(one for one in made["pairs"] if one["compressed"] == model and one["role"] == "compressed")


def set_open(made, name, **changed):
    """An entry that is open, and how."""
    usual = {"verdict": "inconclusive", "open_because": None, "examples_needed": 1200}
    pair(made)["dimensions"][name] |= usual | changed
    return made


def only(made, name):
    """The advice on one dimension."""
    return [one for one in advice_of(made, "distilled", WORDS) if one.dimension == name]


@pytest.mark.parametrize("twin", ["twin", None])
@pytest.mark.parametrize("words", [WORDS, [], None])
@pytest.mark.parametrize("verdict", ["different", "inconclusive"])
def test_every_dimension_that_is_not_equivalent_has_advice_whose_command_can_be_typed(twin, words, verdict):
    made = audit(twin=twin)
    for name in DIMENSIONS:
        set_open(made, name, verdict=verdict)
    found = advice_of(made, "distilled", words)
    assert {one.dimension for one in found} == set(DIMENSIONS)
    for one in found:
        assert one.found == verdict
        assert one.says.endswith(".")
        assert parsed(one.line)


def test_what_is_equivalent_needs_none():
    made = audit()
    for entry in pair(made)["dimensions"].values():
        entry["verdict"] = "equivalent"
    assert advice_of(made, "distilled") == []
    assert next_step(made, "distilled") is None
    assert advice_of(made, "twin") == advice_of(made, "nobody") == []


def test_what_is_different_is_kept_by_distilling_repaired_or_passed_on():
    made = audit()
    for name, entry in pair(made)["dimensions"].items():
        entry["verdict"] = "different" if name in ("prediction_error_jaccard", "calibration_gap") else "equivalent"
    errors, confidence = only(made, "prediction_error_jaccard"), only(made, "calibration_gap")
    assert [one.way for one in errors] == ["distil", "cascade"]
    assert [one.way for one in confidence] == ["repair", "distil", "cascade"]
    typed = parsed(errors[0].line)
    assert (typed["model"], typed["dataset"], typed["text"]) == ("models/large", "train.csv", "sentence")
    keep = flags_of(errors[0].command)["--keep"]
    assert keep == ["errors", "confidence"]
    typed = parsed(confidence[0].line)
    assert (typed["model"], typed["like"], typed["to"]) == ("models/distilled", "models/large", "large")
    typed = parsed(errors[1].line)
    assert (str(typed["audit"]), typed["model"]) == ("audits/one", ["distilled"])
    assert next_step(made, "distilled", WORDS) == errors[0]


def test_without_a_twin_that_comes_first():
    made = set_open(audit(twin=None), "calibration_gap", verdict="different")
    first = only(made, "calibration_gap")[0]
    assert first.way == "twin"
    assert parsed(first.line)["twin"][-1] == "another-seed"


def test_more_examples_are_asked_for_by_their_number():
    made = set_open(audit(), "prediction_error_jaccard", examples_needed=2600)
    [found] = only(made, "prediction_error_jaccard")
    typed = parsed(found.line)
    assert (found.way, typed["limit"], typed["dataset"]) == ("examples", 2600, "dev.tsv")
    assert "2,600" in found.says
    assert str(typed["out"]) == "audits/one-next"
    assert "resume" not in typed
    set_open(made, "attack_divergence", examples=100, examples_needed=350)
    [found] = only(made, "attack_divergence")
    typed = parsed(found.line)
    assert (typed["attacked"], typed["limit"]) == (350, 400)  # of the 400 texts that are there
    set_open(made, "attribution_alignment", examples=100, examples_needed=900)
    typed = parsed(only(made, "attribution_alignment")[0].line)
    assert (typed["explained"], typed["limit"]) == (900, 900)


def test_where_all_texts_were_taken_more_have_to_be_found():
    made = set_open(audit(), "prediction_error_jaccard", examples_needed=2600)
    words = [word for word in WORDS if word not in ("--limit", "400")]
    found = next(one for one in advice_of(made, "distilled", words) if one.dimension == "prediction_error_jaccard")
    assert "take a larger file" in found.says
    assert parsed(found.line)["dataset"] == "more.csv"


def test_a_saturated_attack_asks_less_and_one_that_breaks_nothing_more():
    made = set_open(audit(), "attack_divergence")
    for fall, queries in ((0.99, 20), (0.0, 160)):
        figures = pair(made)["dimensions"]["attack_divergence"]["figures"]
        figures |= {"accuracy_fall": fall, "large_accuracy_fall": fall}
        made["settings"]["max_queries"] = 40
        [found] = only(made, "attack_divergence")
        assert found.way == "attack"
        assert parsed(found.line)["max_queries"] == queries


def test_seeds_that_scatter_ask_for_twins_and_a_margin_that_is_met_for_something_nearer():
    made = audit()
    entry = pair(made)["dimensions"]["prediction_error_jaccard"]
    entry |= {"verdict": "inconclusive", "open_because": None, "examples_needed": None}
    entry |= {"seeds": 0.5, "one_more": 0.7, "divergence": 0.1, "margin": 0.1}
    assert [one.way for one in only(made, "prediction_error_jaccard")] == ["twin"]
    entry |= {"seeds": 0.0, "one_more": 0.0, "divergence_low": 0.0, "divergence_high": 0.2, "examples": 100_000}
    assert [one.way for one in only(made, "prediction_error_jaccard")] == ["distil"]


def test_a_simulated_model_is_made_first():
    made = set_open(audit(), "calibration_gap", verdict="different")
    made["models"]["distilled"] |= {"source": "quantized from large", "simulated": True}
    words = ["derived:quantized" if word == "models/distilled" else word for word in WORDS]
    words = ["distilled=derived:quantized" if word == "derived:quantized" else word for word in words]
    ways = [one for one in advice_of(made, "distilled", words) if one.dimension == "calibration_gap"]
    assert [one.way for one in ways] == ["compress", "distil", "cascade"]
    assert parsed(ways[0].line)["model"] == "models/large"


def test_it_stands_in_the_results_as_data_and_says_no_place_of_this_machine():
    import jsonschema

    made = set_open(audit(), "calibration_gap", verdict="different")
    words = [word.replace("models/", "/home/me/models/") for word in WORDS]
    with_advice(made, words)
    jsonschema.validate(made, SCHEMA)
    assert "/home/me" not in json.dumps(made)
    assert made["advice"]["distilled"][0].keys() == {"dimension", "found", "way", "says", "command"}
    listed = [one["command"] for one in made["advice"]["distilled"]]
    assert listed == [one.line for one in advice_of(made, "distilled")]
    lines = what_next(made, words).splitlines()
    told = next(place for place, line in enumerate(lines) if line.startswith("next for distilled: "))
    typed = next(line for line in lines[told:] if line.startswith("  trusteq "))
    assert "/home/me/models/" in typed  # on the terminal of the one who asked


def test_page_and_markdown_show_it():
    made = set_open(audit(), "prediction_error_jaccard", examples_needed=2600)
    with_advice(made, WORDS)
    asks = next(one for one in shared(made) if "prediction_error_jaccard" in one.dimensions and "--limit" in one.line)
    for told in (markdown(made), page(made, {})):
        assert asks.line in told
        assert "What to do next" in told


def test_what_several_models_and_dimensions_share_is_said_once():
    made = audit()
    for model in ("distilled", "tiny"):
        for name, needed in (("calibration_gap", 90_000), ("prediction_error_jaccard", 120_000)):
            entry = pair(made, model)["dimensions"][name]
            entry |= {"verdict": "inconclusive", "open_because": None, "examples_needed": needed}
    with_advice(made, WORDS)
    (asks,) = [one for one in shared(made) if "--limit 120000 " in one.line]
    assert asks.models == ["distilled", "tiny"]
    assert {"calibration_gap", "prediction_error_jaccard"} <= {*asks.dimensions}
    assert markdown(made).count(asks.line) == 1
    assert "--limit 90000" not in markdown(made)
    assert what_next(made).count(asks.line) <= 1


def test_another_twin_for_the_bundled_family_is_a_command_that_runs():
    """The family that ships with the project takes no other twin unless all of it is named."""
    made = set_open(audit(), "prediction_error_jaccard", open_because="The twins differ too much among themselves.")
    made["models"] = {"large": made["models"]["large"], "distilled": made["models"]["distilled"]}
    typed = parsed(shlex.join(["trusteq", *advice.Asked(made, "distilled", []).with_twin()]))
    assert typed["twin"][-1] == "another-seed"
    assert typed["large"].endswith("bundled_family/large")
    assert typed["dataset"].endswith("reviews.csv")
    assert typed["attacked"] == 200


def test_more_texts_for_the_bundled_family_keep_those_that_are_out_of_distribution():
    made = set_open(audit(), "calibration_gap", examples_needed=9000)
    more = next(one for one in advice_of(made, "distilled", []) if one.dimension == "calibration_gap")
    assert parsed(more.line)["ood_dataset"].endswith("other.csv")


def test_the_same_texts_out_of_distribution_are_not_said_to_decide_with_more_ordinary_ones():
    made = set_open(audit(), "ood_divergence", examples_needed=9000)
    set_open(made, "calibration_gap", examples_needed=9000)
    more = next(one for one in advice_of(made, "distilled", []) if one.dimension == "ood_divergence")
    typed = parsed(more.line)
    assert (typed["dataset"], typed["ood_dataset"], typed["limit"]) == ("more.csv", "more-ood.csv", 6000)
    assert "There are 400 and 200: take 6,000 or more, and 3,000 or more." in more.says
    steps = shared(with_advice(made, []))
    asked = next(one for one in steps if "calibration_gap" in one.dimensions and "--dataset more.csv" in one.line)
    assert "ood_divergence" not in asked.dimensions
    words = ["200" if word == "400" else word for word in WORDS]  # which may have left some out
    (more,) = [one for one in advice_of(made, "distilled", words) if one.dimension == "ood_divergence"]
    assert "ood_dataset" not in parsed(more.line)


def test_what_only_the_correction_keeps_open_asks_for_what_decides_with_the_correction():
    because = "Alone it would be different, but among 12 verdicts that may be chance (Holm's correction)."
    made = set_open(audit(), "prediction_error_jaccard", open_because=because, examples_needed=None)
    entry = pair(made)["dimensions"]["prediction_error_jaccard"]
    entry |= {"divergence": 0.2, "divergence_low": 0.11, "divergence_high": 0.29, "margin": 0.1}
    entry |= {"examples": 1000, "seeds": 0.0, "one_more": 0.0}
    typed = parsed(only(made, "prediction_error_jaccard")[0].line)
    assert typed["limit"] == 4000  # 0.1 >= 2.87 * e / 2 + 0.84 * e * (1 - 1 / 4) ** 0.5, e = 0.09 / 1.96


def test_logs_that_were_compared_have_no_model_to_change():
    assert advice_of(audit() | {"tasks": []}, "distilled") == []


def test_names_that_the_student_keeps_are_those_of_the_dimensions():
    assert list(advice.KEPT) == list(DIMENSIONS)


def test_no_model_is_told_to_become_what_it_is():
    made = set_open(audit(), "calibration_gap", verdict="different")
    made["models"]["distilled"]["made"] = "base with its confidence scaled (temperature)"
    repair, distil, _ = only(made, "calibration_gap")
    assert "scaled already" in repair.says
    assert parsed(repair.line)["model"] == "base"
    assert str(parsed(repair.line)["out"]) == "base-repaired"
    assert distil.says == "Train a student that is held to the large model in confidence."
    made["models"]["distilled"]["made"] = "distilled from large, held to it in errors, confidence"
    assert "It was held to the large model in confidence" in only(made, "calibration_gap")[1].says


def test_a_model_of_the_audit_that_is_what_is_advised_is_named():
    made = set_open(audit(), "calibration_gap", verdict="different")
    other = copy.deepcopy(pair(made)) | {"compressed": "kept", "name": "kept vs large"}
    made["models"]["kept"] = made["models"]["distilled"] | {"made": "distilled from large, held to it in confidence"}
    made["pairs"].append(other)
    assert "kept" not in only(made, "calibration_gap")[1].says  # different there, too
    other["dimensions"]["calibration_gap"]["verdict"] = "equivalent"
    assert "or take kept, which is one: it is equivalent in confidence" in only(made, "calibration_gap")[1].says


def test_an_audit_too_small_for_any_yes_says_so_once_with_the_command_that_is_large_enough():
    made = audit()
    for entry in (entry for one in made["pairs"] for entry in one["dimensions"].values()):
        entry["examples"] = 400
    assert too_small(made, WORDS) is None
    for one in made["pairs"]:
        for name in ("calibration_gap", "attack_divergence"):
            one["dimensions"][name]["examples"] = 30
    found = too_small(made, WORDS)
    assert found.says.endswith("takes at least 400 examples (here 30) and 50 attacked examples (here 30).")
    assert parsed(found.line)["attacked"] == 50
    made["data"]["examples"] = 30
    assert parsed(too_small(made, WORDS).line)["limit"] == 400
    assert found.says in " ".join(verdict_table(made).split())
