"""Extractive question answering: the answers of SQuAD's own procedure, and every metric takes what comes out."""

import json
import re
import string
from collections import Counter

import evaluate
import numpy as np
import pytest
import tiny_models
import torch
from transformers import BertConfig, BertForQuestionAnswering, DistilBertConfig, DistilBertForQuestionAnswering

from trusteq.models.question_answering import as_question_answerer, read_squad, squad_scores

alignment = evaluate.load("metrics/attribution_alignment")

KINDS = {
    "bert": (BertConfig, BertForQuestionAnswering),
    "distilbert": (DistilBertConfig, DistilBertForQuestionAnswering),
}


def network(kind="bert", seed=0, width=32):
    torch.manual_seed(seed)
    config, model = KINDS[kind]
    names = ("dim", "n_layers", "n_heads", "hidden_dim") if kind == "distilbert" else (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")  # fmt: skip
    sizes = dict(zip(names, (width, 2, 2, 2 * width), strict=True)) | {"initializer_range": 0.5}
    vocabulary = len(tiny_models.SPECIAL) + len(tiny_models.WORDS)
    return model(config(vocab_size=vocabulary, max_position_embeddings=64, **sizes)).eval()


def answerer(kind="bert", seed=0, width=32, **settings):
    words = tiny_models.tokenizer()
    if kind == "distilbert":
        words.model_input_names = ["input_ids", "attention_mask"]
    return as_question_answerer((network(kind, seed, width), words), "model", **settings)


def questions(count, longest=120, seed=0):
    """Rows in SQuAD 2.0's form; one question in three has no answer."""
    generator, rows = np.random.default_rng(seed), []
    for i in range(count):
        words = generator.choice(tiny_models.WORDS, size=generator.integers(1, longest)).tolist()
        context = "".join(word + str(generator.choice([" ", "  ", ", ", " - "])) for word in words).strip()
        at = int(generator.integers(len(words)))
        answers = {"text": [] if i % 3 == 0 else [words[at]], "answer_start": [] if i % 3 == 0 else [0]}
        question = " ".join(generator.choice(tiny_models.WORDS, size=generator.integers(1, 6)))
        rows.append({"id": f"q{i}", "question": question, "context": context, "answers": answers})
    return rows


def reference(model, tokenizer, row, length, stride, longest, best=20):
    """The procedure of the SQuAD scripts, in plain loops: window by window, span by span, without batches."""
    encoded = tokenizer(
        row["question"], row["context"], truncation="only_second", max_length=length, stride=stride,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_tensors=None,
    )  # fmt: skip
    nulls, spans, vectors = [], {}, []
    for w, ids in enumerate(encoded["input_ids"]):
        inputs = {"input_ids": torch.tensor([ids])}
        if "token_type_ids" in encoded:
            inputs["token_type_ids"] = torch.tensor([encoded["token_type_ids"][w]])
        with torch.no_grad():
            output = model(**inputs, output_hidden_states=True)
        start, end = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        vectors.append(output.hidden_states[-1][0].numpy())
        nulls.append(start[0] + end[0])
        for i, sequence in enumerate(encoded.sequence_ids(w)):
            for j in range(i, min(i + longest, len(ids))):
                if sequence == 1 and encoded.sequence_ids(w)[j] == 1:
                    place = encoded["offset_mapping"][w][i][0], encoded["offset_mapping"][w][j][1]
                    spans[place] = max(spans.get(place, -1e9), start[i] + end[j])
    ranked = sorted(((score, place) for place, score in spans.items()), reverse=True)[:best]
    null = min(nulls)
    scores = np.exp(np.array([null] + [score for score, _ in ranked]))
    return {
        "difference": null - ranked[0][0],
        "text": row["context"][ranked[0][1][0] : ranked[0][1][1]],
        "probabilities": scores / scores.sum(),
        "windows": len(nulls),
        "embedding": np.concatenate(vectors).mean(axis=0),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_answers_are_those_of_the_squad_procedure(kind, share):
    """With a threshold that leaves this share of the questions with an answer."""
    rows, windows = questions(40), {"length": 48, "stride": 16, "longest": 7}
    model = answerer(kind).spans
    expected = [reference(model.model, model.tokenizer, row, **windows) for row in rows]
    differences = sorted(one["difference"] for one in expected)
    threshold = float(np.mean(differences[int(40 * share) - 1 :][:2]))  # between two of them, not on one
    answers, embeddings = answerer(kind, threshold=threshold, tokens=200, **windows).both(rows)
    assert sum(answer["prediction_text"] != "" for answer in answers) == 40 * share
    for row, answer, embedding, one in zip(rows, answers, embeddings, expected, strict=True):
        absent = one["difference"] > threshold
        assert answer["id"] == row["id"]
        assert answer["prediction_text"] == ("" if absent else one["text"])
        assert answer["no_answer_probability"] == pytest.approx(one["probabilities"][0], abs=1e-5)  # float32
        assert answer["ood_score"] == pytest.approx(1 - one["probabilities"][0 if absent else 1], abs=1e-5)
        assert embedding == pytest.approx(one["embedding"], abs=1e-5)
    assert sum(one["windows"] > 1 for one in expected) > 10


def test_a_higher_threshold_leaves_fewer_questions_unanswered():
    rows = questions(60)
    empty = [
        sum(answer["prediction_text"] == "" for answer in answerer(threshold=threshold, length=48, stride=16)(rows))
        for threshold in (-1000, -1, 0, 1, 1000)
    ]
    assert empty == sorted(empty, reverse=True)
    assert (empty[0], empty[-1]) == (60, 0)


def test_an_answer_keeps_the_contexts_own_letters_and_spaces():
    row = {"id": "1", "question": "what", "context": "The FILM,  was -- good!", "answers": []}
    (answer,) = answerer(threshold=1000)([row])
    assert answer["prediction_text"]
    assert answer["prediction_text"] in row["context"]


def test_answers_do_not_depend_on_batches_or_on_what_is_asked_beside():
    rows = questions(30)
    whole = answerer(length=48, stride=16)
    answers = whole(rows)
    assert answerer(length=48, stride=16, tokens=1)(rows[7:8])[0] == pytest.approx(answers[7], abs=1e-5)
    again = whole([{**row, "id": f"again {row['id']}"} for row in rows] + rows)
    assert [a["prediction_text"] for a in again] == [a["prediction_text"] for a in answers * 2]
    assert whole.spans.asked == 60  # equal questions of one context were asked once


def test_a_batch_is_halved_when_memory_runs_out():
    rows, ask = questions(10), answerer(length=48, stride=16)
    expected = ask(rows)

    def small_memory(module, args, kwargs):
        if len(kwargs["input_ids"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = ask.spans.model.register_forward_pre_hook(small_memory, with_kwargs=True)
    answers = ask(rows)
    handle.remove()
    assert [a["prediction_text"] for a in answers] == [a["prediction_text"] for a in expected]


def test_a_context_without_words_has_no_answer():
    row = {"id": "1", "question": "what", "context": "", "answers": {"text": []}}
    (answer,) = answerer(threshold=1000)([row])
    assert answer == {"id": "1", "prediction_text": "", "no_answer_probability": 1.0, "ood_score": 0.0}


# Scores.


def official(text, golds):
    """Exact match and F1 as the SQuAD 2.0 script has them, step by step."""

    def normalize(s):
        s = "".join(c for c in s.lower() if c not in set(string.punctuation))
        return " ".join(re.compile(r"\b(a|an|the)\b", re.UNICODE).sub(" ", s).split())

    def f1(a, b):
        a, b = normalize(a).split(), normalize(b).split()
        same = sum((Counter(a) & Counter(b)).values())
        if not a or not b:
            return float(a == b)
        if not same:
            return 0.0
        precision, recall = same / len(a), same / len(b)
        return 2 * precision * recall / (precision + recall)

    golds = [gold for gold in golds if normalize(gold)] or [""]
    return max(normalize(text) == normalize(gold) for gold in golds), max(f1(text, gold) for gold in golds)


def test_scores_are_squads():
    given = ["the Good film", "", "cat", "An  awful, PLOT!", "", "the"]
    golds = [["good"], [], [], ["awful plot", "plot"], ["a", "film"], ["the"]]
    rows = [
        {"id": str(i), "question": "what", "context": "", "answers": {"text": texts}} for i, texts in enumerate(golds)
    ]
    answers = [{"id": str(i), "prediction_text": text} for i, text in enumerate(given)]
    each = [official(text, gold) for text, gold in zip(given, golds, strict=True)]
    assert squad_scores(answers, rows) == {
        "exact": pytest.approx(100 * np.mean([exact for exact, _ in each])),
        "f1": pytest.approx(100 * np.mean([f1 for _, f1 in each])),
    }
    assert [exact for exact, _ in each] == [False, True, False, True, False, True]
    errors = evaluate.load("metrics/prediction_error_jaccard")
    result = errors.compute(predictions=answers, references=rows, large_predictions=answers, task="squad_v2")
    assert result["error_rate"] == pytest.approx(1 - squad_scores(answers, rows)["exact"] / 100)


def train(width, seed, steps=150):
    """A model that learns to find the word good, or to say that there is none."""
    model, words, generator = network(seed=seed, width=width), tiny_models.tokenizer(), np.random.default_rng(seed)
    with torch.no_grad():
        for values in model.parameters():
            values.mul_(0.2)  # from an initial spread that is made for telling texts apart, not for learning
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(steps):
        rows = search_task(generator, 32)
        batch = words([r["question"] for r in rows], [r["context"] for r in rows], padding=True, return_tensors="pt")
        good = batch["input_ids"] == words.convert_tokens_to_ids("good")
        place = torch.where(good.any(dim=1), good.int().argmax(dim=1), 0)
        model(**batch, start_positions=place, end_positions=place).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return as_question_answerer((model.eval(), words), "model")


def search_task(generator, count):
    others, rows = ["the", "film", "was", "a", "plot", "acting", "story", "and"], []
    for i in range(count):
        words = generator.choice(others, size=generator.integers(3, 12)).tolist()
        if i % 2:
            words.insert(int(generator.integers(len(words) + 1)), "good")
        answers = {"text": ["good"] if i % 2 else []}
        rows.append({"id": str(i), "question": "what is the film", "context": " ".join(words), "answers": answers})
    return rows


def test_the_metrics_take_what_trained_models_answer():
    rows = search_task(np.random.default_rng(5), 80)
    strange = [{**row, "id": f"s{row['id']}", "context": "cat sleeps bad dull " * 3} for row in rows[:1]]
    strange += [{**row, "id": f"s{row['id']}", "context": f"{row['context']} fine great"} for row in rows[1:40]]
    small, large = train(16, 0), train(32, 1)
    answers, embeddings = small.both(rows)
    large_answers, large_embeddings = large.both(rows)
    for some in (answers, large_answers):
        scores = squad_scores(some, rows)
        assert scores["exact"] > 90
        assert scores["f1"] >= scores["exact"]
    errors = evaluate.load("metrics/prediction_error_jaccard").compute(
        predictions=answers, references=rows, large_predictions=large_answers, task="squad_v2"
    )
    assert errors["error_rate"] == pytest.approx(1 - squad_scores(answers, rows)["exact"] / 100)
    overlap = evaluate.load("metrics/representation_overlap").compute(
        predictions=embeddings, large_predictions=large_embeddings
    )
    assert 0 < overlap["neighbor_jaccard_at_10"] <= 1
    scores, large_scores = ([answer["ood_score"] for answer in ask(rows) + ask(strange)] for ask in (small, large))
    ood = evaluate.load("metrics/ood_divergence").compute(
        predictions=scores,
        references=[0] * len(rows) + [1] * len(strange),
        large_predictions=large_scores,
        score="given",
    )
    assert 0 <= ood["auroc"] <= 1
    assert all(0 <= score <= 1 for score in scores)


# What comes in.


def test_squads_json_and_rows_are_the_same_questions(tmp_path):
    rows = questions(6)
    nested = [
        {"title": "t", "paragraphs": [{"context": row["context"], "qas": [
            {"id": row["id"], "question": row["question"], "is_impossible": not row["answers"]["text"],
             "answers": [{"text": text, "answer_start": 0} for text in row["answers"]["text"]]}
        ]}]} for row in rows
    ]  # fmt: skip
    (tmp_path / "dev.json").write_text(json.dumps({"version": "v2.0", "data": nested}))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    expected = read_squad(rows)
    assert read_squad(tmp_path / "dev.json") == expected
    assert read_squad(str(tmp_path / "rows.json")) == expected
    assert expected[1]["answers"]["text"] == rows[1]["answers"]["text"] != []


ROW = {"id": "1", "question": "what", "context": "a film", "answers": {"text": ["film"]}}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "questions are empty"),
        (3, "must be a SQuAD json file or rows, got int"),
        (np.array(0.5), "must be a SQuAD json file or rows, got ndarray"),
        ([ROW, ROW], "hold the id '1' more than once"),
        ([{**ROW, "id": 1}], r"questions\[0\] needs a string as 'id', got 1"),
        ([{**ROW, "question": " "}], r"questions\[0\] is blank"),
        ([{**ROW, "context": None}], "needs a string as 'context', got None"),
        ([{**ROW, "answers": {"text": "film"}}], "needs answers with a list of strings as 'text'"),
        ([{**ROW, "answers": [{"text": 3}]}], "needs answers with a list of strings"),
        (["what"], r"questions\[0\] must be a dict, got str"),
        ([{**ROW, "question": "film " * 80}], "has 80 tokens, too many for windows of 64 tokens"),
        ("nowhere.json", "questions: nowhere.json could not be read as json"),
    ],
)
def test_what_are_no_questions_is_refused_in_a_sentence(rows, words):
    with pytest.raises(ValueError, match=words):
        answerer()(rows)


def test_a_file_in_another_form_is_refused(tmp_path):
    (tmp_path / "odd.json").write_text('{"data": [{"paragraph": 1}]}')
    with pytest.raises(ValueError, match="has not SQuAD's form"):
        read_squad(tmp_path / "odd.json")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"length": 0}, "length must be a whole number of at least 1, got 0"),
        ({"stride": 1.5}, "stride must be a whole number"),
        ({"longest": True}, "longest must be a whole number"),
        ({"threshold": float("nan")}, "threshold must be a number, got nan"),
        ({"pooling": "max"}, "pooling must be 'mean' or 'cls', got 'max'"),
    ],
)
def test_settings_are_checked(settings, words):
    with pytest.raises(ValueError, match=words):
        answerer(**settings)


def test_a_classifier_answers_no_questions(tmp_path):
    tiny_models.checkpoint(tmp_path)
    with pytest.raises(ValueError, match=r"expected one that ends in \('ForQuestionAnswering'"):
        as_question_answerer(tmp_path, "model")
    ask = as_question_answerer((tiny_models.classifier(), tiny_models.tokenizer()), "model")
    with pytest.raises(ValueError, match="model has no head for extractive question answering"):
        ask([ROW])
    with pytest.raises(ValueError, match="model must be a local path"):
        as_question_answerer(len, "model")


def test_a_checkpoint_answers_as_the_model_that_was_saved(tmp_path):
    network().save_pretrained(tmp_path)
    tiny_models.tokenizer().save_pretrained(tmp_path)
    rows = questions(5, longest=30)
    from_disk = as_question_answerer(tmp_path, "model")(rows)
    assert [answer["prediction_text"] for answer in from_disk] == [
        answer["prediction_text"] for answer in answerer()(rows)
    ]
