"""The audit as code calls it: what is given is checked, the models are opened, and the work begins or goes on."""

import dataclasses
import logging
import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from trusteq.audit.advice import with_advice
from trusteq.audit.audit import Audit, audit_family
from trusteq.audit.family import check_names, open_family, twins_of
from trusteq.audit.grouped import grouped
from trusteq.audit.memo import Run
from trusteq.audit.options import AuditOptions, list_of_texts
from trusteq.audit.owner import owned
from trusteq.audit.processes import Processes
from trusteq.audit.settling import audit_until_settled, first_of
from trusteq.audit.slicing import slicings_of
from trusteq.audit.store import Store, has_work
from trusteq.checks import brief, check_integer
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.models.labels import gold_labels
from trusteq.progress import progress_bar
from trusteq.rows import Rows


def audit(
    options: AuditOptions,
    large: Any,
    compressed: Any,
    twin: Any,
    texts: Any,
    references: Any,
    ood_texts: Any = None,
    folder: Any = None,
    resume: bool = False,
    progress: Callable[[str, int], Any] | None = None,
    data_name: str = "texts",
    unlabelled: int = 0,
    groups: Any = None,
    slices: Any = None,
) -> Audit | None:
    """The audit of a family of models; None in all processes but the first.

    `unlabelled` is how many rows of the data had no label and so are not among the texts: the report says so. `groups`
    say which texts belong together, `slices` which are judged by themselves as well; they change no question to a
    model, so another run may go on with other ones. `folder` is where finished work is kept, for a later run with
    `resume`; a dict keeps it in memory, and what it holds already is not done again.
    """
    if options.score is None:
        options = dataclasses.replace(options, score="perplexity" if isinstance(large, dict) else "msp")
    if options.confidence_level is None:
        raise ValueError("an audit needs intervals to reach a verdict: give a confidence_level")
    for name, value in (("large", large), ("texts", texts)):
        if value is None:
            raise ValueError(f"{name} is missing: an audit takes large, compressed, texts and references")
    check_integer("unlabelled", unlabelled, at_least=0)
    some = list_of_texts("texts", texts)
    ood = None if ood_texts is None else list_of_texts("ood_texts", ood_texts)
    together = grouped(some, groups)
    if slices is not None:
        if options.until_settled is not None:
            raise ValueError("slices take all examples: give slices or until_settled, not both")
        slicings_of(slices, some, gold_labels(references, len(some)))  # what is wrong is said before hours of work
    if not isinstance(folder, str | os.PathLike | dict | None):
        raise ValueError(f"folder must be a path, got {brief(folder)}")
    if progress is not None and not callable(progress):
        raise ValueError(f"progress must be a function (what, how many), got {brief(progress)}")
    place = None if folder is None or isinstance(folder, dict) else Path(os.path.expanduser(folder))
    processes, notice = Processes(), logging.getLogger("trust_equivalence").warning
    with ExitStack() as held:
        if place is not None:
            owner = nullcontext() if processes.rank else owned(place, "audit", notice)  # the first is for all
            processes.together(lambda: held.enter_context(owner))
            if not resume and any(processes.together(lambda: has_work(place))):
                how = "give resume=True to go on with it, or another folder"
                raise ValueError(f"{place} holds an audit already: {how}")
        device = {"device": processes.device} if processes.device and options.device is None else {}
        if options.floor == "wording" and not isinstance(large, dict):
            raise ValueError("floor='wording' is for a language model with a prompt, and large has none")
        if options.floor == "calibration" and len(check_names(compressed)) > 1:
            raise ValueError(
                "floor='calibration' is of one compressed model and its twins: audit the others by themselves"
            )
        twins, opening = twins_of(twin, options.floor, large), options.opening | device
        again = options.until_settled is not None  # and again, until the verdicts are settled
        first = first_of(some, options) if again else some
        members = open_family(large, check_names(compressed), twins, first, opening, options.labels)
        memory = folder if isinstance(folder, dict) else {} if again else None
        store = Store(memory if place is None else place, processes.rank, notice=notice)
        held.callback(store.close)
        for member in members:
            member.store = store
        run = Run(members, some, store, processes, progress or (lambda what, count: progress_bar(count, what)))
        given = run, references, ood, options, together, data_name, unlabelled
        found = audit_until_settled(*given) if again else audit_family(*given, slices)
        return None if found is None else with_advice(found)


def compare_predictions(rows: Rows, options: AuditOptions) -> dict[str, Any]:
    """The dimensions that predictions alone allow."""
    if options.until_settled is not None:
        raise ValueError("until_settled is for models that can be asked: with predictions there is nothing to save")
    arrays = rows.whole()
    rows_given = [arrays[name].ndim == 2 for name in ("predictions", "large_predictions")]
    wanted = ["prediction_error_jaccard", *(["calibration_gap"] if all(rows_given) else [])]
    result: dict[str, Any] = {}
    details: dict[str, Any] = {}
    for dimension in (DIMENSIONS[name] for name in wanted if name in options.asked):
        common = {"confidence_level": options.confidence_level, "seed": options.seed, "details": options.details}
        if any(rows_given):
            common["from_logits"] = options.from_logits
        figures = dimension.of(**arrays, groups=rows.groups, **dimension.settings(options), **common)
        details[dimension.name] = figures.pop("details", None)
        result |= {f"{dimension.name}/{figure}": value for figure, value in figures.items()}
    if not result:
        raise ValueError(f"dimensions {options.asked} cannot be computed from these predictions alone")
    return result | ({"details": details} if options.details else {})
