"""Panels for E f(phi'(x)^2), x ~ N(0, q) with q of the order of one or more, on which nothing but the weights knows q.

Each panel is a straight piece of a path below or above the real line, so that the values of phi'^2 lie below the real
axis (see `Contour`). Panels are short where w may come near: at the maxima of phi'^2, where the path crosses the line,
and at the zeros of phi'; far out log phi'^2, or log |phi'^2 - 1|, changes by a few across each.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_RATIO = 8.0
_TO_TOP, _TO_ZERO = 4, 8
# d leaves the range of doubles where log d is this.
_DEEP, _CHANGE = -706.0, 9.0
# Where phi' is zero and where phi'^2 is largest.
GELU_ZERO, _GELU_PEAK = -0.7517915246935645, math.sqrt(2.0)
SILU_ZERO, _SILU_PEAK = -1.2784645427610738, 2.399357280520547


class Table(NamedTuple):
    """Panels from the first column of `ends` to the second, complex, (panels, 2), those near x = 0 first.

    `slope` is phi' for complex NumPy arrays. Left of `left` phi'^2 counts as zero, right of `right` it is constant.
    `in_block` is the number of panels in a block; `even` where the panels of x > 0 count for both signs. Panels serve
    from q = `lowest` on; `rise` is slope^2/slope(0)^2 - 1 without cancellation where `lowest` is small.
    """

    slope: Callable[[np.ndarray], np.ndarray]
    ends: np.ndarray
    left: float
    right: float
    in_block: int
    even: bool = False
    lowest: float = 0.9
    rise: Callable[[np.ndarray], np.ndarray] | None = None


def _towards(point, start, levels):
    """Panels that end at `start`, ever shorter towards `point`."""
    knots = point + (start - point) * np.concatenate([[0.0], _RATIO ** np.arange(1.0 - levels, 1.0)])
    return list(zip(knots[:-1], knots[1:], strict=True))


def _chain(*knots):
    return list(zip(knots[:-1], knots[1:], strict=True))


def _far(start, rate, power, height):
    """Knots from `start` to where |x|^power rate = -_DEEP, at equal changes of that, at height(x), the last real."""
    first = rate * abs(start.real) ** power
    changes = np.linspace(first, -_DEEP, 1 + math.ceil((-_DEEP - first) / _CHANGE))[1:]
    x = np.sign(start.real) * (changes / rate) ** (1.0 / power)
    return [start, *(x[:-1] + 1j * height(x[:-1])), complex(x[-1])]


def _table(slope, ends, in_block, *, even=False, **more):
    ends = np.array(ends)
    ends = ends[np.argsort(np.abs(ends.real).min(axis=1), kind="stable")]
    last = float(ends.real.max())
    return Table(
        slope, ends, -last if even else float(ends.real.min()), math.inf if even else last, in_block, even, **more
    )


def _erfc(x):
    return np.vectorize(math.erfc, otypes=[float])(x)


def _sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def _silu_slope(z):
    return _sigmoid(z) * (1.0 + z * _sigmoid(-z))


def _gelu_slope(z):
    """Phi(a + ib) = Phi(a) + i int_0^b Phi'(a + it) dt."""
    points, weights = np.polynomial.legendre.leggauss(16)
    inner = z.real[..., None] + 0.5j * z.imag[..., None] * (points + 1.0)
    pdf = np.exp(-0.5 * inner**2) @ weights / math.sqrt(2.0 * math.pi)
    phi = 0.5 * _erfc(-z.real / math.sqrt(2.0)) + 0.5j * z.imag * pdf
    return phi + z * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def tanh_table() -> Table:
    """For sech^4."""
    ends = _towards(0.0, 0.8 + 0.45j, _TO_TOP + 1)
    ends += _chain(*_far(0.8 + 0.45j, 4.0, 1.0, lambda x: np.minimum(0.6, 0.35 + 0.125 * x)))

    def slope(z):
        small = np.exp(-2.0 * z)
        return 4.0 * small / (1.0 + small) ** 2

    return _table(slope, ends, 3, even=True)


def erf_table() -> Table:
    """For exp(-2 x^2)."""
    ends = _towards(0.0, 0.8 + 0.4j, _TO_TOP + 1)
    ends += _chain(*_far(0.8 + 0.4j, 2.0, 2.0, lambda x: 0.48 / x))

    def slope(z):
        return 2.0 / math.sqrt(math.pi) * np.exp(-z * z)

    return _table(slope, ends, 3, even=True, lowest=0.2, rise=lambda z: np.expm1(-2.0 * z * z))


def exponential_table(scale: float) -> Table:
    """For exp(2 x) to the left of zero; to the right is an atom."""
    ends = _towards(0.0, -0.8 - 0.5j, _TO_TOP + 1)
    ends += _chain(-0.8 - 0.5j, *_far(-1.8 - 1.0j, 2.0, 1.0, lambda x: -1.2 + 0.0 * x))
    return _table(lambda z: scale * np.exp(z), ends, 3, lowest=0.2, rise=lambda z: np.expm1(2.0 * z))


def softplus_table() -> Table:
    """For the square of the logistic function."""
    knots = [0.0 - 1.2j, 2.25 - 1.2j, *(x - 1.2j for x in np.arange(4.5, 36.0, 4.5)), 37.5 + 0.0j]
    left = [-2.25 - 1.2j, *_far(-4.5 - 1.2j, 2.0, 1.0, lambda x: -1.2 + 0.0 * x)]
    ends = _chain(*knots) + _chain(knots[0], *left)
    return _table(_sigmoid, ends, 6)


def gelu_table() -> Table:
    """For the square of Phi(x) + x Phi'(x)."""
    left = _far(-2.3 - 0.32j, 1.0, 2.0, lambda x: 0.98 / x)
    ends = _chain(*left) + _towards(-_GELU_PEAK, left[0], 3)
    ends += _towards(-_GELU_PEAK, -1.08 + 0.16j, 3) + _towards(GELU_ZERO, -1.08 + 0.16j, _TO_ZERO)
    ends += _towards(GELU_ZERO, -0.3 - 0.3j, _TO_ZERO) + _chain(-0.3 - 0.3j, 0.35 - 0.5j)
    ends += _towards(_GELU_PEAK, 0.35 - 0.5j, _TO_TOP) + _towards(_GELU_PEAK, 2.2 + 0.45j, _TO_TOP)
    ends += _chain(2.2 + 0.45j, 3.0 + 0.5j, 4.2 + 0.4j, 6.0 + 0.29j, 7.5 + 0.22j, 9.0 + 0.0j)
    return _table(_gelu_slope, ends, 6, lowest=0.1)


def silu_table() -> Table:
    """For the square of the derivative of x/(1 + exp(-x))."""
    left = _far(-5.0 - 0.8j, 2.0, 1.0, lambda x: -1.0 + 0.0 * x)
    ends = _chain(*left) + _chain(-4.0 - 0.6j, left[0]) + _towards(-_SILU_PEAK, -4.0 - 0.6j, 3)
    ends += _towards(-_SILU_PEAK, -1.85 + 0.3j, 3) + _towards(SILU_ZERO, -1.85 + 0.3j, _TO_ZERO)
    ends += _towards(SILU_ZERO, -0.5 - 0.5j, _TO_ZERO) + _chain(-0.5 - 0.5j, 0.6 - 0.8j)
    ends += _towards(_SILU_PEAK, 0.6 - 0.8j, _TO_TOP) + _towards(_SILU_PEAK, 4.0 + 0.9j, _TO_TOP)
    ends += _chain(4.0 + 0.9j, 6.0 + 1.3j, *(x + 1.5j for x in np.arange(10.0, 42.0, 5.0)), 44.0 + 0.0j)
    return _table(_silu_slope, ends, 6)


def sin_table() -> Table:
    """For cos^2, on half of its period."""
    middle = 0.25 * math.pi + 0.5j
    ends = _towards(0.0, middle, _TO_TOP + 1) + _towards(0.5 * math.pi, middle, _TO_ZERO)
    return _table(np.cos, ends, 3, even=True)
