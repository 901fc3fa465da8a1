"""How the browser's tests visit the Space: the sizes of a desk and a phone, tabs, and screenshots for whoever looks."""

import os
from pathlib import Path

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
DESK, PHONE = (1200, 900), (390, 844)
PATIENCE = 60_000  # milliseconds: these tests share their processors with others


def is_elsewhere(url, home):
    """Nothing is asked of anybody else: no fonts, no counting."""
    return not url.startswith((home, "data:", "blob:", "about:", home.replace("http:", "ws:")))


def open_tab(page, name):
    """By its button, or, where the row is too narrow for it, from the menu at its end."""
    tab = page.get_by_role("tab", name=name, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
    else:
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown button", has_text=name).click()
    page.wait_for_timeout(300)


def keep_screenshot(page, name):
    """For somebody to look at, where the variable says a folder."""
    if folder := os.environ.get("SPACE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
