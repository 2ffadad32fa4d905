"""What the base classes add: batch axes, validity, capabilities, guarded sampling, maps over stacks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax.core import Distribution, Elementwise, constraints, derived, log_prob_each, param, record, sample_each
from depthjax.distributions import Normal

KEY = jax.random.key(0)


@record
class Coin(Elementwise):
    """A family without a pathwise derivative."""

    logits: jax.Array = param(constraints.real)
    event_shape: tuple[int, ...] = derived()

    support = constraints.boolean

    def _log_prob_terms(self, x):
        return x * jax.nn.log_sigmoid(self.logits) + (1 - x) * jax.nn.log_sigmoid(-self.logits)

    def _sample_many(self, key, sample_shape):
        uniform = jax.random.uniform(key, (*sample_shape, *self.event_shape), self.logits.dtype)
        return (uniform < jnp.broadcast_to(jax.nn.sigmoid(self.logits), uniform.shape)).astype(jnp.int32)


@record
class Point(Distribution):
    """A family drawn one key at a time."""

    loc: jax.Array = param(constraints.real)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    def _log_prob(self, x):
        return -0.5 * jnp.sum((x - self.loc) ** 2)

    def _sample(self, key):
        return self.loc + jax.random.normal(key, self.event_shape, self.loc.dtype)


def draw_sum(coin, key=KEY):
    return jnp.sum(coin.sample(key, (5,)).astype(jnp.float32))


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda c: jax.grad(draw_sum)(c),
        lambda c: jax.jit(jax.grad(draw_sum))(c),
        lambda c: jax.grad(lambda d: jnp.sum(jax.vmap(lambda k: draw_sum(d, k))(jax.random.split(KEY, 3))))(c),
        lambda c: jax.vmap(jax.grad(draw_sum))(jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), c)),
        lambda c: jax.jvp(draw_sum, (c,), (c,)),
        lambda c: jax.grad(lambda d: jnp.sum(d.sample_and_log_prob(KEY, (5,))[1]))(c),
    ],
    ids=["grad", "jit-grad", "grad-vmap", "vmap-grad", "jvp", "sample_and_log_prob"],
)
def test_pathwise_through_a_discrete_draw_raises(differentiate):
    with pytest.raises(TypeError, match="Coin.sample has no pathwise gradient.*detach"):
        differentiate(Coin(0.3))


def test_a_detached_draw_differentiates():
    def score_function(coin):
        x = coin.detach().sample(KEY, (100,))
        return jnp.mean(coin.log_prob(x))

    for wrap in (lambda f: f, jax.jit):
        value = wrap(jax.grad(score_function))(Coin(0.3)).logits
        assert np.isfinite(value)
    draws = np.asarray(Coin(0.3).sample(KEY, (100,)))
    np.testing.assert_allclose(value, draws.mean() - 1 / (1 + np.exp(-0.3)), rtol=1e-5)


def test_a_draw_inside_a_derivative_of_something_else_is_allowed():
    coin = Coin(0.3)
    slope = jax.grad(lambda w: jnp.sum(w * coin.sample(KEY, (5,)).astype(w.dtype)))(jnp.ones(()))
    assert np.isfinite(slope)


def test_discrete_draws_are_int32_and_score_as_themselves():
    x, log_prob = Coin(np.zeros(3)).sample_and_log_prob(KEY, (7,))
    assert x.dtype == jnp.int32
    assert x.shape == (7, 3)
    np.testing.assert_allclose(log_prob, -3 * np.log(2) * np.ones(7), rtol=1e-6)
    np.testing.assert_allclose(Coin(0.0).log_prob(np.array([0.5, 2, np.nan])), [-np.inf, -np.inf, np.nan])


def test_explicit_draws_differentiate():
    slope = jax.grad(lambda d: jnp.sum(d.sample(KEY, (5,))))(Normal(0.0, 1.0))
    np.testing.assert_allclose(slope.loc, 5.0, rtol=1e-6)
    noise = np.asarray(Normal(0.0, 1.0).sample_noise(KEY, (5,)))
    np.testing.assert_allclose(slope.scale, noise.sum(), rtol=1e-5)


def test_detach_keeps_values_and_stops_gradients():
    dist = Normal(0.5, 2.0)
    slope = jax.grad(lambda d: d.detach().log_prob(0.3))(dist)
    np.testing.assert_array_equal([slope.loc, slope.scale], [0.0, 0.0])
    np.testing.assert_array_equal(dist.detach().loc, dist.loc)
    assert jax.tree.structure(dist.detach()) == jax.tree.structure(dist)


def test_one_key_per_draw_when_the_family_says_so():
    dist = Point(np.zeros(2))
    x = dist.sample(KEY, (3, 4))
    assert x.shape == (3, 4, 2)
    assert len(np.unique(np.asarray(x))) == 24
    assert dist.sample(KEY, 3).shape == (3, 2)
    x, log_prob = dist.sample_and_log_prob(KEY, (3,))
    np.testing.assert_allclose(log_prob, dist.log_prob(x), rtol=1e-6)


def test_batch_axes_lead_and_events_sum():
    dist = Normal(np.arange(3.0), np.ones(3))
    x = np.linspace(-1, 1, 24).reshape(2, 4, 3)
    assert dist.log_prob(x).shape == (2, 4)
    assert dist.cdf(x).shape == x.shape
    np.testing.assert_allclose(dist.log_prob(x), np.sum(dist.log_prob_terms(x), axis=-1), rtol=1e-6)
    assert dist.entropy().shape == ()
    assert dist.mean().shape == (3,)


def test_integers_are_cast_to_the_dtype_of_the_parameters():
    dist = Normal(np.float32(0), np.float32(1))
    for x in (1, True, np.int64(1), jnp.int32(1)):
        assert dist.log_prob(x).dtype == np.float32
    np.testing.assert_allclose(dist.log_prob(1), dist.log_prob(1.0), rtol=0)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("bad", [(0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (np.inf, 1.0), (0.0, np.nan)])
def test_invalid_parameters_give_nan(bad, wrap):
    dist = Normal(*bad)
    values = wrap(
        lambda d: (d.log_prob(0.5), d.sample(KEY), d.cdf(0.5), d.entropy(), d.mean(), d.variance(), d.quantile(0.5))
    )(dist)
    assert np.isnan(np.asarray(values)).all()


def test_nan_input_gives_nan():
    assert np.isnan(Normal(0.0, 1.0).log_prob(np.nan))
    assert np.isnan(Coin(0.0).log_prob(np.nan))


def test_sample_each_and_log_prob_each_agree_with_a_loop():
    stacked = jax.vmap(Normal)(jnp.arange(3.0), jnp.array([1.0, 2.0, 3.0]))
    x = sample_each(KEY, stacked, (5,))
    assert x.shape == (3, 5)
    assert len(np.unique(np.asarray(x))) == 15
    singles = [jax.tree.map(lambda leaf, i=i: leaf[i], stacked) for i in range(3)]
    np.testing.assert_allclose(
        log_prob_each(stacked, x), np.stack([d.log_prob(x[i]) for i, d in enumerate(singles)]), rtol=1e-5
    )
    with pytest.raises(ValueError, match="Normal is not a stack"):
        sample_each(KEY, Normal(0.0, 1.0))
