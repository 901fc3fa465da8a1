"""Which words moved a language model's answer, seen from inside? Gradients of the probability of an answer."""

import copy
from functools import partial
from typing import Any

import numpy as np

from trusteq.explain.gradients import attributions
from trusteq.explain.methods import Explanation, load, ranked
from trusteq.explain.units import placed
from trusteq.kinds.text import Question, Text
from trusteq.models.language import CausalPredictor


def language_gradients(
    predictor: CausalPredictor,
    texts: list[Text],
    targets: list[int],
    steps: int = 50,
    batch_tokens: int = 1024,
    rank: str = "absolute",
    method: str = "integrated_gradients",
    units: str = "words",
    next_token: bool = False,
) -> list[Explanation]:
    """captum's integrated gradients along the words of each text, from padding; the prompt around them stays as it is,
    so that the weights of all words sum to p(text) - p(padding in its place), up to the error of `steps`. Or the
    gradient times the input. The probability is the answer's among all answers, or among all next tokens."""
    torch = load("torch", "torch")
    if not getattr(predictor.tokenizer, "is_fast", False):
        raise ValueError(f"{method} needs a fast tokenizer: it tells which word a piece belongs to")
    asked = copy.copy(predictor)
    asked.next_token = next_token
    embeddings = predictor.model.get_input_embeddings()
    here = {"device": embeddings.weight.device}

    explanations = []
    for text, target in zip(texts, targets, strict=True):
        ids, words, owner, answers = located(predictor, text, units)
        answers = asked.first_alone(predictor.prompt.names, answers)
        found = torch.tensor([ids], **here)
        own = torch.tensor([[word >= 0 for word in owner]], **here)
        read = len(ids) + max(map(len, answers)) - 1
        scores = attributions(
            method,
            partial(probabilities, asked, text, answers),
            embeddings,
            found,
            baselines=torch.where(own, predictor.padding, found),
            targets=torch.tensor([target], **here),
            steps=steps,
            at_once=max(1, batch_tokens // (read * len(beginnings_of(answers)))),
        )
        sums = np.zeros(len(words))
        for word, score in zip(owner, scores.double().sum(dim=-1)[0].tolist(), strict=True):
            if word >= 0:
                sums[word] += score
        explanations.append(ranked(zip(words, sums.tolist(), strict=True), rank=rank))
    return explanations


def probabilities(predictor: CausalPredictor, text: Text, answers: list[list[int]], ids: Any) -> Any:
    """Of each row of tokens, every answer's probability, through the embeddings of the prompt: an answer's last token
    is not read, so that answers of one token share one pass."""
    import torch

    embeddings, before = predictor.model.get_input_embeddings(), beginnings_of(answers)
    longest = max(map(len, before))
    rows = embeddings(ids)
    if longest:
        tails = torch.tensor([list(some) + [0] * (longest - len(some)) for some in before], device=ids.device)
        behind = embeddings.forward(tails)  # not called: an answer's embeddings are not those that are varied
        rows = torch.cat([rows.repeat_interleave(len(before), dim=0), behind.repeat(len(ids), 1, 1)], dim=1)
    logits = predictor.model(inputs_embeds=rows, use_cache=False).logits[:, ids.shape[1] - 1 :].float()
    said = torch.log_softmax(logits, dim=-1).unflatten(0, (len(ids), len(before)))
    scores = torch.stack(
        [said[:, before.index(tuple(some[:-1])), range(len(some)), some].sum(dim=-1) for some in answers], dim=1
    )
    if predictor.next_token:
        return scores.exp()
    (lengths,) = predictor.lengths([text], np.zeros((1, len(answers))), [list(map(len, answers))])
    return torch.softmax(scores / torch.tensor(lengths, dtype=scores.dtype, device=scores.device), dim=-1)


def beginnings_of(answers: list[list[int]]) -> list[tuple[int, ...]]:
    """What is read behind a prompt so that every answer's tokens have been foretold.

    >>> beginnings_of([[7], [8], [9, 4]])
    [(), (9,)]
    """
    return list(dict.fromkeys(tuple(some[:-1]) for some in answers))


def located(
    predictor: CausalPredictor, text: Text, units: str = "words"
) -> tuple[list[int], list[str], list[int], list[list[int]]]:
    """The prompt's tokens, the words (or sentences) of the text in it, which of them each token belongs to (-1: to
    none), and the answers' tokens. Of a text that is too long it is the words that the model can read."""
    filled = predictor.prompt.fill(predictor.parts, text)
    (ids,) = predictor.tokens_of([filled])
    (answers,) = predictor.answers_of([text], [filled], [ids])
    characters = None
    if len(ids) > (room := predictor.room(answers)):
        characters = predictor.fitting(text, room)
        filled = predictor.prompt.fill(predictor.parts, text, characters)
        (ids,) = predictor.tokens_of([filled])
    first, second = (text, "") if isinstance(text, str) else text
    fields = {"{text}": first[:characters]}
    fields |= {} if isinstance(text, Question) else {"{text_pair}": second[:characters]}
    words: list[str] = []
    ends: list[tuple[int, int]] = []  # of words in the prompt
    at = 0
    for part in predictor.parts:
        if part in fields:
            found = list(placed(units, fields[part]))
            words += [name for _, _, name in found]
            ends += [(at + start, at + end) for start, end, _ in found]
        at += len(predictor.prompt.fill([part], text, characters))
    special = not predictor.prompt.chat
    cut = predictor.tokenizer(filled, return_offsets_mapping=True, add_special_tokens=special, verbose=False)
    places = cut["offset_mapping"]
    owner = []
    for start, end in places[: len(ids)]:
        inside = [i for i, (begin, close) in enumerate(ends) if start < close and end > begin]
        owner.append(inside[0] if inside else -1)
    return ids, words, owner, answers
