"""Which words fit where another one stands? What a masked language model would put there."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trusteq.attack.moves import Found, InContext
from trusteq.attack.outcomes import Questions
from trusteq.attack.word_vectors import whole_words
from trusteq.checks import failure
from trusteq.kinds.text import Draft, in_case_of
from trusteq.models.batches import START, TOKENS, batches
from trusteq.models.checkpoints import open_network
from trusteq.models.classifiers import in_evaluation, longest_input

Place = tuple[str, tuple[int, int]]  # a text, and where in it a word begins and ends
LIKELIEST = 64  # words that are kept of each place; fewer are used, since the word itself is among them


class MaskedWords(InContext):
    """The `most` likely words in the place of a word of the original text, likeliest first, as a transformation.

    The model is a path, a Hub id, (model, tokenizer), or a callable that takes a list of (text, (start, end)) and gives
    a list of words for each.
    """

    def __init__(self, model: Any, most: int = 48, **settings: Any):
        self.most = most
        self.model = Substitutes(model, **settings)

    def prepare(self, draft: Draft, indices: Sequence[int], ask: Questions) -> None:
        ask.of(self.model, [self.place(draft, index) for index in indices])

    def replacements(self, draft: Draft, index: int, ask: Questions) -> list[str]:
        (found,) = ask.of(self.model, [self.place(draft, index)])
        word = draft.original_words[index]
        return [in_case_of(word, other) for other in found.words if other.lower() != word.lower()][: self.most]

    def place(self, draft: Draft, index: int) -> Place:
        return draft.part(draft.original), draft.spans[index]


class Substitutes:
    """Places in, a list of words for each out; what gives no words is named in one sentence."""

    def __init__(self, given: Any, device: Any = None, dtype: Any = None, trust_remote_code: bool = False, **_: Any):
        opened = open_network(given, "masked_model", device, dtype, trust_remote_code, task="MaskedLM")
        self.substitutes: Callable[[list[Place]], Any] = MaskedLanguageModel(*opened) if opened else given
        if not callable(self.substitutes):
            kinds = "a path, a Hub id, (model, tokenizer) or a callable"
            raise ValueError(f"masked_model must be {kinds}, got {type(given).__name__}")

    def __call__(self, places: Sequence[Place]) -> list[Found]:
        distinct = list(dict.fromkeys(places))
        try:
            found = list(self.substitutes(distinct))
        except Exception as error:
            raise ValueError(f"masked_model failed ({failure(error)})") from error
        good = all(isinstance(words, list | tuple) and all(isinstance(word, str) for word in words) for words in found)
        if len(found) != len(distinct) or not good:
            raise ValueError(f"masked_model must return a list of words for each of {len(distinct)} places")
        answers = {place: Found(list(words)) for place, words in zip(distinct, found, strict=True)}
        return [answers[place] for place in places]


class MaskedLanguageModel:
    """A transformers model. As in BERT-Attack it reads the text as it is; only a word of several tokens is masked."""

    def __init__(self, model: Any, tokenizer: Any):
        if not getattr(tokenizer, "is_fast", False) or tokenizer.mask_token is None:
            raise ValueError("masked_model needs a fast tokenizer with a mask token")
        self.model, self.tokenizer = model, tokenizer
        words = whole_words(tokenizer)
        self.numbers, self.words = list(words), list(words.values())
        self.length = longest_input(model, tokenizer)

    def __call__(self, places: Sequence[Place]) -> list[list[str]]:
        encoded = self.encode([text for text, _ in places])
        asked: list[tuple[str, int] | None] = []  # for each place the text that is read, and a token of it
        for text, (start, end) in places:
            tokens = tokens_between(encoded[text][1], start, end)
            if len(tokens) > 1:
                text = text[:start] + self.tokenizer.mask_token + text[end:]
                encoded |= self.encode([text])
                tokens = tokens_between(encoded[text][1], start, start + len(self.tokenizer.mask_token))
            asked.append((text, tokens[0]) if tokens else None)  # none: beyond what the model can read
        found = self.read(encoded, [question for question in asked if question])
        return [found[question] if question else [] for question in asked]

    def encode(self, texts: list[str]) -> dict[str, tuple[list[int], list[tuple[int, int]]]]:
        """The tokens of each text, and where each of them begins and ends."""
        settings = {"truncation": True, "max_length": self.length, "return_offsets_mapping": True}
        texts = list(dict.fromkeys(texts))
        made = self.tokenizer(texts, **settings)
        return dict(zip(texts, zip(made["input_ids"], made["offset_mapping"], strict=True), strict=True))

    def read(self, encoded: dict[str, Any], asked: list[tuple[str, int]]) -> dict[tuple[str, int], list[str]]:
        """The likeliest words at each of the tokens."""
        import torch

        found: dict[tuple[str, int], list[str]] = {}
        places: dict[str, list[int]] = {}
        for text, token in dict.fromkeys(asked):
            places.setdefault(text, []).append(token)
        texts = list(places)
        kind = self.model.device.type
        most, start = TOKENS.get(kind, TOKENS["cpu"]), START.get(kind, START["cpu"])
        numbers = torch.tensor(self.numbers, device=self.model.device)
        padding = self.tokenizer.pad_token_id or 0
        for batch in batches(np.array([len(encoded[text][0]) for text in texts]), lambda: most, start):
            some = [texts[i] for i in batch]
            rows = [torch.tensor(encoded[text][0]) for text in some]
            ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
            with torch.inference_mode(), in_evaluation(self.model):
                logits = self.model(input_ids=ids.to(numbers.device), attention_mask=mask.to(numbers.device)).logits
                for text, row in zip(some, logits, strict=True):
                    likely = row[places[text]][:, numbers].topk(min(LIKELIEST, len(numbers))).indices.tolist()
                    found |= {(text, token): [self.words[i] for i in best]
                              for token, best in zip(places[text], likely, strict=True)}  # fmt: skip
        return found


def tokens_between(offsets: Sequence[tuple[int, int]], start: int, end: int) -> list[int]:
    """Which tokens lie in this part of the text.

    >>> tokens_between([(0, 0), (0, 4), (5, 8), (8, 11), (0, 0)], 5, 11)
    [2, 3]
    """
    return [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
