"""How long TextAttack's DeepWordBug takes with its own model wrapper, behind our predictor, and through our engine.

    .venv-textattack/bin/python scripts/benchmarks/benchmark_textattack.py CLASSIFIER < FILE

FILE holds {"texts": [...], "labels": [...]} as JSON.

benchmark.py runs this in the environment that has TextAttack; the last line that it prints is JSON.
"""

import json
import logging
import random
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import textattack
import torch
from benchmark_rows import load
from textattack.attack_recipes import DeepWordBugGao2018
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from trusteq.models.open import as_predictor
from trusteq.side_by_side import example_seed


def main() -> None:
    folder = sys.argv[1]
    given = json.load(sys.stdin)
    texts, labels = given["texts"], given["labels"]
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    attacks = load("attack_divergence")
    predictor = as_predictor((model, tokenizer), "model")
    textattack.shared.logger.setLevel(logging.ERROR)

    def engine(attack: str) -> dict[int, str | None]:
        found = attacks.attack(texts, labels, {"model": predictor}, attack=attack)
        return {i: entry["adversarial"] if entry["status"] == "broken" else None for i, _, entry in found}

    def alone(wrapper: Any) -> dict[int, str | None]:
        """Example by example, each with the seed that it has in the metric."""
        attack = DeepWordBugGao2018.build(wrapper)
        found: dict[int, str | None] = {}
        for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
            seed = example_seed(0, i)
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - what TextAttack draws from
            torch.manual_seed(seed)
            result = attack.attack(text, label)
            broken = isinstance(result, textattack.attack_results.SuccessfulAttackResult)
            found[i] = result.perturbed_result.attacked_text.text if broken else None
        return found

    class Predicted(textattack.models.wrappers.ModelWrapper):
        model = None

        def __call__(self, some: list[str]) -> Any:
            return torch.tensor(predictor(some))

    sides = {
        "engine": lambda: engine("textattack:DeepWordBugGao2018"),
        "alone": lambda: alone(Predicted()),
        "wrapper": lambda: alone(textattack.models.wrappers.HuggingFaceModelWrapper(model.eval(), tokenizer)),
    }
    predictor(texts)  # all begin warm
    found, times = {}, dict.fromkeys(sides, np.inf)
    for name in (*sides, "engine", "alone"):  # the wrapper takes many minutes, and its ratio is far from its limit
        begin = time.perf_counter()
        found[name] = sides[name]()
        times[name] = min(times[name], time.perf_counter() - begin)
    broken = [i for i in found["wrapper"] if found["wrapper"][i] or found["engine"][i]]
    told = {
        "broken": len(broken),
        "same": sum(found["engine"][i] == found["wrapper"][i] for i in broken),
        "ours_broken": sum(text is not None for text in engine("deepwordbug").values()),
        "version": version("textattack"),
    }
    print(json.dumps(times | told))


if __name__ == "__main__":
    main()
