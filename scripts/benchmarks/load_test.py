"""How does the Space do when many visit at once? Visitors on loopback who open it, read, and ask now and then.

Prints for every kind of request how many there were, how many failed, and how long they took; exit status 1 when any
failed. Without `--url` it starts the Space itself. Every second question was asked before by somebody else. With
`--audits 2` two more visitors do nothing but compare models, each time on other texts.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from trusteq.audit.bundled import bundled_family
from trusteq.faces.widget import to_csv

ROOT = Path(__file__).resolve().parents[2]
AUDITED = 200  # texts of an audit
AUDIT_PATIENCE = 600.0
THINKING = (1.0, 5.0)  # seconds between two questions of a visitor
PATIENCE = 60.0
START = 300  # seconds that the Space may take to start
ASKING = ["{text} It is", "positive, negative"]  # of language models, which are not among those that are visited
WORDS = ["The cast", "The plot", "This film", "Her first comedy", "is", "was", "not", "wonderful", "awful", "fine"]


def visit(url: str, number: int, end: float, times: dict[str, list[float]], failed: list[str]) -> None:
    """One visitor until the end: the page, then questions with pauses."""
    chance = random.Random(number)
    fresh = httpx.Limits(keepalive_expiry=1)  # the server closes what is idle for 5 seconds, maybe as we ask again
    with httpx.Client(base_url=url, timeout=PATIENCE, limits=fresh) as client:
        timed(times, failed, "page", lambda: client.get("/").raise_for_status())
        while time.monotonic() < end:
            time.sleep(chance.uniform(*THINKING))
            name, inputs = question(chance)
            timed(times, failed, name, lambda name=name, inputs=inputs: ask(client, name, inputs))


def audit(url: str, number: int, end: float, times: dict[str, list[float]], failed: list[str]) -> None:
    """One visitor who compares models, one audit after the other."""
    chance = random.Random(f"audit {number}")
    with httpx.Client(base_url=url, timeout=AUDIT_PATIENCE) as client:
        while time.monotonic() < end:
            inputs = ["large", "distilled", "quick", table_of(chance, AUDITED)]
            timed(times, failed, "verdict", lambda inputs=inputs: ask(client, "verdict", inputs))


def table_of(chance: random.Random, count: int) -> str:
    """Some of the bundled texts with their labels, as CSV."""
    sample = bundled_family()
    rows = chance.sample(list(zip(sample["texts"], sample["references"], strict=True)), count)
    return to_csv({"text": [text for text, _ in rows], "label": [label for _, label in rows]})


def question(chance: random.Random) -> tuple[str, list[Any]]:
    """What a visitor asks next: half of the sentences are everybody's, half are new."""
    shared = chance.random() < 0.5
    source = random.Random(chance.randrange(6)) if shared else chance
    text = " ".join(source.choices(WORDS, k=9))
    questions: list[tuple[str, list[Any]]] = [
        ("why", ["large", "distilled", text, "lime", 5, "", *ASKING]),
        ("why", ["large", "distilled", text, "occlusion", 5, "", *ASKING]),
        ("break_it", ["large", "distilled", text, "textbugger", *ASKING, ""]),
        ("break_it", ["large", "quantized", text, "deepwordbug", *ASKING, ""]),
        ("confidence", ["large", "distilled", chance.choice((5, 10, 15)), "quantile"]),
    ]
    return chance.choice(questions)


def ask(client: httpx.Client, name: str, inputs: list[Any]) -> None:
    """One request through the named endpoint; an answer that is a problem's sentence is a failure."""
    event = client.post(f"/gradio_api/call/{name}", json={"data": inputs}).raise_for_status().json()["event_id"]
    kind = last = ""
    with client.stream("GET", f"/gradio_api/call/{name}/{event}") as lines:
        for line in lines.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                last = line.removeprefix("data: ")
    page = str(json.loads(last)[0]) if kind == "complete" else ""
    if kind != "complete" or 'role="alert"' in page:
        raise ValueError(re.sub(r"<[^<>]*>", "", page) or f"the last event was {kind or 'none'}: {last[:100]}")


def timed(times: dict[str, list[float]], failed: list[str], name: str, work: Any) -> None:
    start = time.monotonic()
    try:
        work()
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
    times[name].append(time.monotonic() - start)


def table(times: dict[str, list[float]], failed: list[str]) -> str:
    """A line for every kind of request."""
    lines = [f"{'request':<12}{'count':>7}{'failed':>8}{'median':>9}{'95 %':>9}{'longest':>9}   (seconds)"]
    for name, found in sorted(times.items()):
        bad = sum(line.startswith(f"{name}: ") for line in failed)
        high = sorted(found)[min(len(found) - 1, int(0.95 * len(found)))]
        middle = statistics.median(found)
        lines.append(f"{name:<12}{len(found):>7}{bad:>8}{middle:>9.2f}{high:>9.2f}{max(found):>9.2f}")
    return "\n".join(lines)


def start_space(port: int) -> tuple[subprocess.Popen[bytes], str]:
    """The Space in a process of its own; back when it answers."""
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port)}
    process = subprocess.Popen([sys.executable, str(ROOT / "spaces" / "trust_equivalence" / "app.py")], env=environment)
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(url, timeout=5)
            return process, url
        except httpx.TransportError:
            time.sleep(0.5)
    process.kill()
    raise ValueError(f"the Space did not start within {START} seconds")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Visit the Space with many visitors at once and report how it does.")
    parser.add_argument("--url", help="a Space that runs already (default: start one)")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--audits", type=int, default=0, help="visitors more, who do nothing but compare models (0)")
    parser.add_argument("--port", type=int, default=7899, help="of the Space that is started")
    options = parser.parse_args(argv)
    process, url = (None, options.url) if options.url else start_space(options.port)
    times: dict[str, list[float]] = defaultdict(list)
    failed: list[str] = []
    end = time.monotonic() + options.seconds
    try:
        with ThreadPoolExecutor(options.visitors + options.audits) as crowd:
            acts = [visit] * options.visitors + [audit] * options.audits
            for one in [crowd.submit(act, url.rstrip("/"), i, end, times, failed) for i, act in enumerate(acts)]:
                one.result()
    finally:
        if process:
            process.terminate()
            process.wait()
    beside = f" beside {options.audits} who audit" if options.audits else ""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    who = f"{options.visitors} visitor{'s' * (options.visitors != 1)}{beside}"
    print(f"{who} for {options.seconds:g} seconds on {os.cpu_count()} processors ({load})")
    print(table(times, failed))
    for line in failed[:10]:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
