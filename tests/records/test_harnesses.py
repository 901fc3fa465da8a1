"""Logs that lm-eval, inspect_ai and lighteval wrote: what is read equals the harness's own figures."""

import json
import re
import zipfile

import numpy as np
import pytest
from harness_logs import DATA, logs

from trusteq.records.joined import join
from trusteq.records.read import read
from trusteq.records.readers.reader import ReadOptions
from trusteq.records.zipped import Zipped

MODELS = ("smollm2", "smollm2-int4")


def rights(record):
    return record.table["right"].to_numpy().astype(float)


@pytest.mark.parametrize("harness", ["lm_eval", "inspect", "lighteval"])
@pytest.mark.parametrize("model", MODELS)
def test_accuracy_and_its_error_equal_the_harness_s_own(harness, model, tmp_path):
    records = read(logs(harness, tmp_path) / model)
    assert {record.head["model"].rpartition("/")[2] for record in records} == {model}
    for record in records:
        right, own, metric = rights(record), record.head["harness"], record.head["metric"]
        assert own[metric] == pytest.approx(right.mean(), abs=1e-12)
        assert own[f"{metric}_stderr"] == pytest.approx(right.std(ddof=1) / np.sqrt(len(right)), abs=1e-12)
    assert sum(len(record) for record in records) == {"lm_eval": 52, "inspect": 10, "lighteval": 24}[harness]


@pytest.mark.parametrize("harness", ["lm_eval", "inspect", "lighteval"])
def test_two_models_answered_the_same_questions(harness, tmp_path):
    """lighteval shuffles its rows, and inspect_ai writes them as they end."""
    folder = logs(harness, tmp_path)
    for large, compressed in zip(*(read(folder / model) for model in MODELS), strict=True):
        joined = join(large, compressed)
        assert len(joined.large) == len(large) == len(compressed)
        assert joined.noticed == []
        assert joined.large["question"].to_pylist() == joined.compressed["question"].to_pylist()
        assert joined.large["gold"].to_pylist() == joined.compressed["gold"].to_pylist()


@pytest.mark.parametrize("harness", ["lm_eval", "inspect", "lighteval"])
def test_multiple_choice_has_probabilities_and_says_the_most_probable(harness, tmp_path):
    for record in read(logs(harness, tmp_path) / "smollm2"):
        if "probabilities" not in record.table.column_names:
            assert record.head["task"].startswith("tiny_sums")
            continue
        rows = record.rows()
        assert (rows.argmax(axis=1) == record.labels()).all()
        np.testing.assert_allclose(rows.sum(axis=1), 1)
        np.testing.assert_array_equal(rows.max(axis=1), record.table["confidence"].to_numpy())
        options, gold = record.table["options"].to_pylist(), record.table["gold_index"].to_pylist()
        assert ((np.array(gold) == record.labels()) == rights(record)).all()
        if harness != "inspect":  # where they are letters
            assert [few[i] for few, i in zip(options, gold, strict=True)] == record.table["gold"].to_pylist()


# lm-eval.


def by_task(records):
    return {(record.head["task"], record.head["filter"]): record for record in records}


def samples(folder, task="tiny_arc"):
    [path] = folder.glob(f"*/samples_{task}_*.jsonl")
    return path


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("metric", ["acc", "acc_norm", "acc_mutual_info"])
def test_lm_eval_decides_by_each_metric_as_the_harness_does(model, metric):
    """acc_norm divides by the characters, acc_mutual_info takes off what the option has without the question."""
    found = by_task(read(DATA / "lm_eval" / model, options=ReadOptions(metric=metric)))["tiny_arc", "none"]
    assert found.head["metric"] == metric
    assert found.head["harness"][metric] == pytest.approx(rights(found).mean())
    said, gold = (found.table[f"{name}_index"].to_numpy() for name in ("said", "gold"))
    assert ((said == gold) == rights(found)).all()
    assert not [sentence for sentence in found.head["noticed"] if "against the most probable" in sentence]


def test_lm_eval_s_probabilities_are_those_of_its_brier_score():
    path = samples(DATA / "lm_eval" / "smollm2")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    shown = [json.loads(re.sub(r"\s+", ",", line["brier_score"][1].replace("[ ", "["))) for line in lines]
    np.testing.assert_allclose(read(path)[0].rows(), shown, rtol=1e-6)


def test_lm_eval_s_filters_are_records_of_their_own():
    found = by_task(read(DATA / "lm_eval" / "smollm2-int4"))
    assert set(found) == {
        ("tiny_arc", "none"),
        ("tiny_sst2", "none"),
        ("tiny_sums", "strict"),
        ("tiny_sums", "flexible"),
    }
    generated = found["tiny_sums", "strict"].table
    right = [
        gold == said for gold, said in zip(generated["gold"].to_pylist(), generated["said"].to_pylist(), strict=True)
    ]
    assert right == generated["right"].to_pylist()
    assert generated["score:exact_match"].to_pylist() == [float(one) for one in right]


def test_of_a_text_to_be_continued_only_a_right_answer_is_known(tmp_path):
    """As of LAMBADA: one answer, [its log-probability, whether it is what the model would have said]."""
    path = samples(logs("lm_eval", tmp_path) / "smollm2", "tiny_sums")
    lines = [json.loads(line) for line in path.read_text().splitlines()[:2]]
    for line, greedy in zip(lines, ("True", "False"), strict=True):
        pairs = {"gen_args_0": {"arg_0": "1 + 1 =", "arg_1": " " + line["target"]}}
        line |= {"filtered_resps": [["-2.5", greedy]], "arguments": pairs, "metrics": ["acc"], "acc": greedy == "True"}
    path.write_text("\n".join(map(json.dumps, lines)))
    [found] = read(path)
    assert found.table["said"].to_pylist() == [lines[0]["target"], ""]
    assert found.table["right"].to_pylist() == [True, False]
    assert found.head["noticed"] == ["the log does not hold what was said where it is not right"]


def test_of_several_runs_the_newest_is_read_or_the_one_that_is_named(tmp_path):
    folder = logs("lm_eval", tmp_path) / "smollm2"
    path = samples(folder)
    older = path.with_name("samples_tiny_arc_2026-01-01T00-00-00.000000.jsonl")
    older.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))
    newest = by_task(read(folder))["tiny_arc", "none"]
    assert len(newest) == 12
    told = "tiny_arc was run 2 times: the newest is taken, 2026-11-30T09-53-53.122986, not 2026-01-01T00-00-00.000000"
    assert any(sentence.startswith(told) for record in read(folder) for sentence in record.head["noticed"])
    [named] = read(folder, options=ReadOptions(run="2026-01"))
    assert len(named) == 5
    with pytest.raises(ValueError, match="holds no run '1999'"):
        read(folder, options=ReadOptions(run="1999"))


def changed(path, change, line=2):
    """The file with one line changed."""
    lines = [json.loads(one) for one in path.read_text().splitlines()]
    change(lines[line - 1])
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def answer(value):
    return lambda line: line["filtered_resps"][1].__setitem__(0, value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (answer("0.7"), r"line 2: a log-probability is 0\.7; expected a number of at most 0"),
        (answer("nan"), "line 2: a log-probability is nan; expected a number of at most 0"),
        (answer("likely"), "line 2 has a log-probability that is no number, but 'likely'"),
        (answer([]), r"line 2 has a log-probability that is no number, but \[\]"),
        (lambda line: line.pop("filtered_resps"), "line 2 has no field 'filtered_resps'; expected doc_id, target"),
        (lambda line: line.pop("acc"), "line 2 names the metric 'acc' and does not hold it"),
        (lambda line: line.update(metrics="acc"), "line 2 has metrics that are no list of names, but 'acc'"),
        (lambda line: line.update(filtered_resps=None), "line 2 has filtered_resps that are no list of answers"),
        (lambda line: line["arguments"].pop("gen_args_1"), "line 2 has .* other arguments than answers"),
        (lambda line: line.update(doc_id=0), "holds the document 0 2 times for the filter none"),
        (lambda line: line.update(acc=0.5, acc_norm=0.5, acc_mutual_info=0.5), "no metric is right or wrong for every"),
    ],
)
def test_what_is_wrong_with_a_line_of_lm_eval_is_a_sentence(tmp_path, change, said):
    path = changed(samples(logs("lm_eval", tmp_path) / "smollm2"), change)
    with pytest.raises(ValueError, match=said):
        read(path)


def test_a_truncated_line_is_named(tmp_path):
    path = samples(logs("lm_eval", tmp_path) / "smollm2")
    path.write_text(path.read_text()[:-300])
    with pytest.raises(ValueError, match=r"samples_tiny_arc_.*: line 12 is no whole JSON object"):
        read(path)


def test_equal_documents_are_told_apart_and_matched_by_order(tmp_path):
    folder = logs("lm_eval", tmp_path)
    for model in MODELS:
        path = samples(folder / model)
        first = json.loads(path.read_text().splitlines()[0])
        changed(path, lambda line, first=first: line.update(first | {"doc_id": 1, "acc": line["acc"]}))
    large, compressed = (read(samples(folder / model))[0] for model in MODELS)
    hash = first["doc_hash"]
    assert large.table["id"].to_pylist()[:2] == [hash, f"{hash}#2"]
    assert "1 question is there more than once; equal ones are told apart by their order" in large.head["noticed"]
    assert len(join(large, compressed).large) == 12


def test_another_prompt_is_an_error_unless_it_is_allowed(tmp_path):
    folder = logs("lm_eval", tmp_path)
    changed(samples(folder / "smollm2"), lambda line: line.update(prompt_hash="x"))
    large, compressed = (read(samples(folder / model))[0] for model in MODELS)
    with pytest.raises(ValueError, match=r"1 of 12 prompts differ between .* only with allow_different_prompts"):
        join(large, compressed)
    assert len(join(large, compressed, allow_different_prompts=True).large) == 12


def test_a_task_that_says_nothing_of_right_or_wrong_is_left_out_and_told(tmp_path):
    folder = logs("lm_eval", tmp_path) / "smollm2"
    path = samples(folder)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "\n".join(json.dumps(line | {"metrics": ["word_perplexity"], "word_perplexity": [-9, 3]}) for line in lines)
    )
    records = read(folder)
    assert {record.head["task"] for record in records} == {"tiny_sst2", "tiny_sums"}
    assert (
        "no metric is right or wrong for every example (there are none); it is left out"
        in records[0].head["noticed"][-1]
    )


# inspect_ai.


def test_an_eval_and_a_json_log_are_the_same_record():
    archive, text = (read(path)[0] for path in sorted((DATA / "inspect_unparsed").iterdir()))
    assert archive.table.sort_by("id") == text.table.sort_by("id")
    assert archive.head | {"place": ""} == text.head | {"place": ""}


def test_an_answer_that_inspect_could_not_parse_is_wrong_and_names_no_option():
    [path] = (DATA / "inspect_unparsed").glob("*.eval")
    [found] = read(path)
    assert found.table["said"].to_pylist() == ["", "", ""]
    assert found.table["said_index"].to_pylist() == [None, None, None]
    assert rights(found).sum() == 0
    assert "3 answers name none of the options" in found.head["noticed"]


def test_where_inspect_logged_few_tokens_confidence_is_the_token_s():
    [found] = read(DATA / "inspect_json")
    assert "probabilities" not in found.table.column_names
    assert all(0 < confidence < 1 for confidence in found.table["confidence"].to_pylist())
    assert any("confidence is the probability of the token" in sentence for sentence in found.head["noticed"])


def json_log(tmp_path, change):
    [path] = logs("inspect_json", tmp_path).iterdir()
    log = json.loads(path.read_text())
    change(log)
    path.write_text(json.dumps(log))
    return path


def test_samples_without_a_score_are_left_out_and_told(tmp_path):
    def fail(log):
        log["status"] = "error"
        log["samples"][1]["scores"] = {}
        log["samples"][1]["choices"] = []

    [found] = read(json_log(tmp_path, fail))
    assert len(found) == 3
    assert found.head["noticed"][:2] == [
        "the run is not complete: its status is error",
        "1 example without a score is left out",
    ]


def test_a_sample_that_was_asked_more_than_once_is_a_group(tmp_path):
    def twice(log):
        log["samples"] += [one | {"epoch": 2} for one in log["samples"]]

    [found] = read(json_log(tmp_path, twice))
    names = found.table["group"].to_pylist()
    assert names[:4] == names[4:]
    assert found.table["id"].to_pylist() == [f"{name}, epoch {1 + (i > 3)}" for i, name in enumerate(names)]


def test_partly_right_is_not_right_and_told(tmp_path):
    [found] = read(json_log(tmp_path, lambda log: log["samples"][0]["scores"]["letter"].update(value="P")))
    assert found.table["score:letter"].to_pylist()[0] == 0.5
    assert not found.table["right"].to_pylist()[0]
    assert "1 answer is partly right, which is not right" in found.head["noticed"]


def test_a_run_that_was_killed_is_read_as_far_as_it_came(tmp_path):
    """Its archive has no header yet, only what the journal began with."""
    [path] = logs("inspect", tmp_path).glob("smollm2/*.eval")
    [whole], killed = read(path), tmp_path / "killed.eval"
    with Zipped(path) as archive, zipfile.ZipFile(killed, "w") as file:
        names = [name for name in archive.names() if name.startswith(("samples/", "_journal/start"))]
        for name in names[:6]:
            file.writestr(name, archive.read(name))
    [found] = read(killed)
    ids = [one for one in whole.table["id"].to_pylist() if f"samples/{one}_epoch_1.json" in names[:6]]
    assert len(ids) == 5
    assert found.table["id"].to_pylist() == ids
    assert found.head["noticed"] == ["the run is not complete: its status is started"]
    assert found.head["model"] == "hf/smollm2"


def top(log):
    return log["samples"][1]["output"]["choices"][0]["logprobs"]["content"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda log: log.update(version=3), "is of a newer inspect_ai: its log has the version 3, and 2 is known"),
        (lambda log: log.update(version="x"), "is no log of inspect_ai: expected version and eval in its header"),
        (lambda log: log["samples"][0].pop("id"), "sample 0 has no field 'id'; expected id, epoch, input"),
        (lambda log: log["samples"].append(log["samples"][0]), "the id '.*' is there 2 times"),
        (lambda log: log.update(samples=[]), "holds no sample with a score"),
        (lambda log: [one.update(scores={}) for one in log["samples"]], "holds no sample with a score"),
        (lambda log: top(log).update(logprob=0.5), "the log-probability 0.5 is no number of at most 0"),
        (lambda log: top(log).update(logprob="-1"), "the log-probability '-1' is no number of at most 0"),
        (lambda log: top(log).update(logprob=float("nan")), "the log-probability nan is no number of at most 0"),
        (
            lambda log: [one["scores"]["letter"].update(value={}) for one in log["samples"]],
            "no metric is right or wrong",
        ),
    ],
)
def test_what_is_wrong_with_a_log_of_inspect_is_a_sentence(tmp_path, change, said):
    with pytest.raises(ValueError, match=said):
        read(json_log(tmp_path, change))


def test_a_damaged_archive_is_a_sentence(tmp_path):
    [path] = logs("inspect", tmp_path).glob("smollm2/*.eval")
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(ValueError, match=r"\.eval is no whole ZIP archive"):
        read(path)
    path.write_bytes(content[:3000] + b"\xff" * 50 + content[3050:])
    with pytest.raises(ValueError, match="is damaged"):
        read(path)


def test_archives_that_could_unpack_to_any_size_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("header.json", b"0" * (8 << 20))
    with pytest.raises(ValueError, match=r"'header.json' unpacks to over 1,000 times its size"):
        read(path)
    monkeypatch.setattr("trusteq.records.zipped.MEMBERS", 1)
    [log] = logs("inspect", tmp_path).glob("smollm2/*.eval")
    with pytest.raises(ValueError, match=r"has 1\d members; 1 are the most that are read"):
        read(log)


def test_members_that_lie_in_one_another_are_refused(tmp_path):
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("samples/1.json", b"0" * 1000)
        file.filelist *= 9  # the directory names the same bytes nine times
    with pytest.raises(ValueError, match="has members that lie in one another"):
        read(path)


def test_an_archive_of_something_else_is_a_sentence(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as file:
        file.writestr("readme.txt", b"nothing")
    with pytest.raises(ValueError, match=r"is no log of inspect_ai: it has no header.json"):
        read(tmp_path / "a.eval")


# What belongs together.


def test_a_field_of_the_log_says_what_belongs_together(tmp_path):
    group = ReadOptions(group="key")
    [arc] = read(samples(DATA / "lm_eval" / "smollm2"), options=group)
    assert arc.table["group"].to_pylist()[:2] == ["MCAS_1998_4_19", "Mercury_7041143"]
    with pytest.raises(
        ValueError, match="line 1 has no field 'passage' in its doc to group by; there are key, question"
    ):
        read(samples(DATA / "lm_eval" / "smollm2"), options=ReadOptions(group="passage"))
    with pytest.raises(ValueError, match="has no field 'key' to group by; there are none"):
        read(DATA / "inspect_json", options=group)
    path = json_log(tmp_path, lambda log: [one.update(metadata={"key": 7}) for one in log["samples"]])
    assert read(path, options=group)[0].table["group"].to_pylist() == ["7"] * 4
    with pytest.raises(ValueError, match="gold says nothing of lm-eval; what does is model, run, metric, group"):
        read(DATA / "lm_eval" / "smollm2", options=ReadOptions(gold="label"))


# lighteval.


def test_a_corrupt_parquet_file_is_a_sentence(tmp_path):
    folder = logs("lighteval", tmp_path) / "smollm2"
    [path] = folder.rglob("details_tiny_arc*")
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\x00" * 300 + content[304:])
    with pytest.raises(ValueError, match=r"details_tiny_arc.*\.parquet is no whole Parquet file"):
        read(path)


def test_harnesses_are_known_by_what_is_in_their_files(tmp_path):
    for harness, name in (("lm_eval", "lm-eval"), ("inspect", "inspect"), ("lighteval", "lighteval")):
        records = read(logs(harness, tmp_path) / "smollm2")
        assert {record.head["format"] for record in records} == {name}
    with pytest.raises(
        ValueError, match="holds files of inspect and lighteval and lm-eval: say which is meant by format="
    ):
        read(tmp_path)
    with pytest.raises(ValueError, match=r"holds runs of 2 models .*: name one with model"):
        read(tmp_path / "inspect")
    assert read(tmp_path, format="inspect", options=ReadOptions(model="int4"))[0].head["model"] == "hf/smollm2-int4"
