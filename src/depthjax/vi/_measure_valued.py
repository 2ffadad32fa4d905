"""Measure-valued gradients: the derivative of a density as a scaled difference of two densities."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from depthjax import distributions
from depthjax.vi._estimator import Aux, Estimator, no_state, require_samples
from depthjax.vi._guide import as_guide
from depthjax.vi._measure_nodes import nodes_of
from depthjax.vi._objectives import as_objective
from depthjax.vi._outcomes import sample_outcomes


class MeasureDraws(NamedTuple):
    """A draw of the guide and the variables behind the branches of each of its coordinates."""

    z: jax.Array
    noise: Any


def measure_valued(*, num_samples: int, coupled: bool = False) -> Estimator:
    """Gradient by weak derivatives, c (E_+ f - E_- f), one coordinate and parameter at a time; f need not be smooth.

    Normal: in loc, (f(loc + scale W) - f(loc - scale W')) / (scale sqrt(2 pi)), W and W' Rayleigh; in
    scale, (f(loc + scale M) - f(z)) / scale, M double-sided Maxwell. Poisson, in log rate: rate (f(z + 1) - f(z')).
    Exponential: (f(z) - f(z' + z'')) / rate, z' + z'' being Gamma(2, rate). Bernoulli and categorical: the sum over
    the outcomes of a coordinate, sum_k f(k) grad p_k.

    Args:
        num_samples: repetitions that are averaged.
        coupled: let the two branches share what they can (W' = W, z = loc + scale M u with a uniform u, z' = z).
            Of W' = W the variance falls for functions even about the mean, and doubles for f(z) = z.

    Returns:
        An unbiased, stateless estimator for Normal, MultivariateNormalDiag, Poisson, Exponential, Bernoulli,
        Categorical and OneHotCategorical guides.

    Raises:
        TypeError: at trace time, another guide.
        ValueError: num_samples < 1; at trace time, more than one particle.

    Cost:
        Two evaluations of f per parameter and coordinate, and one for the value.

    Source:
        Heidergott, Vazquez-Abad and Volk-Makarewicz (2008); Mohamed, Rosca, Figurnov and Mnih, Monte Carlo Gradient
        Estimation in Machine Learning (2020), sec. 6 and table 1.
    """
    require_samples("measure_valued", num_samples)

    def draw(key, q, params, num_particles, *batch):
        guide = jax.lax.stop_gradient(as_guide(q)(params, *batch))
        require_weak_derivative(guide)
        first, second = jax.random.split(key)
        z = guide.sample(first, (num_samples, num_particles))
        return MeasureDraws(*_noise(second, guide, z, coupled))

    def surrogate(params, state, draws, q, f, *batch):
        objective, guide = as_objective(f), as_guide(q)(params, *batch)
        require_weak_derivative(guide)
        if objective.num_particles > 1:
            raise ValueError(f"measure_valued: num_particles must be 1, got {objective.num_particles}")

        def integrand(z):
            return objective.integrand(params, guide, z, *batch)

        scalars, per_sample = jax.vmap(lambda one: (_scalar(guide, one, integrand), integrand(one.z)))(
            jax.tree.map(lambda leaf: leaf[:, 0], draws)
        )
        fixed = jax.lax.stop_gradient(per_sample)
        value = jnp.mean(fixed)
        return jnp.mean(scalars + per_sample), Aux(value, fixed, state, jnp.zeros_like(value))

    def outcomes(guide, num_points):
        require_weak_derivative(guide)
        if isinstance(guide, _FINITE):
            z, weights = sample_outcomes(guide, num_points)
            return MeasureDraws(z, ()), weights
        z, noise, weights = nodes_of(guide, num_points, coupled=coupled)
        return MeasureDraws(z, noise), weights

    return Estimator(
        "measure_valued", num_samples, unbiased=True, init=no_state, draw=draw, surrogate=surrogate, outcomes=outcomes
    )


_FINITE = (distributions.Bernoulli, distributions.Categorical, distributions.OneHotCategorical)
_NORMAL = (distributions.Normal, distributions.MultivariateNormalDiag)
_SUPPORTED = (*_NORMAL, distributions.Poisson, distributions.Exponential, *_FINITE)


def require_weak_derivative(guide: Any) -> None:
    """Raise `TypeError` for a guide without one."""
    if not isinstance(guide, _SUPPORTED):
        names = ", ".join(cls.__name__ for cls in _SUPPORTED)
        raise TypeError(
            f"measure_valued: {type(guide).__name__} has no weak derivative here; those of {names} are known"
        )


def _noise(key, guide, z, coupled):
    """Standard variables behind the branches of the coordinates of z, and z itself, (z, noise)."""
    dtype = guide.logits.dtype if isinstance(guide, _FINITE) else jax.tree.leaves(guide)[0].dtype
    keys = jax.random.split(key, 4)
    if isinstance(guide, _FINITE):
        return z, ()
    if isinstance(guide, distributions.Poisson):
        return z, (z if coupled else guide.sample(keys[0], z.shape[:2]),)
    if isinstance(guide, distributions.Exponential):
        first, second = (jax.random.exponential(k, z.shape, dtype) for k in keys[:2])
        return z, (z * guide.rate[None, None] if coupled else first, second)
    right, left = (jax.random.rayleigh(k, jnp.ones((), dtype), z.shape, dtype) for k in keys[:2])
    maxwell = jax.random.double_sided_maxwell(keys[2], 0.0, 1.0, z.shape, dtype)
    if not coupled:
        return z, (right, left, maxwell)
    near = jax.random.uniform(keys[3], z.shape, dtype) * maxwell
    return guide.loc[None, None] + guide.scale[None, None] * near, (right, right, maxwell)


def _scalar(guide, draw: MeasureDraws, integrand: Callable[[Any], jax.Array]) -> jax.Array:
    """A scalar whose gradient is the measure-valued one."""
    if isinstance(guide, distributions.Categorical | distributions.OneHotCategorical):
        answers = jax.vmap(integrand)(guide.enumerate_support())
        return jnp.sum(jax.lax.stop_gradient(answers) * jax.nn.softmax(guide.logits))
    fixed, z = jax.lax.stop_gradient(guide), draw.z
    if isinstance(guide, distributions.Bernoulli):
        return _branches(guide.logits, integrand, z, jnp.ones_like(z), jnp.zeros_like(z), fixed.variance())
    if isinstance(guide, distributions.Poisson):
        return _branches(guide.log_rate, integrand, z, z + 1, draw.noise[0], jnp.exp(fixed.log_rate))
    if isinstance(guide, distributions.Exponential):
        return _branches(guide.rate, integrand, z, z, sum(draw.noise) / fixed.rate, 1 / fixed.rate)
    right, left, maxwell = draw.noise
    loc, scale = fixed.loc, fixed.scale
    factor = 1 / (scale * (2 * math.pi) ** 0.5)
    in_loc = _branches(guide.loc, integrand, z, loc + scale * right, loc - scale * left, factor)
    return in_loc + _branches(guide.scale, integrand, z, loc + scale * maxwell, z, 1 / scale)


def _branches(parameter, integrand, z, positive, negative, factor):
    """sum_d factor_d (f(z, z_d = positive_d) - f(z, z_d = negative_d)) parameter_d, the sum's weights held fixed."""

    def answers(branch):
        flat, new = jnp.ravel(z), jnp.ravel(branch)
        return jax.vmap(lambda d: integrand(jnp.reshape(flat.at[d].set(new[d]), z.shape)))(jnp.arange(flat.size))

    slopes = jnp.ravel(factor) * (answers(positive) - answers(negative))
    return jnp.sum(jax.lax.stop_gradient(slopes) * jnp.ravel(parameter))
