"""Conjugate pairs of counts, categories and waiting times."""

import jax.numpy as jnp

from depthjax.distributions import _likelihoods as given
from depthjax.distributions._beta import Beta
from depthjax.distributions._categorical import Categorical
from depthjax.distributions._conjugate_registry import Pair, register
from depthjax.distributions._dirichlet import Dirichlet
from depthjax.distributions._gamma import Gamma
from depthjax.distributions._gaussian_algebra import HIGHEST


def _scalar(prior, likelihood):
    del likelihood
    return prior.event_shape


def _family(name):
    """A public family by name, when it is needed: the pairs do not import every family."""
    from depthjax import distributions

    return getattr(distributions, name)


def _weighted(weights, rows):
    """Sum over the leading axis of rows (n, *event) with weights (n,)."""
    return jnp.tensordot(weights, rows, axes=1, precision=HIGHEST)


def _beta_update(successes, failures):
    """The update of a Beta prior by counts `(likelihood, rows) -> rows` of both outcomes."""

    def update(prior, likelihood, rows, weights):
        one, zero = successes(likelihood, rows), failures(likelihood, rows)
        return Beta(prior.concentration1 + _weighted(weights, one), prior.concentration0 + _weighted(weights, zero))

    return update


register(
    "Beta",
    given.BernoulliLikelihood,
    Pair(
        _beta_update(lambda _, x: x, lambda _, x: 1.0 - x),
        lambda prior, _: _family("Bernoulli")(jnp.log(prior.concentration1) - jnp.log(prior.concentration0)),
        _scalar,
    ),
)
register(
    "Beta",
    given.BinomialLikelihood,
    Pair(
        _beta_update(lambda _, x: x, lambda like, x: like.total_count - x),
        lambda prior, like: _family("BetaBinomial")(like.total_count, prior.concentration1, prior.concentration0),
        _scalar,
    ),
)
# Geometric counts failures before the first success; negative binomial counts successes before the last failure.
register(
    "Beta",
    given.GeometricLikelihood,
    Pair(
        _beta_update(lambda _, x: jnp.ones_like(x), lambda _, x: x),
        lambda prior, _: _family("BetaNegativeBinomial")(
            jnp.ones_like(prior.concentration1), prior.concentration0, prior.concentration1
        ),
        _scalar,
    ),
)
register(
    "Beta",
    given.NegativeBinomialLikelihood,
    Pair(
        _beta_update(lambda _, x: x, lambda like, x: jnp.broadcast_to(like.total_count, x.shape)),
        lambda prior, like: _family("BetaNegativeBinomial")(
            like.total_count, prior.concentration1, prior.concentration0
        ),
        _scalar,
    ),
)


def _dirichlet_update(prior, likelihood, rows, weights):
    del likelihood
    ranks = jnp.arange(prior.event_shape[0], dtype=rows.dtype)
    hot = (rows[:, None] == ranks[None, :]).astype(weights.dtype)
    return Dirichlet(prior.concentration + _weighted(weights, hot))


register(
    "Dirichlet",
    given.CategoricalLikelihood,
    Pair(_dirichlet_update, lambda prior, _: Categorical(jnp.log(prior.concentration)), lambda prior, _: ()),
)


def _gamma_update(shape, exposure):
    """The update of a Gamma prior of a rate by gains `(likelihood, rows) -> rows` of concentration and rate."""

    def update(prior, likelihood, rows, weights):
        gains = [_weighted(weights, gain(likelihood, rows)) for gain in (shape, exposure)]
        return Gamma(prior.concentration + gains[0], prior.rate + gains[1])

    return update


def _student(prior, likelihood):
    """2 a degrees of freedom and scale sqrt(b/a) around the known mean."""
    return _family("StudentT")(2.0 * prior.concentration, likelihood.loc, jnp.sqrt(prior.rate / prior.concentration))


def _half(likelihood, rows):
    del likelihood
    return jnp.full_like(rows, 0.5)


def _half_square(likelihood, rows):
    return 0.5 * (rows - likelihood.loc) ** 2


register(
    "Gamma",
    given.PoissonLikelihood,
    Pair(
        _gamma_update(lambda _, x: x, lambda _, x: jnp.ones_like(x)),
        lambda prior, _: _family("GammaPoisson")(prior.concentration, prior.rate),
        _scalar,
    ),
)
register(
    "Gamma",
    given.ExponentialLikelihood,
    Pair(
        _gamma_update(lambda _, x: jnp.ones_like(x), lambda _, x: x),
        lambda prior, _: _family("Lomax")(prior.concentration, prior.rate),
        _scalar,
    ),
)
register(
    "Gamma",
    given.GammaRateLikelihood,
    Pair(
        _gamma_update(lambda like, x: jnp.broadcast_to(like.concentration, x.shape), lambda _, x: x),
        lambda prior, like: _family("BetaPrime")(like.concentration, prior.concentration, prior.rate),
        _scalar,
    ),
)
register("Gamma", given.NormalPrecisionLikelihood, Pair(_gamma_update(_half, _half_square), _student, _scalar))
