"""TextAttack behind our predictor: the same adversarial texts as by itself, and a sentence where there are none.

Runs in an environment of its own (see README.md); there is nothing here that could be skipped.
"""

import random
from collections import Counter, OrderedDict
from pathlib import Path
from types import SimpleNamespace

import evaluate
import numpy as np
import pytest
import requests
import textattack
import torch
from textattack import attack_recipes, constraints, goal_functions, search_methods, transformations
from tiny_models import LETTERS, WORDS, classifier, tokenizer

from trusteq.attack.textattack_bridge import COLUMNS
from trusteq.models.open import as_predictor
from trusteq.side_by_side import example_seed

metric = evaluate.load(str(Path(__file__).resolve().parents[2] / "metrics" / "attack_divergence"))


def genetic(wrapper):
    """A search that draws random numbers between its questions, and keeps a state while it waits for the answers."""
    return textattack.Attack(
        goal_functions.UntargetedClassification(wrapper),
        [constraints.pre_transformation.RepeatModification()],
        transformations.WordSwapRandomCharacterSubstitution(),
        search_methods.AlzantotGeneticAlgorithm(pop_size=4, max_iters=3, post_crossover_check=False),
    )


ATTACKS = {
    "deepwordbug": ("textattack:DeepWordBugGao2018", attack_recipes.DeepWordBugGao2018.build),
    "pruthi": (attack_recipes.Pruthi2019, attack_recipes.Pruthi2019.build),
    "genetic": (genetic, genetic),
}
attacks = pytest.mark.parametrize("name", ATTACKS)


@pytest.fixture(scope="module")
def network():
    """It reads letters: to one of words all misspellings are alike, and rounding would choose among them."""
    return classifier(seed=3), tokenizer(words=LETTERS)


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, size)) for size in rng.integers(1, 8, 24)]


@pytest.fixture(scope="module")
def pairs(texts):
    return list(zip(texts[::2], texts[1::2], strict=True))


def labels_of(network, texts):
    """What the model says of each text, so that it is right; but every fifth time something else."""
    labels = as_predictor(network, "model")(texts).argmax(axis=1)
    return [int(label) if i % 5 else 1 - int(label) for i, label in enumerate(labels)]


def ours(attack, model, texts, labels, some=None, **options):
    """Outcomes of the texts, or of some of them, attacked side by side."""
    indices = None if some is None else {"model": some}
    outcomes = metric.attack(texts, labels, {"model": model}, indices, attack=attack, **options)
    return [SimpleNamespace(**entry) for _, _, entry in sorted(outcomes, key=lambda found: found[0])]


def theirs(attack, texts, labels):
    """TextAttack by itself, example by example, each with the seed that it has in the metric."""
    found = []
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        seed = example_seed(0, i)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - what TextAttack draws from
        torch.manual_seed(seed)
        example = text if isinstance(text, str) else OrderedDict(zip(COLUMNS, text, strict=True))
        found.append(attack.attack(example, label))
    return found


def statuses(results):
    kinds = {"SkippedAttackResult": "skipped", "SuccessfulAttackResult": "broken", "FailedAttackResult": "withstood"}
    return [kinds[type(result).__name__] for result in results]


def assert_same(outcomes, results):
    assert [outcome.status for outcome in outcomes] == statuses(results)
    assert {"skipped", "broken", "withstood"} <= {outcome.status for outcome in outcomes}  # or it would prove little
    for outcome, result in zip(outcomes, results, strict=True):
        if outcome.status == "broken":
            assert outcome.adversarial == result.perturbed_result.attacked_text.tokenizer_input
            assert outcome.adversarial_scores == pytest.approx(result.perturbed_result.raw_output, abs=1e-5)  # float32
        else:
            assert outcome.adversarial == outcome.text
        assert outcome.queries <= max(1, result.num_queries)  # which counts what is asked again


@attacks
def test_finds_what_textattack_finds_example_by_example(name, network, texts):
    attack, build = ATTACKS[name]
    labels = labels_of(network, texts)
    own = build(textattack.models.wrappers.HuggingFaceModelWrapper(*network))
    assert_same(ours(attack, network, texts, labels), theirs(own, texts, labels))


@pytest.mark.parametrize(("name", "field"), [("first", 0), ("second", 1)])
def test_of_a_pair_only_the_field_changes_and_as_textattack_changes_it(name, field, network, pairs):
    labels = labels_of(network, pairs)
    columns = list(COLUMNS)
    own = genetic(textattack.models.wrappers.HuggingFaceModelWrapper(*network))
    own.pre_transformation_constraints.append(
        constraints.pre_transformation.InputColumnModification(columns, {columns[1 - field]})
    )
    outcomes = ours(genetic, network, pairs, labels, attack_field=name)
    assert_same(outcomes, theirs(own, pairs, labels))
    assert all(outcome.adversarial[1 - field] == outcome.text[1 - field] for outcome in outcomes)


def classifier_of_length(texts):
    share = np.array([len(text) % 8 / 8 for text in texts])
    return np.stack([share, 1 - share], axis=1)


@attacks
def test_no_outcome_depends_on_what_is_attacked_beside_it(name, texts):
    def model(texts):
        """Exactly the same of a text whatever else is asked, as a network is only to within rounding."""
        share = np.array([sum(map(ord, text)) % 64 / 64 for text in texts])
        return np.stack([share, 1 - share], axis=1)

    attack, labels = ATTACKS[name][0], labels_of(model, texts)
    together = ours(attack, model, texts, labels)
    assert [ours(attack, model, texts, labels, [i]) for i in (3, 7)] == [[together[3]], [together[7]]]
    two = metric.attack(texts, labels, {"other": classifier_of_length, "model": model}, attack=attack)
    assert sorted(i for i, name, entry in two if name == "model" and vars(together[i]) == entry) == [*range(len(texts))]


def test_the_metric_compares_two_models_under_an_attack_of_textattack(network, texts):
    labels, attack = labels_of(network, texts), attack_recipes.DeepWordBugGao2018
    small = classifier(seed=5), tokenizer()
    result = metric.compute(
        texts=texts, references=labels, model=small, large_model=network, attack=attack, details=True
    )
    outcomes = ours(attack, network, texts, labels)
    counts = Counter(outcome.status for outcome in outcomes)
    assert result["large_success_rate"] == counts["broken"] / (counts["broken"] + counts["withstood"])
    predictor = as_predictor(small, "model")
    clean, changed = (predictor(some).argmax(axis=1) for some in (texts, [one.adversarial for one in outcomes]))
    fooled = [now != one.label for one, was, now in zip(outcomes, clean, changed, strict=True)
              if one.status == "broken" and was == one.label]  # fmt: skip
    assert result["transfer_from_large"] == np.mean(fooled)
    assert "|attack=DeepWordBugGao2018|" in result["details"]["signature"]


def test_what_fools_the_model_fools_it_when_asked_again(network, texts):
    labels = labels_of(network, texts)
    outcomes = ours("textattack:DeepWordBugGao2018", network, texts, labels)
    again = as_predictor(network, "model")([outcome.adversarial for outcome in outcomes])
    for outcome, row in zip(outcomes, again, strict=True):
        assert outcome.adversarial_scores == pytest.approx(row, abs=1e-6)  # in a batch of another size
        assert (outcome.status == "withstood") == (row.argmax() == outcome.label)


def test_max_queries_is_the_budget(network, texts):
    labels = labels_of(network, texts)
    free = ours("textattack:DeepWordBugGao2018", network, texts, labels)
    assert max(outcome.queries for outcome in free) > 9
    few = ours("textattack:DeepWordBugGao2018", network, texts, labels, max_queries=9)
    assert max(outcome.queries for outcome in few) == 9
    own = attack_recipes.DeepWordBugGao2018.build(textattack.models.wrappers.HuggingFaceModelWrapper(*network))
    own.goal_function.query_budget = 9
    assert [outcome.status for outcome in few] == statuses(theirs(own, texts, labels))


def test_a_text_in_which_nothing_may_change_withstands(network):
    texts = ["...", "the was not", "film"]
    labels = as_predictor(network, "model")(texts).argmax(axis=1)
    outcomes = ours("textattack:DeepWordBugGao2018", network, texts, labels)
    assert [outcome.changeable for outcome in outcomes] == [False, False, True]
    assert [(outcome.status, outcome.queries) for outcome in outcomes[:2]] == [("withstood", 1), ("withstood", 1)]


# Where there is no attack.


def right(texts):
    return np.tile([0.25, 0.75], (len(texts), 1))


def untargeted(search):
    def build(wrapper):
        goal = goal_functions.UntargetedClassification(wrapper)
        return textattack.Attack(goal, [], transformations.WordSwapRandomCharacterDeletion(), search)

    return build


@pytest.mark.parametrize(
    ("attack", "sentence"),
    [
        ("textattack:TextFoolr", r"attack 'textattack:TextFoolr' is none of .* DeepWordBugGao2018, .*Jin2019"),
        ("textattack:AttackRecipe", "is none of TextAttack's recipes"),
        ("textattack:InputReductionFeng2018", "has the goal InputReduction, which is not to make a classifier wrong"),
        ("textattack:MorpheusTan2020", "has the goal MinimizeBleu, which is not to make a classifier wrong"),
        ("textattack:HotFlipEbrahimi2017", "attack textattack:HotFlipEbrahimi2017 cannot be built"),
        (untargeted(search_methods.GreedyWordSwapWIR("gradient")), "needs the model's gradients"),
        (lambda wrapper: wrapper, "must build a textattack.Attack, got Asked"),
        (lambda wrapper: wrapper.tokenizer, "the model is only asked for probabilities and has no tokenizer"),
    ],
)
def test_what_is_no_attack_is_said_in_a_sentence(attack, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        ours(attack, right, ["a"], [1])
    assert "\n" not in str(raised.value)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise requests.exceptions.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", refuse)


@pytest.mark.usefixtures("no_network")
def test_a_download_that_fails_is_said_in_a_sentence_each_time():
    for _ in range(2):  # the second one would find the file lock of the first, if that were still held
        with pytest.raises(ValueError, match=r"^attack textattack:TextFoolerJin2019 cannot be built: ") as raised:
            ours("textattack:TextFoolerJin2019", right, ["a"], [1])
        assert "ConnectionError: no route to host (what TextAttack has to download" in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_failure_in_the_middle_is_said_in_a_sentence():
    class Broken(search_methods.GreedyWordSwapWIR):
        def perform_search(self, initial_result):
            raise OSError("a word list\n is missing")

    sentence = r"texts\[0\] could not .* \(ValueError: attack build failed: OSError: a word list is missing \(what"
    with pytest.raises(ValueError, match=sentence):
        ours(untargeted(Broken()), right, ["a"], [1])
