"""Does the compressed model see the same neighbours as the large one?

Two models can give the same answers and still arrange the examples differently inside. This metric asks both which
points lie nearest to each point, compares the two sets, and sets beside them what chance alone would share.
"""

from typing import Any

import datasets
import evaluate

from trusteq.dimensions import representation_overlap
from trusteq.faces.metric import ArrayMetric
from trusteq.papers import MINIATURE

_DESCRIPTION = """
Compares the latent space of a compressed model with that of its large counterpart on the same examples: the Jaccard
overlap of each point's nearest neighbours in the two spaces with its interval and chance level, and linear CKA.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: the compressed model's embeddings, one row of numbers per example.
    large_predictions: the large model's embeddings of the same examples; the rows may be of another width.
    k: how many neighbours make a set: a whole number or a list of them, each at most the number of examples - 1.
    queries: ask only this many points, drawn at random, for their neighbours; None asks all.
    among: let each point choose its neighbours among this many others, drawn at random; None: among all.
    groups: optional, what belongs together (questions on one passage, a row that is repeated): a string or a whole
        number per example; intervals then count groups.
    confidence_level: level of the intervals, between 0 and 1; None for no intervals.
    seed: decides which points `queries` and `among` draw.
    details: add the key `details` with the points that were asked and the Jaccard of each, which `plot` draws.
Returns:
    For each K of k:
    neighbor_jaccard_at_K, neighbor_jaccard_at_K_low, neighbor_jaccard_at_K_high (0 to 1): Jaccard of a point's K
        nearest neighbours (cosine, without the point itself) in the two spaces, mean over the points asked.
    expected_neighbor_jaccard_at_K (0 to 1): the mean for two random sets of K of the other points.
    chance_corrected_neighbor_jaccard_at_K (up to 1; 0 is chance): (jaccard - expected) / (1 - expected).
    And for all points together:
    cka, cka_low, cka_high (-1 to 1; 0 is unrelated): linear centered kernel alignment, from unbiased estimates.
Examples:

    >>> import evaluate
    >>> overlap = evaluate.load("metrics/representation_overlap")
    >>> compressed = [[9, 1], [8, 2], [7, 3], [1, 9], [2, 8], [3, 7]]
    >>> large = [[9, 1, 1], [8, 2, 1], [3, 7, 1], [1, 9, 1], [2, 8, 1], [7, 3, 1]]
    >>> result = overlap.compute(predictions=compressed, large_predictions=large, k=[1, 2])
    >>> [round(result[f"neighbor_jaccard_at_{k}"], 3) for k in (1, 2)]
    [0.667, 0.222]
    >>> [round(result[f"expected_neighbor_jaccard_at_{k}"], 3) for k in (1, 2)]
    [0.2, 0.3]
    >>> round(result["cka"], 3)
    0.353

    Of many points a sample can be asked, each still among all:

    >>> result = overlap.compute(predictions=compressed, large_predictions=large, k=2, queries=3, details=True)
    >>> result["details"]["queries"], result["details"]["neighbor_jaccard_at_2"]
    ([3, 4, 5], [0.3333333333333333, 0.3333333333333333, 0.0])
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class RepresentationOverlap(ArrayMetric):
    dimension = representation_overlap.DIMENSION

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("float64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=MINIATURE,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": row, "large_predictions": row}),
            reference_urls=["https://arxiv.org/abs/2407.13174", "https://arxiv.org/abs/1905.00414"],
        )

    def plot(self, result: dict[str, Any]) -> Any:
        """How the points' overlaps are spread for each K, beside the chance level; a matplotlib Figure."""
        return self.dimension.plot(result)
