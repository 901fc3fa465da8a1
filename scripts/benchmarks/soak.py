"""Does the Space stay up for honest visitors while others are hostile or leave? A third of them is, for two minutes.

Prints for the honest visitors what load_test.py prints, then what is left at work two seconds after the last visitor
has gone, and how much memory the Space takes more than before; exit status 1 when one of its promises is broken. With
`--audits 50` nobody is hostile: it says how much memory 50 audits leave behind, more than the first five.
"""

import argparse
import json
import os
import random
import socket
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import load_test
from load_test import ASKING

LONGEST = 3.0  # seconds that an honest request may take
AFTER = 2.0  # seconds after the last visitor has gone, when nothing may be at work
MEGABYTES = 300  # that the Space may take more than before
AUDIT_SECONDS = 600
BUSY = 0.15  # of a processor, beyond which the Space counts as being at work
PAIR = ["large", "distilled"]
LONG = " ".join(["The cast is wonderful and the plot is awful, yet never dull."] * 9)
FILE = {"path": "http://127.0.0.1:9/x", "meta": {"_type": "gradio.FileData"}}


def hostile(url: str, number: int, end: float, done: Counter[str]) -> None:
    """One visitor who asks for much and leaves, or sends what no browser would."""
    chance = random.Random(f"hostile {number}")
    while time.monotonic() < end:
        act = chance.choice(ACTS)
        try:
            act(url, chance)
        except (httpx.HTTPError, OSError):
            done["a door was shut"] += 1
        done[act.__name__] += 1
        time.sleep(chance.uniform(0.2, 1.5))


def leave_early(url: str, chance: random.Random) -> None:
    """Asks for the longest work there is, listens for a moment and goes."""
    text = f"{LONG} {chance.random()}"
    long = {
        "break_it": [*PAIR, text, "textbugger", *ASKING, ""],
        "why": [*PAIR, text, "lime", 5, "", *ASKING],
        "verdict": [*PAIR, "thorough", ""],
    }
    name, data = chance.choice(list(long.items()))
    event = httpx.post(f"{url}/gradio_api/call/{name}", json={"data": data}, timeout=30).json().get("event_id")
    with httpx.stream("GET", f"{url}/gradio_api/call/{name}/{event}", timeout=30) as stream:
        started, wait = time.monotonic(), chance.uniform(0, 1)
        for _ in stream.iter_lines():
            if time.monotonic() > started + wait:
                return


def never_listen(url: str, chance: random.Random) -> None:
    data = [*PAIR, f"{LONG} {chance.random()}", "textbugger", *ASKING, ""]
    httpx.post(f"{url}/gradio_api/call/break_it", json={"data": data}, timeout=30)


def digits(url: str, chance: random.Random) -> None:
    table(
        url, "references,predictions,large_predictions\n1,1," + "1" * chance.choice((15_000, 40_000, 131_000)) + "x\n"
    )


def columns(url: str, chance: random.Random) -> None:
    count = chance.choice((4000, 60_000))
    table(url, ",".join(f"c{i}" for i in range(count)) + "\n" + "1," * (count - 1) + f"{chance.random()}\n")


def largest_table(url: str, chance: random.Random) -> None:
    """The most that is allowed: 5,000 lines of two classes and of embeddings."""
    names = ["references", *(f"{p}predictions_{i}" for p in ("", "large_") for i in (0, 1))]
    lines = [f"{i % 2},.{chance.randrange(1, 9)},.5,.4,.6" for i in range(5000)]
    table(url, "\n".join([",".join(names), *lines]))


def table(url: str, text: str) -> None:
    """Compares a table, and goes after a moment."""
    sent = httpx.post(f"{url}/gradio_api/call/compare", json={"data": [text]}, timeout=30)
    if event := sent.json().get("event_id"):
        with httpx.stream("GET", f"{url}/gradio_api/call/compare/{event}", timeout=30) as stream:
            next(stream.iter_lines(), None)


def wrong_kinds(url: str, chance: random.Random) -> None:
    value: Any = chance.choice(
        [None, FILE, [FILE], {"a": FILE}, "3", "\ud800", [[]], "x" * 3_000_000, "x" * 10_000_000]
    )
    name, count = chance.choice([("why", 8), ("break_it", 6), ("confidence", 4), ("compare", 1), ("verdict", 4)])
    body = json.dumps({"data": [value] * count})
    httpx.post(f"{url}/gradio_api/call/{name}", content=body, headers={"content-type": "application/json"}, timeout=30)


def stall(url: str, chance: random.Random) -> None:
    """Begins a body and does not end it."""
    place = httpx.URL(url)
    with socket.create_connection((place.host, place.port or 80), timeout=5) as door:
        door.sendall(b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nab")
        time.sleep(chance.uniform(0.5, 3))


def unknown_model(url: str, chance: random.Random) -> None:
    data = ["large", f"nobody/{chance.randrange(10**9)}", "A fine film.", "lime", 5, "", *ASKING]
    httpx.post(f"{url}/gradio_api/call/why", json={"data": data}, timeout=30)


ACTS: list[Callable[[str, random.Random], None]] = [
    leave_early, leave_early, never_listen, digits, columns, largest_table, wrong_kinds, stall, unknown_model
]  # fmt: skip


# What the server does, seen from outside.


def family(number: int) -> list[int]:
    """A process and all that it made."""
    found = [number]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:  # it has ended meanwhile
                continue
    return found


def megabytes(number: int) -> float:
    """The memory of a process and of all that it made."""
    return sum(of_status(one, "VmRSS") for one in family(number)) / 1e3


def of_status(number: int, what: str) -> float:
    try:
        lines = Path(f"/proc/{number}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{what}:")), 0.0)


def processor(number: int) -> float:
    """Seconds of the processor that a process and all that it made have taken."""
    total = 0.0
    for one in family(number):
        try:
            parts = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    return total


def soak(url: str, number: int, visitors: int, seconds: float) -> tuple[list[str], str]:
    """Which promises were broken, and what was found."""
    times: dict[str, list[float]] = defaultdict(list)
    failed: list[str] = []
    done: Counter[str] = Counter()
    processes, before, end = len(family(number)), megabytes(number), time.monotonic() + seconds

    def visit(one: int) -> None:
        if one % 3 == 0:
            hostile(url, one, end, done)
        else:
            load_test.visit(url, one, end, times, failed)

    with ThreadPoolExecutor(visitors) as crowd:
        list(crowd.map(visit, range(visitors)))
    time.sleep(AFTER)
    left, started = max(0, len(family(number)) - processes), processor(number)  # fewer than before is none too many
    time.sleep(1)
    busy, more = processor(number) - started, megabytes(number) - before
    longest = max((max(found) for found in times.values()), default=0.0)
    said = [
        f"{visitors} visitors for {seconds:g} seconds on {os.cpu_count()} processors, every third hostile",
        load_test.table(times, failed),
        "hostile: " + ", ".join(f"{count} {name}" for name, count in sorted(done.items())),
        f"{AFTER:g} s after the last visitor: {left} processes left, {busy:.2f} of a processor at work; "
        f"memory {before:.0f} MB before, {more:+.0f} MB after",
    ]
    broken = [f"an honest request failed: {line}" for line in failed[:10]]
    broken += [f"an honest request took {longest:.1f} s"] * (longest > LONGEST)
    broken += [f"{left} processes were left"] * (left > 0) + [f"{busy:.2f} of a processor was at work"] * (busy > BUSY)
    broken += [f"the Space takes {more:.0f} MB more than before"] * (more > MEGABYTES)
    return broken, "\n".join(said)


# Does it keep what it need not?

EARLY = 5  # audits after which all that is loaded once is loaded


def audits(url: str, number: int, count: int, texts: int) -> tuple[list[str], str]:
    """So many audits of different texts, one after the other: which promises were broken, and what was found."""
    early = most = 0.0
    client = httpx.Client(base_url=url, timeout=AUDIT_SECONDS)
    for one in range(count):
        load_test.ask(client, "verdict", [*PAIR, "quick", load_test.table_of(random.Random(one), texts)])
        if one + 1 == EARLY:
            time.sleep(AFTER)  # memory is given back a second after work has ended
            early = megabytes(number)
        most = max(most, megabytes(number))
    time.sleep(AFTER)
    late = megabytes(number)
    more = late - early
    said = f"memory after {EARLY} audits of {texts} texts {early:.0f} MB, after {count} {late:.0f} MB, {more:+.0f} MB; "
    said += f"the most ever between two audits {most:.0f} MB"
    return [f"the Space takes {more:.0f} MB more than after {EARLY} audits"] * (more > MEGABYTES), said


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Visit the Space with honest and hostile visitors at once.")
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--warm-up", type=float, default=30, help="seconds of the same visitors before (30)")
    parser.add_argument(
        "--audits", type=int, default=0, help="instead of visitors: so many audits, and what they leave"
    )
    parser.add_argument("--texts", type=int, default=60, help="of each of these audits, others for each (60)")
    parser.add_argument("--port", type=int, default=7898, help="of the Space that is started")
    options = parser.parse_args(argv)
    process, url = load_test.start_space(options.port)
    try:
        if options.audits:
            broken, said = audits(url, process.pid, options.audits, options.texts)
        else:
            soak(url, process.pid, options.visitors, options.warm_up)  # what is loaded at first counts as before
            broken, said = soak(url, process.pid, options.visitors, options.seconds)
    finally:
        process.terminate()
        process.wait()
    print(said)
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
