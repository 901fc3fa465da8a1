"""The table of bits: one audit of a tiny model in fewer bits, pruned and without layers, written on a page."""

import bits
from small_families import GOLD, TEXTS
from tiny_language_models import network, tokenizer


def test_the_table_has_a_row_for_every_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bits, "VERBALIZERS", {"negative": " bad", "positive": " good"})  # words that it has
    network("llama", positions=256, deep=21).save_pretrained(tmp_path / "model")
    tokenizer(256).save_pretrained(tmp_path / "model")
    for folder, name, lines in (
        (
            "sst2",
            "dev.tsv",
            ["sentence\tlabel", *(f"{text}\t{label}" for text, label in zip(TEXTS, GOLD, strict=True))],
        ),
        ("agnews", "test.tsv", [f"the cat number {i} sleeps\tWorld" for i in range(20)]),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("\n".join(lines), encoding="utf-8")
    words = [
        "--data",
        tmp_path,
        "--model",
        tmp_path / "model",
        "--out",
        tmp_path / "out",
        "--page",
        tmp_path / "page.md",
    ]
    words += ["--dimensions", "prediction_error_jaccard", "ood_divergence"]
    assert bits.main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out
    page = (tmp_path / "page.md").read_text()
    for name in ("large", "the floor: in bfloat16", "8 bits", "5 bits", "3 bits", "30% pruned", "without 4 layers"):
        assert f"| {name} " in printed
        assert f"| {name} " in page
    assert "same errors" in page
    assert "Printed by `python scripts/papers/bits.py" in page
