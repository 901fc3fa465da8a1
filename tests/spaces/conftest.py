"""The Space in Chromium, for every file of this folder that visits it."""

import pytest
from visitors import CHROMIUM, DESK, PATIENCE, is_elsewhere


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra `test` is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}: apt-get install chromium")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def visit(browser, space, tmp_path):
    """Open the page: a size, light or dark, and what stands behind the address.

    What the page's scripts complain of is an error of the test.
    """
    contexts, complaints = [], []

    def opened(size=DESK, theme="light", address=""):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, accept_downloads=True
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}") or dialog.dismiss())
        page.on("request", lambda one: complaints.append(one.url) if is_elsewhere(one.url, space.url) else None)
        # Heard from the start: a listener that is set just before the click may come after it, and then the browser's
        # own dialog is open, which nobody sees and nobody closes.
        page.on("filechooser", lambda chooser: None)
        page.goto(space.url + address)
        page.get_by_role("tab", name="Verdict").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
