"""`trusteq audit --task text`: the report's files, and a sentence for each mistake."""

import json

import numpy as np
import pytest
import running_texts
from html_page import unstyled

from trusteq.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two checkpoints and a text of a dozen documents."""
    made = tmp_path_factory.mktemp("text")
    for name, noise in (("large", 0.0), ("small", 0.05)):
        model, tokenizer = running_texts.reader(noise)
        model.save_pretrained(made / name)
        tokenizer.save_pretrained(made / name)
    (made / "wiki.txt").write_text("\n\n".join([*running_texts.texts(14, 30), ""]))
    (made / "other.txt").write_text("\n\n".join(running_texts.texts(12, 20, seed=1)))
    return made


def audit(folder, *more, large="large", compressed=("int4=small",), dataset="wiki.txt"):
    named = [f"{name}={folder / place}" for name, _, place in (one.partition("=") for one in compressed)]
    words = ["audit", "--task", "text", "--large", str(folder / large), "--compressed", *named]
    return main([*words, *(["--dataset", str(folder / dataset)] if dataset else []), *map(str, more)])


def test_a_report_in_the_terminal_as_data_and_as_a_page(folder, tmp_path, capsys):
    asked = ("--ood-dataset", folder / "other.txt", "--neighbors", "3", "--out", tmp_path / "out")
    assert audit(folder, *asked) == 0
    shown, told = capsys.readouterr().out, json.loads((tmp_path / "out" / "text.json").read_text())
    for word in ("int4: no.", "same top token", "KL divergence", "ratio", "99.9 %", "text.html"):
        assert word in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 100
    page = (tmp_path / "out" / "text.html").read_text()
    assert "Can <bdi>int4</bdi> stand in" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert not unstyled(page)
    assert told["data"]["documents"] == 14
    assert [pair["name"] for pair in told["pairs"]] == ["rounding", "int4"]


def test_a_base_file_is_written_and_then_read_in_place_of_the_large_model(folder, tmp_path, capsys):
    base = tmp_path / "large.base"
    assert audit(folder, "--base", base, "--out", tmp_path / "one") == 0
    assert base.exists()
    assert audit(folder, "--base", base, "--out", tmp_path / "two", large="gone/large") == 0
    one, two = (json.loads((tmp_path / name / "text.json").read_text()) for name in ("one", "two"))
    assert one["pairs"] == two["pairs"]
    assert audit(folder, "--base", base, "--out", tmp_path / "other", large="small") == 2
    assert "was made of large, not of small" in capsys.readouterr().err
    base.write_bytes(base.read_bytes()[:-100])
    assert audit(folder, "--base", base, "--out", tmp_path / "three") == 2
    assert "not all of it is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more, how, says",
    [
        ((), {"dataset": None}, "--dataset is missing"),
        ((), {"dataset": "none.txt"}, "there is no file"),
        ((), {"large": "none"}, "large: there is no folder"),
        (("--context", "3"), {}, "--context must be a whole number of at least 4"),
        (("--windows", "pages"), {}, "--windows must be 'documents' or 'stretches'"),
        (("--limit", "0"), {}, "--limit must be 1 or more"),
        ((), {"compressed": ("large=small",)}, "cannot be called large"),
        (("--margin", "errors=1"), {}, "--margins must be"),
    ],
)
def test_a_mistake_is_one_sentence(folder, tmp_path, capsys, more, how, says):
    assert audit(folder, *more, "--out", tmp_path / "out", **how) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_nothing_is_overwritten(folder, tmp_path, capsys):
    (tmp_path / "text.json").write_text("{}")
    assert audit(folder, "--out", tmp_path) == 2
    assert "holds a report already" in capsys.readouterr().err


def test_two_base_files_of_llama_cpp_are_compared_without_a_model(folder, tmp_path, capsys):
    rng = np.random.default_rng(0)
    tokens, logits = rng.integers(0, 26, 16 * 20), 3 * rng.standard_normal((7 * 20, 26))
    for name, noise in (("base.kld", 0.0), ("q4.kld", 0.1)):
        running_texts.write_llama(tmp_path / name, tokens, 16, logits + noise * rng.standard_normal(logits.shape))
    words = ["audit", "--task=text", "--large", str(tmp_path / "base.kld"), "--compressed", str(tmp_path / "q4.kld")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "140 tokens, in 20 windows of up to 16: base.kld" in shown
    assert "base.kld does not say where documents end, so intervals count its 20 windows" in " ".join(shown.split())
    assert main([*words, "--dataset", str(folder / "wiki.txt"), "--out", str(tmp_path / "other")]) == 2
    assert "--dataset does not go with a base file of llama-perplexity" in capsys.readouterr().err
