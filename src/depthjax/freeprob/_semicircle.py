"""The semicircle law."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import constraints, param, record
from depthjax.freeprob._branch import edge_log_density, lower_log, plus, root_product, times
from depthjax.freeprob._law import SpectralLaw, closed_form


@record
class Semicircle(SpectralLaw):
    """Semicircle law: the limit spectrum of Wigner matrices, the free counterpart of the normal law.

    rho(x) = sqrt(4 scale^2 - (x - loc)^2)/(2 pi scale^2), R(g) = loc + scale^2 g.

    Args:
        loc: mean, ().
        scale: standard deviation, (), positive; the radius is 2 scale.

    Source:
        Wigner (1955); Nica and Speicher (2006), lecture 8.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)

    def _stieltjes(self, z):
        return closed_form(self._transform(z))

    def _transform(self, z):
        radius = 2.0 * self.scale
        centred = plus(z, -self.loc)
        return 2.0 / (centred + root_product(centred, -radius, radius))

    def _shift(self, z):
        return plus(-times(self._transform(z), self.scale**2), -self.loc)

    def _log_potential(self, z):
        value = self._transform(z)
        return -lower_log(value) + 0.5 * times(value, self.scale) ** 2

    def _log_density(self, x):
        radius = 2.0 * self.scale
        return edge_log_density(x - self.loc, -radius, radius, -math.log(2.0 * math.pi) - 2.0 * jnp.log(self.scale))

    def _bounds(self):
        return self.loc - 2.0 * self.scale, self.loc + 2.0 * self.scale

    def _edges(self):
        return jnp.stack(self._bounds())[None]

    def _free_cumulants(self, order):
        return jnp.zeros(order, self.loc.dtype).at[:2].set(jnp.stack([self.loc, self.scale**2])[:order])

    def _sample_matrix(self, key, dim):
        noise = jax.random.normal(key, (dim, dim), self.scale.dtype)
        return self.loc * jnp.eye(dim, dtype=noise.dtype) + self.scale * (noise + noise.T) / math.sqrt(2.0 * dim)
