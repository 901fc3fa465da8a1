"""The widget of every metric in Chromium, in light and dark, on a desk and a phone."""

import runpy
from pathlib import Path

import pytest
from accessible import MISSING, complaints
from playwright.sync_api import expect

from trusteq.faces import widget

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent.name for path in ROOT.glob("metrics/*/app.py"))
LOOKS = [("light", 1280), ("dark", 390)]


@pytest.fixture(params=FOLDERS)
def served(request):
    demo = runpy.run_path(str(ROOT / "metrics" / request.param / "app.py"))["demo"]
    _, url, _ = widget.start(demo, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield url
    demo.close(verbose=False)


def test_every_widget_is_read_in_light_and_dark(browser, served):
    page, found = browser.new_page(), []
    page.set_default_timeout(60_000)
    page.goto(served)
    page.get_by_role("button", name="Try the example").click()
    page.locator("#figures img").wait_for()
    for one in page.locator(".label-wrap").all():
        one.click()
    page.locator(".json-node .key").first.wait_for()
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.get_by_role("button", name="Compare")).to_have_css("background-color", OURS[theme])
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert set(page.locator(".json-node .key, .json-node .value").evaluate_all(COLORS)) == {ink}
        assert page.evaluate("document.documentElement.scrollWidth") == width
        turned = page.locator("#figures img").evaluate("one => getComputedStyle(one).filter")
        assert turned.startswith("invert" if theme == "dark" else "none")  # no white sheet in a dark room
        assert page.locator("#figures figcaption").is_visible() == (width == 390)  # that the plot goes on
        found.append(complaints(page))
    page.close()
    if None in found:
        pytest.skip(MISSING)
    assert found == [[]] * len(LOOKS)


COLORS = "all => all.map(one => getComputedStyle(one).color)"
OURS = {"light": "rgb(91, 58, 107)", "dark": "rgb(198, 163, 220)"}
