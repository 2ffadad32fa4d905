"""A Gaussian whose covariance is an inverse Hessian of limited memory, in product form."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class QuasiNewtonNormal(Distribution):
    """Normal random vector with covariance C C^T, C = (I - s_J w_J^T) ... (I - s_1 w_1^T) diag(scale).

    The covariance is the limited-memory BFGS estimate of an inverse Hessian: every factor is one update by a step s
    and a change of gradient.

    Args:
        loc: mean, (d,).
        scale: standard deviations before the updates, (d,), positive.
        steps: s_j, (J, d); a row of zeros is no update.
        weights: w_j, (J, d), with w_j.s_j < 1.
        shrinks: 1 - w_j.s_j, (J,), which is known without the subtraction.

    Numerics:
        A product of factors is positive definite as it stands; nothing is subtracted and no matrix is decomposed.

    Cost:
        O(d J) for each event, `covariance` O(d^2 J).

    Source:
        Brodlie, Gourlay and Greenstadt, Rank-One and Rank-Two Corrections to Positive Definite Matrices Expressed in
        Product Form (1973); Zhang et al., Pathfinder (2022), sec. 2.3.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    steps: jax.Array = param(constraints.real)
    weights: jax.Array = param(constraints.real)
    shrinks: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        shape, rows = fields["loc"].shape, fields["steps"].shape
        if len(shape) != 1 or fields["scale"].shape != shape:
            raise ValueError(f"{cls.__name__}: loc and scale are (d,), got {shape} and {fields['scale'].shape}")
        if (
            len(rows) != 2
            or rows[1:] != shape
            or fields["weights"].shape != rows
            or fields["shrinks"].shape != rows[:1]
        ):
            raise ValueError(
                f"{cls.__name__}: steps and weights are (J, {shape[0]}) and shrinks (J,), got {rows}, "
                f"{fields['weights'].shape} and {fields['shrinks'].shape}"
            )
        return {**fields, "event_shape": shape}

    def _log_scale(self):
        return jnp.sum(jnp.log(self.scale)) + jnp.sum(jnp.log(self.shrinks))

    def _log_prob(self, x):
        return self._log_prob_whitened(self._solve_factor(x - self.loc))

    def _log_prob_whitened(self, z):
        return -0.5 * jnp.sum(z * z, axis=-1) - self._log_scale() - _HALF_LOG_2PI * self.event_shape[0]

    def _sample_noise(self, key, sample_shape):
        return standard_normal(key, (*sample_shape, *self.event_shape), self.loc.dtype)

    def _from_noise(self, noise):
        rows = noise.reshape(-1, *self.event_shape)
        offsets = jax.vmap(lambda row: apply_factor(self.scale, self.steps, self.weights, row))(rows)
        return (self.loc[None] + offsets).reshape(noise.shape), self._log_prob_whitened(noise)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _solve_factor(self, x):
        """C^-1 x."""
        updates = self.steps, self.weights, self.shrinks
        return _scan(lambda y, s, w, c: y + s * (jnp.sum(w * y) / c), x, updates, reverse=True) / self.scale

    def _factor(self):
        """C^T, (d, d)."""
        unit = jnp.eye(self.event_shape[0], dtype=self.loc.dtype)
        return jax.vmap(lambda row: apply_factor(self.scale, self.steps, self.weights, row))(unit)

    def _variance(self):
        return jnp.sum(self._factor() ** 2, axis=0)

    def _covariance(self):
        rows = self._factor()
        return jnp.matmul(rows.mT, rows, precision=jax.lax.Precision.HIGHEST)

    def _entropy(self):
        return self._log_scale() + (_HALF_LOG_2PI + 0.5) * self.event_shape[0]


def _scan(update, x, rows, *, reverse=False):
    """Apply one update after the other; a loop, so that compile time does not grow with their number."""
    return jax.lax.scan(lambda y, row: (update(y, *row), None), x, rows, reverse=reverse)[0]


def apply_factor(scale: jax.Array, steps: jax.Array, weights: jax.Array, z: jax.Array) -> jax.Array:
    """C z."""
    return _scan(lambda y, s, w: y - s * jnp.sum(w * y), scale * z, (steps, weights))


def apply_factor_transposed(scale: jax.Array, steps: jax.Array, weights: jax.Array, x: jax.Array) -> jax.Array:
    """C^T x."""
    return scale * _scan(lambda y, s, w: y - w * jnp.sum(s * y), x, (steps, weights), reverse=True)


def inverse_hessian_factors(variance: jax.Array, steps: jax.Array, changes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The weights and shrinks of the BFGS inverse Hessian that starts at diag(variance).

    With B the Hessian so far, b = s.z for a change of gradient z and c = s.B s, the update is
    (I - s w^T) H (I - w s^T), w = (z - sqrt(b/c) B s)/b, and 1 - w.s = sqrt(c/b).

    Args:
        variance: (d,) positive.
        steps: (J, d), oldest first; zeros for no update.
        changes: (J, d) changes of the gradient of minus the log density, s.z > 0.

    Returns:
        weights (J, d) and shrinks (J,).
    """

    def update(known, row):
        weights, shrinks = known
        j, s, z = row
        bent = _hessian_times(variance, (steps, weights, shrinks), s)
        b, c = jnp.sum(s * z), jnp.sum(s * bent)
        used = (b > 0) & (c > 0)
        b, c = jnp.where(used, b, 1.0), jnp.where(used, c, 1.0)
        shrink = jnp.sqrt(c / b)
        weight = jnp.where(used, (z - bent / shrink) / b, 0.0)
        return (weights.at[j].set(weight), shrinks.at[j].set(shrink)), None

    start = jnp.zeros_like(steps), jnp.ones_like(steps[:, 0])
    return jax.lax.scan(update, start, (jnp.arange(steps.shape[0]), steps, changes))[0]


def _hessian_times(variance, updates, x):
    """(C C^T)^-1 x; an update whose weights are zero has no effect where its shrink is 1."""
    y = _scan(lambda y, s, w, c: y + s * (jnp.sum(w * y) / c), x, updates, reverse=True)
    return _scan(lambda y, s, w, c: y + w * (jnp.sum(s * y) / c), y / variance, updates)
