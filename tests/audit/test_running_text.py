"""The task text: figures as a direct computation gives them, by document, with a base file or with llama.cpp's."""

import json

import numpy as np
import pytest
import running_texts
import torch
from agree_with_direct import direct

from trusteq.audit.options import AuditOptions
from trusteq.audit.reading_text import TextOptions
from trusteq.audit.running_text import audit_text
from trusteq.models.next_token import NextToken, windows_of_documents, windows_of_stretches
from trusteq.records.documents import made_of, read_documents
from trusteq.records.llama_cpp import LlamaBase

OPTIONS = AuditOptions(neighbors=(5,))
TEXTS = running_texts.texts(30, 90)  # some of them longer than the 64 tokens that the models read


def audit(large, compressed, texts=TEXTS, ood=None, options=OPTIONS, **asked):
    strange = made_of("strange", ood) if ood else None
    return audit_text(large, compressed, made_of("texts", texts), strange, TextOptions(**asked), options)


def pair_of(found, name="small"):
    return next(pair for pair in found["pairs"] if pair["name"] == name)


def test_figures_are_those_of_a_direct_computation():
    (large, tokenizer), (small, _) = running_texts.reader(), running_texts.reader(0.05)
    found = audit((large, tokenizer), {"small": (small, tokenizer)}, floor="none")
    asked = NextToken(large, tokenizer, "large")
    windows = windows_of_documents(asked.tokens_of(TEXTS), asked.length, asked.begin)
    targets = np.concatenate([window.targets for window in windows])
    p, q = direct(large, windows), direct(small, windows)
    own, right = (rows[np.arange(len(targets)), targets] for rows in (q, p))
    kl, change = (np.exp(p) * (p - q)).sum(axis=1), np.exp(own) - np.exp(right)
    expected = {
        "kl_mean": kl.mean(),
        "kl_median": np.median(kl),
        "kl_p99": np.percentile(kl, 99),
        "kl_max": kl.max(),
        "moved_probability": np.abs(np.exp(p) - np.exp(q)).sum(axis=1).mean() / 2,
        "right_change_mean": change.mean(),
        "right_change_rms": np.sqrt((change**2).mean()),
        "right_change_p5": np.percentile(change, 5),
        "same_top": (p.argmax(axis=1) == q.argmax(axis=1)).mean(),
        "perplexity": np.exp(-own.mean()),
        "large_perplexity": np.exp(-right.mean()),
        "perplexity_ratio": np.exp((right - own).mean()),
        "perplexity_gap": np.exp(-own.mean()) - np.exp(-right.mean()),
        "log_perplexity_correlation": np.corrcoef(own, right)[0, 1],
        "surprise_gap": (-own + (np.exp(q) * q).sum(axis=1)).mean(),
    }
    figures = pair_of(found)["figures"]
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert found["data"]["tokens"] == len(targets) == sum(len(ids) - 1 for ids in asked.tokens_of(TEXTS))
    errors = pair_of(found)["dimensions"]["prediction_error_jaccard"]["figures"]
    wrong, large_wrong = q.argmax(axis=1) != targets, p.argmax(axis=1) != targets
    assert errors["jaccard"] == pytest.approx((wrong & large_wrong).sum() / (wrong | large_wrong).sum())


def test_no_token_is_cut_or_read_without_what_stands_before_it():
    documents = [list(range(5)), list(range(100, 140)), [7], []]
    windows = windows_of_documents(documents, length=16, begin=1)
    predicted = [token for window in windows for token in window.targets]
    assert predicted == [1, 2, 3, 4, *range(101, 140)]
    for window in windows[2:]:
        assert window.ids[0] == 1
        assert window.first >= 8
        assert len(window.ids) <= 16
        assert window.ids[1] == window.ids[2] - 1  # the text's own tokens follow


def test_stretches_are_cut_as_llama_cpp_cuts_them():
    windows = windows_of_stretches(list(range(21)), [0] * 9 + [1] * 12, length=8, begin=99)
    assert [window.ids[:2] for window in windows] == [(99, 1), (99, 9)]
    assert [window.targets for window in windows] == [(5, 6, 7), (13, 14, 15)]
    assert [window.documents for window in windows] == [(0, 0, 0), (1, 1, 1)]


def test_identical_models_are_equivalent_and_broken_ones_different():
    many = running_texts.texts(60, 30)
    found = audit(running_texts.reader(), {"same": running_texts.reader(), "broken": running_texts.reader(0.3)}, many)
    same, broken = (pair_of(found, name) for name in ("same", "broken"))
    assert same["figures"]["kl_mean"] == pytest.approx(0, abs=1e-6)
    assert same["figures"]["perplexity_ratio"] == 1
    assert same["dimensions"]["prediction_error_jaccard"]["verdict"] == "equivalent"
    assert same["dimensions"]["calibration_gap"]["verdict"] == "equivalent"
    assert broken["dimensions"]["prediction_error_jaccard"]["verdict"] == "different"
    assert pair_of(found, "rounding")["figures"]["kl_mean"] > 0


def test_a_base_file_stands_in_for_the_large_model(tmp_path):
    base, ood = tmp_path / "large.base", running_texts.texts(15, 20, seed=3)
    small = {"small": running_texts.reader(0.02)}
    live = audit(running_texts.reader(), small, ood=ood)
    audit(running_texts.reader(), small, ood=ood, base=base)
    kept = audit(None, small, ood=ood, base=base)  # the large model is not asked again
    assert kept["estimated"]
    assert not live["estimated"]
    for first, second in zip(live["pairs"], kept["pairs"], strict=True):
        for name, value in first["figures"].items():
            if not name.startswith(("kl", "moved")):
                assert second["figures"][name] == pytest.approx(value), name
        for name in ("calibration_gap", "representation_overlap", "ood_divergence"):
            assert second["dimensions"][name]["figures"] == pytest.approx(first["dimensions"][name]["figures"])
    assert pair_of(kept)["figures"]["kl_mean"] == pytest.approx(pair_of(live)["figures"]["kl_mean"], rel=0.1)


def test_a_base_file_of_other_texts_or_windows_is_refused(tmp_path):
    base, small = tmp_path / "large.base", {"small": running_texts.reader(0.02)}
    audit(running_texts.reader(), small, base=base)
    with pytest.raises(ValueError, match="was made of other texts"):
        audit(None, small, texts=TEXTS[:-1], base=base)
    with pytest.raises(ValueError, match="was made with windows of documents of 64 tokens"):
        audit(None, small, base=base, context=32)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """Two files as llama.cpp writes them, of two models on the same windows."""
    (large, tokenizer), (small, _) = running_texts.reader(), running_texts.reader(0.05)
    asked = NextToken(large, tokenizer, "large")
    made = tmp_path_factory.mktemp("llama")
    ids, _ = asked.whole(" ".join(TEXTS[:15]))
    ids, begin = ids[: len(ids) // 16 * 16], asked.begin
    windows = windows_of_stretches(ids, [0] * len(ids), 16, begin)
    files = [
        running_texts.write_llama(made / name, ids, 16, asked_of(model, windows))
        for name, model in (("base.kld", large), ("small.kld", small))
    ]
    return {"files": files, "windows": windows, "small": (small, tokenizer), "logits": asked_of(small, windows)}


def asked_of(model, windows):
    with torch.no_grad():
        return np.concatenate([model(torch.tensor([w.ids])).logits[0, w.first - 1 : -1].numpy() for w in windows])


def test_figures_beside_a_file_of_llama_cpp_are_those_that_it_prints(llama):
    base = LlamaBase(llama["files"][0])
    found = audit_text(base, {"small": llama["small"]}, None, None, TextOptions(), OPTIONS)
    targets = np.concatenate([window.targets for window in llama["windows"]])
    kl, own, large, same = running_texts.as_llama_prints(base.rows, llama["logits"], targets).T
    figures = pair_of(found)["figures"]
    assert figures["kl_mean"] == pytest.approx(kl.mean(), abs=1e-4)
    assert figures["kl_p95"] == pytest.approx(np.percentile(kl, 95), abs=1e-4)
    assert figures["kl_max"] == pytest.approx(kl.max(), abs=1e-4)
    assert figures["perplexity"] == pytest.approx(np.exp(own.mean()), rel=1e-4)
    assert figures["large_perplexity"] == pytest.approx(np.exp(large.mean()), rel=1e-4)
    assert figures["same_top"] == same.mean()
    change = np.exp(-own) - np.exp(-large)
    assert figures["right_change_rms"] == pytest.approx(np.sqrt((change**2).mean()), abs=1e-4)
    assert pair_of(found)["dimensions"]["representation_overlap"]["status"] == "skipped"


def test_two_files_of_llama_cpp_need_no_model(llama):
    bases = [LlamaBase(path) for path in llama["files"]]
    alone = audit_text(bases[0], {"small": bases[1]}, None, None, TextOptions(), OPTIONS)
    asked = audit_text(bases[0], {"small": llama["small"]}, None, None, TextOptions(), OPTIONS)
    for name, value in pair_of(asked)["figures"].items():
        assert pair_of(alone)["figures"][name] == pytest.approx(value, rel=2e-2, abs=1e-3), name  # 16 bits, and a floor


def torn(content, at, value):
    return content[:at] + value + content[at + len(value) :]


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda c: c[:-10], "torn, or still being written"),
        (lambda c: c[:15], "does not begin with _logits_"),
        (lambda c: torn(c, 8, b"\xff\xff\xff\x7f"), "its head tells of"),
        (lambda c: torn(c, 12, b"\xff\xff\xff\xff"), "its head tells of"),
        (lambda c: torn(c, 16, b"\x00\x00\x00\x00"), "its head tells of"),
        (lambda c: torn(c, 20, b"\xff\xff\x00\x00"), "a token beyond its vocabulary"),
    ],
)
def test_a_torn_file_of_llama_cpp_is_one_sentence(llama, tmp_path, change, says):
    path = tmp_path / "torn.kld"
    path.write_bytes(change(llama["files"][0].read_bytes()))
    with pytest.raises(ValueError, match=says):
        LlamaBase(path)


def test_rows_of_llama_cpp_that_are_no_probabilities_are_refused(llama, tmp_path):
    path, content = tmp_path / "torn.kld", llama["files"][0].read_bytes()
    base = LlamaBase(llama["files"][0])
    path.write_bytes(torn(content, len(content) - base.rows[0].nbytes, np.float32(np.nan).tobytes()))
    with pytest.raises(ValueError, match="no log-probabilities"):
        audit_text(LlamaBase(path), {"small": llama["small"]}, None, None, TextOptions(), OPTIONS)


def test_two_files_of_other_texts_are_refused(llama, tmp_path):
    base = LlamaBase(llama["files"][0])
    other = running_texts.write_llama(tmp_path / "other.kld", base.tokens[::-1].copy(), 16, llama["logits"])
    with pytest.raises(ValueError, match="are of other texts"):
        audit_text(base, {"other": LlamaBase(other)}, None, None, TextOptions(), OPTIONS)


def test_bad_input_is_one_sentence():
    large, tokenizer = running_texts.reader()
    broken = running_texts.network()
    with torch.no_grad():
        broken.lm_head.weight[3] = float("nan")
    with pytest.raises(ValueError, match="small answers NaN"):
        audit((large, tokenizer), {"small": (broken, tokenizer)})
    letters = running_texts.tiny_models.tokenizer(words=running_texts.tiny_models.LETTERS)
    with pytest.raises(ValueError, match="have two vocabularies"):
        audit((large, tokenizer), {"small": (large, letters)})
    with pytest.raises(ValueError, match="context must be 64 tokens or fewer"):
        audit((large, tokenizer), {"small": (large, tokenizer)}, context=100)
    with pytest.raises(ValueError, match="every text in it is empty"):
        made_of("texts", ["", " \n"])
    with pytest.raises(ValueError, match="`dataset` is missing"):
        audit_text((large, tokenizer), {"small": (large, tokenizer)}, None, None, TextOptions(), OPTIONS)


def test_more_entries_of_a_vocabulary_are_left_out_and_said():
    padded = (running_texts.network(vocabulary=40), running_texts.reader()[1])
    found = audit(padded, {"small": running_texts.reader()}, floor="none")
    assert "large: 14 entries of its vocabulary that others lack are left out" in found["noticed"]


def test_what_is_left_out_or_parted_is_counted():
    found = audit(running_texts.reader(), {"small": running_texts.reader()}, [*TEXTS, "", "  "], floor="none")
    assert "texts: 2 documents are empty and are left out" in found["noticed"]
    count = sum(len(text.split()) + 1 > 64 for text in TEXTS)  # with [CLS]
    assert f"texts: {count} documents are read in several windows each" in found["noticed"]
    models = running_texts.reader(), {"small": running_texts.reader()}
    cut = audit(*models, floor="none", windows="stretches", context=16)
    assert any("fill no window" in one for one in cut["noticed"])
    json.dumps(cut, allow_nan=False)


def test_documents_of_a_file_a_folder_and_a_table(tmp_path):
    whole = "First line,\r\nsecond.\r\n\r\n \r\nThe other.\n"
    (tmp_path / "a.txt").write_bytes(whole.encode())
    found = read_documents(str(tmp_path / "a.txt"))
    assert found.texts == ["First line,\r\nsecond.", "The other."]
    assert found.whole == whole.removesuffix("\n")
    assert [found.whole[start:][:5] for start in found.starts] == ["First", "The o"]
    assert found.at([0, 20, found.starts[1], len(found.whole) - 1]).tolist() == [0, 0, 1, 1]
    (tmp_path / "b.txt").write_text("")
    folder = read_documents(str(tmp_path))
    assert (len(folder.texts), folder.empty) == (1, 1)
    (tmp_path / "t.csv").write_text("text,n\none,1\n,2\ntwo,3\n")
    table = read_documents(str(tmp_path / "t.csv"))
    assert (table.texts, table.empty) == (["one", "two"], 1)
    with pytest.raises(ValueError, match="there is no file"):
        read_documents(str(tmp_path / "none.txt"))
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not text in UTF-8"):
        read_documents(str(tmp_path / "c.txt"))
