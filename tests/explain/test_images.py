"""Images: patches and masks by hand, attributions of models that are known, and two small ViTs on real digits."""

import functools

import evaluate
import numpy as np
import pytest
import torch
from drawn import segments_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor, pipeline

from trusteq.explain.image_alignment import ExplainedImage, chance, compare_image, top_mask
from trusteq.explain.images import integrated_gradients, occlusion, own_patch_map
from trusteq.kinds.image import patch_map, read_image, read_images
from trusteq.models.images import ImageModel
from trusteq.overlap import expected_jaccard

alignment = evaluate.load("metrics/attribution_alignment")
SIZES = [2, 5, 10, 15, 20, 25, 30]


def processor(**settings):
    half = [0.5] * 3
    return ViTImageProcessor(size={"height": 8, "width": 8}, image_mean=half, image_std=half, **settings)


def network(patch, width=32, seed=0, **settings):
    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=8, patch_size=patch, hidden_size=width, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=2 * width, hidden_dropout_prob=0.0, **{"num_labels": 10, **settings},
    )  # fmt: skip
    return ViTForImageClassification(config).eval()


@functools.cache
def digits():
    """scikit-learn's digits 0 to 7, fractions from 0 to 1, with their labels; the last two kinds are strange."""
    found = load_digits()
    values, labels = (found.images / 16).astype(np.float32), found.target
    return values[labels < 8], labels[labels < 8], values[labels > 7]


def train(patch, width, seed, epochs=15):
    """The digits 0 to 7 but for the last 300, which are the test set."""
    model, read = network(patch, width, seed), ImageModel(network(patch), processor(), "reader")
    values, labels, _ = digits()
    pixels, labels = read.pixels(read_images(values[:-300])), torch.tensor(labels[:-300])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(64):
            model(pixel_values=pixels[batch], labels=labels[batch]).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval(), processor()


@pytest.fixture(scope="module")
def family():
    """A large model with patches of two by two pixels, and a small one with patches of four by four."""
    return {"large": train(2, 48, 0), "small": train(4, 32, 1)}


# Patches and masks, by hand.


def test_patches_of_different_sizes_are_compared_as_pixels():
    patches, large = patch_map(4, 4, 2), patch_map(4, 4, 4)
    one = ExplainedImage(0, np.zeros((4, 4, 3)), patches, large, np.array([0, 3, 1, 2]), np.array([1]))
    row = compare_image(one, [1, 2])
    assert row["jaccard_at_1"] == row["max_jaccard_at_1"] == 1 / 4
    assert row["jaccard_at_2"] == 2 / 4
    assert (row["short_at_1"], row["short_at_2"]) == (0, 1)
    assert np.isnan(row["map_correlation"])  # one patch has no ranks


def test_the_greatest_weights_count_and_not_the_greatest_sizes():
    patches = patch_map(2, 2, 1)
    weights, large = np.array([-9.0, 1.0, 0.5, -3.0]), np.array([-1.0, 2.0, 1.0, -7.0])
    one = ExplainedImage(0, np.zeros((2, 2, 3)), patches, patches, weights, large)
    assert compare_image(one, [2])["jaccard_at_2"] == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.integers(1, 3), st.integers(1, 30))
def test_chance_by_drawing_is_chance_by_counting(rows, columns, side, size):
    """Patches that are cut by the edge have areas of their own; without such ones there is a formula."""
    patches = patch_map(rows * side, columns * side, side)
    exact = chance(patches, patches, size, seed=0)
    count = rows * columns
    assert exact == expected_jaccard(min(size, count), min(size, count), count)
    other = patches[::-1, ::-1].copy()  # the same patches, numbered from the end: drawn, since the maps differ
    assert chance(patches, other, size, seed=0) == pytest.approx(exact, abs=0.02)  # five standard errors


def test_own_patches_are_those_of_the_model_on_an_image_of_any_size():
    model = ImageModel(network(4), processor(), "model")
    assert (own_patch_map(model, 8, 8) == patch_map(8, 8, 4)).all()
    assert (own_patch_map(model, 16, 24) == np.repeat(np.repeat([[0, 1], [2, 3]], 8, 0), 12, 1)).all()


# What a patch counts.


def brightness_of(rows, columns):
    """A model whose second logit is the mean brightness of a part of the image."""

    def model(some):
        bright = np.array([image[rows, columns].mean() / 255 for image in some])
        return np.stack([np.zeros_like(bright), bright], axis=1)

    return model


CHECKS = (np.indices((8, 8)).sum(axis=0) % 2).astype(np.float64)  # a chessboard: blurring it changes every patch


def test_occlusion_finds_the_patch_that_decides():
    image = np.where(np.indices((8, 8))[0] < 4, 1.0, 0.0) * np.where(np.indices((8, 8))[1] < 4, 1.0, 0.0)
    result = alignment.compute(
        images=[image], references=[1], model=brightness_of(slice(4), slice(4)), details=True, patch=4, large_patch=2,
        large_model=brightness_of(slice(2, 4), slice(2, 4)), k=1,
    )  # fmt: skip
    (entry,) = result["details"]["per_example"]
    assert np.argmax(entry["weights"]) == 0
    assert np.argmax(entry["large_weights"]) == 5  # the second patch of the second line
    assert entry["weights"][1:] == pytest.approx([0] * 3)
    assert result["jaccard_at_1"] == result["max_jaccard_at_1"] == 4 / 16


def test_occlusion_is_the_drop_of_the_logit_when_a_patch_is_blurred():
    model = ImageModel(network(2, seed=3), processor(), "model")
    image = read_image("image", CHECKS * 0.5 + np.indices((8, 8))[0] / 16)
    weights = occlusion(model, image, patch_map(8, 8, 4), target=3)
    from scipy.ndimage import gaussian_filter

    blurred = np.stack([gaussian_filter(image[..., c].astype(float), 2, mode="nearest") for c in range(3)], axis=-1)
    changed = image.copy()
    changed[:4, 4:] = np.rint(blurred)[:4, 4:]
    with torch.no_grad():
        both = model.model(pixel_values=model.pixels([image, changed])).logits[:, 3].double().numpy()
    assert weights[1] == pytest.approx(both[0] - both[1], abs=1e-6)
    assert abs(weights[1]) > 1e-4


def test_integrated_gradients_sum_to_the_rise_of_the_logit_from_black():
    model = ImageModel(network(2, seed=3, num_labels=4), processor(), "model")
    image = read_image("image", CHECKS)
    weights = integrated_gradients(model, image, patch_map(8, 8, 2), target=1)
    there, black = model.scores([image, np.zeros_like(image)])[:, 1]
    assert weights.shape == (16,)
    assert weights.sum() == pytest.approx(there - black, abs=1e-3)  # of 100 steps
    model.order = np.array([1, 0, 2, 3])
    assert integrated_gradients(model, image, patch_map(8, 8, 2), target=0) == pytest.approx(weights)


def test_integrated_gradients_of_a_linear_model_are_its_weights_times_the_image():
    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.config, self.device, self.dtype = ViTConfig(), torch.device("cpu"), torch.float32
            self.layer = torch.nn.Linear(3 * 64, 2, bias=False)

        def forward(self, pixel_values):
            return type("Output", (), {"logits": self.layer(pixel_values.flatten(1))})

    model = ImageModel(Linear(), processor(do_normalize=False), "model")
    image = read_image("image", CHECKS)
    weights = integrated_gradients(model, image, patch_map(8, 8, 1), target=1)
    expected = model.model.layer.weight[1].detach().reshape(3, 64).sum(dim=0).numpy() * CHECKS.ravel()
    assert weights == pytest.approx(expected, abs=1e-5)


# Two small ViTs.


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients"])
def test_two_vits_are_compared_on_what_both_get_right(family, method):
    values, labels, _ = digits()
    result = alignment.compute(
        images=values[-40:], references=labels[-40:], model=family["small"], large_model=family["large"],
        method=method, k=SIZES, patch=2, large_patch=1, details=True,
    )  # fmt: skip
    small, large = (said(family[name], values[-40:]).argmax(axis=1) for name in ("small", "large"))
    right = np.flatnonzero((small == labels[-40:]) & (large == labels[-40:]))
    assert 25 < len(right) < 40
    assert [entry["index"] for entry in result["details"]["per_example"]] == right.tolist()
    assert result["examples_used"] == len(right)
    for k in SIZES:
        low, value, high = (result[f"jaccard_at_{k}{end}"] for end in ("_low", "", "_high"))
        assert 0 <= low <= value <= high <= 1
        assert value <= result[f"max_jaccard_at_{k}"] + 1e-12
        assert result[f"max_jaccard_at_{k}"] == pytest.approx(k / (4 * min(k, 16)))
        assert result[f"short_examples_at_{k}"] == (len(right) if k > 16 else 0)
    assert result["jaccard_at_5"] > result["expected_jaccard_at_5"]  # both look at the ink
    assert result["map_correlation"] > 0
    own = alignment.compute(
        images=values[-40:], references=labels[-40:], model=family["small"], large_model=family["large"],
        method=method, k=[1, 2],
    )  # fmt: skip
    assert own["examples_used"] == len(right)
    assert own["max_jaccard_at_1"] == own["max_jaccard_at_2"] == 1 / 4


def said(model, values):
    network, reader = model
    pixels = reader(images=[Image.fromarray(i) for i in read_images(values)], return_tensors="pt")
    with torch.no_grad():
        return network(**pixels).logits.numpy()


def test_a_model_agrees_with_itself_fully(family):
    values, labels, _ = digits()
    result = alignment.compute(
        images=values[-6:], references=labels[-6:], model=family["small"], large_model=family["small"], k=[2, 5]
    )
    assert result["jaccard_at_2"] == result["jaccard_at_5"] == result["max_jaccard_at_2"] == 1
    assert result["map_correlation"] == pytest.approx(1)


def test_every_array_metric_takes_what_image_classifiers_say(family):
    values, labels, strange = digits()
    values, labels, strange = values[-300:], labels[-300:], strange[:100]
    small, large = (said(family[name], values) for name in ("small", "large"))
    gold = {"references": labels, "from_logits": True}
    errors = evaluate.load("metrics/prediction_error_jaccard").compute(
        predictions=small, large_predictions=large, **gold
    )
    assert 0 < errors["large_error_rate"] < 0.15
    assert errors["error_rate"] == pytest.approx((small.argmax(axis=1) != labels).mean())
    gap = evaluate.load("metrics/calibration_gap").compute(predictions=small, large_predictions=large, **gold)
    assert 0 <= gap["ece"] <= 1
    ood = evaluate.load("metrics/ood_divergence").compute(
        predictions=np.concatenate([small, said(family["small"], strange)]),
        large_predictions=np.concatenate([large, said(family["large"], strange)]),
        references=[0] * len(values) + [1] * len(strange),
        from_logits=True,
    )
    assert ood["auroc"] > 0.6
    assert ood["large_auroc"] > 0.6
    embeddings = []
    for name in ("small", "large"):
        network, reader = family[name]
        pixels = reader(images=[Image.fromarray(i) for i in read_images(values)], return_tensors="pt")
        with torch.no_grad():
            embeddings.append(network(**pixels, output_hidden_states=True).hidden_states[-1].mean(dim=1).numpy())
    overlap = evaluate.load("metrics/representation_overlap").compute(
        predictions=embeddings[0], large_predictions=embeddings[1]
    )
    assert overlap["neighbor_jaccard_at_10"] > overlap["expected_neighbor_jaccard_at_10"]


# Kinds of models and images, and options.


def test_every_kind_of_model_gives_the_same_figures(family, tmp_path):
    values, labels, _ = digits()
    network, reader = family["small"]
    network.save_pretrained(tmp_path)
    reader.save_pretrained(tmp_path)
    kinds = [
        (network, reader),
        str(tmp_path),
        pipeline("image-classification", model=network, image_processor=reader),
        lambda some: said((network, reader), np.stack(some)),
    ]
    results = [
        alignment.compute(images=values[-4:], references=labels[-4:], model=kind, large_model=kind, patch=2,
                          large_patch=4, k=2)
        for kind in kinds
    ]  # fmt: skip
    assert all(result == pytest.approx(results[0]) for result in results)


@pytest.mark.parametrize("shape", [(8, 8), (3, 20), (20, 3), (8, 1)])
def test_a_processor_gets_every_shape_of_image_as_it_is(shape):
    model = ImageModel(network(2), processor(), "model")
    image = read_image("image", np.random.default_rng(0).random((*shape, 3)))
    expected = processor()(images=Image.fromarray(image), return_tensors="pt")["pixel_values"]
    assert torch.equal(model.pixels([image]), expected)


def test_every_kind_of_image_is_the_same_image():
    grey = np.indices((8, 8)).sum(axis=0) * 10
    color = np.repeat(grey[..., None], 3, axis=2)
    kinds = [grey, grey.astype(np.uint8), color, grey / 255, (grey / 255).astype(np.float32), torch.tensor(color)]
    kinds += [Image.fromarray(grey.astype(np.uint8)), Image.fromarray(color.astype(np.uint8)), grey[..., None].tolist()]
    assert (read_image("image", grey > 70) == np.where(color > 70, 255, 0)).all()
    for kind in kinds:
        (image,) = read_images([kind])
        assert image.dtype == np.uint8
        assert (image == color).all()


def test_classes_are_matched_by_name():
    names = {i: f"kind {i}" for i in range(3)}
    one = network(2, num_labels=3, id2label=names)
    other = network(2, num_labels=3, id2label={i: names[2 - i] for i in range(3)})
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        for values in (other.classifier.weight, other.classifier.bias):
            values.copy_(values.flip(0))
    arguments = {"images": [CHECKS], "k": 2, "both_right": False, "references": ["kind 2"]}
    for method in ("occlusion", "integrated_gradients"):
        result = alignment.compute(
            **arguments, model=(other, processor()), large_model=(one, processor()), method=method, details=True
        )
        (entry,) = result["details"]["per_example"]
        assert entry["weights"] == pytest.approx(entry["large_weights"], abs=1e-6)
        assert np.ptp(entry["weights"]) > 2e-4


def test_a_batch_is_halved_when_memory_runs_out():
    model = ImageModel(network(2), processor(), "model")
    some = read_images(np.random.default_rng(0).random((9, 8, 8)))
    expected = model.scores(some)

    def small_memory(module, args, kwargs):
        if len(kwargs["pixel_values"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = model.model.register_forward_pre_hook(small_memory, with_kwargs=True)
    assert model.scores(some) == pytest.approx(expected, abs=1e-6)
    handle.remove()
    assert model.batch == 2


def test_own_explains_what_each_model_predicts():
    bright, dark = brightness_of(slice(4), slice(4)), lambda some: -brightness_of(slice(4), slice(4))(some)
    arguments = {"images": [np.eye(8)], "model": bright, "large_model": dark, "patch": 4, "large_patch": 4, "k": 1}
    arguments |= {"both_right": False, "details": True}
    own = alignment.compute(**arguments, explain="own")["details"]["per_example"][0]
    assert own["weights"][0] > 0
    assert own["large_weights"][0] == pytest.approx(0)  # its first class has a logit that never changes
    large = alignment.compute(**arguments, explain="large")["details"]["per_example"][0]
    assert large["weights"][0] == pytest.approx(0)


def test_what_is_finished_is_kept_when_a_model_fails():
    calls = []

    def failing(some):
        calls.append(len(some))
        if len(calls) > 4:
            raise RuntimeError("broken")
        return brightness_of(slice(4), slice(4))(some)

    arguments = {"images": [CHECKS] * 5, "references": [1] * 5, "patch": 4, "large_patch": 4, "k": 1}
    with pytest.raises(ValueError, match=r"broken.; 1 of 5 images were finished") as caught:
        alignment.compute(**arguments, model=failing, large_model=brightness_of(slice(4), slice(4)))
    assert caught.value.partial["examples_used"] == alignment.partial["examples_used"] == 1


def test_plots_show_the_figures_and_where_the_patches_are(family):
    values, labels, _ = digits()
    result = alignment.compute(
        images=values[-3:], references=labels[-3:], model=family["small"], large_model=family["large"], k=[5, 2],
        details=True,
    )  # fmt: skip
    for axis, k in zip(alignment.plot(result).axes, (5, 2), strict=True):
        key = f"jaccard_at_{k}"
        assert sum(bar.get_height() for bar in axis.patches) == pytest.approx(100)
        chance, most, mean = (line.get_xdata()[0] for line in axis.lines)
        assert (chance, most, mean) == (result[f"expected_{key}"], result[f"max_{key}"], result[key])
        assert f"most possible {most:.3f}" in axis.texts[0].get_text()
    entry, figure = result["details"]["per_example"][0], alignment.plot(result, example=0)
    whole, compressed, large, together = figure.axes
    assert (whole.images[0].get_array() == entry["image"]).all()
    masks = []
    for axis, prefix in ((compressed, ""), (large, "large_")):
        patches, weights = entry[f"{prefix}patches"], np.array(entry[f"{prefix}weights"])
        np.testing.assert_allclose(axis.images[0].get_array(), weights[patches] / np.abs(weights).max())
        masks.append(top_mask(patches, weights, 5))
        edges = sum(np.count_nonzero(np.diff(np.pad(masks[-1].astype(int), 1), axis=a)) for a in (0, 1))
        assert len(segments_of(axis)) == edges  # a line of one pixel for each of them
    assert ((together.images[1].get_array()[..., 3] > 0) == masks[0] & masks[1]).all()
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    both = f"together: Jaccard {entry['jaccard_at_5']:.2f}"
    assert titles == ["image", "compressed: top 5 patches", "large: top 5 patches", both]
    share = f"share {entry['expected_jaccard_at_5']:.2f}, the most is {entry['max_jaccard_at_5']:.2f}"
    assert share in figure.get_suptitle()
    assert result["details"]["signature"].startswith("attribution_alignment:")


GOOD = {"images": [CHECKS], "references": [1], "patch": 4, "large_patch": 4, "k": 1}
GOOD |= {"model": brightness_of(slice(4), slice(4)), "large_model": brightness_of(slice(4), slice(4))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": []}, r"images needs a list of one or more images, got \[\]"),
        ({"images": "cat.png"}, "images needs a list of one or more images, got .cat.png."),
        ({"images": {1, 2}}, "images needs a list of one or more images, got"),
        ({"images": [np.zeros(5)]}, r"images\[0\] must be an image or an array of height x width"),
        ({"images": [CHECKS, np.zeros((3, 8, 8))]}, r"images\[1\] must be an image"),
        ({"images": [CHECKS * 2]}, r"images\[0\] must hold fractions from 0 to 1, got 0 to 2"),
        ({"images": [CHECKS.astype(int) - 1]}, "must hold whole numbers from 0 to 255, got -1 to 0"),
        ({"images": [CHECKS * np.nan]}, "must hold fractions from 0 to 1"),
        ({"images": [None]}, r"images\[0\] must be an image"),
        ({"references": None}, "references is missing"),
        ({"references": [7]}, r"references\[0\] is 7, which is none of large_model's 2 classes"),
        ({"references": [0]}, "there is no image that both models get right"),
        ({"patch": None}, "model has no patches of its own: give their side in pixels, as patch or large_patch"),
        ({"patch": 0}, "patch must be a whole number of at least 1, got 0"),
        ({"k": [2, 2]}, "k must be one number or several different ones"),
        ({"method": "lime"}, "method must be 'occlusion' or 'integrated_gradients', got 'lime'"),
        ({"method": "integrated_gradients"}, "needs transformers models, and model is a function"),
        ({"runs": 3}, "unknown option runs"),
        ({"texts": ["a"]}, "give images, or texts, or explanations"),
        ({"model": None}, "model is missing: images take both models"),
        ({"model": 3}, "model must be a callable, a pipeline, .model, image processor."),
        ({"model": (network(2), len, 1)}, "model must be a callable"),
        ({"model": "./nowhere"}, "model: there is no folder ./nowhere"),
        ({"model": network(2)}, "model must be a callable, a pipeline"),
        ({"model": lambda some: [[0, 1, 2]] * len(some)}, "model has 3 classes but large_model has 2"),
        ({"model": lambda some: [[0, np.nan]] * len(some)}, "model returned NaN or infinity"),
        ({"model": lambda some: [0, 1]}, r"model returned an array of shape \(2,\), expected \(1, number of classes\)"),
        ({"model": (network(2), processor()), "images": [CHECKS[:3, :3]], "patch": None}, "model has 10 classes"),
    ],
)
def test_bad_input_is_one_sentence(change, words):
    with pytest.raises(ValueError, match=words):
        alignment.compute(**GOOD | change)


def test_a_processor_that_crops_leaves_patches_without_a_place():
    class Cropping:
        do_center_crop = True

        def __call__(self, **given):
            return processor()(**given)

    vit = network(2, num_labels=2), Cropping()
    for change in ({"patch": None}, {"method": "integrated_gradients"}):
        with pytest.raises(ValueError, match=r"processor crops images, so that its .* cannot be placed on them"):
            alignment.compute(**GOOD | {"model": vit, "large_model": vit, "both_right": False} | change)


def test_an_image_with_fewer_pixels_than_patches_needs_a_patch_size():
    vit = network(1, num_labels=2), processor()
    arguments = GOOD | {"model": vit, "large_model": vit, "both_right": False, "images": [CHECKS[:4, :4]]}
    assert alignment.compute(**arguments)["examples_used"] == 1
    with pytest.raises(ValueError, match="cuts an image into 8 x 8 patches, more than an image of 4 x 4 pixels has"):
        alignment.compute(**arguments | {"patch": None})


def test_a_patch_larger_than_the_image_is_the_whole_image():
    assert patch_map(3, 5, side=10**400).max() == 0


def test_a_correlation_without_an_answer_is_none_in_the_details():
    even = {"model": lambda some: [[0, 1]] * len(some)}
    result = alignment.compute(**GOOD | even, details=True, both_right=False)
    assert result["map_correlation"] == 0
    assert {example["map_correlation"] for example in result["details"]["per_example"]} == {None}
