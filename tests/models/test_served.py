"""Language models behind servers: the scores of the model itself, from both forms; and whatever can go wrong."""

import socket
import threading
import time

import numpy as np
import pytest
from served_models import Server
from tiny_language_models import WORDS, network, tokenizer

from trusteq.checks import InVain
from trusteq.kinds.text import Question
from trusteq.models import client
from trusteq.models.open import as_predictor

SPOKEN = [*WORDS, "A", "B", "C", "."]
ASKED = {"prompt": "Review : {text} Verdict :", "verbalizers": {"negative": " bad", "positive": " very very good"}}
CHOICES = {"prompt": "{text} {options} Answer :", "choices": "letters", "most": 3}
TEXTS = ["the film was very good", "awful", "the plot is dull but the acting is great", "a cat sleeps"]
QUESTIONS = [Question.of("the film was", ["good", "very bad"]), Question.of("a cat", ["fine", "bad", "dull"])]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(client, "WAITS", (0.01, 0.01, 0.01))
    for name in client.KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve():
    """Servers of the tiny model, ended with the test."""
    made = []

    def start(form="echo", seed=0, **more):
        made.append(
            Server(network("llama", seed=seed, positions=256, words=SPOKEN), tokenizer(256, SPOKEN), form, **more)
        )
        return made[-1]

    yield start
    for server in made:
        server.close()


def local(asked=ASKED, seed=0):
    return as_predictor(
        {"model": (network("llama", seed=seed, positions=256, words=SPOKEN), tokenizer(256, SPOKEN)), **asked}, "large"
    )


def served(server, asked=ASKED, **how):
    return as_predictor({"model": server.url, **asked}, "large", **how)


FORMS = ["echo", "vllm", "llama"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", ["total", "mean", "characters"])
def test_labels_have_the_probabilities_of_the_model_itself(serve, form, length):
    asked = ASKED | {"length": length}
    expected, found = local(asked), served(serve(form), asked)
    assert np.ptp(np.log(expected(TEXTS)), axis=0).max() > 0.1  # the texts matter
    assert np.log(found(TEXTS)) == pytest.approx(np.log(expected(TEXTS)), abs=1e-4)
    assert [found.on_labels[text] for text in TEXTS] == pytest.approx([expected.on_labels[text] for text in TEXTS])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["letters", "continuations"])
def test_options_have_the_probabilities_of_the_model_itself(serve, form, how):
    asked = CHOICES | {"choices": how} | ({} if how == "letters" else {"prompt": "Review : {text} Verdict :"})
    assert served(serve(form), asked)(QUESTIONS) == pytest.approx(local(asked)(QUESTIONS), abs=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_how_strange_a_text_is_as_the_model_itself_has_it(serve, form):
    asked = local().surprise(TEXTS, "perplexity")
    found = served(serve(form))
    assert found.surprise(TEXTS, "perplexity") == pytest.approx(asked, abs=1e-4)
    with pytest.raises(ValueError, match="large is a server, which does not report the probabilities of all tokens"):
        found.surprise(TEXTS, "vocabulary")


def test_connections_that_the_server_closed_cost_no_tries(serve, monkeypatch):
    """Servers close what nobody uses for some seconds (uvicorn after 5): eight connections are more than all tries."""
    monkeypatch.setattr(client, "WAITS", (0.01,))
    server = serve()
    found = served(server, at_once=8)
    found([f"{text} {i}" for i in range(4) for text in TEXTS])
    assert len(found.client.idle) > 2
    for connection in found.client.idle:
        connection.sock.shutdown(socket.SHUT_RDWR)
    assert found.client.ask("/models")["data"]


def test_no_more_questions_at_once_than_allowed(serve):
    server = serve()
    served(server, at_once=3)(TEXTS)
    assert 1 < server.most_at_once <= 3


def test_a_text_too_long_is_cut_and_counted(serve):
    server = serve()
    server.most = 30
    found, long = served(server), " ".join(["good film"] * 40)
    rows = found([long, "awful"])
    assert found.truncated == 1
    assert found.shortened == {long}
    assert rows[1] == pytest.approx(local()(["awful"])[0], abs=1e-6)
    server.most = 4
    with pytest.raises(ValueError, match="large: the prompt without a text is longer than the server can read"):
        found([long + " a"])


# What goes wrong once, and what for good.


@pytest.mark.parametrize("fault", ["rubbish", "dead", (503, {"error": "busy"}), (429, {"message": "slowly"})])
def test_what_goes_wrong_once_is_asked_again(serve, fault):
    server = serve()
    found = served(server)
    server.faults = [fault, fault, None, fault]
    assert found(TEXTS) == pytest.approx(local()(TEXTS), abs=1e-6)


@pytest.mark.parametrize(
    "fault, reason",
    [
        ("rubbish", r"answers with something that is not JSON \('<html>busy</html>'\), asked 4 times"),
        ("dead", r"does not answer \(RemoteDisconnected\), asked 4 times"),
        ((500, {"error": {"message": "no\nmemory"}}), r"answers with an error \(500: no memory\), asked 4 times"),
        ((400, {"error": {"message": "no such thing"}}), r"refuses \(400: no such thing\)"),
        ((200, "[1]"), r"answers with JSON that is not an object \(\[1\]\)"),
    ],
)
def test_what_goes_wrong_for_good_is_one_sentence(serve, fault, reason):
    server = serve()
    found = served(server)
    server.faults = [fault] * 1000
    with pytest.raises(ValueError, match=rf"^large: the server {server.url} {reason}"):
        found(TEXTS)


def test_a_slow_server_is_given_up(serve):
    server = serve()
    found = served(server, timeout=0.2)
    server.faults = ["slow"] * 1000
    begun = time.monotonic()
    with pytest.raises(InVain, match=r"takes more than 0.2 s to answer .*, asked 2 times"):
        found(TEXTS)
    assert time.monotonic() - begun < 5


def test_nobody_is_there():
    with pytest.raises(InVain, match=r"the server http://127.0.0.1:9/v1 does not answer \(Connection refused\)"):
        as_predictor({"model": "http://127.0.0.1:9/v1", **ASKED}, "large")


@pytest.mark.parametrize(
    "lie, why",
    [
        (lambda log: -9.5, "of one token behind one text it tells two of them"),
        (lambda log: log - 3, "of one token behind one text it tells two of them"),
        (lambda log: float("nan"), "gives nan as a log-probability"),
        (lambda log: 2.5, "gives 2.5 as a log-probability"),
        (lambda log: None, "gives None as a log-probability"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_server_that_makes_up_log_probabilities_is_refused(serve, form, lie, why):
    server = serve(form)
    count = iter(range(10**6))  # every other answer of llama-server's is of a token that it was made to say
    server.lie = lambda log: log if form == "llama" and next(count) % 2 and why.startswith("of one") else lie(log)
    with pytest.raises(InVain, match=why):
        served(server)


def test_a_server_whose_model_does_not_read_is_refused(serve):
    server = serve()
    flat = server.logs([1, 2])[-1:] * 0 - np.log(len(SPOKEN))
    server.logs = lambda ids: np.repeat(flat, len(ids), axis=0)
    with pytest.raises(InVain, match="they are the same whatever stands before; such scores would mean nothing"):
        served(server)


def test_the_chat_template_of_a_server_that_tells_its_tokens(serve):
    asked = {"prompt": "{text}", "verbalizers": ASKED["verbalizers"], "chat": True}
    server = serve("vllm")
    found = served(server, asked)
    assert "".join(found.parts) == "Review : {text} Verdict :"
    words = [word.removeprefix(" ") for word in ASKED["verbalizers"].values()]
    plain = local(ASKED | {"verbalizers": dict(zip(("negative", "positive"), words, strict=True))})
    assert found(TEXTS).argmax(axis=1).tolist() == plain(TEXTS).argmax(axis=1).tolist()
    assert all(not question.get("add_special_tokens", True) for _, question in server.asked[-3:])
    server.say = lost_marks(server.say)
    with pytest.raises(ValueError, match="large's chat template cannot be filled: the server does not give it out"):
        served(server, asked)


def lost_marks(say):
    return lambda path, question: (200, {"prompt": "Review :"}) if path == "/detokenize" else say(path, question)


def test_transformers_serve_has_no_log_probabilities_and_says_what_it_can_do(serve):
    server = serve("transformers")
    with pytest.raises(ValueError, match="has no list of its models: say which"):
        served(server)
    place = {"model": f"{server.url}#tiny", **ASKED}
    why = r"gives no log-probabilities of a given text \(.*\): without them it can only be asked to write"
    with pytest.raises(InVain, match=why) as told:
        as_predictor(place, "large")
    assert "\n" not in str(told.value)


def test_a_server_that_ignores_echo_is_refused(serve):
    with pytest.raises(InVain, match=r"gives no log-probabilities of a given text \(it ignores `echo`"):
        served(serve("ignores"))
    with pytest.raises(InVain, match="gives no log-probabilities of a given text"):
        served(serve("none"))


def test_nan_in_the_middle_is_one_sentence(serve):
    server = serve()
    found = served(server)
    server.lie = lambda log: float("nan")
    with pytest.raises(InVain, match="gives nan as a log-probability"):
        found(TEXTS)


# What is given.


@pytest.mark.parametrize(
    "address, why",
    [
        ("http://me:secret@127.0.0.1/v1", "must not hold a user name, password or query"),
        ("http://127.0.0.1/v1?key=secret", "must not hold a user name, password or query"),
        ("http://", "'http://' is not the address of a server"),
        ("http://127.0.0.1:99999/v1", "is not the address of a server"),
    ],
)
def test_addresses(address, why):
    with pytest.raises(ValueError, match=why) as told:
        as_predictor({"model": address, **ASKED}, "large")
    assert "secret" not in str(told.value)


def test_a_server_of_several_models_is_asked_for_one(serve):
    server = serve(names=("tiny", "other"))
    with pytest.raises(ValueError, match=r"has several models \(tiny, other\): say which, http://.*/v1#NAME"):
        served(server)
    with pytest.raises(ValueError, match="has no such model; it has tiny, other"):
        as_predictor({"model": f"{server.url}#small", **ASKED}, "large")
    as_predictor({"model": f"{server.url}#other", **ASKED}, "large")(TEXTS[:1])
    assert {question.get("model") for _, question in server.asked} == {"other"}


def test_a_key_is_from_the_environment_and_in_no_message(serve, monkeypatch):
    server = serve(key="secret-one")
    with pytest.raises(InVain, match=r"asks for a key \(401\): set its API key in the environment, as TRUSTEQ_API_KEY"):
        served(server)
    monkeypatch.setenv("TRUSTEQ_API_KEY", "secret-one")
    found = served(server)
    assert found(TEXTS[:1]).shape == (1, 2)
    server.faults = [(400, {"error": {"message": "secret-one may not do this"}})] * 100
    with pytest.raises(ValueError, match=r"refuses \(400: \*\*\* may not do this\)"):
        found(TEXTS)


def test_openais_key_goes_to_nobody_who_listens(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert client.Client("http://example.org/v1", "large").key() is None
    assert client.Client("https://example.org/v1", "large").key() == "secret"
    assert client.Client("http://localhost:1/v1", "large").key() == "secret"
    monkeypatch.setenv("TRUSTEQ_API_KEY", "own")
    assert client.Client("http://example.org/v1", "large").key() == "own"


def test_a_server_needs_a_prompt():
    with pytest.raises(ValueError, match="large is a server: give a prompt and verbalizers, so that it can be asked"):
        as_predictor("http://localhost:8000/v1", "large")


def test_an_interrupt_leaves_no_threads_behind(serve):
    server = serve()
    found = served(server, timeout=60.0)
    server.faults = ["slow"] * 1000
    asking = found.client.each([lambda: found.scored("awful")] * 20)
    threading.Timer(0.2, lambda: found.client.stop()).start()
    with pytest.raises(InVain):
        next(asking)
    time.sleep(0.3)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asking")]
