"""Several twins, none, and what stands in for one: what a verdict is held against."""

import numpy as np
import pytest
import tiny_models
import torch
import transformers
from scipy.stats import t
from small_families import compute, models_of, pair_of

TEXTS = [f"{word} {i}" for i in range(100) for word in ("a", "b", "c", "d")]
ERRORS = {"dimensions": "prediction_error_jaccard", "texts": TEXTS, "references": [1] * 400}


def wrong_about(*words):
    """A function that is wrong about the texts of these words, and right about the others."""
    return lambda texts: [[0.9, 0.1] if set(words) & set(text.split()) else [0.1, 0.9] for text in texts]


LARGE = wrong_about("a")
NEAR = wrong_about("a", *map(str, range(10)))  # 40 of 400 texts more, 10 of which are wrong already
FAR = wrong_about("a", *map(str, range(40)))


def errors_of(**given):
    result = compute(large=LARGE, **(ERRORS | given))
    return result, pair_of(result, "small")["prediction_error_jaccard"]


def test_the_floor_of_several_twins_is_their_mean_and_their_scatter_is_in_the_interval():
    small = wrong_about("a", "5")
    result, both = errors_of(twin={"seed 2": NEAR, "seed 3": FAR}, compressed={"small": small})
    alone = [errors_of(twin=twin, compressed={"small": small})[1] for twin in (NEAR, FAR)]
    assert both["floor"] == pytest.approx(np.mean([one["floor"] for one in alone]))
    assert both["divergence"] == pytest.approx(np.mean([one["divergence"] for one in alone]))
    # Between large and the twins 100 of 130 errors are shared, and 100 of 220; between the two 130 of 220. Around each
    # model stand two distances; half of their difference's square is their variance, and the mean of the three counts.
    near, far, between = 1 - 100 / 130, 1 - 100 / 220, 1 - 130 / 220
    around = np.mean([(a - b) ** 2 / 2 for a, b in ((near, far), (near, between), (far, between))])
    reach = t.ppf(0.975, df=2) * (around / 2) ** 0.5
    width = both["divergence_high"] - both["divergence_low"]
    assert 2 * reach * 0.85 < width  # less what the examples scatter, more what they scatter in the excess
    assert width > 3 * max(one["divergence_high"] - one["divergence_low"] for one in alone)
    assert both["verdict"] == "inconclusive"
    assert both["open_because"].endswith("more twins would decide, not more examples.")
    assert both["examples_needed"] is None
    assert "small and large share " in both["sentence"]
    assert "(2 twins on average: 61 %; chance alone: " in both["sentence"]
    assert {name: model["role"] for name, model in result["details"]["models"].items()} == {
        "large": "large", "seed 2": "twin", "seed 3": "twin", "small": "compressed",
    }  # fmt: skip


def test_twins_that_are_alike_settle_what_one_settles():
    twins = [wrong_about("a", f"{i}") for i in range(3)]
    _, entry = errors_of(twin=twins, compressed={"small": wrong_about("a", "7")})
    assert entry["verdict"] == "equivalent"
    assert entry["beside"] == "its 3 twins are on average"
    _, other = errors_of(twin=twins, compressed={"small": wrong_about("b")})
    assert other["verdict"] == "different"


def test_random_embeddings_are_not_equivalent_where_twins_share_hardly_any_neighbours():
    """A margin that is a share of what twins have in common is a random figure, and has no least size."""
    verdicts = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        spaces = dict(zip(("large", "twin", "small"), rng.normal(size=(3, 300, 8)), strict=True))
        verdicts.append(neighbours(spaces)["verdict"])
    assert set(verdicts) == {"inconclusive"}


def neighbours(spaces):
    from trusteq.audit.audit import compare_all
    from trusteq.audit.options import AuditOptions
    from trusteq.dimensions.work import Work

    work = Work(gold=np.zeros(len(spaces["large"]), dtype=int), texts=[])
    work.embeddings |= spaces
    roles = {"large": "large", "twin": "twin", "small": "compressed"}
    options = AuditOptions(dimensions="representation_overlap")
    *_, found = compare_all(work, roles, [("twin", "large"), ("small", "large")], {}, options)
    return found["dimensions"]["representation_overlap"]


def test_rounding_stands_in_for_a_twin(family):
    given = models_of(family) | {"twin": None}
    result = compute(**given, floor="rounding", dimensions="calibration_gap", margins={"calibration_gap": 0.5})
    entry = pair_of(result, "small")["calibration_gap"]
    models = result["details"]["models"]
    assert models["rounding"]["role"] == "twin"
    assert models["rounding"]["source"] == "rounded from large"
    assert entry["beside"] == "itself in other numbers is"
    assert abs(entry["floor"]) < 0.05  # bfloat16 has three digits
    assert "(itself in other numbers: " in entry["sentence"]
    assert "|floor=rounding|" in result["details"]["signature"]


def test_compressions_with_other_calibration_data_stand_in_for_a_twin():
    """What compressing changes is held against what the draw of calibration data changes: by hand, of 400 texts."""
    again = wrong_about("a", *map(str, range(5, 15)))  # 130 errors, of which 115 are the compressed model's, too
    result, entry = errors_of(floor="calibration", twin={"again": again}, compressed={"small": NEAR})
    assert entry["value"] == pytest.approx(100 / 130)
    assert entry["floor"] == pytest.approx(115 / 145)
    assert entry["divergence"] == pytest.approx(115 / 145 - 100 / 130)
    assert "than the same compression with other calibration data is from it" in entry["sentence"]
    assert "(the same compression with other calibration data: 79 %; " in entry["sentence"]
    pairs = [(one["compressed"], one["large"], one["role"]) for one in result["details"]["pairs"]]
    assert pairs == [("again", "small", "twin"), ("small", "large", "compressed")]
    several = {"again": again, "and again": wrong_about("a", *map(str, range(3, 13)))}
    assert errors_of(floor="calibration", twin=several, compressed={"small": NEAR})[1]["seeds"] > 0


def test_another_wording_of_the_prompt_stands_in_for_a_twin():
    words = tiny_models.tokenizer(64, words=[*tiny_models.WORDS, "Review", "Verdict", ":"])
    verbalizers = {"negative": "bad", "positive": "good"}

    def model(seed, prompt):
        torch.manual_seed(seed)
        sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 64, "initializer_range": 0.2}
        network = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=len(words), **sizes)).eval()
        return {"model": (network, words), "prompt": prompt, "verbalizers": verbalizers}

    texts = [" ".join(np.random.default_rng(i).choice(tiny_models.WORDS, 6)) for i in range(60)]
    result = compute(
        large=model(0, "Review : {text} Verdict :"),
        twin=model(0, "{text} Verdict :"),
        compressed={"other": model(1, "Review : {text} Verdict :")},
        texts=texts,
        references=[0, 1] * 30,
        floor="wording",
        dimensions="prediction_error_jaccard",
    )
    entry = pair_of(result, "other")["prediction_error_jaccard"]
    assert entry["floor"] is not None
    assert entry["beside"] == "itself under another prompt is"
    assert "itself under another prompt" in entry["sentence"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"twin": [NEAR, NEAR]}, "twin 1 and twin 2 are the same model: give each model once"),
        ({"twin": [NEAR, LARGE]}, "large and twin 2 are the same model: give each model once"),
        ({"twin": NEAR, "floor": "rounding"}, "a twin is a floor already: give twin or floor='rounding', not both"),
        ({"floor": "rounding"}, "rounding: only a transformers model can be rounded, and large is a function"),
        ({"floor": "batch"}, "floor='batch' is for transformers models and servers, and large is a function"),
        ({"floor": "noise"}, "floor must be 'rounding' or 'batch' or 'kernels' or 'wording' or 'calibration'"),
        ({"floor": "wording"}, "floor='wording' is for a language model with a prompt, and large has none"),
        ({"floor": "calibration", "twin": None}, "floor='calibration' needs twin: the compressed model made again"),
        (
            {"floor": "calibration", "compressed": {"small": FAR, "tiny": LARGE}},
            "floor='calibration' is of one compressed model and its twins",
        ),
        ({"twin": {}}, "twin is empty: give another large model, or leave it out"),
        ({"twin": {"large": NEAR}}, "twin needs models, under names other than 'large'"),
        ({"twin": {"small": NEAR}}, "a twin and a compressed model are both called 'small'"),
        ({"margins": {"nothing": 0.1}}, "margins must be"),
    ],
)
def test_bad_input_is_one_sentence(given, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is looked at)
        errors_of(**{"compressed": {"small": FAR}, **given})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_floor_of_the_same_model_one_text_at_a_time(tmp_path):
    tiny_models.checkpoint(tmp_path / "large")
    tiny_models.checkpoint(tmp_path / "small", seed=1)
    texts = [" ".join(np.random.default_rng(i).choice(tiny_models.WORDS, 6)) for i in range(60)]
    result = compute(
        large=tmp_path / "large",
        twin=None,
        compressed={"small": tmp_path / "small"},
        texts=texts,
        references=[0, 1] * 30,
        floor="batch",
        dimensions="prediction_error_jaccard",
    )
    entry = pair_of(result, "small")["prediction_error_jaccard"]
    assert entry["floor"] == 1.0
    assert entry["beside"] == "itself, asked one question at a time, is"
