"""What attribution_alignment takes beside lime and shap on the same sentences and model. Part of benchmark.py."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from benchmark_asked import Asked
from benchmark_rows import Row, Settings, flat, load, processor_times
from benchmark_texts import classifier_on_minilm, phrases, sentences

from trusteq.explain.explaining import explain_each
from trusteq.models.open import as_predictor

MANY = """
import evaluate, numpy as np
alignment = evaluate.load("metrics/attribution_alignment")
model = lambda texts: np.tile([0.25, 0.75], (len(texts), 1))
texts = [f"a film with number {{i}} and a dull end" for i in range({count})]
alignment.compute(texts=texts, references=[1] * len(texts), model=model, large_model=model, samples=200)
"""


def rows(given: Settings) -> Iterator[Row]:
    alignment = load("attribution_alignment")
    yield from beside_the_packages(given, alignment)
    yield from stop_when_sure(given, alignment)
    tenth = given.size(200, tiny=2)
    yield flat("lime, {count} texts", MANY, tenth, 10 * tenth)


def beside_the_packages(given: Settings, alignment: Any) -> Iterator[Row]:
    """A classifier on a real encoder explains sentences, as the metric does it for each of its two models: beside text
    by text as the packages do it, and beside one pass over the same questions."""
    few = sentences(given, "pos", given.size(8, tiny=1))
    model, tokenizer = classifier_on_minilm()
    predictor = as_predictor((model, tokenizer), "model")
    ask = partial(padded, model, tokenizer)
    by_shap(few[:1], ask, samples=50)  # compiles; not a part of either side's time
    for method, package, count, samples, asked in (
        ("lime", by_lime, 16, 1000, (1 / 1.8, 1.1)),
        ("shap", by_shap, 16, 500, (1 / 2, 1.15)),
    ):
        many, samples = sentences(given, "pos", given.size(count, tiny=2)), given.size(samples, tiny=30)
        options = alignment.options(method=method, samples=samples)
        work = Asked(predictor, partial(explain, many, predictor, options))
        work.run()  # converts the model, which is no part of either side's time
        ours = partial(explain, few, predictor, options)
        mine, theirs = processor_times(1, ours, partial(package, few, ask, samples))
        what = f"{method}, {len(few)} sentences, samples={samples}; the package {method} text by text"
        yield Row(f"{what}, padded batches of 64", mine, theirs, asked[0])
        mine, once = processor_times(given.size(3, tiny=1), work.run, work.once)
        what = f"{method}, {len(many)} sentences, samples={samples}; one plain pass over its {len(work.texts):,}"
        yield Row(f"{what} distinct questions, by {work.engine}", mine, once, asked[1])


def explain(texts: list[str], predictor: Any, options: Any) -> None:
    for _ in explain_each(texts, [1] * len(texts), {"model": predictor}, None, options):
        pass


def padded(model: Any, tokenizer: Any, given: Any) -> np.ndarray:
    """What a user writes: batches of 64 in the order of asking, padded to their longest text."""
    import torch

    lines, found = [str(line) for line in given], []
    for at in range(0, len(lines), 64):
        batch = tokenizer(lines[at : at + 64], padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            found.append(model(**batch).logits.double().softmax(dim=-1).numpy())
    return np.concatenate(found)


def by_lime(texts: list[str], ask: Any, samples: int) -> None:
    from lime.lime_text import LimeTextExplainer

    for i, text in enumerate(texts):
        explainer = LimeTextExplainer(random_state=i)
        explainer.explain_instance(text, ask, labels=(1,), num_features=20, num_samples=samples)


def by_shap(texts: list[str], ask: Any, samples: int) -> None:
    import shap

    explainer = shap.Explainer(ask, shap.maskers.Text(r"\s+"), algorithm="partition")
    for text in texts:
        explainer([text], max_evals=samples, silent=True)


def stop_when_sure(given: Settings, alignment: Any) -> Iterator[Row]:
    """How many examples a trained pair needs: two bags of words, one hashed to 256 columns, trained on SST-2."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels = zip(*phrases(given)[: given.size(20_000, tiny=1000)], strict=True)
    compressed, large = (
        make_pipeline(vectorizer, LogisticRegression(max_iter=300)).fit(texts, labels).predict_proba
        for vectorizer in (HashingVectorizer(n_features=256), TfidfVectorizer())
    )
    half = given.size(5000, tiny=50)
    some, gold = sentences(given, "pos", half) + sentences(given, "neg", half), [1] * half + [0] * half
    for width in (0.05, 0.02):
        options = {"method": "occlusion", "target_width": width}
        result = alignment.compute(texts=some, references=gold, model=compressed, large_model=large, **options)
        interval = f"{result['jaccard_at_10_low']:.3f} to {result['jaccard_at_10_high']:.3f}"
        what = f"examples used, occlusion, K = 10, target_width={width} (the interval is {interval}); all"
        yield Row(what, result["examples_used"], len(some), unit="")
