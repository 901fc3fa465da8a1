"""Models of the Hub: one queue of their own, one fetch for all who wait, one cache that lets go."""

import gc
import os
import threading
import time
import weakref
from pathlib import Path
from types import SimpleNamespace

import hub
import limits
import pytest
import tiny_models
import workshop
from fake_hub import FakeHub
from models import Models, megabytes
from served_space import CLASSES

TEXT = "The cast is wonderful, but the plot is awful."


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    return tiny_models.checkpoint(tmp_path_factory.mktemp("remote"), seed=9, labels=CLASSES)


@pytest.fixture
def models(space):
    return Models(space.family)


def test_models_of_the_hub_are_let_go(models, remote, monkeypatch):
    """Pairs hold their models: none of them may outlive the cache of models."""
    monkeypatch.setattr(hub, "hub", lambda: FakeHub(remote))
    alive = []
    for number in range(10):
        pair = models.pair("large", f"owner/name{number}")
        alive.append(weakref.ref(pair.compressed[0]))
        models.fetched.most = 2.5 * megabytes(pair.compressed)
    del pair
    gc.collect()
    assert [one() is not None for one in alive] == [False] * 8 + [True] * 2


def test_the_cache_counts_megabytes():
    kept = limits.Kept(10, weigh=len)
    for word in ("aaaa", "bbbb", "cc", "dddddddd", "e" * 50):
        kept.get(word, lambda word=word: word)
        assert sum(map(len, kept.answers)) <= 10 or list(kept.answers) == [word]
    assert list(kept.answers) == ["e" * 50]  # the latest is kept, whatever it weighs


class SlowHub(FakeHub):
    """A Hub whose downloads wait for `go`, and fail when there is something to `raise_`."""

    def __init__(self, folder, raise_=None):
        super().__init__(folder)
        self.go, self.raise_, self.asked = threading.Event(), raise_, 0

    def snapshot_download(self, *given, **named):
        self.asked += 1
        assert self.go.wait(30)
        if self.raise_:
            raise self.raise_
        super().snapshot_download(*given, **named)


def test_a_slow_download_keeps_nobody_waiting_who_needs_none(space, remote, monkeypatch):
    slow = SlowHub(remote)
    monkeypatch.setattr(hub, "hub", lambda: slow)
    waiting = [space.handler("why")("large", "owner/slow", f"{TEXT} {i}", "occlusion", 3) for i in range(6)]
    pages = [next(one)[0] for one in waiting]
    assert all("Fetching owner/slow from the Hugging Face Hub" in page for page in pages)
    other = space.handler("why")("large", "owner/other", TEXT, "occlusion", 3)
    assert "It waits for another one, owner/slow" in next(other)[0]
    start = time.monotonic()
    page, found = space.ask("why", "large", "distilled", "Nobody else asked this before.", "occlusion", 3)
    assert found is not None, page
    assert time.monotonic() - start < 10
    slow.go.set()
    for one in (*waiting, other):
        assert list(one)[-1][1] is not None
    assert slow.asked == 2  # six visitors share one fetch


def test_waiters_share_the_failure_of_a_fetch(space, remote, monkeypatch):
    slow = SlowHub(remote, raise_=OSError("no route"))
    monkeypatch.setattr(hub, "hub", lambda: slow)
    waiting = [space.handler("why")("large", "owner/broken", TEXT, "occlusion", k) for k in (1, 2, 3)]
    for one in waiting:
        next(one)
    slow.go.set()
    assert all("could not be fetched from the Hugging Face Hub" in list(one)[-1][0] for one in waiting)
    assert slow.asked == 1


def test_who_leaves_takes_no_fetch_along(space, remote, monkeypatch):
    slow = SlowHub(remote)
    monkeypatch.setattr(hub, "hub", lambda: slow)
    first, second = (space.handler("why")("large", "owner/left", TEXT, "occlusion", k) for k in (1, 2))
    next(first)
    next(second)
    first.close()
    slow.go.set()
    assert list(second)[-1][1] is not None


def test_a_download_that_never_ends_is_ended(space, remote, tmp_path, monkeypatch):
    """The process that fetches is killed, and the visitor is told."""
    (tmp_path / "endless.py").write_text("import time\n\ndef download(*_):\n    time.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    shop = workshop.Workshop()  # its first process knows the module
    monkeypatch.setattr(hub, "WORKSHOP", SimpleNamespace(run=lambda _, *given: shop.run("endless", *given)))
    monkeypatch.setattr(hub, "HUB_SECONDS", 8.0)
    monkeypatch.setattr(hub.Hub, "model_info", lambda _, *given, **named: FakeHub(remote).model_info(*given, **named))
    page, found = space.ask("why", "large", "owner/endless", TEXT, "occlusion", 3)
    assert "this took longer than the page allows" in page
    assert found is None
    number = shop.process.pid
    children = Path(f"/proc/{number}/task/{number}/children")
    end = time.monotonic() + 30  # generous: the system may be busy before it buries what was killed
    while children.read_text() and time.monotonic() < end:
        time.sleep(0.1)
    assert children.read_text() == ""
    shop.process.kill()
