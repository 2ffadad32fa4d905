"""Limiting spectra of deep networks that depend on the activation through one number only."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from depthjax.core import constraints, float_dtype, param, record
from depthjax.core._options import chosen, positive
from depthjax.freeprob import SpectralLaw
from depthjax.freeprob._branch import plus, times, upper_log
from depthjax.freeprob._law import BoundaryResult
from depthjax.freeprob._moments import s_series_to_moments
from depthjax.meanfield._jacobian_equation import minus_one
from depthjax.meanfield._polar import polar_search, real_off_support
from depthjax.numerics import find_root, implicit_root, series_exp
from depthjax.numerics._arguments import floats


class _Universal(SpectralLaw):
    """z = w exp(v k(w) + log_scale) with 1 + 1/m = w: log z is an elementary function of v = log w.

    A subclass gives k as a function of log w, `_phase(w)` = int m dlog z from infinity, and the curve of its bulk,
    t(theta) = log |z| at the angle theta of w, with the log radius there.
    """

    variance: jax.Array
    log_scale: jax.Array

    def _pull(self, v):
        raise NotImplementedError

    def _phase(self, v):
        raise NotImplementedError

    def _angle(self, t):
        """Angle and log radius of w at the log place t inside the bulk, near the solution."""
        raise NotImplementedError

    def _log_z(self, v):
        return plus(v + times(self._pull(v), self.variance), self.log_scale)

    def _attached(self, v, log_z):
        return implicit_root(lambda v, law, at: law._log_z(v) - at, lax.stop_gradient(v), self, log_z)

    def _bulk(self, x):
        """Whether x lies inside the bulk, log w there, and whether it was to be found but was not."""
        low, high = self._edges()[0]
        inside = (x > low) & (x < high)
        log_x = jnp.log(jnp.where(inside, x, jnp.exp(self._inner())))
        frozen, at = lax.stop_gradient((self, log_x))
        radius, theta = frozen._angle(at - frozen.log_scale)
        v, target = jnp.where(theta > 0.0, lax.complex(radius, theta), 1j), lax.complex(at, jnp.zeros_like(at))
        for _ in range(3):
            value, slope = jax.jvp(frozen._log_z, (v,), (jnp.ones_like(v),))
            step = (value - target) / slope
            v = v - jnp.where(jnp.isfinite(step) & (jnp.abs(step) < 0.1 * theta), step, 0.0)
        eps = jnp.finfo(x.dtype).eps
        settled = (theta > 0.0) & (jnp.abs(frozen._log_z(v) - target) <= 1e3 * eps * (1.0 + jnp.abs(at)))
        # Within rounding of an edge there is no angle, and no density.
        at_edge = (x <= low * (1.0 + 1e3 * eps)) | (x >= high * (1.0 - 1e3 * eps))
        v = jnp.where(settled, v, 1j)
        root = self._attached(v, lax.complex(log_x, jnp.zeros_like(log_x)))
        return inside & settled, root, jnp.isnan(x) | (inside & ~settled & ~at_edge)

    def _inner(self):
        """Logarithm of some point of the bulk."""
        low, high = jnp.log(self._edges()[0])
        return jnp.where(jnp.isfinite(low), 0.5 * (low + high), high - 1.0)

    def _log_density(self, x):
        inside, v, lost = self._bulk(x)
        m = 1.0 / minus_one(v)
        mass = jnp.where(inside, -jnp.imag(m), 1.0)
        value = jnp.log(mass) - math.log(math.pi) - jnp.log(jnp.where(inside, x, 1.0))
        return jnp.where(inside, value, jnp.where(lost, jnp.nan, -jnp.inf))

    def _cdf(self, x):
        inside, v, lost = self._bulk(x)
        value = 1.0 - jnp.imag(self._phase(v)) / math.pi
        locations, masses = self._atoms()
        atoms = jnp.sum(jnp.where(locations <= x, masses, 0.0)) if locations.shape[0] else 0.0
        left = 1.0 - jnp.sum(masses)
        outside = jnp.where(x >= jnp.exp(self._inner()), left, 0.0) + atoms
        return jnp.where(inside, value, jnp.where(lost, jnp.nan, outside))

    def _solve(self, z):
        log_z = upper_log(jnp.where(z == 0.0, jnp.ones_like(z), z))
        found = polar_search(lax.stop_gradient(self)._log_z, lax.stop_gradient(log_z))
        return log_z, self._attached(found.value, log_z), found

    def _stieltjes(self, z):
        _, v, found = self._solve(z)
        value = jnp.exp(plus(times(self._pull(v), -self.variance), -self.log_scale)) / minus_one(v)
        ok = found.converged & (z != 0.0)
        value = real_off_support(z, found.value, value)
        return BoundaryResult(jnp.where(ok, value, jnp.nan), found.residual, ok)

    def _log_potential(self, z):
        log_z, v, found = self._solve(z)
        return jnp.where(found.converged & (z != 0.0), log_z + self._phase(v), jnp.nan)

    def _moments(self, order):
        scale = jnp.exp(self.log_scale * jnp.arange(1, order + 1, dtype=float_dtype(self)))
        return scale * s_series_to_moments(series_exp(-self.variance * self._series(order)))

    def _series(self, order):
        raise NotImplementedError


def _sinc(theta):
    """sin(theta)/theta."""
    return jnp.sinc(theta / math.pi)


def _log_one_less(v):
    """log(1 - 1/w)."""
    y = minus_one(v)
    return lax.complex(jnp.log(jnp.abs(y)) - jnp.real(v), jnp.angle(y) - jnp.imag(v))


@record
class SmoothUniversal(_Universal):
    """z = ((1 + m)/m) exp(variance m + log_scale), the class of activations that are smooth at the origin."""

    variance: jax.Array = param(constraints.positive)
    log_scale: jax.Array = param(constraints.real, default=0.0)

    def _pull(self, v):
        return 1.0 / minus_one(v)

    def _phase(self, v):
        m = 1.0 / minus_one(v)
        return _log_one_less(v) + times(m * m, 0.5 * self.variance)

    def _angle(self, t):
        """On the bulk cosh(log r) = cos + (variance/2) sinc and t + variance/2 = log r + sinh(log r)/sinc."""
        away = t + 0.5 * self.variance

        def radius(theta):
            rise = 0.5 * self.variance * _sinc(theta) - 2.0 * jnp.sin(0.5 * theta) ** 2
            safe = jnp.maximum(rise, 0.0)
            root = jnp.sqrt(jnp.where(safe > 0.0, safe * (2.0 + safe), 1.0))
            return rise, jnp.where(safe > 0.0, root, 0.0), jnp.where(safe > 0.0, jnp.log1p(safe + root), 0.0)

        def gap(theta, size):
            rise, sinh, log_r = radius(theta)
            return jnp.where(rise < 0.0, rise, log_r + sinh / jnp.maximum(_sinc(theta), 1e-30)) - size

        size = jnp.abs(away)
        theta = find_root(gap, jnp.zeros_like(t), jnp.full_like(t, math.pi), size).value
        return jnp.sign(away) * radius(theta)[2], theta

    def _edges(self):
        half = 0.5 * self.variance
        sinh = jnp.sqrt(half * (2.0 + half))
        width = jnp.log1p(half + sinh) + sinh
        centre = self.log_scale - half
        return jnp.exp(jnp.stack([centre - width, centre + width]))[None]

    def _bounds(self):
        low, high = self._edges()[0]
        return low, high

    def _series(self, order):
        return jnp.zeros(order, float_dtype(self)).at[1:2].set(1.0)


@record
class BernoulliUniversal(_Universal):
    """z = ((1 + m)/m) exp(variance m/(1 + m) + log_scale), the class of piecewise linear activations."""

    variance: jax.Array = param(constraints.positive)
    log_scale: jax.Array = param(constraints.real, default=0.0)

    def _pull(self, v):
        return jnp.exp(-v)

    def _phase(self, v):
        return times(_log_one_less(v), 1.0 - self.variance) - times(jnp.exp(-v), self.variance)

    def _angle(self, t):
        """On the bulk r = variance sinc and t = log r + theta cot theta."""

        def gap(theta, t, variance):
            near = theta < 1e-3
            safe = jnp.where(near, 1.0, theta)
            turn = jnp.where(near, 1.0 - theta**2 / 3.0, safe * jnp.cos(safe) / jnp.sin(safe))
            return jnp.log(variance * _sinc(theta)) + turn - t

        # Towards theta = pi the place tends to zero like exp(-pi/(pi - theta)).
        most = math.pi * (1.0 - 4.0 * jnp.finfo(t.dtype).eps)
        theta = find_root(gap, jnp.zeros_like(t), jnp.full_like(t, most), t, self.variance).value
        return jnp.log(self.variance * _sinc(theta)), theta

    def _edges(self):
        top = jnp.exp(1.0 + self.log_scale) * self.variance
        return jnp.stack([jnp.zeros_like(top), top])[None]

    def _atoms(self):
        return jnp.exp(self.variance + self.log_scale)[None], jnp.maximum(1.0 - self.variance, 0.0)[None]

    def _bounds(self):
        top = jnp.maximum(self._edges()[0, 1], jnp.exp(self.variance + self.log_scale))
        return jnp.zeros_like(top), top

    def _series(self, order):
        signs = np.where(np.arange(order) % 2 == 1, 1.0, -1.0)
        return jnp.asarray(signs, float_dtype(self)).at[0].set(0.0)


_CLASSES = {"smooth": SmoothUniversal, "bernoulli": BernoulliUniversal}


def universal_jacobian(variance: ArrayLike, *, universality: str) -> SpectralLaw:
    """Limit of the spectrum of J J^T when depth grows and weights are orthogonal at fixed mean 1 and variance.

    Smooth class: z = ((1 + m)/m) e^{v m}. Bernoulli class (piecewise linear activations, phi'^2 in {0, 1} times a
    constant): z = ((1 + m)/m) e^{v m/(1 + m)}, with an atom of mass 1 - v at e^v for v < 1.

    Args:
        variance: v, (), positive: what sigma^2_JJT tends to.
        universality: static, "smooth" or "bernoulli".

    Returns:
        `SpectralLaw` of mean 1 and variance v.

    Raises:
        ValueError: an unknown class, or a concrete variance that is not positive.

    Numerics: smooth class, w = (1 + m)/m = r e^{i theta}: r + 1/r = 2 cos theta + v sin(theta)/theta, and the density
        is theta/(pi v lambda). Bernoulli class: r = v sin(theta)/theta. The cdf is closed form.

    Source: Pennington, Schoenholz and Ganguli, "The emergence of spectral universality in deep networks", 2018, sec. 4.
    """
    chosen("universal_jacobian", "universality", universality, _CLASSES)
    positive("universal_jacobian", variance=variance)
    return _CLASSES[universality](variance)


def residual_jacobian(effective_variance: ArrayLike, *, log_scale: ArrayLike = 0.0) -> SpectralLaw:
    """Limit of the spectrum of J J^T of deep residual networks, of any activation and either ensemble.

    Blocks are x' = skip x + phi(W x + b), whose slopes are independent from block to block; those of
    h' = skip h + W phi(h) + b are not, and their spectrum is another where slopes differ from unit to unit.
    z = e^{log_scale} ((1 + m)/m) e^{c (1 + 2 m)} for c = sum_l sigma_w^2 mu_1(q_l)/skip^2 at L -> infinity: the smooth
    class of variance 2 c at scale e^{log_scale + c}. Mean e^{c + log_scale}, variance/mean^2 = 2 c.

    Args:
        effective_variance: c, (), positive.
        log_scale: () logarithm of the product of the squared skip weights.

    Returns:
        `SpectralLaw`; for log_scale = 0 the law of lambda and of 1/lambda, weighted by lambda, are the same.

    Raises:
        ValueError: a concrete c that is not positive.

    Source: Tarnowski, Warchol, Jastrzebski, Tabor and Nowak, "Dynamical isometry is achieved in residual networks in a
        universal way for any activation function", 2019.
    """
    positive("residual_jacobian", effective_variance=effective_variance)
    c, log_scale = floats(effective_variance, log_scale)
    return SmoothUniversal(2.0 * c, log_scale + c)
