"""The spectrum of J J^T as a law, to be moved, sampled and convolved like any other."""

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.core import float_dtype, param, record, static
from depthjax.core._options import is_concrete
from depthjax.freeprob import SpectralLaw, sample_ginibre, sample_haar_orthogonal
from depthjax.freeprob._branch import times, upper_log
from depthjax.freeprob._law import BoundaryResult
from depthjax.meanfield._activation import Activation, slope_at
from depthjax.meanfield._expectation import safe_root
from depthjax.meanfield._jacobian import jacobian_atoms, jacobian_edges, run
from depthjax.meanfield._jacobian_cdf import mean_log
from depthjax.meanfield._jacobian_equation import equation, placed
from depthjax.meanfield._jacobian_moments import jacobian_moments
from depthjax.meanfield._jacobian_quantile import jacobian_quantile
from depthjax.meanfield._jacobian_setting import check, is_deep_enough, setting_of
from depthjax.meanfield._polar import polar_search, real_off_support
from depthjax.meanfield._resolution import accepted, relative_error
from depthjax.numerics import implicit_root


@record
class JacobianSpectrum(SpectralLaw):
    """Limiting law of the squared singular values of the input-output Jacobian J = D_L W_L ... D_1 W_1.

    A `SpectralLaw` over the `jacobian_*` functions, which take log lambda and so reach depths at which lambda itself
    over- or underflows.

    Args:
        activation: phi.
        q: (), variance of pre-activations at the fixed point; or (num_layers,), for which density, cdf,
            atoms and moments are known.
        sigma_w: (), standard deviation of weights times sqrt(fan_in), positive.
        depth: (), number of layers L, real and at least 1, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Raises:
        ValueError: an unknown ensemble, or a concrete argument out of range.
        TypeError: `activation` is a bare function.

    Source:
        Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid", 2017, sec. 2.
    """

    activation: Activation
    q: jax.Array = param()
    sigma_w: jax.Array = param()
    depth: jax.Array = param()
    ensemble: str = static()

    @classmethod
    def _complete(cls, fields):
        named = [fields[name] for name in ("activation", "q", "sigma_w", "depth", "ensemble")]
        check(cls.__name__, *named)
        for name in ("sigma_w", "depth"):
            if jnp.ndim(fields[name]):
                raise ValueError(f"{cls.__name__}: {name} has shape {jnp.shape(fields[name])}, expected ()")
        return fields

    def _valid(self):
        return jnp.all(self.q >= 0.0) & (self.sigma_w > 0.0) & (self.depth >= 1.0)

    def _fields(self):
        return self.activation, self.q, self.sigma_w, self.depth

    def _setting(self):
        return setting_of(*self._fields())[0]

    def _is_gaussian(self):
        return float(self.ensemble == "gaussian")

    def _scalar(self, method):
        if self.q.ndim:
            raise ValueError(
                f"JacobianSpectrum.{method}: q has shape {self.q.shape}, expected () (a fixed point); of layer-wise q "
                "density, cdf, atoms and moments are known"
            )

    def _at(self, x):
        inside = x > 0.0
        return inside, run(jnp.log(jnp.where(inside, x, 1.0)), *self._fields(), self.ensemble)

    def _log_density(self, x):
        inside, found = self._at(x)
        return jnp.where(inside, found.log_density, jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf))

    def _cdf(self, x):
        inside, found = self._at(x)
        locations, masses = self._atoms()
        at_zero = jnp.sum(jnp.where(locations == 0.0, masses, 0.0))
        outside = jnp.where(x == 0.0, at_zero, jnp.where(x < 0.0, 0.0, jnp.nan))
        return jnp.where(inside, found.cdf, outside)

    def _quantile(self, u):
        self._scalar("quantile")
        low, high = self._bounds()
        inner = (u > 0.0) & (u < 1.0)
        value = jnp.exp(jacobian_quantile(jnp.where(inner, u, 0.5), *self._fields(), ensemble=self.ensemble))
        ends = jnp.where(u == 0.0, low, jnp.where(u == 1.0, high, jnp.nan))
        return jnp.where(inner, value, ends)

    def _edges(self):
        self._scalar("edges")
        return jnp.exp(jacobian_edges(*self._fields(), ensemble=self.ensemble))

    def _atoms(self):
        places, masses = jacobian_atoms(*self._fields(), ensemble=self.ensemble)
        return jnp.exp(places), masses

    def _bounds(self):
        locations, masses = self._atoms()
        top = jnp.nanmax(jnp.concatenate([self._edges().ravel(), jnp.where(masses > 0.0, locations, 0.0)]))
        return jnp.zeros_like(top), top

    def _moments(self, order):
        return jacobian_moments(order, *self._fields(), ensemble=self.ensemble)

    @jax.jit
    def _solve(self, z):
        """Log z, log w and how well it is known, at any z of the closed upper half plane but 0."""
        self._scalar("stieltjes")
        log_z = upper_log(jnp.where(z == 0.0, jnp.ones_like(z), z))

        def gap(v, law, at):
            return equation(placed(v), law._setting(), law._is_gaussian()).log_z - at

        frozen = lax.stop_gradient(self)
        found = polar_search(lambda v: gap(v, frozen, jnp.zeros_like(v)), lax.stop_gradient(log_z))
        kind = self._is_gaussian()
        setting, coarse, _ = setting_of(*self._fields())
        place = placed(found.value)
        m = equation(place, setting, kind).m
        known = relative_error(place, m, log_z, found.residual.astype(m.dtype), coarse, kind) <= accepted(m.real.dtype)
        known = known & is_deep_enough(self.activation, self.depth, kind)
        # Inside the continuous spectrum no solution is real: one that is belongs to the nodes, not to the law.
        low, high = frozen._edges().T
        within = jnp.any((jnp.real(z) > low) & (jnp.real(z) < high)) & (jnp.imag(z) == 0.0)
        known = known & ~(within & (jnp.imag(found.value) == 0.0))
        found = found._replace(converged=found.converged & known)
        return log_z, implicit_root(gap, lax.stop_gradient(found.value), self, log_z), found

    def _stieltjes(self, z):
        _, v, found = self._solve(z)
        m = equation(placed(v), self._setting(), self._is_gaussian()).m
        ok = found.converged & (z != 0.0)
        value = real_off_support(z, found.value, (1.0 + m) / jnp.where(z == 0.0, jnp.ones_like(z), z))
        return BoundaryResult(jnp.where(ok, value, jnp.nan), found.residual, ok)

    def _log_potential(self, z):
        log_z, v, found = self._solve(z)
        setting = self._setting()
        place = placed(v)
        parts = equation(place, setting, self._is_gaussian())
        size, angle, pivot = mean_log(place, setting.law)
        inner = lax.complex(size, angle) + upper_log(pivot) - v
        value = times(inner, setting.depth) + times(parts.log_one_plus_m, setting.depth - 1.0)
        if self._is_gaussian():
            value = value + times(parts.m - parts.log_one_plus_m, setting.depth)
        return jnp.where(found.converged & (z != 0.0), log_z + value, jnp.nan)

    def _sample_matrix(self, key, dim):
        if not is_concrete(self.depth) or float(self.depth) != int(self.depth):
            raise ValueError(f"JacobianSpectrum.sample_matrix: depth is {self.depth}, expected a concrete whole number")
        layers, dtype = int(self.depth), float_dtype(self)
        spread = jnp.broadcast_to(safe_root(self.q), (layers,))
        draw = sample_ginibre if self.ensemble == "gaussian" else sample_haar_orthogonal

        def layer(jacobian, inputs):
            key, scale = inputs
            weights, units = jax.random.split(key)
            slopes = slope_at(self.activation, scale * jax.random.normal(units, (dim,), dtype))
            return self.sigma_w * slopes[:, None] * (draw(weights, dim, dtype=dtype) @ jacobian), None

        jacobian, _ = lax.scan(layer, jnp.eye(dim, dtype=dtype), (jax.random.split(key, layers), spread))
        return jacobian @ jacobian.T
