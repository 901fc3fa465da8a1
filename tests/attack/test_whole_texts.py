"""Attacks that leave the words alone: other orders of a question's options, prompts said otherwise, and sentences
beside a text."""

from math import factorial

import evaluate
import numpy as np
import pytest
from tiny_language_models import network, tokenizer

from trusteq.attack.attacking import attack_each
from trusteq.attack.outcomes import read_outcome
from trusteq.attack.whole_texts import BESIDE, all_orders, distracted, other_orders
from trusteq.dimensions.attack_divergence import AttackOptions
from trusteq.kinds.text import Question
from trusteq.models.open import as_predictor
from trusteq.models.prompts import rewordings

QUESTIONS = [Question.of("What purrs?", ["a cat", "a dog", "a cow"]), Question.of("What barks?", ["a cat", "a dog"])]


def last_but(texts):
    """Says the first option, unless the last one is a dog: then that."""
    return np.array(
        [[0.2, 0.2, 0.6] if text[1].endswith("dog") and "cow" in text[1] else [0.6, 0.3, 0.1] for text in texts]
    )


def outcomes(texts, gold, model, **options):
    found = attack_each(texts, gold, {"large": model}, None, AttackOptions(**options))
    return {index: outcome for index, _, outcome in found}


def test_wrong_options_change_places_and_the_right_one_keeps_its_letter():
    found = outcomes(QUESTIONS, [0, 1], last_but, attack="options", attack_field="first")
    assert (found[0].status, found[0].adversarial) == ("broken", ("What purrs?", "a cat\na cow\na dog"))
    assert (found[0].queries, found[0].changed_words) == (2, 2)
    assert found[1].status == "skipped"


def test_of_two_options_there_is_no_other_order():
    found = outcomes(QUESTIONS[1:], [0], last_but, attack="options", attack_field="first")
    assert (found[0].status, found[0].changeable) == ("withstood", False)


def test_four_options_have_five_other_orders_of_the_wrong_ones():
    found = other_orders(("q", "a\nb\nc\nd"), 2, np.random.default_rng(0))
    orders = [one.text[1].split("\n") for one in found]
    assert len(orders) == len(set(map(tuple, orders))) == 5
    assert {order[2] for order in orders} == {"c"}


def test_a_sentence_beside_a_text_may_distract():
    model = lambda texts: [[0.9, 0.1] if "train" in text else [0.1, 0.9] for text in texts]  # noqa: E731
    found = outcomes(["a good film"], [1], model, attack="distraction")
    assert found[0].adversarial == f"a good film {BESIDE[2]}"
    assert found[0].queries == 1 + 2 * len(BESIDE)


def test_of_a_pair_the_chosen_text_is_beside_the_sentence():
    rng = np.random.default_rng(0)
    assert distracted(("a", "b"), 0, rng, field=0)[0].text == (f"a {BESIDE[0]}", "b")
    assert distracted(("a", "b"), 0, rng, field=1)[1].text == ("a", f"{BESIDE[0]} b")


def test_questions_may_run_out():
    model = lambda texts: [[0.9, 0.1] if "train" in text else [0.1, 0.9] for text in texts]  # noqa: E731
    assert outcomes(["a good film"], [1], model, attack="distraction", max_queries=3)[0].status == "withstood"


@pytest.mark.parametrize("attack", ["options", "distraction", "reordered", "wording"])
def test_there_is_no_class_to_lead_to(attack):
    with pytest.raises(ValueError, match="target is for attacks on words"):
        AttackOptions(attack=attack, target=1)


# All options in another order: the right one moves, and with it what is right.


def always_first(texts):
    return np.array([[0.6, 0.3, 0.1]] * len(texts))


def knows_cats(texts):
    rows = [[0.8 if option == "a cat" else 0.1 for option in text[1].split("\n")] for text in texts]
    return np.array([[*row, 0.0, 0.0][:3] for row in rows]) / np.array([[sum(row)] for row in rows])


def test_who_says_a_letter_breaks_where_the_right_option_moves_and_who_knows_it_does_not():
    found = outcomes(QUESTIONS[:1], [0], always_first, attack="reordered")
    assert (found[0].status, found[0].adversarial) == ("broken", ("What purrs?", "a dog\na cat\na cow"))
    assert (found[0].label, found[0].adversarial_label, found[0].right, found[0].changed_words) == (0, 1, 1, 2)
    assert found[0].queries == factorial(3)
    assert outcomes(QUESTIONS[:1], [0], knows_cats, attack="reordered")[0].status == "withstood"


def test_an_order_fools_another_model_if_that_does_not_follow_the_right_option():
    compute = evaluate.load("metrics/attack_divergence").compute
    asked = {"texts": QUESTIONS[:1], "references": [0], "attack": "reordered"}
    assert compute(model=always_first, large_model=knows_cats, **asked)["transfer_to_large"] == 0
    assert compute(model=always_first, large_model=lambda texts: always_first(texts), **asked)["transfer_to_large"] == 1


def test_an_outcome_with_a_moved_answer_is_read_again():
    (one,) = outcomes(QUESTIONS[:1], [0], always_first, attack="reordered").values()
    assert read_outcome("", one.as_dict()) == one


@pytest.mark.parametrize(("count", "orders"), [(2, 1), (4, 23), (5, 119), (7, 119)])
def test_orders_differ_and_the_right_answer_goes_with_its_option(count, orders):
    text = ("q", "\n".join(map(str, range(count))))
    found = all_orders(text, 1, np.random.default_rng(3))
    assert len({one.text for one in found} - {text}) == len(found) == orders
    assert all(one.text[1].split("\n")[one.label] == "1" for one in found)
    assert found == all_orders(text, 1, np.random.default_rng(3))


@pytest.mark.parametrize("attack", ["deepwordbug", "typos", "distraction"])
def test_no_attack_on_the_text_touches_the_options_of_a_question(attack):
    asked = []
    model = lambda texts: asked.extend(texts) or [[0.9, 0.1] for _ in texts]  # noqa: E731
    outcomes([Question.of("What purrs at night?", ["a cat", "a dog"])], [0], model, attack=attack)
    assert len(asked) > 1
    assert {text[1] for text in asked} == {"a cat\na dog"}


# Sentences of one's own.


def test_sentences_may_be_ones_own_and_of_many_five_are_drawn(tmp_path):
    (tmp_path / "beside.txt").write_text("\n".join(f"Sentence {i}." for i in range(30)) + "\n\n", encoding="utf-8")
    asked = []
    model = lambda texts: asked.extend(texts) or [[0.9, 0.1] for _ in texts]  # noqa: E731
    outcomes(["so good", "dull"], [0, 0], model, attack="distraction", sentences=tmp_path / "beside.txt")
    beside = [{text.replace(own, "").strip() for text in asked if own in text} - {""} for own in ("so good", "dull")]
    assert [len(some) for some in beside] == [5, 5]
    assert beside[0] != beside[1]
    outcomes(["good"], [0], model, attack="distraction", sentences=["Not so."])
    assert asked[-2:] == ["good Not so.", "Not so. good"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sentences": []}, "sentences must be a text file, or a list of sentences"),
        ({"sentences": [" "]}, "sentences has no sentence: give at least one"),
        ({"sentences": "nowhere.txt"}, "sentences: nowhere.txt could not be read"),
        ({"attack": "typos", "sentences": ["So."]}, "sentences is for distraction, got it with typos"),
        ({"wordings": ["{text}"]}, "wordings is for wording, got it with distraction"),
        ({"attack": "wording", "wordings": "{text}"}, "wordings must be a list of prompts"),
    ],
)
def test_what_is_no_sentence_or_wording_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        AttackOptions(**{"attack": "distraction"} | given)


# The prompt said otherwise.

PROMPT = "Review : {text} Verdict :"
OTHERS = ["{text} Verdict : the film is", "the movie : {text} true :", "not {text} and Verdict :"]
TEXTS = ["the film was very good", "awful", "the plot is dull but the acting is great", "a cat sleeps", "good", "bad"]


def spoken(seed, prompt=PROMPT):
    verbalizers = {"negative": "bad", "positive": "good"}
    return {"model": (network("llama", seed=seed), tokenizer()), "prompt": prompt, "verbalizers": verbalizers}


def test_a_prompt_said_otherwise_breaks_who_then_says_otherwise():
    gold = as_predictor(spoken(0), "model")(TEXTS).argmax(axis=1).tolist()
    found = outcomes(TEXTS, gold, spoken(0), attack="wording", wordings=OTHERS)
    under = [as_predictor(spoken(0, prompt), "model")(TEXTS).argmax(axis=1) for prompt in OTHERS]
    for i, one in found.items():
        first = next((place for place, said in enumerate(under) if said[i] != gold[i]), None)
        assert one.wording == (None if first is None else OTHERS[first])
        assert one.status == ("withstood" if first is None else "broken")
        assert (one.adversarial, one.queries) == (TEXTS[i], 1 + len(OTHERS))
        assert read_outcome("", one.as_dict()) == one
    assert {one.status for one in found.values()} == {"broken", "withstood"}


def test_what_fools_one_model_is_shown_to_the_other_under_the_same_prompt():
    gold = as_predictor(spoken(0), "model")(TEXTS).argmax(axis=1).tolist()
    result = evaluate.load("metrics/attack_divergence").compute(
        texts=TEXTS, references=gold, model=spoken(0), large_model=spoken(10), attack="wording", wordings=OTHERS,
        details=True,
    )  # fmt: skip
    seen = set()
    for entry in result["details"]["per_example"]:
        own, large = entry["outcome"], entry["large_outcome"]
        if own["status"] == "broken" and large["status"] != "skipped":
            said = as_predictor(spoken(10, own["wording"]), "model")([own["text"]])[0].argmax()
            assert own["transfers"] == (said != own["label"])
            seen.add(own["transfers"])
    assert seen == {True, False}


def test_without_ones_own_wordings_there_are_some_with_the_same_fields_and_end():
    for prompt in (PROMPT, "{text}\n{options}\nAnswer:", "Premise: {text}\nClaim: {text_pair}\nTrue:"):
        found = rewordings(prompt)
        assert len(found) >= 2
        assert len(set(found) | {prompt}) == len(found) + 1
        for one in found:
            assert all(one.count(field) == prompt.count(field) for field in ("{text}", "{text_pair}", "{options}"))
            assert one.endswith(prompt.split()[-1])


@pytest.mark.parametrize(
    ("model", "wordings", "words"),
    [
        (always_first, None, "the attack wording is on the prompt of a language model, and large has none"),
        (spoken(0), ["Good?"], r"wordings\[0\]: prompt must hold {text} once"),
        (spoken(0), ["{text} {text_pair}"], r"wordings\[0\] must have the fields of the prompt"),
    ],
)
def test_what_cannot_be_said_otherwise_is_one_sentence(model, wordings, words):
    with pytest.raises(ValueError, match=words):
        outcomes(["good"], [0], model, attack="wording", wordings=wordings)
