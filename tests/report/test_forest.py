"""The forest: every figure is where it belongs, in both layouts, and is said in words."""

import re
from xml.etree import ElementTree

import pytest
from audit_examples import HOSTILE, audit

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.forest import NARROW, WIDE, forest, forest_file, picture
from trusteq.report.geometry import in_margins, place_of, reach
from trusteq.report.queries import judged
from trusteq.report.words import figure_of

SVG = "{http://www.w3.org/2000/svg}"
TWENTY = tuple(f"model-{i}" for i in range(20))
FAMILIES = {
    "a twin and two": {},
    "one and no twin": {"compressed": ("distilled",), "twin": None},
    "twenty": {"compressed": TWENTY},
    "gaps": {"failed": (("tiny", "ood_divergence"),), "skipped": ("representation_overlap",)},
    "nothing measured": {"compressed": ("distilled",), "skipped": tuple(DIMENSIONS)},
    "hostile": {"compressed": (HOSTILE[0], HOSTILE[4]), "large": HOSTILE[1]},
}
families = pytest.mark.parametrize("family", FAMILIES)
widths = pytest.mark.parametrize("width", [WIDE, NARROW])


def marks(svg):
    return list(ElementTree.fromstring(svg).iter(f"{SVG}a"))


def middle(mark):
    """Where the mark's dot is, if it has one."""
    for one in mark.iter():
        if one.get("class") == "dot":
            if one.tag == f"{SVG}circle":
                return float(one.get("cx"))
            if one.tag == f"{SVG}rect":
                return float(one.get("x")) + 5
            return float(re.match(r"M([\d.]+)", one.get("d"))[1])
    return None


@families
@widths
def test_every_pair_and_dimension_has_a_mark_that_is_said_in_words(family, width):
    found = audit(**FAMILIES[family])
    pairs = judged(found)
    told = [mark.find(f"{SVG}title").text for mark in marks(picture(found, width))]
    assert len(told) == len(pairs) * len(DIMENSIONS)
    for pair in pairs:
        for name, entry in pair["dimensions"].items():
            if entry["status"] == "done":
                assert sum(figure_of(entry, name) in one and entry["verdict"].capitalize() in one for one in told) >= 1
            else:
                assert any(entry["reason"] in one for one in told)


@families
@widths
def test_marks_lie_where_their_figures_are(family, width):
    found = audit(**FAMILIES[family])
    ends = reach(found)
    pairs = judged(found)
    order = [(pair, name) for pair in pairs for name in pair["dimensions"]]
    if width == NARROW:
        order.sort(key=lambda place: list(DIMENSIONS).index(place[1]))
    shapes = {"equivalent": "circle", "different": "rect", "inconclusive": "path"}
    for mark, (pair, name) in zip(marks(picture(found, width)), order, strict=True):
        entry, cover = pair["dimensions"][name], next(one for one in mark.iter() if one.get("class") == "cover")
        span = in_margins(entry)
        if span is None:
            assert middle(mark) is None
            continue
        left, across = float(cover.get("x")), float(cover.get("width"))
        if ends[0] <= span.middle <= ends[1]:
            assert middle(mark) == pytest.approx(left + across * place_of(span.middle, ends) / 100, abs=0.2)
            drawn = next(one for one in mark.iter() if one.get("class") == "dot")
            assert drawn.tag == SVG + shapes[entry["verdict"]]
        else:
            assert middle(mark) is None
        arrows = sum(one.get("class") == "arrow" for one in mark.iter())
        assert arrows == (span.low < ends[0]) + (span.high > ends[1])
        bar = next(one for one in mark.iter() if one.get("class") == "bar")
        low, high = map(float, re.fullmatch(r"M([\d.]+) [\d.]+H([\d.]+)", bar.get("d")).groups())
        assert (low, high) == pytest.approx([left + across * place_of(x, ends) / 100 for x in span[1:3]], abs=0.2)
        assert sum(one.get("class") == "floor" for one in mark.iter()) == (entry["floor"] is not None)


@families
def test_the_file_is_a_whole_picture_with_its_styles(family):
    svg = forest_file(audit(**FAMILIES[family]))
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox").startswith(f"0 0 {WIDE} ")
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"<script|onload|href=\"(?!#)|url\(|@import", svg)


@widths
def test_twenty_models_stay_in_the_picture_and_small(width):
    svg = picture(audit(compressed=TWENTY), width)
    high = float(ElementTree.fromstring(svg).get("viewBox").split()[3])
    assert high < (700 if width == WIDE else 4000)
    lowest = [float(y) for y in re.findall(r'<text x="[\d.-]+" y="(\d+)"', svg)]
    assert max(lowest) < high
    assert len(svg) < 120_000


def test_a_page_holds_the_grid_and_the_panels_for_phones():
    shown = forest(audit())
    assert shown.count("<svg") == 2
    assert 'class="forest wide"' in shown
    assert 'class="forest narrow"' in shown
    assert forest({"pairs": [], "models": {}, "settings": {}}) == ""
