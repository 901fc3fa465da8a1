"""The texts that ship with the family: as many and as mixed as promised, none twice, none from a public data set."""

import csv
import io
import re
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from trusteq.audit import bundled

FAMILY = Path(bundled.__file__).parent / "bundled_family"
COLUMNS = {"reviews.csv": ["text", "label", "level", "theme"], "other.csv": ["text", "kind"]}
LEVELS = {"1": 993, "2": 631, "3": 172}  # easy, middling, hard
THEMES = {"film", "book", "music", "game", "gadget", "food", "travel", "service", "other"}
KINDS = {"news", "recipe", "manual", "code comment", "small talk", "weather", "sports", "science", "legal"}

files = pytest.mark.parametrize("name", COLUMNS)


def rows(name):
    with open(FAMILY / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def texts(name):
    return [row["text"] for row in rows(name)]


def folded(text):
    """Its words without case and punctuation; `does n't` and `doesn't` are one word, as data sets split them."""
    joined = re.sub(r"\s+(?=n't\b|')", "", text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return re.findall(r"[^\W_]+", joined.replace("'", ""))


# How many, of what.


def test_there_are_1796_reviews_half_of_them_positive_and_200_other_texts():
    assert Counter(row["label"] for row in rows("reviews.csv")) == {"positive": 896, "negative": 900}
    assert len(rows("other.csv")) == 200


def test_there_are_as_many_of_each_level_as_the_readme_says():
    assert Counter(row["level"] for row in rows("reviews.csv")) == LEVELS
    said = ", ".join(f"{count:,} of level {level}" for level, count in LEVELS.items())
    assert said in " ".join((FAMILY / "README.md").read_text(encoding="utf-8").split())


def test_half_of_the_reviews_are_of_films_and_no_theme_is_missing():
    count = Counter(row["theme"] for row in rows("reviews.csv"))
    assert set(count) == THEMES
    assert 0.4 <= count["film"] / count.total() <= 0.6
    assert all(number / count.total() >= 0.02 for number in count.values()), count


def test_no_kind_of_other_texts_is_missing_or_takes_over():
    count = Counter(row["kind"] for row in rows("other.csv"))
    assert set(count) == KINDS
    assert all(0.05 <= number / count.total() <= 0.25 for number in count.values()), count


@pytest.mark.parametrize("column", ["level", "theme"])
def test_neither_level_nor_theme_gives_the_label_away(column):
    count = Counter((row[column], row["label"]) for row in rows("reviews.csv"))
    for value in {value for value, _ in count}:
        positive, negative = count[value, "positive"], count[value, "negative"]
        assert 0.4 <= positive / (positive + negative) <= 0.6, value


def test_the_length_does_not_give_the_label_away():
    words, count = Counter(), Counter()
    for row in rows("reviews.csv"):
        words[row["label"]] += len(row["text"].split())
        count[row["label"]] += 1
    mean = {label: words[label] / count[label] for label in words}
    assert abs(mean["positive"] - mean["negative"]) < 2  # words, of about thirteen


def test_any_beginning_of_the_reviews_is_a_fair_sample():
    """Both labels, every level and nearly every theme, for whoever takes the first rows."""
    reviews = rows("reviews.csv")
    for end in range(20, len(reviews) + 1):
        share = sum(row["label"] == "positive" for row in reviews[:end]) / end
        assert 0.45 <= share <= 0.55, end
    assert {row["level"] for row in reviews[:20]} == set(LEVELS)
    assert {row["theme"] for row in reviews[:100]} >= THEMES - {"other"}
    assert {row["kind"] for row in rows("other.csv")[:20]} == KINDS


# How they are written.


@files
def test_the_file_is_plain_csv(name):
    """Written again by the csv module, it is the same bytes: UTF-8, the columns in order, quotes where needed."""
    again = io.StringIO(newline="")
    writer = csv.DictWriter(again, COLUMNS[name], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(name))
    assert again.getvalue().encode() == (FAMILY / name).read_bytes()


@files
def test_every_text_has_5_to_40_words_and_the_lengths_vary(name):
    lengths = [len(text.split()) for text in texts(name)]
    assert min(lengths) >= 5
    assert max(lengths) <= 40
    assert sum(length <= 9 for length in lengths) >= len(lengths) / 20
    assert sum(length >= 19 for length in lengths) >= len(lengths) / 20


@files
def test_characters_are_clean(name):
    for text in texts(name):
        assert text == " ".join(text.split()), text  # no line breaks, no double or outer spaces
        assert text == unicodedata.normalize("NFC", text)
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn", "Cs") or c == "\ufffd"], text


def test_no_text_is_there_twice():
    count = Counter(tuple(folded(text)) for name in COLUMNS for text in texts(name))
    assert [words for words, number in count.items() if number > 1] == []


def test_no_two_texts_are_nearly_the_same():
    """No six words in a row, and no opening of two words in more than one text of forty: no templates."""
    runs = Counter(run for name in COLUMNS for text in texts(name) for run in set(runs_of_six(folded(text))))
    assert [" ".join(run) for run, number in runs.items() if number > 1] == []
    for name in COLUMNS:
        openings = Counter(tuple(folded(text)[:2]) for text in texts(name))
        most = openings.total() / 40
        assert [" ".join(opening) for opening, number in openings.items() if number > most] == []


# Written for this project.


def runs_of_six(words):
    """Every six words in a row; a shorter text is one run."""
    return [tuple(words[start : start + 6]) for start in range(max(1, len(words) - 5))]


def lines_of(folder):
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                contents = [archive.read(name) for name in archive.namelist() if not name.endswith("/")]
        else:
            contents = [path.read_bytes()]
        for content in contents:
            yield from content.decode("utf-8", errors="replace").splitlines()


DATA_SETS = {
    "sst2": 60_000,
    "rt_polarity": 10_000,
    "movie_reviews": 60_000,
    "subjectivity": 10_000,
    "agnews": 7_000,
    "mrpc": 5_000,
    "sick": 9_000,
}


@pytest.mark.parametrize("name", DATA_SETS)
def test_no_six_words_in_a_row_are_from_a_public_data_set(data, name):
    """So no sentence is, either: each has six words, or is itself a run."""
    ours = {run: text for file in COLUMNS for text in texts(file) for run in runs_of_six(folded(text))}
    sizes = {len(run) for run in ours}
    shared, lines = set(), 0
    for line in lines_of(data(name)):
        words = folded(line)
        lines += 1
        for size in sizes:
            for start in range(len(words) - size + 1):
                run = tuple(words[start : start + size])
                if run in ours:
                    shared.add((" ".join(run), ours[run]))
    assert lines > DATA_SETS[name]  # what was compared is the whole data set
    assert shared == set()
