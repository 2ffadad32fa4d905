"""Free multiplicative convolution on the half line, its real powers, and the explicit product with Marchenko-Pastur."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from depthjax.core import constraints, float_dtype, param, record
from depthjax.core._options import is_concrete, positive
from depthjax.freeprob._branch import lower_log, times, upper_log
from depthjax.freeprob._law import SpectralLaw
from depthjax.freeprob._moments import free_cumulants_to_moments, moments_to_s_series, s_series_to_moments
from depthjax.freeprob._subordinated import (
    _GRID,
    Subordinated,
    from_log,
    pair_atoms,
    parameter_like,
    pieces,
)
from depthjax.numerics import series_mul, series_pow


class _OnHalfLine(Subordinated):
    """Logarithmic coordinates, and a law of the product that lives on [0, inf)."""

    _in_logs = True

    def _grid(self, low, high):
        """Geometric points where the bounds leave zero out, else points clustered strongly at zero."""
        share = (np.arange(_GRID) + 0.5) / _GRID
        fine = jnp.asarray(0.5 - 0.5 * np.cos(np.pi * share), low.dtype)
        steep = jnp.asarray((0.5 - 0.5 * np.cos(np.pi * share)) ** 3, low.dtype)
        away = low > 0.0
        ratio = jnp.log(high / jnp.where(away, low, high))
        return jnp.where(away, low * jnp.exp(ratio * fine), high * steep)

    def _stieltjes(self, z):
        at_zero = z == 0.0
        result = super()._stieltjes(jnp.where(at_zero, jnp.ones_like(z), z))
        return result._replace(value=jnp.where(at_zero, jnp.nan, result.value), converged=result.converged & ~at_zero)

    def _log_density(self, x):
        low, high = self._bounds()
        inside = (x > low) & (x < high)
        safe = jnp.where(inside, x, jnp.where(high > 0.0, high, 1.0))
        outside = jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf)
        return jnp.where(inside, super()._log_density(safe), outside)


@record
class FreeProduct(_OnHalfLine):
    """Law of the product of two free variables on [0, inf); made by `free_multiplicative_convolution`."""

    law_a: SpectralLaw
    law_b: SpectralLaw

    def _map(self, w, z):
        log_z = upper_log(z)
        other = log_z - _log_mean(self.law_a, w[0])
        return (log_z - _log_mean(self.law_b, other))[None]

    def _at(self, w, z):
        point = from_log(w[0])
        result = self.law_a._stieltjes(point)
        return result._replace(value=result.value * point / z)

    def _log_potential_at(self, w, z):
        log_z = upper_log(z)
        other = log_z - _log_mean(self.law_a, w[0])
        value = self.law_a._log_potential(from_log(w[0])) - w[0]
        value = value + self.law_b._log_potential(from_log(other)) - other
        return value + log_z + _log_one_plus(self.law_a, w[0])

    def _bounds(self):
        (a, b), (c, d) = self.law_a._bounds(), self.law_b._bounds()
        return jnp.maximum(a, 0.0) * jnp.maximum(c, 0.0), b * d

    def _valid(self):
        lows = jnp.stack([self.law_a._bounds()[0], self.law_b._bounds()[0]])
        highs = jnp.stack([self.law_a._bounds()[1], self.law_b._bounds()[1]])
        return super()._valid() & jnp.all(_not_negative(lows, highs)) & jnp.all(highs > 0.0)

    def _atoms(self):
        first, second = self.law_a._atoms(), self.law_b._atoms()
        places, masses = pair_atoms(lambda x, y: x * y, first, second, float_dtype(self))
        zero = jnp.maximum(_mass_at_zero(first), _mass_at_zero(second))
        masses = jnp.where(places == 0.0, 0.0, masses)
        return jnp.concatenate([jnp.zeros_like(zero)[None], places]), jnp.concatenate([zero[None], masses])

    def _num_intervals(self):
        return min(16, 2 * pieces(self.law_a) * pieces(self.law_b))

    def _moments(self, order):
        first, second = (moments_to_s_series(law._moments(order)) for law in (self.law_a, self.law_b))
        return s_series_to_moments(series_mul(first, second))


@record
class FreeMultiplicativePower(_OnHalfLine):
    """Law on [0, inf) to the free multiplicative power t; made by `free_multiplicative_power`."""

    law: SpectralLaw
    power: jax.Array = param(constraints.positive)

    def _valid(self):
        low, high = self.law._bounds()
        return super()._valid() & (self.power >= 1.0) & _not_negative(low, high) & (high > 0.0)

    def _map(self, w, z):
        """The average of log w and log z - (t - 1) log K(w) with weights 1 - 1/t, 1/t, which stays in the strip."""
        drift = times(_log_mean(self.law, w[0]), self.power - 1.0)
        share = 1.0 / self.power
        return (times(w[0], 1.0 - share) + times(upper_log(z) - drift, share))[None]

    def _at(self, w, z):
        point = from_log(w[0])
        result = self.law._stieltjes(point)
        return result._replace(value=result.value * point / z)

    def _log_potential_at(self, w, z):
        inner = times(self.law._log_potential(from_log(w[0])) - w[0], self.power)
        return inner + upper_log(z) + times(_log_one_plus(self.law, w[0]), self.power - 1.0)

    def _bounds(self):
        low, high = self.law._bounds()
        positive_low = low > 0.0
        return jnp.where(positive_low, jnp.where(positive_low, low, 1.0) ** self.power, 0.0), high**self.power

    def _atoms(self):
        places, masses = self.law._atoms()
        away = places > 0.0
        kept = jnp.where(away, jnp.maximum(0.0, self.power * masses - (self.power - 1.0)), masses)
        return jnp.where(away, jnp.where(away, places, 1.0) ** self.power, 0.0), kept

    def _num_intervals(self):
        return min(16, 2 * pieces(self.law))

    def _moments(self, order):
        return s_series_to_moments(series_pow(moments_to_s_series(self.law._moments(order)), self.power))


@record
class MarchenkoPasturProduct(Subordinated):
    """Law of sqrt(M) X sqrt(M), M free Marchenko-Pastur; made by `multiply_marchenko_pastur`."""

    law: SpectralLaw
    ratio: jax.Array = param(constraints.positive)
    variance: jax.Array = param(constraints.positive)

    def _map(self, w, z):
        """z/variance - ratio w m(w), a half-plane map since w m(w) = E X + E X^2/(w - X)."""
        m = self.law._moment_transform(w[0])
        return (times(z, 1.0 / self.variance) - times(w[0] * m, self.ratio))[None]

    def _start(self, z):
        low, high = self.law._bounds()
        start, _, ceiling, _ = super()._start(z)
        height = jnp.imag(z) / self.variance
        scale = jnp.maximum(high - low, jnp.maximum(jnp.abs(low), jnp.abs(high)))
        return lax.complex(jnp.real(start) / self.variance, height + scale), height, ceiling, scale

    def _at(self, w, z):
        result = self.law._stieltjes(w[0])
        return result._replace(value=result.value * w[0] / z)

    def _log_potential_at(self, w, z):
        m = self.law._moment_transform(w[0])
        # 1 + ratio m = z/(variance w), which does not cancel near an atom at 0.
        spread = z / times(w[0], self.variance)
        inner = self.law._log_potential(w[0]) - upper_log(w[0]) + upper_log(z)
        return inner + m - times(lower_log(spread), 1.0 / self.ratio)

    def _bounds(self):
        low, high = self.law._bounds()
        most = self.variance * (1.0 + jnp.sqrt(self.ratio)) ** 2
        return jnp.minimum(low, 0.0) * most, jnp.maximum(high, 0.0) * most

    def _grid(self, low, high):
        """Points clustered at both bounds and at zero."""
        half = np.arange(_GRID // 2) + 0.5
        share = jnp.asarray((0.5 - 0.5 * np.cos(np.pi * half / (_GRID // 2))) ** 2, low.dtype)
        return jnp.sort(jnp.concatenate([low * share[::-1], high * share]))

    def _atoms(self):
        zero = jnp.maximum(_mass_at_zero(self.law._atoms()), jnp.maximum(0.0, 1.0 - 1.0 / self.ratio))
        return jnp.zeros_like(zero)[None], zero[None]

    def _num_intervals(self):
        return min(16, pieces(self.law) + 1)

    def _moments(self, order):
        """Those of the companion A^T X A over the ratio, free compound Poisson with kappa_n = ratio variance^n m_n."""
        powers = self.variance ** jnp.arange(1, order + 1, dtype=float_dtype(self))
        return free_cumulants_to_moments(self.ratio * powers * self.law._moments(order)) / self.ratio


def free_multiplicative_convolution(law_a: SpectralLaw, law_b: SpectralLaw) -> SpectralLaw:
    """Law of sqrt(A) B sqrt(A) for free A, B on [0, inf), law_a boxtimes law_b: S = S_a S_b.

    Args:
        law_a: a law on [0, inf), not the point 0.
        law_b: likewise.

    Returns:
        A lazy law. z G(z) = w_a G_a(w_a), w_a = z/K_b(w_b), w_b = z/K_a(w_a), K(w) = w - 1/G(w); the cdf is closed.
        Atoms at x y of mass alpha + beta - 1, at 0 the larger of the two masses.

    Raises:
        ValueError: a concrete law with negative support or the point 0; the same traced gives NaN.

    Numerics: averaged iteration in log w and Newton steps, on the real axis itself. Edges by a scan.

    Source:
        Belinschi and Bercovici (2007).
    """
    for name, law in (("law_a", law_a), ("law_b", law_b)):
        _check_half_line("free_multiplicative_convolution", name, law)
    return FreeProduct(law_a, law_b)


def free_multiplicative_power(law: SpectralLaw, t: ArrayLike) -> SpectralLaw:
    """Law on [0, inf) to the free multiplicative power t: S(m)^t.

    Args:
        law: a law on [0, inf), not the point 0.
        t: (), at least 1.

    Returns:
        A lazy law, log z = log w + (t - 1) log K(w).

    Raises:
        ValueError: concrete t below 1, or a concrete law with negative support.

    Source:
        Belinschi and Bercovici, Partially defined semigroups relative to multiplicative free convolution (2005).
    """
    if is_concrete(t) and not float(t) >= 1.0:
        raise ValueError(f"free_multiplicative_power: t is {t}, expected at least 1")
    _check_half_line("free_multiplicative_power", "law", law)
    return FreeMultiplicativePower(law, parameter_like(law, t))


def multiply_marchenko_pastur(law: SpectralLaw, ratio: ArrayLike, variance: ArrayLike = 1.0) -> SpectralLaw:
    """Law of sqrt(M) X sqrt(M), M free with law `MarchenkoPastur(ratio, variance)`: sample covariances.

    Args:
        law: law of X, on either side of zero.
        ratio: (), positive, dimension over number of samples.
        variance: (), positive.

    Returns:
        A lazy law, z = w variance (1 + ratio m(w)), m(w) = w G(w) - 1.

    Source:
        Silverstein and Bai (1995).
    """
    positive("multiply_marchenko_pastur", ratio=ratio, variance=variance)
    return MarchenkoPasturProduct(law, parameter_like(law, ratio), parameter_like(law, variance))


def _log_mean(law, v):
    """Log K(w), K = w - 1/G(w) in the closed lower half plane, at w = exp(v)."""
    return lower_log(-law._shift(from_log(v)))


def _log_one_plus(law, v):
    """log(1 + m) = log(w G(w)), imaginary part in [-pi, 0]."""
    w = from_log(v)
    return lower_log(w * law._stieltjes(w).value)


def _mass_at_zero(atoms):
    places, masses = atoms
    return jnp.sum(jnp.where(places == 0.0, masses, 0.0))


def _not_negative(low, high):
    return low >= -64.0 * jnp.finfo(low.dtype).eps * jnp.abs(high)


def _check_half_line(function, name, law):
    low, high = law._bounds()
    if is_concrete(low) and is_concrete(high):
        if not bool(_not_negative(low, high)):
            raise ValueError(f"{function}: {name} has support down to {float(low)}, expected a law on [0, inf)")
        if float(high) == 0.0:
            raise ValueError(f"{function}: {name} is the point 0, expected another law on [0, inf)")
