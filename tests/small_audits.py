"""A small audit with everything in it, of tiny checkpoints, for tests that stop it, divide it or get in its way."""

import json
import multiprocessing
import os
import sqlite3
import time

import pandas as pd
import pytest
from audit_runs import run_audit
from small_families import GOLD, NAMES, STRANGE, TEXTS
from tiny_models import checkpoint

SMALL = ["--explained", "4", "--attacked", "4", "--attack", "deepwordbug", "--samples", "20", "--neighbors", "3"]
IMPORTED = ["evaluate", "torch", "transformers", "lime.lime_text", "matplotlib.figure", "audit_runs"]


def files(folder):
    """Checkpoints and files of texts."""
    for seed, name in enumerate(("large", "twin", "small")):
        checkpoint(folder / name, seed=seed, labels=NAMES)
    table = pd.DataFrame({"text": TEXTS, "label": [NAMES[i] for i in GOLD], "number": GOLD})
    table.to_csv(folder / "reviews.csv", index=False)
    table.to_csv(folder / "reviews.tsv", index=False, sep="\t")
    table.to_json(folder / "reviews.jsonl", orient="records", lines=True)
    table.to_parquet(folder / "reviews.parquet", index=False)
    pd.DataFrame({"premise": TEXTS, "hypothesis": TEXTS[::-1], "label": GOLD}).to_csv(folder / "pairs.csv", index=False)
    pd.DataFrame({"line": STRANGE}).to_csv(folder / "other.csv", index=False)
    return folder


def models(place):
    return ["--large", str(place / "large"), "--compressed", str(place / "small")]


def whole(place):
    """An audit with everything in it."""
    strange = ["--ood-dataset", str(place / "other.csv"), "--ood-text", "line"]
    data = ["--dataset", str(place / "reviews.csv"), "--twin", str(place / "twin"), *strange]
    return [*models(place), *data, *SMALL]


def report(folder):
    """report.json without what may differ between two equal audits."""
    found = json.loads((folder / "report.json").read_text())
    return {key: value for key, value in found.items() if key not in ("run", "advice")}  # it names the folder


def close(audit):
    """Equal, floats to 1e-6."""
    if isinstance(audit, dict):
        return {key: close(value) for key, value in audit.items()}
    if isinstance(audit, list):
        return [close(value) for value in audit]
    return pytest.approx(audit, abs=1e-6, rel=0) if isinstance(audit, float) else audit


# In processes of their own.


def fork_server():
    """Processes that start with what the command imports, so that each one costs no more than its audit."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def begun(processes, arguments, output, **trouble):
    process = processes.Process(target=run_audit, args=(arguments, str(output)), kwargs=trouble)
    process.start()
    return process


def finished(processes, arguments, output, **trouble):
    """Its exit status, and what it printed."""
    process = begun(processes, arguments, output, **trouble)
    process.join()
    return process.exitcode, output.read_text()


def rows(work):
    """Every piece that is kept by now, by what it is about, with its checksum."""
    found = {}
    for path in work.glob("work-*.sqlite"):
        try:
            file = sqlite3.connect(path, timeout=5)
            found |= {(context, item): total for context, item, total in file.execute(KEPT)}
            file.close()
        except sqlite3.OperationalError:  # there is no table yet
            continue
    return found


KEPT = "SELECT context, item, checksum FROM work"


def pieces(work):
    """How many pieces are kept by now."""
    return len(rows(work))


def stopped(processes, arguments, output, there, how, **trouble):
    """Stopped as soon as it is there, but for what it had done before; None if it came to its end first."""
    process = begun(processes, arguments, output, **trouble)
    while process.is_alive() and not there():
        time.sleep(0.002)
    if in_the_middle := process.is_alive():
        os.kill(process.pid, how)
    process.join()
    return process.exitcode if in_the_middle else None
