"""What goes wrong while an audit runs? Kills, full disks, folders that cannot be written, models that raise, hang or
say NaN, two audits at once, clocks that jump: nothing finished is lost, and nothing wrong is reported."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import contextmanager

import pytest
import torch
from audit_runs import audit_command
from small_audits import begun, close, finished, models, pieces, report, rows, stopped, whole
from small_families import DIMENSIONS, STRANGE, compute, figures, models_of
from transformers import BertForSequenceClassification

from trusteq.audit.store import COLUMNS

# Killed.

KILLS = {"start": 6, "work": 9, "report": 5}
SEED = 11


def moments(total):
    """When to kill: so many seconds after the start, at so many pieces of work, at so many files of the report."""
    rng = random.Random(SEED)
    starts = [("start", rng.uniform(0, 0.3)) for _ in range(KILLS["start"])]
    works = [("work", count) for count in sorted(rng.sample(range(1, total), KILLS["work"]))]
    reports = [("report", count) for count in rng.sample(range(1, 12), KILLS["report"])]
    for at, start in enumerate(starts):
        works.insert(2 * at, start)
    return [*works, *reports]


def keeps_count(work):
    """A store that also notes every piece that is put into it, so that what is asked twice shows."""
    work.mkdir(parents=True)
    file = sqlite3.connect(work / "work-0.sqlite")
    file.execute("PRAGMA journal_mode=WAL")
    file.execute(f"CREATE TABLE work ({COLUMNS}) WITHOUT ROWID")
    file.execute("CREATE TABLE put (context TEXT, item TEXT)")
    note = "INSERT INTO put VALUES (new.context, new.item);"
    file.execute(f"CREATE TRIGGER noted AFTER INSERT ON work BEGIN {note} END")
    file.close()


def dated(out):
    """The files of the report, and when they were written."""
    whole = (path for path in out.rglob("[!.]*") if path.suffix and path.parent.name != "work")
    return {path: path.stat().st_mtime_ns for path in whole}


def assert_whole(out):
    ends = {".json": (b"}", b"]"), ".svg": b"</svg>", ".png": b"IEND\xaeB`\x82", ".html": b"</html>"}
    for path in out.rglob("*"):
        if path.suffix in ends:
            assert path.read_bytes().rstrip(b"\n").endswith(ends[path.suffix]), path


def test_killed_twenty_times_and_resumed_it_is_the_uninterrupted_report(
    processes, place, uninterrupted, tmp_path, capsys
):
    _, straight = uninterrupted
    out, log = tmp_path / "out", tmp_path / "log"
    work, arguments = out / "work", [*whole(place), "--out", str(out), "--resume"]
    keeps_count(work)
    landed = Counter()
    for phase, moment in moments(pieces(straight / "work")):
        before, written, began = rows(work), dated(out), time.monotonic()

        def new_files(written=written):
            return sum(written.get(path) != date for path, date in dated(out).items())

        there = {
            "start": lambda began=began, moment=moment: time.monotonic() - began >= moment,
            "work": lambda before=before, moment=moment: pieces(work) >= max(moment, len(before) + 1) or new_files(),
            "report": lambda moment=moment: new_files() >= moment,
        }[phase]
        code = stopped(processes, arguments, log, there, signal.SIGKILL)
        assert code == -signal.SIGKILL, (phase, moment, code, log.read_text())
        after = rows(work)
        assert before.items() <= after.items()
        assert_whole(out)
        landed["report" if new_files() else "work" if len(after) > len(before) else "start"] += 1
    with capsys.disabled():
        print(f"\nseed {SEED}, killed in {dict(landed)}", end=" ")
    assert landed.total() == 20
    assert min(landed[phase] for phase in KILLS) >= 3
    code, said = finished(processes, arguments, log)
    assert code == 0, said
    assert report(out) == close(report(straight))
    assert "damaged" not in said
    assert rows(work).keys() == rows(straight / "work").keys()
    put = sqlite3.connect(work / "work-0.sqlite").execute("SELECT context, item FROM put").fetchall()
    assert len(put) == len(set(put)) == len(rows(work))  # nothing that was finished was asked again


# No room.


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk):
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        for size in (2**20, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


@pytest.mark.parametrize(("when", "sentence"), [("work", "cannot hold more work"), ("report", "could not be written")])
def test_a_disk_that_fills_up_loses_nothing(processes, place, uninterrupted, disk, tmp_path, when, sentence):
    _, straight = uninterrupted
    out, log = disk / "out", tmp_path / "log"
    arguments = [*whole(place), "--out", str(out)]
    process = begun(processes, arguments, log)
    while process.is_alive() and not (pieces(out / "work") >= 10 if when == "work" else (out / "report.json").exists()):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGSTOP)
    fill(disk)
    before = rows(out / "work")
    os.kill(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == 2
    assert_sentence(log.read_text(), sentence)
    assert before.items() <= rows(out / "work").items()
    assert_whole(out)
    code, said = finished(processes, [*arguments, "--resume"], log)  # too little room to begin with
    assert code == 2
    assert_sentence(said, "has less than 64 MB free")
    (disk / "ballast").unlink()
    code, said = finished(processes, [*arguments, "--resume"], log)
    assert code == 0, said
    assert report(out) == close(report(straight))


def assert_sentence(said, sentence):
    (line,) = (line for line in said.splitlines() if line.startswith("trusteq audit: "))
    assert sentence in line
    assert "Traceback" not in said


def test_files_that_may_not_grow_lose_nothing(processes, place, uninterrupted, tmp_path):
    """As with a quota; this one needs no rights."""
    _, straight = uninterrupted
    out, log = tmp_path / "out", tmp_path / "log"
    arguments = [*whole(place), "--out", str(out)]
    code, said = finished(processes, arguments, log, limit=150_000)
    assert code == 2, said
    assert_sentence(said, "cannot hold more work")
    assert 3 < pieces(out / "work") < pieces(straight / "work")
    code, said = finished(processes, [*arguments, "--resume"], log)
    assert code == 0, said
    assert report(out) == close(report(straight))


@contextmanager
def read_only(folder):
    """For root, too, to whom the permissions of a file mean nothing."""
    if os.geteuid():
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True).returncode:
        pytest.skip("root needs the right to mount for this")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def one_dimension(place, out):
    data = ["--dataset", str(place / "reviews.csv"), "--dimensions", "prediction_error_jaccard"]
    return [*models(place), *data, "--out", str(out)]


@pytest.mark.parametrize("what", [".", "plots", "work"])
def test_a_folder_that_cannot_be_written_is_a_sentence(place, tmp_path, capsys, what):
    command, out = audit_command(), tmp_path / "out"
    assert command.main(one_dimension(place, out)) == 0
    before = dated(out)
    with read_only(out / what):
        capsys.readouterr()
        assert command.main([*one_dimension(place, out), "--resume"]) == 2
        assert_sentence(capsys.readouterr().err, "cannot be written (")
    assert dated(out) == before
    assert command.main([*one_dimension(place, out), "--resume"]) == 0


def test_a_folder_that_cannot_be_made_is_a_sentence(place, tmp_path, capsys):
    with read_only(tmp_path):
        assert audit_command().main(one_dimension(place, tmp_path / "deep" / "out")) == 2
        assert_sentence(capsys.readouterr().err, "deep/out cannot be written (")


def test_models_and_texts_need_only_be_read(place, tmp_path):
    with read_only(place):
        assert audit_command().main(one_dimension(place, tmp_path / "out")) == 0


# Models that fail now and then.

ALL = {"ood_texts": STRANGE, "explained": 5, "attacked": 5}


def failing(monkeypatch, how, seed, chance):
    """Every model of the family fails at so many of its answers."""
    answer, rng = BertForSequenceClassification.forward, random.Random(seed)

    def forward(self, *given, **settings):
        output = answer(self, *given, **settings)
        if rng.random() < chance:
            if how == "raise":
                raise RuntimeError("the device was lost")
            if how == "nan":
                output.logits[:] = torch.nan
            elif output.hidden_states is not None:
                output.hidden_states[-1][:] = torch.nan
        return output

    monkeypatch.setattr(BertForSequenceClassification, "forward", forward)


@pytest.mark.parametrize(("how", "chance"), [("raise", 0.03), ("nan", 0.03), ("nan in the embeddings", 0.5)])
def test_a_model_that_fails_now_and_then_spoils_no_figure(family, tmp_path, monkeypatch, how, chance):
    usual = models_of(family) | ALL
    straight = compute(**usual)
    failed, done = [], Counter()
    for seed in range(8):
        with monkeypatch.context() as patch:
            failing(patch, how, seed, chance)
            try:
                result = compute(**usual, folder=tmp_path, resume=True)
            except ValueError as error:
                assert "gave no answers to the texts" in str(error)
                failed.append(str(error))
                continue
        failed += [failure["reason"] for failure in result["details"]["failures"]]
        found = {key: value for key, value in figures(result).items() if key != "failed"}
        assert found == {key: close(figures(straight)[key]) for key in found}
        assert json.dumps(result["details"], allow_nan=False)
        done["some" if result["failed"] else "all"] += 1
    assert failed
    assert done["some"]
    for reason in failed:
        assert any(name in reason for name in ("large", "twin", "small")), reason
        assert "\n" not in reason
    assert figures(compute(**usual, folder=tmp_path, resume=True)) == close(figures(straight))


def test_gradients_that_are_nan_are_no_explanation(family, tmp_path, monkeypatch):
    usual = models_of(family) | {"dimensions": DIMENSIONS[3:5], "method": "integrated_gradients", "ood_texts": STRANGE}
    usual |= {"explained": 5, "folder": tmp_path, "resume": True}
    compute(**(usual | {"dimensions": DIMENSIONS[3:4]}))
    answer = BertForSequenceClassification.forward
    with monkeypatch.context() as patch:

        def forward(self, *given, **settings):
            output = answer(self, *given, **settings)
            if output.logits.requires_grad:
                output.logits = output.logits * torch.nan
            return output

        patch.setattr(BertForSequenceClassification, "forward", forward)
        result = compute(**usual)
    assert {one["dimension"] for one in result["details"]["failures"]} == {"attribution_alignment"}
    assert result["details"]["failures"][0]["reason"] == "twin's gradients hold NaN or infinity"
    again = compute(**usual)
    assert again["failed"] == 0
    assert again["small/ood_divergence/flagged_jaccard"] == result["small/ood_divergence/flagged_jaccard"]


@pytest.mark.parametrize(("answers", "how"), [(0, signal.SIGINT), (8, signal.SIGINT), (20, signal.SIGTERM)])
def test_an_audit_of_a_model_that_hangs_is_stopped_and_goes_on_later(
    processes, place, uninterrupted, tmp_path, answers, how
):
    """There is no limit of time: a long answer may be a large model's. Whoever waits in vain stops it."""
    _, straight = uninterrupted
    out, log = tmp_path / "out", tmp_path / "log"
    arguments = [*whole(place), "--out", str(out)]
    hangs = begun(processes, arguments, log, hangs_at=answers)
    while hangs.is_alive() and not (log.exists() and "hanging" in log.read_text()):
        time.sleep(0.01)
    before = rows(out / "work")
    os.kill(hangs.pid, how)
    hangs.join(600)
    assert hangs.exitcode == (130 if how == signal.SIGINT else -how)
    assert ("stopped; what is finished is kept: go on with" in log.read_text()) == (how == signal.SIGINT)
    assert before.items() <= rows(out / "work").items()
    if answers:
        assert before
        code, said = finished(processes, [*arguments, "--resume"], log)
        assert code == 0, said
        assert report(out) == close(report(straight))


# Two at once.


@pytest.mark.parametrize("other", [[], ["--seed", "1", "--attacked", "6"]], ids=["the same", "another"])
def test_of_two_audits_in_one_folder_at_once_the_second_is_told_of_the_first(
    processes, place, uninterrupted, tmp_path, other
):
    _, straight = uninterrupted
    out, logs = tmp_path / "out", [tmp_path / "first", tmp_path / "second"]
    arguments = [[*whole(place), *more, "--out", str(out), "--resume"] for more in ([], other)]
    first = begun(processes, arguments[0], logs[0])
    while first.is_alive() and not (out / "work" / "audit.owner").exists():
        time.sleep(0.002)
    code, said = finished(processes, arguments[1], logs[1])
    assert first.is_alive()
    assert code == 2
    (line,) = said.splitlines()
    assert re.search(rf"work is at work \(process {first.pid} on .*, since .*\): wait until", line)
    first.join()
    assert first.exitcode == 0, logs[0].read_text()
    assert_whole(out)
    assert report(out) == close(report(straight))
    before = rows(out / "work")
    code, said = finished(processes, arguments[1], logs[1])
    assert code == 0, said
    if other:
        code, said = finished(processes, [*whole(place), *other, "--out", str(tmp_path / "alone")], logs[0])
        assert code == 0, said
        assert report(out) == close(report(tmp_path / "alone"))
        assert before.items() < rows(out / "work").items()  # the work of both is there
    else:
        assert rows(out / "work") == before


# Clocks.


def test_a_clock_that_jumps_changes_nothing(processes, place, uninterrupted, tmp_path):
    _, straight = uninterrupted
    out, log = tmp_path / "out", tmp_path / "log"
    arguments = [*whole(place), "--out", str(out), "--resume"]
    assert stopped(processes, arguments, log, lambda: pieces(out / "work") >= 20, signal.SIGKILL, clock=1)
    before = rows(out / "work")
    for path in [*place.rglob("*"), *out.rglob("*")]:
        os.utime(path, (time.time() + 86_400,) * 2)
    code, said = finished(processes, arguments, log, clock=2)
    assert code == 0, said
    assert "Traceback" not in said
    assert before.items() <= rows(out / "work").items()
    assert report(out) == close(report(straight))
    assert json.loads((out / "report.json").read_text())["run"]["seconds"] >= 0
