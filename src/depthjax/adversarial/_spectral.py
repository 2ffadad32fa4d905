"""Operator norms of weights, and weights with a bound on theirs."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import at_least, non_negative
from depthjax.numerics import safe_norm
from depthjax.numerics._arguments import floats


def clip_weights(params: Any, bound: ArrayLike) -> Any:
    """Every entry of a tree clipped to [-bound, bound].

    Args:
        params: tree of arrays.
        bound: () nonnegative.

    Returns:
        Tree of the same structure.

    Raises:
        ValueError: a negative concrete bound.

    Source:
        Arjovsky, Chintala and Bottou, Wasserstein GAN (2017), algorithm 1.
    """
    non_negative("clip_weights", bound=bound)

    def clip(leaf):
        limit = jnp.asarray(bound, leaf.dtype)
        return jnp.clip(leaf, -limit, limit)

    return jax.tree.map(clip, jax.tree.map(jnp.asarray, params))


def _largest_singular_value(matrices: jax.Array) -> jax.Array:
    return jnp.linalg.svd(matrices, compute_uv=False)[..., 0]


def _power_iteration(matrix: jax.Array, num_steps: int) -> jax.Array:
    def unit(v):
        norm = safe_norm(v)
        return v / jnp.where(norm > 0.0, norm, 1.0)

    def step(v, _):
        return unit(matrix.T @ unit(matrix @ v)), None

    start = unit(jax.random.normal(jax.random.key(0), matrix.shape[1:], matrix.dtype))
    return safe_norm(matrix @ lax.scan(step, start, length=num_steps)[0])


def spectral_norm(matrix: ArrayLike, *, num_steps: int | None = None) -> jax.Array:
    """Largest singular value of a matrix.

    Args:
        matrix: (m, n).
        num_steps: static; None takes the exact value from a singular value decomposition, a number that many power
            iterations from a fixed start, a lower bound that is close where the second singular value is smaller.

    Returns:
        () norm. The gradient is u v^T; where singular values coincide, that of one of them.

    Raises:
        ValueError: not a matrix, no rows or columns, or `num_steps` below 1.

    Source:
        Miyato et al., Spectral Normalization for GANs (2018), section 2.
    """
    (matrix,) = floats(matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"spectral_norm: matrix has shape {matrix.shape}, expected (m, n) with m, n >= 1; for a convolution use "
            f"conv_spectral_norm"
        )
    if num_steps is None:
        return _largest_singular_value(matrix)
    at_least("spectral_norm", "num_steps", num_steps, 1)
    return _power_iteration(matrix, num_steps)


def conv_spectral_norm(kernel: ArrayLike, input_shape: tuple[int, ...]) -> jax.Array:
    """Operator norm of a convolution of stride one with circular padding.

    The Fourier transform of the kernel is block diagonal, one (out, in) matrix per frequency; the norm is the largest
    of theirs.

    Args:
        kernel: (*window, in, out), the layout of flax.
        input_shape: static spatial sizes of the input, at least those of the window.

    Returns:
        () norm; for zero padding an upper bound.

    Raises:
        ValueError: sizes that do not match, or a window larger than the input.

    Numerics:
        Each complex matrix enters as the real one [[Re, -Im], [Im, Re]], which has its singular values twice.

    Cost:
        One (2 out, 2 in) singular value decomposition for every second frequency.

    Source:
        Sedghi, Gupta and Long, The Singular Values of Convolutional Layers (2019), theorem 6.
    """
    (kernel,) = floats(kernel)
    window = kernel.shape[:-2]
    if (
        kernel.ndim < 3
        or len(input_shape) != len(window)
        or any(n < k for n, k in zip(input_shape, window, strict=True))
    ):
        raise ValueError(
            f"conv_spectral_norm: kernel has shape {kernel.shape} and input_shape is {tuple(input_shape)}, expected "
            f"(*window, in, out) and as many sizes, at least those of the window"
        )
    spectrum = jnp.fft.rfftn(kernel, tuple(input_shape), axes=tuple(range(len(window))))
    blocks = spectrum.reshape(-1, *kernel.shape[-2:])
    real, imag = blocks.real, blocks.imag
    embedded = jnp.concatenate([jnp.concatenate([real, -imag], 2), jnp.concatenate([imag, real], 2)], 1)
    return jnp.max(_largest_singular_value(embedded))


def spectral_normalise(params: Any, *, bound: ArrayLike = 1.0) -> Any:
    """Every matrix of a tree scaled to operator norm `bound`; vectors and scalars as they are.

    Args:
        params: tree of arrays.
        bound: () norm of each matrix after.

    Returns:
        Tree of the same structure; a zero matrix stays zero.

    Raises:
        ValueError: a leaf of more than two axes, whose norm as an operator depends on its use (a convolution's on its
            input: divide by `conv_spectral_norm`; for stacked matrices use vmap); a negative concrete bound.

    Source:
        Miyato et al. (2018), eq. 8.
    """
    non_negative("spectral_normalise", bound=bound)

    def normalise(path, leaf):
        leaf = jnp.asarray(leaf)
        if leaf.ndim > 2:
            raise ValueError(
                f"spectral_normalise: leaf {jax.tree_util.keystr(path)} has shape {leaf.shape}, expected at most two "
                f"axes; divide a convolution's kernel by conv_spectral_norm, use vmap for stacked matrices"
            )
        if leaf.ndim < 2:
            return leaf
        norm = spectral_norm(leaf)
        return leaf * (jnp.asarray(bound, leaf.dtype) / jnp.where(norm > 0.0, norm, 1.0))

    return jax.tree_util.tree_map_with_path(normalise, params)
