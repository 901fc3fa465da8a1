"""The Space on loopback, for the tests: tiny models with random weights, and some of the bundled texts."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import app
import evaluate
import tiny_models
from gradio_client import Client

from trusteq.audit.bundled import bundled_family

ROOT = Path(__file__).resolve().parent.parent
SPACE = ROOT / "spaces" / "trust_equivalence"
CLASSES = ("negative", "positive")


@cache
def metric(name: str) -> Any:
    """A metric of the clone, beside which the page's figures are held."""
    return evaluate.load(str(ROOT / "metrics" / name))


def family(folder: Path, count: int = 60) -> dict:
    """A family as `Models` takes it, with the first reviews; the weights are random, which no test minds."""
    names = ("large", "twin", "distilled", "tiny")
    made = {name: str(tiny_models.checkpoint(folder / name, seed=i, labels=CLASSES)) for i, name in enumerate(names)}
    bundled = bundled_family()
    return {
        "large": made["large"],
        "twin": made["twin"],
        "compressed": {"distilled": made["distilled"], "tiny": made["tiny"], "quantized": "derived:quantized"},
        **{name: bundled[name][:count] for name in ("texts", "references", "ood_texts")},
    }


class Served:
    """The page, started; it takes no visitor before everything was asked once."""

    def __init__(self, folder: Path):
        self.family = family(folder)
        self.page = app.build(self.family)
        app.warm_up(self.page)
        _, self.url, _ = app.start(self.page, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")

    @property
    def models(self):
        """The models behind the page."""
        return self.handler("why").__wrapped__.__self__.models

    def handler(self, name: str):
        """The function behind a named endpoint."""
        return next(one.fn for one in self.page.fns.values() if one.api_name == name)

    def ask(self, name: str, *inputs):
        """What an endpoint gives, called as a function; of a handler that yields, the last."""
        found = self.handler(name)(*inputs)
        return found if isinstance(found, tuple) else list(found)[-1]

    def client(self):
        return Client(self.url, verbose=False, download_files=os.environ["GRADIO_TEMP_DIR"])

    def close(self):
        self.page.close(verbose=False)
