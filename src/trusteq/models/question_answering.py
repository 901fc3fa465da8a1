"""What does a model answer to a question about a text, and how sure is it? Extractive answers as in SQuAD 2.0.

`read_squad` reads questions, `as_question_answerer` makes a model answer them: the best span of the context, or no
answer at all where that scores higher. The answers go to prediction_error_jaccard (task="squad_v2"), the embeddings of
question and context to representation_overlap, and `ood_score` of the answers to ood_divergence (score="given")."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trusteq.checks import brief, check_characters
from trusteq.models.checkpoints import open_network
from trusteq.models.classifiers import ModelPredictor
from trusteq.progress import progress_bar
from trusteq.squad import acceptable, answer_texts, normalize_answer

Row = dict[str, Any]  # id, question, context and answers: {"text": [...], ...}; none is the answer "there is none"
PIECE = 1024  # questions whose logits are held at a time
BEST = 20  # spans that share the probability with "no answer", as in the SQuAD scripts


def read_squad(source: Any) -> list[Row]:
    """Questions from a SQuAD json file, or from rows (a list of dicts, a `datasets` data set), checked.

    >>> row = {"id": "1", "question": "Who?", "context": "Ann did it.", "answers": {"text": ["Ann"]}}
    >>> read_squad([row]) == [row]
    True
    """
    if isinstance(source, str | os.PathLike):
        source = read_file(os.fspath(source))
    if isinstance(source, dict | bytes) or not isinstance(source, Iterable) or getattr(source, "ndim", 1) == 0:
        raise ValueError(f"questions must be a SQuAD json file or rows, got {type(source).__name__}")
    rows = [read_row(i, row) for i, row in enumerate(source)]
    if not rows:
        raise ValueError("questions are empty")
    if repeated := [key for key, count in Counter(row["id"] for row in rows).items() if count > 1]:
        raise ValueError(f"questions hold the id {brief(repeated[0])} more than once")
    return rows


def read_file(path: str) -> list[Any]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"questions: {path} could not be read as json: {error}") from None
    if isinstance(found, list):
        return found
    try:
        return [
            {**question, "context": paragraph["context"]}
            for article in found["data"]
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (KeyError, TypeError):
        raise ValueError(f"questions: {path} has not SQuAD's form (data, paragraphs, qas)") from None


def read_row(index: int, row: Any) -> Row:
    if not isinstance(row, dict):
        raise ValueError(f"questions[{index}] must be a dict, got {type(row).__name__}")
    for key in ("id", "question", "context"):
        if not isinstance(row.get(key), str):
            raise ValueError(f"questions[{index}] needs a string as {brief(key)}, got {brief(row.get(key))}")
    for key in ("question", "context"):
        check_characters(f"questions[{index}]", row[key])
    if not row["question"].strip():
        raise ValueError(f"questions[{index}] is blank")
    texts = answer_texts(answers := row.get("answers", []))
    if texts is None:
        raise ValueError(f"questions[{index}] needs answers with a list of strings as 'text', got {brief(answers)}")
    return {key: row[key] for key in ("id", "question", "context")} | {"answers": {"text": texts}}


def as_question_answerer(
    model: Any, name: str, device: Any = None, dtype: Any = None, trust_remote_code: bool = False, **settings: Any
) -> "QuestionAnswerer":
    """A model that answers questions, from a local path, a Hub id, a pipeline or (model, tokenizer).

    Settings: threshold, length, stride, longest (see QuestionAnswerer); pooling ("mean" or "cls"), layer, tokens.
    """
    opened = open_network(model, name, device, dtype, trust_remote_code, task="QuestionAnswering")
    if opened is None:
        raise ValueError(f"{name} must be a local path, a Hub id, a pipeline or (model, tokenizer), got {brief(model)}")
    of_network = {key: settings.pop(key) for key in ("pooling", "layer", "tokens") if key in settings}
    return QuestionAnswerer(SpanPredictor(*opened, name, **of_network), **settings)


class SpanPredictor(ModelPredictor):
    """A transformers model that scores every token as an answer's start and as its end."""

    stays = "it answers with spans"

    def _probabilities(self, output: Any) -> np.ndarray:
        import torch

        if getattr(output, "start_logits", None) is None:
            raise ValueError(f"{self.name} has no head for extractive question answering")
        logits = torch.stack([output.start_logits, output.end_logits], dim=1).float()
        if not logits.isfinite().all():
            raise ValueError(f"{self.name} returned NaN or infinity")
        return logits.cpu().numpy()


class QuestionAnswerer:
    """A callable: rows of questions in, one answer each out, in the form of SQuAD 2.0's predictions.

    A context that is longer than a window of `length` tokens is read in several, which overlap by `stride` tokens (by
    default a third of a window). The answer is the span of at most `longest` tokens whose logits of start and end have
    the greatest sum in any window; or "" if the first token's two logits, in the window where they sum to least, exceed
    it by more than `threshold`.
    """

    def __init__(
        self,
        spans: SpanPredictor,
        threshold: float = 0.0,
        length: int = 384,
        stride: int | None = None,
        longest: int = 30,
    ):
        for key, value in (("length", length), ("stride", 1 if stride is None else stride), ("longest", longest)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{key} must be a whole number of at least 1, got {brief(value)}")
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or threshold != threshold:
            raise ValueError(f"threshold must be a number, got {brief(threshold)}")
        if not getattr(spans.tokenizer, "is_fast", False):
            raise ValueError(f"{spans.name} needs a fast tokenizer: it tells where in the context a token stands")
        self.spans, self.threshold, self.longest = spans, threshold, longest
        self.length = min(length, spans.length)
        self.stride = self.length // 3 if stride is None else stride

    def __call__(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Answers with `id`, `prediction_text`, `no_answer_probability` and `ood_score`.

        The two last are of the softmax of the best spans' scores and that of "no answer": the probability of "no
        answer", and 1 - the probability of the answer that was given: higher for questions further out of distribution.
        """
        return self.both(rows, embeddings=False)[0]

    def embed(self, rows: Sequence[Row]) -> np.ndarray:
        """Pooled embeddings of question and context, one row a question; of several windows the mean over tokens."""
        return self.both(rows, answers=False)[1]

    def both(
        self, rows: Sequence[Row], answers: bool = True, embeddings: bool = True
    ) -> tuple[list[dict[str, Any]], np.ndarray]:
        """Answers and embeddings from one pass; what was not wanted comes back empty."""
        rows = read_squad(rows)
        asked = list(dict.fromkeys((row["question"].lstrip(), row["context"]) for row in rows))
        answered: dict[tuple[str, str], dict[str, Any]] = {}
        pooled: dict[tuple[str, str], np.ndarray] = {}
        with progress_bar(len(asked), f"asking {self.spans.name}", self.spans.quiet) as bar:
            for at in range(0, len(asked), PIECE):
                for pair, answer, embedding in self.read(asked[at : at + PIECE], answers, embeddings):
                    answered[pair], pooled[pair] = answer, embedding
                bar.update(len(asked[at : at + PIECE]))
        self.spans.asked += len(asked)
        pairs = [(row["question"].lstrip(), row["context"]) for row in rows]
        found = [{"id": row["id"], **answered[pair]} for row, pair in zip(rows, pairs, strict=True)] if answers else []
        return found, np.stack([pooled[pair] for pair in pairs]) if embeddings else np.empty(0)

    def read(self, pairs: list[tuple[str, str]], answers: bool, embeddings: bool) -> Iterable[tuple[Any, Any, Any]]:
        """Every pair of question and context with its answer and its embedding."""
        encoded, windows = self.windows(pairs)
        with progress_bar(len(windows), "", quiet=True) as bar:
            logits, pooled = self.spans._pass(encoded, answers, embeddings, bar)
        of_pair: dict[int, list[int]] = {}
        for w, (owner, _) in enumerate(windows):
            of_pair.setdefault(owner, []).append(w)
        for i, pair in enumerate(pairs):
            mine = of_pair[i]
            answer = self.choose(pair[1], [(logits[w], windows[w][1]) for w in mine]) if answers else {}
            weights = [len(encoded["input_ids"][w]) for w in mine] if self.spans.pooling == "mean" else None
            yield pair, answer, np.average([pooled[w] for w in mine], axis=0, weights=weights) if embeddings else None

    def windows(self, pairs: list[tuple[str, str]]) -> tuple[dict[str, list[list[int]]], list[tuple[int, Any]]]:
        """Tokens of every window, whose it is, and where in the context its tokens stand (-1: elsewhere)."""
        tokenizer = self.spans.tokenizer
        questions, contexts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        self.check_room(questions)
        encoded = tokenizer(
            questions,
            contexts,
            truncation="only_second",
            max_length=self.length,
            stride=self.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
        )
        inputs = {key: encoded[key] for key in ("input_ids", "token_type_ids") if key in encoded}
        windows = []
        for w, (owner, offsets) in enumerate(
            zip(encoded["overflow_to_sample_mapping"], encoded["offset_mapping"], strict=True)
        ):
            in_context = np.array([part == 1 for part in encoded.sequence_ids(w)])
            windows.append((owner, np.where(in_context[:, None], np.array(offsets), -1)))
        return inputs, windows

    def check_room(self, questions: list[str]) -> None:
        tokenizer = self.spans.tokenizer
        around = tokenizer.num_special_tokens_to_add(pair=True)
        for question in dict.fromkeys(questions):
            tokens = len(tokenizer(question, add_special_tokens=False, verbose=False)["input_ids"])
            if tokens + around + self.stride >= self.length:
                room = f"{self.length} tokens with a stride of {self.stride}"
                raise ValueError(
                    f"the question {brief(question[:40])} has {tokens} tokens, too many for windows of {room}"
                )

    def choose(self, context: str, windows: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
        """The answer from all windows' logits and offsets."""
        none = min(float(start[0]) + float(end[0]) for (start, end), _ in windows)
        best: dict[tuple[int, int], float] = {}  # spans of the context, each with its score where that is greatest
        for (start, end), offsets in windows:
            for score, place in best_spans(start, end, offsets, self.longest):
                best[place] = max(score, best.get(place, -np.inf))
        ranked = sorted(best.items(), key=lambda item: -item[1])[:BEST]
        scores = np.array([none, *(score for _, score in ranked)], dtype=np.float64)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        absent = not ranked or none - ranked[0][1] > self.threshold
        text = "" if absent else context[slice(*ranked[0][0])]
        given = float(shares[0 if absent else 1])
        return {"prediction_text": text, "no_answer_probability": float(shares[0]), "ood_score": 1 - given}


def best_spans(
    start: np.ndarray, end: np.ndarray, offsets: np.ndarray, longest: int
) -> list[tuple[float, tuple[int, int]]]:
    """The best spans of a window, as (score, (first character, last character + 1)).

    >>> offsets = np.array([[-1, -1], [0, 3], [4, 7]])
    >>> best_spans(np.array([0.0, 1.0, 5.0]), np.array([0.0, 4.0, 2.0]), offsets, longest=2)
    [(7.0, (4, 7)), (5.0, (0, 3)), (3.0, (0, 7))]
    """
    where = np.flatnonzero(offsets[:, 1] > offsets[:, 0])  # tokens of the context that have characters
    if not len(where):
        return []
    ends = np.concatenate([end[where].astype(np.float64), np.full(longest - 1, -np.inf)])
    sums = start[where].astype(np.float64)[:, None] + np.lib.stride_tricks.sliding_window_view(ends, longest)
    flat = -sums.ravel()
    best = np.argpartition(flat, BEST)[:BEST] if len(flat) > BEST else np.arange(len(flat))
    best = best[np.lexsort((best, flat[best]))]
    first, more = np.unravel_index(best[np.isfinite(flat[best])], sums.shape)
    return [
        (float(sums[i, d]), (int(offsets[where[i], 0]), int(offsets[where[i + d], 1])))
        for i, d in zip(first, more, strict=True)
    ]


# How good the answers are, by SQuAD's own rules.


def squad_scores(answers: Sequence[dict[str, Any]], rows: Sequence[Row]) -> dict[str, float]:
    """Exact match and F1 in percent, as SQuAD 2.0 defines them: of each question, the best over its gold answers.

    >>> rows = [{"id": "1", "question": "Who?", "context": "Ann Lee Cole.", "answers": {"text": ["Ann Lee Cole"]}}]
    >>> squad_scores([{"id": "1", "prediction_text": "the Ann"}], rows)
    {'exact': 0.0, 'f1': 50.0}
    """
    given = {answer["id"]: normalize_answer(answer["prediction_text"]) for answer in answers}
    gold = {row["id"]: acceptable(row["answers"]["text"]) for row in rows}
    if odd := sorted(given.keys() ^ gold.keys()):
        raise ValueError(f"answers and rows hold different ids ({len(odd)} do not match, e.g. {brief(odd[0])})")
    exact = [given[key] in gold[key] for key in gold]
    f1 = [max(shared_words(given[key].split(), one.split()) for one in gold[key]) for key in gold]
    return {"exact": 100 * float(np.mean(exact)), "f1": 100 * float(np.mean(f1))}


def shared_words(given: list[str], gold: list[str]) -> float:
    if not given or not gold:
        return float(given == gold)
    return 2 * (Counter(given) & Counter(gold)).total() / (len(given) + len(gold))
