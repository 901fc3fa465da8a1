"""Side by side: many programs that ask a model small questions one after another, run so that it sees full batches.

Explainers and attacks are sequential: ask, think, ask again. Each runs here in a greenlet of its own, written as if it
were alone. When it asks, it is set aside; when all are waiting, their questions go to the models together, and each
goes on with its answer. A job with a seed has random generators of its own behind the libraries' global ones, so that
its result does not depend on what ran beside it."""

import hashlib
import random
import sys
import threading
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from greenlet import GreenletExit, getcurrent, greenlet

Ask = Callable[[list[Any]], np.ndarray]
QUESTIONS = 4096  # that are waiting before no further job is begun
WIDTH = 256  # jobs at a time at most
LONG = 512  # characters of a question that is not kept whole
GLOBAL_RANDOM = threading.RLock()  # held while the global generators are a job's


@dataclass
class Job:
    """A program `run(ask)` that puts its questions to a model, under a key that its result comes back with.

    A program that draws from the global random generators needs a seed. Other threads that draw from them meanwhile
    disturb it; other threads that run jobs take turns.
    """

    key: Any
    model: Ask
    run: Callable[[Ask], Any]
    seed: int | None = None
    known: dict[Hashable, np.ndarray] = field(default_factory=dict)  # answers that it already has
    state: tuple[Any, ...] | None = None  # of the random generators, while it waits


@dataclass
class Failure:
    """What a job's result is when the job raised an error."""

    error: Exception


def side_by_side(
    jobs: Iterable[Job], width: int = WIDTH, questions: int = QUESTIONS
) -> Generator[tuple[Any, Any], None, None]:
    """`(key, result)` of every job, as they finish; the result of a job that raised is a `Failure`.

    An error of a model, or closing the iterator, ends all jobs that are under way.

    >>> def count(ask):
    ...     return float(ask(["one", "two"]).sum() + ask(["three"]).sum())
    >>> model = lambda texts: np.array([[len(text)] for text in texts])
    >>> sorted(side_by_side(Job(key=i, model=model, run=count) for i in range(3)))
    [(0, 11.0), (1, 11.0), (2, 11.0)]
    """
    waiting: list[tuple[Job, greenlet, list[Any]]] = []
    workers: set[greenlet] = set()
    source = iter(jobs)
    more = True
    try:
        while more or waiting:
            while more and len(waiting) < width and sum(len(asked) for *_, asked in waiting) < questions:
                job = next(source, None)
                if job is None:
                    more = False
                    break
                workers.add(worker := greenlet(program(job)))
                yield from advance(job, worker, None, waiting)
            answered, waiting = answer(waiting), []
            for job, worker, rows in answered:
                yield from advance(job, worker, rows, waiting)
            workers = {worker for _, worker, _ in waiting}
    finally:
        for worker in workers:
            worker.throw(GreenletExit)


def program(job: Job) -> Callable[[Any], Any]:
    """The job as a greenlet's function: it switches to the hub with a list of questions, or returns its result."""

    job.known = {key_of(text): row for text, row in job.known.items()}

    def ask(texts: list[Any]) -> np.ndarray:
        keys = [key_of(text) for text in texts]
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in job.known}
        if unknown:
            hub = getcurrent().parent
            assert hub is not None
            job.known.update(zip(unknown, hub.switch(list(unknown.values())), strict=True))
        return np.stack([job.known[key] for key in keys])

    def run(_: Any) -> Any:
        try:
            return Done(job.run(ask))
        except Exception as error:
            return Done(Failure(error))

    return run


def key_of(question: Any) -> Any:
    """What a question is remembered by: itself, or a digest where it is long, since a text has as many as words.

    >>> key_of(("good", "film")), len(key_of("a" * 100_000))
    (('good', 'film'), 16)
    """
    if isinstance(question, tuple):
        return tuple(map(key_of, question))
    if isinstance(question, str) and len(question) > LONG:
        return hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return question


@dataclass
class Done:
    result: Any


def advance(
    job: Job, worker: greenlet, rows: Any, waiting: list[tuple[Job, greenlet, list[Any]]]
) -> Iterator[tuple[Any, Any]]:
    """Let a job run until it asks again or is done."""
    if job.seed is None:
        message = worker.switch(rows)
    else:
        with GLOBAL_RANDOM:
            outside = random_state()
            try:
                set_random_state(job.state if job.state is not None else fresh_state(job.seed))
                message = worker.switch(rows)
            finally:
                job.state = random_state()
                set_random_state(outside)
    if isinstance(message, Done):
        job.known.clear()
        yield job.key, message.result
    else:
        waiting.append((job, worker, message))


def answer(waiting: list[tuple[Job, greenlet, list[Any]]]) -> list[tuple[Job, greenlet, np.ndarray]]:
    """All questions of a round, one call a model; the answers in the order of the jobs."""
    asked: dict[int, tuple[Ask, list[Any]]] = {}
    for job, _, texts in waiting:
        asked.setdefault(id(job.model), (job.model, []))[1].extend(texts)
    answers = {key: iter(model(texts)) for key, (model, texts) in asked.items()}
    return [(job, worker, np.stack([next(answers[id(job.model)]) for _ in texts])) for job, worker, texts in waiting]


# The global random generators that libraries use.


def random_state() -> tuple[Any, ...]:
    torch = sys.modules.get("torch")
    numpy = np.random.get_state()  # noqa: NPY002 - what libraries use is what has to be kept
    return random.getstate(), numpy, torch.get_rng_state() if torch else None


def set_random_state(state: tuple[Any, ...]) -> None:
    python, numpy, torch_state = state
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
    if torch_state is not None:
        sys.modules["torch"].set_rng_state(torch_state)


def fresh_state(seed: int) -> tuple[Any, ...]:
    torch = sys.modules.get("torch")
    return (
        random.Random(seed).getstate(),
        np.random.RandomState(seed % 2**32).get_state(),
        torch.Generator().manual_seed(seed % 2**32).get_state() if torch else None,
    )


def example_seed(seed: int, index: int) -> int:
    """A seed of its own for every example, the same whatever is explained beside it."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
