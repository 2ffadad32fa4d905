"""The Marchenko-Pastur law, and the same law as a free Poisson law."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import constraints, float_dtype, param, record
from depthjax.freeprob._branch import edge_log_density, lower_log, plus, root_product, times, without_cancellation
from depthjax.freeprob._law import SpectralLaw, closed_form


@record
class MarchenkoPastur(SpectralLaw):
    """Marchenko-Pastur law: the limit spectrum of A A^T, A (rows, cols) with entries of variance `variance`/cols.

    R(g) = variance/(1 - ratio variance g), S(m) = 1/(variance (1 + ratio m)); edges variance (1 +- sqrt(ratio))^2 and,
    for ratio > 1, an atom of mass 1 - 1/ratio at 0.

    Args:
        ratio: rows/cols, (), positive.
        variance: the mean of the law, (), positive.

    Source:
        Marchenko and Pastur (1967).
    """

    ratio: jax.Array = param(constraints.positive)
    variance: jax.Array = param(constraints.positive, default=1.0)

    def _stieltjes(self, z):
        return closed_form(self._transform(z))

    def _transform(self, z):
        """The root of ratio variance z g^2 - (z + (ratio - 1) variance) g + 1 = 0 that decays."""
        root = root_product(z, *self._ends())
        centred = plus(z, self.variance * (self.ratio - 1.0))
        return without_cancellation(
            centred, root, times(z, 2.0 * self.ratio * self.variance), jnp.full_like(self.ratio, 2.0)
        )

    def _log_potential(self, z):
        g = self._transform(z)
        m = plus(z * g, -1.0)
        # 1 + ratio m, which near an atom at 0 would cancel; m = variance g (1 + ratio m).
        large = jnp.abs(m) > 0.25
        spread = jnp.where(large, m / times(g, self.variance), plus(times(m, self.ratio), 1.0))
        return -lower_log(g) + m - times(lower_log(spread), 1.0 / self.ratio)

    def _log_density(self, x):
        inside = x > 0.0
        rest = -jnp.log(jnp.where(inside, x, 1.0)) - jnp.log(2.0 * math.pi * self.ratio * self.variance)
        return edge_log_density(x, *self._ends(), rest)

    def _ends(self):
        root = jnp.sqrt(self.ratio)
        return self.variance * (1.0 - root) ** 2, self.variance * (1.0 + root) ** 2

    def _bounds(self):
        low, high = self._ends()
        return jnp.where(self.ratio > 1.0, 0.0, low), high

    def _edges(self):
        return jnp.stack(self._ends())[None]

    def _atoms(self):
        mass = jnp.maximum(0.0, 1.0 - 1.0 / self.ratio)
        return jnp.zeros_like(mass)[None], mass[None]

    def _free_cumulants(self, order):
        powers = (self.ratio * self.variance) ** jnp.arange(order, dtype=float_dtype(self))
        return self.variance * powers

    def _sample_matrix(self, key, dim):
        cols = max(1, round(dim / float(self.ratio)))
        noise = jax.random.normal(key, (dim, cols), self.ratio.dtype)
        return self.variance * (noise @ noise.T) / cols


@record
class FreePoisson(SpectralLaw):
    """Free Poisson law: R(g) = rate jump/(1 - jump g), the free counterpart of `jump` times a Poisson variable.

    It is `MarchenkoPastur(1/rate, rate * jump)`, with an atom of mass 1 - rate at 0 for rate < 1.

    Args:
        rate: (), positive.
        jump: (), positive.

    Source:
        Nica and Speicher (2006), lecture 12.
    """

    rate: jax.Array = param(constraints.positive)
    jump: jax.Array = param(constraints.positive)

    def _same(self):
        return MarchenkoPastur(1.0 / self.rate, self.rate * self.jump)

    def _stieltjes(self, z):
        return self._same()._stieltjes(z)

    def _log_potential(self, z):
        return self._same()._log_potential(z)

    def _log_density(self, x):
        return self._same()._log_density(x)

    def _bounds(self):
        return self._same()._bounds()

    def _edges(self):
        return self._same()._edges()

    def _atoms(self):
        return self._same()._atoms()

    def _free_cumulants(self, order):
        return self.rate * self.jump ** jnp.arange(1, order + 1, dtype=float_dtype(self))

    def _sample_matrix(self, key, dim):
        return self._same()._sample_matrix(key, dim)
