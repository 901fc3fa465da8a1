"""Which words moved a transformers classifier, seen from inside? Integrated gradients, and gradient times input."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from trusteq.explain.methods import Explanation, load, ranked
from trusteq.explain.units import placed
from trusteq.kinds.text import Text, parts_of
from trusteq.models.classifiers import class_probabilities, takes

BATCH_TOKENS = 1024  # of a pass
GRADIENTS = ("integrated_gradients", "gradient_x_input")


def classifier_gradients(
    model: Any,
    tokenizer: Any,
    texts: list[Text],
    targets: list[int],
    steps: int = 50,
    max_length: int = 512,
    batch_tokens: int = BATCH_TOKENS,
    rank: str = "absolute",
    method: str = "integrated_gradients",
    units: str = "words",
) -> list[Explanation]:
    """captum's integrated gradients of the probability of each text's target, from padding to the words of the text; or
    the gradient times the input, at the text alone.

    The probability and not the logit, because it is what the other methods explain, and because a number that a model
    adds to the logits of all classes changes no answer and should change no explanation. Special tokens are the same
    in the text and in the baseline, so that the weights of all words sum to p(text) - p(baseline), up to the error of
    `steps`. Words that the model does not see (beyond `max_length`) are left out; those of a sentence are summed. A
    pass takes at most `batch_tokens` tokens, or one text.
    """
    torch = load("torch", "torch")
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{method} needs a fast tokenizer: it tells which word a piece belongs to")
    if tokenizer.pad_token_id is None:
        raise ValueError(f"{method} starts from padding, but the tokenizer has no pad_token: give it one")
    if model.training:
        raise ValueError("the model is in training mode, where dropout is random: call model.eval() first")
    if len(texts) != len(targets):
        raise ValueError(f"{method} needs one target per text, got {len(targets)} for {len(texts)}")
    steps = steps if method == "integrated_gradients" else 1

    # Texts of one length share a batch: no padding, so each comes out as it would alone.
    explanations: list[Explanation] = [[] for _ in texts]
    by_length: dict[int, list[tuple[int, Any]]] = {}
    for i, text in enumerate(texts):
        parts = parts_of(text)
        if any(part.strip() for part in parts):
            pieces = tokenizer(
                *parts,
                truncation=True,
                max_length=max_length,
                return_offsets_mapping=True,
                return_special_tokens_mask=True,
            )
            by_length.setdefault(len(pieces["input_ids"]), []).append((i, pieces))

    embeddings = model.get_input_embeddings()
    device = embeddings.weight.device
    for length, encoded in by_length.items():
        passes = max(1, batch_tokens // length)
        together = max(1, passes // steps)
        there = [name for name in tokenizer.model_input_names if name in encoded[0][1] and name != "input_ids"]
        names = [name for name in there if takes(model, name)]

        def probability(ids: Any, *others: Any, names: list[str] = names) -> Any:
            logits = model(input_ids=ids, **dict(zip(names, others, strict=True))).logits
            return class_probabilities(logits.float())

        for at in range(0, len(encoded), together):
            batch = encoded[at : at + together]
            ids, special, *others = (
                torch.tensor([pieces[name] for _, pieces in batch], device=device)
                for name in ("input_ids", "special_tokens_mask", *names)
            )
            scores = attributions(
                method,
                probability,
                embeddings,
                ids,
                baselines=torch.where(special.bool(), ids, tokenizer.pad_token_id),
                targets=torch.tensor([targets[i] for i, _ in batch], device=device),
                others=tuple(others),
                steps=steps,
                at_once=max(passes, len(batch)),
            )
            for (i, pieces), row in zip(batch, scores.double().sum(dim=-1).tolist(), strict=True):
                explanations[i] = ranked(sum_to_units(units, texts[i], pieces, row), rank=rank)
    return explanations


def attributions(
    method: str,
    probability: Callable[..., Any],
    embeddings: Any,
    ids: Any,
    baselines: Any,
    targets: Any,
    others: tuple[Any, ...] = (),
    steps: int = 50,
    at_once: int = 1,
) -> Any:
    """What each number of each token's embedding adds to the probability of its row's target."""
    if method == "gradient_x_input":
        return gradient_x_input(probability, embeddings, ids, targets, others)
    return (
        load("captum.attr", "captum")
        .LayerIntegratedGradients(probability, embeddings)
        .attribute(
            ids,
            baselines=baselines,
            target=targets,
            additional_forward_args=others or None,
            n_steps=steps,
            internal_batch_size=at_once,
        )
    )


def gradient_x_input(
    probability: Callable[..., Any], embeddings: Any, ids: Any, targets: Any, others: tuple[Any, ...]
) -> Any:
    """The embeddings times the slope of the probability along them: what a small step away from nothing would add."""
    torch, kept = load("torch", "torch"), list[Any]()

    def keep(module: Any, args: Any, output: Any) -> Any:
        kept.append(output.detach().requires_grad_())
        return kept[-1]

    handle = embeddings.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            said = probability(ids, *others)
            (slope,) = torch.autograd.grad(said.gather(1, targets[:, None]).sum(), kept[-1:])
    finally:
        handle.remove()
    return kept[-1].detach() * slope


def sum_to_units(units: str, text: Text, pieces: Any, scores: list[float]) -> Iterator[tuple[str, float]]:
    """The words or sentences that the tokenizer's pieces cover, each with the sum of its pieces' scores.

    A piece belongs to the word in which it begins, or that follows when it begins in the space before one.
    """
    for number, part in enumerate(parts_of(text)):
        found = list(placed(units, part))
        of_part = [i for i, sequence in enumerate(pieces.sequence_ids()) if sequence == number]
        if not found or not of_part:
            continue
        starts = [pieces["offset_mapping"][i][0] for i in of_part]
        owner = np.searchsorted([end for _, end, _ in found], starts, side="right").clip(max=len(found) - 1)
        totals = np.bincount(owner, np.array(scores)[of_part])
        yield from ((found[i][2], float(totals[i])) for i in np.unique(owner))
