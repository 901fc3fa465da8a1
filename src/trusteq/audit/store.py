"""What has been worked out already? Finished pieces of an audit, on disk from the moment they are finished.

Every piece has a key made of all that decides it (the model's weights, the text, the method and its settings), so that
changed inputs can never meet old work; and a checksum, so that a damaged file is noticed, named and left aside."""

import hashlib
import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trusteq.checks import InVain

ROOM = 64 * 2**20  # bytes that have to be free at the start
COLUMNS = "context TEXT, item TEXT, value BLOB, checksum INTEGER, PRIMARY KEY (context, item)"
Memory = dict[str, dict[str, bytes]]


class NoRoom(InVain):
    """Nothing more can be kept."""


class Store:
    """Pieces of work under `(context, item)`: in a folder (one SQLite file per process), in a dict, or nowhere.

    >>> store = Store({})
    >>> store.put("clean", "a", b"0.5")
    >>> store.known("clean"), store.known("attacks")
    ({'a': b'0.5'}, {})
    """

    def __init__(self, place: Path | Memory | None, rank: int = 0, notice: Callable[[str], Any] = print):
        self.notice = notice
        self.noticed: set[str] = set()
        self.folder = place if isinstance(place, Path) else None
        self.memory = place if isinstance(place, dict) else None
        self.files: dict[Path, sqlite3.Connection] = {}  # this process's own first
        if self.folder is not None:
            self.path = self.folder / f"work-{rank}.sqlite"
            self.files[self.path] = self._open(self.folder, self.path)

    def put(self, context: str, item: str, value: bytes) -> None:
        """Keep a finished piece; it survives whatever happens to this process afterwards."""
        if self.memory is not None:
            self.memory.setdefault(context, {})[item] = value
        if self.folder is None:
            return
        try:
            row = (context, item, value, checksum(context, item, value))
            self.files[self.path].execute("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise NoRoom(f"{self.folder} cannot hold more work ({error}); finished work is kept there") from None

    def hear(self, context: str, item: str, value: bytes) -> None:
        """What another process has put: on disk it lies beside this one's, in memory it has to be kept here too."""
        if self.memory is not None:
            self.put(context, item, value)

    def known(self, context: str) -> dict[str, bytes]:
        """The finished pieces of a context, of all processes of this and earlier runs."""
        return dict(self.each(context))

    def each(self, context: str) -> Iterator[tuple[str, bytes]]:
        """The same, one piece at a time: together they may be large."""
        if self.memory is not None:
            yield from self.memory.get(context, {}).items()
        if self.folder is not None:
            for path in sorted(self.folder.glob("work-*.sqlite")):
                yield from self._read(path, context)

    def close(self) -> None:
        for file in self.files.values():
            file.close()
        self.files = {}

    def _open(self, folder: Path, path: Path) -> sqlite3.Connection:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < ROOM:
                raise NoRoom(f"{folder} has less than {ROOM // 2**20} MB free: an audit keeps its work there")
            try:
                return connect(path)
            except Damaged as error:
                self._set_aside(path, str(error))
                return connect(path)
        except OSError as error:
            raise NoRoom(f"{folder} cannot be written ({error.strerror or error})") from None
        except sqlite3.Error as error:
            raise NoRoom(f"{folder} cannot be written ({error})") from None

    def _set_aside(self, path: Path, reason: str) -> None:
        place = path.with_suffix(".damaged")
        path.replace(place)
        for part in ("-wal", "-shm"):
            Path(f"{path}{part}").unlink(missing_ok=True)
        self._notice(f"{path.name} is damaged ({reason}): it was set aside as {place.name}, and its work is done again")

    def _read(self, path: Path, context: str) -> Iterator[tuple[str, bytes]]:
        damaged = 0
        try:
            if path not in self.files:  # of another process, now or in an earlier run
                self.files[path] = sqlite3.connect(path, timeout=60)
            for item, value, total in self.files[path].execute(SELECT, (context,)):
                if isinstance(value, bytes) and checksum(context, item, value) == total:
                    yield item, value
                else:
                    damaged += 1
        except sqlite3.Error as error:
            if "no such table" not in str(error):  # a process that has only just begun
                self._notice(f"{path.name} is damaged ({error}): what cannot be read is done again")
        if damaged:
            self._notice(f"{path.name} has {damaged} damaged pieces: they are done again")

    def _notice(self, message: str) -> None:
        if message not in self.noticed:
            self.noticed.add(message)
            self.notice(message)


class Damaged(sqlite3.DatabaseError):
    """A file that is no whole store."""


SELECT = "SELECT item, value, checksum FROM work WHERE context = ?"


def connect(path: Path) -> sqlite3.Connection:
    """The file, made if it is not there and looked through if it is."""
    file = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        file.execute("PRAGMA journal_mode=WAL")  # a killed process leaves whole rows, and readers never wait
        file.execute("PRAGMA synchronous=NORMAL")
        if (state := file.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            raise Damaged(" ".join(state.split()))
        file.execute(f"CREATE TABLE IF NOT EXISTS work ({COLUMNS}) WITHOUT ROWID")
        columns = [row[1] for row in file.execute("PRAGMA table_info(work)")]
        if columns != [column.split()[0] for column in COLUMNS.split(", ")[:4]]:
            raise Damaged(f"its table has the columns {', '.join(columns)}")
        return file
    except sqlite3.OperationalError:
        file.close()
        raise
    except sqlite3.DatabaseError as error:
        file.close()
        raise error if isinstance(error, Damaged) else Damaged(str(error)) from None


def checksum(context: str, item: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(f"{context}/{item}".encode()))


def has_work(folder: Path) -> bool:
    """Whether a run has begun there: more is kept than what the models are."""
    return folder.is_dir() and any(map(holds_work, folder.glob("work-*.sqlite")))


def holds_work(path: Path) -> bool:
    try:
        file = connect(path)
        found = file.execute("SELECT 1 FROM work WHERE item != 'about' LIMIT 1").fetchone()
        file.close()
    except sqlite3.Error:
        return True
    return found is not None


def digest(*parts: Any) -> str:
    """A short name for anything that JSON can hold: equal for equal parts, on every machine.

    >>> digest("clean", 1) == digest("clean", 1), digest("clean", 1) == digest("clean", 2), len(digest("a"))
    (True, False, 32)
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
