"""llama.cpp's own server, from the package xllamacpp: the scores and texts of the model itself; and its death."""

import gc
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from tiny_gguf import tiny_gguf

from trusteq.audit.family import twins_of
from trusteq.cli import audit, generate
from trusteq.models import client
from trusteq.models.open import as_predictor
from trusteq.models.prompts import Prompt
from trusteq.models.writing import Decoding, open_writer

if importlib.util.find_spec("xllamacpp") is None:
    pytest.skip("needs llama.cpp's server: pip install xllamacpp", allow_module_level=True)

SERVER = """
import sys, time, xllamacpp
given = xllamacpp.CommonParams()
given.model.path, given.port = sys.argv[1], int(sys.argv[2])
given.n_ctx, given.n_parallel, given.warmup = 1024, 4, False
given.cpuparams.n_threads = 1
given.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED  # computes in float16
given.cache_type_k = given.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
server = xllamacpp.Server(given)
print(server.listening_address, flush=True)
time.sleep(600)
"""
ASKED = {"prompt": "Review: {text}\nSentiment:", "verbalizers": {"negative": " bad", "positive": " good"}}
TEXTS = ["a fine film", "dull and long", "I did not like it, but others may"]


class LlamaServer:
    def __init__(self, file, port=0):
        with socket.create_server(("127.0.0.1", port)) as free:
            self.port = free.getsockname()[1]
        words = [sys.executable, "-c", SERVER, str(file), str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().strip() + "/v1"

    def kill(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiny_gguf(tmp_path_factory.mktemp("llama") / "tiny.gguf")


@pytest.fixture
def server(file):
    made = LlamaServer(file)
    yield made
    made.kill()


def test_labels_have_the_probabilities_of_the_model_itself(file, server):
    own, served = (as_predictor({"model": place, **ASKED}, "large") for place in (str(file), server.url))
    rows = own(TEXTS), served(TEXTS)
    assert np.log(rows[1]) == pytest.approx(np.log(rows[0]), abs=1e-4)
    assert list(served.on_labels.values()) == pytest.approx(list(own.on_labels.values()), rel=1e-4)


def test_it_writes_what_the_model_itself_writes(file, server):
    given = Prompt(prompt="{text}"), Decoding(6)
    own, served = (dict(open_writer(place, "large", *given).write(TEXTS)) for place in (str(file), server.url))
    assert [served[i].text for i in range(3)] == [own[i].text for i in range(3)]


@pytest.mark.parametrize("task", ["classify", "generate"])
def test_killed_in_the_middle_the_audit_goes_on_with_another(file, server, tmp_path, capsys, monkeypatch, task):
    monkeypatch.setattr(client, "WAITS", (0.01, 0.01))
    rows = [{"text": f"{i} a film", "label": ["negative", "positive"][i % 2]} for i in range(60)]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    how = ["--prompt", ASKED["prompt"].replace("\n", r"\n"), "--verbalizers", "negative= bad", "positive= good"]
    how = [*how, "--dimensions", "prediction_error_jaccard"] if task == "classify" else ["--max-tokens", "6"]
    main = (audit if task == "classify" else generate).main
    words = ["--task", task, "--large", str(file), "--dataset", str(tmp_path / "reviews.jsonl"), *how]
    words += ["--out", str(tmp_path / "out")]
    said, once = [0], client.Client.once

    def counted(self, where, question):
        said[0] += 1
        if said[0] == 40:
            threading.Thread(target=server.kill).start()
        return once(self, where, question)

    monkeypatch.setattr(client.Client, "once", counted)
    address = server.url
    assert main([*words, "--compressed", f"served={address}"]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith(f"trusteq audit: served: the server {address} does not answer (")
    assert told.endswith("its answers so far are kept: give --resume to go on from there")
    again = LlamaServer(file, server.port)
    try:
        assert main([*words, "--compressed", f"served={again.url}", "--resume"]) == 0, capsys.readouterr().err
    finally:
        again.kill()


# Started for the user: llama.cpp:FILE.


def test_a_file_is_run_by_llama_cpp_for_as_long_as_it_is_asked(file):
    own, found = (as_predictor({"model": place, **ASKED}, "large") for place in (str(file), f"llama.cpp:{file}"))
    assert np.log(found(TEXTS)) == pytest.approx(np.log(own(TEXTS)), abs=1e-4)
    assert found.surprise(TEXTS, "perplexity") == pytest.approx(own.surprise(TEXTS, "perplexity"), abs=1e-4)
    found(["very long " * 200])
    assert found.truncated == 1  # it reads what the model was trained on, and no more
    address = found.client.host, found.client.port
    socket.create_connection(address).close()
    del found
    gc.collect()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@pytest.mark.parametrize("task", ["classify", "generate"])
def test_other_kernels_are_a_floor(file, tmp_path, capsys, task):
    rows = [{"text": f"{i} a film", "label": ["negative", "positive"][i % 2]} for i in range(20)]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    how = ["--prompt", ASKED["prompt"].replace("\n", r"\n"), "--verbalizers", "negative= bad", "positive= good"]
    how = [*how, "--dimensions", "prediction_error_jaccard"] if task == "classify" else ["--max-tokens", "6"]
    main = (audit if task == "classify" else generate).main
    words = ["--task", task, "--large", f"llama.cpp:{file}", "--dataset", str(tmp_path / "reviews.jsonl"), *how]
    words += ["--compressed", f"other={tiny_gguf(tmp_path / 'other.gguf', seed=1)}", "--floor", "kernels"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0, capsys.readouterr().err
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {name: model["role"] for name, model in found["models"].items()} == {
        "large": "large",
        "kernels": "twin",
        "other": "compressed",
    }
    assert found["models"]["large"]["source"] == "llama.cpp:tiny.gguf"
    assert found["pairs"][0]["dimensions"]["prediction_error_jaccard"]["value"] == 1.0
    told = " ".join(capsys.readouterr().out.split())
    assert "itself by other kernels (kernels), llama.cpp's or those of transformers" in told


@pytest.mark.parametrize(
    "place, why",
    [
        ("llama.cpp:{}/none.gguf", "there is no GGUF file .*none.gguf: llama.cpp: stands before one"),
        ("llama.cpp:{}/odd.gguf", "llama.cpp cannot read odd.gguf: "),
        ("llama.cpp:{}/torn.gguf", "llama.cpp cannot read torn.gguf: "),
    ],
)
def test_what_llama_cpp_cannot_read_is_one_sentence(file, tmp_path, place, why):
    tiny_gguf(tmp_path / "odd.gguf", architecture="clip")
    (tmp_path / "torn.gguf").write_bytes(file.read_bytes()[:3000])
    with pytest.raises(ValueError, match=f"^large: {why}") as told:
        as_predictor({"model": place.format(tmp_path), **ASKED}, "large")
    assert "\n" not in str(told.value)


def test_a_floor_of_kernels_takes_a_file_that_both_run(tmp_path):
    with pytest.raises(ValueError, match="floor='kernels' takes a GGUF file as the large model"):
        twins_of(None, "kernels", {"model": "owner/name", **ASKED})
