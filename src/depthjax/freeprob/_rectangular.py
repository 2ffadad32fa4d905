"""Free convolution of rectangular matrices, in terms of squared singular values."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core import constraints, param, record
from depthjax.core._options import is_concrete
from depthjax.freeprob._branch import times
from depthjax.freeprob._law import BoundaryResult, SpectralLaw, in_plane
from depthjax.freeprob._multiplicative import _check_half_line, _mass_at_zero, _OnHalfLine
from depthjax.freeprob._subordinated import parameter_like, pieces
from depthjax.numerics import series_compose, series_mul, series_pow, series_revert


@record
class RectangularSum(_OnHalfLine):
    """Squared singular values of A + B, (rows, cols), in generic position; made by `rectangular_free_convolution`.

    The matrix (0, A; A^T, 0) has a resolvent with two block traces g = (g_1, g_2) as functions of b = (b_1, b_2), and
    these add with amalgamation over the two blocks: the fixed point is a pair.
    """

    law_a: SpectralLaw
    law_b: SpectralLaw
    ratio: jax.Array = param(constraints.positive)

    _in_logs = False
    _size = 2

    def _valid(self):
        return super()._valid() & (self.ratio <= 1.0)

    def _map(self, w, z):
        root = jnp.sqrt(z)
        return root + _shift(self.law_b, root + _shift(self.law_a, w, self.ratio), self.ratio)

    def _start(self, z):
        scale = jnp.sqrt(self._bounds()[1])
        root = jnp.sqrt(z)
        return lax.complex(jnp.real(root), jnp.imag(root) + scale), jnp.imag(root), jnp.inf, scale

    def _at(self, w, z):
        result = in_plane(self.law_a, w[0] * w[1])
        return BoundaryResult(w[1] * result.value / jnp.sqrt(z), result.residual, result.converged)

    def _log_potential_at(self, w, z):
        root = jnp.sqrt(z)
        other = root + _shift(self.law_a, w, self.ratio)
        excess = 1.0 / self.ratio - 1.0
        reciprocal = jnp.log(w + other - root)
        value = _potential(self.law_a, w, excess) + _potential(self.law_b, other, excess) - reciprocal[0]
        return value - times(reciprocal[1], 1.0 / self.ratio) - times(jnp.log(root), excess)

    def _bounds(self):
        high = (jnp.sqrt(self.law_a._bounds()[1]) + jnp.sqrt(self.law_b._bounds()[1])) ** 2
        return jnp.zeros_like(high), high

    def _atoms(self):
        zero = jnp.maximum(0.0, _mass_at_zero(self.law_a._atoms()) + _mass_at_zero(self.law_b._atoms()) - 1.0)
        return jnp.zeros_like(zero)[None], zero[None]

    def _num_intervals(self):
        return min(16, 2 * pieces(self.law_a) * pieces(self.law_b))

    def _moments(self, order):
        first, second = (_rectangular_series(law._moments(order), self.ratio) for law in (self.law_a, self.law_b))
        return _series_to_moments(first + second, self.ratio)


def rectangular_free_convolution(law_a: SpectralLaw, law_b: SpectralLaw, ratio: ArrayLike) -> SpectralLaw:
    """Law of the squared singular values of A + B, A and B rectangular and in generic position.

    Args:
        law_a: law of the squared singular values of A, on [0, inf).
        law_b: law of those of B.
        ratio: rows/cols, (), in (0, 1].

    Returns:
        A lazy law; its rectangular cumulants, the coefficients of C, are the sums. At ratio 1 the symmetrised law is
        the free additive convolution of the symmetrised laws; a Gaussian B of variance v/cols has C(z) = v z and law
        `MarchenkoPastur(ratio, v)`.

    Raises:
        ValueError: concrete ratio outside (0, 1], or a concrete law with negative support.

    Numerics: subordination with amalgamation over the two blocks, a fixed point of two complex numbers. Edges by a scan
        of 256 points, bisection and Newton steps.

    Source:
        Benaych-Georges, Rectangular random matrices, related convolution (2009); Belinschi, Mai and Speicher (2017).
    """
    if is_concrete(ratio) and not 0.0 < float(ratio) <= 1.0:
        raise ValueError(f"rectangular_free_convolution: ratio is {ratio}, expected a number in (0, 1]")
    for name, law in (("law_a", law_a), ("law_b", law_b)):
        _check_half_line("rectangular_free_convolution", name, law)
    return RectangularSum(law_a, law_b, parameter_like(law_a, ratio))


def _shift(law, b, ratio):
    """1/g - b for g_1 = b_2 G(b_1 b_2), g_2 = b_1 (ratio G(b_1 b_2) + (1 - ratio)/(b_1 b_2))."""
    value = in_plane(law, b[0] * b[1]).value
    second = times(b[0] * value, ratio) + times(1.0 / b[1], 1.0 - ratio)
    return jnp.stack([1.0 / (b[1] * value), 1.0 / second]) - b


def _potential(law, b, excess):
    """E log(b_1 b_2 - s^2) + (1/ratio - 1) log b_2, continued through negative b_1 b_2."""
    p = b[0] * b[1]
    # The argument of b_1 b_2 runs from 0 to 2 pi; below the axis it has passed the negative half.
    passed = jnp.imag(p) < 0.0
    value = law._log_potential(jnp.where(passed, jnp.conj(p), p))
    turned = lax.complex(jnp.real(value), 2.0 * jnp.pi - jnp.imag(value))
    return jnp.where(passed, turned, value) + times(jnp.log(b[1]), excess)


def _uncompose(series, ratio):
    """C with (ratio C + 1)(C + 1) = 1 + series, both without constant term, (n + 1,)."""
    quadratic = jnp.zeros_like(series).at[1].set(ratio + 1.0)
    quadratic = quadratic.at[2].set(ratio) if series.shape[-1] > 2 else quadratic
    return series_compose(series_revert(quadratic), series)


def _rectangular_series(m, ratio):
    """Coefficients 1..n of C from moments 1..n: H(z) = z (ratio M + 1)(M + 1), z/H^-1(z) = (ratio C + 1)(C + 1)."""
    with_zero = jnp.concatenate([jnp.zeros_like(m[:1]), m])
    product = series_mul((ratio * with_zero).at[0].add(1.0), with_zero.at[0].add(1.0))
    h = jnp.concatenate([jnp.zeros_like(m[:1]), product])
    inverse = series_revert(h)[1:]
    return _uncompose(series_pow(inverse, -1.0).at[0].add(-1.0), ratio)[1:]


def _series_to_moments(c, ratio):
    """Moments 1..n from coefficients 1..n of C."""
    with_zero = jnp.concatenate([jnp.zeros_like(c[:1]), c])
    product = series_mul((ratio * with_zero).at[0].add(1.0), with_zero.at[0].add(1.0))
    inverse = jnp.concatenate([jnp.zeros_like(c[:1]), series_pow(product, -1.0)])
    return _uncompose(series_revert(inverse)[1:].at[0].add(-1.0), ratio)[1:]
