"""Relaxed discrete families and perturbed draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def test_cold_draws_have_a_finite_density():
    for dtype in DTYPES[:1]:
        relaxed = (
            dd.RelaxedBernoulli(dtype(0.1), dtype(0.3)),
            dd.RelaxedCategorical(dtype(0.1), np.asarray([0.3, -1.0, 0.5], dtype)),
            dd.ExpRelaxedCategorical(dtype(0.01), np.asarray([0.3, -1.0, 0.5], dtype)),
            dd.HardConcrete(dtype(0.1), dtype(0.3)),
        )
        for dist in relaxed:
            for value in jax.tree.leaves(jax.jit(_densities_of_draws)(dist)):
                assert np.isfinite(np.asarray(value)).all(), type(dist).__name__


def _densities_of_draws(dist):
    x, log_prob = dist.sample_and_log_prob(jax.random.key(0), (2000,))
    slopes = jax.vmap(jax.grad(lambda d, e: d.log_prob(e), argnums=(0, 1)), (None, 0))(dist, x)
    return log_prob, dist.log_prob(x), slopes


def test_simplex_and_its_logarithm():
    dtype = DTYPES[-1]
    logits = np.asarray([0.3, -1.0, 0.5], dtype)
    plain, logarithm = dd.RelaxedCategorical(dtype(0.7), logits), dd.ExpRelaxedCategorical(dtype(0.7), logits)
    y = logarithm.sample(jax.random.key(0), (50,))
    want = np.asarray(logarithm.log_prob(y)) - np.asarray(jnp.sum(y, axis=-1))
    np.testing.assert_allclose(np.asarray(plain.log_prob(jnp.exp(y))), want, rtol=1e-4, atol=1e-4)
    assert float(plain.log_prob(np.asarray([0.0, 0.5, 0.5], dtype))) == -np.inf
    assert float(logarithm.log_prob(np.asarray([-0.1, -0.1, -0.1], dtype))) == -np.inf


def test_two_classes_are_a_relaxed_coin():
    dtype = DTYPES[-1]
    pair = dd.RelaxedCategorical(dtype(0.8), np.asarray([0.7, 0.0], dtype))
    coin = dd.RelaxedBernoulli(dtype(0.8), dtype(0.7))
    x = np.asarray([0.01, 0.3, 0.9], dtype)
    got = pair.log_prob(np.stack([x, 1 - x], axis=-1))
    np.testing.assert_allclose(np.asarray(got), np.asarray(coin.log_prob(x)), rtol=1e-5, atol=1e-5)


def test_hard_concrete_atoms():
    dist = dd.HardConcrete(0.5, 0.3, -0.1, 1.1)
    draws = np.asarray(dist.sample(jax.random.key(0), 20000))
    for atom in (0.0, 1.0):
        p = np.exp(float(dist.log_prob(atom)))
        assert abs((draws == atom).mean() - p) < 5 * np.sqrt(p / 20000)
    assert ((draws >= 0) & (draws <= 1)).all()


def test_gumbel_max_draws_categorically():
    logits = jnp.log(jnp.asarray([0.5, 0.0, 0.3, 0.2]))
    draws = jax.jit(gumbel_rows)(jax.random.key(0), logits)
    counts = np.bincount(np.asarray(draws), minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]], 4000 * np.asarray([0.5, 0.3, 0.2])).pvalue > 1e-4
    assert draws.dtype == np.int32


def gumbel_rows(key, logits):
    return dd.gumbel_max(key, jnp.broadcast_to(logits[None], (4000, 4)))


def test_straight_through_gradient_is_that_of_the_relaxation():
    key, logits = jax.random.key(1), jnp.asarray([0.3, -1.0, 0.5])
    weights = jnp.asarray([1.0, 2.0, 4.0])

    def hard(v):
        return weights @ dd.straight_through_categorical(key, v, temperature=0.7)

    def soft(v):
        return weights @ jax.nn.softmax((v + jax.random.gumbel(key, v.shape, v.dtype)) / 0.7)

    value, slope = jax.value_and_grad(hard)(logits)
    assert float(value) in (1.0, 2.0, 4.0)
    np.testing.assert_allclose(np.asarray(slope), np.asarray(jax.grad(soft)(logits)), rtol=1e-5)


def test_relaxed_shapes():
    with pytest.raises(ValueError, match="logits has shape"):
        dd.RelaxedCategorical(1.0, 0.3)
    with pytest.raises(ValueError, match="temperature has shape"):
        dd.ExpRelaxedCategorical([1.0, 2.0], [0.3, 0.1])
