"""Language models with a prompt: probabilities of labels as in a plain loop, and every dimension takes them."""

import copy
import math

import evaluate
import numpy as np
import pytest
import tiny_models
import torch
import transformers
from tiny_language_models import KINDS, WORDS, network, tokenizer

from trusteq.explain.language_gradients import language_gradients, located
from trusteq.kinds.text import Question, changeable
from trusteq.models.labels import match_labels
from trusteq.models.open import as_predictor

alignment = evaluate.load("metrics/attribution_alignment")

PROMPT = "Review : {text} Verdict :"
VERBALIZERS = {"negative": "thumbs down", "positive": "thumbs up"}
UNEVEN = {"negative": "bad", "positive": "very very good", "mixed": "not bad"}
TEXTS = ["the film was very good", "awful", "the plot is dull but the acting is great", "awful", "a cat sleeps"]
PAIRS = [("the cat sleeps", "a cat is awful"), ("a film", "the movie was not very good"), ("good", "bad")]
GOOD, BAD = ["good", "great", "fine"], ["bad", "awful", "dull"]


def given(model, prompt=PROMPT, verbalizers=UNEVEN, **more):
    return {"model": (model, tokenizer()), "prompt": prompt, "verbalizers": verbalizers, **more}


def plain_loop(model, texts, prompt, verbalizers, mean=False):
    """Every label's tokens behind the prompt, one sequence at a time, without cache, padding or batches."""
    words, rows = tokenizer(), []
    for text in texts:
        first, second = (text, "") if isinstance(text, str) else text
        start = words(prompt.replace("{text}", first).replace("{text_pair}", second))["input_ids"][:-1]  # no [SEP]
        scores = []
        for label in verbalizers.values():
            tokens = words(label, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([start + tokens])).logits[0].double().log_softmax(dim=-1)
            each = [float(logits[len(start) + i - 1, token]) for i, token in enumerate(tokens)]
            scores.append(sum(each) / len(each) if mean else sum(each))
        rows.append(torch.tensor(scores).softmax(dim=0).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", ["total", "mean"])
def test_probabilities_are_those_of_a_plain_loop(kind, length):
    model = network(kind)
    expected = plain_loop(model, TEXTS, PROMPT, UNEVEN, mean=length == "mean")
    assert np.ptp(expected, axis=0).max() > 1e-3  # the texts matter
    for tokens in (1, 30, 1000):
        predict = as_predictor(given(model, length=length), "model", tokens=tokens)
        assert predict(TEXTS) == pytest.approx(expected, abs=1e-5)  # float32
        assert np.log(predict(TEXTS)) == pytest.approx(np.log(expected), abs=1e-4)  # the improbable labels, too


def test_a_model_without_a_cache_reads_the_prompt_again_for_each_answer():
    torch.manual_seed(0)
    vocabulary = len(tiny_models.SPECIAL) + len(WORDS)
    config = transformers.MambaConfig(vocab_size=vocabulary, hidden_size=32, num_hidden_layers=2, state_size=8)
    model = transformers.MambaForCausalLM(config).eval()
    short = {"negative": "bad", "positive": "good"}
    for words in (short, UNEVEN):
        expected = plain_loop(model, TEXTS, PROMPT, words)
        assert as_predictor(given(model, verbalizers=words), "model")(TEXTS) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_fill_two_fields(kind):
    model, prompt = network(kind), "Premise : {text} Claim : {text_pair} true :"
    expected = plain_loop(model, PAIRS, prompt, VERBALIZERS)
    predict = as_predictor(given(model, prompt, VERBALIZERS), "model")
    assert predict(PAIRS) == pytest.approx(expected, abs=1e-5)


def test_verbalizers_of_one_token_take_one_pass_and_longer_ones_share_the_prompt():
    model, read = network(), []
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    prompt = len(tokenizer()(PROMPT.replace("{text}", "awful"))["input_ids"]) - 1
    as_predictor(given(model, verbalizers={"a": "good", "b": "bad"}), "model")(["awful"])
    assert read == [prompt]
    read.clear()
    as_predictor(given(model, verbalizers=UNEVEN), "model")(["awful"])
    handle.remove()
    assert read == [prompt, 2, 1]


@pytest.mark.parametrize("packs", [None, False])
def test_only_the_prompts_last_position_is_turned_into_logits(packs):
    model, shapes = network(), []
    handle = model.lm_head.register_forward_hook(lambda module, args, output: shapes.append(output.shape[:2]))
    predict = as_predictor(given(model, verbalizers={"a": "good", "b": "bad"}), "model")
    predict.packs = packs
    predict(TEXTS)
    handle.remove()
    looked = predict.packs is True  # one prompt was read alone, too
    assert sum(map(math.prod, shapes)) == len(set(TEXTS)) + looked


def test_braces_in_a_text_or_around_other_words_are_left_alone():
    predict = as_predictor(given(network(), "{json} {text} / {text_pair} :"), "model")
    assert predict.prompt.fill(predict.parts, ("{text_pair} {0}", "{text}")) == "{json} {text_pair} {0} / {text} :"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_embeddings_are_those_of_each_prompt_alone(kind, pooling):
    model = network(kind)
    predict = as_predictor(given(model), "model", pooling=pooling, layer=1)
    rows, embeddings = predict.both(TEXTS)
    assert rows == pytest.approx(predict(TEXTS), abs=1e-6)
    for text, row in zip(TEXTS, embeddings, strict=True):
        ids = tokenizer()(PROMPT.replace("{text}", text), return_tensors="pt")["input_ids"][:, :-1]
        with torch.no_grad():
            hidden = model(ids, output_hidden_states=True).hidden_states[1][0]
        assert row == pytest.approx((hidden[-1] if pooling == "last" else hidden.mean(dim=0)).numpy(), abs=1e-5)


class Wrapped(torch.nn.Module):
    """A model inside another that takes anything, as adapters are put on."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.config, self.device, self.dtype = inner, inner.config, inner.device, inner.dtype

    def get_base_model(self):
        return self.inner

    def forward(self, **given):
        return self.inner(**given)


def test_a_wrapped_model_is_told_the_positions_that_the_model_inside_takes():
    model = network()
    expected = plain_loop(model, TEXTS, PROMPT, UNEVEN)
    assert as_predictor(given(Wrapped(model)), "model")(TEXTS) == pytest.approx(expected, abs=1e-5)


def test_a_special_token_of_the_prompt_itself_is_kept_at_its_end():
    predict = as_predictor(given(network(), "{text} [SEP]"), "model")
    assert predict.encode(["good"])["input_ids"] == [tokenizer().convert_tokens_to_ids(["[CLS]", "good", "[SEP]"])]


# Texts that are too long.


def test_the_text_is_cut_and_never_the_prompt_or_a_verbalizer():
    predict = as_predictor(given(network()), "model")
    long = "good " * 100
    (ids,) = predict.encode([long])["input_ids"]
    words = tokenizer().convert_ids_to_tokens(ids)
    assert words[:3] == ["[CLS]", "Review", ":"]
    assert words[-2:] == ["Verdict", ":"]
    assert len(ids) == 64 - 2  # the longest verbalizer has three tokens, and the last one need not be read
    assert words[3:-2] == ["good"] * (62 - 5)
    rows = predict([long, "good " * 57, "bad"])
    assert predict.truncated == 2  # once above, once here
    assert rows[0] == pytest.approx(rows[1], abs=1e-6)


def test_both_texts_of_a_pair_are_cut_to_one_length():
    prompt = "Premise : {text} Claim : {text_pair} true :"
    predict = as_predictor(given(network(), prompt), "model")
    words = tokenizer().convert_ids_to_tokens(predict.encode([("good " * 100, "bad")])["input_ids"][0])
    assert words[-4:] == [":", "bad", "true", ":"]
    words = tokenizer().convert_ids_to_tokens(predict.encode([("good " * 100, "good " * 90)])["input_ids"][0])
    middle = words.index("Claim")
    assert abs(words[:middle].count("good") - words[middle:].count("good")) <= 1
    assert len(words) in (61, 62)
    assert predict.truncated == 2


def test_a_prompt_without_room_for_a_text_is_refused():
    predict = as_predictor(given(network(), "good " * 70 + "{text}"), "model")
    with pytest.raises(ValueError, match="the prompt without a text takes 71 of the 64 tokens that model can read"):
        predict(["bad"])


# Checkpoints, labels, other metrics.


def test_a_checkpoint_says_what_the_model_that_was_saved_says(tmp_path):
    model = network("llama")
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    from_disk = as_predictor(given(model) | {"model": str(tmp_path)}, "model")
    assert from_disk(TEXTS) == pytest.approx(as_predictor(given(model), "model")(TEXTS), abs=1e-6)
    double = as_predictor(given(model), "model", dtype="float64")
    assert double.model.dtype == torch.float64
    assert double(TEXTS) == pytest.approx(from_disk(TEXTS), abs=1e-4)


def test_a_classifier_is_no_language_model(tmp_path):
    tiny_models.checkpoint(tmp_path)
    with pytest.raises(ValueError, match=r"expected one that ends in .'ForCausalLM', 'LMHeadModel'"):
        as_predictor(given(None) | {"model": str(tmp_path)}, "model")


def test_labels_are_matched_by_name_with_a_classifiers():
    classifier = tiny_models.classifier(0, ("POSITIVE", "NEGATIVE"))
    large = as_predictor((classifier, tiny_models.tokenizer()), "large")
    small = as_predictor(given(network(), verbalizers=VERBALIZERS), "model")
    before = small(TEXTS)
    match_labels(large, small)
    assert (small(TEXTS) == before[:, ::-1]).all()
    match_labels(large, small, {"negative": 0, "positive": 1})
    assert (small(TEXTS) == before).all()


def train(width, seed, steps=120):
    """A language model that learns to say thumbs up after a good word and thumbs down after a bad one."""
    model, words, generator = network(width=width, seed=seed, spread=0.05), tokenizer(), np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        texts, labels = toy_task(generator, 32)
        lines = [PROMPT.replace("{text}", text) + " " + list(VERBALIZERS.values())[label]
                 for text, label in zip(texts, labels, strict=True)]  # fmt: skip
        batch = words(lines, return_tensors="pt", padding=True)
        verdict = torch.isin(batch["input_ids"], torch.tensor(words.convert_tokens_to_ids(["thumbs", "up", "down"])))
        model(**batch, labels=batch["input_ids"].masked_fill(~verdict, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def toy_task(generator, count):
    others = ["the", "film", "was", "a", "plot", "acting", "story", "and"]
    texts, labels = [], generator.integers(2, size=count).tolist()
    for label in labels:
        words = generator.choice(others, size=generator.integers(2, 6)).tolist()
        words.insert(int(generator.integers(len(words) + 1)), str(generator.choice((BAD, GOOD)[label])))
        texts.append(" ".join(words))
    return texts, labels


@pytest.fixture(scope="module")
def family():
    sizes = (("large", 64, 0), ("small", 32, 1))
    return {name: given(train(width, seed), verbalizers=VERBALIZERS) for name, width, seed in sizes}


def test_every_array_metric_takes_what_language_models_say(family):
    texts, labels = toy_task(np.random.default_rng(7), 120)
    strange = [f"cat sleeps {text.split()[0]} cat" for text in texts[:60]]
    said = {}
    for name, model in family.items():
        predict = as_predictor(model, name)
        said[name] = (*predict.both(texts), predict(strange))
        assert (said[name][0].argmax(axis=1) == labels).mean() > 0.95
    (small, small_embedding, small_strange), (large, large_embedding, large_strange) = said["small"], said["large"]
    for metric in ("prediction_error_jaccard", "calibration_gap"):
        result = evaluate.load(f"metrics/{metric}").compute(
            predictions=small, references=labels, large_predictions=large
        )
        assert all(np.isfinite(value) for value in result.values())
    overlap = evaluate.load("metrics/representation_overlap")
    assert 0 <= overlap.compute(predictions=small_embedding, large_predictions=large_embedding)["cka"] <= 1
    ood = evaluate.load("metrics/ood_divergence").compute(
        predictions=np.concatenate([small, small_strange]),
        references=[0] * len(small) + [1] * len(strange),
        large_predictions=np.concatenate([large, large_strange]),
    )
    assert ood["auroc"] > 0.5  # a text without good or bad words leaves the model less sure
    assert ood["large_auroc"] > 0.5


@pytest.mark.parametrize("method", ["lime", "occlusion"])
def test_attribution_alignment_explains_language_models(family, method):
    texts, labels = toy_task(np.random.default_rng(8), 8)
    result = alignment.compute(
        texts=texts, references=labels, model=family["small"], large_model=family["large"], method=method, k=1,
        details=True, **({"samples": 100} if method == "lime" else {}),
    )  # fmt: skip
    assert result["examples_used"] == 8
    assert result["jaccard_at_1"] > 0.8  # both learned that one word decides
    first = [entry["large_explanations"][0][0] for entry in result["details"]["per_example"]]
    assert np.mean([word in GOOD + BAD and weight > 0 for word, weight in first]) > 0.8


def test_attack_divergence_attacks_language_models(family):
    texts, labels = toy_task(np.random.default_rng(9), 6)
    result = evaluate.load("metrics/attack_divergence").compute(
        texts=texts, references=labels, model=family["small"], large_model=family["large"], attack="deepwordbug",
        details=True,
    )  # fmt: skip
    assert all(np.isfinite(value) for key, value in result.items() if key != "details")
    assert 0 < result["large_success_rate"] <= 1  # a letter changed makes the one word that decides an unknown one


def test_an_audit_takes_language_models_through_every_dimension(family):
    generator = np.random.default_rng(3)
    texts = list(dict.fromkeys(toy_task(generator, 30)[0]))
    result = evaluate.load("metrics/trust_equivalence").compute(
        large=family["large"], compressed={"small": family["small"]}, texts=texts, method="occlusion",
        references=["positive" if set(text.split()) & set(GOOD) else "negative" for text in texts],
        ood_texts=[f"cat sleeps {word}" for word in WORDS[:20]], attack="deepwordbug", details=True,
    )  # fmt: skip
    (pair,) = result["details"]["pairs"]
    assert len(pair["dimensions"]) == 6
    assert {name: one["reason"] for name, one in pair["dimensions"].items() if one["status"] != "done"} == {}


def test_a_predictor_is_a_model_to_every_metric_and_stays_as_it_was_opened(family):
    texts, labels = toy_task(np.random.default_rng(9), 4)
    ours, theirs = (as_predictor(family["large"], "model", tokens=40) for _ in range(2))
    assert as_predictor(theirs, "model", tokens=50) is theirs
    arguments = {"texts": texts, "references": labels, "model": theirs, "large_model": ours}
    assert alignment.compute(**arguments, method="occlusion", k=1)["jaccard_at_1"] == 1
    assert evaluate.load("metrics/attack_divergence").compute(**arguments, attack="typos")["broken_jaccard"] == 1
    assert (ours.tokens, theirs.tokens) == (40, 40)


OPTIONS = [["very good", "bad"], ["awful", "not very good", "a cat"], ["the acting is great", "dull"]]
GRADIENT_CASES = {
    "one token each": {"verbalizers": {"negative": "bad", "positive": "good"}},
    "uneven": {"verbalizers": UNEVEN},
    "uneven, by the token": {"verbalizers": UNEVEN, "length": "mean"},
    "a pair": {"prompt": "Premise : {text} Claim : {text_pair} true :"},
    "options of its own": {"choices": "continuations", "most": 3, "length": "characters"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", GRADIENT_CASES)
def test_integrated_gradients_sum_to_what_the_text_moves(kind, case):
    model, texts = network(kind, width=8), PAIRS[:2] if case == "a pair" else TEXTS[:3]
    how = {"prompt": PROMPT} | GRADIENT_CASES[case]
    if "choices" in how:
        texts = [Question.of(text, options) for text, options in zip(texts, OPTIONS, strict=True)]
    else:
        how = {"verbalizers": VERBALIZERS} | how
    predict = as_predictor({"model": (model, tokenizer()), **how}, "model")
    for text, weights in zip(texts, language_gradients(predict, texts, [1] * len(texts), steps=200), strict=True):
        ids, found, owner, answers = located(predict, text)
        assert found == " ".join(changeable(text)).split()
        assert sum(place >= 0 for place in owner) == len(found)  # a token for each word
        empty = [predict.padding if place >= 0 else token for token, place in zip(ids, owner, strict=True)]
        scores = []
        for answer in answers:
            with torch.no_grad():
                said = model(torch.tensor([empty + answer])).logits[0, len(ids) - 1 :].log_softmax(dim=-1)
            scores.append(sum(float(said[i, token]) for i, token in enumerate(answer)))
        by = {"mean": map(len, answers), "characters": map(len, OPTIONS[texts.index(text)])}
        scores = np.array(scores) / (list(by[how["length"]]) if "length" in how else 1)
        moved = predict([text])[0, 1] - float(np.exp(scores[1] - np.logaddexp.reduce(scores)))
        repeated = len(found) != len(set(found))  # whose strongest occurrence alone is kept
        assert repeated or sum(weight for _, weight in weights) == pytest.approx(moved, abs=2e-3)


def test_integrated_gradients_of_two_language_models_are_compared():
    one, other = (given(network("llama", seed), verbalizers={"no": "bad", "yes": "good"}) for seed in (0, 1))
    found = alignment.compute(
        texts=TEXTS[:3], references=[1, 0, 0], model=one, large_model=other, method="integrated_gradients", k=2
    )
    assert 0 <= found["jaccard_at_2"] <= 1


# What goes wrong is one sentence.


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": "Good or bad?"}, "prompt must hold {text} once"),
        ({"prompt": "{text} {text}"}, "prompt must hold {text} once"),
        ({"prompt": None}, "prompt must hold {text} once"),
        ({"prompt": "{text}{text_pair}"}, "the prompt takes pairs of texts"),
        ({"verbalizers": {"good": "good"}}, "verbalizers must be a dict from two or more labels"),
        ({"verbalizers": ["good", "bad"]}, "verbalizers must be a dict"),
        ({"verbalizers": {"a": "good", "b": " "}}, "must give every label its words, got 'b'"),
        ({"verbalizers": {"a": "good", "b": "good"}}, "has the same tokens as another label's"),
        ({"length": "median"}, "length must be 'total' or 'mean'"),
        ({"model": len}, "model must be a path, a Hub id or"),
        ({"model": "./nowhere"}, "there is no folder ./nowhere"),
        ({"template": ""}, "a dict takes model, calibration, prompt, verbalizers, .*, not 'template'"),
    ],
)
def test_what_is_no_language_model_with_a_prompt_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        as_predictor(given(network()) | change, "model")(["good"])


def test_a_dict_without_a_prompt_is_refused():
    with pytest.raises(ValueError, match="the dict has no 'prompt'"):
        as_predictor({"model": "gpt2", "verbalizers": VERBALIZERS}, "model")


def test_a_model_that_was_handed_over_is_as_before():
    model = network().train()
    before = copy.deepcopy(model.state_dict())
    as_predictor(given(model), "model")(TEXTS)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
