"""The von Mises-Fisher distribution on the sphere."""

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record, require_rank
from depthjax.core._sums import sum_of_each
from depthjax.distributions._masked import masked
from depthjax.distributions._von_mises_fisher_normalizer import log_area, log_mean_exp, mean_cosine, mean_cosine_deficit
from depthjax.distributions._von_mises_fisher_sampling import sample_angle, turn_to
from depthjax.numerics import find_root, safe_norm
from depthjax.numerics._draws import standard_normal


@record
class VonMisesFisher(Distribution, ExponentialFamily):
    """Von Mises-Fisher distribution on the unit sphere of d dimensions, with respect to its surface measure.

    log p(x) = k m.x + (d/2 - 1) log k - (d/2) log(2 pi) - log I_{d/2-1}(k), evaluated as -k |x - m|^2/2 and terms
    that do not grow with k.

    Args:
        mean_direction: m, (d,), of unit length, d >= 2.
        concentration: k, (), nonnegative; 0 is uniform.

    Raises:
        ValueError: `mean_direction` is not a vector of at least two entries, or `concentration` not a scalar.

    Numerics:
        Holds at every k: at 0, with finite gradients, and at 1e8, where the spread is 1e-4. The normaliser and its
        derivatives are positive sums over one quadrature of the angle to m. Draws are exact, by
        rejection of the angle to m, with its implicit derivative in k; the derivative in m is that of a reflection.

    Source:
        Mardia and Jupp, Directional Statistics (2000), sec. 9.3.2; Wood, Simulation of the von Mises Fisher
        Distribution (1994); gradient, Davidson et al., Hyperspherical Variational Auto-Encoders (2018).
    """

    mean_direction: jax.Array = param(constraints.unit_vector)
    concentration: jax.Array = param(constraints.nonnegative)
    event_shape: tuple[int, ...] = derived()

    support = constraints.unit_vector
    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        direction = fields["mean_direction"]
        require_rank(cls.__name__, "mean_direction", direction, 1)
        require_rank(cls.__name__, "concentration", fields["concentration"], 0)
        if direction.size < 2:
            raise ValueError(f"{cls.__name__}: mean_direction has shape {direction.shape}, expected (d,), d >= 2")
        return {**fields, "event_shape": direction.shape}

    def _log_prob(self, x):
        gap = jnp.where(jnp.isfinite(x), x, 0.0) - self.mean_direction
        peak = -log_area(x.size) - log_mean_exp(self.concentration, x.size)
        value = peak - 0.5 * self.concentration * sum_of_each(gap * gap)
        return masked(constraints.unit_vector.contains(x), value, x)

    def _sample_many(self, key, sample_shape):
        key_angle, key_side = jax.random.split(key)
        size, dtype = self.event_shape[0], self.concentration.dtype
        angle = sample_angle(key_angle, jnp.broadcast_to(self.concentration, sample_shape), size)
        side = standard_normal(key_side, (*sample_shape, size - 1), dtype)
        return turn_to(self.mean_direction, angle, side)

    def _mean(self):
        return mean_cosine(self.concentration, self.event_shape[0]) * self.mean_direction

    def _entropy(self):
        size, k = self.event_shape[0], self.concentration
        return log_area(size) + log_mean_exp(k, size) + k * mean_cosine_deficit(k, size)

    def natural_parameters(self):
        """Eta = {x: k m}, (d,)."""
        return {"x": self.concentration * self.mean_direction}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}, (d,)."""
        return {"x": x}

    def log_base_measure(self, x):
        """Log h = -log of the area of the sphere."""
        return jnp.full((), -log_area(x.size), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log of the mean of exp(eta.x) over the sphere, a function of |eta|."""
        k = safe_norm(natural["x"], axis=-1)
        return log_mean_exp(k, natural["x"].size) + k

    @classmethod
    def from_natural(cls, natural):
        """The distribution with this natural parameter; at 0 the first axis serves as its direction."""
        length = safe_norm(natural["x"], axis=-1)
        return cls(_direction(natural["x"], length), length)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with this E x, by a root in the concentration.

        With r = |E x| < 1 the root lies between (d - 1) r/(1 - r^2) and d r/(1 - r^2).
        """
        length, size = safe_norm(mean["x"], axis=-1), mean["x"].size
        unit = length / ((1.0 - length) * (1.0 + length))
        lower, upper = 0.99 * (size - 1) * unit, 1.01 * size * unit + 1e-30
        k = find_root(lambda k, target: mean_cosine(k, size) - target, lower, upper, length).value
        return cls(_direction(mean["x"], length), k)


def _direction(vector, length):
    zero = length == 0
    axis = jnp.zeros_like(vector).at[0].set(1)
    return jnp.where(zero, axis, vector / jnp.where(zero, 1.0, length))
