"""Which parts of an image made a model say so? What each patch counts, by taking it away or by gradients.

What is put in a patch's place is in kinds/image.py."""

import numpy as np

from trusteq.kinds.image import blurred, empty, middles, without
from trusteq.models.classifiers import in_evaluation
from trusteq.models.images import IMAGES, ImageModel, ImagePredictor

STEPS = 100  # of integrated gradients, from black to the image


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


def check_no_crop(predictor: ImagePredictor, what: str) -> None:
    """Resizing keeps where things are; cutting off the edges does not."""
    if getattr(getattr(predictor, "processor", None), "do_center_crop", False):
        how = "crop the images and set do_center_crop=False"
        raise ValueError(f"{predictor.name}'s processor crops images, so that {what} cannot be placed on them: {how}")


# What each patch counts.


def occlusion(predictor: ImagePredictor, image: np.ndarray, patches: np.ndarray, target: int) -> np.ndarray:
    """By how much the target's score falls when a patch is taken away, one weight a patch."""
    count, instead = int(patches.max()) + 1, blurred(image, patches)
    whole = predictor.scores([image])[0, target]
    weights = np.empty(count)
    for at in range(0, count, IMAGES["cuda"]):
        some = range(at, min(at + IMAGES["cuda"], count))
        weights[some.start : some.stop] = whole - predictor.scores(without(image, patches, some, instead))[:, target]
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
            baselines=predictor.pixels([empty(image)]),
            target=column,
            n_steps=STEPS,
            internal_batch_size=predictor.batch,
        )
    weights = found[0].sum(dim=0).double().cpu().numpy()
    rows, columns = (middles(count, size) for count, size in zip(weights.shape, patches.shape, strict=True))
    return np.bincount(patches[np.ix_(rows, columns)].ravel(), weights.ravel(), minlength=int(patches.max()) + 1)
