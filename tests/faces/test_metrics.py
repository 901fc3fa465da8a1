"""What every metric folder must do, tried on each folder of metrics/ from the moment it exists.

Inputs come from examples.py. What a metric computes is tested in a file of its own, tests/test_NAME.py.
"""

import ast
import doctest
import inspect
import math
import multiprocessing
import re
import runpy
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import datasets
import evaluate
import gradio as gr
import huggingface_hub
import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from examples import EXAMPLES
from matplotlib.figure import Figure
from one_of_two import one_of_two

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.name for path in (ROOT / "metrics").iterdir() if path.is_dir() and path.name[0] not in "._")
SECTIONS = [
    "What it answers",
    "How to use",
    "Inputs",
    "Output values",
    "How to read it",
    "Values from the papers",
    "Limits",
    "Citation",
]
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
ROWS = 203

folders = pytest.mark.parametrize("name", FOLDERS)
every = [pytest.param(name, e, id=f"{name}-{i}") for name in FOLDERS for i, e in enumerate(EXAMPLES.get(name, []))]
examples = pytest.mark.parametrize(("name", "example"), every)
numeric = [p for p in every if all(values.dtype.kind != "O" for values in p.values[1].inputs(1).values())]
numeric_examples = pytest.mark.parametrize(("name", "example"), numeric)


@cache
def load(name):
    return evaluate.load(str(ROOT / "metrics" / name))


@cache
def expected(name, example):
    """The result of one call, computed once for all tests that compare with it."""
    return load(name).compute(**example.inputs(ROWS), **example.options)


def close(result):
    """Equal but for the order in which floating-point numbers were added up."""
    return pytest.approx(result, rel=1e-11, abs=1e-12)


# The card and the documentation.


@folders
def test_has_example_inputs(name):
    assert name in EXAMPLES, f"add inputs for metrics/{name} to tests/examples.py"


@folders
def test_card_has_its_sections(name):
    lines = card(name).splitlines()
    assert f"# {name}" in lines
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS


@folders
def test_card_header_is_a_valid_space(name):
    header = huggingface_hub.metadata_load(ROOT / "metrics" / name / "README.md")
    assert header is not None, "the card opens with no YAML header"
    assert header["title"]
    assert header["sdk"] == "gradio"
    assert header["sdk_version"] == pinned("gradio")
    assert {header["colorFrom"], header["colorTo"]} <= COLORS
    assert (ROOT / "metrics" / name / header["app_file"]).is_file()
    assert {"evaluate", "metric"} <= set(header["tags"])
    assert header["license"] == "apache-2.0"
    assert len(header.get("short_description", "")) <= 60


@folders
def test_examples_in_the_documentation_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    parser, finder = doctest.DocTestParser(), doctest.DocTestFinder(exclude_empty=True)
    metric = load(name)
    run_examples([parser.get_doctest(metric.inputs_description, {}, name, f"metrics/{name}/{name}.py", 0)])
    if adapter := [test for test in finder.find(inspect.getmodule(type(metric))) if test.examples]:
        run_examples(adapter)


@folders
def test_examples_in_the_card_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", card(name), re.DOTALL | re.MULTILINE)
    assert blocks, "the card has no python example"
    blocks = [block for block in blocks if "OWNER/" not in block]  # test_readme.py runs what takes models of the Hub
    assert all(">>> " in block for block in blocks), "write python blocks in the >>> form, so that they are run"
    run_examples([doctest.DocTestParser().get_doctest("\n".join(blocks), {}, name, f"metrics/{name}/README.md", 0)])


@examples
def test_every_key_is_documented(name, example):
    for where, text in (("docstring", load(name).inputs_description), ("card", card(name))):
        missing = [key for key in expected(name, example) if not is_documented(*documented_in(key, where, text))]
        assert not missing, f"not named in the {where}: {missing}"


def documented_in(key, where, text):
    """A composite's key METRIC/figure is explained where that metric's figures are."""
    metric, slash, figure = key.partition("/")
    if not slash:
        return key, text
    assert "/figure" in text
    return figure, card(metric) if where == "card" else load(metric).inputs_description


def card(name):
    return (ROOT / "metrics" / name / "README.md").read_text(encoding="utf-8")


def pinned(package):
    return re.search(rf"^{package}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]


def run_examples(tests):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    output = []
    for test in tests:
        runner.run(test, out=output.append)
    assert runner.tries > 0, "no example found"
    assert runner.failures == 0, "".join(output)


def is_documented(key, text):
    """Named as it is, or as a form: `large_x`, `x_gap`, `x_low` ... of a figure that is named; `_at_K` for any K."""
    key = re.sub(r"_at_\d+", "_at_K", key)

    def named(word):
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None

    if named(key):
        return True
    stem = re.sub(r"_(low|high)$", "", key)
    base = stem.removeprefix("large_").removesuffix("_gap")
    form = key.replace(base, "x", 1)
    if named(base) and named(form):
        return True
    return stem != key and is_documented(stem, text) and named(key.removeprefix(stem))


# The folder.


@folders
def test_a_folder_holds_four_files_and_nothing_else(name):
    files = {path.name for path in (ROOT / "metrics" / name).iterdir() if path.name != "__pycache__"}
    assert files == {f"{name}.py", "README.md", "app.py", "requirements.txt"}


@folders
def test_the_module_is_an_adapter_of_some_tens_of_lines(name):
    """Beside its documentation: what computes lives in the package."""
    text = (ROOT / "metrics" / name / f"{name}.py").read_text(encoding="utf-8")
    lines = {number for number, line in enumerate(text.splitlines(), start=1) if line.strip()}
    for node in ast.walk(ast.parse(text)):
        alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)  # a docstring
        if alone or (isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno > node.lineno):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    assert len(lines) < 90


@folders
def test_it_loads_from_anywhere(name, tmp_path, monkeypatch):
    example = EXAMPLES[name][0]
    monkeypatch.chdir(tmp_path)
    metric = evaluate.load(str(ROOT / "metrics" / name))
    assert metric.compute(**example.inputs(ROWS), **example.options) == expected(name, example)


# What comes back.


@examples
def test_result_is_flat_and_plain(name, example):
    result = expected(name, example)
    assert result
    for key, value in result.items():
        assert type(key) is str
        assert type(value) in (float, int), f"{key} is a {type(value).__name__}"
        assert math.isfinite(value), f"{key} is {value}"


@examples
def test_intervals_hold_their_figure_and_can_be_left_out(name, example):
    result = expected(name, example)
    ends = {key for key in result if key.endswith(("_low", "_high"))}
    assert ends
    for figure in {re.sub("_(low|high)$", "", key) for key in ends}:
        assert result[f"{figure}_low"] <= result[figure] <= result[f"{figure}_high"], figure
    without = load(name).compute(**example.inputs(ROWS), **example.options, confidence_level=None)
    rest = {key: value for key, value in result.items() if key not in ends}
    assert without == close(rest)


@examples
def test_details_add_one_key(name, example):
    detailed = load(name).compute(**example.inputs(ROWS), **example.options, details=True)
    assert detailed.pop("details")["signature"].startswith(f"{name}:")
    assert detailed == expected(name, example)


@examples
def test_plot_is_a_figure(name, example, tmp_path):
    metric = load(name)
    figure = metric.plot(metric.compute(**example.inputs(ROWS), **example.options, details=True))
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "plot.png")


@examples
def test_plot_works_without_intervals(name, example, tmp_path):
    metric = load(name)
    options = example.options | {"confidence_level": None, "details": True}
    metric.plot(metric.compute(**example.inputs(ROWS), **options)).savefig(tmp_path / "plot.png")


@folders
def test_plot_without_details_says_what_to_do(name):
    with pytest.raises(ValueError, match="details=True"):
        load(name).plot(expected(name, EXAMPLES[name][0]))


# However the rows come in, the result is the same, to the last bit.


@examples
def test_uneven_batches_give_the_result_of_one_call(name, example):
    metric, inputs = load(name), example.inputs(ROWS)
    for start, stop in ((0, 1), (1, 90), (90, 97), (97, ROWS)):
        metric.add_batch(**{key: values[start:stop] for key, values in inputs.items()})
    assert metric.compute(**example.options) == expected(name, example)


@examples
def test_single_rows_give_the_result_of_one_call(name, example):
    metric, inputs = load(name), example.inputs(ROWS)
    for i in range(ROWS):
        metric.add(**{key.removesuffix("s"): values[i] for key, values in inputs.items()})
    assert metric.compute(**example.options) == expected(name, example)


@examples
def test_batches_before_a_call_are_counted_with_it(name, example):
    metric, inputs = load(name), example.inputs(ROWS)
    metric.add_batch(**{key: values[:50] for key, values in inputs.items()})
    rest = {key: values[50:] for key, values in inputs.items()}
    assert metric.compute(**rest, **example.options) == expected(name, example)


@examples
def test_many_rows_in_batches_give_the_result_of_one_call(name, example):
    metric, inputs = load(name), example.inputs(example.many)
    for part in np.array_split(np.arange(example.many), 7):
        metric.add_batch(**{key: values[part] for key, values in inputs.items()})
    assert metric.compute(**example.options) == metric.compute(**inputs, **example.options)


@examples
def test_combine_gives_the_result_of_one_call(name, example):
    inputs = example.inputs(ROWS)
    alone = evaluate.combine([load(name)])
    assert alone.compute(**inputs, **example.options) == expected(name, example)
    alone.add_batch(**{key: values[:120] for key, values in inputs.items()})
    alone.add_batch(**{key: values[120:] for key, values in inputs.items()})
    assert alone.compute(**example.options) == expected(name, example)
    both = evaluate.combine({"first": load(name), "second": evaluate.load(str(ROOT / "metrics" / name))})
    result = both.compute(**inputs, **example.options)
    assert result == {f"{k}_{key}": v for k in ("first", "second") for key, v in expected(name, example).items()}


@pytest.fixture(scope="module")
def two_processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@examples
def test_two_processes_give_the_result_of_one_call(name, example, two_processes, tmp_path):
    inputs = example.inputs(ROWS)
    parts = [{key: values[half] for key, values in inputs.items()} for half in (slice(0, 77), slice(77, ROWS))]
    folder = str(ROOT / "metrics" / name)
    jobs = [two_processes.submit(one_of_two, folder, i, str(tmp_path), parts[i], example.options) for i in (0, 1)]
    assert [job.result(timeout=120) for job in jobs] == [expected(name, example), None]


# Whatever type the rows have, the result is the same.


def as_type(numpy_type):
    return lambda array: array.astype(numpy_type) if array.dtype.kind == "f" else array


def as_torch(torch_type):
    kinds = {"f": torch_type, "i": torch.int64}
    return lambda array: torch.tensor(array, dtype=kinds[array.dtype.kind]) if array.dtype.kind in kinds else array


def as_pandas(array):
    return pd.DataFrame(array) if array.ndim == 2 else pd.Series(array)


FORMS = {
    "lists": lambda array: array.tolist(),
    "tuples": lambda array: tuple(map(tuple, array.tolist())) if array.ndim == 2 else tuple(array.tolist()),
    "list of rows": list,
    "float32": as_type(np.float32),
    "float16": as_type(np.float16),
    "bfloat16, as JAX has it": as_type(ml_dtypes.bfloat16),
    "other memory order": np.asfortranarray,
    "every second of twice the rows": lambda array: np.repeat(array, 2, axis=0)[::2],
    "pandas": as_pandas,
    "pandas column of rows": lambda array: pd.Series(list(array)),
    "Arrow": lambda array: pa.array(array.tolist()),
    "Arrow in pieces": lambda array: pa.chunked_array([array[:50].tolist(), array[50:].tolist()]),
    "datasets": lambda array: datasets.Dataset.from_dict({"column": array.tolist()})["column"],
    "torch float32": as_torch(torch.float32),
    "torch float64": as_torch(torch.float64),
    "torch float16": as_torch(torch.float16),
    "torch bfloat16": as_torch(torch.bfloat16),
    "torch with gradient": lambda array: torch.tensor(array).requires_grad_() if array.dtype.kind == "f" else array,
    "list of torch rows": lambda array: list(as_torch(torch.bfloat16)(array)),
}


@examples
@pytest.mark.parametrize("form", FORMS)
def test_every_type_of_input_gives_the_same_result(name, example, form):
    inputs = {key: FORMS[form](values) for key, values in example.inputs(ROWS).items()}
    assert load(name).compute(**inputs, **example.options) == close(expected(name, example))


# One call does not disturb another.


@examples
def test_same_seed_gives_the_same_result_whatever_came_before(name, example):
    metric, inputs = load(name), example.inputs(ROWS)
    first = metric.compute(**inputs, **example.options, seed=7)
    metric.compute(**example.inputs(90), **example.options, seed=1)
    np.random.seed(5)  # noqa: NPY002 - the global state must not matter
    assert metric.compute(**inputs, **example.options, seed=7) == first
    assert evaluate.load(str(ROOT / "metrics" / name)).compute(**inputs, **example.options, seed=7) == first


@examples
def test_inputs_are_left_as_they_were(name, example):
    for order in (np.ascontiguousarray, np.asfortranarray):
        inputs = {key: order(values) for key, values in example.inputs(ROWS).items()}
        load(name).compute(**inputs, **example.options)
        for key, values in example.inputs(ROWS).items():
            np.testing.assert_array_equal(inputs[key], values)


@examples
def test_an_error_leaves_the_module_usable(name, example):
    metric, inputs = load(name), example.inputs(ROWS)
    short = inputs | {"large_predictions": inputs["large_predictions"][:-1]}
    with pytest.raises(ValueError, match=r"large_predictions has 202"):
        metric.compute(**short, **example.options)
    with pytest.raises(ValueError, match=r"large_predictions has 202"):
        metric.add_batch(**short)
    with pytest.raises(ValueError, match="unknown option conf"):
        metric.compute(**inputs, conf=1)
    with pytest.raises(ValueError, match="nothing to compute"):
        metric.compute()
    with pytest.raises(ValueError, match="large_predictions is missing"):
        metric.compute(**(inputs | {"large_predictions": None}))
    assert metric.compute(**inputs, **example.options) == expected(name, example)


@numeric_examples
def test_bad_rows_in_a_batch_are_thrown_away_with_the_error(name, example):
    metric, inputs = load(name), example.inputs(ROWS)
    bad = inputs | {"predictions": inputs["predictions"].astype(float)}
    bad["predictions"][100] = np.nan
    metric.add_batch(**bad)
    with pytest.raises(ValueError, match=r"predictions holds NaN or infinity \(first in row 100\)"):
        metric.compute(**example.options)
    assert metric.compute(**inputs, **example.options) == expected(name, example)


# The widget.


@folders
def test_widget_runs_its_example(name):
    app, compare, defaults = page(name)
    assert isinstance(app["demo"], gr.Blocks)
    html, figures = compare(app["example"], *defaults)
    assert 'role="alert"' not in html
    assert "<img" in html
    for value in figures.values():
        assert type(value) in (float, int)
    for figure in figures:
        if not figure.endswith(("_low", "_high", "_gap")) and not figure.startswith("large_"):
            assert f"<code>{figure.replace('_', '_<wbr>')}</code>" in html


@folders
def test_widget_answers_a_bad_table_with_a_sentence(name):
    app, compare, defaults = page(name)
    for table in ("", "a,b", "predictions\n", "<script>alert(1)</script>\n1", app["example"] + "1,2", "\x00\n\x00"):
        html, figures = compare(table, *defaults)
        assert html.startswith('<p role="alert">')
        assert "<script" not in html
        assert figures is None


def page(name):
    """What app.py made, the function behind its button, and what its controls hold at first."""
    app = runpy.run_path(str(ROOT / "metrics" / name / "app.py"))
    (endpoint,) = (one for one in app["demo"].fns.values() if one.api_name == "compare")
    return app, endpoint.fn, [control.value for control in endpoint.inputs[1:]]
