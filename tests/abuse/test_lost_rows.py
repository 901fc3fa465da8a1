"""A process that dies before `compute` takes rows with it: the others say so, and give no result from the rest."""

import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest

FOLDER = str(Path(__file__).resolve().parents[2] / "metrics" / "prediction_error_jaccard")
DYING = """
import os, signal, sys, evaluate
metric = evaluate.load({folder!r}, process_id=1, num_process=2, experiment_id="lost", cache_dir={cache!r})
for batch in range({batches}):
    metric.add_batch(predictions=[0, 1] * 300, large_predictions=[0, 0] * 300, references=[0, 1] * 300)
{end}
"""
ENDS = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "failed": "raise RuntimeError('no more memory')",
}
DAMAGE = {
    "no end": -8,
    "half an end": -4,
    "a batch is cut": -12,
    "a head is cut": -14_600,
    "nothing is left": 0,
    "ten bytes": 10,
}
SENTENCE = (
    r"^process 1 ended before it called compute, and some of its rows are lost \(.*\): see why it ended, and give"
)


def two_processes(cache, end, batches=5):
    """The main process's metric with 10 batches, when the other one has come to its end after 5."""
    child = DYING.format(folder=FOLDER, cache=str(cache), end=end, batches=batches)
    other = subprocess.Popen([sys.executable, "-c", child], stderr=subprocess.DEVNULL)
    metric = evaluate.load(FOLDER, process_id=0, num_process=2, experiment_id="lost", cache_dir=str(cache))
    for _ in range(10):
        rows = np.tile([0, 1], 300)
        metric.add_batch(predictions=rows, large_predictions=rows, references=rows)
    other.wait(120)
    return metric


@pytest.mark.parametrize("end", ENDS)
def test_rows_of_a_process_that_died_are_not_lost_in_silence(tmp_path, end):
    metric = two_processes(tmp_path, ENDS[end])
    with pytest.raises(ValueError, match=SENTENCE):
        metric.compute()
    assert not list(tmp_path.rglob("*.arrow"))  # another try begins anew
    assert (
        two_processes(tmp_path, "metric.compute()", batches=10).compute()["large_error_rate"] == 0.25
    )  # half of its rows


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_stream_cut_anywhere_is_refused_in_the_same_sentence(tmp_path, damage):
    """The rows' last numbers are the very bytes that end a stream."""
    metric = evaluate.load(FOLDER, experiment_id="cut", cache_dir=str(tmp_path))
    rows = np.array([0, 2**60] + [0xFFFFFFFF] * 600)
    for _ in range(2):
        metric.add_batch(predictions=rows, large_predictions=rows, references=rows)
    metric._finalize()
    assert len(list(metric._read())) == 2
    (path,) = tmp_path.rglob("cut*.arrow")
    path.write_bytes(path.read_bytes()[: DAMAGE[damage]])
    with pytest.raises(ValueError, match=SENTENCE.replace("1", "0")) as error:
        list(metric._read())
    assert type(error.value) is ValueError
    metric._discard()
