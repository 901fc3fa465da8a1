"""The benchmarks: what their tables say, and that all of them run (at a tiny size, where no time means anything)."""

from functools import partial
from pathlib import Path

import benchmark
import benchmark_before
import benchmark_contention
import benchmark_growth as growth
import benchmark_growth_plot as growth_plot
import benchmark_rows as rows
import benchmark_start
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "benchmarks.md").read_text(encoding="utf-8")
SUBJECTS = [name for name in benchmark.SUBJECTS if name not in benchmark.ON_PUBLIC_DATA]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def lines_of(output):
    """The lines of a table, below its head."""
    return [cells(line) for line in output.splitlines() if line.startswith("| ")][2:]


# What a row says.


@pytest.mark.parametrize(
    ("ours", "asked", "told"),
    [
        (0.5, 0.5, "at most 0.5: reached"),
        (0.51, 0.5, "at most 0.5: **missed**"),
        (2.0, 1.3, "at most 1.3: **missed**"),
        (0.0, 0, "at most 0: reached"),
        (1.0, 0, "at most 0: **missed**"),
        (7.0, None, "stated"),
    ],
)
def test_a_row_says_whether_what_was_asked_is_reached(ours, asked, told):
    assert rows.Row("sorting", ours, 1.0, asked).cells()[-1] == told


def test_a_row_has_both_figures_and_their_ratio():
    assert rows.Row("a; b", 0.25, 0.5, 1).cells() == ("a; b", "0.250 s", "0.500 s", "0.50", "at most 1: reached")
    assert rows.Row("a; b", 3, 1500, unit="MiB").cells()[1:4] == ("3 MiB", "1,500 MiB", "0.002")


def test_a_peer_that_is_not_there_is_named_and_never_reached():
    row = rows.Row("a; b", np.nan, np.nan, 1, missing="no b here").cells()
    assert row == ("a; b", "", "", "", "**not measured**: no b here")


def test_a_ratio_above_what_was_asked_is_missed_on_the_page_and_no_other():
    """The page is made by the benchmark; nobody mended a figure by hand."""
    told = [row for row in lines_of(PAGE.partition("\n## Growth")[0]) if row[-1].startswith("at most")]
    assert len(told) > 20
    for *_, ratio, asked in told:
        limit, _, verdict = asked.removeprefix("at most ").partition(": ")
        if ratio != f"{float(limit):.2f}":  # where they look the same, only the digits that are gone could tell
            assert verdict == ("reached" if float(ratio) < float(limit) else "**missed**"), (ratio, asked)


def test_the_page_has_a_row_for_every_subject_and_peer():
    for name in (*benchmark.SUBJECTS, "netcal", "relplot", "torchmetrics", "scikit-learn", "faiss", "TextAttack"):
        assert name in PAGE
    for package in ("lime", "shap"):
        assert f"the package {package}" in PAGE


# The page.


def test_a_section_takes_the_place_of_its_older_self_and_leaves_the_others(tmp_path):
    page = tmp_path / "page.md"
    rows.write_section("One", ["old"], page)
    rows.write_section("Two", ["b"], page)
    rows.write_section("One", ["new"], page)
    assert page.read_text() == "# Benchmarks\n\n## One\n\nnew\n\n## Two\n\nb\n"


def test_some_rows_are_measured_anew_and_the_others_stay(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    for name in ("read_section", "write_section"):
        monkeypatch.setattr(benchmark, name, partial(getattr(rows, name), page=page))
    seconds = iter([1.0, 2.0, 3.0])
    subject = lambda settings: iter([rows.Row("sorting; theirs", next(seconds), 1.0, 1)])  # noqa: E731
    monkeypatch.setattr(benchmark, "SUBJECTS", {"a": subject, "b": subject})
    benchmark.main(["--only", "a"])
    assert not page.exists()
    seconds = iter([1.0, 2.0, 3.0])
    benchmark.main([])
    before = page.read_text()
    benchmark.main(["--only", "a", "--write"])
    assert page.read_text() == before.replace(
        "| a | sorting; theirs | 1 s | 1 s | 1.00 | at most 1: reached |",
        "| a | sorting; theirs | 3 s | 1 s | 3.00 | at most 1: **missed** |",
    )
    assert page.read_text().count("**missed**") == 2
    monkeypatch.setattr(benchmark, "machine", lambda packages: "Machine: another.")
    with pytest.raises(SystemExit):
        benchmark.main(["--only", "a", "--write"])
    assert "--write needs a page of this machine and these versions" in capsys.readouterr().err


# All of it runs.


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Several would wait for each other where other tests run beside these."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(capsys, monkeypatch, program, *arguments):
    monkeypatch.setattr(program, "write_section", None)  # nothing at a tiny size is written down
    program.main(["--tiny", *map(str, arguments)])
    return lines_of(capsys.readouterr().out)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_runs_at_a_tiny_size(subject, capsys, monkeypatch):
    found = run(capsys, monkeypatch, benchmark, "--only", subject)
    assert found
    assert all(len(row) == 6 and row[0] == subject and row[2] and row[3] for row in found)
    same = [row[-1].endswith("reached") for row in found if row[1].startswith("how far")]  # no time decides these
    assert same == [True] * {"calibration_gap": 2, "representation_overlap": 1}.get(subject, 0)


@pytest.mark.parametrize("subject", sorted(benchmark.ON_PUBLIC_DATA))
def test_a_subject_on_public_data_runs_at_a_tiny_size(subject, data, capsys, monkeypatch, tmp_path):
    folder = data("rt_polarity").parent
    data("sst2")
    elsewhere = tmp_path / "python"
    found = run(capsys, monkeypatch, benchmark, "--only", subject, "--data", folder, "--textattack-python", elsewhere)
    missing = [row for row in found if not row[2]]
    assert len(found) > 5
    assert all(f"no {elsewhere}" in row[-1] for row in missing)
    assert len(missing) == (subject == "attack_divergence")


def test_a_folder_without_the_data_is_said_in_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--data", str(tmp_path)])
    assert f"--data must be the folder that holds rt_polarity and sst2, got {tmp_path}" in capsys.readouterr().err


def test_before_and_after_are_measured_at_a_tiny_size():
    """Memory does not depend on the machine: what was asked of it is reached at this size, too."""
    (row,) = benchmark_before.many_rows(rows.Settings(tiny=True))
    assert row.cells()[-1] == "at most 3: reached"


def test_loops_run_for_as_long_as_they_are_needed():
    with benchmark_contention.loops(1) as (loop,):
        while not benchmark_contention.processor_time(loop.pid) > 0.05:
            assert loop.poll() is None
    assert loop.poll() is not None


def test_the_start_ends_with_the_first_question():
    assert 0.1 < benchmark_start.first_question() < 60


# Growth.


@given(st.floats(-2, 3), st.floats(1e-6, 1e3))
def test_the_slope_of_a_power_law_is_its_exponent(exponent, factor):
    sizes = [10, 100, 1000, 10_000, 100_000]
    assert growth_plot.slope(sizes, [factor * size**exponent for size in sizes]) == pytest.approx(exponent, abs=1e-9)


def test_fixed_costs_below_the_three_largest_sizes_do_not_count():
    assert growth_plot.slope([1, 10, 100, 1000, 10_000], [5, 5, 1e4, 1e6, 1e8]) == pytest.approx(2)


def test_sizes_are_five_and_a_decade_apart():
    for series in growth.SERIES.values():
        assert len(series.sizes) == len(series.tiny) == 5
        assert {b // a for a, b in zip(series.sizes, series.sizes[1:], strict=False)} == {10}


@pytest.mark.parametrize("name", growth.SERIES)
def test_every_dimension_is_measured_at_a_tiny_size(name):
    found = growth.point(name, growth.SERIES[name].tiny[1])
    assert found["seconds"] > 0
    assert found["peak"] > found["added"] >= growth.LEAST


def test_growth_measures_each_size_in_its_own_process_and_draws(capsys, monkeypatch, tmp_path):
    path = tmp_path / "growth.png"
    drawn = []
    monkeypatch.setattr(growth, "picture", lambda found: drawn.extend(found) or growth_plot.picture(found))
    sizes, times, memory = run(capsys, monkeypatch, growth, "--only", "prediction_error_jaccard", "--out", path)
    assert sizes[2:7] == ["**10**", "**20**", "**40**", "**80**", "**160**"]
    assert times[1] == "time"
    assert memory[1:] == ["memory", *["under 1 MiB"] * 5, "0.00"]
    assert [rows.figure(seconds, "s") for seconds in drawn[0].values("seconds")] == times[2:7]
    assert path.exists()


DECADES = (1, 10, 100, 1000, 10_000)


@pytest.fixture(scope="module")
def invented():
    """A series of each name whose time grows in proportion, and its memory with the square."""
    return [
        growth.Growth(name, DECADES, [{"seconds": i * n / 1e3, "added": i * n**2, "peak": 1.0} for n in DECADES])
        for i, name in enumerate(growth.SERIES, start=1)
    ]


@pytest.fixture(scope="module")
def picture(invented):
    figure = growth_plot.picture(invented)
    figure.draw_without_rendering()
    return figure


def test_the_picture_has_a_line_through_what_was_measured_of_every_series(picture, invented):
    for axis, what in zip(picture.axes, ("seconds", "added"), strict=True):
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
        for line, series in zip(axis.lines, invented, strict=True):
            assert line.get_xdata().tolist() == list(DECADES)
            assert line.get_ydata().tolist() == series.values(what)
            low, high = axis.get_ylim()
            assert low < min(series.values(what)) < max(series.values(what)) < high
        looks = [(line.get_color(), line.get_marker()) for line in axis.lines]
        assert looks == [growth_plot.STYLES[name] for name in growth.SERIES]
        assert len(set(looks)) == len(looks)


def test_the_picture_names_its_lines_with_their_slopes_and_its_axes_with_their_units(picture):
    told = [text.get_text() for text in picture.legends[0].get_texts()]
    assert told == [f"{name}: time 1.00, memory 2.00" for name in growth.SERIES]
    beside = [line.get_color() for line in picture.legends[0].get_lines()]
    assert beside == [color for color, _ in growth_plot.STYLES.values()]
    time, memory = picture.axes
    assert time.get_title(loc="left").startswith("time")
    assert memory.get_title(loc="left").startswith("memory")
    assert {"1", "100", "10,000"} <= {label.get_text() for label in memory.get_xticklabels()}
    assert {"1 ms", "100 ms", "10 s"} <= {label.get_text() for label in time.get_yticklabels()}
    assert {"1 MiB", "10,000 MiB"} <= {label.get_text() for label in memory.get_yticklabels()}


def test_no_word_of_the_picture_lies_on_another_or_is_cut_off(picture):
    panels = [axis.get_tightbbox() for axis in picture.axes]
    boxes = [*panels, picture.legends[0].get_window_extent(), picture.texts[0].get_window_extent()]
    for i, box in enumerate(boxes):
        assert picture.bbox.x0 <= box.x0 < box.x1 <= picture.bbox.x1
        assert picture.bbox.y0 <= box.y0 < box.y1 <= picture.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_the_file_of_few_colours_has_those_of_all_lines(picture, tmp_path):
    growth_plot.save(picture, tmp_path / "growth.png")
    with Image.open(tmp_path / "growth.png") as image:
        pixels = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0).astype(int)
        assert image.size == (1650, 900)
    for color, _ in growth_plot.STYLES.values():
        assert np.abs(pixels - np.array(to_rgb(color)) * 255).max(axis=1).min() <= 8, color


def test_the_picture_is_there_and_small():
    picture = ROOT / ".github" / "growth.png"
    assert ".github/growth.png" in PAGE
    assert picture.stat().st_size < 200_000
