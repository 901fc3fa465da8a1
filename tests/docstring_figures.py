"""Runs the examples of a metric's docstring, and prints what every call of `compute` in them gave, as JSON.

A script of its own, for processes that have little installed: `python docstring_figures.py NAME` loads metrics/NAME.
"""

import doctest
import json
import sys
from typing import Any
from unittest import mock

import evaluate


def figures(name: str) -> list[Any]:
    found: list[Any] = []
    load = evaluate.load

    def noting(folder: str) -> Any:
        metric = load(folder)
        compute = metric.compute
        metric.compute = lambda **given: found.append(compute(**given)) or found[-1]
        return metric

    documentation = load(f"metrics/{name}").inputs_description
    test = doctest.DocTestParser().get_doctest(documentation, {}, name, name, 0)
    with mock.patch.object(evaluate, "load", noting):
        done = doctest.DocTestRunner().run(test)
    if done.failed or not found:
        raise SystemExit(f"{done.failed} of {done.attempted} examples failed")
    return found


if __name__ == "__main__":
    print(json.dumps(figures(sys.argv[1])))
