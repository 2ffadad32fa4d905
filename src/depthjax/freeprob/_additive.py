"""Free additive convolution, its real powers, compression, and the explicit sum with a semicircle."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import constraints, float_dtype, param, record
from depthjax.core._options import is_concrete, positive
from depthjax.freeprob._affine import Affine
from depthjax.freeprob._branch import on_axis, times, upper_log
from depthjax.freeprob._law import SpectralLaw
from depthjax.freeprob._subordinated import Subordinated, pair_atoms, parameter_like, pieces


@record
class FreeSum(Subordinated):
    """Law of the sum of two free variables; made by `free_additive_convolution`."""

    law_a: SpectralLaw
    law_b: SpectralLaw

    def _map(self, w, z):
        other, is_far = self._other(w, z)
        mean = -on_axis(self.law_b._moments(1)[0])
        return (z + jnp.where(is_far, mean, self.law_b._shift(other)))[None]

    def _other(self, w, z):
        """The point of law_b, and whether it is infinite, as it is where G vanishes inside a gap."""
        other = z + self.law_a._shift(w[0])
        is_far = ~jnp.isfinite(other)
        return jnp.where(is_far, jnp.ones_like(other), other), is_far

    def _at(self, w, z):
        return self.law_a._stieltjes(w[0])

    def _log_potential_at(self, w, z):
        other, is_far = self._other(w, z)
        rest = self.law_b._log_potential(other) - upper_log(w[0] + other - z)
        return self.law_a._log_potential(w[0]) + jnp.where(is_far, jnp.zeros_like(rest), rest)

    def _bounds(self):
        (a, b), (c, d) = self.law_a._bounds(), self.law_b._bounds()
        return a + c, b + d

    def _atoms(self):
        return pair_atoms(lambda x, y: x + y, self.law_a._atoms(), self.law_b._atoms(), float_dtype(self))

    def _num_intervals(self):
        return min(16, 2 * pieces(self.law_a) * pieces(self.law_b))

    def _free_cumulants(self, order):
        return self.law_a._free_cumulants(order) + self.law_b._free_cumulants(order)


@record
class FreePower(Subordinated):
    """Law to the free additive power t; made by `free_additive_power`."""

    law: SpectralLaw
    power: jax.Array = param(constraints.positive)

    def _valid(self):
        return super()._valid() & (self.power >= 1.0)

    def _map(self, w, z):
        return (z + times(self.law._shift(w[0]), self.power - 1.0))[None]

    def _at(self, w, z):
        return self.law._stieltjes(w[0])

    def _log_potential_at(self, w, z):
        reciprocal = self.law._shift(w[0]) + w[0]
        return times(self.law._log_potential(w[0]), self.power) - times(upper_log(reciprocal), self.power - 1.0)

    def _bounds(self):
        low, high = self.law._bounds()
        return self.power * low, self.power * high

    def _atoms(self):
        places, masses = self.law._atoms()
        return self.power * places, jnp.maximum(0.0, self.power * masses - (self.power - 1.0))

    def _num_intervals(self):
        return min(16, 2 * pieces(self.law))

    def _free_cumulants(self, order):
        return self.power * self.law._free_cumulants(order)


@record
class SemicircleSum(Subordinated):
    """Law of X + sqrt(variance) S with a free standard semicircular S; made by `deform_semicircle`."""

    law: SpectralLaw
    variance: jax.Array = param(constraints.positive)

    def _map(self, w, z):
        return (z - times(self.law._stieltjes(w[0]).value, self.variance))[None]

    def _at(self, w, z):
        return self.law._stieltjes(w[0])

    def _log_potential_at(self, w, z):
        return self.law._log_potential(w[0]) + 0.5 * times(self.law._stieltjes(w[0]).value ** 2, self.variance)

    def _bounds(self):
        low, high = self.law._bounds()
        radius = 2.0 * jnp.sqrt(self.variance)
        return low - radius, high + radius

    def _num_intervals(self):
        return min(16, pieces(self.law))

    def _free_cumulants(self, order):
        kappa = self.law._free_cumulants(order)
        return kappa.at[1].add(self.variance) if order > 1 else kappa

    def _shift(self, z):
        # 1/G(z) - z = 1/G_law(w) - w + w - z, and w = z - variance G.
        result = self._stieltjes(z)
        w = z - times(result.value, self.variance)
        return self.law._shift(w) - times(result.value, self.variance)


def free_additive_convolution(law_a: SpectralLaw, law_b: SpectralLaw) -> SpectralLaw:
    """Law of the sum of two free variables, law_a boxplus law_b: R = R_a + R_b.

    Args:
        law_a: any law.
        law_b: any law.

    Returns:
        A lazy law. G(z) = G_a(w) with w = h_b(h_a(w) + z) + z, h(w) = 1/G(w) - w; the cdf is closed:
        U(z) = U_a(w_a) + U_b(w_b) - log(w_a + w_b - z). Atoms at x + y of mass alpha + beta - 1.

    Numerics: fixed point by averaged iteration and Newton steps on the real axis itself, no smoothing. Edges by a scan
        of 256 points and bisection; narrower gaps are not found.

    Source:
        Belinschi and Bercovici, A new approach to subordination results in free probability (2007).
    """
    return FreeSum(law_a, law_b)


def free_additive_power(law: SpectralLaw, t: ArrayLike) -> SpectralLaw:
    """Law to the free additive power t: free cumulants times t.

    Args:
        law: any law.
        t: (), at least 1.

    Returns:
        A lazy law, z = w + (t - 1)(w - 1/G(w)), atoms t x of mass max(0, t alpha - t + 1).

    Raises:
        ValueError: concrete t below 1.

    Source:
        Nica and Speicher, On the multiplication of free N-tuples of noncommutative random variables (1996).
    """
    if is_concrete(t) and not float(t) >= 1.0:
        raise ValueError(f"free_additive_power: t is {t}, expected at least 1")
    return FreePower(law, parameter_like(law, t))


def free_compression(law: SpectralLaw, fraction: ArrayLike) -> SpectralLaw:
    """Law of the corner P X P, P a free projection of rank `fraction`, within its range.

    Args:
        law: law of X.
        fraction: (), in (0, 1].

    Returns:
        `law` to the free additive power 1/fraction, dilated by `fraction`; a corner of a large randomly rotated matrix.

    Raises:
        ValueError: concrete fraction outside (0, 1].

    Source:
        Nica and Speicher (2006), lecture 14.
    """
    if is_concrete(fraction) and not 0.0 < float(fraction) <= 1.0:
        raise ValueError(f"free_compression: fraction is {fraction}, expected a number in (0, 1]")
    fraction = parameter_like(law, fraction)
    return Affine(FreePower(law, 1.0 / fraction), jnp.zeros_like(fraction), fraction)


def deform_semicircle(law: SpectralLaw, variance: ArrayLike) -> SpectralLaw:
    """Law of X + sqrt(variance) S, S a free standard semicircular: the spectrum of a matrix plus Wigner noise.

    Args:
        law: law of X.
        variance: (), positive.

    Returns:
        A lazy law, z = w + variance G(w), without atoms.

    Source:
        Pastur (1972); Biane, On the free convolution with a semi-circular distribution (1997).
    """
    positive("deform_semicircle", variance=variance)
    return SemicircleSum(law, parameter_like(law, variance))
