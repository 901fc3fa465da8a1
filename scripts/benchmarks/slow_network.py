"""How soon is the Space usable over a slow network? In Chromium, with the network held down to so many Mbit/s.

Prints when the first verdict is seen, and when a click on a model is answered; exit status 1 when the latter takes
longer than the limit. Without `--url` it starts the Space itself.
"""

import argparse
import os
import statistics
import sys
import time
from typing import Any

from load_test import start_space
from playwright.sync_api import sync_playwright

LIMIT = 5.0  # seconds until the page is usable
LATENCY = 40  # milliseconds


def visit(browser: Any, url: str, mbit: float | None) -> tuple[float, float, float]:
    """Seconds until the verdict is seen, and until a click on a model is answered; and how many kB came in."""
    context = browser.new_context()
    page = context.new_page()
    network, sizes = context.new_cdp_session(page), []
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    if mbit:
        speed = {"downloadThroughput": mbit * 1e6 / 8, "uploadThroughput": mbit * 1e6 / 8}
        network.send("Network.emulateNetworkConditions", {"offline": False, "latency": LATENCY, **speed})
    start = time.monotonic()
    page.goto(url, wait_until="commit")
    page.locator("#opening .word").first.wait_for()
    seen = time.monotonic() - start
    row = page.locator("#opening tr[data-compressed]").last
    row.locator(".word").click()
    page.locator("#opening tr.chosen").and_(row).wait_for()
    usable = time.monotonic() - start
    context.close()
    return seen, usable, sum(sizes) / 1e3


def measured(url: str, mbit: float, times: int, executable: str) -> tuple[float, str]:
    """The median time until the page is usable, and what was found."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        visit(browser, url, None)  # what the server makes at its first visitor
        found = {speed: [visit(browser, url, speed) for _ in range(times)] for speed in (None, mbit)}
        browser.close()
    lines = []
    for speed, visits in found.items():
        seen, usable, size = (statistics.median(one) for one in zip(*visits, strict=True))
        name = "as it comes" if speed is None else f"{speed:g} Mbit/s, {LATENCY} ms"
        lines.append(f"{name:<20} verdict seen {seen:.1f} s, a click answered {usable:.1f} s, {size:.0f} kB")
    return usable, "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a Space that runs already (default: start one)")
    parser.add_argument("--mbit", type=float, default=1.5)
    parser.add_argument("--times", type=int, default=3, help="visits, of which the median counts")
    parser.add_argument("--port", type=int, default=7896, help="of the Space that is started")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    options = parser.parse_args(argv)
    process, url = (None, options.url) if options.url else start_space(options.port)
    try:
        usable, said = measured(url, options.mbit, options.times, options.chromium)
    finally:
        if process:
            process.terminate()
            process.wait()
    print(said)
    return 1 if usable > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
