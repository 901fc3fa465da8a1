"""Where do others see the verdict? In the model's card on the Hub: as `model-index` metadata, and as a block of text.

Done twice it changes nothing: our figures take the place of our older ones, the block that of the block before."""

from typing import Any

from trusteq.audit.results import audit_of
from trusteq.checks import check_choice
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.markdown import PROJECT, results_of, verdict_text
from trusteq.report.queries import judged
from trusteq.report.words import Audit, Pair
from trusteq.wording import clean

BEGIN, END = f"<!-- {PROJECT}: begin -->", f"<!-- {PROJECT}: end -->"


def push_to_hub(result: dict[str, Any], repo_id: str, model: str | None = None, api: Any = None) -> bool:
    """Write the verdict on a compressed model into the README.md of its repository on the Hub; False where it stands
    there already.

    `result` is an audit, or what `compute(..., details=True)` gave; `model` names the compressed one where there are
    several; `api` is a `huggingface_hub.HfApi`, with a token of its own, say.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    audit, api = audit_of(result), api or HfApi()
    pair = pair_of(audit, model)
    try:
        with open(api.hf_hub_download(repo_id, "README.md"), encoding="utf-8") as file:
            card = file.read()
    except LocalEntryNotFoundError:  # the Hub was not reached: whether there is a card is not known
        raise
    except EntryNotFoundError:
        card = ""
    told = with_verdict(card, audit, pair)
    if told == card:
        return False
    message = f"Trust equivalence: the verdict beside {clean(pair['large'])}"
    api.upload_file(path_or_fileobj=told.encode(), path_in_repo="README.md", repo_id=repo_id, commit_message=message)
    return True


def pair_of(audit: Audit, model: str | None) -> Pair:
    pairs = {pair["compressed"]: pair for pair in judged(audit)}
    if model is None and len(pairs) == 1:
        return next(iter(pairs.values()))
    check_choice("model", model, tuple(pairs))
    assert model is not None
    return pairs[model]


def with_verdict(card: str, audit: Audit, pair: Pair) -> str:
    """The card with our figures in its metadata, and the verdict in its text; the rest stays."""
    from huggingface_hub import ModelCard

    found = ModelCard(card if card.startswith("---") else f"---\n{{}}\n---\n{card}", ignore_metadata_errors=True)
    data: Any = found.data
    own = [one for one in results_of(audit, pair) if one.metric_type in DIMENSIONS]
    others = [one for one in data.eval_results or [] if not any(same(one, new) for new in own)]
    data.model_name = data.model_name or clean(pair["compressed"])
    data.eval_results = [*others, *own] or None
    data.tags = [*(data.tags or []), *([PROJECT] if PROJECT not in (data.tags or []) else [])]
    block = f"{BEGIN}\n{verdict_text(audit, pair)}\n{END}"
    text = found.text.strip()
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    text = before + block + after if begins and ends else f"{text}\n\n{block}".strip()
    return f"---\n{data.to_yaml()}\n---\n\n{text}\n"


def same(one: Any, new: Any) -> bool:
    """Of the same metric, data and large model."""
    return all(getattr(one, key) == getattr(new, key) for key in ("metric_type", "metric_name", "dataset_name"))
