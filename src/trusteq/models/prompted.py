"""What is asked with a prompt, wherever the model runs: log-probabilities of answers become those of labels."""

from collections.abc import Sequence

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

    def both(
        self, texts: Sequence[Text], probabilities: bool = True, embeddings: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        self.on_labels, self.shortened = {}, set()
        return super().both(texts, probabilities, embeddings)

    def check_kind(self, texts: list[Text]) -> None:
        if isinstance(texts[0], tuple) != self.prompt.pairs:
            needs = "pairs of texts" if self.prompt.pairs else "texts that are not pairs"
            raise ValueError(f"{self.name}: the prompt takes {needs}")

    def of_scores(self, texts: list[Text], scores: np.ndarray, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Probabilities from the answers' log-probabilities; `tokens` says how many each answer has."""
        self.on_labels |= zip(texts, np.exp(logsumexp(scores, axis=1)).tolist(), strict=True)
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
