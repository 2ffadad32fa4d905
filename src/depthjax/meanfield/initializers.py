"""Initial weights with the variances that signal propagation speaks of.

Each function returns `init(key, shape, dtype, out_sharding=None)`, as `jax.nn.initializers` do, for kernels of shape
(*window, in, out), the layout of flax.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core._options import chosen, non_negative, positive
from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._critical import critical_sigma_w
from depthjax.meanfield._length import length_map_slope

Initializer = Callable[..., jax.Array]


def _placed(value: jax.Array, out_sharding: Any) -> jax.Array:
    return value if out_sharding is None else jax.device_put(value, out_sharding)


def _dtype(dtype: Any) -> Any:
    return jnp.result_type(float) if dtype is None else dtype


def _kernel_shape(function: str, shape: tuple[int, ...], least: int = 2, most: int | None = None) -> tuple[int, ...]:
    shape = tuple(shape)
    if len(shape) < least or (most is not None and len(shape) > most) or 0 in shape:
        wanted = f"(*window, in, out) of rank {least}" + (" or more" if most is None else f" to {most}")
        raise ValueError(f"{function}: shape is {shape}, expected {wanted}")
    return shape


def gaussian(sigma_w: float) -> Initializer:
    """Independent normal entries of variance sigma_w^2/fan_in, not truncated.

    Args:
        sigma_w: standard deviation times sqrt(fan_in), positive; fan_in of a convolution is taps times channels in.

    Returns:
        Initialiser of kernels of rank two or more.

    Raises:
        ValueError: sigma_w not positive; when called, a shape of lower rank.

    Source: Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016, sec. 2.
    """
    positive("gaussian", sigma_w=sigma_w)

    def init(key, shape, dtype=None, out_sharding=None):
        shape = _kernel_shape("gaussian", shape)
        scale = sigma_w / math.sqrt(math.prod(shape[:-1]))
        return _placed(scale * jax.random.normal(key, shape, _dtype(dtype)), out_sharding)

    return init


def _haar(key: jax.Array, rows: int, columns: int, dtype: Any) -> jax.Array:
    """(rows, columns) with orthonormal columns, or rows if there are fewer of them, of the invariant law."""
    wide = columns > rows
    precise = jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
    normal = jax.random.normal(key, (columns, rows) if wide else (rows, columns), precise)
    q, r = jnp.linalg.qr(normal)
    q = q * jnp.sign(jnp.diagonal(r))[None, :]
    return (q.T if wide else q).astype(dtype)


def _orthogonal(key: jax.Array, rows: int, columns: int, sigma_w: float, dtype: Any) -> jax.Array:
    """Keeps the variance of a coordinate: where the layer widens, lengths have to grow."""
    return (sigma_w * math.sqrt(max(1.0, columns / rows))) * _haar(key, rows, columns, dtype)


def orthogonal(sigma_w: float) -> Initializer:
    """Random orthogonal weights that keep the variance of a coordinate, times sigma_w.

    Args:
        sigma_w: positive.

    Returns:
        Initialiser of kernels of rank two or more, a window counted with the channels in: for (in, out) with
        in >= out, W^T W = sigma_w^2 I; a layer that widens has orthogonal rows of squared length sigma_w^2 out/in;
        `jax.nn.initializers.orthogonal` would lose the factor out/in.

    Raises:
        ValueError: sigma_w not positive; when called, a shape of lower rank.

    Source: Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid", 2017, sec. 3; Mezzadri (2007) for the law.
    """
    positive("orthogonal", sigma_w=sigma_w)

    def init(key, shape, dtype=None, out_sharding=None):
        shape = _kernel_shape("orthogonal", shape)
        matrix = _orthogonal(key, math.prod(shape[:-1]), shape[-1], sigma_w, _dtype(dtype))
        return _placed(matrix.reshape(shape), out_sharding)

    return init


def delta_orthogonal(sigma_w: float) -> Initializer:
    """Convolutions that are orthogonal at the centre tap (k - 1)//2 and zero elsewhere.

    Args:
        sigma_w: positive.

    Returns:
        Initialiser of kernels of rank three to five, with more channels in than out or fewer, scaled as `orthogonal`.

    Raises:
        ValueError: sigma_w not positive; when called, a shape of another rank.

    Source: Xiao et al., "Dynamical isometry and a mean field theory of CNNs", 2018, algorithm 1.
    """
    positive("delta_orthogonal", sigma_w=sigma_w)

    def init(key, shape, dtype=None, out_sharding=None):
        shape = _kernel_shape("delta_orthogonal", shape, 3, 5)
        dtype = _dtype(dtype)
        centre = tuple((size - 1) // 2 for size in shape[:-2])
        matrix = _orthogonal(key, shape[-2], shape[-1], sigma_w, dtype)
        return _placed(jnp.zeros(shape, dtype).at[centre].set(matrix), out_sharding)

    return init


def bias(sigma_b: float) -> Initializer:
    """Independent normal biases.

    Args:
        sigma_b: standard deviation, nonnegative.

    Returns:
        Initialiser of any shape.

    Raises:
        ValueError: sigma_b negative.

    Source: Poole et al. (2016), sec. 2.
    """
    non_negative("bias", sigma_b=sigma_b)

    def init(key, shape, dtype=None, out_sharding=None):
        return _placed(sigma_b * jax.random.normal(key, tuple(shape), _dtype(dtype)), out_sharding)

    return init


_KINDS = {"gaussian": gaussian, "orthogonal": orthogonal, "delta_orthogonal": delta_orthogonal}


def critical(activation: Activation, *, sigma_b: float, kind: str = "orthogonal") -> Initializer:
    """Weights on the critical line, where chi_1 = 1 at the fixed length for the given biases.

    Args:
        activation: phi.
        sigma_b: standard deviation of the biases, which `bias(sigma_b)` draws.
        kind: "gaussian", "orthogonal" or "delta_orthogonal".

    Returns:
        Initialiser of kernels with the first critical sigma_w, in order of the length, whose length is stable.

    Raises:
        ValueError: an unknown kind, sigma_b negative, no critical point, or none whose length is stable: at a slope of
            the length map above 1 signals leave it for another length.

    Source: Schoenholz et al., "Deep information propagation", 2017, sec. 3.
    """
    chosen("critical", "kind", kind, _KINDS)
    require_activation("critical", activation)
    non_negative("critical", sigma_b=sigma_b)
    with jax.ensure_compile_time_eval():
        points = critical_sigma_w(float(sigma_b), activation)
        candidates = list(zip(np.asarray(points.q), np.asarray(points.sigma_w), strict=True))
        candidates = [(q, sigma_w) for q, sigma_w in candidates if np.isfinite(sigma_w)]
        slopes = [float(length_map_slope(q, sigma_w, activation)) for q, sigma_w in candidates]
    # Without biases the length of ReLU and the like is kept whatever it is: slope 1 to rounding.
    stable = [pair for pair, slope in zip(candidates, slopes, strict=True) if slope <= 1.0 + 1e-6]
    if not candidates:
        raise ValueError(f"critical: sigma_b is {sigma_b}, where this activation has no critical sigma_w")
    if not stable:
        raise ValueError(
            f"critical: sigma_b is {sigma_b}, where the fixed lengths {[float(q) for q, _ in candidates]} at critical "
            f"sigma_w are not stable (slopes {slopes} of the length map, expected at most 1)"
        )
    return _KINDS[kind](float(stable[0][1]))
