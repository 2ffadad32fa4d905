"""Degrees and masks of autoregressive networks, as static host arrays."""

from collections.abc import Sequence

import jax
import numpy as np


def made_degrees(
    dim: int,
    hidden: Sequence[int],
    *,
    order: str | Sequence[int] = "natural",
    style: str = "cyclic",
    key: jax.Array | None = None,
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Degrees of the inputs, hidden units and outputs of a MADE.

    A unit of degree m may see the inputs of degree at most m; the output of degree i sees degrees below i.

    Args:
        dim: number of inputs d, at least 1.
        hidden: widths of the hidden layers.
        order: "natural", "reverse", or a permutation of 1..d: the degree of each input.
        style: "cyclic" gives unit j the degree 1 + j mod (d-1), so that all degrees are equally frequent; "random"
            draws degrees uniformly between the least degree of the layer below and d-1.
        key: random key, for style "random" only.

    Returns:
        Input degrees (d,), one integer array per hidden layer, output degrees (d,).

    Raises:
        ValueError: if a size is below 1, `order` is not a permutation of 1..d, or `style` is unknown or lacks its key.

    Source:
        Germain, Gregor, Murray, Larochelle, MADE (2015), sec. 3 and 4.2.
    """
    if dim < 1 or any(width < 1 for width in hidden):
        raise ValueError(f"made_degrees: dim and hidden widths must be at least 1, got {dim} and {tuple(hidden)}")
    named = {"natural": np.arange(1, dim + 1), "reverse": np.arange(dim, 0, -1)}
    degrees = named[order] if isinstance(order, str) and order in named else np.asarray(order)
    if degrees.shape != (dim,) or not np.array_equal(np.sort(degrees), named["natural"]):
        raise ValueError(
            f"made_degrees: order must be 'natural', 'reverse' or a permutation of 1..{dim}, got {order!r}"
        )
    if style not in ("cyclic", "random") or (style == "random" and key is None):
        raise ValueError(f"made_degrees: style must be 'cyclic', or 'random' with a key, got {style!r}")
    top = max(dim - 1, 1)
    if style == "cyclic":
        return degrees, [1 + np.arange(width) % top for width in hidden], degrees
    layers, least = [], 1
    for number, width in enumerate(hidden):
        drawn = jax.random.randint(jax.random.fold_in(key, number), (width,), least, top + 1)
        layers.append(np.asarray(drawn, dtype=int))
        least = int(layers[-1].min())
    return degrees, layers, degrees


def made_masks(
    in_degrees: Sequence[int], hidden_degrees: Sequence[Sequence[int]], out_degrees: Sequence[int]
) -> list[np.ndarray]:
    """Masks of the weight matrices of a MADE.

    Args:
        in_degrees: (d_in,), degree of every input; a context input has degree 0.
        hidden_degrees: one (width,) per hidden layer.
        out_degrees: (d_out,).

    Returns:
        Integer matrices (rows of the layer, columns of the layer below): one where the degree of the row is at least
        that of the column, and above it in the last matrix.

    Source:
        Germain et al., MADE (2015), eq. 12 and 13.
    """
    layers = [np.asarray(degrees) for degrees in (in_degrees, *hidden_degrees, out_degrees)]
    masks = [
        (above[:, None] >= below[None, :]).astype(int) for below, above in zip(layers[:-2], layers[1:-1], strict=True)
    ]
    return [*masks, (layers[-1][:, None] > layers[-2][None, :]).astype(int)]


def autoregressive_paths(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Number of paths from every input to every output of a masked network.

    Args:
        masks: integer matrices, first layer first.

    Returns:
        (d_out, d_in) counts, the product of the masks; strictly lower triangular for natural order exactly when the
        network is autoregressive.

    Source:
        Germain et al., MADE (2015), sec. 3.
    """
    paths = np.asarray(masks[0], dtype=object)
    for mask in masks[1:]:
        paths = np.asarray(mask, dtype=object) @ paths
    return paths.astype(np.int64)
