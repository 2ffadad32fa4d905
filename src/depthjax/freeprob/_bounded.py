"""Laws on one interval whose transform lives on a rational curve: arcsine, Wachter, Kesten-McKay."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import constraints, float_dtype, param, record
from depthjax.core._options import is_concrete
from depthjax.freeprob._branch import edge_log_density, plus, root_product, times, upper_log, without_cancellation
from depthjax.freeprob._law import SpectralLaw, closed_form
from depthjax.freeprob._moments import affine_moments, free_cumulants_to_moments, s_series_to_moments
from depthjax.numerics import series_mul, series_pow


@record
class Arcsine(SpectralLaw):
    """Arcsine law: rho(x) = 1/(pi sqrt((x - low)(high - x))), G(z) = 1/(sqrt(z - low) sqrt(z - high)).

    Args:
        low: (), lower end.
        high: (), upper end, above `low`.
    """

    low: jax.Array = param(constraints.real)
    high: jax.Array = param(lambda law: constraints.greater_than(law.low))

    def _stieltjes(self, z):
        return closed_form(1.0 / root_product(z, self.low, self.high))

    def _log_potential(self, z):
        return upper_log(times(plus(z, -self._middle()) + root_product(z, self.low, self.high), 0.5))

    def _middle(self):
        return 0.5 * self.low + 0.5 * self.high

    def _log_density(self, x):
        product = jnp.where((x > self.low) & (x < self.high), (x - self.low) * (self.high - x), 1.0)
        return edge_log_density(x, self.low, self.high, -jnp.log(product) - math.log(math.pi))

    def _cdf(self, x):
        share = (x - self.low) / (self.high - self.low)
        inside = (share > 0.0) & (share < 1.0)
        safe = jnp.where(inside, share, 0.5)
        value = (2.0 / math.pi) * jnp.arctan2(jnp.sqrt(safe), jnp.sqrt(1.0 - safe))
        outside = jnp.where(share <= 0.0, 0.0, jnp.where(share >= 1.0, 1.0, jnp.nan))
        return jnp.where(inside, value, outside)

    def _quantile(self, u):
        value = self.low + (self.high - self.low) * jnp.sin(0.5 * math.pi * u) ** 2
        return jnp.where((u >= 0.0) & (u <= 1.0), value, jnp.nan)

    def _bounds(self):
        return self.low, self.high

    def _edges(self):
        return jnp.stack([self.low, self.high])[None]

    def _moments(self, order):
        halves = np.arange(1, order + 1)
        base = jnp.asarray(np.cumprod((2.0 * halves - 1.0) / (2.0 * halves)), float_dtype(self))
        return affine_moments(base, self.low, self.high - self.low)


@record
class Wachter(SpectralLaw):
    """Wachter (Jacobi, MANOVA) law: the limit spectrum of A (A + B)^-1 for independent Wishart matrices A and B.

    rho(x) = (a + b) sqrt((x+ - x)(x - x-))/(2 pi x (1 - x)), atoms max(0, 1 - a) at 0 and max(0, 1 - b) at 1.

    Args:
        a: degrees of freedom of A over the dimension, (), positive.
        b: those of B, (), positive, a + b >= 1.

    Source:
        Wachter (1980).
    """

    a: jax.Array = param(constraints.positive)
    b: jax.Array = param(constraints.positive)

    @classmethod
    def _complete(cls, fields):
        fields = super()._complete(fields)
        if is_concrete(fields["a"]) and is_concrete(fields["b"]) and float(fields["a"]) + float(fields["b"]) < 1.0:
            raise ValueError(f"Wachter: a + b is {float(fields['a']) + float(fields['b'])}, expected at least 1")
        return fields

    def _valid(self):
        return super()._valid() & (self.a + self.b >= 1.0)

    def _ends(self):
        total = self.a + self.b
        first = jnp.sqrt(self.a * jnp.maximum(total - 1.0, 0.0))
        second = jnp.sqrt(self.b)
        return ((first - second) / total) ** 2, ((first + second) / total) ** 2

    def _stieltjes(self, z):
        total = self.a + self.b
        root = times(root_product(z, *self._ends()), total)
        linear = plus(times(z, total - 2.0), 1.0 - self.a)
        return closed_form(without_cancellation(linear, root, 2.0 * z * (1.0 - z), 2.0 * (total - 1.0)))

    def _log_potential(self, z):
        """E log(z - X) as logarithms at the poles of G dz on the curve of t = z - middle + root."""
        total = self.a + self.b
        low, high = self._ends()
        middle, square = 0.5 * low + 0.5 * high, (0.5 * (high - low)) ** 2
        t = plus(z, -middle) + root_product(z, low, high)
        at_zero = -(middle + jnp.abs(self.a - 1.0) / total)
        at_one = 1.0 - middle + jnp.abs(self.b - 1.0) / total
        value = times(upper_log(t), total - 1.0) - math.log(2.0)
        for place, size in ((at_zero, 1.0 - self.a), (at_one, 1.0 - self.b)):
            value = value + _weighted_log(plus(t, -place), jnp.maximum(size, 0.0))
            value = value + _weighted_log(plus(t, -square / place), jnp.minimum(size, 0.0))
        return value

    def _log_density(self, x):
        inside = (x > 0.0) & (x < 1.0)
        safe = jnp.where(inside, x, 0.5)
        rest = jnp.log(self.a + self.b) - jnp.log(safe) - jnp.log1p(-safe) - math.log(2.0 * math.pi)
        return edge_log_density(x, *self._ends(), rest)

    def _bounds(self):
        low, high = self._ends()
        return jnp.where(self.a < 1.0, 0.0, low), jnp.where(self.b < 1.0, 1.0, high)

    def _edges(self):
        return jnp.stack(self._ends())[None]

    def _atoms(self):
        dtype = float_dtype(self)
        masses = jnp.stack([jnp.maximum(0.0, 1.0 - self.a), jnp.maximum(0.0, 1.0 - self.b)])
        return jnp.asarray(np.array([0.0, 1.0]), dtype), masses

    def _moments(self, order):
        """S(m) = (a + b + m)/(a + m)."""
        dtype = float_dtype(self)
        terms = jnp.zeros(order, dtype).at[: min(order, 2)].set(jnp.asarray(np.array([0.0, 1.0])[:order], dtype))
        top, bottom = terms.at[0].add(self.a + self.b), terms.at[0].add(self.a)
        return s_series_to_moments(series_mul(top, series_pow(bottom, -1.0)))

    def _sample_matrix(self, key, dim):
        first, second = jax.random.split(key)
        cols = (max(1, round(float(self.a) * dim)), max(1, round(float(self.b) * dim)))
        one = jax.random.normal(first, (dim, cols[0]), self.a.dtype)
        two = jax.random.normal(second, (dim, cols[1]), self.a.dtype)
        factor = jnp.linalg.cholesky(one @ one.T + two @ two.T)
        half = jax.scipy.linalg.solve_triangular(factor, one, lower=True)
        return half @ half.T


@record
class KestenMcKay(SpectralLaw):
    """Kesten-McKay law: the symmetric Bernoulli law to the free additive power `degree`; spectra of regular graphs.

    rho(x) = degree sqrt(4 (degree - 1) - x^2)/(2 pi (degree^2 - x^2)), atoms max(0, 1 - degree/2) at -degree, degree.

    Args:
        degree: (), real, at least 1.

    Source:
        Kesten (1959), McKay (1981).
    """

    degree: jax.Array = param(constraints.real)

    @classmethod
    def _complete(cls, fields):
        fields = super()._complete(fields)
        if is_concrete(fields["degree"]) and not float(fields["degree"]) >= 1.0:
            raise ValueError(f"KestenMcKay: degree is {float(fields['degree'])}, expected at least 1")
        return fields

    def _valid(self):
        return super()._valid() & (self.degree >= 1.0)

    def _radius(self):
        return 2.0 * jnp.sqrt(jnp.maximum(self.degree - 1.0, 0.0))

    def _stieltjes(self, z):
        radius = self._radius()
        root = times(root_product(z, -radius, radius), self.degree)
        linear = times(z, self.degree - 2.0)
        product = plus(-z, self.degree) * plus(z, self.degree)
        return closed_form(without_cancellation(linear, root, 2.0 * product, 2.0 * (self.degree - 1.0)))

    def _log_potential(self, z):
        radius = self._radius()
        t = z + root_product(z, -radius, radius)
        far = self.degree + jnp.abs(self.degree - 2.0)
        near, size = radius**2 / far, 1.0 - 0.5 * self.degree
        value = times(upper_log(t), self.degree - 1.0) - math.log(2.0)
        for sign in (-1.0, 1.0):
            value = value + _weighted_log(plus(t, -sign * far), jnp.maximum(size, 0.0))
            value = value + _weighted_log(plus(t, -sign * near), jnp.minimum(size, 0.0))
        return value

    def _log_density(self, x):
        inside = jnp.abs(x) < self.degree
        safe = jnp.where(inside, x, 0.0)
        rest = jnp.log(self.degree / (2.0 * math.pi)) - jnp.log(self.degree - safe) - jnp.log(self.degree + safe)
        return edge_log_density(x, -self._radius(), self._radius(), rest)

    def _bounds(self):
        high = jnp.where(self.degree < 2.0, self.degree, self._radius())
        return -high, high

    def _edges(self):
        return jnp.stack([-self._radius(), self._radius()])[None]

    def _atoms(self):
        mass = jnp.maximum(0.0, 1.0 - 0.5 * self.degree)
        return jnp.stack([-self.degree, self.degree]), jnp.stack([mass, mass])

    def _moments(self, order):
        return free_cumulants_to_moments(self._free_cumulants(order))

    def _free_cumulants(self, order):
        """Degree times those of the symmetric Bernoulli law, (-1)^(n-1) Catalan(n - 1) at 2 n."""
        values = np.zeros(order)
        values[1::2] = [(-1) ** k * math.comb(2 * k, k) / (k + 1) for k in range(len(values[1::2]))]
        return self.degree * jnp.asarray(values, float_dtype(self))


def _weighted_log(value, weight):
    """Weight log(value), 0 where the weight is 0, even at value 0."""
    used = weight != 0.0
    return times(upper_log(jnp.where(used, value, jnp.ones_like(value))), weight)
