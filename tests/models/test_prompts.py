"""How a language model is asked: solved examples, a system message, a chat, and options that each example brings."""

import numpy as np
import pytest
import torch
from tiny_language_models import WORDS, network, tokenizer

from trusteq.kinds.text import Question
from trusteq.models.open import as_predictor

ASKED = {"prompt": "Review : {text} Verdict :", "verbalizers": {"negative": "bad", "positive": "good"}}
TEXTS = ["the film was very good", "awful", "the plot is dull but the acting is great"]
SHOTS = [("a fine film {text}", "positive"), ("dull", "negative")]
QUESTIONS = [
    Question.of("the film was", ["very good", "bad", "not great"]),
    Question.of("a cat is", ["awful", "fine"]),
]
TEMPLATE = (
    "{% for one in messages %}[{{ one.role }}] {{ one.content | trim }} {% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def opened(model=None, **more):
    return as_predictor({"model": (model or network("llama", positions=256), tokenizer(256)), **more}, "model")


def log_probability(model, text, answer):
    """Of the answer's tokens behind the text's, one after another."""
    words = tokenizer(256)
    start = words(text)["input_ids"][:-1]  # without [SEP]
    tokens = words(answer, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        said = model(torch.tensor([start + tokens])).logits[0].double().log_softmax(dim=-1)
    return float(sum(said[len(start) + i - 1, token] for i, token in enumerate(tokens)))


def test_solved_examples_and_the_system_message_stand_before_the_prompt():
    made = opened(**ASKED, shots=SHOTS, system="the cat is fine")
    assert made.prompt.fill(made.parts, "awful") == (
        "the cat is fine\n\nReview : a fine film {text} Verdict :good\n\nReview : dull Verdict :bad\n\n"
        "Review : awful Verdict :"
    )


def test_a_chat_fills_the_models_own_template():
    words = tokenizer(256)
    words.chat_template = TEMPLATE
    given = {"model": (network("llama", positions=256), words), **ASKED, "verbalizers": {"no": " bad", "yes": " good"}}
    made = as_predictor(given | {"chat": True, "system": "be brief", "shots": [("dull", "no")]}, "model")
    said = "[system] be brief [user] Review : dull Verdict : [assistant] bad [user] Review : {x} Verdict : [assistant]"
    assert made.prompt.fill(made.parts, "{x}") == said
    assert made.prompt.answers("") == ["bad", "good"]  # a turn begins without a space
    assert made(TEXTS).shape == (3, 2)


def test_a_chat_needs_a_template():
    with pytest.raises(ValueError, match="model's tokenizer has no chat template: ask without chat, or give a model"):
        opened(**ASKED, chat=True)


@pytest.mark.parametrize("length", ["total", "mean", "characters"])
def test_options_are_scored_as_continuations(length):
    model = network("llama", positions=256)
    made = opened(model, prompt="Review : {text}", choices="continuations", most=4, length=length)
    found = made(QUESTIONS)
    for row, said, (asked, options) in zip(found, made.log_probabilities(QUESTIONS), QUESTIONS, strict=True):
        options = options.split("\n")
        each = [log_probability(model, f"Review : {asked}", f" {option}") for option in options]
        assert said == pytest.approx(each, abs=1e-4)
        by = {"total": 1, "mean": [len(one.split()) for one in options], "characters": list(map(len, options))}[length]
        scores = np.exp(np.array(each) / by)
        assert row[: len(options)] == pytest.approx(scores / scores.sum(), abs=1e-5)
        assert not row[len(options) :].any()


def test_options_are_scored_by_their_letters():
    words = [*WORDS, "A", "B", "C", "."]
    model = network("llama", positions=256, words=words)
    given = {"model": (model, tokenizer(256, words)), "prompt": "{text}\n{options}\nVerdict :", "choices": "letters"}
    made = as_predictor(given | {"most": 3}, "model")
    assert made.prompt.fill(made.parts, QUESTIONS[1]) == "a cat is\nA. awful\nB. fine\nVerdict :"
    assert made(QUESTIONS).shape == (2, 3)
    assert made(QUESTIONS)[1, 2] == 0
    assert list(made.on_labels) == QUESTIONS
    assert made.names == ["A", "B", "C"]


def test_a_question_too_long_is_cut_and_its_options_are_not():
    made = opened(network("llama", positions=64), prompt="Review : {text}", choices="continuations", most=2)
    made.length = 24
    long = Question.of("the film was good " * 20, ["very very very very good", "bad"])
    encoded = made.encode([long])
    assert made.truncated == 1
    assert len(encoded["input_ids"][0]) + 4 <= 24
    assert [len(tokens) for tokens in encoded["answers"][0]] == [5, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choices": "words"}, "choices must be 'letters' or 'continuations'"),
        ({"most": 1}, "most must be a whole number from 2 to 26"),
        ({"prompt": "{text}"}, "a prompt for letters must list the options, as {options}"),
        ({"verbalizers": {"a": "good", "b": "bad"}}, "the examples bring their options: give no verbalizers"),
        ({"system": " "}, "system must be a text"),
        ({"shots": [("good", "A")]}, "a shot must be like the texts, got 'good'"),
        ({"shots": [(QUESTIONS[0], "Z")]}, "a shot has the label 'Z', which is none of"),
    ],
)
def test_what_is_no_prompt_for_options_is_refused(change, words):
    given = {"prompt": "{text} {options}", "choices": "letters", "most": 3}
    with pytest.raises(ValueError, match=words):
        opened(**(given | change))


@pytest.mark.parametrize("score", ["perplexity", "vocabulary"])
def test_how_strange_a_text_is_to_a_model(score):
    model = network("llama", positions=256)
    made = opened(model, **ASKED)
    for text, found in zip(TEXTS, made.surprise(TEXTS, score), strict=True):
        ids = tokenizer(256)(f"Review : {text}")["input_ids"][:-1]
        with torch.no_grad():
            said = model(torch.tensor([ids])).logits[0].double().log_softmax(dim=-1)
        start = len(ids) - len(text.split())
        each = [-float(said[i - 1, ids[i]]) for i in range(start, len(ids))]
        if score == "vocabulary":
            each = [-float((said[i - 1].exp() * said[i - 1]).sum()) for i in range(start, len(ids))]
        assert found == pytest.approx(np.mean(each), abs=1e-5)


@pytest.mark.parametrize("score", ["perplexity", "vocabulary"])
def test_the_pass_that_answers_says_how_strange_the_texts_are_as_well(score):
    made = opened(network("llama", positions=256), **ASKED)
    rows, states = made.both(TEXTS)
    made.listens = score
    again, pooled = made.both(TEXTS)
    assert again == pytest.approx(rows, abs=1e-6)
    assert pooled == pytest.approx(states, abs=1e-5)
    assert [made.heard[text] for text in TEXTS] == pytest.approx(made.surprise(TEXTS, score), abs=1e-5)


def test_a_text_that_stands_behind_more_than_it_is_scored_with_is_read_by_itself():
    made = opened(network("llama", positions=256), **ASKED, shots=[("good", "positive")])
    made.listens = "perplexity"
    made(TEXTS)
    assert made.heard == {}
