"""Which words moved a language model's answer, seen from inside? Integrated gradients of the probability of a label."""

import re
from typing import Any

import numpy as np

from trusteq.explain.methods import Explanation, load, ranked
from trusteq.kinds.text import Question, Text
from trusteq.models.language import CausalPredictor


def check_answers(predictor: CausalPredictor) -> None:
    """A label's probability has to be there once the prompt is read."""
    if predictor.verbalizers is None or any(len(tokens) > 1 for tokens in predictor.verbalizers):
        raise ValueError(
            f"integrated_gradients of a language model needs verbalizers of one token each, and {predictor.name} has "
            "others: explain it with lime, shap or occlusion"
        )


def language_gradients(
    predictor: CausalPredictor,
    texts: list[Text],
    targets: list[int],
    steps: int = 50,
    batch_tokens: int = 1024,
    rank: str = "absolute",
) -> list[Explanation]:
    """captum's integrated gradients along the words of each text, from padding; the prompt around them stays as it is,
    so that the weights of all words sum to p(text) - p(padding in its place), up to the error of `steps`."""
    torch, captum = load("torch", "torch"), load("captum.attr", "captum")
    tokenizer, model = predictor.tokenizer, predictor.model
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError("integrated_gradients needs a fast tokenizer: it tells which word a piece belongs to")
    embeddings = model.get_input_embeddings()
    labels = torch.tensor([tokens[0] for tokens in predictor.verbalizers or ()], device=embeddings.weight.device)

    def probability(ids: Any) -> Any:
        logits = model(input_ids=ids, use_cache=False).logits[:, -1]
        return torch.softmax(logits[:, labels].float(), dim=-1)

    explanations = []
    for text, target in zip(texts, targets, strict=True):
        ids, words, owner = located(predictor, text)
        found = torch.tensor([ids], device=labels.device)
        own = torch.tensor([[word >= 0 for word in owner]], device=labels.device)
        scores = captum.LayerIntegratedGradients(probability, embeddings).attribute(
            found,
            baselines=torch.where(own, predictor.padding, found),
            target=target,
            n_steps=steps,
            internal_batch_size=max(1, batch_tokens // len(ids)),
        )
        sums = np.zeros(len(words))
        for word, score in zip(owner, scores.double().sum(dim=-1)[0].tolist(), strict=True):
            if word >= 0:
                sums[word] += score
        explanations.append(ranked(zip(words, sums.tolist(), strict=True), rank=rank))
    return explanations


def located(predictor: CausalPredictor, text: Text) -> tuple[list[int], list[str], list[int]]:
    """The prompt's tokens, the words of the text in it, and which of them each token belongs to (-1: to none)."""
    first, second = (text, "") if isinstance(text, str) else text
    fields = {"{text}": first} | ({} if isinstance(text, Question) else {"{text_pair}": second})
    words: list[str] = []
    ends: list[tuple[int, int]] = []  # of words in the prompt
    at = 0
    for part in predictor.parts:
        if part in fields:
            found = list(re.finditer(r"\S+", fields[part]))
            words += [word.group() for word in found]
            ends += [(at + word.start(), at + word.end()) for word in found]
        at += len(predictor.prompt.fill([part], text))
    filled = predictor.prompt.fill(predictor.parts, text)
    (ids,) = predictor.tokens_of([filled])
    if len(ids) > predictor.length:
        raise ValueError(
            f"the prompt with its text has {len(ids)} tokens, and {predictor.name} reads {predictor.length}"
        )
    special = not predictor.prompt.chat
    cut = predictor.tokenizer(filled, return_offsets_mapping=True, add_special_tokens=special, verbose=False)
    places = cut["offset_mapping"]
    owner = []
    for start, end in places[: len(ids)]:
        inside = [i for i, (begin, close) in enumerate(ends) if start < close and end > begin]
        owner.append(inside[0] if inside else -1)
    return ids, words, owner
