"""Makes the example of the README: what a large and a compressed model really say about handwritten digits.

Both are trained on the digits 0 to 7 of scikit-learn's `digits`. Held-out images of 0 to 7 are the usual inputs; the
8s and 9s, which neither model has seen, are out of distribution. Takes a few seconds; the seed fixes everything."""

import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

LARGE, COMPRESSED = (128, 64), (12,)


def save_example(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Train both models and write `large.npz` and `compressed.npz`, in the form that `trusteq compare` reads."""
    images, digits = load_digits(return_X_y=True)
    images, known = images / 16, digits < 8
    train_images, test_images, train_digits, test_digits = train_test_split(
        images[known], digits[known], test_size=0.85, stratify=digits[known], random_state=seed
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, layers in (("large", LARGE), ("compressed", COMPRESSED)):
        model = MLPClassifier(layers, max_iter=200, learning_rate_init=0.003, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(train_images, train_digits)
        paths.append(folder / f"{name}.npz")
        np.savez_compressed(
            paths[-1],
            labels=test_digits,
            probabilities=model.predict_proba(test_images),
            embeddings=last_hidden_layer(model, test_images),
            ood_probabilities=model.predict_proba(images[~known]),
        )
    return paths[0], paths[1]


def last_hidden_layer(model: MLPClassifier, images: np.ndarray) -> np.ndarray:
    """What the model has made of each image before it decides."""
    for weights, bias in list(zip(model.coefs_, model.intercepts_, strict=True))[:-1]:
        images = np.maximum(images @ weights + bias, 0)
    return images
