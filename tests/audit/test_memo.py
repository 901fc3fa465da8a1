"""Known, deal, ask, keep, gather: what any audit's work is made of, on one process and on two."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from small_families import FUNCTIONS, TEXTS, Failing, function, unseen

from trusteq.audit.family import open_family
from trusteq.audit.memo import Run, remembered
from trusteq.audit.processes import Processes
from trusteq.audit.store import NoRoom, Store
from trusteq.audit.work import clean_answers, each_example

KEYS = [[("x", str(i)), ("y", str(i))] for i in range(7)]


class Bar:
    def __init__(self, total=0):
        self.total, self.count, self.closed = total, 0, False

    def update(self, count):
        self.count += count

    def close(self):
        self.closed = True


class OneOfTwo(Processes):
    """A process of two as the audit sees it; both are threads of this one, which meet at a barrier."""

    def __init__(self, rank, shared):
        self.rank, self.count, self.device, self.shared = rank, 2, None, shared

    def together(self, work):
        self.shared["done"][self.rank] = self.attempt(work)
        self.shared["barrier"].wait()
        results = list(self.shared["done"])
        self.shared["barrier"].wait()
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

    def agreed(self, value):
        return self.together(lambda: value)[0]

    @staticmethod
    def attempt(work):
        try:
            return work()
        except Exception as error:
            return error


def on_two(work):
    """`work(processes)` in two threads; what each returned, or the error of the first that raised one."""
    shared = {"barrier": threading.Barrier(2, timeout=60), "done": [None, None]}
    found = [None, None]

    def run(rank):
        found[rank] = OneOfTwo.attempt(lambda: work(OneOfTwo(rank, shared)))

    both = [threading.Thread(target=run, args=(rank,)) for rank in (0, 1)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    for result in found:
        if isinstance(result, Exception):
            raise result
    return found


def remembering(processes, store, bar=None, **given):
    """All that was taken and asked, where what comes out is the key itself."""
    taken, asked = [], []

    def ask(keys, reasons):
        for key in keys:
            asked.append(key)
            yield key, "".join(key).encode(), given.get("keep", True)

    def take(key, value):
        assert value == "".join(key).encode()
        taken.append(key)

    run = Run([], [], store, processes, lambda what, count: Bar(count))
    some = {name: value for name, value in given.items() if name in ("weight", "at_a_time")}
    remembered(run, given.get("units", KEYS), ask, take, bar, **some)
    return taken, asked


ALL = [key for keys in KEYS for key in keys]


def test_everything_is_asked_once_and_then_known():
    place, bar = {}, Bar()
    taken, asked = remembering(Processes(), Store(place), bar)
    assert taken == asked == ALL
    assert bar.count == len(ALL)
    again = Bar()
    taken, asked = remembering(Processes(), Store(place), again)
    assert (sorted(taken), asked, again.count) == (sorted(ALL), [], len(ALL))


def test_what_is_missing_is_asked_and_no_more():
    place, bar = {}, Bar()
    store = Store(place)
    for key in ALL[:5]:
        store.put(*key, "".join(key).encode())
    taken, asked = remembering(Processes(), store, bar)
    assert asked == ALL[5:]
    assert (sorted(taken), bar.count) == (sorted(ALL), len(ALL))


def test_what_is_not_to_be_kept_is_taken_and_asked_again():
    place = {}
    for _ in range(2):
        taken, asked = remembering(Processes(), Store(place), keep=False)
        assert taken == asked == ALL
    assert place == {}


def test_a_bar_counts_weights():
    bar = Bar()
    remembering(Processes(), Store(None), bar, weight=lambda key: int(key[1]) + 1)
    assert bar.count == 2 * sum(range(1, 8))


@pytest.mark.parametrize("at_a_time", [None, 1, 2, 100])
def test_two_processes_do_each_unit_once_and_both_know_all(tmp_path, at_a_time):
    bars = [Bar(), Bar()]

    def work(processes):
        store = Store(tmp_path, processes.rank)
        try:
            return remembering(processes, store, bars[processes.rank], at_a_time=at_a_time)
        finally:
            store.close()

    found = on_two(work)
    asked = [one for _, one in found]
    assert sorted(asked[0] + asked[1]) == sorted(ALL)
    assert {item for _, item in asked[0]}.isdisjoint({item for _, item in asked[1]})  # a unit is one process's
    assert min(map(len, asked)) >= 4
    for taken, bar in zip((taken for taken, _ in found), bars, strict=True):
        assert sorted(taken) == sorted(ALL)
        assert bar.count == len(ALL)
    kept = Store(tmp_path)
    assert {(context, item) for context in "xy" for item in kept.known(context)} == set(ALL)
    kept.close()


def test_two_processes_that_keep_in_memory_ask_nothing_twice():
    places, asked = [{}, {}], []
    for _ in range(2):
        found = on_two(lambda p: remembering(p, Store(places[p.rank])))
        assert all(sorted(taken) == sorted(ALL) for taken, _ in found)
        asked.append(sum(len(one) for _, one in found))
    assert asked == [len(ALL), 0]
    assert places[0] == places[1]


def test_two_processes_that_know_different_things_both_get_all():
    """As where another audit is at work in the same folder, and the second process looks a moment later."""
    places, bars = [{}, {}], [Bar(), Bar()]
    for rank, keys in enumerate((ALL[:4], ALL[2:9])):
        for key in keys:
            Store(places[rank]).put(*key, "".join(key).encode())
    found = on_two(lambda p: remembering(p, Store(places[p.rank]), bars[p.rank]))
    for (taken, _), bar in zip(found, bars, strict=True):
        assert set(taken) == set(ALL)
        assert bar.count == len(ALL)


# The same with models.


def family_run(processes, tiny):
    bars, compressed = [], {"tiny": tiny, "small": FUNCTIONS["compressed"]["small"]}
    members = open_family(FUNCTIONS["large"], compressed, {}, TEXTS, {}, None)
    run = Run(members, TEXTS, Store(None), processes, lambda what, count: bars.append(Bar(count)) or bars[-1])
    return run, bars


def said(models, todo):
    """What each model says of a text, misspelt."""
    for name, indices in todo.items():
        for i in indices:
            yield i, name, models[name]([TEXTS[i] + " xyz"])[0].tolist()


LABELS = np.zeros(len(TEXTS), dtype=int)


@pytest.mark.parametrize("count", [1, 2])
def test_one_models_failure_leaves_the_others_alone(count):
    """On two processes it fails in the first alone."""
    tiny = FUNCTIONS["compressed"]["tiny"]

    def work(processes):
        run, bars = family_run(processes, tiny if processes.rank else Failing(tiny, unseen, "raise"))
        found, reasons = each_example(run, "said", list(range(20)), LABELS, [], said)
        return found, reasons, bars[0]

    for found, reasons, bar in on_two(work) if count == 2 else [work(Processes())]:
        assert reasons == {"tiny": "tiny failed (RuntimeError: out of luck and more)"}
        assert [len(found[name]) for name in ("large", "tiny", "small")] == [20, 10 if count == 2 else 0, 20]
        assert bar.closed
        assert bar.count == sum(map(len, found.values()))


def test_bars_reach_their_total_on_two_processes_to_which_a_model_is_not_quite_the_same():
    """As on two devices; a function is known by its answers."""

    def work(processes):
        run, bars = family_run(processes, function(good=1 + processes.rank / 1000, bad=-1.5))
        found, reasons = each_example(run, "said", list(range(20)), LABELS, [], said)
        assert reasons == {}
        assert [len(results) for results in found.values()] == [20, 20, 20]
        bar = Bar()
        for member in run.members:
            rows, *_ = clean_answers(run, member, TEXTS * 20, False, bar)
            assert np.isfinite(rows).all()
            assert len(rows) == 400
        return bars[0], bar.count

    for bar, clean in on_two(work):
        assert bar.count == bar.total == 60
        assert clean == 3 * 400


def test_a_store_that_is_full_ends_all():
    class Full(Store):
        def put(self, context, item, value):
            if self.memory is not None and len(self.memory) > 3:
                raise NoRoom("full")
            super().put(context, item, value)

    with pytest.raises(NoRoom, match="full"):
        remembering(Processes(), Full({}), units=[[(str(i), "a")] for i in range(9)])


def test_clean_answers_that_are_not_finite_are_used_but_not_kept():
    place, asked = {}, []

    def answers(texts, embeddings):
        asked.append(len(texts))
        pooled = np.full((len(texts), 3), np.nan if len(asked) == 1 else 1.0)
        return np.full((len(texts), 2), 0.5), pooled, np.empty((len(texts), 0))

    member = SimpleNamespace(
        name="m", fingerprint="f", labels=None, answers=answers, about=lambda store: {"embeddings": True}
    )
    run = Run([member], TEXTS, Store(place), Processes(), None)
    rows, pooled, _ = clean_answers(run, member, TEXTS, True, Bar())
    assert rows.shape == (20, 2)
    assert np.isnan(pooled).all()
    assert place == {}
    for _ in range(2):
        _, pooled, _ = clean_answers(run, member, TEXTS, True, Bar())
        assert (pooled == 1).all()
    assert asked == [20, 20]


def test_what_a_stopped_run_had_asked_is_not_asked_again(tmp_path):
    """Clean answers are asked for and kept in groups; equal pieces once."""
    texts, asked = [f"good {i}" for i in range(2560)] + [f"good {i}" for i in range(128)], []
    large = FUNCTIONS["large"]

    def answers(some, embeddings):
        if stop and asked:
            raise KeyboardInterrupt
        asked.append(len(some))
        return np.array(large(some)), np.empty((len(some), 0)), np.empty((len(some), 0))

    member = SimpleNamespace(name="m", fingerprint="f", labels=None, answers=answers, about=lambda store: {})
    for stop in (True, False, False):
        store, bar = Store(tmp_path), Bar()
        run = Run([member], texts, store, Processes(), None)
        if stop:
            with pytest.raises(KeyboardInterrupt):
                clean_answers(run, member, texts, False, bar)
        else:
            rows, pooled, _ = clean_answers(run, member, texts, False, bar)
            np.testing.assert_array_equal(rows, large(texts))
            assert pooled is None
            assert bar.count == len(texts)
        store.close()
    assert asked == [1024, 1024, 512]
