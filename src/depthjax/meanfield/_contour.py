"""Paths in the complex plane along which E f(phi'(sqrt(q) h)^2) is computed, for f = 1/(w - d) with w above the axis.

On the real line 1/(w - d(x)) has poles as near as w is to the support of d, and no rule of fixed nodes follows when w
reaches it. For an analytic phi' the line may be bent: along x + i b(x) with b of the sign opposite to d' the values of
d = phi'^2 lie below the real axis, so that no pole is crossed for any w above it, and w may go down to the axis.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erf, ndtr

from depthjax.meanfield import _slope_tables as tables
from depthjax.meanfield import activations
from depthjax.meanfield._activation import Activation


class Contour(NamedTuple):
    """Continuation of phi' = base (1 + rise), and the path; `even` if phi'^2 is, `period` of it, a `zero` of phi'.

    `slope` takes complex x, as does `rise`, which is accurate at small x. `bend(x, q)` is the imaginary part b at real
    x, smooth, of size O(sqrt(q)) at small q.
    `top` is the supremum of phi'^2 on the real line; its infimum is zero. `table` makes the panels for large q.
    """

    slope: Callable[[jax.Array], jax.Array]
    rise: Callable[[jax.Array], jax.Array]
    base: float
    bend: Callable[[jax.Array, jax.Array], jax.Array]
    top: float
    table: Callable[[], tables.Table]
    even: bool = False
    period: float | None = None
    zero: float | None = None


def _sech2(x):
    """1/cosh^2 for Re x >= 0."""
    small = jnp.exp(-2.0 * x)
    return 4.0 * small / jnp.square(1.0 + small)


def _erf_slope(x):
    """Derivative of erf."""
    return _ERF * jnp.exp(-x * x)


def _sigmoid(x):
    """1/(1 + exp(-x)) without overflow."""
    right = jnp.real(x) > 0.0
    small = jnp.exp(jnp.where(right, -x, x))
    return jnp.where(right, jnp.ones_like(x), small) / (1.0 + small)


def _silu_slope(x):
    """Derivative of x _sigmoid(x)."""
    s = _sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(10)


def _normal_parts(x):
    """Phi(a + ib) - Phi(a) = i int_0^b Phi'(a + it) dt, real and imaginary part, and Phi'(a + ib)."""
    re, im = jnp.real(x), jnp.imag(x)

    def pdf(y):
        return jnp.exp(-0.5 * y * y) / math.sqrt(2.0 * math.pi)

    steps = 0.5 * im[..., None] * jnp.asarray(_POINTS + 1.0, re.dtype).reshape((1,) * im.ndim + (-1,))
    weights = jnp.asarray(0.5 * _WEIGHTS, re.dtype).reshape((1,) * im.ndim + (-1,))
    values = pdf(lax.complex(jnp.broadcast_to(re[..., None], steps.shape), steps))
    inner = -im * jnp.sum(weights * jnp.imag(values), axis=-1), im * jnp.sum(weights * jnp.real(values), axis=-1)
    return inner, pdf(x)


def _gelu_slope(x):
    """Phi(x) + x Phi'(x)."""
    inner, density = _normal_parts(x)
    return lax.complex(ndtr(jnp.real(x)) + inner[0], inner[1]) + x * density


def _less_one(x):
    """exp(x) - 1, real or complex, without cancellation at small x."""
    if not jnp.iscomplexobj(x):
        return jnp.expm1(x)
    re, half = jnp.real(x), jnp.sin(0.5 * jnp.imag(x))
    real = jnp.expm1(re) * jnp.cos(jnp.imag(x)) - 2.0 * half * half
    return lax.complex(real, jnp.exp(re) * jnp.sin(jnp.imag(x)))


def _tanh(x):
    """(1 - e)/(1 + e) with e = exp(-2 abs(x)), without overflow."""
    right = jnp.real(x) > 0.0
    less = _less_one(jnp.where(right, -2.0 * x, 2.0 * x))
    value = -less / (2.0 + less)
    return jnp.where(right, value, -value)


def _gelu_rise(x):
    """2 (Phi(x) + x Phi'(x)) - 1."""
    if not jnp.iscomplexobj(x):
        return erf(x / math.sqrt(2.0)) + x * (math.sqrt(2.0 / math.pi) * jnp.exp(-0.5 * x * x))
    inner, density = _normal_parts(x)
    return lax.complex(erf(jnp.real(x) / math.sqrt(2.0)) + 2.0 * inner[0], 2.0 * inner[1]) + 2.0 * x * density


def _silu_rise(x):
    s = _sigmoid(x)
    return _tanh(0.5 * x) + 2.0 * x * s * (1.0 - s)


def _short(q):
    """A length that is at most one and of the order of sqrt(q)."""
    return jnp.sqrt(q / (1.0 + q))


def _bend_tanh(x, q):
    """For d that falls with abs(x), or rises with x below zero, exponentially."""
    del q
    return 0.6 * jnp.tanh(x)


def _bend_exp(x, q):
    """For d = exp(2x) to the left of zero."""
    del q
    return jnp.tanh(0.6 * x)


def _bend_erf(x, q):
    del q
    return 0.7 * x / (1.0 + 1.4 * x * x)


def _bend_sin(x, q):
    del q
    return 0.35 * jnp.sin(2.0 * x)


def _bend_softplus(x, q):
    return -0.8 * _short(q) * jnp.ones_like(x)


def _bend_gelu(x, q):
    square = 1.0 + x * x
    return -0.25 * _short(q) * (2.0 - x * x) * (x + 0.7517915246935645) / (square * square)


def _bend_silu(x, q):
    square = 1.0 + x * x
    shape = (2.399357280520547**2 - x * x) * (x + 1.2784645427610738)
    return -0.1 * _short(q) * shape / (square * jnp.sqrt(square))


_GELU_TOP, _SILU_TOP = 1.1289041451851548, 1.0998393201288669
_SELU = activations._SELU_ALPHA * activations._SELU_SCALE
_ERF = 2.0 / math.sqrt(math.pi)

# By the function that is phi'; with breaks, for the piece below the first of them.
_CONTOURS = {
    activations._sech2: Contour(
        _sech2, lambda x: -jnp.square(_tanh(x)), 1.0, _bend_tanh, 1.0, tables.tanh_table, even=True
    ),
    activations._erf_slope: Contour(
        _erf_slope, lambda x: _less_one(-x * x), _ERF, _bend_erf, _ERF**2, tables.erf_table, even=True
    ),
    jnp.cos: Contour(
        jnp.cos,
        lambda x: -2.0 * jnp.square(jnp.sin(0.5 * x)),
        1.0,
        _bend_sin,
        1.0,
        tables.sin_table,
        even=True,
        period=np.pi,
    ),
    jax.nn.sigmoid: Contour(_sigmoid, lambda x: _tanh(0.5 * x), 0.5, _bend_softplus, 1.0, tables.softplus_table),
    activations._gelu_slope: Contour(
        _gelu_slope, _gelu_rise, 0.5, _bend_gelu, _GELU_TOP**2, tables.gelu_table, zero=tables.GELU_ZERO
    ),
    activations._silu_slope: Contour(
        _silu_slope, _silu_rise, 0.5, _bend_silu, _SILU_TOP**2, tables.silu_table, zero=tables.SILU_ZERO
    ),
}
_HALF_CONTOURS = {
    activations._elu_slope: Contour(jnp.exp, _less_one, 1.0, _bend_exp, 1.0, partial(tables.exponential_table, 1.0)),
    activations._selu_slope: Contour(
        lambda x: _SELU * jnp.exp(x), _less_one, _SELU, _bend_exp, _SELU**2, partial(tables.exponential_table, _SELU)
    ),
}


def contour_of(activation: Activation) -> Contour | None:
    """The path for the built-in activations; None for others, of whose continuation nothing is known."""
    function = None if activation.derivative is None else activation.derivative.func
    if activation.breaks == () and activation.slopes is None:
        return _CONTOURS.get(function)
    one_piece = activation.breaks == (0.0,) and activation.slopes is not None and activation.slopes[0] is None
    return _HALF_CONTOURS.get(function) if one_piece else None


def bent(contour: Contour, q: jax.Array, nodes: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Complex nodes and weights on the path from those of a rule for N(0, 1) on the line."""
    root = jnp.sqrt(q)

    def height_at(h):
        # Flatter far out, where the weights would fall too slowly.
        return contour.bend(root * h, q) / (root * (1.0 + h * h / 32.0))

    height, slope = jax.jvp(height_at, (nodes,), (jnp.ones_like(nodes),))
    change = jnp.exp(lax.complex(0.5 * height * height, -nodes * height)) * lax.complex(jnp.ones_like(slope), slope)
    return lax.complex(nodes, height), weights.astype(change.dtype) * change
