"""The report of an audit: every file is there, whole and valid; nothing is invented, and nothing breaks out of it."""

import base64
import hashlib
import json
import re
import unicodedata
from itertools import chain, pairwise
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from audit_examples import HOSTILE, audit, plot
from html_page import Page
from huggingface_hub import ModelCard
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from trusteq.audit.schema import SCHEMA
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report import svg, write
from trusteq.report.latex import models_table, pairwise_tables, verdict_tables
from trusteq.report.page import DEEPEST
from trusteq.report.queries import between, in_order, judged
from trusteq.report.summary_plot import summary_plot
from trusteq.report.terminal import verdict_table
from trusteq.report.words import NO_TWIN, answer, interval, shown
from trusteq.report.write import write_report, write_whole
from trusteq.resources import text as resource
from trusteq.wording import BIDI, clean, number

STYLE = resource("report/palette.css")
FIVE = ("base", "distilled", "medium", "mini", "pruned 50 %")
FAMILIES = {
    "a twin and two": {},
    "one and no twin": {"compressed": ("distilled",), "twin": None, "text_pairs": True},
    "six, all pairs": {"compressed": FIVE, "twin": None, "all_pairs": True},
    "gaps": {
        "failed": (("tiny", "ood_divergence"), ("twin", "attack_divergence")),
        "skipped": ("representation_overlap",),
    },
    "nothing measured": {"compressed": ("distilled",), "skipped": tuple(DIMENSIONS)},
    "hostile": {"compressed": tuple(HOSTILE), "word": HOSTILE[0] + HOSTILE[4], "data": HOSTILE[1]},
    "slices": {"slices": ("length", "label", HOSTILE[1])},
    "hostile and two": {"compressed": tuple(HOSTILE[:2]), "large": HOSTILE[4], "twin": HOSTILE[2], "all_pairs": True},
}
families = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """`written(family)` is its audit and the folder of its report, written once."""
    known = {}

    def write(family):
        if family not in known:
            found, folder = audit(**FAMILIES[family]), tmp_path_factory.mktemp("report")
            known[family] = found, folder, write_report(found, folder, quick)
        return known[family]

    return write


def quick(dimension, pair):
    """The metric's own plot for the twin; any small figure for the others, to save time."""
    if pair["compressed"] == "twin":
        return plot(dimension, pair)
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [0, pair["dimensions"][dimension]["value"]])
    return figure


def text_of(folder, name):
    return (folder / name).read_text(encoding="utf-8")


# What is written.


@families
def test_every_file_is_there(written, family):
    found, folder, paths = written(family)
    assert paths[0] == folder / "report.html"
    assert {path for path in folder.rglob("*") if path.is_file()} == set(paths)
    names = {path.relative_to(folder).as_posix() for path in paths}
    assert {"report.json", "report.schema.json", "report.md", "tables/pairwise.tex", "tables/models.tex"} <= names
    done = sum(entry["status"] == "done" for pair in found["pairs"] for entry in pair["dimensions"].values())
    assert len([name for name in names if name.startswith("plots/") and name.endswith("svg")]) == done + 1  # summary
    assert not [name for name in names if name.endswith("png")]
    cards = [name for name in names if name.startswith("model_card")]
    compressed = [name for name, model in found["models"].items() if model["role"] == "compressed"]
    assert len(cards) == len(compressed)
    if len(compressed) == 1:
        assert cards == ["model_card.md"]


def test_a_plot_is_a_png_too_where_that_is_asked_for(tmp_path):
    paths = write_report(audit(compressed=("distilled",), twin=None), tmp_path, quick, ("svg", "png"))
    pictures = {path.stem for path in paths if path.suffix == ".png"}
    assert pictures == {path.stem for path in paths if path.parent.name == "plots" and path.suffix == ".svg"} - {
        "summary"
    }
    assert len(pictures) == len(DIMENSIONS)


def test_figures_of_one_kind_are_laid_out_once(monkeypatch):
    """Finding where axes go takes longer than drawing them."""
    asked, execute = [], ConstrainedLayoutEngine.execute
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *given: (asked.append(1), execute(*given)))
    layouts = {name: {} for name in DIMENSIONS}
    *_, pair = audit()["pairs"]
    for name in DIMENSIONS:
        for one in audit()["pairs"]:
            figure, alone = plot(name, one), plot(name, pair)
            svg.pictures(figure, png=False, layouts=layouts[name])
        assert len(asked) == 1
        svg.pictures(alone, png=False)
        places = [[axis.get_position().bounds for axis in one.axes] for one in (figure, alone)]
        assert np.abs(np.subtract(*places)).max() < 0.03  # labels of other lengths would have other room
        asked.clear()


@families
def test_no_path_leaves_the_folder(written, family):
    _, folder, paths = written(family)
    for path in paths:
        assert path.resolve().is_relative_to(folder.resolve())
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", path.name)
        assert len(path.name) < 200


@families
def test_json_is_the_audit_and_fits_its_schema(written, family):
    found, folder, _ = written(family)
    assert json.loads(text_of(folder, "report.json")) == json.loads(json.dumps(found))
    stored = json.loads(text_of(folder, "report.schema.json"))
    jsonschema.Draft202012Validator.check_schema(stored)
    jsonschema.validate(json.loads(text_of(folder, "report.json")), stored)


def broken(change):
    found = json.loads(json.dumps(audit()))
    change(found, found["pairs"][1]["dimensions"]["calibration_gap"])
    return found


BROKEN = {
    "a verdict of another name": lambda a, e: e.update(verdict="perhaps"),
    "a figure without a value": lambda a, e: e.update(value=None),
    "a margin of nothing": lambda a, e: e.update(margin=0),
    "a missing sentence": lambda a, e: e.pop("sentence"),
    "a key too many": lambda a, e: e.update(score=1),
    "done, and a reason": lambda a, e: e.update(reason="none"),
    "a figure that is a list": lambda a, e: e["figures"].update(ece=[0.1]),
    "a dimension nobody knows": lambda a, e: a["pairs"][0]["dimensions"].update(loyalty=e),
    "an accuracy of 90": lambda a, e: a["models"]["large"].update(accuracy=90),
    "a role of another name": lambda a, e: a["models"]["large"].update(role="teacher"),
    "a signature of two lines": lambda a, e: a.update(signature="trust_equivalence:0.1.0\nseed=0"),
    "no failures": lambda a, e: a.pop("failures"),
    "a failure without a reason": lambda a, e: e.clear() or e.update(status="failed"),
}


@pytest.mark.parametrize("change", BROKEN)
def test_the_schema_refuses(change):
    jsonschema.validate(audit(), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken(BROKEN[change]), SCHEMA)


def test_the_same_audit_gives_the_same_bytes(written, tmp_path):
    found, folder, paths = written("one and no twin")
    again = write_report(found, tmp_path, quick)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    assert [path.relative_to(tmp_path) for path in again] == [path.relative_to(folder) for path in paths]


def test_a_write_that_is_cut_short_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "report.html", "the old page")
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(write.os, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                write_whole(path, "a new page")
        assert path.read_text() == "the old page"
    write_whole(path, "a new page")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("report.html", "a new page")]


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os, "fsync", full)
    with pytest.raises(ValueError, match=r"report\.json: No space left on device$"):
        write_report(audit(), tmp_path, quick)


def test_plots_of_the_same_data_are_kept_and_others_drawn(tmp_path):
    found, asked = audit(compressed=("distilled",), twin=None), []

    def counting(dimension, pair):
        asked.append(dimension)
        return quick(dimension, pair)

    paths = write_report(found, tmp_path, counting)
    before = [path.read_bytes() for path in paths]
    assert asked == list(DIMENSIONS)
    write_report(found, tmp_path, counting)
    assert asked == list(DIMENSIONS)
    drawn = next(path for path in paths if path.name.startswith("ood_divergence") and path.suffix == ".svg")
    drawn.write_bytes(drawn.read_bytes().replace(b"<path", b"<blot", 1))
    found["pairs"][0]["dimensions"]["calibration_gap"]["figures"]["ece"] += 0.01
    write_report(found, tmp_path, counting)
    assert asked == [*DIMENSIONS, "calibration_gap", "ood_divergence"]
    assert drawn.read_bytes() in before


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_an_earlier_report_left_is_removed_and_nothing_else(tmp_path):
    """As --resume with other models in the folder of another audit does."""
    write_report(audit(compressed=("base", "tiny"), twin=None), tmp_path, quick)
    ours = {"model_card.draft.md", "plots/mine.png", "plots/calibration_gap.sketch.svg", "plots/notes.txt", "notes.md"}
    for name in ours:
        (tmp_path / name).write_text("mine")
    paths = write_report(audit(compressed=("Tiny",), skipped=("ood_divergence",)), tmp_path, quick)
    assert files_of(tmp_path) == {path.relative_to(tmp_path).as_posix() for path in paths} | ours
    assert "model_card.md" in files_of(tmp_path)
    assert not [name for name in files_of(tmp_path) if "base" in name or "ood_divergence" in name]


def test_what_a_killed_report_left_is_removed_too(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(write, "models_table", lambda found: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_report(audit(compressed=("base", "tiny")), tmp_path, quick)
    assert "model_card.base.md" in files_of(tmp_path)
    paths = write_report(audit(compressed=("distilled",)), tmp_path, quick)
    assert files_of(tmp_path) == {path.relative_to(tmp_path).as_posix() for path in paths}


@pytest.mark.parametrize(
    "said", ["torn", "[]", '{"plots": 3}', '{"plots": {}, "files": 3}', '{"plots": {}, "files": [3, null]}', "outside"]
)
def test_a_list_of_files_that_is_not_ours_removes_nothing(tmp_path, said):
    outside = tmp_path / "outside.md"
    outside.write_text("mine")
    folder = tmp_path / "report"
    (folder / "plots").mkdir(parents=True)
    names = ["../outside.md", str(outside), "plots/../../outside.md", "plots", "report.json", "model_card.a/../b.md"]
    content = json.dumps({"plots": {}, "files": names}) if said == "outside" else said
    (folder / "plots" / "drawn.json").write_text(content)
    paths = write_report(audit(compressed=("distilled",), twin=None), folder, quick)
    assert outside.read_text() == "mine"
    assert files_of(folder) == {path.relative_to(folder).as_posix() for path in paths}


def test_a_plot_that_could_not_be_drawn_leaves_no_older_one(tmp_path):
    found = audit(compressed=("distilled",), twin=None)
    write_report(found, tmp_path, quick)
    found["pairs"][0]["dimensions"]["calibration_gap"]["figures"]["ece"] += 0.01

    def fails(dimension, pair):
        raise RuntimeError(f"no font in {tmp_path}/fonts")

    write_report(found, tmp_path, fails)
    assert not [name for name in files_of(tmp_path) if name.startswith("plots/calibration_gap")]
    assert "RuntimeError: no font in fonts" in Page(text_of(tmp_path, "report.html")).text


def test_a_plot_that_cannot_be_drawn_is_named_and_the_rest_is_written(tmp_path):
    def one_fails(dimension, pair):
        if dimension == "calibration_gap":
            raise RuntimeError("no <b>bins</b>")
        return quick(dimension, pair)

    paths = write_report(audit(compressed=("distilled",), twin=None), tmp_path, one_fails)
    assert len([path for path in paths if path.suffix == ".svg" and path.parent.name == "plots"]) == len(DIMENSIONS)
    page = Page(text_of(tmp_path, "report.html"))
    assert "The plot could not be drawn: RuntimeError: no <b>bins</b>" in page.text
    assert len(page.plots) == len(DIMENSIONS) - 1


# The page.


@pytest.fixture(scope="module")
def page(written):
    pages = {}

    def of(family):
        if family not in pages:
            pages[family] = Page(text_of(written(family)[1], "report.html"))
        return pages[family]

    return of


@families
def test_the_page_is_one_file_that_asks_for_nothing(page, family):
    names = [name for name, _ in page(family).elements]
    assert not {*names} & {"img", "iframe", "object", "embed", "form", "input", "button", "base", "video"}
    assert not [a for _, attributes in page(family).elements for a in attributes if a.startswith("on")]
    assert all(link.startswith(("#", "data:,")) for link in page(family).all("href"))
    assert not page(family).all("src")
    assert not re.findall(r"url\(['\"]?(?!#)|@import|@font-face", page(family).source)
    policy = [a["content"] for name, a in page(family).elements if a.get("http-equiv") == "Content-Security-Policy"]
    script = resource("report/page.js")
    of_script = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"'sha256-{of_script}'" if "script" in names else "'none'"
    assert policy == [f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"]
    scripts = [a for name, a in page(family).elements if name == "script"]
    assert scripts in ([], [{"type": "application/json", "id": "data"}, {}])
    assert f"<script>{script}</script>" in page(family).source or not scripts
    assert page(family).source.count("</script") == len(scripts)


@families
def test_ids_are_unique_and_links_lead_somewhere(page, family):
    ids = page(family).all("id")
    assert len(ids) == len(set(ids))
    links = [link[1:] for link in page(family).all("href") if link.startswith("#")]
    named = [*page(family).all("aria-labelledby"), *re.findall(r"url\(#([^)]+)\)", page(family).source)]
    assert links
    assert set(links) | set(named) <= set(ids)


@families
def test_the_page_can_be_heard(page, family):
    elements = page(family).elements
    assert ("html", {"lang": "en"}) in elements
    for name, attributes in elements:
        if name == "th":
            assert attributes.get("scope") in ("row", "col")
        if name == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        if "tabindex" in attributes:  # what can be scrolled can be reached, and says what it is
            assert attributes["aria-label"]
    headings = [int(name[1]) for name, _ in elements if re.fullmatch("h[1-6]", name)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


@families
def test_all_figures_and_verdicts_of_the_audit_are_on_the_page(written, page, family):
    found, text = written(family)[0], page(family).text
    for pair in found["pairs"]:
        for entry in pair["dimensions"].values():
            if entry["status"] == "done":
                told = shown(entry["value"], entry["kind"])  # a matrix of all pairs writes no unit
                assert (told.removesuffix(" points") if pair["role"] == "other" else told) in text
                if pair["role"] == "compressed":
                    assert entry["verdict"] in text
                    assert interval(entry) in text
                    assert interval(entry, "divergence_low", "divergence_high", "gap") in text
            else:
                assert clean(entry["reason"]) in text
    for name, model in found["models"].items():
        assert clean(name) in text
        assert shown(model["accuracy"], "overlap") in text
    assert found["signature"] in text
    assert all(clean(failure["reason"]) in text for failure in found["failures"])


@families
def test_no_figure_is_on_the_page_that_is_not_in_the_audit(written, page, family):
    """All numbers with three decimals; others (counts, percentages of a text) are rounder."""
    allowed = set()
    for value in numbers_in(written(family)[0]):
        allowed |= {f"{value:.3f}", f"{-value:.3f}"}
    shown = re.findall(r"(?<![\d.])[+\u2212]?(\d+\.\d{3})(?![\d.e])", outside_plots(page(family).source))
    assert set(shown) <= {number.lstrip("-") for number in allowed}


def numbers_in(value):
    if isinstance(value, dict):
        return chain.from_iterable(map(numbers_in, value.values()))
    if isinstance(value, list):
        return chain.from_iterable(map(numbers_in, value))
    return [value] if isinstance(value, int | float) else []


def outside_plots(source):
    return re.sub(r"<svg.*?</svg>|<style>.*?</style>|<script.*?</script>|style=\"[^\"]*\"", "", source, flags=re.DOTALL)


def test_the_page_of_fifteen_pairs_stays_small(written):
    _, _, paths = written("six, all pairs")
    assert paths[0].stat().st_size < 2_000_000


def test_plots_for_which_a_page_has_no_room_lie_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "INLINED", 5_000)
    paths = write_report(audit(), tmp_path, quick, ("svg",))
    shown = Page(text_of(tmp_path, "report.html"))
    named = {link for link in shown.all("href") if not link.startswith(("#", "data:"))}
    assert len(named) == shown.text.count("This one lies beside it: plots/")
    assert 0 < len(shown.plots) < len(DIMENSIONS) * 3
    assert len(named) + len(shown.plots) == len(DIMENSIONS) * 3
    assert named <= {path.relative_to(tmp_path).as_posix() for path in paths}


def test_plots_have_the_size_that_a_real_audit_gives_them(tmp_path):
    """The metrics' own plots of one pair; six pairs of them leave room below 3 MB."""
    path, *_ = write_report(audit(compressed=("distilled",), twin=None), tmp_path, plot)
    assert path.stat().st_size < 400_000


def test_pairs_among_compressed_models_are_in_the_matrices_but_not_among_the_plots(page):
    found = page("six, all pairs")
    assert len(found.plots) == len(DIMENSIONS) * len(FIVE)
    assert len([a for name, a in found.elements if name == "table" and a.get("class") == "heat"]) == len(DIMENSIONS)


def test_matrices_are_symmetric_but_for_the_sign_of_gaps():
    found = audit(compressed=FIVE, twin=None, all_pairs=True)
    for name, kind in ((name, dimension.kind) for name, dimension in DIMENSIONS.items()):
        for a in found["models"]:
            for b in found["models"]:
                there, back = between(found, name, a, b), between(found, name, b, a)
                if a == b:
                    assert there is None
                else:
                    assert there == ((back[0], kind) if kind == "overlap" else (-back[0], kind))


def test_the_answer_is_no_if_one_differs_and_yes_only_if_all_are_equivalent():
    def says(*verdicts):
        entries = [{"status": "done", "verdict": v} if v in VERDICTS else {"status": v} for v in verdicts]
        return answer({"dimensions": dict(zip(DIMENSIONS, entries, strict=False))}).word

    assert says(*["equivalent"] * len(DIMENSIONS)) == "Yes"
    assert says("equivalent", "equivalent") == "Not settled"  # the others were not tried
    assert says("equivalent", "different", "inconclusive") == "No"
    assert says("equivalent", "different", "failed") == "No"
    assert {says("equivalent", other) for other in ("inconclusive", "failed", "skipped")} == {"Not settled"}
    assert says() == "Not settled"


def test_a_no_without_a_twin_says_what_that_means():
    entry = {"status": "done", "verdict": "different", "floor": None}
    assert NO_TWIN in answer({"dimensions": {"calibration_gap": entry}}).summary
    assert NO_TWIN not in answer({"dimensions": {"calibration_gap": entry | {"floor": 0.1}}}).summary


VERDICTS = ("equivalent", "different", "inconclusive")


# Text from outside.


def invisible(text):
    return {
        character
        for character in text
        if character in BIDI or (unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character != "\n")
    }


@pytest.mark.parametrize("family", ["hostile", "hostile and two"])
def test_no_character_is_invisible_or_turns_others_around(written, family):
    found, _, paths = written(family)
    for path in paths:
        if path.suffix != ".png":
            assert not invisible(path.read_text(encoding="utf-8")), path.name
    assert not invisible(verdict_table(found))


def test_markup_in_names_and_texts_is_shown_as_it_is(page):
    for name in HOSTILE:
        assert clean(name) in page("hostile").text
    assert "{{ 7 * 7 }}" in page("hostile").text  # and not 49


def test_markup_in_reasons_and_sentences_is_shown_as_it_is(tmp_path):
    found = audit(compressed=("distilled",), twin=None)
    entries = found["pairs"][0]["dimensions"]
    entries["calibration_gap"] = {"status": "failed", "reason": HOSTILE[0]}
    entries["ood_divergence"]["sentence"] = HOSTILE[1]
    found["failures"] = [{"pair": HOSTILE[2], "dimension": "calibration_gap", "reason": HOSTILE[0]}]
    found["settings"][HOSTILE[0]] = {HOSTILE[1]: [HOSTILE[2], 0.1]}
    found["signature"] = "trust_equivalence:0.1.0|" + HOSTILE[0]
    write_report(found, tmp_path, quick)
    text = Page(text_of(tmp_path, "report.html")).text
    assert all(text.count(clean(HOSTILE[i])) >= 2 for i in (0, 2))
    assert clean(HOSTILE[1]) in text


def test_attributes_of_the_page_hold_what_they_are_given():
    label = "\" onload=alert(1) x='"
    element = svg.inline_svg('<svg xmlns="http://www.w3.org/2000/svg" width="72pt"/>', "p-", label)
    assert Page(element).elements == [
        ("svg", {"xmlns": svg.SVG, "style": "max-width: 72pt", "role": "img", "aria-label": label})
    ]


@pytest.mark.parametrize("name", ["report.md", "model_card"])
def test_markdown_keeps_names_and_tables_together(written, name):
    _, _, paths = written("hostile")
    for path in paths:
        if path.suffix == ".md" and path.name.startswith(name):
            text = path.read_text(encoding="utf-8")
            body = text.split("---\n", 2)[2] if name == "model_card" else text
            assert "<" not in body
            assert "javascript:" not in re.sub(r"\\\[e\\\]\(javascript", "", body)
            for block in re.findall(r"(?:^\|.*\|$\n?)+", body, re.MULTILINE):
                columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
                assert len(columns) == 1


@families
def test_model_cards_are_what_the_hub_reads(written, family):
    found, _, paths = written(family)
    cards = [path for path in paths if path.name.startswith("model_card")]
    for path, pair in zip(cards, judged(found), strict=True):
        card = ModelCard(path.read_text(encoding="utf-8"))
        assert card.data.model_name == clean(pair["compressed"])
        assert card.data.license is None
        values = {result.metric_type: result.metric_value for result in card.data.eval_results}
        done = {name: entry["value"] for name, entry in pair["dimensions"].items() if entry["status"] == "done"}
        assert values == done | {"accuracy": found["models"][pair["compressed"]]["accuracy"]}
        assert {result.dataset_name for result in card.data.eval_results} == {clean(found["data"]["name"])}


@families
@pytest.mark.parametrize("name", ["verdicts", "pairwise", "models"])
def test_latex_tables_have_whole_rows(written, family, name):
    source = text_of(written(family)[1], f"tables/{name}.tex")
    for table in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", source, re.DOTALL):
        rows = [line for line in table[1].splitlines() if line.endswith(r"\\")]
        assert rows
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(table[0]) - 1}
    code = re.sub(r"(?m)^%.*$", "", source)
    assert "\\input{" not in code
    bare = re.sub(r"\\[\\{}$&#%_]", "", code)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"[#~^%]", bare)
    assert re.sub(r"\$[-+]\$", "", bare).count("$") == 0


def test_latex_tables_hold_the_figures_of_the_papers(written):
    found, folder, _ = written("a twin and two")
    source = text_of(folder, "tables/models.tex")
    pair = found["pairs"][1]["dimensions"]
    row = next(line for line in source.splitlines() if line.startswith("distilled &"))
    calibration = pair["calibration_gap"]["figures"]
    expected = [f"{calibration[key]:.4f}" for key in ("ece", "mce", "brier", "nll")]
    of_calibration = row.removesuffix(r" \\").split(" & ")[4:]
    assert of_calibration == [
        f"{pair['attribution_alignment']['value']:.3f}",
        *expected,
        answer(found["pairs"][1]).word,
    ]
    large = next(line for line in source.splitlines() if line.startswith("large &"))
    assert f"{calibration['large_ece']:.4f}" in large
    matrix = text_of(folder, "tables/pairwise.tex")
    assert f"distilled & {pair['prediction_error_jaccard']['value']:.3f} & " in matrix


def test_pairs_with_the_large_model_alone_take_one_row_per_model_and_no_empty_cells():
    found = audit(compressed=("base", "distilled", "tiny"))
    source = pairwise_tables(found)
    assert source.count(r"\begin{table}") == len(DIMENSIONS)
    for table in source.split(r"\begin{table}")[1:]:
        rows = [line.removesuffix(r" \\").split(" & ") for line in table.splitlines() if line.endswith(r"\\")][1:]
        assert [row[0] for row in rows] == ["twin", "base", "distilled", "tiny"]
        assert all(cell for row in rows for cell in row)


def test_a_matrix_of_many_models_is_printed_in_parts_that_a_page_is_wide_enough_for():
    found = audit(compressed=tuple(f"m{i}" for i in range(6)), all_pairs=True)
    source = pairwise_tables(found)
    assert source.count(r"\begin{table}") == 2 * len(DIMENSIONS)
    assert "(part 2 of 2)" in source
    heads = re.findall(r"\\toprule\n(.*) ", source)
    assert heads[:2] == [" & large & twin & m0 & m1 & m2", " & m3 & m4 & m5"]
    assert len(set(re.findall(r"\\label\{(.*)\}", source))) == len(heads)


def test_captions_say_what_the_figures_rest_on():
    found = audit()
    of_verdicts, matrix, of_models = verdict_tables(found), pairwise_tables(found), models_table(found)
    for source in (of_verdicts, matrix, of_models):
        captions = re.findall(r"\\caption\{.*\}", source)
        assert all("Data: invented reviews, n = 400" in one and "seed 0" in one for one in captions)
        assert all("All 12 verdicts together are corrected by Holm's method" in one for one in captions)
    assert all("explained by lime; attacked by typos" in one for one in re.findall(r"\\caption.*", of_verdicts))
    assert sum("lime" in one for one in re.findall(r"\\caption.*", matrix)) == 1


# What is to be known beside the figures.


def forms(folder, found):
    """What page, Markdown and terminal say."""
    return Page(text_of(folder, "report.html")).text, text_of(folder, "report.md"), verdict_table(found)


@pytest.mark.parametrize(("count", "said"), [(0, None), (1, "1 row without"), (1234, "1,234 rows without")])
def test_rows_without_a_label_are_counted_in_every_form(tmp_path, count, said):
    found = audit(compressed=("distilled",), twin=None)
    found["data"]["unlabelled"] = count
    write_report(found, tmp_path, quick)
    page, *texts = forms(tmp_path, found)
    if said is None:
        assert all("without a label" not in text for text in (page, *texts))
    else:
        assert re.search(rf"without a label\s*{count:,}\s", page)
        assert all(said in text for text in texts)


def test_groups_and_repeated_texts_are_counted_in_every_form(tmp_path):
    found = audit(compressed=("distilled",), twin=None)
    assert all(
        "400 in" not in text and "repeated" not in text for text in forms(written_to(tmp_path / "no", found), found)
    )
    found["data"] |= {"groups": 20, "duplicates": 14, "duplicates_apart": 1, "ood_duplicates": 3}
    page, markdown, terminal = forms(written_to(tmp_path / "yes", found), found)
    assert re.search(r"400 in 20 groups; 14 repeated texts count once", page)
    for text in (markdown, " ".join(terminal.split())):
        assert "400 examples in 20 groups; 14 repeated texts count once; 1 repeated text counts again" in text
        assert "3 repeated out-of-distribution texts count once" in text


def test_slices_are_told_in_every_form_the_worst_first(tmp_path):
    found = audit(compressed=("tiny", "distilled"), slices=("length", "source"))
    plain = audit(compressed=("tiny", "distilled"))
    texts = forms(written_to(tmp_path / "no", plain), plain)
    assert all("By length" not in text and "Slices" not in text for text in texts)
    page, markdown, terminal = forms(written_to(tmp_path / "yes", found), found)
    slicing = found["slices"][1]
    assert [part["examples"] for part in slicing["slices"] if part["slice"] == "rare"] == [6]
    first = slicing["verdicts"][0]
    assert first["verdict"] == "different"
    terminal = " ".join(terminal.split())
    for text in (page, markdown, terminal):
        assert f"{len(slicing['slices'])} slices, " in text
        assert f"(Corrected for {slicing['corrected_for']} verdicts.)" in text
        for name in slicing["verdicts"][0]["slice"], found["slices"][0]["verdicts"][0]["slice"]:
            assert name in text
    assert f"{first['compressed']}, {first['slice']}, {first['dimension']}: " in terminal
    for text in (page, markdown):
        assert text.index(first["sentence"].split(":")[0][:60]) > 0
        assert "too few" in text
        assert "No slice holds enough for “As honest about its confidence?” (400 examples)" in text
    says = answer(next(pair for pair in found["pairs"] if pair["compressed"] == first["compressed"]))
    assert "Different for length: " in says.summary
    assert says.word == "No"
    assert slicing["verdicts"] == sorted(
        slicing["verdicts"], key=lambda one: (one["verdict"] != "different", -one["beyond"])
    )


def test_a_model_of_simulated_weights_says_so_in_every_form(tmp_path):
    found = audit(compressed=("int8", "distilled"))
    page, markdown, terminal = forms(written_to(tmp_path / "none", found), found)
    assert all("simulated" not in text for text in (page, markdown, terminal))
    found["models"]["int8"]["simulated"] = True
    page, markdown, terminal = forms(written_to(tmp_path / "one", found), found)
    says = "The weights of int8 are simulated: rounded or set to 0, but kept as ordinary numbers, so no smaller and no"
    for text in (page, markdown, terminal):
        assert says in " ".join(text.split())
    assert re.search(r"int8compressed.*?simulated", " ".join(page[page.index("The models") :].split()))
    (row,) = (line for line in markdown.splitlines() if line.startswith("| int8 | compressed"))
    assert " (simulated) |" in row
    assert markdown.count("(simulated)") == 1


def test_weights_that_a_model_does_not_read_are_said_in_every_form(tmp_path):
    found = audit(compressed=("int8", "distilled"))
    assert all("does not read" not in text for text in forms(written_to(tmp_path / "none", found), found))
    found["models"]["int8"]["unread"] = ["more.bias", "more.weight"]
    found["models"]["distilled"]["unread"] = ["other.weight"]
    said = "The checkpoint of int8 holds 2 weights that the model does not read, such as more.bias. The checkpoint of "
    said += "distilled holds 1 weight that the model does not read, other.weight."
    for text in forms(written_to(tmp_path / "some", found), found):
        assert said in " ".join(text.split())


def written_to(folder, found):
    write_report(found, folder, quick)
    return folder


# The table for a terminal.


@families
def test_the_terminal_table_fits_and_says_all(written, family):
    found = written(family)[0]
    text = verdict_table(found)
    for line in text.splitlines()[:-1]:  # the last one is the signature
        assert sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) <= 100, line
    blocks = text.split("\n\n")
    assert len(blocks) == 1 + len(found["pairs"]) + 1 + ("slices" in found)
    for block, pair in zip(blocks[1:], in_order(found), strict=False):
        for name, entry in pair["dimensions"].items():
            line = next(line for line in block.splitlines() if line.startswith(f"  {name} "))
            if entry["status"] == "done":
                assert number(entry["value"], entry["kind"]) in line
                assert line.endswith(entry["verdict"] or "")
            else:
                assert entry["status"] in line
                assert entry["reason"].split()[-1] in block
    assert "\x1b" not in text


# The summary plot and plots on the page.


COLORS = {"equivalent": "#0F6B4F", "different": "#A3223F", "inconclusive": "#8A6A00"}


def drawn(panel):
    """What a reader sees in each row of a panel: marks by kind, bars by colour, and the words at its end."""
    rows = [{"marks": {}, "bars": {}, "words": text.get_text()} for text in panel.texts]
    for line in panel.lines:
        if line.get_marker() not in ("", "None"):
            rows[int(line.get_ydata()[0])]["marks"][line.get_marker()] = float(line.get_xdata()[0])
    for bars in panel.collections:
        if isinstance(bars, LineCollection):
            for (x, y), (end, _) in bars.get_segments():
                rows[int(y)]["bars"][to_hex(bars.get_color()[0]).upper()] = (x, end)
    return rows


def clipped(value, panel):
    return min(max(value, panel.get_xlim()[0]), panel.get_xlim()[1])


@pytest.mark.parametrize("family", ["a twin and two", "one and no twin", "gaps", "six, all pairs", "hostile and two"])
def test_the_summary_shows_every_figure_in_margins(family):
    found = audit(**FAMILIES[family])
    figure, pairs = summary_plot(found), judged(found)
    twin = any(model["role"] == "twin" for model in found["models"].values())
    panels = [panel for panel in figure.axes if panel.axison]
    for panel, pair in zip(panels, pairs, strict=True):
        assert [label.get_text() for label in panel.get_yticklabels()] == [
            DIMENSIONS[name].question for name in pair["dimensions"]
        ]
        assert [label.get_text().strip() for label in panel.get_xticklabels()][:2] == [
            "twin" if twin else "0",
            "margin",
        ]
        assert list(panel.get_xticks()[:2]) == [0, 1]
        for row, entry in zip(drawn(panel), pair["dimensions"].values(), strict=True):
            if entry["status"] != "done":
                assert row == {"marks": {}, "bars": {}, "words": entry["status"]}
                continue
            middle, low, high = (
                entry[key] / entry["margin"] for key in ("divergence", "divergence_low", "divergence_high")
            )
            verdict, near = entry["verdict"], {"abs": 1e-9}
            marks = {"equivalent": "o", "different": "X", "inconclusive": "D"}
            expected = {marks[verdict]: middle} if clipped(middle, panel) == middle else {}
            expected |= {"<": clipped(low, panel)} if clipped(low, panel) != low else {}
            expected |= {">": clipped(high, panel)} if clipped(high, panel) != high else {}
            assert row["marks"] == pytest.approx(expected, **near)
            bar = (clipped(low, panel), clipped(high, panel))
            assert row["bars"].pop(COLORS[verdict]) == pytest.approx(bar, **near)
            assert len(row["bars"]) == (entry["floor"] is not None)  # the grey band of the twin's own interval
            for band in row["bars"].values():
                assert band[0] <= 0 <= band[1]
            assert row["words"].splitlines()[0].endswith(verdict)
            assert row["words"].endswith(f" {shown(entry['value'], entry['kind'])}")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["equivalent", "different", "inconclusive", "inside the margin", "interval of the floor's own"]


def test_where_marks_are_beyond_the_axis_there_are_arrows():
    """Else the test above would pass with plots that show none."""
    found = audit()
    found["pairs"][1]["dimensions"]["representation_overlap"]["margin"] = 0.2  # so that one that is equivalent is near
    markers = {mark for panel in summary_plot(found).axes for row in drawn(panel) for mark in row["marks"]}
    assert markers >= {"<", ">", "o", "X", "D"}


def test_the_summarys_zone_ends_at_the_margin_and_titles_name_both_models():
    figure = summary_plot(audit(large="MiniLM"))
    for panel, name in zip(figure.axes, ("distilled", "tiny"), strict=True):
        zones = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
        assert [zone.get_x() + zone.get_width() for zone in zones] == [1]
        assert panel.get_title(loc="left") == f"{name} against MiniLM"
        assert panel.get_xlabel() == ("divergence beyond the twin, in margins" if name == "tiny" else "")


def test_a_summary_of_nothing_measured_says_what_was_left_out(recwarn):
    figure = summary_plot(audit(**FAMILIES["nothing measured"]))
    assert [row["words"] for row in drawn(figure.axes[0])] == ["skipped"] * len(DIMENSIONS)
    assert all(not row["marks"] and not row["bars"] for row in drawn(figure.axes[0]))
    svg.pictures(figure)
    assert not [str(warning.message) for warning in recwarn]


def test_names_that_a_font_does_not_have_become_boxes_without_a_warning(recwarn):
    found = audit(**FAMILIES["hostile"])
    picture = svg.pictures(summary_plot(found))["svg"].decode()
    assert not [str(warning.message) for warning in recwarn]
    assert "naïve-□□-□-very-long" in picture


def test_two_plots_on_a_page_do_not_share_ids():
    found = audit()["pairs"][1]
    source = svg.pictures(plot("ood_divergence", found))["svg"].decode()
    first, second = (svg.inline_svg(source, prefix, "the same plot") for prefix in ("a-", "b-"))
    ids = [set(re.findall(r' id="([^"]+)"', element)) for element in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for element, own in zip((first, second), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", element)) | set(re.findall(r'href="#([^"]+)"', element)) == own


def test_a_plot_takes_on_the_pages_colours_and_stays_as_it_was_otherwise():
    source = svg.pictures(plot("ood_divergence", audit()["pairs"][1]))["svg"].decode()
    element = svg.inline_svg(source, "a-", "plot")
    assert not re.search(r"#(?:000000|ffffff|d55e00|0072b2)", element)
    assert {"var(--compressed)", "var(--large)", "var(--plot)", "currentColor"} <= set(
        re.findall(r"var\(--\w+\)|currentColor", element)
    )
    assert not re.search("<style|<metadata|<script", element)
    shapes = [[e.get("d") for e in ElementTree.fromstring(text).iter() if e.get("d")] for text in (source, element)]
    assert shapes[0] == shapes[1]


# What can be read can be read by all.


def luminance(color):
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one, other):
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def palette(place):
    """The colours of the page by day (0) and by night (1)."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[: place + 1]
    return {name: rgb(color) for block in blocks for name, color in re.findall(r"--([\w-]+): (#\w{6});", block)}


def rgb(color):
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))


@pytest.mark.parametrize("night", [0, 1])
def test_text_stands_out_from_its_ground(night):
    """WCAG 2.2 level AA: 4.5 to 1."""
    colors = palette(night)
    verdicts = [(name, f"{name}-wash") for name in VERDICTS]
    on_paper = [(name, ground) for name in ("ink", "soft", "compressed", "large", *VERDICTS) for ground in ("paper",)]
    for text, ground in [*verdicts, *on_paper, ("soft", "card"), ("soft", "wash"), ("ink", "plot")]:
        assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)


@pytest.mark.parametrize("night", [0, 1])
@pytest.mark.parametrize("hue", ["shared", "compressed", "large"])
def test_figures_in_a_heat_map_stand_out_at_every_level(night, hue):
    colors = palette(night)
    step = [float(number) for number in re.findall(r"--step: ([\d.]+)%", STYLE)][night]
    for level in range(DEEPEST + 1):
        share = level * step / 100
        ground = [share * a + (1 - share) * b for a, b in zip(colors[hue], colors["wash"], strict=True)]
        assert contrast(colors["ink"], ground) >= 4.5, level


# In a browser.


@pytest.mark.parametrize("family", ["a twin and two", "six, all pairs", "gaps", "hostile"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_nothing_is_asked_for_and_nothing_sticks_out(written, browser, family, width, scheme):
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    address = written(family)[2][0].as_uri()
    opened.goto(address)
    opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    opened.close()
