"""Questions to a server over HTTP: so many at once, asked again where that may help, and what is wrong in one sentence.

An API key comes from the environment alone, and stands in no message."""

import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from trusteq.checks import InVain, brief, check_integer, check_number

KEYS = ("TRUSTEQ_API_KEY", "OPENAI_API_KEY")
AT_ONCE, TIMEOUT = 8, 120.0
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before a question is put again
LONGEST_WAIT = 60.0  # that a server may ask for
MOST = 64 * 2**20  # bytes of an answer
AGAIN = (408, 425, 429, 500, 502, 503, 504)
LASTING = ("logprobs", "logits_all", "context")  # an error about these would be the same next time
HERE = ("localhost", "127.0.0.1", "::1")


class Unreachable(InVain):
    """A server that no longer answers, or not in a way that can be understood."""


class Refused(ValueError):
    """A question that a server will not answer, however often it is put."""

    def __init__(self, message: str, status: int, reason: str):
        super().__init__(message)
        self.status, self.reason = status, reason


class Passing(Exception):
    """What may go right next time; `rest` is how long the server asks to be left alone."""

    def __init__(self, message: str, rest: float = 0.0, most: int = len(WAITS) + 1):
        super().__init__(message)
        self.rest, self.most = rest, most  # tries


class Client:
    """`place` is the address of an API, http://localhost:8000/v1, with #NAME behind it where it serves several models.

    >>> Client("http://localhost:8000/v1#small", "large").shown
    'http://localhost:8000/v1#small'
    """

    kept = ""  # what becomes of answers that are there already, for who reads that there will be no more

    def __init__(self, place: str, name: str, at_once: int | None = None, timeout: float | None = None):
        check_integer("at_once", AT_ONCE if at_once is None else at_once, at_least=1)
        check_number("timeout", TIMEOUT if timeout is None else timeout, above=0, below=86_400)
        parts, self.name = urlsplit(place), name
        if parts.username or parts.password or parts.query:
            how = f"put the API key into the environment, as {KEYS[0]}, and only the address here"
            raise ValueError(f"{name}: the address of a server must not hold a user name, password or query: {how}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if not parts.hostname or port == -1:
            raise ValueError(f"{name}: {brief(place)} is not the address of a server, such as http://localhost:8000/v1")
        self.secure, self.host, self.port = parts.scheme.lower() == "https", parts.hostname, port
        self.path, self.model = parts.path.rstrip("/"), parts.fragment or None
        self.shown = place
        self.at_once, self.timeout = at_once or AT_ONCE, timeout or TIMEOUT
        self.idle: list[http.client.HTTPConnection] = []
        self.busy: set[http.client.HTTPConnection] = set()
        self.lock, self.stopped = threading.Lock(), threading.Event()

    # Many questions.

    def each(self, works: Sequence[Callable[[], Any]]) -> Iterator[tuple[int, Any]]:
        """What comes of pieces of work that ask this server, as they finish, with their places; the first error ends
        them all."""
        self.stopped.clear()
        pool = ThreadPoolExecutor(self.at_once, thread_name_prefix="asking")
        try:
            waiting = {pool.submit(work): i for i, work in enumerate(works)}
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=waiting.__getitem__):
                    yield waiting.pop(future), future.result()
        except BaseException:
            self.stop()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Nobody waits for answers any more: threads that do are freed."""
        self.stopped.set()
        with self.lock:
            for connection in self.busy:
                if connection.sock is not None:
                    with suppress(OSError):  # of one that is closed already
                        connection.sock.shutdown(socket.SHUT_RDWR)

    # One question.

    def ask(self, path: str, question: dict[str, Any] | None = None, under: bool = True) -> Any:
        """What the server answers, as JSON: to a POST, or without a question to a GET. `under` the API's own path, or
        beside it."""
        where = (self.path if under else re.sub(r"/v\d+$", "", self.path)) + path
        for tries, rest in enumerate((*WAITS, 0.0), start=1):
            try:
                return self.once(where, question)
            except Passing as error:
                last = error
                if tries >= error.most or self.stopped.wait(max(rest, error.rest)):
                    break
        raise Unreachable(f"{self.name}: the server {self.shown} {last}, asked {tries} times{self.kept}")

    def once(self, where: str, question: dict[str, Any] | None) -> Any:
        body = None if question is None else json.dumps(question).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if key := self.key():
            headers["Authorization"] = f"Bearer {key}"
        if self.stopped.is_set():
            raise Passing("is no longer asked", most=1)
        connection = self.connection()
        good = False
        try:
            connection.request("GET" if body is None else "POST", where, body, headers)
            response = connection.getresponse()
            said = self.whole(response)
            good = not response.will_close
        except TimeoutError:
            raise Passing(f"takes more than {self.timeout:g} s to answer (`timeout`)", most=2) from None
        except (OSError, http.client.HTTPException) as error:
            self.drop_idle()  # what was closed while nobody asked: the others were, too
            why = getattr(error, "strerror", None) or type(error).__name__
            raise Passing(f"does not answer ({why})") from None
        finally:
            with self.lock:
                self.busy.discard(connection)
                if good:
                    self.idle.append(connection)
            if not good:
                connection.close()
        return self.understood(response, said, question)

    def understood(self, response: http.client.HTTPResponse, said: bytes, question: Any) -> Any:
        lasting = response.status == 500 and (
            question is None or any(words in said.decode(errors="replace") for words in LASTING)
        )
        if response.status in AGAIN and not lasting:
            wanted = response.headers.get("Retry-After", "")
            rest = min(float(wanted), LONGEST_WAIT) if wanted.isdigit() else 0.0
            raise Passing(f"answers with an error ({response.status}: {self.reason(said)})", rest)
        if response.status in (401, 403):
            how = f"set its API key in the environment, as {KEYS[0]}{self.kept}"
            raise Unreachable(f"{self.name}: the server {self.shown} asks for a key ({response.status}): {how}")
        if not 200 <= response.status < 300:
            told = f"{self.name}: the server {self.shown} refuses ({response.status}: {self.reason(said)})"
            raise Refused(told, response.status, self.reason(said))
        try:
            found = json.loads(said)
        except (ValueError, RecursionError):
            shown = brief(self.without_key(said[:60].decode(errors="replace")))
            raise Passing(f"answers with something that is not JSON ({shown})") from None
        if not isinstance(found, dict):
            raise Passing(f"answers with JSON that is not an object ({brief(found)})")
        return found

    def connection(self) -> http.client.HTTPConnection:
        with self.lock:
            made = self.idle.pop() if self.idle else None
            if made is None:
                kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
                made = kind(self.host, self.port, timeout=self.timeout)
            self.busy.add(made)
        return made

    def drop_idle(self) -> None:
        with self.lock:
            stale, self.idle = self.idle, []
        for connection in stale:
            connection.close()

    def whole(self, response: http.client.HTTPResponse) -> bytes:
        """All that comes, in the time that there is: a server may send a byte now and then for ever."""
        until, parts, size = time.monotonic() + self.timeout, [], 0
        while part := response.read1(2**16):
            parts.append(part)
            size += len(part)
            if time.monotonic() > until or self.stopped.is_set():
                raise TimeoutError
            if size > MOST:
                raise http.client.HTTPException
        response.close()  # or else the connection waits for more
        return b"".join(parts)

    def key(self) -> str | None:
        """OpenAI's own is for those who are sure to be meant: over TLS, or on this machine."""
        names = KEYS if self.secure or self.host in HERE else KEYS[:1]
        return next((key for name in names if (key := os.environ.get(name, "").strip())), None)

    def without_key(self, text: str) -> str:
        for name in KEYS:
            if key := os.environ.get(name, "").strip():
                text = text.replace(key, "***")
        return text

    def reason(self, said: bytes) -> str:
        """What a server says of an error, in a line: {"error": {"message": ...}}, {"message": ...} or plain text."""
        text = said[:4096].decode(errors="replace")
        try:
            found = json.loads(said)
            found = found.get("error", found) if isinstance(found, dict) else found
            text = found if isinstance(found, str) else str(found.get("message") or found.get("detail") or found)
        except (ValueError, AttributeError, RecursionError):
            pass
        text = " ".join(re.sub(r"<[^<>]*>", " ", self.without_key(text)).split())
        return text[:200] or "no reason given"
