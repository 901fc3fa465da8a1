"""What has been worked out already? Finished pieces of an audit, on disk from the moment they are finished.

Every piece has a key made of all that decides it (the model's weights, the text, the method and its settings), so that
changed inputs can never meet old work; and a checksum, so that a damaged file is noticed, named and left aside.
"""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOM = 64 * 2**20  # bytes that have to be free at the start
COLUMNS = "context TEXT, item TEXT, value BLOB, checksum INTEGER, PRIMARY KEY (context, item)"


class Store:
    """Pieces of work under `(context, item)`: in one SQLite file per process, or in memory where no folder is given.

    >>> store = Store(None)
    >>> store.put("clean", "a", b"0.5")
    >>> store.known("clean"), store.known("attacks")
    ({'a': b'0.5'}, {})
    """

    def __init__(self, folder: Path | None, rank: int = 0, notice: Any = print):
        self.folder, self.notice = folder, notice
        self.memory: dict[str, dict[str, bytes]] = {}
        self.file: sqlite3.Connection | None = None
        if folder is not None:
            self.path = folder / f"work-{rank}.sqlite"
            self.file = self._open(folder, self.path)

    def put(self, context: str, item: str, value: bytes) -> None:
        """Keep a finished piece; it survives whatever happens to this process afterwards."""
        if self.file is None:
            self.memory.setdefault(context, {})[item] = value
            return
        try:
            row = (context, item, value, zlib.crc32(value))
            self.file.execute("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise ValueError(f"{self.folder} takes no more work ({error}); what is finished is kept there") from None

    def known(self, context: str) -> dict[str, bytes]:
        """The finished pieces of a context, of all processes of this and earlier runs."""
        if self.folder is None:
            return dict(self.memory.get(context, {}))
        found: dict[str, bytes] = {}
        for path in sorted(self.folder.glob("work-*.sqlite")):
            found |= dict(self._read(path, context))
        return found

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
        self.file = None

    def _open(self, folder: Path, path: Path) -> sqlite3.Connection:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < ROOM:
                raise ValueError(f"{folder} has less than {ROOM // 2**20} MB free: an audit keeps its work there")
            return self._connect(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise ValueError(f"{folder} cannot be written ({error})") from None
            self._set_aside(path, str(error))
            return self._connect(path)
        except OSError as error:
            raise ValueError(f"{folder} cannot be written ({error.strerror or error})") from None

    def _connect(self, path: Path) -> sqlite3.Connection:
        file = sqlite3.connect(path, isolation_level=None, timeout=60)
        try:
            file.execute("PRAGMA journal_mode=WAL")  # a killed process leaves whole rows, and readers never wait
            file.execute("PRAGMA synchronous=NORMAL")
            file.execute(f"CREATE TABLE IF NOT EXISTS work ({COLUMNS})")
            if (state := file.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(state)
        except sqlite3.Error:
            file.close()
            raise
        return file

    def _set_aside(self, path: Path, reason: str) -> None:
        place = path.with_suffix(".damaged")
        with contextlib.suppress(OSError):
            path.replace(place)
            for part in ("-wal", "-shm"):
                Path(f"{path}{part}").unlink(missing_ok=True)
        self.notice(f"{path.name} is damaged ({reason}): set aside as {place.name}, its work is done again")

    def _read(self, path: Path, context: str) -> Iterator[tuple[str, bytes]]:
        damaged = 0
        file = self.file if path == self.path else None
        try:
            file = file or sqlite3.connect(path, timeout=60)
            rows = file.execute("SELECT item, value, checksum FROM work WHERE context = ?", (context,)).fetchall()
            if file is not self.file:
                file.close()
        except sqlite3.DatabaseError as error:
            self.notice(f"{path.name} is damaged ({error}): its work is done again")
            return
        for item, value, checksum in rows:
            if isinstance(value, bytes) and zlib.crc32(value) == checksum:
                yield item, value
            else:
                damaged += 1
        if damaged:
            self.notice(f"{path.name} has {damaged} damaged pieces: they are done again")


def has_work(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("work-*.sqlite"))


def digest(*parts: Any) -> str:
    """A short name for anything that JSON can hold: equal for equal parts, on every machine.

    >>> digest("clean", 1) == digest("clean", 1), digest("clean", 1) == digest("clean", 2), len(digest("a"))
    (True, False, 32)
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
