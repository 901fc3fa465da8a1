"""What transformers has below version 5 only: its question-answering pipeline, which gives the answers that ours gives.

It is here because this environment is the one with such a version.
"""

import numpy as np
import pytest
import tiny_models
import torch
from transformers import BertConfig, BertForQuestionAnswering, pipeline

from trusteq.models.question_answering import as_question_answerer


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_answers_are_those_of_the_question_answering_pipeline(seed):
    """In one window and of distinct words: the pipeline compares windows otherwise, and adds up equal answers."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tiny_models.SPECIAL) + len(tiny_models.WORDS), hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=64, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    model, words = BertForQuestionAnswering(config).eval(), tiny_models.tokenizer()
    generator, empty = np.random.default_rng(seed), 0
    rows = []
    for i in range(40):
        length = generator.integers(1, 20 if i % 2 else 4)
        context = " ".join(generator.choice(tiny_models.WORDS, size=length, replace=False))
        question = " ".join(generator.choice(tiny_models.WORDS, size=4))
        rows.append({"id": str(i), "question": question, "context": context, "answers": []})
    pipe = pipeline("question-answering", model=model, tokenizer=words, device="cpu")
    ours = as_question_answerer((model, words), "model", longest=9)(rows)
    for row, answer in zip(rows, ours, strict=True):
        theirs = pipe(
            question=row["question"], context=row["context"], handle_impossible_answer=True, max_answer_len=9,
            max_seq_len=64, doc_stride=8,
        )  # fmt: skip
        assert answer["prediction_text"] == theirs["answer"]
        empty += theirs["answer"] == ""
    assert 0 < empty < 40
