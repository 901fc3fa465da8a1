"""Which parts of an image made a model say so? Models of images, their patches, and what each patch counts.

A patch map has an image's height and width and says of every pixel which patch it belongs to. `occlusion` blurs one
patch after another and asks; `integrated_gradients` looks inside. Both give every patch of an image a weight for one
class: by how much it raises the class's logit.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from .inference import inference
from .predictor import (
    FunctionPredictor,
    Predictor,
    brief,
    class_names,
    in_evaluation,
    is_out_of_memory,
    load_checkpoint,
    numbers,
    placed,
)

IMAGES = {"cpu": 32, "cuda": 512}  # of a batch
STEPS = 100  # of integrated gradients, from black to the image


def read_images(values: Any) -> list[np.ndarray]:
    """Images as arrays of height x width x 3 with values from 0 to 255; grey ones get three equal channels.

    >>> [image.shape for image in read_images(np.zeros((5, 8, 6)))]
    [(8, 6, 3), (8, 6, 3), (8, 6, 3), (8, 6, 3), (8, 6, 3)]
    """
    try:
        images = [] if isinstance(values, str | bytes | dict) else [values[i] for i in range(len(values))]
    except Exception:  # what has no length, or no order
        images = []
    if not images:
        raise ValueError(f"images needs a list of one or more images, got {brief(values)}")
    return [read_image(f"images[{i}]", image) for i, image in enumerate(images)]


def read_image(where: str, value: Any) -> np.ndarray:
    """A PIL image, or an array: whole numbers from 0 to 255, or fractions from 0 to 1, which are brought to 255ths."""
    if hasattr(value, "convert"):  # PIL's
        return np.asarray(value.convert("RGB"))
    try:
        image = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception:  # of whatever calls itself an array
        image = np.empty(0)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size or image.dtype.kind not in "buif":
        shape = "height x width, or height x width x 3"
        raise ValueError(f"{where} must be an image or an array of {shape}, got {type(value).__name__} {image.shape}")
    most = 255 if image.dtype.kind in "ui" else 1
    if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= most):
        kind = "fractions from 0 to 1" if most == 1 else "whole numbers from 0 to 255"
        raise ValueError(f"{where} must hold {kind}, got {image.min():g} to {image.max():g}")
    image = np.rint(image * 255.0) if most == 1 else image
    return np.repeat(image, 3 // image.shape[2], axis=2).astype(np.uint8)


# Models.


class ImageFunction(FunctionPredictor):
    """A callable: a list of images in (arrays as `read_images` makes them), one row of scores an image out."""

    def scores(self, images: Sequence[np.ndarray]) -> np.ndarray:
        function: Any = self.function
        return check_scores(self, function(list(images)), len(images))


class ImageModel(Predictor):
    """A transformers image classifier with its image processor."""

    def __init__(self, model: Any, processor: Any, name: str):
        super().__init__(name)
        self.model, self.processor = model, processor
        self.names = class_names(model.config)
        self.batch = IMAGES.get(model.device.type, IMAGES["cpu"])

    def scores(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Logits, one row an image, in batches that are halved when memory runs out."""
        import torch

        rows: list[np.ndarray] = []
        with in_evaluation(self.model), inference():
            while len(rows) < len(images):
                try:
                    pixels = self.pixels(images[len(rows) : len(rows) + self.batch])
                    rows.extend(self.model(pixel_values=pixels).logits.double().cpu().numpy())
                except (torch.OutOfMemoryError, RuntimeError) as error:
                    if not is_out_of_memory(error) or self.batch == 1:
                        raise
                    self.batch //= 2
        found = check_scores(self, rows, len(images))
        return found if self.order is None else found[:, self.order]

    def pixels(self, images: Sequence[np.ndarray]) -> Any:
        """What the model reads: the images as its processor resizes and scales them."""
        read = self.processor(images=list(images), input_data_format="channels_last", return_tensors="pt")
        return read["pixel_values"].to(self.model.device, self.model.dtype)


ImagePredictor = ImageFunction | ImageModel


def check_scores(predictor: Predictor, given: Any, count: int) -> np.ndarray:
    try:
        rows = np.asarray(numbers(given), dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{predictor.name} returned no regular array of numbers for {count} images") from None
    if rows.ndim != 2 or len(rows) != count or rows.shape[1] < 2 or predictor.classes not in (None, rows.shape[1]):
        classes = predictor.classes or "number of classes"
        raise ValueError(f"{predictor.name} returned an array of shape {rows.shape}, expected ({count}, {classes})")
    if not np.isfinite(rows).all():
        raise ValueError(f"{predictor.name} returned NaN or infinity")
    predictor.classes = rows.shape[1]
    return rows


def as_image_predictor(
    model: Any, name: str, device: Any = None, dtype: Any = None, trust_remote_code: bool = False
) -> ImagePredictor:
    """A model of images from a callable, a pipeline, (model, image processor), a local path or a Hub id.

    >>> half = as_image_predictor(lambda images: [[image.mean(), 255 - image.mean()] for image in images], "model")
    >>> half.scores(read_images(np.ones((1, 4, 4))))
    array([[255.,   0.]])
    """
    if isinstance(model, str | os.PathLike):
        path = os.fspath(model)
        return ImageModel(*load_checkpoint(path, name, device, dtype, trust_remote_code, "ImageClassification"), name)
    processor = getattr(model, "image_processor", None)  # of a pipeline
    if isinstance(model, tuple | list) and len(model) == 2:
        model, processor = model
    elif processor is not None:
        model = model.model
    if processor is not None:
        if not callable(getattr(model, "forward", None)) or not callable(processor):
            raise ValueError(f"{name} needs (model, image processor) when it is a tuple")
        return ImageModel(placed(model, processor, name, device, dtype, reads="image processor"), processor, name)
    if not callable(model) or callable(getattr(model, "forward", None)):
        kinds = "a callable, a pipeline, (model, image processor), a local path or a Hub id"
        raise ValueError(f"{name} must be {kinds}, got {type(model).__name__}")
    return ImageFunction(model, name)


# Patches.


def patch_map(height: int, width: int, side: int) -> np.ndarray:
    """Squares of so many pixels a side, numbered line by line; the last ones may be cut by the image's edge.

    >>> patch_map(2, 5, side=2)
    array([[0, 0, 1, 1, 2],
           [0, 0, 1, 1, 2]])
    """
    rows, columns = (np.arange(size) // min(side, size) for size in (height, width))
    return rows[:, None] * (columns[-1] + 1) + columns


def own_patch_map(predictor: ImagePredictor, height: int, width: int) -> np.ndarray:
    """The patches that the model itself cuts an image into, in the image's own pixels."""
    config = getattr(getattr(predictor, "model", None), "config", None)
    sizes = [getattr(config, name, None) for name in ("image_size", "patch_size")]
    (image, patch) = (size[0] if isinstance(size, list | tuple) else size for size in sizes)
    if not isinstance(image, int) or not isinstance(patch, int):
        give = "give their side in pixels, as patch or large_patch"
        raise ValueError(f"{predictor.name} has no patches of its own: {give}")
    check_no_crop(predictor, "its own patches")
    count = image // patch
    if count > min(height, width):
        many = f"{count} x {count} patches, more than an image of {height} x {width} pixels has"
        raise ValueError(f"{predictor.name} cuts an image into {many}: give patch or large_patch")
    rows, columns = middles(height, count), middles(width, count)
    return rows[:, None] * count + columns


def middles(count: int, size: int) -> np.ndarray:
    """Where the middles of so many equal parts of a line fall, in a line that is `size` long.

    >>> middles(4, 2), middles(2, 6)
    (array([0, 0, 1, 1]), array([1, 4]))
    """
    return (2 * np.arange(count) + 1) * size // (2 * count)


def check_no_crop(predictor: ImagePredictor, what: str) -> None:
    """Resizing keeps where things are; cutting off the edges does not."""
    if getattr(getattr(predictor, "processor", None), "do_center_crop", False):
        how = "crop the images and set do_center_crop=False"
        raise ValueError(f"{predictor.name}'s processor crops images, so that {what} cannot be placed on them: {how}")


# What each patch counts.


def occlusion(predictor: ImagePredictor, image: np.ndarray, patches: np.ndarray, target: int) -> np.ndarray:
    """By how much the target's score falls when a patch is blurred, one weight a patch.

    The blur is Gaussian with half a patch's side as its standard deviation.
    """
    count = int(patches.max()) + 1
    spread = np.sqrt(patches.size / count) / 2
    blurred = np.rint(gaussian_filter(image.astype(np.float64), (spread, spread, 0), mode="nearest")).astype(np.uint8)
    whole = predictor.scores([image])[0, target]
    weights = np.empty(count)
    for at in range(0, count, IMAGES["cuda"]):
        some = range(at, min(at + IMAGES["cuda"], count))
        changed = [np.where((patches == patch)[..., None], blurred, image) for patch in some]
        weights[some.start : some.stop] = whole - predictor.scores(changed)[:, target]
    return weights


def integrated_gradients(predictor: ImageModel, image: np.ndarray, patches: np.ndarray, target: int) -> np.ndarray:
    """captum's integrated gradients of the target's logit from black to the image, summed over each patch.

    The weights of all patches sum to logit(image) - logit(black), up to the error of `STEPS` steps.
    """
    from captum.attr import IntegratedGradients

    column = target if predictor.order is None else int(predictor.order[target])
    with in_evaluation(predictor.model):
        found = IntegratedGradients(lambda pixels: predictor.model(pixel_values=pixels).logits).attribute(
            predictor.pixels([image]),
            baselines=predictor.pixels([np.zeros_like(image)]),
            target=column,
            n_steps=STEPS,
            internal_batch_size=predictor.batch,
        )
    weights = found[0].sum(dim=0).double().cpu().numpy()
    rows, columns = (middles(count, size) for count, size in zip(weights.shape, patches.shape, strict=True))
    return np.bincount(patches[np.ix_(rows, columns)].ravel(), weights.ravel(), minlength=int(patches.max()) + 1)
