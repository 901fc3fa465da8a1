"""What is asked with a prompt, wherever the model runs: log-probabilities of answers become those of labels."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.special import logsumexp, softmax

from trusteq.kinds.text import Text
from trusteq.models.predictor import Predictor
from trusteq.models.prompts import Prompt
from trusteq.scaling import Scaling


class Prompted(Predictor):
    """What is asked with a prompt: answers have log-probabilities, and the labels the softmax of these."""

    prompt: Prompt
    calibration: Scaling | None = None
    on_labels: dict[Text, float]  # of the texts asked last: how probable it is that a label follows
    shortened: set[Text]  # of them those that were cut
    next_token = False  # an answer counts by its first token, among all that could come next
    listens: str | None = None  # for a score of `surprise`, too, while it is asked, where the same pass can give it
    heard: dict[Text, float]  # what it was

    @cached_property
    def ways(self) -> dict[str, Callable[[Sequence[Text]], np.ndarray]]:
        return {}

    def under(self, prompt: Prompt, next_token: bool = False) -> Callable[[Sequence[Text]], np.ndarray]:
        """The same model asked in another way, with other solved examples say: a callable, always the same for one way.

        With `next_token` a row holds p(first token of the answer) of every label, and at last that of all other tokens.
        """
        if prompt == self.prompt and not next_token:
            return self
        key = repr((prompt, next_token))
        if key not in self.ways:
            made = copy.copy(self)
            made.__dict__.pop("ways", None)
            made.classes, made.next_token, made.quiet = None, next_token, True
            made.take(prompt)

            def ask(texts: Sequence[Text]) -> np.ndarray:
                made.order, before = self.order, made.truncated
                rows = made(texts)
                self.truncated += made.truncated - before
                return rows

            self.ways[key] = ask
        return self.ways[key]

    def take(self, prompt: Prompt) -> None:
        """Ask with this prompt from now on."""
        self.prompt, self.names = prompt, prompt.names
        self.on_labels, self.shortened = {}, set()
        self.listens, self.heard = None, {}

    def both(
        self, texts: Sequence[Text], probabilities: bool = True, embeddings: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        self.on_labels, self.shortened, self.heard = {}, set(), {}
        return super().both(texts, probabilities, embeddings)

    def check_kind(self, texts: list[Text]) -> None:
        if isinstance(texts[0], tuple) != self.prompt.pairs:
            needs = "pairs of texts" if self.prompt.pairs else "texts that are not pairs"
            raise ValueError(f"{self.name}: the prompt takes {needs}")

    def of_scores(self, texts: list[Text], scores: np.ndarray, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Probabilities from the answers' log-probabilities; `tokens` says how many each answer has."""
        self.on_labels |= zip(texts, np.exp(logsumexp(scores, axis=1)).tolist(), strict=True)
        if self.next_token:
            said = np.exp(scores)
            return np.column_stack([said, np.clip(1 - said.sum(axis=1), 0, None)])
        rows = softmax(scores / self.lengths(texts, scores, tokens), axis=1)
        return rows if self.calibration is None else self.calibration.of(rows)

    def lengths(self, texts: list[Text], scores: np.ndarray, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """What the log-probabilities are divided by."""
        found = np.ones_like(scores)
        if self.prompt.length == "total":
            return found
        for row, text, some in zip(found, texts, tokens, strict=True):
            of_words = [len(words.strip()) for words in self.prompt.answers(text)]
            row[: len(some)] = some if self.prompt.length == "mean" else of_words
        return found

    def answers_to(self, text: Text) -> list[str]:
        """What may follow the prompt, of options no more than there is room for."""
        said = self.prompt.answers(text)
        if self.prompt.verbalizers is None and len(said) > self.prompt.most:
            raise ValueError(f"{self.name}: a question has {len(said)} options, more than most={self.prompt.most}")
        return said

    def surprise(self, texts: list[Text], score: str) -> list[float]:
        """How strange each text is by itself, behind what stands before it in the prompt: a mean over its tokens.

        "perplexity" is the mean of -log p(token), "vocabulary" that of the entropy of what could have come.
        """
        raise NotImplementedError


def worded(predictor: Predictor, wording: str | None) -> Callable[[Sequence[Text]], np.ndarray]:
    """The model, or where there is another wording of its prompt, the model under that one."""
    if wording is None:
        return predictor
    if not isinstance(predictor, Prompted):
        raise ValueError(f"{predictor.name} has no prompt that could be said otherwise")
    return predictor.under(replace(predictor.prompt, prompt=wording))
