"""How far is it, and how long will it take? Only what is known is said, and in a file nothing but lines."""

import io
import sys

import pytest

from trusteq import progress


@pytest.fixture
def now(monkeypatch):
    """A clock that goes when it is told to."""
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return clock


def test_in_a_file_a_line_comes_now_and_then_without_stray_spaces(now, capsys):
    bar = progress.command_progress("explanations", 1000)
    for seconds, steps in ((28, 1), (5, 1), (12, 148), (1, 50), (15, 800)):
        now[0] += seconds
        bar.update(steps)
    bar.close()
    assert capsys.readouterr().err == (
        "explanations     0%, 00:28 gone\n"  # one of 1000 in 28 seconds: not yet 7:40:46 left
        "explanations    15%, 00:45 gone, 04:15 left\n"
        "explanations   100%, 01:01 gone\n"
    )


def test_on_a_terminal_the_time_left_is_shown_when_it_is_known(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    bar = progress.command_progress("attacks", 100)
    bar.start_t -= 10
    bar.update(1)
    bar.refresh()
    assert "1/100" in screen.getvalue()
    assert "left" not in screen.getvalue()
    bar.update(9)
    bar.refresh()
    assert "10/100, 01:3" in screen.getvalue()
    bar.update(90)
    bar.close()
    assert screen.getvalue().split("\r")[-1].rstrip().endswith("100/100")


def test_one_process_of_several_shows_it(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    bar = progress.command_progress("attacks", 2)
    bar.update(2)
    bar.close()
    assert capsys.readouterr().err == ""
