"""May this model of the Hub be opened here? It is looked at before a byte of it is fetched: its files, sizes and kind.

Only weights in safetensors are fetched, from the Hugging Face Hub alone, without anybody's token; no code of the model
ever runs; and a configuration that would build something huge is refused before it builds anything.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from limits import HUB_SECONDS, MEGABYTES, check_hub_id, time_limit
from workshop import WORKSHOP

from trusteq.models.checkpoints import HEADS

WEIGHTS = "model.safetensors"
# What describes a model and how it reads, all of it data.
READ = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
READ += ["vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model"]
KINDS = [
    "albert",
    "bert",
    "camembert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "mobilebert",
    "modernbert",
    "mpnet",
    "nystromformer",
]
KINDS += ["roberta", "squeezebert", "xlm-roberta"]
SPEAKING = ["gpt2", "gpt_neo", "gpt_neox", "llama", "mistral", "olmo2", "opt", "phi", "qwen2", "qwen3", "smollm3"]
# Numbers of a configuration, by what their name says; theta is none of a size.
LARGEST = {"layers": 48, "vocab": 300_000, "position": 150_000, "theta": 1e9, "other": 20_000}


def fetch(name: str, open_folder: Callable[[str, bool], Any], api: Any = None) -> Any:
    """What `open_folder` makes of the model's files, which are removed again; it is told whether that is a language
    model."""
    name = check_hub_id(name)
    revision, files = look_up(name, api := api or hub())
    with tempfile.TemporaryDirectory(prefix="hub-model-") as folder:
        try:
            api.snapshot_download(name, revision=revision, allow_patterns=files, local_dir=folder, token=False)
        except Exception as error:
            raise ValueError(f"the files of {name} could not be fetched from the Hugging Face Hub") from error
        speaks = check_config(name, Path(folder))
        try:
            return open_folder(folder, speaks)
        except Exception as error:
            what = "language model" if speaks else "text classifier"
            raise ValueError(f"{name} could not be opened: it is no {what} that this page can use") from error


class Hub:
    """The Hub as this page asks it; files come through a process that is ended when they take too long."""

    def model_info(self, name: str, **given: Any) -> Any:
        return client().model_info(name, **given)

    def snapshot_download(self, name: str, **given: Any) -> None:
        with time_limit(HUB_SECONDS, None):  # whoever asked first may leave: others may wait for the same
            WORKSHOP.run("hub", "download", name, given)


def download(name: str, given: dict[str, Any]) -> None:
    client().snapshot_download(name, **given)


def client() -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint="https://huggingface.co", token=False)


def hub() -> Any:
    return Hub()


def look_up(name: str, api: Any) -> tuple[str, list[str]]:
    """The revision that was looked at, and which of its files are needed; or why it is refused."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(name, files_metadata=True, timeout=10, token=False)
    except RepositoryNotFoundError:
        raise ValueError(f"there is no public model {name} on the Hugging Face Hub") from None
    except Exception as error:
        raise ValueError(
            f"the Hugging Face Hub cannot be reached from here, so {name} cannot be fetched: the bundled models work"
        ) from error
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    if WEIGHTS not in sizes:
        raise ValueError(f"{name} has no {WEIGHTS}: this page opens no other kind of weights, which could hold code")
    wanted = [file for file in (WEIGHTS, *READ) if file in sizes]
    unknown = [file for file in wanted if not isinstance(sizes[file], int)]
    if unknown or sum(sizes[file] for file in wanted) > MEGABYTES * 1e6:
        size = "of unknown size" if unknown else f"{sum(sizes[file] for file in wanted) / 1e6:,.0f} MB"
        raise ValueError(f"{name} is too large for this page: {size}, and the limit is {MEGABYTES} MB")
    return str(info.sha), wanted


def check_config(name: str, folder: Path) -> bool:
    """Of a known kind, with code of transformers alone, and no larger in memory than its weights may be on disk. Gives
    whether it is a language model."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind, numbers = config["model_type"], list(all_numbers(config))
        heads = [str(head) for head in config.get("architectures") or []]
    except Exception as error:
        raise ValueError(f"{name} has no config.json that could be read") from error
    speaks = any(head.endswith(HEADS["CausalLM"]) for head in heads)
    kinds = SPEAKING if speaks else KINDS
    if kind not in kinds:
        what = "language models" if speaks else "classifiers"
        raise ValueError(f"{name} is a {str(kind)[:40]!r}; of {what} this page opens {', '.join(kinds)}")
    if "auto_map" in config:
        raise ValueError(f"{name} brings code of its own, and this page runs none")
    for key, value in numbers:
        part = next((part for part in LARGEST if part in key), "other")
        if "token_id" not in key and not abs(value) <= LARGEST[part]:
            raise ValueError(f"{name} has {key[:40]} = {value:g} in its configuration, too much for this page")
    import torch
    import transformers

    try:
        with torch.device("meta"):
            auto = getattr(transformers, f"AutoModelFor{'CausalLM' if speaks else 'SequenceClassification'}")
            made = auto.from_config(
                transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=False), trust_remote_code=False
            )
    except Exception as error:
        raise ValueError(f"{name} has a configuration that no model can be made from") from error
    parts = [4 * one.numel() for one in made.parameters()] + [one.numel() * one.itemsize for one in made.buffers()]
    if (size := sum(parts) / 1e6) > 2 * MEGABYTES:
        raise ValueError(f"{name} would take {size:,.0f} MB of memory, and the limit is {2 * MEGABYTES} MB")
    return speaks


def all_numbers(value: Any, key: str = "") -> Any:
    """Every number in a configuration, with the key that it lies under."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from all_numbers(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from all_numbers(item, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value
