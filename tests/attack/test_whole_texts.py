"""Attacks that leave the words alone: other orders of a question's options, and sentences beside a text."""

import numpy as np
import pytest

from trusteq.attack.attacking import attack_each
from trusteq.attack.whole_texts import BESIDE, distracted, other_orders
from trusteq.dimensions.attack_divergence import AttackOptions
from trusteq.kinds.text import Question

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
    orders = [text[1].split("\n") for text, _ in other_orders(("q", "a\nb\nc\nd"), 2, 0)]
    assert len(orders) == len(set(map(tuple, orders))) == 5
    assert {order[2] for order in orders} == {"c"}


def test_a_sentence_beside_a_text_may_distract():
    model = lambda texts: [[0.9, 0.1] if "train" in text else [0.1, 0.9] for text in texts]  # noqa: E731
    found = outcomes(["a good film"], [1], model, attack="distraction")
    assert found[0].adversarial == f"a good film {BESIDE[2]}"
    assert found[0].queries == 1 + 2 * len(BESIDE)


def test_of_a_pair_the_chosen_text_is_beside_the_sentence():
    assert distracted(("a", "b"), 0, field=0)[0][0] == (f"a {BESIDE[0]}", "b")
    assert distracted(("a", "b"), 0, field=1)[1][0] == ("a", f"{BESIDE[0]} b")


def test_questions_may_run_out():
    model = lambda texts: [[0.9, 0.1] if "train" in text else [0.1, 0.9] for text in texts]  # noqa: E731
    assert outcomes(["a good film"], [1], model, attack="distraction", max_queries=3)[0].status == "withstood"


@pytest.mark.parametrize("attack", ["options", "distraction"])
def test_there_is_no_class_to_lead_to(attack):
    with pytest.raises(ValueError, match="target is for attacks on words"):
        AttackOptions(attack=attack, target=1)
