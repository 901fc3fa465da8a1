"""One image as both models see it: the patches that matter to each, and where they meet."""

from typing import Any

import numpy as np

from trusteq.dimensions.plots.colors import BOTH, COMPRESSED, LARGE


def plot_image(details: dict[str, Any], index: int) -> Any:
    """The image, each model's weights on it with its top K patches outlined, and both models' pixels together."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    entry, k = details["per_example"][index], details["k"][0]
    figure = Figure(figsize=(12, 4.1), layout="constrained")
    axes = figure.subplots(1, 4)
    axes[0].imshow(entry["image"])
    axes[0].set_title("image", loc="left", fontsize=11)
    models: list[Any] = [("compressed", COMPRESSED, "", "solid"), ("large", LARGE, "large_", "dashed")]
    masks = []
    for axis, (name, color, prefix, style) in zip(axes[1:3], models, strict=True):
        patches, weights = entry[f"{prefix}patches"], np.array(entry[f"{prefix}weights"])
        masks.append(np.isin(patches, np.argsort(-weights, kind="stable")[:k]))
        reach = np.abs(weights).max() or 1.0
        axis.imshow(weights[patches] / reach, cmap="PiYG", vmin=-1, vmax=1)
        outline(axis, masks[-1], color, style)
        axis.set_title(f"{name}: top {k} patches", loc="left", fontsize=11, color=color, fontweight="bold")
    axes[3].imshow(entry["image"].mean(axis=2), cmap="gray", vmin=0, vmax=255, alpha=0.5)
    both = np.zeros((*masks[0].shape, 4))
    both[masks[0] & masks[1]] = [int(BOTH[i : i + 2], 16) / 255 for i in (1, 3, 5)] + [0.65]
    axes[3].imshow(both)
    for mask, (_, color, _, style) in zip(masks, models, strict=True):
        outline(axes[3], mask, color, style)
    axes[3].set_title(f"together: Jaccard {entry[f'jaccard_at_{k}']:.2f}", loc="left", fontsize=11)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    keys = [Patch(facecolor="none", edgecolor=color, linestyle=style, linewidth=2, label=name)
            for name, color, _, style in models]  # fmt: skip
    figure.legend(handles=[*keys, Patch(facecolor=BOTH, alpha=0.65, label="both")], loc="outside lower right",
                  ncols=3, frameon=False)  # fmt: skip
    chance, most = entry[f"expected_jaccard_at_{k}"], entry[f"max_jaccard_at_{k}"]
    share = f"two random sets of {k} patches share {chance:.2f}, the most is {most:.2f}"
    colors = "Green raises the class's score, pink lowers it."
    figure.suptitle(f"Image {entry['index']}: {share}. {colors}", fontsize=10, x=0.01, ha="left")
    return figure


def outline(axis: Any, mask: np.ndarray, color: str, style: str) -> None:
    """A line around the pixels of a mask, along their edges."""
    padded = np.pad(mask, 1)
    down = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])  # between a pixel and the one above it
    right = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    for lines, places in ((axis.hlines, down), (axis.vlines, right)):
        if len(places):
            along, across = (1, 0) if lines == axis.hlines else (0, 1)
            at, start = places[:, across] - 0.5, places[:, along] - 0.5
            lines(at, start, start + 1, color=color, linestyle=style, linewidth=2.2)
