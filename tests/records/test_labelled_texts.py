"""Which texts, and which labels? What a file holds is read right, or refused with the line's number."""

import re

import datasets
import pandas as pd
import pytest

from trusteq.records import labelled_texts
from trusteq.records.chosen import ChosenTexts

TEXTS = ["the film was good", 'a "dull" plot, and long', "großartig; or not", " two\nlines ", "x" * 200_000]
LABELS = [1, 0, 1, 0, 1]
TABLE = pd.DataFrame({"sentence": TEXTS, "label": LABELS})
GOOD = [f"film {i}" for i in range(30)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One table in every format that is read, by its suffix."""
    folder = tmp_path_factory.mktemp("data")
    TABLE.to_csv(folder / "all.csv", index=False)
    (folder / "all.tsv").write_text("sentence\tlabel\nthe film was good\t1\n", encoding="utf-8")
    TABLE.to_json(folder / "all.jsonl", orient="records", lines=True)
    TABLE.to_parquet(folder / "all.parquet")
    return {path.suffix[1:]: str(path) for path in folder.iterdir()}


def written(folder, content, name="reviews.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


# Every kind of file.


@pytest.mark.parametrize(("suffix", "rows"), [("csv", 5), ("tsv", 1), ("jsonl", 5), ("parquet", 5)])
def test_every_kind_of_file_is_read_alike(data, suffix, rows):
    found = labelled_texts.read(data[suffix], text="sentence")
    assert (found.texts, found.labels, found.names) == (TEXTS[:rows], LABELS[:rows], None)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("lines", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_commas_semicolons_and_tabs_part_the_cells_of_a_csv_file(tmp_path, separator, lines, mark):
    table = TABLE.to_csv(index=False, sep=separator, lineterminator=lines)
    found = labelled_texts.read(written(tmp_path, mark + table), text="sentence")
    assert (found.texts, found.labels) == (TEXTS, LABELS)


def test_a_separator_inside_of_quotes_parts_nothing(tmp_path):
    path = written(tmp_path, '"text, all of it";label\n"good, and dull";1\nbad, too;0\n')
    assert labelled_texts.read(path, text="text, all of it").texts == ["good, and dull", "bad, too"]


@pytest.mark.parametrize("header", ["text,label", "text,label,", " text , label ,,"])
def test_a_comma_at_the_end_of_a_line_adds_no_column(tmp_path, header):
    found = labelled_texts.read(written(tmp_path, f"{header}\na film,1,\na plot,0\n\na cat,1,,\n"))
    assert (found.texts, found.labels) == (["a film", "a plot", "a cat"], [1, 0, 1])


def test_spaces_after_the_commas_of_the_header_are_a_way_to_write_all_lines(tmp_path):
    found = labelled_texts.read(written(tmp_path, 'text, label\na film, good\n"a plot, and long", bad\n'))
    assert (found.texts, found.names) == (["a film", "a plot, and long"], ["bad", "good"])


# What is wrong with a file.


@pytest.mark.parametrize("place", [0, 20])
def test_a_row_with_an_unquoted_comma_is_refused_and_no_good_row_is_lost(tmp_path, place):
    """Where it is the first row, pandas takes every row's first cell for its name, and good rows have no label."""
    rows = [f"{text},{i % 2}" for i, text in enumerate(GOOD)]
    rows.insert(place, "good, but long,1")
    path = written(tmp_path, "\n".join(["text,label", *rows]) + "\n")
    advice = "put double quotes around a text that holds a comma"
    expected = f"line {place + 2} has 3 cells, but the header has 2 (text, label); {advice}"
    with pytest.raises(ValueError, match=re.escape(f"{path} could not be read as csv: {expected}") + "$"):
        labelled_texts.read(path)


WRONG = {
    "too many": ("text;label\na;b;1\n", "line 2 has 3 cells, .* holds a semicolon"),
    "too few": ("text,label,more\na,1,x\nb,0\n", r"line 3 has 2 cells, but the header has 3 \(text, label, more\)"),
    "after two lines": ('text,label\n"a\nfilm",1\nb,c,0\n', "line 4 has 3 cells"),
    "a quote that ends nowhere": (
        'text,label\nb,1\n"a film,1\nc,0\n',
        "line 4: unexpected end of data; a text",
    ),
    "a quote that ends too early": (
        'text,label\n"good" film,1\n',
        "line 2: .* and those inside are doubled",
    ),
    "the same column twice": ("text,label,text\na,1,b\n", "its header has the column text more than once"),
    "nothing": ("", "it is empty"),
    "no text": (b"text,label\n\xe4,1\n", "it is not text in UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_csv_file_is_a_sentence(tmp_path, case):
    content, sentence = WRONG[case]
    with pytest.raises(ValueError, match=f"reviews.csv could not be read as csv: {sentence}"):
        labelled_texts.read(written(tmp_path, content))


def test_a_wrong_line_of_a_tsv_or_jsonl_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"read as tsv: line 3 has 1 cells, but the header has 2 \(text, label\)$"):
        labelled_texts.read(written(tmp_path, "text\tlabel\na\t1\nb\n", "a.tsv"))
    with pytest.raises(ValueError, match="read as jsonl: line 2: Expecting"):
        labelled_texts.read(written(tmp_path, '{"text": "a", "label": 1}\n{"text"\n', "a.jsonl"))
    with pytest.raises(ValueError, match="read as jsonl: line 3: every line must be an object"):
        labelled_texts.read(written(tmp_path, '{"text": "a", "label": 1}\n\n[1]\n', "b.jsonl"))


@pytest.mark.parametrize(("dataset", "sentence"), [
    ("reviews.xlsx", "there is no file reviews.xlsx; expected a file that ends in .csv, .tsv, .jsonl, .parquet"),
    ("./reviews", "there is no file ./reviews; expected"),
    ("a/b/c/reviews", "there is no file a/b/c/reviews; expected"),
    ("reviws.csv", "there is no file reviws.csv"),
    ("REVIEWS.CSV", "there is no file REVIEWS.CSV"),
])  # fmt: skip
def test_a_mistyped_path_is_said_without_asking_the_hub(monkeypatch, dataset, sentence):
    monkeypatch.setattr(labelled_texts, "from_hub", lambda *_: pytest.fail("the Hub was asked"))
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        labelled_texts.read(dataset)


def test_a_spreadsheet_is_no_data_set_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_texts, "from_hub", lambda *_: pytest.fail("the Hub was asked"))
    with pytest.raises(
        ValueError, match=r"reviews\.xlsx lies here and is no data set of the Hub: give a file that ends"
    ):
        labelled_texts.read(written(tmp_path, b"PK", "reviews.xlsx"))


# The Hub.


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The Hub's answers by name; the loader must not be asked where there is none."""
    from huggingface_hub import HfApi

    answers, seen = {}, []

    def dataset_info(_, name, timeout):
        seen.append(name)
        if name not in answers:
            raise ConnectionError("no network")
        if isinstance(answers[name], Exception):
            raise answers[name]

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("the loader was asked"))
    return answers, seen


def missing(name):
    import httpx
    from huggingface_hub.errors import RepositoryNotFoundError

    return RepositoryNotFoundError(name, response=httpx.Response(404, request=httpx.Request("GET", "https://hub")))


def test_without_a_network_a_mistyped_data_set_is_said_after_one_question(asked):
    _, seen = asked
    with pytest.raises(ValueError, match=r"no data set reviws here, and the Hub cannot be asked \(no network\)"):
        labelled_texts.read("reviws")
    assert seen == ["reviws"]


def test_a_data_set_that_the_hub_does_not_have_is_not_given_to_the_loader(asked):
    answers, seen = asked
    answers |= {name: missing(name) for name in ("glue/sst3", "glue")}
    with pytest.raises(ValueError, match="there is no data set glue/sst3, neither on the Hub nor here"):
        labelled_texts.read("glue/sst3")
    assert seen == ["glue/sst3", "glue"]


def test_what_was_fetched_before_needs_no_network(asked, monkeypatch, tmp_path):
    (tmp_path / "glue").mkdir()
    rows = {"sentence": ["a"], "label": [1]}
    monkeypatch.setattr(datasets, "load_dataset", lambda *names, split: datasets.Dataset.from_dict(rows))
    assert labelled_texts.read("glue/sst2", text="sentence").texts == ["a"]


def test_a_data_set_of_the_hub_is_read_with_its_names_and_configuration(monkeypatch):
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])}
    )
    asked = []

    def load_dataset(*names, split):
        asked.append((*names, split))
        if names == ("glue/sst2",):
            raise datasets.exceptions.DatasetNotFoundError("not there")
        return datasets.Dataset.from_dict({"sentence": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = labelled_texts.read("glue/sst2", "validation", text="sentence")
    assert found == labelled_texts.LabelledTexts(["a", "b"], [1, 0], ["negative", "positive"], 1)
    assert asked == [("glue/sst2", "validation"), ("glue", "sst2", "validation")]


def test_a_data_set_that_is_nowhere_is_named(monkeypatch):
    def load_dataset(*names, split):
        raise datasets.exceptions.DatasetNotFoundError("not there")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(ValueError, match="there is no data set movies, neither on the Hub nor here"):
        labelled_texts.read("movies")


# Cells.


def test_quotes_in_a_tsv_are_text_and_words_like_null_stay_words(tmp_path):
    (tmp_path / "quotes.tsv").write_text('text\tlabel\n"not bad\t1\nnull\t0\n', encoding="utf-8")
    assert labelled_texts.read(str(tmp_path / "quotes.tsv")).texts == ['"not bad', "null"]


def test_a_file_that_is_nested_too_deep_is_a_sentence(tmp_path):
    path = tmp_path / "deep.jsonl"
    path.write_text('{"text":' * 200_000)
    with pytest.raises(ValueError, match=r"deep.jsonl could not be read as jsonl: "):
        labelled_texts.read(str(path))


def test_a_label_that_is_an_id_is_no_class_number(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("text,label\na film,7\na plot,123456789012\n")
    with pytest.raises(ValueError, match="the label 123456789012 is no class number; expected 0 to 99999"):
        labelled_texts.read(str(path))


# Without a label.


def test_rows_without_a_label_are_counted(tmp_path):
    path = written(tmp_path, "text,label\na film,1\na plot,\na cat,-1\na dog,0\n")
    found = labelled_texts.read(path)
    assert (found.texts, found.unlabelled) == (["a film", "a dog"], 2)
    assert ChosenTexts(dataset=path).read("large")["unlabelled"] == 2
    assert labelled_texts.left_out("x", 2) == "x: 2 rows have no label and are left out"
