"""Every public entry: the calls that are made of it, how one is judged, and how many are made in CI and at night."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fuzz_metrics import (
    add,
    answer,
    ask_language_model,
    ask_network,
    batches,
    compute,
    network_calls,
    plot,
    plots,
    predict,
    prompts,
    questions,
    reading,
)
from fuzz_outside import compare, press, upload, with_files
from fuzz_records import CASES as LOGS
from fuzz_records import read_log
from hostile import mostly, spoiled
from hostile_calls import CALLS, HARM, IMAGE_OPTIONS, MODEL_CALLS, NO_IMAGES, pictures, squad
from hostile_files import (
    AUDIT,
    COMPARE,
    COMPRESS,
    COMPRESSED,
    FINETUNE,
    ID_LISTS,
    LARGE,
    REPRODUCE,
    SLIDER,
    TYPED,
    UPLOADS,
    archives,
    data_files,
    pasted,
    tables,
)
from hypothesis import strategies as st


@dataclass(frozen=True)
class Entry:
    """One public entry. `least` of its cases have to reach a result, as a share: else only the first check is tried.

    It is far below what is usual (-s shows it), since a share of few cases varies with every change of a strategy.
    """

    cases: Any
    judge: Callable[[Any], str]
    daily: int
    nightly: int
    least: float


def metric_entry(name: str, least: float, nightly: int = 1000) -> Entry:
    return Entry(CALLS[name], partial(compute, name), 40, nightly, least)


def command_entry(name: str, words: Any, daily: int, nightly: int, least: float, files: Any = None) -> Entry:
    files = data_files() if files is None else files
    return Entry(st.tuples(words, files, files), partial(with_files, name), daily, nightly, least)


def ids() -> Any:
    return st.tuples(st.just(".json"), ID_LISTS)


PAIR = (LARGE, COMPRESSED)
METHODS = mostly(st.sampled_from(["lime", "shap", "occlusion"]), st.sampled_from(["", None, [], "lime "]), 6)
ATTACKS = mostly(st.sampled_from(["textbugger", "deepwordbug", "typos"]), st.sampled_from(["x", 3, [], ""]), 6)
ENTRIES = {
    "prediction_error_jaccard": metric_entry("prediction_error_jaccard", 0.1),
    "prediction_error_jaccard of answers": Entry(
        spoiled(squad()), partial(compute, "prediction_error_jaccard"), 30, 500, 0.1
    ),
    "calibration_gap": metric_entry("calibration_gap", 0.1),
    "representation_overlap": metric_entry("representation_overlap", 0.1),
    "ood_divergence": metric_entry("ood_divergence", 0.1),
    "attribution_alignment": metric_entry("attribution_alignment", 0.1),
    "attack_divergence": metric_entry("attack_divergence", 0.1),
    "trust_equivalence": metric_entry("trust_equivalence", 0.1),
    "attribution_alignment of models": Entry(
        MODEL_CALLS["attribution_alignment"], partial(compute, "attribution_alignment"), 25, 400, 0.1
    ),
    "attribution_alignment of images": Entry(
        spoiled(pictures(), IMAGE_OPTIONS, st.one_of(HARM, st.sampled_from(NO_IMAGES))),
        partial(compute, "attribution_alignment"), 25, 400, 0.1,
    ),
    "attack_divergence of models": Entry(
        MODEL_CALLS["attack_divergence"], partial(compute, "attack_divergence"), 25, 400, 0.1
    ),
    "trust_equivalence of models": Entry(
        MODEL_CALLS["trust_equivalence"], partial(compute, "trust_equivalence"), 20, 300, 0.1
    ),
    "add and add_batch": Entry(batches(), add, 30, 500, 0.1),
    "plot": Entry(plots(), plot, 12, 120, 0.1),
    "predictor of functions": Entry(questions(), predict, 40, 700, 0.1),
    "predictor of a network": Entry(network_calls(), ask_network, 25, 300, 0.1),
    "predictor of a language model": Entry(prompts(), ask_language_model, 20, 300, 0.1),
    "question answering": Entry(reading(), answer, 20, 300, 0.1),
    "logs and tables": Entry(LOGS, read_log, 300, 10_000, 0.1),
    "trusteq audit": command_entry("audit", AUDIT, 8, 80, 0.05),
    "trusteq compare": Entry(st.tuples(COMPARE, archives(), UPLOADS), compare, 8, 80, 0.1),
    "trusteq finetune": command_entry("finetune", FINETUNE, 8, 80, 0.05),
    "trusteq compress": command_entry("compress", COMPRESS, 8, 60, 0.05),
    "trusteq reproduce": command_entry("reproduce", REPRODUCE, 20, 200, 0.05, ids()),
    "Space: Why": Entry(st.tuples(*PAIR, TYPED, METHODS, SLIDER),
                        partial(press, "why"), 10, 150, 0.05),
    "Space: Break it": Entry(st.tuples(*PAIR, TYPED, ATTACKS),
                             partial(press, "break_it"), 10, 150, 0.05),
    "Space: Confidence": Entry(st.tuples(*PAIR, SLIDER, st.sampled_from([*["quantile", "uniform"] * 3, "", None, []])),
                               partial(press, "confidence"), 10, 100, 0.05),
    "Space: Your own predictions": Entry(st.tuples(pasted()), partial(press, "compare"), 12, 150, 0.05),
    "Space: Verdict": Entry(
        st.tuples(*PAIR, mostly(st.just("quick"), st.sampled_from(["", None, []]), 6),
                  st.one_of(tables(), tables(), st.sampled_from(["a", "text,label\n1,2", None, 3, [], "\x00"]))),
        partial(press, "verdict"), 6, 40, 0.05,
    ),
    "Space: uploads": Entry(UPLOADS, upload, 20, 200, 0.1),
}  # fmt: skip
