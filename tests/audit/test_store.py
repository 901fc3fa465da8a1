"""What has been worked out already? Kept pieces survive kills, damage, full disks and each other, or are named."""

import logging
import random
import sqlite3
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from small_families import load

from trusteq.audit import store


@pytest.fixture
def opened(tmp_path):
    """Stores of a folder; what they said about damage is in `opened.said`."""

    def open_store(rank=0, folder=tmp_path):
        made = store.Store(folder, rank, open_store.said.append)
        open_store.made.append(made)
        return made

    open_store.said, open_store.made = [], []
    yield open_store
    for made in open_store.made:
        made.close()


PIECES = {f"item {i}": bytes([i % 251]) * (1 + 97 * i) for i in range(60)}


def filled(one):
    for item, value in PIECES.items():
        one.put("clean", item, value)
    return one


# What is put in comes out.


def test_pieces_come_back_in_this_run_and_the_next(opened):
    first = filled(opened())
    assert first.known("clean") == PIECES
    assert dict(first.each("clean")) == PIECES
    assert first.known("another context") == {}
    first.close()
    assert opened().known("clean") == PIECES
    assert opened.said == []


def test_a_piece_that_is_put_again_is_replaced(opened):
    one = opened()
    one.put("clean", "a", b"old")
    one.put("clean", "a", b"new")
    assert one.known("clean") == {"a": b"new"}


def test_a_dict_keeps_pieces_and_nowhere_keeps_none():
    place = {}
    filled(store.Store(place))
    assert store.Store(place).known("clean") == PIECES
    assert filled(store.Store(None)).known("clean") == {}


def test_every_process_sees_what_all_have_kept(opened):
    zero, one = opened(0), opened(1)
    zero.put("clean", "a", b"0")
    one.put("clean", "b", b"1")
    assert zero.known("clean") == one.known("clean") == {"a": b"0", "b": b"1"}
    one.put("clean", "c", b"2")
    assert zero.known("clean")["c"] == b"2"


def test_two_runs_on_one_folder_do_not_disturb_each_other(tmp_path):
    def run(number):
        try:
            mine = store.Store(tmp_path)
            for i in range(100):
                mine.put("clean", f"{number}-{i}", bytes(2000))
            mine.close()
        except Exception as error:
            failed.append(error)

    failed = []
    runs = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    assert failed == []
    assert len(store.Store(tmp_path).known("clean")) == 300


# A killed process.

KEEP = """
import sys
from pathlib import Path
from trusteq.audit.store import Store
kept = Store(Path(sys.argv[1]))
for i in range(10**9):
    kept.put("clean", str(i), str(i).encode() * (i % 5000))
    print(i, flush=True)
"""


def test_killed_at_any_moment_all_that_was_finished_is_there(opened, tmp_path):
    arguments = [sys.executable, "-c", KEEP, str(tmp_path)]
    rng = random.Random(0)
    for _ in range(3):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout.readline() == "0\n"
            time.sleep(rng.uniform(0, 0.3))
            running.kill()
            last = int(running.stdout.read().split()[-1])
        known = opened().known("clean")
        assert last > 0
        assert all(known[str(i)] == str(i).encode() * (i % 5000) for i in range(last + 1))
    assert opened.said == []


# Damage is named, and never taken for work.


def damaged(opened, tmp_path, damage):
    filled(opened()).close()
    path = tmp_path / "work-0.sqlite"
    path.write_bytes(damage(path.read_bytes()))
    again = opened()
    known = again.known("clean")
    assert all(known[item] == PIECES[item] for item in known)  # whatever is left is right
    filled(again)
    assert again.known("clean") == PIECES  # and the rest can be done again
    return len(known)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:1000],
        lambda content: b"not a database" + content[14:],
        lambda content: b"\0" * len(content),
        lambda content: b"<html>another file of that name</html>" * 100,
        lambda content: content[:4096] + bytes(4096) + content[8192:],
    ],
)
def test_a_damaged_file_is_named_set_aside_and_done_again(opened, tmp_path, damage):
    assert damaged(opened, tmp_path, damage) == 0
    (said,) = opened.said
    assert said.startswith("work-0.sqlite is damaged (")
    assert said.endswith("set aside as work-0.damaged, and its work is done again")
    assert (tmp_path / "work-0.damaged").exists()


def test_an_emptied_file_is_a_new_one(opened, tmp_path):
    assert damaged(opened, tmp_path, lambda content: b"") == 0


def test_flipped_bytes_are_never_taken_for_work(opened, tmp_path):
    """At 25 places, one file each, some within the values, where the file as such looks whole."""
    rng = random.Random(1)
    whole = 0
    for _ in range(25):

        def flip(content):
            places = [rng.randrange(len(content)) for _ in range(rng.choice([1, 3]))]
            flipped = bytearray(content)
            for place in places:
                flipped[place] ^= rng.randrange(1, 256)
            return bytes(flipped)

        before = len(opened.said)
        left = damaged(opened, tmp_path, flip)
        whole += left == len(PIECES)
        assert left == len(PIECES) or len(opened.said) > before
        for made in opened.made:
            made.close()
        for path in tmp_path.iterdir():
            path.unlink()
    assert whole < 25


def test_a_value_under_the_wrong_name_is_not_taken(opened, tmp_path):
    filled(opened()).close()
    file = sqlite3.connect(tmp_path / "work-0.sqlite")
    file.execute("UPDATE work SET item = 'another' WHERE item = 'item 7'")
    file.execute("UPDATE work SET value = x'00' WHERE item = 'item 8'")
    file.execute("UPDATE work SET value = NULL WHERE item = 'item 9'")
    file.commit()
    file.close()
    known = opened().known("clean")
    assert known == {item: value for item, value in PIECES.items() if item not in ("item 7", "item 8", "item 9")}
    assert opened.said == ["work-0.sqlite has 3 damaged pieces: they are done again"]


def test_damage_is_named_once(opened, tmp_path):
    (tmp_path / "work-1.sqlite").write_bytes(b"of another process, and torn" * 300)
    one = opened()
    filled(one)
    for _ in range(3):
        assert one.known("clean") == PIECES
    (said,) = opened.said
    assert said.startswith("work-1.sqlite is damaged (")


def test_a_database_of_something_else_is_set_aside(opened, tmp_path):
    file = sqlite3.connect(tmp_path / "work-0.sqlite")
    file.execute("CREATE TABLE work (hours INTEGER)")
    file.commit()
    file.close()
    assert filled(opened()).known("clean") == PIECES
    (said,) = opened.said
    assert "work-0.sqlite is damaged (its table has the columns hours)" in said


def test_a_process_that_has_only_begun_is_no_damage(opened, tmp_path):
    (tmp_path / "work-1.sqlite").touch()
    assert filled(opened()).known("clean") == PIECES
    assert opened.said == []


# No room.


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(store.NoRoom, match=r"file cannot be written \(File exists\)"):
        store.Store(tmp_path / "file")
    with pytest.raises(store.NoRoom, match=r"cannot be written \(Not a directory\)"):
        store.Store(tmp_path / "file" / "below")
    (tmp_path / "taken" / "work-0.sqlite").mkdir(parents=True)
    with pytest.raises(store.NoRoom, match="cannot be written"):
        store.Store(tmp_path / "taken")


def test_a_full_disk_is_a_sentence_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**6))
    with pytest.raises(store.NoRoom, match="has less than 64 MB free"):
        store.Store(tmp_path)


def test_a_disk_that_fills_up_in_the_middle_keeps_what_is_finished(opened, tmp_path):
    one = opened()
    one.put("clean", "small", b"1")
    (pages,) = one.files[one.path].execute("PRAGMA page_count").fetchone()
    one.files[one.path].execute(f"PRAGMA max_page_count = {pages + 4}")  # SQLite's own full disk
    with pytest.raises(store.NoRoom, match=r"cannot hold more work .*full.*; finished work is kept there"):
        one.put("clean", "large", bytes(10**6))
    assert one.known("clean") == {"small": b"1"}
    one.close()
    assert opened().known("clean") == {"small": b"1"}
    assert opened.said == []


# Has a run begun?


def test_a_folder_has_work_once_more_is_kept_than_what_the_models_are(opened, tmp_path):
    assert not store.has_work(tmp_path / "nowhere")
    assert not store.has_work(tmp_path)
    one = opened()
    one.put("a model", "about", b"{}")
    assert not store.has_work(tmp_path)
    one.put("clean", "a", b"1")
    assert store.has_work(tmp_path)
    one.close()
    (tmp_path / "work-0.sqlite").write_bytes(b"torn" * 2000)
    assert store.has_work(tmp_path)  # what nobody can read is not overwritten either


def test_notices_go_to_a_logger_by_default(tmp_path, caplog):
    (tmp_path / "work-0.sqlite").write_bytes(b"torn" * 2000)
    with caplog.at_level(logging.WARNING):
        load("trust_equivalence").compute(
            large=lambda texts: [[0.25, 0.75]] * len(texts),
            compressed=lambda texts: [[0.75, 0.25]] * len(texts),
            texts=["a", "b"],
            references=[0, 1],
            dimensions=["prediction_error_jaccard"],
            folder=tmp_path,
            resume=True,
        )
    assert "work-0.sqlite is damaged" in caplog.text


# Names of work.


def test_equal_parts_have_equal_names_and_others_do_not():
    assert store.digest("a", [1, 2]) == store.digest("a", (1, 2))
    names = [("ab",), ("a", "b"), (["a"], "b"), ("a", "b", None), (1,), ("1",), (1.5,), ({"a": 1},), ("\ud800",)]
    assert len({store.digest(*parts) for parts in names}) == len(names)
    assert store.digest({"a": 1, "b": 2}) == store.digest({"b": 2, "a": 1})
