"""How few word pieces will do? Trims a tokenizer to the pieces that some texts use, and says which rows stay.

A small model trained on one kind of text spends most of its parameters on pieces that it never sees. What is outside
the kept pieces is still read: WordPiece falls back to shorter ones, and single characters are always kept."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

KINDS = ("WordPiece", "WordLevel")


def trim(tokenizer: Any, texts: list[str], size: int) -> tuple[Any, list[int]]:
    """A tokenizer of the `size` pieces that the texts use most, and the old ids of its pieces, in their order.

    Special tokens and single characters of Latin script come first, whether they are used or not.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"the vocabulary of a {type(tokenizer).__name__} cannot be trimmed: it is written in Python")
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] not in KINDS:
        raise ValueError(f"a {state['model']['type']} vocabulary cannot be trimmed; expected {' or '.join(KINDS)}")
    pieces: dict[str, int] = state["model"]["vocab"]
    special = {entry["content"] for entry in state["added_tokens"]} | set(tokenizer.all_special_tokens)
    always = [i for piece, i in pieces.items() if piece in special or is_latin(piece.removeprefix("##"))]
    if size < len(always):
        raise ValueError(f"the vocabulary needs at least {len(always)} pieces: special tokens and single characters")
    kept = list(dict.fromkeys(always + by_use(tokenizer, texts)))[:size]
    old = sorted(kept)
    new = {identity: place for place, identity in enumerate(old)}
    state["model"]["vocab"] = {piece: new[i] for piece, i in pieces.items() if i in new}
    for entry in state["added_tokens"]:
        entry["id"] = new[entry["id"]]
    renumber(state["post_processor"], new)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for stale in ("vocab.txt", "added_tokens.json"):
            (Path(folder) / stale).unlink(missing_ok=True)
        (Path(folder) / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        return AutoTokenizer.from_pretrained(folder), old


def by_use(tokenizer: Any, texts: list[str]) -> list[int]:
    """Ids of the pieces that the texts use, the most used first."""
    used: Counter[int] = Counter()
    for start in range(0, len(texts), 8192):
        for ids in tokenizer(texts[start : start + 8192], add_special_tokens=False, verbose=False)["input_ids"]:
            used.update(ids)
    return [identity for identity, _ in used.most_common()]


def is_latin(character: str) -> bool:
    """A single character that English text may hold: Latin script, digits, and punctuation, curly quotes too."""
    return len(character) == 1 and (ord(character) < 0x250 or 0x2000 <= ord(character) < 0x2070)


def renumber(processor: Any, new: dict[int, int]) -> None:
    """The ids of special tokens, wherever the step that adds them to a text keeps them."""
    if not processor:
        return
    for step in processor.get("processors", []):
        renumber(step, new)
    for end in ("sep", "cls"):
        if end in processor:
            processor[end][1] = new[processor[end][1]]
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new[identity] for identity in token["ids"]]
