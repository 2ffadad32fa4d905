"""Every estimator with a guide and an objective that it takes: the registry of the estimator laws."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import distributions, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32


class Case(NamedTuple):
    """An estimator, guides of two values by `guide(0)` and `guide(1)`, an objective of a function, a batch."""

    estimator: vi.Estimator
    guide: Callable[[int], Any]
    objective: Callable[[Callable], Any]
    function: Callable[..., jax.Array]
    batch: tuple = ()


def normal(i):
    return distributions.Normal(DTYPE([0.3, -0.6][i]), DTYPE([0.8, 1.2][i]))


def vector(i):
    return distributions.MultivariateNormalDiag(DTYPE([[0.3, -0.2], [1.0, 0.4]][i]), DTYPE([[0.8, 0.5], [1.0, 2.0]][i]))


def correlated(i):
    return distributions.MultivariateNormal(
        vector(i).loc, DTYPE([[[0.8, 0.0], [0.3, 0.6]], [[1.0, 0.0], [-0.4, 0.7]]][i])
    )


def gamma(i):
    return distributions.Gamma(DTYPE([2.0, 0.7][i]), DTYPE([1.0, 1.5][i]))


def coins(i):
    return distributions.Bernoulli(DTYPE([[-0.4, 0.9], [1.5, 0.0]][i]))


def die(i):
    return distributions.Categorical(DTYPE([[0.2, -0.5, 0.4], [1.0, 0.0, -1.0]][i]))


def poisson(i):
    return distributions.Poisson(DTYPE([1.3, 2.4][i]))


def exponential(i):
    return distributions.Exponential(DTYPE([1.3, 0.6][i]))


def factors(i):
    return normal(i), normal(1 - i)


def bump(_, z):
    """For one number or a vector."""
    return -0.9 * jnp.sum((z - 0.4) ** 2) + jnp.sum(jnp.sin(2 * z))


def pair(_, z):
    """For bits, soft or hard."""
    z = z.astype(DTYPE)
    return 1.4 * z[0] * z[1] - 0.8 * z[0] + 0.3 * z[1]


def face(_, z):
    return jnp.asarray([0.4, -1.0, 0.7], DTYPE)[z]


def count(_, z):
    return jnp.sin(z.astype(DTYPE))


def terms(_, z):
    return jnp.stack([-0.5 * z[0] ** 2, jnp.sin(z[1]), z[0] * z[1]])


def shifted(_, z, x):
    return -0.5 * (z - x) ** 2 - 0.5 * z * z


def wavy(weights, z):
    return weights * jnp.sum(jnp.tanh(z / 2))


def iwae(f):
    return vi.iwae_objective(f, num_particles=3)


def exact_divergence(f):
    return vi.analytic_kl_elbo(f, distributions.Normal(DTYPE(0.0), DTYPE(1.0)))


def constant(weights, *batch):
    return weights + 0.0 * sum(jnp.sum(x) for x in batch)


ZERO = DTYPE(0.0)
ELBO = vi.elbo_objective
CASES = {
    "score, moving average, coins": Case(
        vi.score_function(num_samples=2, baseline=vi.moving_average_baseline()), coins, vi.expectation, pair
    ),
    "pathwise, vector": Case(vi.pathwise(num_samples=2), vector, ELBO, bump),
    "dreg, vector": Case(vi.doubly_reparameterized(num_samples=2), vector, iwae, bump),
    "vimco, coins": Case(vi.vimco(num_samples=2), coins, iwae, pair),
    "relax, coins": Case(
        vi.relax(num_samples=1, temperature=0.7, surrogate_apply=wavy, surrogate_params=DTYPE(0.5)), coins, ELBO, pair
    ),
    "measure, normal": Case(vi.measure_valued(num_samples=2), normal, ELBO, bump),
}
SLOW_CASES = {
    "score, optimal, vector": Case(
        vi.score_function(num_samples=3, baseline=vi.optimal_baseline()), vector, ELBO, bump
    ),
    "score, learned, coins": Case(
        vi.score_function(num_samples=2, baseline=vi.learned_baseline(constant, ZERO)), coins, ELBO, pair
    ),
    "pathwise, gamma": Case(vi.pathwise(num_samples=2), gamma, vi.expectation, bump),
    "landing, correlated": Case(vi.sticking_the_landing(num_samples=2), correlated, ELBO, bump),
    "disarm, coins": Case(vi.disarm(num_samples=2), coins, ELBO, pair),
    "gumbel, die": Case(vi.gumbel_softmax(num_samples=2, temperature=0.6), die, vi.expectation, face),
    "exact, die": Case(vi.exact(), die, ELBO, face),
    "score, none, die": Case(vi.score_function(num_samples=2), die, ELBO, face),
    "score, one out, poisson": Case(
        vi.score_function(num_samples=3, baseline=vi.leave_one_out_baseline()), poisson, vi.expectation, count
    ),
    "score, thermodynamic, coins": Case(
        vi.score_function(num_samples=2, baseline=vi.leave_one_out_baseline()),
        coins,
        lambda f: vi.tvo_objective(f, num_particles=3, betas=(0.0, 0.3, 1.0)),
        pair,
    ),
    "rao blackwell, factors": Case(
        vi.rao_blackwell(num_samples=2, dependencies=[[True, False], [False, True], [True, True]]),
        factors,
        lambda f: f,
        terms,
    ),
    "pathwise, chi, vector": Case(
        vi.pathwise(num_samples=2), vector, lambda f: vi.cubo_objective(f, num_particles=3), bump
    ),
    "pathwise, renyi, correlated": Case(
        vi.pathwise(num_samples=2), correlated, lambda f: vi.renyi_objective(f, num_particles=3, alpha=0.5), bump
    ),
    "pathwise, exact divergence": Case(vi.pathwise(num_samples=2), normal, exact_divergence, bump),
    "pathwise, per datum": Case(
        vi.per_datum(vi.pathwise(num_samples=2)), normal, iwae, shifted, (np.asarray([0.2, -1.0], DTYPE),)
    ),
    "vimco, arithmetic, die": Case(vi.vimco(num_samples=1, mean="arithmetic"), die, iwae, face),
    "nvil, coins": Case(
        vi.nvil(num_samples=2, baseline_apply=constant, baseline_params=ZERO, normalize_variance=True),
        coins,
        ELBO,
        pair,
    ),
    "rebar, die": Case(vi.rebar(num_samples=2, temperature=0.7, eta=0.9), die, vi.expectation, face),
    "arm, coins": Case(vi.arm(num_samples=2), coins, ELBO, pair),
    "straight through, coins": Case(vi.straight_through(num_samples=2), coins, vi.expectation, pair),
    "gumbel, hard, coins": Case(
        vi.gumbel_softmax(num_samples=2, temperature=0.6, straight_through=True), coins, vi.expectation, pair
    ),
    "measure, poisson": Case(vi.measure_valued(num_samples=2), poisson, vi.expectation, count),
    "measure, exponential": Case(vi.measure_valued(num_samples=2), exponential, vi.expectation, bump),
    "measure, die": Case(vi.measure_valued(num_samples=2), die, ELBO, face),
    "measure, vector, coupled": Case(vi.measure_valued(num_samples=2, coupled=True), vector, ELBO, bump),
    "exact, coins, importance-weighted": Case(vi.exact(), coins, iwae, pair),
    "delta control, vector": Case(
        vi.with_control_variate(vi.score_function(num_samples=4), vi.delta_control_variate(order=2)),
        vector,
        vi.expectation,
        bump,
    ),
}
