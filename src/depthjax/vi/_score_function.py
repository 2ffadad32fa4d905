"""The score-function (REINFORCE) gradient with its baselines, and its Rao-Blackwellised form."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.vi._baselines import Baseline, constant_baseline, leave_one_out_sum
from depthjax.vi._estimator import Aux, Estimator, no_state, require_samples
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import Objective, as_objective
from depthjax.vi._outcomes import sample_outcomes
from depthjax.vi._pathwise import over_particles


def score_function(*, num_samples: int, baseline: Baseline | None = None) -> Estimator:
    """Gradient by the score: (f(z) - b) grad log q(z) + grad f(z), for any guide with a log density.

    Args:
        num_samples: repetitions that are averaged.
        baseline: what b is; zero if None.

    Returns:
        An unbiased estimator with the baseline's state. Its draws are samples of the guide.

    Raises:
        ValueError: fewer samples than 1, or than the baseline needs.

    Source:
        Williams, Simple Statistical Gradient-Following Algorithms (1992); Ranganath et al. (2014), eq. 3.
    """
    used = constant_baseline(0.0) if baseline is None else baseline
    require_samples(f"score_function with the {used.name} baseline", num_samples, used.least)

    def surrogate(params, state, draws, q, f, *batch):
        per_sample, log_q = rewards(params, draws, q, f, *batch)
        if per_sample.shape[0] < used.least:
            raise ValueError(
                f"score_function: the {used.name} baseline compares repetitions and got {per_sample.shape[0]}; "
                f"per_sample_grad and with_control_variate take them one by one, for which it has no value"
            )
        fixed = jax.lax.stop_gradient(per_sample)
        advantage = fixed - jax.lax.stop_gradient(used.values(state, fixed, *batch))
        scalar = jnp.mean(advantage * log_q) + jnp.mean(per_sample)
        if used.per_coordinate:
            scalar = scalar - _optimal_correction(params, draws, q, fixed, *batch)
        loss = used.loss(state, fixed, *batch)
        return scalar, Aux(jnp.mean(fixed), fixed, used.update(state, fixed), loss)

    return Estimator(
        "score_function", num_samples, unbiased=True, init=used.init, draw=sample_drawer(num_samples),
        surrogate=surrogate, outcomes=sample_outcomes,
    )  # fmt: skip


def sample_drawer(num_samples: int) -> Callable[..., Any]:
    """The `draw` of an estimator that holds its samples fixed: z with leading axes (num_samples, num_particles)."""

    def draw(key, q, params, num_particles, *batch):
        z = as_guide(q)(params, *batch).sample(key, (num_samples, num_particles))
        return jax.tree.map(jax.lax.stop_gradient, z)

    return draw


def rewards(params: Any, draws: Any, q: Any, f: Any, *batch: Any) -> tuple[jax.Array, jax.Array]:
    """Objective and log density of the K particles of each sample at fixed draws, both (num_samples,)."""
    values, log_q = integrands(params, draws, q, f, *batch)
    return jax.vmap(as_objective(f).combine)(values), jnp.sum(log_q, axis=1)


def integrands(params: Any, draws: Any, q: Any, f: Any, *batch: Any) -> tuple[jax.Array, jax.Array]:
    """Integrand and log density of every particle at fixed draws, both (num_samples, num_particles)."""
    objective, guide = as_objective(f), as_guide(q)(params, *batch)

    def one(z):
        log_q = guide.log_prob(z)
        return objective.integrand_from_log_q(params, z, log_q, *batch), log_q

    return over_particles(one, draws)


def _optimal_correction(params, draws, q, per_sample, *batch):
    """A scalar whose gradient is mean_i b_ij s_ij, the effect of the per-coordinate baseline."""

    def log_q(values, particles):
        return jnp.sum(jax.vmap(as_guide(q)(values, *batch).log_prob)(particles))

    scores = jax.vmap(jax.grad(log_q), (None, 0))(jax.lax.stop_gradient(params), draws)

    def correction(score):
        weight = leave_one_out_sum(score**2)
        column = per_sample.reshape(-1, *[1] * (score.ndim - 1))
        best = leave_one_out_sum(score**2 * column) / jnp.where(weight > 0, weight, 1.0)
        return jax.lax.stop_gradient(jnp.mean(best * score, axis=0))

    terms = jax.tree.map(lambda leaf, score: jnp.sum(leaf * correction(score)), params, scores)
    return sum(jax.tree.leaves(terms))


def rao_blackwell(*, num_samples: int, dependencies: Any, baseline: Baseline | None = None) -> Estimator:
    """Score-function gradient of a factorised guide, where each factor sees only the terms that depend on it.

    Factor g contributes (sum of the terms t with dependencies[t, g] - b) grad log q_g(z_g). The function returns its
    terms, (params, z, *batch) -> (T,), whose sum is the integrand; the guide is a tuple of G independent records, or
    a function returning one, and z is the tuple of their draws.

    Args:
        num_samples: repetitions that are averaged.
        dependencies: static (T, G) bool, whether term t depends on factor g.
        baseline: b, from the sum of a factor's terms; zero if None. It has no state.

    Returns:
        An unbiased, stateless estimator.

    Raises:
        TypeError: at trace time, a bound in place of the function of terms.
        ValueError: num_samples too small; dependencies is not (T, G); a term without a factor cannot be told from one
            whose dependence was forgotten, so a row of False is refused too.

    Source:
        Ranganath et al., Black Box Variational Inference (2014), eq. 6.
    """
    table = np.asarray(dependencies)
    if not np.isin(table, (0, 1)).all():
        raise ValueError("rao_blackwell: dependencies has entries other than True and False")
    table = table.astype(bool)
    if table.ndim != 2 or not table.any(axis=1).all():
        raise ValueError(
            f"rao_blackwell: dependencies is a (T, G) table with a True in every row, got shape {table.shape}"
        )
    used = constant_baseline(0.0) if baseline is None else baseline
    if used.name not in ("constant", "leave_one_out"):
        raise ValueError(f"rao_blackwell: baseline is constant or leave-one-out, got {used.name}")
    require_samples(f"rao_blackwell with the {used.name} baseline", num_samples, used.least)

    def draw(key, q, params, num_particles, *batch):
        factors = _factors(q, params, table, *batch)
        keys = jax.random.split(key, len(factors))
        z = tuple(factor.sample(k, (num_samples, 1)) for factor, k in zip(factors, keys, strict=True))
        return jax.tree.map(jax.lax.stop_gradient, z)

    def surrogate(params, state, draws, q, f, *batch):
        factors, terms_of = _factors(q, params, table, *batch), _terms_of(f)

        def one(z):
            terms = terms_of(params, z, *batch)
            if jnp.shape(terms) != (table.shape[0],):
                raise ValueError(
                    f"rao_blackwell: the function returned shape {jnp.shape(terms)}, expected {table.shape[:1]}, one "
                    f"number for each row of dependencies"
                )
            return terms, jnp.stack([factor.log_prob(v) for factor, v in zip(factors, z, strict=True)])

        terms, log_q = jax.vmap(one)(jax.tree.map(lambda leaf: leaf[:, 0], draws))
        seen = jax.lax.stop_gradient(terms) @ table.astype(terms.dtype)
        advantage = seen - jax.vmap(lambda column: used.values((), column), 1, 1)(seen)
        per_sample = jnp.sum(terms, axis=1)
        value = jax.lax.stop_gradient(jnp.mean(per_sample))
        scalar = jnp.mean(jnp.sum(advantage * log_q, axis=1)) + jnp.mean(per_sample)
        return scalar, Aux(value, jax.lax.stop_gradient(per_sample), state, jnp.zeros_like(value))

    return Estimator(
        "rao_blackwell", num_samples, unbiased=True, init=no_state, draw=draw, surrogate=surrogate,
        outcomes=sample_outcomes,
    )  # fmt: skip


def _terms_of(f):
    """The function of the terms, which `fit` hands over as an expectation."""
    if not isinstance(f, Objective):
        return f
    if f.beta or f.num_particles > 1 or f.exact_term:
        raise TypeError("rao_blackwell: f is a function (params, z, *batch) -> (T,) of its terms, not a bound")
    return lambda params, z, *batch: f.inverse_temperature * f.log_joint(params, z, *batch)


def _factors(q, params, table, *batch):
    factors = tuple(as_guide(q)(params, *batch))
    if len(factors) != table.shape[1]:
        raise ValueError(f"rao_blackwell: {len(factors)} factors, but dependencies has {table.shape[1]} columns")
    return factors
