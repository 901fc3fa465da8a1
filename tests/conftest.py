"""What all tests share: a throwaway cache, no network, and the public data where it is at hand."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

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
