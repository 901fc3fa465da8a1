"""papers.md: the tables of quantized language models, as the published answers give them."""

import shutil
from pathlib import Path

import replication

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "papers.md"


def test_the_page_says_what_the_published_answers_give(data, tmp_path, capsys):
    page = tmp_path / PAGE.name
    shutil.copy(PAGE, page)
    assert replication.main([str(data("quantized_llms")), "--page", str(page)]) == 0
    assert page.read_bytes() == PAGE.read_bytes()
    printed = capsys.readouterr().out
    assert printed.strip() in page.read_text()
    same = next(line for line in printed.splitlines() if line.startswith("| Qwen2.5-3B, int8, CommonsenseQA"))
    accuracy = "81.6 (79.1 to 83.9)"
    assert [cell.strip() for cell in same.strip("|").split("|")][1:6] == ["986", accuracy, accuracy, "27", "27"]


def test_a_folder_without_answers_is_one_sentence(tmp_path, capsys):
    assert replication.main([str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err == f"replication.py: {tmp_path} holds no answers: looked for MODEL__fp16__BENCH.json\n"
    assert said.out == ""
