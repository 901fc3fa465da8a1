"""The Space without a browser: its endpoints beside the Python calls, its limits, and what strangers may try."""

import contextlib
import doctest
import importlib
import inspect
import json
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import app
import asking
import break_it
import gradio
import httpx
import hub
import limits
import load_test
import numpy as np
import pandas as pd
import push_to_hub
import pytest
import tiny_language_models
import tiny_models
import verdict
import why
import work
import workshop
from fake_hub import FakeHub
from gradio_client import Client
from models import Models
from served_space import CLASSES, ROOT, SPACE, metric

from trusteq.audit.bundled import ASKED, MADE, TWINS, bundled_family
from trusteq.audit.family import open_models
from trusteq.dimensions import attribution_alignment
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.report.words import shown

TEXT = "The cast is wonderful, but the plot is awful."
PAIR = ("large", "distilled")
MODULES = sorted(path.stem for path in SPACE.glob("*.py"))


@pytest.fixture(scope="module")
def client(space):
    return space.client()


@pytest.fixture(scope="module")
def models(space):
    """The tiny family as the metrics open it, by name."""
    family = space.family
    return open_models(family["large"], family["compressed"], family["twin"])


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


# Every figure is the metric's.


@pytest.mark.parametrize(("method", "samples"), [("lime", 100), ("shap", 100), ("occlusion", None)])
def test_why_gives_what_the_metric_gives(client, models, method, samples):
    page, found = client.predict(*PAIR, TEXT, method, 4, api_name="/why")
    given = {"samples": samples} if samples else {}
    result = metric("attribution_alignment").compute(
        texts=[TEXT],
        model=models["distilled"],
        large_model=models["large"],
        method=method,
        explain="large",
        k=4,
        features=200,
        **given,
    )
    assert found["figures"] == pytest.approx(result)
    for kind, name in (("compressed", "distilled"), ("large", "large")):
        expected = dict(zip(CLASSES, models[name]([TEXT])[0], strict=True))
        assert found["answers"][kind] == pytest.approx(expected)
        assert len(re.findall("<mark", page)) >= 4
    assert f"<b>{100 * result['jaccard_at_4']:.0f} %</b>" in page


@pytest.mark.parametrize("attack", ["textbugger", "deepwordbug", "typos"])
def test_break_it_gives_what_the_metric_gives(client, space, models, attack):
    family, fooled = space.family, 0
    known = dict(zip(family["texts"][:2], family["references"][:2], strict=True))
    for text in (*known, "the film was very good and the acting was great", "a dull plot but not a bad story", TEXT):
        page, found = client.predict(*PAIR, text, attack, api_name="/break_it")
        label = known.get(text, CLASSES[int(models["large"]([text])[0].argmax())])
        assert found["right"] == label
        result = metric("attack_divergence").compute(
            texts=[text],
            references=[label],
            model=models["distilled"],
            large_model=models["large"],
            attack=attack,
            max_queries=300,
            details=True,
        )
        (example,) = result.pop("details")["per_example"]
        assert found["figures"] == pytest.approx(result)
        for kind, key in (("compressed", "outcome"), ("large", "large_outcome")):
            for part, value in example[key].items():
                same = pytest.approx(value) if isinstance(value, list) else value  # probabilities, to rounding
                assert found["outcomes"][kind][part] == same, part
        statuses = [one["status"] for one in found["outcomes"].values()]
        assert page.count("<b>Fooled.</b>") == statuses.count("broken")
        fooled += statuses.count("broken")
    assert fooled or attack == "typos"


def test_break_it_takes_pairs(space, models):
    """As the metric does, and other pairs are other questions."""
    first, seconds = (
        "a dull plot but not a bad story",
        ("the film was very good and the acting was great", "it is long"),
    )
    given = {"model": models["distilled"], "large_model": models["large"], "attack": "textbugger", "max_queries": 300}
    answers = []
    for second in seconds:
        page, found = space.ask("break_it", *PAIR, first, "textbugger", *load_test.ASKING, second)
        label = CLASSES[int(models["large"]([(first, second)])[0].argmax())]
        expected = metric("attack_divergence").compute(texts=[(first, second)], references=[label], **given)
        assert found, page
        assert (found["right"], found["figures"]) == (label, pytest.approx(expected))
        broken = [one for one in found["outcomes"].values() if one["status"] == "broken"]
        assert f"“{first}” and “{second}”" in page
        assert page.count('<p class="text">') == 2 * len(broken)  # both sentences, with what was changed in them
        answers.append(found["outcomes"])
    assert {one["status"] for one in answers[0].values()} == {"broken"}
    assert answers[0] != answers[1]


def test_the_rows_of_a_report_that_was_made_here_open_here(space, monkeypatch):
    """Where the report calls its models as the page does; the address is never that of a request."""
    monkeypatch.delenv("SPACE_HOST", raising=False)
    assert app.home(space.page) == space.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")
    assert app.home(space.page) == "https://owner-name.hf.space/"
    asked = []
    monkeypatch.setattr(verdict, "audited", lambda *given: asked.append(given[-1]) or ("", {}, {}, ""))
    judge = verdict.Judge(space.models, lambda: "https://owner-name.hf.space/")
    for pair in (PAIR, ("tiny", "distilled"), ("distilled", "large")):
        with contextlib.suppress(ValueError):  # no files
            list(judge.answer(*pair, "quick", ""))
    assert asked == ["https://owner-name.hf.space/", None, None]


def test_the_workshop_imports_beforehand_what_it_is_told_to(tmp_path, monkeypatch):
    (tmp_path / "toolbox.py").write_text(
        "import os\n\nMADE = os.getpid()\n\ndef made():\n    return MADE, os.getppid()\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    for preload in (("toolbox",), ()):
        shop = workshop.Workshop()
        shop.preload = preload
        made, parent = shop.run("toolbox", "made")
        assert (made == parent) == bool(preload)
        shop.door.close()
        shop.process.wait()


@pytest.mark.parametrize(("bins", "binning"), [(10, "quantile"), (4, "uniform")])
def test_confidence_gives_what_the_metric_gives(client, space, models, bins, binning):
    page, figures = client.predict(*PAIR, bins, binning, api_name="/confidence")
    texts, labels = space.family["texts"], space.family["references"]
    expected = metric("calibration_gap").compute(
        predictions=models["distilled"](texts),
        references=[CLASSES.index(label) for label in labels],
        large_predictions=models["large"](texts),
        n_bins=bins,
        binning=binning,
    )
    assert figures == pytest.approx(expected)
    assert "<img" in page


def test_the_verdict_is_the_audits(client, space, models):
    page, figures, report, data = client.predict(*PAIR, "quick", "", api_name="/verdict")
    family = space.family
    opened = {name: (model.model, model.tokenizer) for name, model in models.items()}
    expected = metric("trust_equivalence").compute(
        large=opened["large"],
        compressed={"distilled": opened["distilled"]},
        twin=opened["twin"],
        **{name: family[name] for name in ("texts", "references", "ood_texts")},
        explained=50,
        attacked=50,
        max_queries=ASKED["max_queries"],
    )
    assert figures == pytest.approx(expected)
    assert Path(report).read_text(encoding="utf-8").startswith("<!")
    found = json.loads(Path(data).read_text(encoding="utf-8"))
    (pair,) = (one for one in found["pairs"] if one["role"] == "compressed")
    for name, entry in pair["dimensions"].items():
        assert entry["status"] == "done", (name, entry["reason"])
        assert DIMENSIONS[name].question in page
        chance = entry["expected"]
        assert chance is None or f'data-label="by chance">{shown(chance, "overlap")}<' in page, name
    assert page.count('data-label="by chance"') == 3  # of overlaps of mistakes, neighbours and reasons
    verdicts = [entry["verdict"] for entry in pair["dimensions"].values()]
    for found in set(verdicts):
        assert page.count(f'<span class="verdict {found}">') == 2 * verdicts.count(found)  # table and list
    assert page.count("<img") == len(verdicts)
    assert page.count('class="forest ') == 2  # for wide screens, and for phones
    assert page.count('class="mark ') == 2 * len(verdicts)


def test_the_verdict_takes_texts_of_ones_own(space):
    table = "label;text\n" + "".join(f"{i % 2};a film, number {i} of many\n" for i in range(16))
    page, figures, *_ = space.ask("verdict", "large", "tiny", "quick", table)
    assert "on 16 texts" in page
    assert figures["tiny/accuracy"] in {i / 16 for i in range(17)}


def test_the_code_beside_a_table_gives_the_same_figures(space, tmp_path, monkeypatch):
    table = client_table(space)
    _, figures, code = space.ask("compare", table)
    assert list(figures) == [
        "prediction_error_jaccard",
        "calibration_gap",
        "ood_divergence",
        "representation_overlap",
    ]
    (tmp_path / "table.csv").write_text(table)
    (tmp_path / "metrics").symlink_to(ROOT / "metrics")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    for name, found in figures.items():
        assert names[name] == pytest.approx(found), name


def client_table(space, rows=40):
    rng = np.random.default_rng(0)
    columns = {"references": rng.integers(2, size=rows), "ood": np.repeat([0, 1], rows // 2)}
    for prefix in ("", "large_"):
        p = rng.random(rows).round(4)
        columns |= {f"{prefix}predictions_0": (1 - p).round(4), f"{prefix}predictions_1": p}
        columns |= {f"{prefix}embeddings_{i}": rng.normal(size=rows).round(4) for i in range(3)}
    return pd.DataFrame(columns).to_csv(index=False)


def test_labels_alone_leave_confidence_out(space):
    page, figures, _ = space.ask("compare", "references,predictions,large_predictions\ncat,cat,dog\ndog,dog,dog\n")
    assert list(figures) == ["prediction_error_jaccard"]
    assert "Same mistakes?" in page


def test_the_examples_of_the_readme_run(space):
    text = (SPACE / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert "http://127.0.0.1:7860" in code
    names: dict = {}
    exec(code.replace("http://127.0.0.1:7860", space.url), names)
    assert names["figures"]["distilled/calibration_gap/verdict"] in (-1, 0, 1)


def test_the_endpoints_have_names_and_nothing_else_is_offered(client):
    offered = client.view_api(return_format="dict")
    assert set(offered["named_endpoints"]) == {"/verdict", "/why", "/break_it", "/confidence", "/compare", "/logs"}
    assert not offered["unnamed_endpoints"]


# Fast enough for many.


def asked(space, name, *inputs):
    """How often any model was asked while an endpoint answered, and the answer."""
    with questions(space) as count:
        answer = space.ask(name, *inputs)
    return len(count), answer


@contextmanager
def questions(space):
    """A list with an entry for every batch that any model is asked within."""
    count = []
    networks = [model for model, _ in space.models.bundled.values()]
    hooks = [model.register_forward_pre_hook(lambda *_: count.append(1)) for model in networks]
    try:
        yield count
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("why", (*PAIR, "A question of its own, good and dull.", "occlusion", 3)),
        ("break_it", (*PAIR, "A question of its own, good and dull.", "deepwordbug")),
        ("confidence", ("distilled", "tiny", 7, "uniform")),  # a pair that no other test asks
    ],
)
def test_what_is_asked_again_is_answered_from_memory(space, name, inputs):
    first, answer = asked(space, name, *inputs)
    again, same = asked(space, name, *inputs)
    assert first > 0
    assert again == 0
    assert same == answer


def test_another_number_of_words_takes_no_question(space):
    text = "A question about the number of words, good and dull."
    first, _ = asked(space, "why", *PAIR, text, "occlusion", 3)
    again, (page, found) = asked(space, "why", *PAIR, text, "occlusion", 2)
    assert (first > 0, again) == (True, 0)
    assert "jaccard_at_2" in found["figures"]
    assert not any("_at_3" in figure for figure in found["figures"])
    assert "among the 2 most important" in page


def test_a_pair_is_explained_as_a_pair(space, models):
    pair = ("Is it good?", "The film is very good.")
    page, found = space.ask("why", *PAIR, pair[0], "occlusion", 4, pair[1])
    expected = dict(zip(CLASSES, models["large"]([pair])[0], strict=True))
    assert found["answers"]["large"] == pytest.approx(expected)
    assert page.count('<p class="text">') == 4  # both sentences, in both cards


@pytest.fixture
def language_model(tmp_path, monkeypatch):
    """A tiny one, as the only model of the Hub."""
    place = tmp_path / "language"
    tiny_language_models.network().save_pretrained(place)
    tiny_language_models.tokenizer().save_pretrained(place)
    monkeypatch.setattr(hub, "hub", lambda: FakeHub(place))
    return place


PROMPTED = ("Review: {text} Verdict:", "positive: good, negative: bad")


def test_a_language_model_is_explained_and_attacked_with_a_prompt(space, language_model):
    """As the metric does; beside a classifier, whose classes are called like its labels."""
    pair, text = ("large", "owner/speaks"), "the film was very good and the acting was great"
    page, found = space.ask("why", *pair, text, "occlusion", 4, "", *PROMPTED)
    source = {
        "model": str(language_model),
        "prompt": PROMPTED[0],
        "verbalizers": {"positive": " good", "negative": " bad"},
    }
    given = {"model": source, "large_model": space.family["large"], "method": "occlusion", "explain": "large", "k": 4}
    expected = metric("attribution_alignment").compute(texts=[text], **given, features=200)
    assert found, page
    assert found["figures"] == pytest.approx(expected)
    assert "owner/speaks" in page
    _, broken = space.ask("break_it", *pair, text, "deepwordbug", *PROMPTED)
    assert broken["outcomes"]["compressed"]["queries"] <= asking.QUESTIONS
    _, other = space.ask("why", *pair, text, "occlusion", 4, "", "{text} It was", PROMPTED[1])
    assert other["answers"]["compressed"] != found["answers"]["compressed"]  # another prompt is another question
    assert other["answers"]["large"] == found["answers"]["large"]


@pytest.mark.parametrize(
    ("prompt", "answers", "sentence"),
    [
        ("no place for it", "good, bad", "a prompt holds {text} once"),
        ("{text} {text}", "good, bad", "a prompt holds {text} once"),
        ("{text}" + "x" * 600, "good, bad", "takes up to 600"),
        ("{text}", "good", "give 2 to 6 different answers"),
        ("{text}", "good, good", "give 2 to 6 different answers"),
        ("{text}", "a, b, c, d, e, f, g", "give 2 to 6 different answers"),
        ("{text}", f"good, {'b' * 41}", "up to 40 characters"),
        (None, "good, bad", "a prompt holds {text} once"),
    ],
)
def test_a_prompt_that_asks_nothing_is_answered_with_a_sentence(space, prompt, answers, sentence):
    for name, rest in (("why", ("lime", 5, "")), ("break_it", ("typos",))):
        page, found = space.ask(name, *PAIR, TEXT, *rest, prompt, answers)
        assert sentence in page
        assert found is None


def test_what_a_language_model_is_not_asked_here_says_where_it_is(space, language_model):
    for name, inputs in (("verdict", ("quick", "")), ("confidence", (10, "quantile"))):
        page, *_ = space.ask(name, "large", "owner/speaks", *inputs)
        assert "is a language model" in page
        assert "Your logs" in page


def test_more_than_two_classes_are_explained(space, tmp_path, monkeypatch):
    """Both from the Hub, with their classes in other orders."""
    places = {"owner/first": ("a", "b", "c", "d", "e", "f"), "owner/second": ("f", "e", "d", "c", "b", "a")}
    hubs = {
        name: FakeHub(tiny_models.checkpoint(tmp_path / str(seed), seed=seed, labels=labels))
        for seed, (name, labels) in enumerate(places.items())
    }
    monkeypatch.setattr(
        hub,
        "look_up",
        lambda name, api: ("abc", [hub.WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json"]),
    )
    monkeypatch.setattr(
        hub,
        "hub",
        lambda: SimpleNamespace(snapshot_download=lambda name, **given: hubs[name].snapshot_download(name, **given)),
    )
    text = "the film was very good and the acting was great"
    page, found = space.ask("why", *places, text, "lime", 5)
    assert list(found["answers"]["compressed"]) == list(places["owner/first"])
    large = found["answers"]["large"]
    assert found["explained_class"] == max(large, key=large.get)
    assert page.count("says <b>") == 2
    _, broken = space.ask("break_it", *places, text, "deepwordbug")
    assert broken["right"] == found["explained_class"]


def test_while_one_types_there_is_a_first_look_and_then_the_answer(space):
    inputs = (*PAIR, "a film that is very good and not at all dull", "shap", 4, "", *load_test.ASKING)
    looks = [found for found in why.Why(space.models).typed(*inputs) if not isinstance(found, str)]
    first, last = looks[0], looks[-1]
    assert f"A first look, from {why.FIRST['shap']} variations" in first[0]
    assert "A first look" not in last[0]
    _, expected = space.ask("why", *inputs)
    assert last[1] == expected
    assert first[1]["words"] != expected["words"]  # it is another answer, and says so


def test_what_is_overtaken_is_dropped_with_its_work():
    ended = []

    def shown(name):
        try:
            for count in range(3):
                yield name, count
        finally:
            ended.append(name)

    older = work.newest(shown("older"), ("why", "visitor"), None)
    other = work.newest(shown("other"), ("why", "another visitor"), None)
    assert (next(older), next(other)) == (("older", 0), ("other", 0))
    newer = work.newest(shown("newer"), ("why", "visitor"), None)
    assert next(newer) == ("newer", 0)
    assert list(older) == [None]  # and not what it said before, which would be sent once more
    assert ended == ["older"]
    assert (list(newer), list(other)) == ([("newer", 1), ("newer", 2)], [("other", 1), ("other", 2)])
    assert not work.LATEST


def test_turns_are_dealt_in_order_and_a_place_that_was_left_is_free():
    line, served = work.Line(1, "audit"), []

    def visit(name, stays):
        with work.time_limit(60, None), work.turn(line, ticket=name):
            served.append(name)
            stays.wait()

    stay = {name: threading.Event() for name in ("first", "second", "third")}
    threads = []
    for count, (name, stays) in enumerate(stay.items(), start=1):
        threads.append(threading.Thread(target=visit, args=(name, stays)))
        threads[-1].start()
        until(lambda count=count: len(line.waiting) == count)
    until(lambda: served == ["first"])
    assert [line.before(name) for name in stay] == [0, 1, 2]
    for stays in stay.values():
        stays.set()
    for thread in threads:
        thread.join()
    assert served == ["first", "second", "third"]
    assert line.waiting == []


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_equal_questions_at_once_are_worked_out_once():
    kept, worked, answers = limits.Kept(), [], []

    def work():
        worked.append(1)
        time.sleep(0.2)
        return "found"

    threads = [threading.Thread(target=lambda: answers.append(kept.get("q", work))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, worked) == (["found"] * 8, [1])


def test_what_fails_is_not_remembered():
    kept = limits.Kept()
    with pytest.raises(ValueError, match="not now"):
        kept.get("q", lambda: (_ for _ in ()).throw(ValueError("not now")))
    assert kept.get("q", lambda: 1) == 1


def test_a_small_request_does_not_wait_for_an_audit(space, client):
    audit_of_another = client.submit("large", "tiny", "thorough", "", api_name="/verdict")
    while not audit_of_another.outputs():
        assert not audit_of_another.done(), audit_of_another.result()
        time.sleep(0.05)
    page, _ = space.client().predict(*PAIR, "A small request, fine and not dull.", "occlusion", 3, api_name="/why")
    assert "<mark" in page
    assert not audit_of_another.done()
    audit_of_another.cancel()


def test_the_examples_of_break_it_are_right_at_the_start():
    family = bundled_family()
    opened = open_models(family["large"], {"distilled": family["compressed"]["distilled"]})
    for name in PAIR:
        said = opened[name](list(break_it.EXAMPLES)).argmax(1)
        assert [CLASSES[place] for place in said] == list(break_it.EXAMPLES.values())


def test_fewer_bins_than_asked_for_are_explained(space):
    page, _ = space.ask("confidence", *PAIR, 30, "uniform")
    assert "Of the 30 bins" in page
    assert "the other bins hold no text" in page


def test_the_bundled_models_answer_in_time(space, monkeypatch):
    """On one core that is free: the processor's own time, since the tests share theirs with others."""
    models = Models()
    assert models.names == ["large", *MADE, "quantized", *TWINS]
    explain, fool = why.Why(models).answer, break_it.Break(models).answer
    text = "{} of its scenes are surprisingly good, and the quiet ending stayed with me for a week."
    for method in why.METHODS:
        assert seconds(explain, *PAIR, text.format(method), method, 5) < 2
    for attack in break_it.ATTACKS:
        assert seconds(fool, *PAIR, text.format(attack), attack) < 5


def seconds(handler, *inputs):
    start = time.process_time()
    (*_, (page, found)) = handler(*inputs)
    assert found is not None, page
    return time.process_time() - start


def test_several_visitors_at_once_are_all_answered(space, capsys):
    assert load_test.main(["--url", space.url, "--visitors", "5", "--seconds", "8"]) == 0
    printed = capsys.readouterr().out
    for name in ("page", "why", "break_it", "confidence"):
        assert re.search(rf"^{name} +[1-9]\d* +0 ", printed, re.MULTILINE) or name not in printed
    assert re.search(r"^page +5 +0 ", printed, re.MULTILINE)


def test_a_failure_of_the_load_test_is_one(space, capsys, monkeypatch):
    monkeypatch.setattr(load_test, "question", lambda chance: ("why", [*PAIR, "", "lime", 5, "", *load_test.ASKING]))
    assert load_test.main(["--url", space.url, "--visitors", "1", "--seconds", "2"]) == 1
    assert "there is no sentence yet" in capsys.readouterr().err


# What strangers may try: models.

BAD_NAMES = ["", " ", "/etc", "/etc/passwd", "./model", "../model", "../../etc/passwd", "~/model", "~", "C:\\model"]
BAD_NAMES += ["a/b/c", "a//b", "/a", "a/", "a\\b", "http://127.0.0.1/x", "https://huggingface.co/a/b", "file:///etc"]
BAD_NAMES += ["hf://a/b", "a/b@main", "a/..", "..", ".", "a/.b", "-a/b", "a b/c", "a/b\n", "a/b\x00", "ä/b", "a" * 97]
BAD_NAMES += ["a/b?x=1", "a/b#c", "a%2Fb", "a--b/c", "a/b.git", "<b>/c", "$HOME/x", "{a}/b", None, 7, ["a/b"]]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_a_model_is_never_a_path_nor_an_address(name):
    if name == "a/b\n":  # blanks around a name are dropped, as in every field of a form
        assert limits.check_hub_id(name) == "a/b"
    else:
        with pytest.raises(ValueError, match="a model is one of the list, or the name of one on the Hugging Face Hub"):
            limits.check_hub_id(name)


@pytest.mark.parametrize("name", ["bert-base-uncased", "google/bert_uncased_L-2_H-128_A-2", "a/b.c-d_e"])
def test_names_of_the_hub_are_taken(name):
    assert limits.check_hub_id(name) == name


def test_a_folder_that_is_called_like_a_model_is_not_opened(space, tmp_path, monkeypatch):
    tiny_models.checkpoint(tmp_path / "owner" / "name", labels=CLASSES)
    monkeypatch.chdir(tmp_path)
    page, found = space.ask("why", "large", "owner/name", TEXT, "occlusion", 3)
    assert "the Hugging Face Hub cannot be reached from here" in page
    assert found is None


@pytest.fixture
def remote(tmp_path):
    return tiny_models.checkpoint(tmp_path / "remote", seed=9, labels=("POSITIVE", "NEGATIVE"))


def test_a_model_of_the_hub_is_opened_and_its_files_are_removed(space, remote, monkeypatch):
    (remote / "evil.py").write_text("raise SystemExit")
    fake, folders = FakeHub(remote), []
    monkeypatch.setattr(hub, "hub", lambda: fake)
    models = Models(space.family)
    take = models.take
    monkeypatch.setattr(models, "take", lambda one: folders.append(one.model.name_or_path) or take(one))
    pair = models.pair("large", "owner/name")
    assert set(fake.fetched) <= {hub.WEIGHTS, *hub.READ}
    assert hub.WEIGHTS in fake.fetched
    assert folders
    assert not any(Path(folder).exists() for folder in folders)
    compressed, _ = pair.ask([TEXT])
    alone = open_models(str(remote))["large"]([TEXT])
    assert compressed[0] == pytest.approx(alone[0][::-1])  # classes in the large one's order
    assert models.pair("large", "owner/name") is pair


def test_the_hubs_own_client_takes_what_it_is_asked():
    """The Hub of these tests is made up; its client is not."""
    api = hub.client()
    inspect.signature(api.model_info).bind("a/b", files_metadata=True, timeout=10, token=False)
    inspect.signature(api.snapshot_download).bind(
        "a/b", revision="abc", allow_patterns=["config.json"], local_dir="folder", token=False
    )
    assert (api.endpoint, api.token) == ("https://huggingface.co", False)


SPEAKING = {"architectures": ["GPTNeoForCausalLM"], "model_type": "gpt_neo"}


def refused(remote, **sizes):
    fake = FakeHub(remote, **sizes)
    with pytest.raises(ValueError, match="owner/name") as error:
        hub.fetch("owner/name", lambda folder, _: folder, fake)
    return str(error.value), fake.fetched


def test_weights_that_could_hold_code_are_refused_before_anything_is_fetched(remote):
    (remote / "model.safetensors").rename(remote / "pytorch_model.bin")
    sentence, fetched = refused(remote)
    assert "has no model.safetensors" in sentence
    assert fetched == []


@pytest.mark.parametrize("size", [600_000_001, None])
def test_a_model_that_is_too_large_is_refused_before_anything_is_fetched(remote, size):
    sentence, fetched = refused(remote, model=size)
    assert "too large for this page" in sentence
    assert fetched == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"auto_map": {"AutoConfig": "evil.Config"}}, "code of its own"),
        ({"model_type": "evil"}, "this page opens"),
        ({"model_type": ["bert"]}, "this page opens"),
        ({"num_hidden_layers": 10**6}, "too much for this page"),
        ({"vocab_size": 10**9}, "too much for this page"),
        ({"hidden_size": 10**9}, "too much for this page"),
        ({"deep": {"num_layers": [10**7]}}, "too much for this page"),
        ({"num_hidden_layers": 48, "hidden_size": 8192, "intermediate_size": 16384}, "MB of memory"),
        ({"num_attention_heads": 7}, "no model can be made from"),
        ({"architectures": ["GPT2LMHeadModel"]}, "of language models this page opens"),
        (SPEAKING | {"max_position_embeddings": 10**9}, "too much for this page"),
    ],
    ids=str,
)
def test_a_configuration_that_asks_for_too_much_is_refused_before_it_builds_anything(remote, change, sentence):
    config = json.loads((remote / "config.json").read_text())
    (remote / "config.json").write_text(json.dumps(config | change))
    found, _ = refused(remote)
    assert sentence in found


def test_weights_that_are_none_are_refused_with_a_sentence(remote):
    (remote / "model.safetensors").write_bytes(pickle.dumps("not weights"))
    with pytest.raises(ValueError, match="owner/name could not be opened"):
        hub.fetch("owner/name", lambda folder, _: open_models(folder), FakeHub(remote))


@pytest.mark.parametrize("name", [["large"], {}, 3, None])
def test_a_model_that_is_no_name_is_answered_with_a_sentence(space, name):
    page, found = space.ask("why", name, "distilled", TEXT, "lime", 5)
    assert "a model is one of the list, or the name of one on the Hugging Face Hub" in page
    assert found is None


def test_models_with_other_classes_are_answered_with_a_sentence(space, tmp_path, monkeypatch):
    other = tiny_models.checkpoint(tmp_path / "three", labels=("a", "b", "c"))
    monkeypatch.setattr(hub, "hub", lambda: FakeHub(other))
    page, _ = space.ask("why", "large", "owner/three", TEXT, "occlusion", 3)
    assert "do not match by name" in page


# What strangers may try: sizes, kinds and time.


@pytest.mark.parametrize(
    ("name", "inputs", "sentence"),
    [
        ("why", (*PAIR, "", "lime", 5), "there is no sentence yet"),
        ("why", (*PAIR, "x " * 301, "lime", 5), "takes up to 600"),
        ("why", (*PAIR, "?!", "lime", 5), "has no word in it"),
        ("why", (*PAIR, TEXT, "integrated_gradients", 5), "method must be one of"),
        ("why", (*PAIR, TEXT, "lime", 10**9), "top must be a whole number from 1 to 10"),
        ("why", (*PAIR, TEXT, "lime", float("nan")), "top must be a whole number from 1 to 10"),
        ("why", ("large", "large", TEXT, "lime", 5), "one and the same model"),
        ("break_it", (*PAIR, TEXT, "textattack:pwws"), "attack must be one of"),
        ("break_it", (*PAIR, "x" * 601, "typos"), "takes up to 600"),
        ("confidence", (*PAIR, 10**9, "quantile"), "bins must be a whole number from 2 to 30"),
        ("confidence", (*PAIR, 10, "other"), "binning must be one of"),
        ("verdict", (*PAIR, "forever", ""), "effort must be one of"),
        ("verdict", (*PAIR, "quick", "text,label\n" + "a,1\n" * 401), "this page takes up to 400"),
        ("verdict", (*PAIR, "quick", f"text,label\n{'a' * 1001},1\nb,0"), "this page takes 1,000"),
        ("verdict", (*PAIR, "quick", "text\na\nb"), "no column label"),
        ("verdict", (*PAIR, "quick", "text,label\na,other\nb,third"), "other"),
        ("compare", ("references,predictions,large_predictions\n" + "1,1,1\n" * 5001,), "takes up to 5,000"),
        ("compare", ("x" * 2_000_001,), "too long"),
        ("compare", ("a,b\n1,2\n",), "no column predictions"),
        ("compare", ("references,predictions,large_predictions,ood\n1,1,1,2\n",), "the column ood holds 1"),
        ("compare", ("references,predictions,large_predictions,ood\n1,1,1,0\n",), "needs both kinds"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_too_much_is_answered_with_a_sentence(space, name, inputs, sentence):
    page, *rest = space.ask(name, *inputs)
    assert '<p role="alert">' in page
    assert sentence in page
    assert not any(rest)


def test_the_page_takes_no_choice_that_it_does_not_offer(client):
    for inputs in ((*PAIR, TEXT, "integrated_gradients", 5), (*PAIR, TEXT, "lime", 99)):
        with pytest.raises(Exception, match=r"must be one of lime, |must be between 1 and 10"):
            client.predict(*inputs, api_name="/why")


def test_a_question_that_takes_too_long_ends(space, monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.0)
    for name, rest in (("why", ("occlusion", 3)), ("break_it", ("deepwordbug",))):
        page, found = space.ask(name, *PAIR, "Time is up for this one.", *rest)
        assert "longer than the page allows" in page
        assert found is None


def test_an_audit_that_was_stopped_goes_on_from_what_was_done(space, monkeypatch):
    monkeypatch.setattr(work, "STEP", 0.02)
    table = "text,label\n" + "".join(f"a film number {i} of some,{CLASSES[i % 2]}\n" for i in range(14))
    inputs = (*PAIR, "quick", table)
    with questions(space) as whole:
        (*_, expected) = verdict.Judge(space.models).answer(*inputs)
    judge = verdict.Judge(space.models)
    for stage in ("Asking which words mattered", "Changing texts until a model errs"):
        running, before = judge.answer(*inputs), threading.active_count()
        assert any(f"{stage} …" in page for page in running if isinstance(page, str))  # it is at work on that
        running.close()
        until(lambda before=before: threading.active_count() <= before)
    with questions(space) as rest:
        (*_, found) = judge.answer(*inputs)
    assert found[1] == pytest.approx(expected[1])  # nothing is missing, and nothing else came out
    assert 0 < len(rest) < 0.8 * len(whole)


def test_an_audit_ends_when_nobody_waits_for_it(space):
    running = space.handler("verdict")("twin", "tiny", "thorough", "")
    for _ in range(3):
        next(running)
    before = threading.active_count()
    running.close()
    end = time.monotonic() + 30
    while threading.active_count() >= before and time.monotonic() < end:
        time.sleep(0.1)
    assert threading.active_count() < before


def test_no_more_requests_wait_than_the_page_can_answer(space):
    assert space.page._queue.max_size == limits.WAITING


def test_a_body_that_is_too_large_is_refused(space):
    large = {"data": ["x" * (limits.BYTES + 1)], "fn_index": 0, "session_hash": "a"}
    assert httpx.post(f"{space.url}gradio_api/queue/join", json=large, timeout=60).status_code == 413
    files = {"files": ("a.csv", b"x" * 3_000_000)}
    assert httpx.post(f"{space.url}gradio_api/upload", files=files, timeout=60).status_code == 413


# What strangers may try: files, addresses and code.


SECRET = "root:x:0:0"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "app.py", str(SPACE / "app.py"), "../../README.md", "..%2f..%2fetc%2fpasswd", "/proc/self/environ",
     "file:///etc/passwd", "http://127.0.0.1:1/x", bundled_family()["large"] + "/config.json"],
)  # fmt: skip
def test_no_request_reads_a_file_of_the_server(space, path):
    for form in ("file=", "file/", "stream/", "proxy="):
        found = httpx.get(f"{space.url}gradio_api/{form}{path}", timeout=60, follow_redirects=False)
        assert found.status_code >= 300, (form, found.text[:200])
        assert SECRET not in found.text
        assert "import" not in found.text


def uploads(space):
    """The numbers of the functions that take an uploaded file."""
    return [
        number
        for number, one in space.page.fns.items()
        if any(type(block).__name__ == "UploadButton" for block in one.inputs)
    ]


def send(space, number, data):
    """One event as a browser sends it, whatever it holds; what came back, as text."""
    session = f"s{number}{time.monotonic_ns()}"
    join = {"data": data, "fn_index": number, "session_hash": session, "trigger_id": None, "event_data": None}
    joined = httpx.post(f"{space.url}gradio_api/queue/join", json=join, timeout=60)
    if joined.status_code != 200:
        return joined.text
    out = []
    with httpx.stream("GET", f"{space.url}gradio_api/queue/data?session_hash={session}", timeout=60) as stream:
        for line in stream.iter_lines():
            out.append(line)
            if "process_completed" in line or "close_stream" in line:
                break
    return "\n".join(out)


def test_an_upload_is_a_file_that_was_uploaded(space, spy, monkeypatch):
    """Gradio itself would fetch any public address that is given for a file."""
    fetched = []

    async def fetch(url, **_):
        fetched.append(url)
        raise ValueError("no network here")

    monkeypatch.setattr(gradio.processing_utils, "async_ssrf_protected_download", fetch)
    assert len(uploads(space)) == 2
    metadata = {"_type": "gradio.FileData"}
    for number in uploads(space):
        for path in (
            "/etc/passwd",
            str(SPACE / "app.py"),
            "../../../../etc/passwd",
            f"{spy.url}/a.csv",
            "HTTP://localhost/x",
        ):
            for given in ({"path": path}, {"path": path, "url": path}, {"path": "a.csv", "url": path}):
                found = send(space, number, [given | {"meta": metadata, "orig_name": "a.csv"}])
                assert SECRET not in found
                assert "import gradio" not in found
                assert '"success":true' not in found.replace(" ", ""), (given, found)
    assert spy.hits == []
    assert fetched == []


def test_a_real_upload_is_parsed_as_data(space, tmp_path):
    first, second = uploads(space)
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (ran,)

    for content, sentence in (
        (pickle.dumps(Evil()), "not text in UTF-8"),
        (b"\x93NUMPY\x01\x00\xff", "not text in UTF-8"),
        (b"text,label\na,1\n", "text,label"),
    ):
        for number in (first, second):
            sent = httpx.post(f"{space.url}gradio_api/upload", files={"files": ("a.csv", content)}, timeout=60)
            (path,) = sent.json()
            given = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.csv"}
            assert sentence in send(space, number, [given])
    assert not ran.exists()


def test_formulas_and_code_in_a_table_stay_words(space, tmp_path):
    ran = tmp_path / "ran"
    cell = f"__import__('pathlib').Path('{ran}').touch()"
    table = f'references,predictions,large_predictions\n"{cell}","{cell}",=1+1\nb,b,b\n'
    _, figures, code = space.ask("compare", table)
    assert figures["prediction_error_jaccard"]["large_error_rate"] == 0.5
    assert "__import__" not in code
    assert not ran.exists()


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_header_cannot_write_code(space, separator):
    evil = 'x")\nimport os  # '
    table = (
        separator.join(["references", "predictions", "large_predictions", f'"{evil}"']) + "\n1" + f"{separator}1" * 3
    )
    page, _, code = space.ask("compare", table + "\n")
    assert "import os" not in (code or "")
    assert "<script" not in page


HTML = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def test_what_was_typed_is_escaped(space):
    pages = [
        space.ask("why", *PAIR, f"a good film {HTML}", "occlusion", 5)[0],
        space.ask("why", *PAIR, f"a good film {HTML}", "lime", 5)[0],
        space.ask("break_it", *PAIR, f"a good film {HTML}", "deepwordbug")[0],
        space.ask("why", "large", HTML, TEXT, "lime", 5)[0],
        space.ask("compare", f"references,predictions,large_predictions,{HTML}\n1,1,1,1\n")[0],
        space.ask("compare", HTML)[0],
        space.ask("verdict", *PAIR, "quick", f"text,label\n{HTML.replace(',', ' ')},{HTML}\na,b")[0],
    ]
    for page in pages:
        without = re.sub(r'<img src="data:image/png;base64,[A-Za-z0-9+/=]*" alt="[^"<>]*">', "", page)
        assert "<script" not in without
        assert "<img" not in without
    assert "&lt;script" in pages[0]
    assert "&lt;script" in pages[-3]


def test_an_adversarial_text_is_escaped_too(space):
    pair = space.models.pair(*PAIR)
    given = {"text": f"a good {HTML}", "adversarial": f"a go od {HTML}<b>", "status": "broken", "queries": 2}
    given |= {"changed_words": 2, "scores": [0.1, 0.9], "adversarial_scores": [0.9, 0.1], "changeable": True}
    page = break_it.card(pair, given)
    assert "<script" not in page
    assert "&lt;script" in page


def test_an_error_says_nothing_of_this_machine(space, monkeypatch, caplog):
    secret = "hf_abcdefghijklmnop"

    def fail(*_, **__):
        raise RuntimeError(f"{secret} in /home/somebody/.cache")

    monkeypatch.setattr(attribution_alignment, "compare_models", fail)
    page, found = space.ask("why", *PAIR, "A sentence that fails.", "lime", 5)
    assert "something went wrong on this side" in page
    assert secret not in page
    assert "/home" not in page
    assert found is None
    assert secret in caplog.text  # the owner of the page can read it
    assert limits.in_a_sentence(ValueError("no folder /home/me/x and ~/y/z here")) == "no folder … and … here"


def test_nothing_that_was_made_for_a_visitor_stays(space):
    import tempfile

    held = Path(os.environ["GRADIO_TEMP_DIR"])
    before = set(Path(tempfile.gettempdir()).glob("report-*")) | set(Path(tempfile.gettempdir()).glob("hub-model-*"))
    space.ask("verdict", *PAIR, "quick", "text,label\n" + "a good film,1\na dull plot,0\n" * 8)
    after = set(Path(tempfile.gettempdir()).glob("report-*")) | set(Path(tempfile.gettempdir()).glob("hub-model-*"))
    assert after <= before
    every, oldest = space.page.delete_cache
    assert every <= oldest <= 3600
    assert held.is_relative_to(tempfile.gettempdir())


# On the Hub.


def push(*arguments, cwd=ROOT):
    command = [sys.executable, str(ROOT / "scripts" / "release" / "push_to_hub.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_a_dry_run_shows_the_tree_of_every_repository(tmp_path):
    done = push("--dry-run", "--owner", "somebody", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folders = [path.parent for path in ROOT.glob("metrics/*/README.md")]
    for folder in folders:
        assert f"\nsomebody/{folder.name}: " in f"\n{done.stdout}"
    space = done.stdout.partition("somebody/trust-equivalence: ")[2]
    carried = (
        "trusteq/faces/widget.py",
        "trusteq/report/page.css",
        "trusteq/report/page.js",
        "trusteq/report/forest.css",
        "trusteq/audit/bundled_family/large/config.json",
    )
    for file in ("app.py", "README.md", "requirements.txt", "LICENSE", *carried):
        assert re.search(rf"^  {re.escape(file)} ", space, re.MULTILINE), file
    assert "__pycache__" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_pushed_without_an_owner(tmp_path):
    assert "--owner is missing" in push().stderr
    assert "there is no other" in push("--dry-run", "--only", "other").stderr
    (tmp_path / "file").touch()
    assert "is not an empty folder" in push("--dry-run", "--out", str(tmp_path)).stderr


def test_a_push_makes_the_repository_exactly_the_tree(tmp_path):
    calls = []
    api = SimpleNamespace(
        create_repo=lambda name, **given: calls.append((name, given)),
        upload_folder=lambda **given: calls.append(given) or SimpleNamespace(commit_url="done"),
    )
    assert push_to_hub.push(api, "somebody/calibration_gap", tmp_path) == "done"
    (made, sent) = calls
    assert made == ("somebody/calibration_gap", {"repo_type": "space", "space_sdk": "gradio", "exist_ok": True})
    assert (sent["repo_id"], sent["folder_path"], sent["delete_patterns"]) == (
        "somebody/calibration_gap",
        tmp_path,
        "*",
    )


def test_the_assembled_space_starts_on_its_own(tmp_path):
    """From an empty folder, with nothing of the clone at hand, it serves the page and answers."""
    assert push("--dry-run", "--only", "trust-equivalence", "--out", str(tmp_path / "hub")).returncode == 0
    tree, empty = tmp_path / "hub" / "trust-equivalence", tmp_path / "empty"
    empty.mkdir()
    assert not (tree / "spaces").exists()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"HF_HOME": str(tmp_path / "cache"), "GRADIO_SERVER_PORT": str(port)}
    # The installed package is not to be found there, only the one in the tree.
    environment |= {"PYTHONPATH": str(ROOT / "tests" / "only_packages"), "ABSENT": "trusteq", "HERE": str(tree)}
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, str(tree / "app.py")], cwd=empty, env=environment, stdout=log, stderr=log
    )
    try:
        end = time.monotonic() + 300
        while not answers(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.5)
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        page, found = client.predict(*PAIR, TEXT, "occlusion", 3, api_name="/why")
        assert found["figures"]["examples_used"] == 1, page
    finally:
        process.terminate()
        process.wait()
    assert sorted(path.name for path in empty.iterdir()) == []


def answers(url):
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
