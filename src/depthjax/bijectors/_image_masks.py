"""Masks of images, as static host arrays: couplings, masked convolutions, receptive fields."""

from collections.abc import Sequence

import numpy as np


def checkerboard_mask(height: int, width: int, parity: int = 0, *, channels: int = 1) -> np.ndarray:
    """Mask of a coupling that keeps every other pixel, in all channels.

    Args:
        height: h.
        width: w.
        parity: 0 keeps the pixels with i + j even, 1 those with i + j odd.
        channels: c.

    Returns:
        (h, w, c) of bool; True marks what stays fixed. `Coupling` takes it flattened.

    Raises:
        ValueError: another parity.

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), sec. 3.4.
    """
    _check_parity("checkerboard_mask", parity)
    pixels = np.indices((height, width)).sum(axis=0) % 2 == parity
    return np.repeat(pixels[:, :, None], channels, axis=2)


def channel_mask(height: int, width: int, channels: int, parity: int = 0) -> np.ndarray:
    """Mask of a coupling that keeps half of the channels, at every pixel.

    Args:
        height: h.
        width: w.
        channels: c, at least 2.
        parity: 0 keeps the first half, 1 the second.

    Returns:
        (h, w, c) of bool; True marks what stays fixed.

    Raises:
        ValueError: another parity, or a single channel.

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), sec. 3.4.
    """
    _check_parity("channel_mask", parity)
    if channels < 2:
        raise ValueError(f"channel_mask: needs two channels at least, got {channels}")
    first = np.arange(channels) < channels // 2
    return np.broadcast_to(first if parity == 0 else ~first, (height, width, channels)).copy()


def _check_parity(name, parity):
    if parity not in (0, 1):
        raise ValueError(f"{name}: parity is 0 or 1, got {parity}")


def pixelcnn_mask(
    kernel_size: int | tuple[int, int], kind: str = "A", *, order: str = "raster", channels: int = 1
) -> np.ndarray:
    """Mask of a convolution kernel (not flipped) under which a pixel sees only those before it.

    Args:
        kernel_size: odd number, or (rows, columns).
        kind: "A" hides the pixel itself, as the first layer must; "B" shows it.
        order: "raster" takes rows from the top down, so that kernel rows above the centre are open; "reverse" from the
            bottom up, so that those below are. Within a row both go from left to right.
        channels: groups of features, one for each colour channel; a channel sees the channels before it at the same
            pixel, for kind "B" also its own.

    Returns:
        (rows, columns, channels in, channels out) of int, the layout of `jax.lax.conv_general_dilated` with "HWIO".

    Raises:
        ValueError: an even kernel, an unknown kind or order.

    Source:
        van den Oord, Kalchbrenner, Kavukcuoglu, Pixel Recurrent Neural Networks (2016), sec. 3.4.
    """
    rows, columns = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    if rows % 2 == 0 or columns % 2 == 0 or min(rows, columns) < 1:
        raise ValueError(f"pixelcnn_mask: kernel_size must be odd, got {kernel_size}")
    if kind not in ("A", "B"):
        raise ValueError(f"pixelcnn_mask: kind is 'A' or 'B', got {kind!r}")
    if order not in ("raster", "reverse"):
        raise ValueError(f"pixelcnn_mask: order is 'raster' or 'reverse', got {order!r}")
    centre = rows * columns // 2
    place = np.arange(rows * columns).reshape(rows, columns, 1, 1)
    first, second = np.indices((channels, channels))
    own = first < second if kind == "A" else first <= second
    mask = ((place < centre) | ((place == centre) & own)).astype(int)
    return mask if order == "raster" else mask[::-1]


def path_counts(masks: Sequence[np.ndarray], image_shape: tuple[int, ...], target: tuple[int, ...]) -> np.ndarray:
    """Number of paths from every input to one output of a stack of masked convolutions with zero padding.

    Args:
        masks: kernels (rows, columns, channels in, channels out) as of `pixelcnn_mask`, first layer first.
        image_shape: (h, w) for one channel, or (h, w, c).
        target: index of the output, as long as `image_shape`.

    Returns:
        Integers of shape `image_shape`.

    Raises:
        ValueError: a target outside the image, or masks of another number of channels.
    """
    return _trace_back(masks, image_shape, target, object).astype(np.int64)


def receptive_field(masks: Sequence[np.ndarray], image_shape: tuple[int, ...], target: tuple[int, ...]) -> np.ndarray:
    """The inputs that one output of a stack of masked convolutions depends on.

    Args:
        masks: as of `path_counts`.
        image_shape: (h, w) for one channel, or (h, w, c).
        target: index of the output, as long as `image_shape`.

    Returns:
        Bool of shape `image_shape`. A plain stack of raster masks has a blind spot: to the right of the target, the
        cone of rows above never reaches (row - 1, column + 2).

    Raises:
        ValueError: a target outside the image, or masks of another number of channels.

    Source:
        van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016), fig. 1: the blind spot.
    """
    return _trace_back(masks, image_shape, target, bool)


def _trace_back(masks, image_shape, target, dtype):
    """Counts (or, for bool, existence) of paths, from the output backwards through each kernel."""
    shape = (*image_shape, 1) if len(image_shape) == 2 else tuple(image_shape)
    index = (*target, 0) if len(target) == 2 else tuple(target)
    if len(target) != len(image_shape) or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise ValueError(f"target {tuple(target)} is no pixel of an image {tuple(image_shape)}")
    height, width, channels = shape
    counts = np.zeros(shape, dtype)
    counts[index] = 1
    for mask in reversed(masks):
        mask = np.asarray(mask)
        if mask.ndim != 4 or mask.shape[2:] != (channels, channels):
            raise ValueError(f"a mask has shape {mask.shape}, expected (rows, columns, {channels}, {channels})")
        top, left = mask.shape[0] // 2, mask.shape[1] // 2
        padded = np.zeros((height + 2 * top, width + 2 * left, channels), dtype)
        for (row, column), kernel in zip(np.ndindex(mask.shape[:2]), mask.reshape(-1, channels, channels), strict=True):
            padded[row : row + height, column : column + width] += counts @ kernel.T.astype(dtype)
        counts = padded[top : top + height, left : left + width]
    return counts if len(image_shape) == 3 else counts[:, :, 0]


def receptive_extent(
    kernels: Sequence[int], dilations: Sequence[int] | None = None, strides: Sequence[int] | None = None
) -> int:
    """Width of the input interval that one output of a stack of one-dimensional convolutions sees.

    extent = 1 + sum_l (k_l - 1) d_l prod_{m<l} s_m.

    Args:
        kernels: sizes k, first layer first.
        dilations: d, all 1 if None.
        strides: s, all 1 if None.

    Raises:
        ValueError: lengths that differ, or numbers below 1.
    """
    ones = [1] * len(kernels)
    dilations, strides = list(dilations or ones), list(strides or ones)
    if not len(kernels) == len(dilations) == len(strides) or min([1, *kernels, *dilations, *strides]) < 1:
        raise ValueError(
            f"receptive_extent: one positive kernel, dilation and stride for each layer, got {list(kernels)}, "
            f"{dilations}, {strides}"
        )
    jumps = np.cumprod([1, *strides])[:-1]
    return 1 + int(sum((k - 1) * d * int(j) for k, d, j in zip(kernels, dilations, jumps, strict=True)))
