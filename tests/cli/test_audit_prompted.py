"""`trusteq audit` of language models: asked with a prompt, with solved examples, about labels or about options."""

import json

import pandas as pd
import pytest
from small_audits import SMALL
from small_families import GOLD, NAMES, STRANGE, TEXTS
from tiny_language_models import WORDS, network, tokenizer

from trusteq.cli import audit as command
from trusteq.cli.typed import part_of
from trusteq.records.chosen import ChosenTexts

PROMPT = ["--prompt", r"Review : {text}\nVerdict :", "--verbalizers", "negative=bad", "positive=good"]
SPOKEN = [*WORDS, "A", "B", "C", "."]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("language")
    for seed, name in enumerate(("large", "small")):
        network("llama", seed=seed, positions=256, words=SPOKEN).save_pretrained(folder / name)
        tokenizer(256, SPOKEN).save_pretrained(folder / name)
    pd.DataFrame({"text": TEXTS, "label": [NAMES[i] for i in GOLD], "number": GOLD}).to_csv(folder / "reviews.csv")
    pd.DataFrame({"text": STRANGE}).to_csv(folder / "other.csv")
    rows = [
        {
            "question": text,
            "choices": {"text": ["good", "very bad", "fine"][: 2 + i % 2], "label": ["A", "B", "C"][: 2 + i % 2]},
            "answerKey": "AB"[i % 2],
        }
        for i, text in enumerate(TEXTS)
    ]
    (folder / "arc.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def models(place):
    return ["--large", place / "large", "--compressed", place / "small"]


def given_by(*words):
    typed = command.parser().read([str(word) for word in words])
    parts = (part_of(command.Family, typed), part_of(ChosenTexts, typed), command.options_of(typed))
    return command.read_inputs(*parts, part_of(command.Asked, typed))


def audited(place, capsys, *words):
    out = place / "out"
    for file in sorted(out.rglob("*"), reverse=True) if out.exists() else ():
        file.unlink() if file.is_file() else file.rmdir()
    status = command.main([*map(str, (*models(place), *words)), "--out", str(out)])
    assert status == 0, capsys.readouterr().err
    return json.loads((out / "report.json").read_text()), capsys.readouterr()


def test_all_six_dimensions_of_language_models(place, capsys):
    data = ["--dataset", place / "reviews.csv", "--ood-dataset", place / "other.csv", "--floor", "rounding"]
    found, told = audited(place, capsys, *PROMPT, *data, *SMALL, "--shots", 2)
    small = next(pair for pair in found["pairs"] if pair["role"] == "compressed")["dimensions"]
    assert {name: entry["status"] for name, entry in small.items()} == dict.fromkeys(small, "done")
    assert len(small) == 6
    assert found["settings"]["score"] == "perplexity"
    assert "is stranger than an ordinary one" in small["ood_divergence"]["sentence"]
    assert found["prompt"]["prompt"] == "Review : {text}\nVerdict :"
    assert len(found["prompt"]["shots"]) == 2
    assert found["data"]["examples"] <= len(TEXTS) - 2
    assert "examples are shown, solved, before each question and are not judged" in told.err
    for model in found["models"].values():
        assert sum(model["label_shares"].values()) == pytest.approx(1)
        assert 0 < model["on_labels"] < 1
    assert "any of these follows with" in " ".join(told.out.split())


def test_models_derived_from_a_language_model_are_asked_as_it_is(place, capsys):
    words = ["--compressed", "derived:3bits", "derived:pruned", "--dataset", place / "reviews.csv", *PROMPT]
    found, _ = audited(place, capsys, *words, "--dimensions", "prediction_error_jaccard")
    assert list(found["models"]) == ["large", "3bits", "pruned"]
    assert [model["simulated"] for model in found["models"].values()] == [False, True, True]
    assert all("label_shares" in model for model in found["models"].values())


def test_texts_too_long_are_cut_and_counted(place, capsys, tmp_path):
    long = ["the film was good " * 100, "the plot is dull", *TEXTS]
    pd.DataFrame({"text": long, "label": [NAMES[i] for i in [1, 0, *GOLD]]}).to_csv(tmp_path / "long.csv")
    words = [*PROMPT, "--dataset", tmp_path / "long.csv", "--dimensions", "prediction_error_jaccard"]
    found, told = audited(place, capsys, *words)
    assert [model["shortened"] for model in found["models"].values()] == [1, 1]
    assert "1 text was cut" in " ".join(told.out.split())


@pytest.mark.parametrize("score", ["vocabulary", "hidden", "msp"])
def test_other_scores_of_what_is_out_of_distribution(place, capsys, score):
    data = ["--dataset", place / "reviews.csv", "--ood-dataset", place / "other.csv", "--score", score]
    found, _ = audited(place, capsys, *PROMPT, *data, "--dimensions", "ood_divergence")
    entry = found["pairs"][0]["dimensions"]["ood_divergence"]
    assert (entry["status"], found["settings"]["score"]) == ("done", score)
    assert ("less sure" in entry["sentence"]) == (score == "msp")


def test_questions_with_options(place, capsys):
    data = ["--task", "choices", "--dataset", place / "arc.jsonl", "--prompt", r"{text}\n{options}\nVerdict :"]
    found, _ = audited(place, capsys, *data, *SMALL)
    small = found["pairs"][0]["dimensions"]
    done = {name for name, entry in small.items() if entry["status"] == "done"}
    assert done == set(small) - {"ood_divergence"}
    assert found["data"]["classes"] == ["A", "B", "C"]
    for one in found["examples"]["attacks"]:
        assert one["compressed"]["adversarial"][1] == one["text"][1]  # options stay


def test_the_prompt_said_otherwise_is_a_floor(place):
    words = ["--floor", "wording", "--wording", r"Is it good ?\n{text}", "{text} Verdict :"]
    given = given_by(*models(place), *PROMPT, "--dataset", place / "reviews.csv", *words)
    assert {name: twin["prompt"] for name, twin in given["twin"].items()} == {
        "wording 1": "Is it good ?\n{text}",
        "wording 2": "{text} Verdict :",
    }
    assert all(twin["model"] == given["large"]["model"] for twin in given["twin"].values())


@pytest.mark.parametrize("label", ["label", "number"])
def test_solved_examples_are_drawn_by_seed_and_left_out(place, label):
    words = [*models(place), *PROMPT, "--dataset", place / "reviews.csv", "--label", label, "--shots", 3]
    given, again = given_by(*words), given_by(*words)
    other = given_by(*words, "--seed", 5)
    assert given["large"]["shots"] == again["compressed"]["small"]["shots"] != other["large"]["shots"]
    shown = {text for text, _ in given["large"]["shots"]}
    assert not shown & set(given["texts"])
    assert given["shown"] == len(TEXTS) - len(given["texts"]) >= 3
    assert {said for _, said in given["large"]["shots"]} <= {"negative", "positive"}


def test_solved_examples_may_come_from_elsewhere(place):
    more = ["--shots", 3, "--shots-dataset", place / "reviews.csv", "--limit", 10]
    given = given_by(*models(place), *PROMPT, "--dataset", place / "reviews.csv", *more)
    assert len(given["texts"]) == 10
    assert len(given["large"]["shots"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prompt", "Good?", "--verbalizers", "a=good", "b=bad"], "large: prompt must hold {text} once"),
        (["--prompt", "{text}"], "--verbalizers is missing"),
        (["--verbalizers", "a=good", "b=bad"], "--prompt is missing"),
        (["--prompt", "{text}", "--verbalizers", "good", "bad"], "--verbalizers must be LABEL=WORDS, got 'good'"),
        (["--shots", "2"], "--shots is for language models"),
        (["--task", "clasify"], "there is no task clasify; did you mean classify?"),
        ([*PROMPT, "--chat"], "large's tokenizer has no chat template"),
        ([*PROMPT, "--floor", "wording"], "--wording and --floor wording go together"),
        ([*PROMPT, "--shots", "500"], "--shots asks for 500 solved examples of 20"),
        ([], "large has no classification head, it is a language model: say with a prompt and verbalizers"),
        ([*PROMPT, "--score", "energy"], "--score must be 'msp' or 'entropy' or"),
    ],
)
def test_what_is_wrong_is_one_sentence(place, capsys, tmp_path, words, said):
    data = ["--dataset", place / "reviews.csv", "--out", tmp_path / "out"]
    assert command.main([str(word) for word in (*models(place), *data, *words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "a", "choices": ["b"], "answer": 0}, "row 1 needs two options or more"),
        ({"question": "a", "choices": ["b", ""], "answer": 0}, "row 1 needs two options or more, none of them empty"),
        ({"question": "a", "choices": ["b", "c"], "answer": "E"}, "row 1 has the answer 'E', which is none of its 2"),
        ({"question": " ", "choices": ["b", "c"], "answer": 0}, "row 1 has no question"),
        ({"question": "a", "answer": 0}, "has no column options or choices"),
    ],
)
def test_what_is_no_question_with_options_is_refused(place, capsys, tmp_path, row, said):
    (tmp_path / "q.jsonl").write_text(json.dumps(row))
    words = [*models(place), "--task", "choices", "--dataset", tmp_path / "q.jsonl", "--out", tmp_path / "out"]
    assert command.main(list(map(str, words))) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "row",
    [
        {"question": "What purrs?", "choices": {"text": ["a dog", "a cat"], "label": ["1", "2"]}, "answerKey": "2"},
        {
            "question": {
                "stem": "What purrs?",
                "choices": [{"label": "A", "text": "a dog"}, {"label": "B", "text": "a cat"}],
            },
            "answerKey": "B",
        },
        {"question": "What purrs?", "choices": ["a dog", "a cat"], "answer": 1},
        {"question": "What purrs?", "options": ["a dog", "a cat"], "answer": "a cat"},
        {"question": "What purrs?", "options": {"A": "a dog", "B": "a cat"}, "answer": "B"},
        {"question": "What purrs?", "A": "a dog", "B": "a cat", "answer": "B"},
    ],
)
def test_forms_of_questions(place, tmp_path, row):
    (tmp_path / "q.jsonl").write_text(json.dumps(row))
    given = given_by(*models(place), "--task", "choices", "--dataset", tmp_path / "q.jsonl")
    assert (given["texts"], given["references"]) == ([("What purrs?", "a dog\na cat")], ["B"])
    assert given["large"]["most"] == 2


def test_a_gguf_file_says_what_it_needs(tmp_path, capsys):
    (tmp_path / "torn.gguf").write_bytes(b"GGUF not")
    pd.DataFrame({"text": TEXTS, "label": GOLD}).to_csv(tmp_path / "reviews.csv")
    words = ["--large", tmp_path / "torn.gguf", "--compressed", tmp_path / "none.gguf", "--out", tmp_path / "out"]
    data = ["--dataset", tmp_path / "reviews.csv"]
    assert command.main(list(map(str, [*words, *data]))) == 2
    assert "there is no file" in capsys.readouterr().err
    (tmp_path / "none.gguf").write_bytes(b"GGUF neither")
    assert command.main(list(map(str, [*words, *data]))) == 2
    assert "large: torn.gguf is a language model: give a prompt and verbalizers" in capsys.readouterr().err
    assert command.main(list(map(str, [*words, *data, *PROMPT]))) == 2
    assert "large: torn.gguf could not be read" in capsys.readouterr().err
