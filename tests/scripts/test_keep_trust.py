"""keep_trust.py: its tables from a few rows of made-up data, and its interval by hand."""

import zipfile

import keep_trust
import numpy as np
import pytest
from scipy.stats import t as student_t
from tiny_models import checkpoint

from trusteq.audit.bundled import bundled_family
from trusteq.audit.family import twins_of

GOOD, BAD = ("good", "great", "fine", "lovely"), ("bad", "awful", "dull", "poor")
PHRASES = [(f"the {thing} was {word}", int(word in GOOD)) for thing in ("film", "plot", "end") for word in GOOD + BAD]


@pytest.fixture
def films(tmp_path):
    """The folders that the script reads, with a handful of lines each."""
    for name in ("sst2", "rt_polarity", "movie_reviews", "subjectivity"):
        (tmp_path / name).mkdir()
    lines = ["sentence\tlabel", *(f"{text}\t{label}" for text, label in PHRASES)]
    for split, some in (("train", lines), ("dev", [lines[0], "a fine story\t1", "a dull story\t0"])):
        (tmp_path / "sst2" / f"{split}.tsv").write_text("\n".join(some))
    for sign, word in (("pos", "great"), ("neg", "awful")):
        some = [f"this is a {word} thing number {number} of its kind" for number in range(6)]
        (tmp_path / "rt_polarity" / f"rt-polarity.{sign}").write_text("\n".join([*some, f"The film was {word}!"]))
    with zipfile.ZipFile(tmp_path / "movie_reviews" / "movie_reviews.zip", "w") as file:
        file.writestr("neg/a.txt", "\n".join(f"nothing in it is any {word} at all" for word in GOOD + BAD))
    for name in ("plot.tok.gt9.5000", "quote.tok.gt9.5000"):
        (tmp_path / "subjectivity" / name).write_text(f"a man goes to a town in {name}\na fine story\n")
    return tmp_path


def test_the_tables_are_printed_and_written_and_nothing_is_trained_twice(films, tmp_path, capsys):
    page = tmp_path / "page.md"
    recipes = ["plain", "keep errors", "keep errors, without gradients"]
    how = ["--tasks", "sst2", "--seeds", "1", "--steps", "3", "--batch-size", "4", "--probed", "2"]
    words = [str(films), "--out", str(tmp_path / "out"), "--page", str(page), *how, "--recipes", *recipes]
    assert keep_trust.main(words) == 0
    printed, said = capsys.readouterr()
    assert "rt_polarity: 12 of 14 sentences share nothing with SST-2" in said
    assert said.count(" ...\n") == 3
    assert "left out: 1 repeated, 1 in evaluation data" in said
    shown = page.read_text()
    assert printed.strip() in shown
    assert str(tmp_path) not in shown
    for title in ("**Plain and kept, rt-polarity: 12 examples", "**Plain and kept, SST-2 dev: 2", "**A loss a row"):
        assert title in shown
    assert all(heading in shown for heading in keep_trust.SHOWN.values())
    assert keep_trust.main(words) == 0
    assert " ...\n" not in capsys.readouterr().err
    assert page.read_text() == shown
    plain, kept = (str(tmp_path / "out" / "sst2" / name) for name in ("plain-1", "keep-errors-1"))
    family = bundled_family()
    twin = next(iter(twins_of(family["twin"]).values()))
    again = ["--measure", family["large"], twin, plain, kept, "--without", str(tmp_path / "learned.csv")]
    (tmp_path / "learned.csv").write_text("text\nThis is a great thing number 3 of its kind.\n")
    assert keep_trust.main([*words[:5], "--probed", "2", *again]) == 0
    assert "1 sentences were learned and are left out" in capsys.readouterr().err
    assert page.read_text().startswith(shown.rstrip())
    assert "## Distillation that keeps trust: two students" in page.read_text()
    assert "`plain-1` and `keep-errors-1`, rt-polarity: 11 examples" in page.read_text()


def test_an_interval_is_over_examples_and_seeds():
    plain = np.array([[0.50, 0.48, 0.52], [0.50, 0.49, 0.51]])
    kept = np.array([[0.40, 0.37, 0.43], [0.44, 0.42, 0.46]])
    value, low, high = keep_trust.difference(kept, plain)
    examples, between = np.var([-0.09, -0.07]), np.var([-0.10, -0.06], ddof=1) / 2
    freedom = (examples + between) ** 2 / between**2
    reach = student_t.ppf(0.975, freedom) * (examples + between) ** 0.5
    assert (value, low, high) == pytest.approx((-0.08, -0.08 - reach, -0.08 + reach))


def test_one_seed_has_an_interval_over_examples_alone():
    own, other = np.array([[0.5, 0.4, 0.6]]), np.array([[0.5, 0.5, 0.5]])
    assert keep_trust.difference(own, other)[2] == pytest.approx(1.959964 * 0.1, abs=1e-6)


def test_data_that_are_not_there_end_with_one_sentence(tmp_path, capsys):
    assert keep_trust.main([str(tmp_path), "--out", str(tmp_path / "out"), "--tasks", "sst2"]) == 2
    assert "train.tsv could not be read" in capsys.readouterr().err


def test_pairs_have_a_teacher_and_a_twin_that_are_trained_first(tmp_path, monkeypatch, capsys):
    labels = ("NEUTRAL", "ENTAILMENT", "CONTRADICTION")
    rows = [f"{i}\tthe film {i} was good\ta plot {i} is bad\t3.0\t{labels[i % 3]}" for i in range(2560)]
    (tmp_path / "sick").mkdir()
    (tmp_path / "sick" / "SICK.txt").write_text("\n".join(["pair_ID\tA\tB\trelatedness\tjudgment", *rows]))
    encoder = checkpoint(tmp_path / "encoder", seed=1, width=128, layers=3)
    monkeypatch.setattr(keep_trust, "encoder", lambda: encoder)
    how = ["--tasks", "sick", "--seeds", "1", "--steps", "3", "--batch-size", "4", "--probed", "2", "--limit", "12"]
    words = [str(tmp_path), "--out", str(tmp_path / "out"), *how, "--recipes", "plain", "keep errors"]
    assert keep_trust.main(words) == 0
    printed, said = capsys.readouterr()
    assert "**Plain and kept, SICK: 12 examples" in printed
    assert " of 24 texts without labels are used" in said
    assert (tmp_path / "out" / "sick" / "twin" / "training.json").exists()
