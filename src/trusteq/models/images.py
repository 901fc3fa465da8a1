"""Models of images: transformers classifiers with their image processor, and functions."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from trusteq.models.batches import is_out_of_memory
from trusteq.models.checkpoints import load_checkpoint, placed
from trusteq.models.classifiers import in_evaluation
from trusteq.models.labels import class_names
from trusteq.models.predictor import FunctionPredictor, Predictor, numbers

IMAGES = {"cpu": 32, "cuda": 512}  # of a batch

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
        with in_evaluation(self.model), torch.inference_mode():
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

    >>> from trusteq.kinds.image import read_images
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
