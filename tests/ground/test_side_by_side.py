"""The engine: many sequential programs at once, each with the result that it has alone."""

import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trusteq.side_by_side import Failure, Job, fresh_state, set_random_state, side_by_side


def model(texts):
    """A row per text that depends on nothing else."""
    return np.array([[len(text), sum(map(ord, text)) % 97] for text in texts], dtype=float)


def walk(ask):
    """A random walk whose every step asks the model, with three libraries' random numbers."""
    total, word = 0.0, "start"
    for _ in range(random.randint(1, 6)):
        rows = ask([word, word + str(np.random.randint(100)), word])  # noqa: NPY002
        assert (rows[0] == rows[2]).all()
        total += float(rows[:, 1].sum()) + float(torch.rand(1)) + random.random()
        word = f"{word[:8]}{rows[1, 1]:.0f}"
    return total


def alone(seed):
    return next(side_by_side([Job(0, model, walk, seed)]))[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(1, 50))
def test_no_result_depends_on_what_runs_beside_it(jobs, width, questions):
    found = dict(side_by_side((Job(i, model, walk, seed=i) for i in range(jobs)), width, questions))
    assert found == {i: alone(i) for i in range(jobs)}


def test_the_random_generators_outside_are_left_as_they_were():
    def draw():
        return random.random(), np.random.rand(), float(torch.rand(1))  # noqa: NPY002

    before = fresh_state(5)
    set_random_state(before)
    expected = draw()
    set_random_state(before)
    list(side_by_side(Job(i, model, walk, seed=i) for i in range(3)))
    assert draw() == expected


def test_threads_that_run_seeded_jobs_take_turns_at_the_global_generators():
    expected = {i: alone(i) for i in range(20)}

    def run(_):
        return dict(side_by_side(Job(i, model, walk, seed=i) for i in range(20)))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(8))) == [expected] * 8


def test_jobs_without_a_seed_leave_the_global_generators_alone(monkeypatch):
    monkeypatch.setattr("trusteq.side_by_side.random_state", None)
    assert list(side_by_side([Job(0, model, lambda ask: float(ask(["abc"])[0, 0]))])) == [(0, 3.0)]


def test_questions_of_waiting_jobs_become_one_call_a_model():
    calls = {"large": [], "small": []}

    def named(name):
        def ask(texts):
            calls[name].append(len(texts))
            return model(texts)

        return ask

    def program(i):
        return lambda ask: ask([f"a{i}"]) + ask([f"b{i}"])

    models = {name: named(name) for name in calls}
    jobs = [Job((name, i), models[name], program(i)) for name in calls for i in range(5)]
    assert len(list(side_by_side(jobs))) == 10
    assert calls == {"large": [5, 5], "small": [5, 5]}


def test_a_job_asks_equal_questions_once():
    asked = []

    def watched(texts):
        asked.extend(texts)
        return model(texts)

    def run(ask):
        return len(ask(["a", "b", "a"])) + len(ask(["b", "a"])) + len(ask(["c"]))

    assert list(side_by_side([Job(0, watched, run)])) == [(0, 6)]
    assert asked == ["a", "b", "c"]


def test_an_error_of_one_job_leaves_the_others_their_work():
    def run(i):
        def program(ask):
            ask([f"{i}"])
            if i == 2:
                raise ZeroDivisionError("job two")
            return i

        return program

    found = dict(side_by_side(Job(i, model, run(i)) for i in range(5)))
    assert isinstance(found[2], Failure)
    assert isinstance(found[2].error, ZeroDivisionError)
    assert {i: found[i] for i in (0, 1, 3, 4)} == {0: 0, 1: 1, 3: 3, 4: 4}


def test_an_error_of_the_model_reaches_the_caller_after_what_was_finished():
    def run(rounds):
        def program(ask):
            for i in range(rounds):
                ask([f"{rounds} {i}"])
            return rounds

        return program

    calls = []

    def failing(texts):
        calls.append(texts)
        if len(calls) == 3:
            raise RuntimeError("no more")
        return model(texts)

    found: list[int] = []
    results = side_by_side(Job(i, failing, run(i)) for i in (1, 2, 5))
    with pytest.raises(RuntimeError, match="no more"):
        collect(results, found)
    assert found == [1, 2]


def collect(results, found):
    for key, _ in results:
        found.append(key)


def test_closing_early_ends_the_jobs_and_lets_them_clean_up():
    cleaned = []

    def run(ask):
        try:
            for i in range(100):
                ask([str(i)])
        finally:
            cleaned.append(1)

    def quick(ask):
        return 0

    found = side_by_side([Job(i, model, run) for i in range(3)] + [Job(3, model, quick)])
    assert next(found) == (3, 0)
    found.close()
    assert len(cleaned) == 3


def test_an_interrupt_ends_the_jobs_and_leaves_the_engine_usable():
    cleaned = []

    def run(i):
        def program(ask):
            try:
                ask(["a"])
                if i == 1:
                    raise KeyboardInterrupt
                ask(["b"])
            finally:
                cleaned.append(i)

        return program

    with pytest.raises(KeyboardInterrupt):
        list(side_by_side(Job(i, model, run(i), seed=i) for i in range(4)))
    assert sorted(cleaned) == [0, 1, 2, 3]
    assert alone(3) == alone(3)


def test_no_more_jobs_are_begun_than_are_needed():
    begun = []

    def run(i):
        def program(ask):
            begun.append(i)
            ask([f"{i} {j}" for j in range(10)])
            return i

        return program

    found = side_by_side((Job(i, model, run(i)) for i in range(1000)), width=8, questions=40)
    next(found)
    found.close()
    assert len(begun) <= 8


def test_a_thousand_jobs_one_after_another_hold_few_greenlets():
    live = []

    def run(ask):
        live.append(1)
        ask(["x"])
        most.append(len(live))
        live.pop()
        return None

    most = []
    assert len(list(side_by_side((Job(i, model, run) for i in range(1000)), width=16))) == 1000
    assert max(most) <= 16


def test_long_questions_are_remembered_and_not_kept():
    """A deletion pass has as many variants of a text as words: 500 of 20,000 characters, asked in pieces."""
    asked = []

    def lengths(texts):
        asked.append(len(texts))
        return np.array([[len(text)] for text in texts], dtype=float)

    def delete(ask):
        for piece in range(0, 500, 50):
            ask([f"{i} " + "x" * 20_000 for i in range(piece, piece + 50)])
        return ask(["0 " + "x" * 20_000, "new " + "x" * 20_000])[0, 0]

    tracemalloc.start()
    ((_, result),) = side_by_side([Job(key=0, model=lengths, run=delete)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result == 20_002
    assert asked == [50] * 10 + [1]
    assert peak < 500 * 20_000 / 3
