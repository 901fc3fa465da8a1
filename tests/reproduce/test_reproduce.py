"""`trusteq reproduce`: both papers from end to end on tiny data, the tables, and what happens when it is stopped."""

import json
import multiprocessing
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import evaluate
import pytest
import tiny_models
import torch
from transformers import BertConfig, BertForQuestionAnswering, BertModel

from trusteq.cli import reproduce
from trusteq.models import question_answering
from trusteq.reproduce import cloze, forecast, protocols, question_training, run

ROOT = Path(__file__).resolve().parents[2]

SENTENCES = [
    f"the {thing} was {degree} {word} and the {other} is {more} ."
    for thing, other in (("film", "plot"), ("movie", "story"), ("story", "acting"))
    for degree in ("very", "not")
    for word, more in (("good", "great"), ("dull", "awful"), ("fine", "good"), ("awful", "dull"))
]


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Files in the forms of SICK, MRPC and SST-2."""
    folder, choice = tmp_path_factory.mktemp("data"), random.Random(0)
    for name in ("sick", "mrpc", "sst2"):
        (folder / name).mkdir()

    def sentence():
        return choice.choice(SENTENCES)

    def lines(name, head, rows):
        (folder / name).write_text("\n".join(["\t".join(head), *map("\t".join, rows)]) + "\n")

    judged = ["NEUTRAL", "ENTAILMENT", "CONTRADICTION"]
    rows = [[str(i), sentence(), sentence(), "4.5", judged[i % 3]] for i in range(2600)]
    lines("sick/SICK.txt", ["pair_ID", "sentence_A", "sentence_B", "relatedness_score", "entailment_judgment"], rows)
    for split in ("train", "test"):
        rows = [[str(i % 2), str(i), str(i), first := sentence(), first if i % 2 else sentence()] for i in range(600)]
        head = ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]
        lines(f"mrpc/msr_paraphrase_{split}.txt", head, rows)
    for split in ("train", "dev"):
        rows = [[text := sentence(), str(int("good" in text))] for _ in range(1100)]
        lines(f"sst2/{split}.tsv", ["sentence", "label"], rows)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Six layers, as the real one has."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    words = len(tiny_models.SPECIAL) + len(tiny_models.WORDS)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 6}
    BertModel(BertConfig(vocab_size=words, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return folder


def tiny(paper):
    """The paper's protocol at the small scale, with three models and hardly any rows."""
    whole = protocols.protocol(paper, "small", limit=24)
    fast = {"explained": 3, "samples": 12, "runs": 2, "attacked": 6}
    tasks = tuple(
        replace(
            task,
            train=task.train | {"epochs": 1},
            audits={
                name: audit | {key: fast[key] for key in fast if key in audit} for name, audit in task.audits.items()
            },
        )
        for task in whole.tasks
    )
    return replace(whole, members=(*whole.members[:1], *whole.members[-2:]), tasks=tasks)


def tiny_run(paper, data_folder, encoder, out):
    return run.reproduce(tiny(paper), out, data_folder, encoder)


@pytest.fixture(scope="module")
def again(data_folder, encoder):
    return lambda paper, out: tiny_run(paper, data_folder, encoder, out)


@pytest.fixture(scope="module", params=["miniature", "trust"])
def reproduced(request, again, tmp_path_factory):
    """A paper's run from the beginning to the end."""
    out = tmp_path_factory.mktemp("results") / request.param
    _, failures = again(request.param, out)
    assert failures == []
    return request.param, out


# Both papers, from end to end.


def test_tables_are_written_as_text_and_latex_with_every_model_floor_and_chance(reproduced):
    paper, out = reproduced
    text, latex = (out / "tables.md").read_text(), (out / "tables.tex").read_text()
    assert text.count("**") == 2 * latex.count(r"\begin{table}") == 2 * (9 if paper == "miniature" else 8)
    for words in ("6 layers", "2 layers", "1 layer", "floor: twin", "chance", "95 %", "not comparable with ours"):
        assert words in text, words
    assert re.findall("nan|inf|failed", text) == []
    if shutil.which("pdflatex"):
        page = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{tables.tex}\end{document}"
        done = subprocess.run(["pdflatex", "-halt-on-error", page], cwd=out, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]


def test_figures_are_those_of_the_metrics(reproduced):
    paper, out = reproduced
    figures = json.loads((out / "figures.json").read_text())
    if paper == "miniature":
        said = {
            name: json.loads((out / "answers" / name / "answers.json").read_text()) for name in ("6-layers", "1-layer")
        }
        metric = evaluate.load(str(ROOT / "metrics" / "prediction_error_jaccard"))
        again = metric.compute(
            predictions=said["1-layer"]["test"],
            references=json.loads((out / "data" / "qa" / "test.json").read_text()),
            large_predictions=said["6-layers"]["test"],
            task="squad_v2",
        )
        assert figures["answers"]["errors"]["1 layer / 6 layers"] == again
        assert set(figures["answers"]["errors"]) == {
            "twin / 6 layers", "2 layers / 6 layers", "1 layer / 6 layers", "1 layer / 2 layers",
        }  # fmt: skip
    else:
        for audit in ("nli-lime", "pi-shap"):
            report = json.loads((out / "audits" / audit / "report.json").read_text())
            pair = next(one for one in report["pairs"] if one["name"] == "1 layer")
            shown = figures["audits"][audit]["pairs"]["1 layer"]["attribution_alignment"]
            assert shown["figures"] == pair["dimensions"]["attribution_alignment"]["figures"]
            assert shown["figures"]["jaccard_at_10"] > 0
        for task in ("nli", "pi"):
            drawn = (out / f"reliability-{task}.svg").read_text()
            assert all(f"<!-- {name} -->" in drawn for name in ("large", "2 layers", "1 layer"))


def test_a_finished_run_does_nothing_again(reproduced, again):
    paper, out = reproduced
    models = {path: path.stat().st_mtime_ns for path in (out / "models").rglob("*.safetensors")}
    before = (out / "tables.md").read_bytes()
    assert len(models) == 8
    again(paper, out)
    assert {path: path.stat().st_mtime_ns for path in (out / "models").rglob("*.safetensors")} == models
    assert (out / "tables.md").read_bytes() == before


def test_a_folder_with_another_run_is_refused(reproduced, again):
    paper, out = reproduced
    with pytest.raises(ValueError, match="holds a run with other settings"):
        again("trust" if paper == "miniature" else "miniature", out)


@pytest.mark.parametrize("reproduced", ["miniature"], indirect=True)  # the other paper takes the same steps
def test_a_killed_run_goes_on(reproduced, data_folder, encoder, tmp_path, again):
    """Killed with a model half trained; the tables are those of the whole run."""
    paper, whole = reproduced
    out = tmp_path / "killed"
    shutil.copytree(whole, out)
    for done in ("models/sentiment/1-layer", "answers/twin", "audits", "tables.md"):
        shutil.rmtree(out / done) if (out / done).is_dir() else (out / done).unlink()
    half = out / "models" / "sentiment" / ".1-layer.part"
    process = multiprocessing.get_context("spawn").Process(target=tiny_run, args=(paper, data_folder, encoder, out))
    process.start()
    while process.is_alive() and not half.exists():
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert half.exists()
    assert not (out / "tables.md").exists()
    again(paper, out)
    assert (out / "tables.md").read_bytes() == (whole / "tables.md").read_bytes()


# Lists of errors.


def test_published_lists_give_the_published_jaccards(published, capsys):
    assert reproduce.main(["--errors", *published]) == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    found = {row[0]: row for row in rows[2:]}
    assert len(found) == len(protocols.JACCARD) == 6
    for (compressed, large), jaccard in protocols.JACCARD.items():
        row = found[f"{large} / {compressed}"]
        assert row[3] == row[8] == f"{jaccard:.3f}"
        assert row[1].replace(",", "") == str(protocols.ERRORS[large])


def test_lists_need_no_names_and_the_questions_can_be_elsewhere(tmp_path, capsys):
    for name, ids in {"large": ["a", "b"], "tiny": ["b", "c"], "all": list("abcdef")}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(ids))
    paths = [str(tmp_path / f"{name}.json") for name in ("large", "tiny")]
    assert reproduce.main(["--errors", *paths, "--questions", str(tmp_path / "all.json")]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| large / tiny"))
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[1:4] == ["2", "2", "0.333"]
    assert cells[5:7] == ["0.200", "1.000"]  # 2 * 2 / 6 by chance, of 4 - 2 / 3


def test_six_lists_give_all_fifteen_pairs(tmp_path, capsys):
    """The authors' repository has two lists more than are at hand here."""
    ids = [str(i) for i in range(40)]
    (tmp_path / "question_ids.json").write_text(json.dumps(ids))
    given = []
    for i, name in enumerate(protocols.ENCODERS):
        (tmp_path / f"{name}.json").write_text(json.dumps(ids[i : 12 + 3 * i]))
        given.append(f"{name}={tmp_path / name}.json")
    assert reproduce.main(["--errors", *given]) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert len({row[0].strip() for row in rows}) == len(rows) == 15
    large_tiny = next(row for row in rows if row[0].strip() == "BERT-large / Tiny-BERT")
    assert [cell.strip() for cell in large_tiny[1:4]] == ["12", "22", "0.259"]  # 7 of 27 questions
    assert large_tiny[-1].strip() == ""


WRONG = {
    "a list alone": (["large.json"], "needs the lists of two models"),
    "one name twice": (["x=large.json", "x=tiny.json"], "two lists called x"),
    "ids of other questions": (["large.json", "odd.json"], "1 ids are not among the questions, e.g. 'z'"),
    "an id twice": (["large.json", "twice.json"], "twice.json holds an id more than once"),
    "no list": (["large.json", "dict.json"], "dict.json must hold a list of ids"),
    "no json": (["large.json", "text.json"], "text.json could not be read as json"),
    "too deep": (["large.json", "deep.json"], "deep.json could not be read as json"),
    "no file": (["large.json", "absent.json"], "absent.json could not be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_lists_that_cannot_be_compared_end_with_one_sentence(case, tmp_path, capsys, monkeypatch):
    given, sentence = WRONG[case]
    contents = {"large": ["a"], "tiny": ["b"], "odd": ["z"], "twice": ["a", "a"], "dict": {"a": 1}}
    for name, ids in {**contents, "question_ids": ["a", "b"]}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(ids))
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    monkeypatch.chdir(tmp_path)
    assert_one_sentence(["--errors", *given], sentence, capsys)


def assert_one_sentence(argv, sentence, capsys):
    assert reproduce.main(argv) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("trusteq reproduce: ")
    assert (printed.err.count("\n"), printed.out) == (1, "")


# What would be done, and what cannot be.


@pytest.mark.parametrize("paper", ["miniature", "trust"])
def test_the_plan_of_the_full_scale_is_printed_without_a_network(paper, capsys, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    assert reproduce.main(["--paper", paper, "--scale", "full", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    news, presets = "SQuAD 2.0; out-of-distribution: NewsQA", ["--preset paper-b-nli", "--preset paper-b-pi"]
    wanted = {
        "miniature": ["google-bert/bert-large-uncased", news, "IMDB", "attack=textbugger"],
        "trust": [
            *presets,
            "SNLI",
            "QQP",
            "samples=1000",
            "samples=500",
            "runs=3",
            "convention=paper-b",
            "SEP stood in",
        ],
    }[paper]
    for words in [*wanted, "trusteq finetune", "google/bert_uncased_L-2_H-128_A-2", "twin", "seed=42"]:
        assert words in printed, words
    assert re.search(r"will fetch about [\d,]+ MB: ", printed)
    assert re.search(
        r"about [\d.]+ (minutes?|hours?|days?|years?) on this processor \(\d+ threads?\): training ", printed
    )


def test_each_task_of_paper_b_has_a_protocol_of_its_own():
    """Facts of the paper and of its authors' scripts: two explainers, two rankings, other seeds."""
    nli, pi = protocols.protocol("trust", "full").tasks
    for task, wanted in (
        (nli, {"lime": ("lime_package", 1000, "absolute", 42), "shap": ("shap", 500, "absolute", 42)}),
        (pi, {"lime": ("lime_package", 100, "support", 43), "shap": ("shap_permutation", 100, "support", 43)}),
    ):
        told = {
            name: tuple(one[key] for key in ("method", "samples", "rank", "seed")) for name, one in task.audits.items()
        }
        assert told == wanted
        for one in task.audits.values():
            assert (one["k"], one["runs"], one["explain"], one["explained"]) == ([10], 3, "gold", None)
        assert task.audits["lime"]["convention"] == "paper-b"
        assert set(protocols.FAULTS) == {"nli", "pi"}
    assert pi.rows["test"] == 15_000


def test_a_run_at_full_scale_says_what_it_will_take_before_it_begins(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "reproduce", lambda *given: print("begun") or ([], []))
    assert reproduce.main(["--paper", "trust", "--scale", "full", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == "begun"
    assert "will fetch about" in printed.err
    assert reproduce.main(["--paper", "trust", "--scale", "small", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


def test_the_forecast_counts_every_pass():
    """A device that is ten times as fast takes a tenth of the time."""
    whole = protocols.protocol("trust", "full")
    told = [forecast.forecast(whole, rate, "it").splitlines()[1] for rate in (1e12, 1e13)]
    assert told == [
        "about 11 days on it: training 3.1 days, questions 8.2 days",
        "about 27 hours on it: training 7.5 hours, questions 20 hours",
    ]
    nli = whole.tasks[0]
    assert forecast.trained(nli) == 3 * 5 * 549_000 * 27
    assert forecast.asked(nli) == (9_800 + 9_800 + 9_800 * 3 * (1000 + 500)) * 27


def test_inputs_that_are_missing_end_with_one_sentence(tmp_path, encoder, capsys):
    small = ["--paper", "trust", "--out", str(tmp_path / "out")]
    assert_one_sentence(small, "--data is missing", capsys)
    assert_one_sentence([*small, "--data", str(tmp_path / "none")], "there is no folder", capsys)
    with_data = [*small, "--data", str(tmp_path), "--encoder"]
    assert_one_sentence([*with_data, str(tmp_path)], "no folder with a config.json", capsys)
    assert_one_sentence([*with_data, str(encoder)], "SICK.txt could not be read", capsys)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    elsewhere = [*with_data, str(encoder), "--out", str(tmp_path / "full")]
    assert_one_sentence(elsewhere, "holds something else", capsys)


def test_every_model_of_the_papers_has_its_published_figures():
    for paper in ("miniature", "trust"):
        stood = {scale: [one.stands_for for one in protocols.family(paper, scale)] for scale in ("full", "small")}
        assert stood["full"] == stood["small"]
        if paper == "trust":
            assert all(list(published) == stood["full"] for published in protocols.ACCURACY.values())
        else:
            assert set(protocols.ERRORS) | set(protocols.FALL) <= set(stood["full"])
            assert {name for pair in protocols.JACCARD for name in pair} == set(protocols.ERRORS)


# Questions from pairs of sentences.


def test_questions_ask_for_words_that_both_sentences_have_once():
    rows = cloze.questions([(first, second, True) for first in SENTENCES for second in SENTENCES[::5]], "x")
    assert len(rows) > 50
    for row in rows:
        (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["context"][start : start + len(text)] == text
        assert f" {row['context']} ".count(f" {text} ") == 1
        assert f" {row['question']} ".count(" what ") == 1
        assert f" {row['question']} ".replace(" what ", f" {text} ").strip() in SENTENCES


def test_questions_without_an_answer_ask_for_words_that_the_context_lacks():
    rows = cloze.questions([(first, second, False) for first in SENTENCES for second in SENTENCES[::5]], "x")
    assert len(rows) > 50
    for row in rows:
        assert row["answers"] == {"text": [], "answer_start": []}
        asked = set(" ".join(SENTENCES).split()) - set(row["question"].split())
        assert any(row["question"].replace("what", word) in SENTENCES and word not in row["context"] for word in asked)


def test_a_question_does_not_depend_on_those_before_it():
    pairs = [
        (first, second, i % 2 == 0) for i, (first, second) in enumerate(zip(SENTENCES, SENTENCES[3:], strict=False))
    ]
    whole = {row["id"]: row for row in cloze.questions(pairs, "x", seed=1)}
    blank = [(pairs[0][0], "", True), *pairs[1:]]
    assert cloze.questions(blank, "x", seed=1) == [row for name, row in whole.items() if name != "x-0"]


# Training to answer.


def test_places_are_checked_and_windows_without_the_answer_teach_that_there_is_none(tmp_path, encoder):
    row = {"id": "1", "question": "what", "context": "the film was good " * 9 + "the cat sleeps"}
    row["answers"] = {"text": ["cat sleeps"], "answer_start": [row["context"].index("cat")]}
    path = tmp_path / "one.json"
    path.write_text(json.dumps([row]))
    (found,) = question_training.with_places(str(path))
    assert row["context"][slice(*found["place"])] == "cat sleeps"
    model = BertForQuestionAnswering.from_pretrained(encoder)
    answerer = question_answering.as_question_answerer((model, tiny_models.tokenizer()), "model", length=20, stride=5)
    examples = question_training.features(answerer, [found])
    spans = [(one["start_positions"], one["end_positions"]) for one in examples]
    assert len(spans) > 2
    assert spans[0] == (0, 0)
    first, last = spans[-1]
    assert tiny_models.tokenizer().decode(examples[-1]["input_ids"][first : last + 1]) == "cat sleeps"
    row["answers"]["answer_start"] = [3]
    path.write_text(json.dumps([row]))
    with pytest.raises(ValueError, match="the answer 'cat sleeps' of 1 does not stand at 3"):
        question_training.with_places(str(path))


def test_training_learns_to_answer(tmp_path, encoder):
    """One word is always the answer: a few steps are enough."""
    words = ["film", "movie", "plot", "acting", "story"]
    rows = []
    for i in range(60):
        context = f"the {words[i % 5]} was {['very', 'not'][i % 2]} good and the cat sleeps"
        answers = {"text": ["cat"], "answer_start": [context.index("cat")]}
        rows.append({"id": str(i), "question": "a", "context": context, "answers": answers})
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    fast = {"epochs": 20, "learning_rate": 1e-2, "batch_size": 20, "length": 48, "stride": 8, "seed": 42}
    options = question_training.QuestionOptions(
        model=str(encoder), dataset=str(path), eval_dataset=str(path), out=tmp_path / "out", **fast
    )
    assert question_training.finetune(options)["exact"] > 95
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["exact"] > 95
    assert record["options"].items() >= fast.items()
    with pytest.raises(ValueError, match="is there already"):
        question_training.finetune(options)
