"""Can a reader who has only the report tell what it says? Words, signs and digits; what was used; what models are."""

import json
import re
from pathlib import Path

import pytest
from audit_examples import audit, plot
from html_page import Page

from trusteq.audit.advice import with_advice
from trusteq.audit.judging import correct
from trusteq.audit.schema import SCHEMA
from trusteq.audit.sentences import how_far
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.latex import verdict_tables
from trusteq.report.markdown import markdown, verdicts
from trusteq.report.page import page
from trusteq.report.preferred import preference
from trusteq.report.queries import judged
from trusteq.report.terminal import verdict_table, what_next
from trusteq.report.words import ANSWER_TAKES, MARKS, NO_TWIN, VERDICT_TAKES, described, interval, settings_told
from trusteq.report.write import write_report
from trusteq.wording import number, percent, points

ROOT = Path(__file__).resolve().parents[2]


def forms(found):
    """What page, Markdown, terminal and LaTeX say, each as one line."""
    texts = (Page(page(found, {})).text, markdown(found), verdict_table(found), verdict_tables(found))
    return [" ".join(text.replace("\\", "").split()) for text in texts]


def all_equivalent(**of):
    found = audit(**of)
    for pair in judged(found):
        for entry in pair["dimensions"].values():
            entry |= {"verdict": "equivalent", "examples_needed": None, "open_because": None}
    return found


# The same words everywhere.


def test_the_mean_size_of_several_twins_gap_has_no_sign():
    found = audit()
    for pair in judged(found):
        pair["dimensions"]["calibration_gap"] |= {"floor": 0.0123, "floor_low": 0.0045, "floor_high": 0.0234}
    one_twin = forms(found)
    for pair in judged(found):
        pair["dimensions"]["calibration_gap"]["floors"] = ["twin 1", "twin 2"]
    several = forms(found)
    for signed, plain in zip(one_twin, several, strict=True):
        assert re.search(r"\+1\.2 points|\+0\.012|\$\+\$0\.012", signed)
        assert not re.search(r"\+1\.2 points|\+0\.012|\$\+\$0\.012", plain)
        assert re.search(r"1\.2 points|0\.012", plain)


def test_only_the_interval_beside_several_twins_is_said_to_hold_how_much_seeds_scatter():
    found = audit()
    found["models"]["twin-2"] = found["models"]["twin"]
    for text in forms(found):
        assert "Intervals are over examples alone, but for that of how much further a model is than the twins" in text
        assert "every interval" not in text
    for text in forms(audit()):
        assert "seeds scatter" not in text


@pytest.mark.parametrize(("size", "low", "high"), [(-0.3, -0.4, -0.2), (-0.1, -0.3, 0.05), (0.0, -0.1, 0.1)])
def test_what_is_nearer_is_told_without_a_minus_sign(size, low, high):
    entry = {"kind": "overlap", "floor": 0.5, "value": 0.6, "beside": "the twin is", "margin": 0.25}
    told = how_far(entry | {"divergence": size, "divergence_low": low, "divergence_high": high}, "large")
    assert not re.search(r"[−-]\d", told)
    assert "allowed 0.25 further" in told


def test_one_word_for_how_much_further():
    for text in forms(audit()):
        assert "further" in text
        assert "excess" not in text


def test_what_an_answer_takes_is_said_in_every_form_and_in_the_card():
    html, md, terminal, _ = forms(audit())
    assert ANSWER_TAKES in html
    assert ANSWER_TAKES in md
    assert ANSWER_TAKES in terminal
    card = " ".join((ROOT / "metrics" / "trust_equivalence" / "README.md").read_text(encoding="utf-8").split())
    assert "Anything else is Not settled: a dimension is inconclusive, was left out or could not be measured" in card


def test_every_mark_of_the_plot_is_explained_where_it_stands():
    html, md, *_ = forms(audit())
    for _, sign, says in MARKS:
        assert says in html
        assert f"{sign} {says}" in md


def test_the_table_of_verdicts_shows_the_interval_that_each_verdict_is_about():
    found = audit()
    found["models"]["twin-2"] = found["models"]["twin"]
    md = markdown(found)
    head = "| further than the twins | tested 95 % interval | allowed | n | verdict |"
    assert md.count(head) == len(judged(found))
    assert "| twins (mean; of gaps, mean size) | chance |" in md
    for pair in judged(found):
        for name, entry in pair["dimensions"].items():
            row = next(line for line in verdicts(found, pair).splitlines() if DIMENSIONS[name].question in line)
            cells = [cell.strip() for cell in row.split("|")]
            assert cells[-5:-3] == [
                interval(entry, "divergence_low", "divergence_high", "gap"),
                points(entry["margin"]),
            ]
            assert cells[-3] == f"{entry['examples']:,}"


def test_where_the_rule_is_told_so_is_what_stands_against_it():
    html, md, *_ = forms(audit())
    for text in (html, md):
        assert VERDICT_TAKES in text
    assert "Holm's correction" in VERDICT_TAKES


def test_markdown_says_how_it_was_made_without_a_place_of_the_machine():
    found = with_advice(audit(), ["--large", "/home/me/large", "--out", "results/one two"])
    assert "Made by `trusteq audit --large large --out 'results/one two'` on 20" in markdown(found)
    assert f"version {found['version']}" in markdown(found).partition("## ")[0]
    assert "trusteq audit --large large --out 'results/one two'" in Page(page(found, {})).text
    assert "Made on 20" in markdown(audit())


@pytest.mark.parametrize(
    "because", ["Alone it would be different, but among 30 verdicts that may be chance (Holm's correction).", "X."]
)
def test_why_a_verdict_is_open_whatever_its_interval_says_stands_beside_it_in_every_form(because):
    found = audit(compressed=("tiny",))
    judged(found)[0]["dimensions"]["calibration_gap"] |= {
        "verdict": "inconclusive", "examples_needed": None, "open_because": because,
        "sentence": because,
    }  # fmt: skip
    for text in forms(found):
        assert because.rstrip(".") in text


# Digits.


@pytest.mark.parametrize("share", [0.9951, 0.996, 0.99996, 0.0004, 0.00003])
def test_nearly_all_is_not_all_and_nearly_nothing_is_not_nothing(share):
    assert percent(share) not in ("100 %", "0 %")
    assert number(share) not in ("1.000", "0.000")
    for sign in (1, -1):
        assert number(sign * share, "gap") not in ("+0.000", "−0.000", "0")
        assert points(sign * share) != "0 points"


def test_nothing_is_nothing():
    assert (percent(0.0), percent(1.0), points(0.0), number(0.0, "gap")) == ("0 %", "100 %", "0 points", "0.000")


# What was used, and what for.


def test_settings_say_what_was_used_where_nothing_was_given():
    found = audit()
    told = dict(settings_told(found))
    assert told["floor"] == "the twins: twin"
    for name in DIMENSIONS:
        assert f"{name} " in told["margins"]
    assert told["margins"].count("(usual)") == len(DIMENSIONS)
    found["settings"]["margins"] = {"calibration_gap": 0.03}
    assert dict(settings_told(found))["margins"].count("(usual)") == len(DIMENSIONS) - 1
    assert dict(settings_told(audit(twin=None)))["floor"] == "none: no twin was given"
    assert told["margins"] in Page(page(audit(), {})).text


def test_all_verdicts_are_counted_by_the_correction_also_those_that_are_open_anyway():
    def entry(verdict, chance, because=None):
        return {"verdict": verdict, "chance": chance, "open_because": because}

    entries = [entry("different", 0.02), entry("inconclusive", 0.001, "Too few."), entry("equivalent", 0.9)]
    correct(entries, 0.95)
    assert [one["verdict"] for one in entries] == ["inconclusive", "inconclusive", "equivalent"]
    assert "among 3 verdicts" in entries[0]["open_because"]
    assert entries[1]["open_because"] == "Too few."


def test_of_several_that_can_stand_in_the_smallest_and_closest_is_preferred_in_every_form():
    found = all_equivalent(compressed=("base", "distilled", "tiny"))
    sizes = {"base": 20.0, "distilled": 8.0, "tiny": 8.0}
    for name, size in sizes.items():
        found["models"][name]["megabytes"] = size
    for pair in judged(found):
        for entry in pair["dimensions"].values():
            entry["divergence"] = 0.0 if pair["compressed"] == "tiny" else 0.01
    says = preference(found)
    assert says.startswith("Prefer tiny: of the 3 that can stand in, it is the smallest (8 MB in memory")
    assert says in Page(page(found, {})).text
    assert says in markdown(found)
    assert says in " ".join(what_next(found).split())
    found["models"]["tiny"]["simulated"] = True
    assert preference(found).startswith(
        "Prefer distilled: of the 2 that can stand in and are not simulated, it is the smaller"
    )
    found["models"]["distilled"]["simulated"] = True
    assert preference(found).startswith("Prefer base: it is the only one that can stand in and is not simulated (20 MB")
    assert preference(all_equivalent(compressed=("tiny",))) == ""
    assert preference(audit()) == ""


def test_models_stand_in_one_order_in_every_form_yes_first_and_the_nearest_first_among_equals():
    found = all_equivalent(compressed=("heron", "ibis", "stork"))
    for pair in judged(found):
        for entry in pair["dimensions"].values():
            entry["divergence"] = {"heron": 0.0, "ibis": 0.01, "stork": 0.001}[pair["compressed"]]
            entry["verdict"] = "different" if pair["compressed"] == "heron" else "equivalent"
    forms = {page(found, {}): 'class="for"><a href="#model-\\d"><bdi>{}<', markdown(found): "Can {} stand in"}
    for says, place in (forms | {verdict_table(found): "{} against large"}).items():
        places = [re.search(place.format(name), says).start() for name in ("stork", "ibis", "heron")]
        assert places == sorted(places)
        assert "yes first, no last" in says


@pytest.mark.parametrize(
    ("simulated", "told"), [((), "of the 3 that"), (("tiny",), "of the 2 that"), (("base", "tiny"), "only")]
)
def test_a_simulated_model_that_is_closer_is_not_counted_among_those_that_are_compared(simulated, told):
    found = all_equivalent(compressed=("base", "distilled", "tiny"))
    for pair in judged(found):
        found["models"][pair["compressed"]] |= {"megabytes": 8.0, "simulated": pair["compressed"] in simulated}
        for entry in pair["dimensions"].values():
            entry["divergence"] = {"base": 0.02, "distilled": 0.01, "tiny": 0.0 if simulated else 0.03}[
                pair["compressed"]
            ]
    says = preference(found)
    assert says.startswith("Prefer distilled: ")
    assert told in says
    assert ("closest to large, and all are equally small (8 MB" in says) == (simulated == ())
    assert ("closer to large, and both are equally small (8 MB" in says) == (simulated == ("tiny",))


def test_without_a_twin_nothing_is_said_to_be_further_than_one():
    html, *_ = forms(audit(twin=None))
    assert "further than" not in html
    assert NO_TWIN.rstrip(".").lower() in html.lower()


def test_what_is_known_of_a_model_stands_in_page_and_markdown():
    found = audit()
    files = {"config.json": "c" * 64, "model.safetensors": "0123456789ab" + "f" * 52}
    found["models"]["tiny"] |= {"architecture": "BertModel, 2 layers of 128", "runs_as": "transformers, float32"}
    found["models"]["tiny"] |= {"stored_as": "float16", "vocabulary": 6000, "labels": ["bad", "good"]}
    found["models"]["tiny"] |= {"disk_megabytes": 2.4, "files": files, "made": "distilled from large"}
    html, md, *_ = forms(found)
    for told in (html, md.replace("\\", "")):
        for value in filter(None, described(found["models"]["tiny"]).values()):
            assert value in told
    assert "0123456789ab" in html


# JSON: every key says what it is.


def resolved(schema):
    while "$ref" in schema:
        found = SCHEMA
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[int(step) if isinstance(found, list) else step]
        schema = found | {key: value for key, value in schema.items() if key != "$ref"}
    return schema


def undescribed(value, schema, path=""):
    """The keys that stand in a report without a word about them in its schema."""
    schema = resolved(schema)
    for choice in [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        choice = resolved(choice)
        kind = {dict: "object", list: "array"}.get(type(value))
        wanted = choice.get("properties", {}).get("status", {})
        fits = not isinstance(value, dict) or value.get("status") in (wanted.get("const"), *wanted.get("enum", ()))
        if kind and choice.get("type") == kind and fits:
            yield from undescribed(value, choice, path)
            return
    if isinstance(value, dict):
        known = schema.get("properties")
        for key, one in value.items():
            inner = known[key] if known and key in known else schema.get("additionalProperties")
            if known is not None and not resolved(known.get(key, {})).get("description"):
                yield f"{path}/{key}"
            if isinstance(inner, dict):
                yield from undescribed(one, inner, f"{path}/{key}")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for one in value[:3]:
            yield from undescribed(one, schema["items"], f"{path}[]")


@pytest.mark.parametrize("of", [{}, {"slices": ("length",)}, {"failed": (("tiny", "ood_divergence"),), "twin": None}])
def test_every_key_of_a_report_is_explained_in_its_schema(of):
    found = audit(**of)
    assert not sorted(set(undescribed(found, SCHEMA)))
    found["pairs"][0]["mystery"] = 1
    assert list(undescribed(found, SCHEMA)) == ["/pairs[]/mystery"]


def test_every_key_of_a_real_report_is_explained_in_its_schema():
    """The opening of the Space is a real audit's report without its examples."""
    found = json.loads((ROOT / "spaces" / "trust_equivalence" / "opening" / "family.json").read_text(encoding="utf-8"))
    del found["lists"]  # the Space's own: where the examples behind a count stand
    assert not sorted(set(undescribed(found, SCHEMA)))


# Print.


def test_printing_takes_two_pages_and_all_of_it_about_as_many_as_are_announced(tmp_path, browser):
    found = audit(compressed=("base", "distilled", "medium", "tiny"))
    address = write_report(found, tmp_path, plot)[0].as_uri()
    opened = browser.new_page()
    opened.goto(address)
    announced = int(re.search(r"about (\d+) pages", opened.inner_text("#everything"))[1])
    assert pages(opened.pdf(format="A4")) <= 2
    opened.goto(f"{address}#everything")
    assert pages(opened.pdf(format="A4")) == pytest.approx(announced, rel=0.35)
    opened.close()


def pages(pdf):
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))
