"""`trusteq audit` in a process of its own, in a file of its own so that it starts without the imports of a test."""

import json
import os
import random
import resource
import signal
import socket
import sys
import time
from pathlib import Path

import evaluate

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def audit_command():
    """The command as a module; its `main` takes the words after `trusteq audit`."""
    from trusteq.cli import audit

    return audit


def run_audit(
    arguments: list[str], output: str, clock: int | None = None, hangs_at: int | None = None, limit: int | None = None
) -> None:
    """The command with these arguments; what it prints goes into the file. With trouble, where some is asked for."""
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as a command in front of a person has it
    if clock is not None:
        turn_clock(clock)
    if hangs_at is not None:
        hang(hangs_at)
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    from trusteq.cli.main import main

    sys.exit(main(["audit", *arguments]))


def turn_clock(seed: int) -> None:
    """A clock that is an hour off, before or after, whenever it is looked at."""
    from tqdm import std

    rng, true = random.Random(seed), time.time
    time.time = std.time = lambda: true() + rng.choice([-3600, 0, 3600])


def hang(at: int) -> None:
    """The models say so many times what they think, and then nothing more."""
    from transformers import BertForSequenceClassification

    answer, asked = BertForSequenceClassification.forward, []

    def forward(self, *given, **settings):
        asked.append(True)
        if len(asked) > at:
            print("hanging", flush=True)
            time.sleep(3600)
        return answer(self, *given, **settings)

    BertForSequenceClassification.forward = forward


def one_of_many(rank: int, count: int, port: int, arguments: list[str], output: str) -> None:
    """What torchrun starts: one of several processes that do an audit together."""
    own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    os.environ |= own | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    run_audit(arguments, output)


def audit_divided(rank: int, port: int, output: str) -> None:
    """One of two processes that audit functions together; the small model fails at attacks, in process 1 alone."""
    own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    own |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    os.environ |= own

    def large(texts):
        return [[0.1, 0.9] if "good" in text else [0.8, 0.2] for text in texts]

    def small(texts):
        if rank == 1 and any(word not in ("a", "good", "bad", "film") for text in texts for word in text.split()):
            raise RuntimeError("out of luck")
        return [[0.2, 0.8] if "good" in text else [0.9, 0.1] for text in texts]

    from trusteq.audit.processes import Processes

    audit = evaluate.load(str(SCRIPTS.parent / "metrics" / "trust_equivalence"))
    processes = Processes()
    found = {"dealt": processes.deal(range(5)), "together": processes.together(lambda: rank)}
    found["agreed"] = processes.agreed(rank)
    result = audit.compute(
        large=large,
        compressed={"small": small, "safe": lambda texts: large(texts[:]) if texts else []},
        texts=["a good film", "a bad film"] * 4,
        references=[1, 0] * 4,
        dimensions=["prediction_error_jaccard", "attack_divergence"],
        attack="deepwordbug",
        details=True,
    )
    found["failures"] = result and result["details"]["failures"]
    found["figure"] = result and result["safe/attack_divergence/accuracy_fall"]
    Path(output).write_text(json.dumps(found))


def on_two_processes(processes, arguments: list[str], folder: Path) -> None:
    """The audit of these words, divided between two processes; both have to end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [
        processes.Process(target=one_of_many, args=(rank, 2, port, arguments, str(folder / f"log{rank}")))
        for rank in (0, 1)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0], (folder / "log0").read_text()
