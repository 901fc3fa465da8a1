"""Images: their units are patches, which are numbered by a map of the pixels and taken away by a blur."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from trusteq.checks import brief


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


# Patches.


def patch_map(height: int, width: int, side: int) -> np.ndarray:
    """Squares of so many pixels a side, numbered line by line; the last ones may be cut by the image's edge.

    >>> patch_map(2, 5, side=2)
    array([[0, 0, 1, 1, 2],
           [0, 0, 1, 1, 2]])
    """
    rows, columns = (np.arange(size) // min(side, size) for size in (height, width))
    return rows[:, None] * (columns[-1] + 1) + columns


def middles(count: int, size: int) -> np.ndarray:
    """Where the middles of so many equal parts of a line fall, in a line that is `size` long.

    >>> middles(4, 2), middles(2, 6)
    (array([0, 0, 1, 1]), array([1, 4]))
    """
    return (2 * np.arange(count) + 1) * size // (2 * count)


# What stands for a patch, or an image, that is taken away.


def blurred(image: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """What is put in a patch's place: the image under a Gaussian blur with half a patch's side as standard deviation.

    >>> blurred(np.repeat([[[0], [200]]], 3, axis=2), np.array([[0, 1]]))[0, :, 0]
    array([ 21, 179], dtype=uint8)
    """
    from scipy.ndimage import gaussian_filter  # slow to import

    spread = np.sqrt(patches.size / (int(patches.max()) + 1)) / 2
    return np.rint(gaussian_filter(image.astype(np.float64), (spread, spread, 0), mode="nearest")).astype(np.uint8)


def without(image: np.ndarray, patches: np.ndarray, which: Iterable[int], instead: np.ndarray) -> list[np.ndarray]:
    """The image without each of these patches: there it is what `instead` is.

    >>> image, patches = np.full((1, 3, 3), 9), np.array([[0, 1, 2]])
    >>> [part[0, :, 0].tolist() for part in without(image, patches, [0, 2], instead=np.zeros_like(image))]
    [[0, 9, 9], [9, 9, 0]]
    """
    return [np.where((patches == patch)[..., None], instead, image) for patch in which]


def empty(image: np.ndarray) -> np.ndarray:
    """An image of this size with nothing on it, from which gradients begin: black."""
    return np.zeros_like(image)
