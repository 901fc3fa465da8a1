"""Two audits never work in one folder at once, and one that was killed keeps nobody out."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from small_families import compute

from trusteq.audit.owner import owned

HOLDING = """
import time
from pathlib import Path
from trusteq.audit.owner import owned
with owned(Path({folder!r}), "audit"):
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """A process that has the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDING.format(folder=str(tmp_path))])
    while process.poll() is None and not (tmp_path / "audit.owner").exists():
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


QUICK = {"dimensions": "prediction_error_jaccard"}


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_audit_is_told_of_the_first_and_changes_nothing(tmp_path, other, resume):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=rf"is at work \(process {other.pid} on .*\): wait until that audit has ended"):
        compute(**QUICK, folder=tmp_path, resume=resume)
    assert sorted(tmp_path.iterdir()) == before


def test_a_killed_audit_keeps_nobody_out(tmp_path, other, caplog):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / "audit.owner").exists()
    assert compute(**QUICK, folder=tmp_path)["failed"] == 0
    assert not (tmp_path / "audit.owner").exists()
    assert not caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [({"process": 1}, ""), ({"machine": "node-7"}, "process {pid} on node-7, since"), ({"began": None}, "")],
    ids=["its number is another's now", "on another machine", "half a note"],
)
def test_what_a_killed_audit_has_left_is_no_lock(tmp_path, other, change, said):
    other.send_signal(signal.SIGKILL)
    other.wait()
    left = json.loads((tmp_path / "audit.owner").read_text()) | change
    (tmp_path / "audit.owner").write_text(json.dumps(left)[: None if left["began"] else 20])
    notices = []
    with owned(tmp_path, "audit", notices.append):
        assert json.loads((tmp_path / "audit.owner").read_text())["process"] == os.getpid()
    assert len(notices) == bool(said)
    assert all(said.format(pid=other.pid) in notice for notice in notices)


def test_the_same_is_not_said_twice(tmp_path, capfd):
    """A command holds its folder for the report, too, and leaves what there is to say to the audit in it."""
    left = {"process": 1, "machine": "node-7", "began": "2026-01-01T00:00:00+00:00"}
    (tmp_path / "report.owner").write_text(json.dumps(left))
    with owned(tmp_path, "report"):
        pass
    assert capfd.readouterr() == ("", "")


def test_one_process_has_a_folder_once_and_gives_it_back_after_an_error(tmp_path):
    with owned(tmp_path, "audit"):
        with owned(tmp_path, "report"):
            pass
        with pytest.raises(ValueError, match=rf"is at work \(process {os.getpid()} on"), owned(tmp_path, "audit"):
            pass
    with pytest.raises(KeyError), owned(tmp_path, "audit"):
        raise KeyError
    with owned(tmp_path, "audit"):
        pass
