"""How many linear regions a network of rectifiers cuts its inputs into."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import at_least, is_concrete


def _sizes(function: str, num_inputs: int, widths: Sequence[int]) -> list[int]:
    at_least(function, "num_inputs", num_inputs, 1)
    widths = [int(width) for width in widths]
    if not widths:
        raise ValueError(f"{function}: widths is empty, expected at least one layer")
    for width in widths:
        at_least(function, "every width", width, 1)
    return widths


def _partial_sum(count: int, most: int) -> int:
    return sum(math.comb(count, j) for j in range(min(count, most) + 1))


def hyperplane_region_count(num_inputs: int, num_units: int) -> int:
    """Regions that m hyperplanes in general position cut R^n into, sum_{i <= min(n, m)} C(m, i).

    Args:
        num_inputs: n, at least 1.
        num_units: m, at least 0.

    Returns:
        The exact number.

    Raises:
        ValueError: sizes out of range.

    Source: Zaslavsky, Facing up to Arrangements (1975).
    """
    at_least("hyperplane_region_count", "num_inputs", num_inputs, 1)
    at_least("hyperplane_region_count", "num_units", num_units, 0)
    return _partial_sum(num_units, num_inputs)


def hyperplane_region_count_log(num_inputs: int, num_units: ArrayLike) -> jax.Array:
    """Logarithm of `hyperplane_region_count` for a traced number of units.

    Args:
        num_inputs: static n, at least 1.
        num_units: m, any shape, whole and nonnegative.

    Returns:
        Nats, like `num_units`; NaN for a traced number that is not whole or is negative.

    Raises:
        ValueError: no inputs, or a concrete number of units that is negative or not whole.

    Numerics: log C(m, i) = sum_{j < i} log((m - j)/(j + 1)), which does not subtract large logarithms.
    """
    name = "hyperplane_region_count_log"
    at_least(name, "num_inputs", num_inputs, 1)
    m = jnp.asarray(num_units)
    m = m if jnp.issubdtype(m.dtype, jnp.floating) else m.astype(jnp.result_type(float))
    whole = (m >= 0.0) & (m == jnp.floor(m))
    if is_concrete(whole) and not np.all(np.asarray(whole)):
        raise ValueError(f"{name}: num_units is {num_units}, expected whole numbers of at least 0")
    j = jnp.arange(num_inputs, dtype=m.dtype).reshape(-1, *[1] * m.ndim)
    ratio = jnp.where(j < m[None], (m[None] - j) / (j + 1.0), 1.0)
    terms = jnp.where(j < m[None], jnp.cumsum(jnp.log(ratio), axis=0), -jnp.inf)
    return jnp.where(whole, jnp.logaddexp(0.0, jax.nn.logsumexp(terms, axis=0)), jnp.nan)


def montufar_lower_bound(num_inputs: int, widths: Sequence[int]) -> int:
    """Regions that some network of these widths has at least: prod_{l < L} floor(m_l/n)^n sum_{j <= n} C(m_L, j).

    Args:
        num_inputs: n, at least 1.
        widths: m_1, ..., m_L, each at least n.

    Returns:
        The exact number.

    Raises:
        ValueError: no layers, or a width below n.

    Source: Montufar, Pascanu, Cho and Bengio, On the Number of Linear Regions of Deep Neural Networks (2014),
        theorem 4.
    """
    widths = _sizes("montufar_lower_bound", num_inputs, widths)
    if min(widths) < num_inputs:
        raise ValueError(f"montufar_lower_bound: widths are {widths}, expected at least num_inputs = {num_inputs} each")
    folds = math.prod((width // num_inputs) ** num_inputs for width in widths[:-1])
    return folds * _partial_sum(widths[-1], num_inputs)


def montufar_upper_bound(num_inputs: int, widths: Sequence[int]) -> int:
    """Regions that no network of these widths exceeds: prod_l sum_{j <= d_l} C(m_l, j), d_l = min(n, m_1, ..., m_l).

    Args:
        num_inputs: n, at least 1.
        widths: m_1, ..., m_L, each at least 1.

    Returns:
        The exact number.

    Raises:
        ValueError: no layers, or an empty one.

    Source: Montufar, Notes on the number of linear regions of deep neural networks (2017), theorem 1.
    """
    widths = _sizes("montufar_upper_bound", num_inputs, widths)
    total, narrowest = 1, num_inputs
    for width in widths:
        narrowest = min(narrowest, width)
        total *= _partial_sum(width, narrowest)
    return total


def count_activation_patterns(weights: Sequence[ArrayLike], biases: Sequence[ArrayLike], points: ArrayLike) -> int:
    """Different patterns of active rectifiers among points: a lower bound on a network's number of regions.

    Args:
        weights: (m_l, m_{l-1}) of each layer, m_0 = n.
        biases: (m_l,) of each layer.
        points: (num_points, n).

    Returns:
        The number, counted on the host.

    Raises:
        ValueError: shapes that do not fit, or as many weights as biases are not given.
    """
    name = "count_activation_patterns"
    if len(weights) != len(biases) or not weights:
        raise ValueError(f"{name}: got {len(weights)} weights and {len(biases)} biases, expected one of each per layer")
    h = np.asarray(points)
    if h.ndim != 2:
        raise ValueError(f"{name}: points have shape {h.shape}, expected (num_points, n)")
    patterns = []
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        w, b = np.asarray(weight), np.asarray(bias)
        if w.ndim != 2 or w.shape[1] != h.shape[1] or b.shape != w.shape[:1]:
            raise ValueError(f"{name}: layer {index} has {w.shape} and {b.shape}, expected (m, {h.shape[1]}) and (m,)")
        h = h @ w.T + b[None, :]
        patterns.append(h > 0)
        h = np.maximum(h, 0)
    return len(np.unique(np.packbits(np.concatenate(patterns, axis=1), axis=1), axis=0))
