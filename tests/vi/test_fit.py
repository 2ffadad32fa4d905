"""The fit loop: exact on a conjugate model, pure under jit and vmap, annealed, resumable, honest about NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import distributions, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
ESTIMATOR = vi.pathwise(num_samples=16)


def log_joint(_, z):
    """z ~ N(0, I), x | z ~ N(A z, I/2): posterior precision I + 2 A^T A."""
    matrix = jnp.asarray([[1.0, 0.5], [0.0, 1.0], [1.0, -1.0]], z.dtype)
    x = jnp.asarray([1.0, -0.5, 2.0], z.dtype)
    return -0.5 * jnp.sum(z * z) - jnp.sum((x - matrix @ z) ** 2)


def exact():
    matrix = np.array([[1.0, 0.5], [0.0, 1.0], [1.0, -1.0]])
    precision = np.eye(2) + 2 * matrix.T @ matrix
    return np.linalg.solve(precision, 2 * matrix.T @ np.array([1.0, -0.5, 2.0])), np.linalg.inv(precision)


def start():
    return distributions.MultivariateNormal(jnp.zeros(2, DTYPE), jnp.eye(2, dtype=DTYPE))


@jax.jit
def run(key, guide):
    rate = optax.cosine_decay_schedule(5e-2, 6000)
    return vi.fit(
        key,
        vi.elbo_objective(log_joint),
        guide,
        guide,
        estimator=vi.pathwise(num_samples=512),
        optimizer=optax.adam(rate),
        num_steps=6000,
    )


def test_recovers_the_posterior_of_a_conjugate_model_within_half_a_percent():
    result = run(jax.random.key(0), start())
    mean, covariance = exact()
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(result.params.loc, mean, rtol=0, atol=0.005 * sd.min(), equal_nan=False)
    np.testing.assert_allclose(np.sqrt(np.diag(result.params.covariance())), sd, rtol=0.005, equal_nan=False)
    assert bool(result.converged)
    assert result.value_trace.shape == result.grad_norm_trace.shape == (6000,)


def short(key, params, num_steps=20, **options):
    return vi.fit(
        key,
        vi.elbo_objective(log_joint),
        params,
        params,
        estimator=ESTIMATOR,
        optimizer=optax.adam(1e-2),
        num_steps=num_steps,
        **options,
    )


def test_vmaps_over_keys_and_equals_the_loop():
    keys = jax.random.split(jax.random.key(0), 3)
    together = jax.jit(jax.vmap(lambda k: short(k, start()).params.loc))(keys)
    alone = np.stack([np.asarray(jax.jit(lambda k: short(k, start()).params.loc)(k)) for k in keys])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6, equal_nan=False)


def test_resumes_from_its_own_states():
    whole = short(jax.random.key(0), start(), 20)
    half = short(jax.random.key(0), start(), 10)
    rest = short(
        jax.random.key(0),
        half.params,
        10,
        first_step=10,
        optimizer_state=half.optimizer_state,
        estimator_state=half.estimator_state,
    )
    bound = 1e3 * float(np.finfo(DTYPE).eps)
    np.testing.assert_allclose(rest.params.loc, whole.params.loc, rtol=bound, atol=bound, equal_nan=False)


def test_batches_reach_the_objective():
    shifts = 5.0 * jnp.arange(5, dtype=DTYPE)

    def log_density(_, z, shift):
        return -0.5 * jnp.sum((z - shift) ** 2)

    result = vi.fit(
        jax.random.key(0),
        vi.elbo_objective(log_density),
        start(),
        start(),
        estimator=ESTIMATOR,
        optimizer=optax.sgd(0.0),
        num_steps=5,
        batches=(shifts,),
    )
    steps = np.diff(np.asarray(result.value_trace))
    assert np.all(steps < 0)


def test_annealing_weighs_the_log_joint_only():
    flat = vi.fit(
        jax.random.key(0),
        vi.elbo_objective(log_joint),
        start(),
        start(),
        estimator=ESTIMATOR,
        optimizer=optax.sgd(0.0),
        num_steps=2,
        annealing=lambda step: 0.0 * step,
    )
    noise = ESTIMATOR.draw(jax.random.fold_in(jax.random.key(0), 0), start(), start(), 1)
    log_q = jax.vmap(jax.vmap(lambda e: start().from_noise(e)[1]))(noise)
    np.testing.assert_allclose(flat.value_trace[0], -np.mean(np.asarray(log_q)), rtol=1e-5)


def test_a_non_finite_step_stops_the_fit_and_keeps_the_parameters():
    def breaks(_, z, step):
        return -jnp.sum(z * z) / jnp.where(step == 3, 0.0, 1.0)

    result = vi.fit(
        jax.random.key(0),
        vi.elbo_objective(breaks),
        start(),
        start(),
        estimator=ESTIMATOR,
        optimizer=optax.adam(1e-2),
        num_steps=6,
        batches=(jnp.arange(6, dtype=DTYPE),),
    )
    assert not bool(result.converged)
    np.testing.assert_array_equal(np.isnan(np.asarray(result.value_trace)), [False] * 3 + [True] * 3)
    assert all(np.all(np.isfinite(np.asarray(leaf))) for leaf in jax.tree.leaves(result.params))


def test_constraints_hold_throughout():
    result = vi.fit(
        jax.random.key(0),
        vi.elbo_objective(lambda _, z: -1e4 * jnp.sum(z * z)),
        start(),
        start(),
        estimator=ESTIMATOR,
        optimizer=optax.sgd(1e-3),
        num_steps=30,
    )
    assert np.all(np.diag(np.asarray(result.params.scale_tril)) > 0)


def test_bad_options_raise():
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        short(jax.random.key(0), start(), 0)
