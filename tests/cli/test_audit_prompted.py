"""`trusteq audit` of language models: asked with a prompt, with solved examples, about labels or about options."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch
from small_audits import SMALL
from small_families import GOLD, NAMES, STRANGE, TEXTS
from tiny_language_models import WORDS, network, tokenizer

from trusteq.audit.schema import SCHEMA
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
    found = json.loads((out / "report.json").read_text())
    jsonschema.validate(found, SCHEMA)
    return found, capsys.readouterr()


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


@pytest.mark.parametrize("score", ["perplexity", "vocabulary", "hidden", "msp"])
def test_what_is_out_of_distribution_by_each_score(place, capsys, score):
    data = ["--dataset", place / "reviews.csv", "--ood-dataset", place / "other.csv", "--score", score]
    found, _ = audited(place, capsys, *PROMPT, *data, "--dimensions", "ood_divergence")
    entry = found["pairs"][0]["dimensions"]["ood_divergence"]
    assert (entry["status"], found["settings"]["score"]) == ("done", score)
    assert ("less sure" in entry["sentence"]) == (score == "msp")
    listed, figures = found["examples"]["listed"], entry["figures"]
    assert len(listed["strange"]["text"]) == len(STRANGE)
    for name, prefix in (("small", ""), ("large", "large_")):
        strange = listed["strange"]["models"][name]
        flagged = listed["models"][name]["flagged"] + strange["flagged"]
        assert np.mean(flagged) == pytest.approx(figures[f"{prefix}flagged_rate"])
        assert any(flagged)
        assert (strange["said"][0] is None) == (score != "msp")  # strange texts are scored, and not asked about


@pytest.mark.parametrize("method", [[], ["--method", "gradient_x_input"]])
def test_questions_with_options(place, capsys, method):
    data = ["--task", "choices", "--dataset", place / "arc.jsonl", "--prompt", r"{text}\n{options}\nVerdict :"]
    found, _ = audited(place, capsys, *data, *SMALL, *method)
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


FEW = ["--explained", 6, "--attacked", 6, "--samples", 20]


@pytest.mark.parametrize("units", ["sentences", "shots"])
def test_reasons_over_other_units_than_words(place, capsys, tmp_path, units):
    rows = [{"text": f"{one} . {other} !", "label": "negative"} for one, other in zip(TEXTS, TEXTS[::-1], strict=True)]
    pd.DataFrame(rows).to_csv(tmp_path / "long.csv")
    words = ["--dataset", tmp_path / "long.csv", "--units", units, "--shots", 4]
    found, _ = audited(place, capsys, *PROMPT, *words, *FEW, "--dimensions", "attribution_alignment")
    entry = found["pairs"][0]["dimensions"]["attribution_alignment"]
    count = {"sentences": 2, "shots": 4}[units]
    assert (found["settings"]["units"], found["settings"]["k"]) == (units, [1, 3])
    assert entry["figures"]["expected_jaccard_at_1"] == pytest.approx(1 / count)
    assert f"the same {units[:-1]} matters most to small and to large" in entry["sentence"]
    for one in entry["details"]["per_example"]:
        assert len(one["explanations"][0]) == count
    if units == "shots":
        names = {name for one in entry["details"]["per_example"] for name, _ in one["explanations"][0]}
        assert len(names) == count
        assert all(name.endswith("→ negative") for name in names)


def test_the_next_token_is_explained_from_inside(place, capsys):
    words = ["--dataset", place / "reviews.csv", "--method", "gradient_x_input", "--explains", "next_token"]
    found, _ = audited(place, capsys, *PROMPT, *words, "--explained", 4, "--dimensions", "attribution_alignment")
    assert found["pairs"][0]["dimensions"]["attribution_alignment"]["status"] == "done"
    assert [found["settings"][name] for name in ("method", "explains")] == ["gradient_x_input", "next_token"]


@pytest.mark.parametrize("own", [[], ["--wording", "{text} Verdict :", r"Is it ?\n{text} :"]])
def test_a_prompt_said_otherwise_is_an_attack(place, capsys, own):
    words = ["--dataset", place / "reviews.csv", "--attack", "wording", *own, "--dimensions", "attack_divergence"]
    found, _ = audited(place, capsys, *PROMPT, *words, "--attacked", 20)
    entry = found["pairs"][0]["dimensions"]["attack_divergence"]
    assert entry["status"] == "done"
    outcomes = [one[side] for one in entry["details"]["per_example"] for side in ("outcome", "large_outcome")]
    broken = [one for one in outcomes if one["status"] == "broken"]
    assert all(one["adversarial"] == one["text"] for one in broken)
    assert all("{text}" in one["wording"] for one in broken)
    if own:
        assert {one["queries"] for one in outcomes if one["status"] != "skipped"} == {len(own)}
        assert {one["wording"] for one in broken} <= {"{text} Verdict :", "Is it ?\n{text} :"}
        assert broken
        page = (place / "out" / "report.html").read_text(encoding="utf-8")
        assert "breaks under the prompt “{text} Verdict :”" in page or "under the prompt “Is it ? {text} :”" in page


def test_all_orders_of_the_options_are_an_attack(place, capsys):
    data = ["--task", "choices", "--dataset", place / "arc.jsonl", "--prompt", r"{text}\n{options}\nVerdict :"]
    words = ["--attack", "reordered", "--attacked", 20, "--dimensions", "attack_divergence"]
    found, _ = audited(place, capsys, *data, *words)
    entry = found["pairs"][0]["dimensions"]["attack_divergence"]
    broken = [one for each in entry["details"]["per_example"] for one in each.values() if isinstance(one, dict)]
    broken = [one for one in broken if one["status"] == "broken"]
    assert any("adversarial_label" in one for one in broken)
    for one in broken:
        options, moved = (one[name][1].split("\n") for name in ("text", "adversarial"))
        assert sorted(options) == sorted(moved)
        assert moved[one.get("adversarial_label", one["label"])] == options[one["label"]]


def test_sentences_of_ones_own_distract(place, capsys, tmp_path):
    (tmp_path / "beside.txt").write_text("a cat sleeps\n")
    words = ["--dataset", place / "reviews.csv", "--attack", "distraction", "--sentences", tmp_path / "beside.txt"]
    found, _ = audited(place, capsys, *PROMPT, *words, "--attacked", 20, "--dimensions", "attack_divergence")
    entry = found["pairs"][0]["dimensions"]["attack_divergence"]
    outcomes = [one[side] for one in entry["details"]["per_example"] for side in ("outcome", "large_outcome")]
    assert all("a cat sleeps" in one["adversarial"] for one in outcomes if one["status"] == "broken")
    assert {one["queries"] for one in outcomes if one["status"] != "skipped"} == {3}


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
        (
            ["--prompt", "Good?", "--verbalizers", "a=good", "b=bad"],
            "large: prompt must hold {text} once and {text_pair} at most once",
        ),
        (["--prompt", "{text}", "--verbalizers", "a=good", "b=good"], "'a' has the same tokens as another label's"),
        ([*PROMPT, "--system", "good " * 300], "the prompt without a text takes 305 of the 256 tokens that large can"),
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
        ([*PROMPT, "--wording", "{text} :"], "--wording and --floor wording go together"),
        ([*PROMPT, "--units", "shots"], "--units shots explains the solved examples before a question, and large has"),
        ([*PROMPT, "--attack", "reordered"], "reordered puts a question's options in another order, and the texts"),
        ([*PROMPT, "--units", "letters"], "--units must be 'words' or 'sentences' or 'shots', got 'letters'"),
        ([*PROMPT, "--attack", "distraction", "--sentences", "nowhere.txt"], "nowhere.txt could not be read"),
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


@pytest.mark.parametrize("scored", ["letters", "continuations"])
def test_options_are_never_cut(place, capsys, tmp_path, scored):
    rows = [{"question": text, "choices": ["very " * 300 + "good", "bad"], "answer": "A"} for text in TEXTS]
    (tmp_path / "long.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prompt = r"{text}\n{options}\nVerdict :" if scored == "letters" else r"{text}\nVerdict :"
    words = ["--task", "choices", "--dataset", tmp_path / "long.jsonl", "--prompt", prompt, "--scored", scored]
    assert command.main(list(map(str, [*models(place), *words, "--out", tmp_path / "out"]))) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "the prompt without a text takes" in error


@pytest.mark.parametrize("broken", ["large", "small"])
def test_a_model_that_answers_nan_is_named(place, capsys, tmp_path, broken):
    model = network("llama", seed=3, positions=256, words=SPOKEN)
    with torch.no_grad():
        model.lm_head.weight[5] = float("nan")
    model.save_pretrained(tmp_path / "nan")
    tokenizer(256, SPOKEN).save_pretrained(tmp_path / "nan")
    where = {"large": place / "large", "small": place / "small"} | {broken: tmp_path / "nan"}
    words = ["--large", where["large"], "--compressed", f"small={where['small']}", "--out", tmp_path / "out"]
    assert command.main(list(map(str, [*words, *PROMPT, "--dataset", place / "reviews.csv"]))) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == f"trusteq audit: {broken} gave no answers to the texts ({broken} returned NaN or infinity)"


@pytest.mark.parametrize("method", ["occlusion", "gradient_x_input"])
def test_labels_of_one_first_token_are_answers_and_no_next_token(place, capsys, tmp_path, method):
    alike = ["--prompt", "{text} Verdict :", "--verbalizers", "negative=very bad", "positive=very good"]
    words = [*models(place), *alike, "--dataset", place / "reviews.csv", "--method", method]
    asked = ["--dimensions", "prediction_error_jaccard", "attribution_alignment", "--explained", 3]
    for explains, code, status in (("answer", 0, "done"), ("next_token", 1, "failed")):
        out = ["--out", tmp_path / explains, "--explains", explains]
        assert command.main(list(map(str, [*words, *asked, *out]))) == code
        found = json.loads((tmp_path / explains / "report.json").read_text())["pairs"][0]["dimensions"]
        assert [found[name]["status"] for name in asked[1:3]] == ["done", status]  # the other dimension goes on
    assert "begin with the same token" in capsys.readouterr().err
