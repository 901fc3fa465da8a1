"""Which words moved a language model's answer, seen from inside? Gradients of the probability of a label."""

from typing import Any

import numpy as np

from trusteq.explain.gradients import attributions
from trusteq.explain.methods import Explanation, load, ranked
from trusteq.explain.units import placed
from trusteq.kinds.text import Question, Text
from trusteq.models.language import CausalPredictor


def check_answers(predictor: CausalPredictor, method: str, next_token: bool) -> None:
    """A label's probability has to be there once the prompt is read."""
    longest = max(map(len, predictor.verbalizers or [[0, 0]]))
    if predictor.verbalizers is None or (longest > 1 and not next_token):
        raise ValueError(
            f"{method} of a language model needs verbalizers of one token each, and {predictor.name} has "
            "others: explain it with lime, shap or occlusion"
        )


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
    gradient times the input. The probability is the label's among all labels, or among all next tokens."""
    torch = load("torch", "torch")
    tokenizer, model = predictor.tokenizer, predictor.model
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{method} needs a fast tokenizer: it tells which word a piece belongs to")
    if next_token:
        predictor.under(predictor.prompt, next_token=True)  # says so where two labels begin with one token
    embeddings = model.get_input_embeddings()
    labels = torch.tensor([tokens[0] for tokens in predictor.verbalizers or ()], device=embeddings.weight.device)

    def probability(ids: Any) -> Any:
        logits = model(input_ids=ids, use_cache=False).logits[:, -1].float()
        return torch.softmax(logits, dim=-1)[:, labels] if next_token else torch.softmax(logits[:, labels], dim=-1)

    explanations = []
    for text, target in zip(texts, targets, strict=True):
        ids, words, owner = located(predictor, text, units)
        found = torch.tensor([ids], device=labels.device)
        own = torch.tensor([[word >= 0 for word in owner]], device=labels.device)
        scores = attributions(
            method,
            probability,
            embeddings,
            found,
            baselines=torch.where(own, predictor.padding, found),
            targets=torch.tensor([target], device=labels.device),
            steps=steps,
            at_once=max(1, batch_tokens // len(ids)),
        )
        sums = np.zeros(len(words))
        for word, score in zip(owner, scores.double().sum(dim=-1)[0].tolist(), strict=True):
            if word >= 0:
                sums[word] += score
        explanations.append(ranked(zip(words, sums.tolist(), strict=True), rank=rank))
    return explanations


def located(predictor: CausalPredictor, text: Text, units: str = "words") -> tuple[list[int], list[str], list[int]]:
    """The prompt's tokens, the words (or sentences) of the text in it, and which of them each token belongs to (-1: to
    none). Of a text that is too long it is those that the model can read."""
    filled = predictor.prompt.fill(predictor.parts, text)
    (ids,) = predictor.tokens_of([filled])
    characters = None
    if len(ids) > predictor.length:
        characters = predictor.fitting(text, predictor.length)
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
    return ids, words, owner
