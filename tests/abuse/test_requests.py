"""Requests that no browser sends: every endpoint, every kind of JSON; file data, half characters, bodies that stall."""

import contextlib
import json
import logging
import os
import socket
import threading
import time

import guard
import httpx
import limits
import pytest
import work
import workshop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ("verdict", "why", "break_it", "confidence", "compare")
PAIR = ["large", "distilled"]
ASKING = ["{text} It is", "positive, negative"]
HONEST = {
    "verdict": [*PAIR, "quick", "text\na"],  # no column label: an answer at once
    "why": [*PAIR, "The cast is fine.", "occlusion", 3, "", *ASKING],
    "break_it": [*PAIR, "The cast is fine.", "typos", *ASKING, ""],
    "confidence": [*PAIR, 5, "quantile"],
    "compare": ["references,predictions,large_predictions\n0,0,1\n1,1,1\n"],
}
TEXT_TYPES = ("Textbox", "Radio", "Dropdown")


def post(space, path, body):
    return httpx.post(f"{space.url}gradio_api/{path}", content=body, headers={"content-type": "application/json"})


def ask(space, name, data):
    """The answer of a named endpoint: its status, and every line of the stream."""
    sent = post(space, f"call/{name}", json.dumps({"data": data}))
    if sent.status_code != 200:
        return sent.status_code, sent.text
    with httpx.stream("GET", f"{space.url}gradio_api/call/{name}/{sent.json()['event_id']}", timeout=60) as stream:
        return 200, "".join(stream.iter_text())


FILE_OF_NOBODY = {"path": "http://127.0.0.1:9/x", "meta": {"_type": "gradio.FileData"}}


def file_data(url):
    meta = {"meta": {"_type": "gradio.FileData"}}
    yield {"path": url, **meta}
    yield {"path": "a.csv", "url": url, **meta}
    yield [{"path": url, **meta}]
    yield {"deep": [{"path": url, **meta}]}


@pytest.mark.parametrize("name", NAMES)
def test_file_data_is_fetched_from_nowhere(space, spy, name, monkeypatch):
    import gradio

    async def fetch(url, **_):
        spy.hits.append(url)
        raise ValueError("no network here")

    monkeypatch.setattr(gradio.processing_utils, "async_ssrf_protected_download", fetch)
    for place in range(len(HONEST[name])):
        for given_ in file_data(f"{spy.url}/a.csv"):
            data = [given_ if i == place else value for i, value in enumerate(HONEST[name])]
            status, said = ask(space, name, data)
            assert status == 422, said
    assert spy.hits == []


def test_file_data_in_private_functions_is_fetched_from_nowhere(space, spy, monkeypatch):
    import gradio

    async def fetch(url, **_):
        spy.hits.append(url)
        raise ValueError("no network here")

    monkeypatch.setattr(gradio.processing_utils, "async_ssrf_protected_download", fetch)
    for number, function in space.page.fns.items():
        for given_ in file_data(f"{spy.url}/a.csv"):
            body = {"data": [given_] * len(function.inputs), "fn_index": number, "session_hash": "s"}
            if function.inputs:
                assert post(space, "queue/join", json.dumps(body)).status_code == 422
            body = {"data": [], "fn_index": number, "session_hash": "s", "event_data": given_}
            assert post(space, "queue/join", json.dumps(body)).status_code == 422
    assert spy.hits == []


def test_the_function_that_will_run_says_what_it_takes(space):
    """Gradio goes by the number where there is one, whatever the address says."""
    numbers = {one.api_name: number for number, one in space.page.fns.items()}
    for path in ("run", "api"):
        body = {"data": [FILE_OF_NOBODY], "fn_index": numbers["why"], "session_hash": "s"}
        sent = post(space, f"{path}/compare", json.dumps(body))
        assert (sent.status_code, "8 values" in sent.text) == (422, True), sent.text
        body = {"data": [], "fn_index": str(numbers["why"]), "session_hash": "s"}
        assert post(space, f"{path}/compare", json.dumps(body)).status_code == 422


def test_only_a_finished_upload_is_an_upload(space, tmp_path):
    folder = os.environ["GRADIO_TEMP_DIR"]
    meta = {"meta": {"_type": "gradio.FileData"}}
    sent = httpx.post(f"{space.url}gradio_api/upload", files={"files": ("a.csv", b"text,label\na,1\n")}).json()[0]
    (tmp_path / "outside.csv").write_text("a")
    assert guard.finished_upload({"path": sent, **meta})
    for path in (
        "/etc/passwd",
        str(tmp_path / "outside.csv"),
        f"{folder}/../outside.csv",
        folder,
        f"{folder}/none.csv",
    ):
        assert not guard.finished_upload({"path": path, **meta}), path
    assert not guard.finished_upload({"path": sent, "is_stream": True, **meta})
    assert not guard.finished_upload({"path": sent, "meta": {}})
    assert not guard.finished_upload(sent)


# Every kind of JSON.


KINDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, width=32) | st.text(max_size=20)
    | st.sampled_from(["3", "1e999", "\ud800", "a\udfffb", "\0", "large", "quick", "x" * 5000, "9" * 5000])
    | st.just({"path": "http://127.0.0.1/x", "meta": {"_type": "gradio.FileData"}}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_json_is_answered(space, name, caplog, capfd):
    """With one value of an honest request replaced: an answer or a sentence, and no traceback for the owner."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(place=st.integers(0, len(HONEST[name]) - 1), value=KINDS)
    def holds(place, value):
        data = [value if i == place else one for i, one in enumerate(HONEST[name])]
        status, said = ask(space, name, data)
        assert status in (200, 422), (status, said)
        assert "event: complete" in said or "event: error" in said or status == 422
        assert "Traceback" not in said

    with caplog.at_level(logging.ERROR):
        holds()
    assert not [record for record in caplog.records if record.exc_info], caplog.text
    assert "Traceback" not in (printed := "".join(capfd.readouterr())), printed


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("why", 4, 11),
        ("why", 4, -1e300),
        ("confidence", 2, 10**400),
        ("why", 3, "3"),
        ("break_it", 3, "why"),
        ("verdict", 2, "slow"),
    ],
)
def test_what_a_page_does_not_offer_is_refused_at_the_door(space, name, place, value, capfd):
    """Gradio would refuse it, too, but with a traceback for the owner."""
    data = [value if i == place else one for i, one in enumerate(HONEST[name])]
    status, said = ask(space, name, data)
    assert (status, "must be" in said) == (422, True), said
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"3", b'"a"', b"{", b"\xff\xfe", b'{"data": null}', b'{"data": {}}', b'{"data": 3}',
        b"[" * 100_000, b'{"data": [' + b"[" * 50 + b"]" * 50 + b"]}", b'{"data": ["\\ud800"]}', b'{"\\ud800": []}',
        b'{"data": [], "fn_index": "x"}',
        b'{"data": [1,2,3,4,5,6,7,8,9]}', b'{"data": [' + b"9" * 5000 + b"]}", b'{"data": [NaN]}',
    ],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_bodies_that_are_no_request_are_refused(space, body):
    for path in (*(f"call/{name}" for name in NAMES), "queue/join", "run/why", "api/why", "call/v2/why", "cancel"):
        assert 400 <= post(space, path, body).status_code < 500, path
    assert httpx.get(space.url).status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_ten_megabytes_are_refused(space, name):
    body = json.dumps({"data": ["x" * 10_000_000]})
    with contextlib.suppress(httpx.TransportError):  # the door may be shut while the body comes in
        assert post(space, f"call/{name}", body).status_code == 413
    assert ask(space, name, HONEST[name])[0] == 200


@pytest.mark.parametrize("value", [None, "3", "three", [3], True, {}])
def test_a_slider_without_a_number_is_refused_without_a_traceback(space, value, capfd):
    assert ask(space, "why", [*PAIR, "The cast is fine.", "occlusion", value, "", *ASKING])[0] == 422
    assert ask(space, "confidence", [*PAIR, value, "quantile"])[0] == 422
    assert "Traceback" not in "".join(capfd.readouterr())


def test_half_a_character_is_refused_before_it_ends_the_stream(space):
    for data in (["references,predictions,large_predictions,\ud800\n0,0,1,1\n"], ["\udfff"]):
        assert ask(space, "compare", data)[0] == 422
        page, *_ = space.ask("compare", data[0])
        assert "half a character" in page


# Time.


def test_bodies_that_stall_are_closed(space, monkeypatch):
    """Twenty at once, of either kind."""
    middle = space.page.app.middleware_stack
    while not isinstance(middle, guard.Guard):
        middle = middle.app
    monkeypatch.setattr(middle, "seconds", 1.0)
    host, port = httpx.URL(space.url).host, httpx.URL(space.url).port
    kinds = {"call/why": "application/json", "upload": "multipart/form-data; boundary=b"}
    opened = []
    for i in range(20):
        path, kind = list(kinds.items())[i % 2]
        one = socket.create_connection((host, port))
        head = (
            f"POST /gradio_api/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\n"
        )
        one.sendall(head.encode() + b"--b\r\n"[: 5 * (i % 2)])
        opened.append(one)
    for one in opened:
        one.settimeout(10)
        said = b""
        while part := one.recv(4096):
            said += part
        assert said.split()[1] in (b"408", b"400"), said
        one.close()


def idle(seconds=5.0):
    """Whether no turn is taken and no copy of the workshop is left, soon."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not work.SENTENCES.waiting and not work.AUDITS.waiting and not copies():
            return True
        time.sleep(0.05)
    return False


def copies():
    """The processes that the workshop's first one has made."""
    number = workshop.WORKSHOP.process.pid
    with open(f"/proc/{number}/task/{number}/children") as file:
        return file.read().split()


LONG = " ".join(["The cast is wonderful and the plot is awful but not dull."] * 10)


def leave(space, name, data, listen):
    """Asks, listens for the first lines of the answer or not at all, and goes."""
    sent = post(space, f"call/{name}", json.dumps({"data": data}))
    assert sent.status_code == 200, sent.text
    if listen:
        with httpx.stream("GET", f"{space.url}gradio_api/call/{name}/{sent.json()['event_id']}") as stream:
            for line in stream.iter_lines():
                if "generating" not in line:
                    continue
                assert "complete" not in line, "it was answered before anybody left"
                return


@pytest.mark.parametrize("listen", [True, False], ids=["leaves", "never listens"])
def test_what_nobody_waits_for_ends(space, monkeypatch, listen):
    """An attack on a long text is the longest question there is; here it lasts until it is told to end."""
    started, ended = threading.Event(), threading.Event()

    def attacked(*_):
        started.set()
        try:
            while True:
                limits.look_at_clock()
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr("break_it.attacked", attacked)
    leave(space, "break_it", [*PAIR, f"{LONG[:500]} {listen}", "textbugger", *ASKING, ""], listen)
    if listen:
        assert started.is_set()
        assert ended.wait(2.0)
    else:  # it is not even begun
        assert not started.wait(work.LISTEN_SECONDS + 0.5)
    assert idle()


def test_a_table_that_takes_too_long_is_ended_with_its_process(space, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 1.0)
    shop = workshop.WORKSHOP
    start = time.monotonic()
    with limits.time_limit(1.0, threading.Event()), pytest.raises(limits.OutOfTime):
        shop.run("time", "sleep", 50)
    assert time.monotonic() - start < 5
    assert idle()


def test_a_table_of_a_visitor_who_left_is_ended_with_its_process(space):
    gone = threading.Event()
    threading.Timer(0.5, gone.set).start()
    with limits.time_limit(50, gone), pytest.raises(limits.OutOfTime):
        workshop.WORKSHOP.run("time", "sleep", 50)
    assert idle()


def test_a_process_that_dies_is_replaced(space):
    shop = workshop.WORKSHOP
    with limits.time_limit(60, threading.Event()):
        with pytest.raises(RuntimeError, match="ended before its work was done"):
            shop.run("os", "_exit", 3)
        shop.process.kill()
        shop.process.wait()
        assert shop.run("math", "sqrt", 4.0) == 2.0
        with pytest.raises(ValueError, match="math domain"):
            shop.run("math", "sqrt", -1.0)
