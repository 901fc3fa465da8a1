"""The short form of scripts/benchmarks/soak.py: honest visitors are served while every third is hostile."""

import soak


def test_the_space_stays_up_among_hostile_visitors(capsys, monkeypatch):
    """Everything but the seconds, which only an idle machine can promise; the command measures them."""
    monkeypatch.setattr(soak, "LONGEST", 60.0)
    code = soak.main(["--visitors", "9", "--seconds", "15", "--warm-up", "15", "--port", "7897"])
    printed = capsys.readouterr()
    assert code == 0, printed.out + printed.err
    assert "0 processes left" in printed.out


def test_a_broken_promise_is_told(capsys, monkeypatch):
    monkeypatch.setattr(soak, "hostile", lambda *_: None)
    monkeypatch.setattr(soak.load_test, "start_space", lambda port: (Gone(), "http://127.0.0.1:9"))
    assert soak.main(["--visitors", "2", "--seconds", "2", "--warm-up", "0"]) == 1
    assert "an honest request failed: page: ConnectError" in capsys.readouterr().err


class Gone:
    """A process that is no longer there."""

    pid = 0

    def terminate(self):
        pass

    wait = terminate
