"""The row of llama.cpp's kernels in the table of running text: asked for token by token, and measured as all others."""

import pytest
import running_text_bits
import torch
from tiny_language_models import network, tokenizer

from trusteq.models.next_token import NextToken

TEXTS = ["the film was very good", "the plot was not good"]


class Server:
    """It answers as llama.cpp's does, the likeliest token first, with what this model says of the next one."""

    def __init__(self, model):
        self.model = model

    def ask(self, path, asked, under):
        assert (path, under, asked["n_predict"]) == ("/completion", False, 1)
        with torch.inference_mode():
            row = self.model(input_ids=torch.tensor([asked["prompt"]])).logits[0, -1].log_softmax(-1)
        told = [{"id": i, "logprob": float(row[i])} for i in row.argsort(descending=True).tolist()]
        return {"completion_probabilities": [{"top_logprobs": told[: asked["n_probs"]]}]}


@pytest.fixture
def reader(monkeypatch):
    model = network()
    found = NextToken(model, tokenizer(), "large")
    monkeypatch.setattr(running_text_bits.NextToken, "open", lambda *given, **how: found)
    monkeypatch.setattr(running_text_bits, "client_of", lambda place, name: Server(model))
    return found


def test_the_same_kernels_are_no_distance_apart_and_what_was_heard_is_kept(reader, tmp_path, monkeypatch):
    row = running_text_bits.by_llama_cpp("model.gguf", TEXTS, tmp_path / "kernels")
    assert row["figures"]["kl_mean"] == pytest.approx(0, abs=1e-6)
    assert row["figures"]["same_top"] == 1
    monkeypatch.setattr(running_text_bits, "client_of", lambda place, name: None)  # nobody to ask
    assert running_text_bits.by_llama_cpp("model.gguf", TEXTS, tmp_path / "kernels") == row


def test_what_was_not_measured_of_it_has_a_dash(reader, tmp_path):
    row = running_text_bits.by_llama_cpp("model.gguf", TEXTS, tmp_path / "kernels")
    cells = [cell.strip() for cell in running_text_bits.table([row])[-1].strip("|").split("|")]
    assert cells[0].startswith("by llama.cpp, 2 documents, ")
    assert cells[5:] == ["–"] * 5
