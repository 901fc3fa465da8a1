"""The benchmark beside TextAttack, which benchmark.py starts in this environment: it runs, and both find the same."""

import json
import subprocess
import sys
from pathlib import Path

import tiny_models

ROOT = Path(__file__).resolve().parents[2]


def test_the_engine_finds_the_texts_that_textattack_finds_by_itself(tmp_path):
    folder = tiny_models.checkpoint(tmp_path / "classifier", words=tiny_models.LETTERS)
    given = {"texts": ["the film was very good", "a dull plot and awful acting", "the story is fine"]}
    script = ROOT / "scripts" / "benchmarks" / "benchmark_textattack.py"
    run = subprocess.run(
        [sys.executable, script, folder],
        input=json.dumps(given | {"labels": predicted(given["texts"])}),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["same"] == found["broken"] > 0
    assert all(found[side] > 0 for side in ("engine", "alone", "wrapper"))


def predicted(texts):
    """What the model says itself, so that there is something to break."""
    model, tokenizer = tiny_models.classifier(), tiny_models.tokenizer(words=tiny_models.LETTERS)
    rows = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    return rows.argmax(dim=-1).tolist()
