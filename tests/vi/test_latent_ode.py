"""The bound of a latent differential equation on a linear normal model, whose evidence is a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, stats

from depthjax import distributions as d
from depthjax import ode, vi

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
A = np.array([[-0.3, 1.0], [-1.0, -0.2]], DTYPE)
TS = np.array([0.0, 0.4, 1.1, 1.5], DTYPE)
MASK = np.array([True, True, False, True])
NOISE = DTYPE(0.5)
XS = np.array([[0.3, -0.2], [0.8, 0.1], [np.nan, np.nan], [0.2, -0.9]], DTYPE)


def field(t, z, _):
    return jnp.asarray(A) @ z


def decoder(z):
    return d.Normal(z, jnp.full((2,), NOISE))


def exact():
    """Posterior of z_0 and the evidence, for the prior N(0, I)."""
    maps = [linalg.expm(float(t) * A.astype(float)) for t, seen in zip(TS, MASK, strict=True) if seen]
    design, data = np.concatenate(maps), XS[MASK].astype(float).ravel()
    covariance = design @ design.T + float(NOISE) ** 2 * np.eye(data.size)
    precision = np.eye(2) + design.T @ design / float(NOISE) ** 2
    cov = np.linalg.inv(precision)
    mean = cov @ design.T @ data / float(NOISE) ** 2
    return mean, np.linalg.cholesky(cov), stats.multivariate_normal(np.zeros(data.size), covariance).logpdf(data)


def bound(q, **options):
    options = {"num_samples": 4000, "substeps": 8, **options}
    run = jax.jit(lambda k: vi.latent_ode_elbo(k, lambda *_: q, decoder, field, TS, XS, MASK, **options))
    return run(jax.random.key(0))


def test_bound_is_tight_at_the_posterior_and_below_elsewhere():
    mean, tril, evidence = exact()
    best = bound(d.MultivariateNormal(mean.astype(DTYPE), tril.astype(DTYPE)))
    assert abs(best.value - evidence) < 4 * best.standard_error + 1e-4
    other = bound(d.Normal(np.zeros(2, DTYPE), np.ones(2, DTYPE)))
    assert other.value < evidence - 5 * other.standard_error
    np.testing.assert_allclose(other.kl, 0.0, atol=1e-6)
    doubled = bound(d.MultivariateNormal(mean.astype(DTYPE), tril.astype(DTYPE)), beta=2.0)
    np.testing.assert_allclose(doubled.value, best.log_likelihood - 2 * best.kl, rtol=1e-5)
    assert np.isnan(np.asarray(bound(d.Normal(np.zeros(2, DTYPE), np.ones(2, DTYPE)), num_samples=1).standard_error))


def test_gradients_reach_encoder_field_and_decoder():
    """An encoder that reads the series backwards by `ode_rnn`; masked NaN touch nothing."""
    shapes = {"cell": (3, 5), "field": (2, 2), "head": (4, 3)}
    params = {k: 0.3 * jax.random.normal(jax.random.key(i), s, DTYPE) for i, (k, s) in enumerate(shapes.items())}

    def loss(params):
        def encoder(ts, xs, mask):
            cell = lambda h, x: jnp.tanh(params["cell"] @ jnp.concatenate([h, x]))  # noqa: E731
            states = ode.ode_rnn(cell, lambda t, h, _: -h, jnp.zeros(3, DTYPE), ts[::-1], xs[::-1], mask[::-1])
            out = params["head"] @ states[-1]
            return d.Normal(out[:2], jax.nn.softplus(out[2:]))

        slope = lambda t, z, _: jnp.tanh(params["field"] @ z)  # noqa: E731
        return -vi.latent_ode_elbo(jax.random.key(3), encoder, decoder, slope, TS, XS, MASK, num_samples=3).value

    gradient = jax.jit(jax.grad(loss))(params)
    for leaf in jax.tree.leaves(gradient):
        assert np.isfinite(np.asarray(leaf)).all()
        assert np.abs(leaf).max() > 0


def test_bad_input():
    q = d.Normal(np.zeros(2, DTYPE), np.ones(2, DTYPE))
    with pytest.raises(ValueError, match="mask is"):
        vi.latent_ode_elbo(jax.random.key(0), lambda *_: q, decoder, field, TS, XS, MASK.astype(int), num_samples=2)
    with pytest.raises(ValueError, match="xs has shape"):
        vi.latent_ode_elbo(jax.random.key(0), lambda *_: q, decoder, field, TS, XS[:2], MASK, num_samples=2)
    with pytest.raises(ValueError, match="num_samples is 0"):
        vi.latent_ode_elbo(jax.random.key(0), lambda *_: q, decoder, field, TS, XS, MASK, num_samples=0)
    discrete = d.Bernoulli(np.zeros(2, DTYPE))
    with pytest.raises(TypeError, match="reparameterisable"):
        vi.latent_ode_elbo(jax.random.key(0), lambda *_: discrete, decoder, field, TS, XS, MASK, num_samples=2)
