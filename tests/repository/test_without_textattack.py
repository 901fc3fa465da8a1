"""What attack_divergence says of TextAttack's attacks where that package is missing; with it, see tests/textattack."""

import sys
from pathlib import Path

import evaluate
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("attack", ["textattack:TextFoolerJin2019", lambda wrapper: None])
def test_a_missing_package_is_said_in_a_sentence(attack, monkeypatch):
    monkeypatch.setitem(sys.modules, "textattack", None)  # as if it were not installed
    attacks = evaluate.load(str(ROOT / "metrics" / "attack_divergence"))
    with pytest.raises(ValueError, match="needs the package textattack, which is not installed"):
        attacks.compute(texts=["a film"], references=[1], model=right, large_model=right, attack=attack)


def right(texts):
    return [[0.25, 0.75]] * len(texts)
