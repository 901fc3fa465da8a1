"""Who is at work in a folder? One audit at a time: a second one is told of the first.

The lock is the system's, which lets go when its process ends, however it ends: a killed audit leaves none behind, and
neither a process number that is given out again nor one of another machine can be taken for it. The owner's name lies
beside it, for the sentence that the second one gets."""

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

UNLOCKABLE = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)  # what file systems without locks say


@contextmanager
def owned(folder: Path, what: str, notice: Callable[[str], Any] | None = None) -> Iterator[None]:
    """The folder for this process alone, as far as others want it for the same: `what` is "audit" or "report".

    What there is to say of an owner elsewhere, or of a folder without locks, goes to `notice`, if there is one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, owned(Path(place), "audit"):
    ...     sorted(path.name for path in Path(place).iterdir())
    ['audit.lock', 'audit.owner']
    """
    lock, owner = FileLock(folder / f"{what}.lock"), folder / f"{what}.owner"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        before = told(owner)
        owner.write_text(json.dumps(this_process()), encoding="utf-8")
    except Timeout:
        raise ValueError(
            f"{folder} is at work{by_whom(told(owner))}: wait until that audit has ended, or give another folder"
        ) from None
    except OSError as error:  # of a folder that cannot be written the store speaks
        before = None
        if notice and error.errno in UNLOCKABLE:
            notice(f"{folder} cannot be locked ({error.strerror}): let no other audit work there meanwhile")
    if notice and before and before["machine"] != socket.gethostname():
        notice(f"an earlier audit{by_whom(before)} did not end by itself; if it still runs there, stop one of the two")
    try:
        yield
    finally:
        if lock.is_locked:
            owner.unlink(missing_ok=True)
            lock.release()


def this_process() -> dict[str, Any]:
    began = datetime.now(UTC).isoformat(timespec="seconds")
    return {"process": os.getpid(), "machine": socket.gethostname(), "began": began}


def told(owner: Path) -> dict[str, Any] | None:
    """Who wrote that file; None where that cannot be read, as when it is being written."""
    try:
        found = json.loads(owner.read_text(encoding="utf-8"))
        return {name: found[name] for name in this_process()}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def by_whom(found: dict[str, Any] | None) -> str:
    """
    >>> by_whom({"process": 7, "machine": "node", "began": "2026-01-01T00:00:00+00:00"}), by_whom(None)
    (' (process 7 on node, since 2026-01-01T00:00:00+00:00)', '')
    """
    return "" if found is None else f" (process {found['process']} on {found['machine']}, since {found['began']})"
