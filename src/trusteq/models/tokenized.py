"""What was tokenized for one model need not be tokenized again for the next: models of a family are asked the same
texts, and most of them split these alike."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from trusteq.kinds.text import Text, parts_of

LONG = 512  # characters of a text that is not kept
ROOM = 2**20  # characters of all that are: of the latest questions, since models are asked in turn
Encoded = dict[str, list[list[int]]]  # rows of numbers for each text, by the names that a model gives them


class Tokens:
    """The tokens of the latest texts, for all models whose tokenizers are alike; nothing is kept for one alone."""

    def __init__(self) -> None:
        self.users: WeakSet[Any] = WeakSet()
        self.known: dict[Text, dict[str, list[int]]] = {}
        self.size = 0

    def of(self, texts: list[Text], tokenize: Callable[[list[Text]], Encoded]) -> Encoded:
        """
        >>> tokens, asked = Tokens(), []
        >>> tokenize = lambda texts: asked.append(texts) or {"input_ids": [[len(text)] for text in texts]}
        >>> models = Tokens(), Tokens()  # any two objects
        >>> tokens.users.update(models)
        >>> tokens.of(["a", "bb"], tokenize), tokens.of(["bb", "ccc"], tokenize), asked
        ({'input_ids': [[1], [2]]}, {'input_ids': [[2], [3]]}, [['a', 'bb'], ['ccc']])
        """
        if len(self.users) < 2:
            return tokenize(texts)
        found = {text: self.known.get(text) for text in texts}
        if new := [text for text, rows in found.items() if rows is None]:
            encoded = tokenize(new)
            for i, text in enumerate(new):
                found[text] = {name: rows[i] for name, rows in encoded.items()}
                self.keep(text, found[text])
        names = next(iter(found.values())) or {}
        return {name: [(found[text] or {})[name] for text in texts] for name in names}

    def keep(self, text: Text, rows: Any) -> None:
        size = sum(map(len, parts_of(text)))
        if size > LONG:
            return
        self.known[text] = rows
        self.size += size
        while self.size > ROOM and self.known:
            oldest = next(iter(self.known))
            if self.known.pop(oldest, None) is not None:  # unless another thread did it
                self.size -= sum(map(len, parts_of(oldest)))


KEPT: WeakValueDictionary[str, Tokens] = WeakValueDictionary()


def tokens_for(model: Any, tokenizer: Any) -> Tokens:
    """What `model` shares with all others whose tokenizers say the same of every text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return Tokens()
    also = [type(tokenizer).__name__, tokenizer.model_input_names, getattr(tokenizer, "split_special_tokens", None)]
    key = hashlib.sha256((json.dumps(also) + backend.to_str()).encode()).hexdigest()
    tokens = KEPT.setdefault(key, Tokens())
    tokens.users.add(model)
    return tokens
