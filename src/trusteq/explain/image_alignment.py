"""Do two models look at the same parts of an image, and how sure is that?

Both models' most important patches become masks of the image's pixels, so that models with patches of different sizes
can be compared. `explain_images` explains both models on one image after another, and `ImageFigures` turns that into
figures with intervals."""

import dataclasses
from collections.abc import Generator
from contextlib import closing
from functools import lru_cache, partial
from typing import Any

import numpy as np

from trusteq.checks import check_choice, check_integer, check_sizes
from trusteq.explain.alignment import mean_where_known
from trusteq.explain.images import check_no_crop, integrated_gradients, occlusion, own_patch_map
from trusteq.groups import Groups, design, some_of
from trusteq.intervals import wilson_mean_interval
from trusteq.kinds.image import patch_map, read_images
from trusteq.models.images import ImageModel, ImagePredictor, as_image_predictor
from trusteq.models.labels import gold, gold_labels
from trusteq.models.open import ModelOptions
from trusteq.models.probing import PARTIAL, Results, check_classes, first_question, gathered, open_models
from trusteq.overlap import expected_jaccard

DRAWS = 4000  # of two random sets of patches: the chance level is then known to about 0.001


@dataclasses.dataclass(frozen=True)
class ImageOptions(ModelOptions):
    k: Any = 10  # a list, once it was checked
    method: str = "occlusion"
    explain: str = "gold"
    patch: int | None = None
    large_patch: int | None = None
    both_right: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "k", check_sizes("k", self.k))
        check_choice("method", self.method, ("occlusion", "integrated_gradients"))
        check_choice("explain", self.explain, ("gold", "large", "own"))
        for name in ("patch", "large_patch"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), at_least=1)
        check_choice("both_right", self.both_right, (True, False))


@dataclasses.dataclass
class ExplainedImage:
    """One image: the patches and their weights, of both models."""

    index: int
    image: np.ndarray
    patches: np.ndarray
    large_patches: np.ndarray
    weights: np.ndarray
    large_weights: np.ndarray


def explain_images(
    images: Any, references: Any, model: Any, large_model: Any, options: ImageOptions
) -> Generator[ExplainedImage, None, None]:
    """Both models explained on every image, or on those that both get right."""
    images = read_images(images)
    models = open_models({"large_model": large_model, "model": model}, options, as_image_predictor)
    needed = options.both_right or options.explain == "gold"
    labels = gold_labels(references, len(images)) if needed else None
    for predictor in reversed(models.values()):
        check_method(predictor, options.method)
    with first_question():
        said = {name: predictor.scores(images).argmax(axis=1) for name, predictor in models.items()}
    check_classes(models.values())
    large, compressed = models.values()
    truth = gold(labels, large, options.labels) if labels is not None else said["large_model"]
    targets = large_targets = truth if options.explain == "gold" else said["large_model"]
    if options.explain == "own":
        targets = said["model"]
    right = (said["model"] == truth) & (said["large_model"] == truth)
    chosen = np.flatnonzero(right) if options.both_right else np.arange(len(images))
    if not len(chosen):
        raise ValueError("there is no image that both models get right, and both_right=True takes only those")
    weigh: Any = occlusion if options.method == "occlusion" else integrated_gradients
    sides = ((compressed, options.patch), (large, options.large_patch))
    maps = [lru_cache(partial(patches_of, predictor, side)) for predictor, side in sides]  # by height and width

    def explained() -> Results:
        for i in chosen.tolist():
            image = images[i]
            patches, large_patches = (found(*image.shape[:2]) for found in maps)
            weights = weigh(compressed, image, patches, int(targets[i]))
            large_weights = weigh(large, image, large_patches, int(large_targets[i]))
            yield (i, ""), ExplainedImage(i, image, patches, large_patches, weights, large_weights)

    told = "explain", options.method, "images", len(chosen), "a model failed", PARTIAL
    with closing(gathered(explained(), [], *told)) as examples:
        yield from (one for _, _, one in examples)


def check_method(predictor: ImagePredictor, method: str) -> None:
    if method == "integrated_gradients":
        if not isinstance(predictor, ImageModel):
            raise ValueError(f"integrated_gradients needs transformers models, and {predictor.name} is a function")
        check_no_crop(predictor, "its gradients")


def patches_of(predictor: ImagePredictor, side: int | None, height: int, width: int) -> np.ndarray:
    return own_patch_map(predictor, height, width) if side is None else patch_map(height, width, side)


# From two sets of patches to figures.


class ImageFigures:
    """What the figures need of the images so far: a few numbers each; their weights only for details."""

    def __init__(self, options: ImageOptions, groups: Groups = None):
        self.options, self.of_all = options, groups
        self.indices: list[int] = []
        self.rows: list[dict[str, float]] = []
        self.entries: list[dict[str, Any]] = []
        self.chances: dict[tuple[int, ...], dict[str, float]] = {}  # by the images' height and width

    def add(self, one: ExplainedImage) -> None:
        sizes, shape = self.options.k, one.patches.shape
        if shape not in self.chances:
            seed = self.options.seed
            self.chances[shape] = {
                f"expected_jaccard_at_{size}": chance(one.patches, one.large_patches, size, seed) for size in sizes
            }
        row = compare_image(one, sizes) | self.chances[shape]
        self.rows.append(row)
        self.indices.append(one.index)
        if self.options.details:
            entry = {"index": one.index, "image": one.image, "patches": one.patches, "large_patches": one.large_patches}
            entry |= {"weights": one.weights.tolist(), "large_weights": one.large_weights.tolist()}
            known = {name: None if np.isnan(value) else value for name, value in row.items()}
            self.entries.append(entry | known)

    @property
    def groups(self) -> Groups:
        """Of the images that were taken in."""
        return some_of(self.of_all, self.indices)

    def result(self) -> dict[str, Any]:
        table = {name: np.array([row[name] for row in self.rows]) for name in self.rows[0]}
        result: dict[str, Any] = {}
        for size in self.options.k:
            key = f"jaccard_at_{size}"
            result[key] = float(table[key].mean())
            if self.options.confidence_level is not None:
                together = design(table[key] - result[key], self.groups)
                interval = wilson_mean_interval(table[key], self.options.confidence_level, together)
                result[f"{key}_low"], result[f"{key}_high"] = interval
            result[f"expected_{key}"] = float(table[f"expected_{key}"].mean())
            result[f"max_{key}"] = float(table[f"max_{key}"].mean())
            result[f"short_examples_at_{size}"] = int(table[f"short_at_{size}"].sum())
        result["map_correlation"] = mean_where_known(table["map_correlation"])
        result["examples_used"] = len(self.rows)
        if self.options.details:
            result["details"] = {"unit": "patch", "k": self.options.k, "runs": 1, "per_example": self.entries}
        return result


def compare_image(one: ExplainedImage, sizes: list[int]) -> dict[str, float]:
    """One image's figures.

    >>> patches = np.array([[0, 1], [2, 3]])
    >>> one = ExplainedImage(0, np.zeros((2, 2, 3)), patches, patches, np.array([4, 3, 2, 1]), np.array([4, 1, 2, 3]))
    >>> row = compare_image(one, [2])
    >>> round(row["jaccard_at_2"], 3), row["max_jaccard_at_2"], round(row["map_correlation"], 3)
    (0.333, 1.0, 0.2)
    """
    row: dict[str, float] = {}
    for size in sizes:
        mask = top_mask(one.patches, one.weights, size)
        large_mask = top_mask(one.large_patches, one.large_weights, size)
        row[f"jaccard_at_{size}"] = float((mask & large_mask).sum() / (mask | large_mask).sum())
        areas = sorted((int(mask.sum()), int(large_mask.sum())))
        row[f"max_jaccard_at_{size}"] = areas[0] / areas[1]
        row[f"short_at_{size}"] = float(size > min(len(one.weights), len(one.large_weights)))
    row["map_correlation"] = map_correlation(one)
    return row


def top_mask(patches: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """The pixels of the patches with the greatest weights; of equals the first ones.

    >>> top_mask(np.array([[0, 1], [2, 3]]), np.array([0.1, 0.5, -0.9, 0.3]), 2).tolist()
    [[False, True], [False, True]]
    """
    return np.isin(patches, np.argsort(-weights, kind="stable")[:size])


def chance(patches: np.ndarray, large_patches: np.ndarray, size: int, seed: int) -> float:
    """The mean Jaccard of the pixels of two random sets of patches: exact for equal patches, else by `DRAWS` draws.

    >>> patches = np.array([[0, 0, 1, 1, 2, 2]])
    >>> round(chance(patches, patches, 1, seed=0), 3), round(chance(patches, np.array([[0, 1, 1, 1, 1, 2]]), 1, 0), 2)
    (0.333, 0.21)
    """
    areas, large_areas = np.bincount(patches.ravel()), np.bincount(large_patches.ravel())
    if np.array_equal(patches, large_patches) and np.ptp(areas) == 0:
        return expected_jaccard(min(size, len(areas)), min(size, len(areas)), len(areas))
    pairs, shared = np.unique(patches.ravel() * len(large_areas) + large_patches.ravel(), return_counts=True)
    of, large_of = np.divmod(pairs, len(large_areas))  # patches that have so many pixels in common
    generator = np.random.default_rng(seed)
    some = max(1, 2**22 // len(pairs))  # draws at a time
    total = 0.0
    for at in range(0, DRAWS, some):
        count = min(some, DRAWS - at)
        drawn, large_drawn = draw(generator, count, len(areas), size), draw(generator, count, len(large_areas), size)
        both = (drawn[:, of] * large_drawn[:, large_of]) @ shared
        total += (both / (drawn @ areas + large_drawn @ large_areas - both)).sum()
    return float(total / DRAWS)


def draw(generator: np.random.Generator, count: int, patches: int, size: int) -> np.ndarray:
    """Random sets of so many patches, one a row: 1 for those in it."""
    chosen = np.argsort(generator.random((count, patches)), axis=1)[:, :size]
    sets = np.zeros((count, patches))
    np.put_along_axis(sets, chosen, 1.0, axis=1)
    return sets


def map_correlation(one: ExplainedImage) -> float:
    """Spearman's rank correlation of the two models' weights over the pixels; NaN where one weighs all alike.

    A patch's weight is spread over its pixels, so that patches of different sizes are on one scale.
    """
    from scipy.stats import rankdata  # slow to import

    ranks = [
        rankdata((weights / np.bincount(patches.ravel(), minlength=len(weights)))[patches].ravel())
        for patches, weights in ((one.patches, one.weights), (one.large_patches, one.large_weights))
    ]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
