"""What has been worked out already need not be asked again: known, deal, ask, keep, gather, written once.

A piece of work has a key `(context, item)`, as in store.py. Pieces that one process should do together make a unit: all
models' explanations of one example, say.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from trusteq.audit.family import Member
from trusteq.audit.processes import Processes
from trusteq.audit.store import Store, digest
from trusteq.kinds.text import Text
from trusteq.options import VERSION

Key = tuple[str, str]
Done = tuple[Key, bytes, bool]  # a piece, what came out, and whether that is to be kept
Progress = Callable[[str, int], Any]  # what is done, and of how many pieces: a bar with `update` and `close`


@dataclass
class Run:
    """Where an audit's work is done: its models, its texts, the store, the processes, and a word on progress."""

    members: list[Member]
    texts: list[Text]
    store: Store
    processes: Processes
    progress: Progress

    def context(self, what: str, member: Member, settings: Any) -> str:
        """A name for all that kept answers depend on beside the example: the model, the settings, the order of classes.

        All processes take the first one's: a function may answer another one differently in the last decimals.
        """
        large = self.members[0]
        basis = digest(VERSION, large.fingerprint, large.labels)
        return self.processes.agreed(digest(what, basis, member.fingerprint, settings))


def remembered(
    run: Run,
    units: Sequence[Sequence[Key]],
    ask: Callable[[list[Key], dict[str, str]], Iterable[Done]],
    take: Callable[[Key, bytes], Any],
    bar: Any = None,
    weight: Callable[[Key], int] = lambda key: 1,
    at_a_time: int | None = None,
) -> dict[str, str]:
    """Every piece goes to `take`, in every process: those that are known, and those that `ask` works out in one.

    `ask` gets the keys that its process has to do, yields each as it is finished, and may note in the dict that it is
    given why a model could not do its part; these reasons come back. The bar moves by a piece's `weight`. With
    `at_a_time` all processes pause to gather after so many units each: what a killed process loses at most.
    """
    left = {key for keys in units for key in keys}

    def count(key: Key) -> None:
        if key in left:
            left.discard(key)
            if bar is not None:
                bar.update(weight(key))

    for context in dict.fromkeys(context for keys in units for context, _ in keys):
        for item, value in run.store.each(context):
            if (context, item) in left:
                take((context, item), value)
                count((context, item))
    unknown = set[Key]().union(*run.processes.together(lambda: left))  # in any of the processes
    missing = [some for keys in units if (some := [key for key in keys if key in unknown])]
    reasons: dict[str, str] = {}

    def work(some: Sequence[Sequence[Key]]) -> tuple[list[Done], dict[str, str]]:
        mine = [key for keys in run.processes.deal(some) for key in keys]
        done: list[Done] = []
        why: dict[str, str] = {}
        for key, value, keep in ask(mine, why) if mine else ():
            if keep:
                run.store.put(*key, value)
            done.append((key, value, keep))
            count(key)
        return done, why

    size = len(missing) if at_a_time is None else at_a_time * run.processes.count
    for at in range(0, len(missing), max(1, size)):
        results = run.processes.together(partial(work, missing[at : at + size]))
        for rank, (done, why) in enumerate(results):
            reasons |= why
            for key, value, keep in done:
                if keep and rank != run.processes.rank:
                    run.store.hear(*key, value)
                take(key, value)
                count(key)
    return reasons
