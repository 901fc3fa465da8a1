"""What all tests share: a throwaway cache, no network, and the public data where it is at hand."""

import atexit
import http.server
import os
import shutil
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

# Set before `evaluate` is imported: what this run loads is copied to a folder of its own, and nothing asks a server.
cache = tempfile.mkdtemp(prefix="trust-equivalence-tests-")
atexit.register(shutil.rmtree, cache, ignore_errors=True)
os.environ |= {
    "HF_HOME": cache,
    "HF_HUB_OFFLINE": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_TEMP_DIR": str(Path(cache) / "gradio"),
}
os.environ.pop("HF_MODULES_CACHE", None)


def pytest_addoption(parser):
    parser.addoption("--data", help="folder of the public data (default: the variable TRUST_EQUIVALENCE_DATA)")


@pytest.fixture(scope="session")
def data(request):
    """`data("miniature_errors")` is that folder of the public data; a test that needs a missing one is skipped."""
    given = request.config.getoption("--data") or os.environ.get("TRUST_EQUIVALENCE_DATA")

    def folder(name):
        how = "give the folder that holds it with --data FOLDER or TRUST_EQUIVALENCE_DATA=FOLDER"
        if not given:
            pytest.skip(f"needs the public data {name}: {how}")
        path = Path(given) / name
        if not path.is_dir():
            pytest.skip(f"no public data {name} in {given}: {how}")
        return path

    return folder


@pytest.fixture(scope="module")
def browser():
    """Chromium; none is left open between two files, since no two may be at once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    chromium = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as tools:
        opened = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def space(tmp_path_factory):
    """The Space, served on loopback for tiny models; `.url`, and what `build` made of it."""
    from served_space import Served

    served = Served(tmp_path_factory.mktemp("family"))
    yield served
    served.close()


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Checkpoints and files of texts, for `trusteq audit`."""
    from small_audits import files

    return files(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="session")
def processes():
    from small_audits import fork_server

    return fork_server()


@pytest.fixture(scope="session")
def uninterrupted(place, processes, tmp_path_factory):
    """What the command printed, and where it wrote."""
    from small_audits import finished, whole

    folder = tmp_path_factory.mktemp("uninterrupted")
    code, said = finished(processes, [*whole(place), "--out", str(folder / "out")], folder / "log")
    assert code == 0, said
    return said, folder / "out"


@pytest.fixture
def spy():
    """A server on loopback that notes every request that reaches it."""
    hits = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(200)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"references,predictions,large_predictions\n1,1,1\n")

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", hits=hits)
    server.shutdown()
