"""What the tests of the papers' tables share: the lists of errors that paper A's authors published."""

import pytest

LISTS = {
    "BERT-large": "bert_large",
    "BERT-base": "bert_base",
    "DistilBERT": "distil_bert",
    "BERT-medium": "bert_medium",
}


@pytest.fixture
def published(data):
    """As `trusteq reproduce --errors` takes them."""
    return [f"{name}={data('miniature_errors') / file}.json" for name, file in LISTS.items()]
