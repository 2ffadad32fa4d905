"""Regressions and small posteriors of posteriordb, written out: densities on the constrained scale, and maps to it.

A model is a function of the data that returns a `Model`: `log_density` of the stored columns with every constant and
without a Jacobian, `constrain` from free coordinates to the columns, and `raw_density` of the free ones.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln


class Model(NamedTuple):
    """Functions of one posterior, each of one vector."""

    log_density: Callable[[jax.Array], jax.Array]
    constrain: Callable[[jax.Array], jax.Array]
    raw_density: Callable[[jax.Array], jax.Array]
    unconstrain: Callable[[jax.Array], jax.Array]


def normal(x, loc, scale):
    return jnp.sum(-0.5 * jnp.log(2 * jnp.pi) - jnp.log(scale) - 0.5 * ((x - loc) / scale) ** 2)


def log_normal(x, loc, scale):
    return normal(jnp.log(x), loc, scale) - jnp.sum(jnp.log(x))


def cauchy(x, scale):
    return -jnp.log(jnp.pi * scale) - jnp.log1p((x / scale) ** 2)


def gamma(x, shape, rate):
    return shape * jnp.log(rate) - gammaln(shape) + (shape - 1) * jnp.log(x) - rate * x


def with_positive(log_density, which):
    """A model whose columns `which` are positive and the others free."""
    which = np.asarray(which)

    def constrain(raw):
        return raw.at[which].set(jnp.exp(raw[which]))

    def unconstrain(v):
        return v.at[which].set(jnp.log(v[which]))

    return Model(log_density, constrain, lambda raw: log_density(constrain(raw)) + jnp.sum(raw[which]), unconstrain)


def array(data, name):
    return np.asarray(data[name], float)


def linear(x, y):
    """Flat weights and scale: the density is that of the data."""
    return with_positive(lambda v: normal(y, x @ v[:-1], v[-1]), [x.shape[1]])


def regression(data):
    x, y = array(data, "X"), array(data, "y")
    return with_positive(
        lambda v: normal(v[:-1], 0.0, 10.0) + normal(v[-1], 0.0, 10.0) + normal(y, x @ v[:-1], v[-1]), [5]
    )


def autoregression(data):
    y, k = array(data, "y"), int(data["K"])
    lags = np.stack([y[k - j : len(y) - j] for j in range(1, k + 1)], axis=1)

    def log_density(v):
        prior = normal(v[:-1], 0.0, 10.0) + cauchy(v[-1], 2.5)
        return prior + normal(y[k:], v[0] + lags @ v[1:-1], v[-1])

    return with_positive(log_density, [k + 1])


def interaction(data):
    high_school, iq, y = (array(data, name) for name in ("mom_hs", "mom_iq", "kid_score"))
    x = np.stack([np.ones_like(iq), high_school, iq, high_school * iq], axis=1)
    return with_positive(lambda v: cauchy(v[-1], 2.5) + normal(y, x @ v[:-1], v[-1]), [4])


def earnings(data):
    height = array(data, "height")
    return linear(np.stack([np.ones_like(height), height], axis=1), np.log(array(data, "earn")))


def mesquite(data):
    names = ("diam1", "diam2", "canopy_height", "total_height", "group", "weight")
    diam1, diam2, canopy, total, group, weight = (array(data, name) for name in names)
    columns = [np.ones_like(group), np.log(diam1 * diam2 * canopy), np.log(diam1 * diam2), np.log(diam1 / diam2)]
    return linear(np.stack([*columns, np.log(total), group], axis=1), np.log(weight))


def election(data):
    age = array(data, "age_discrete")
    columns = [np.ones_like(age), array(data, "real_ideo"), array(data, "race_adj"), age == 2, age == 3, age == 4]
    columns += [array(data, name) for name in ("educ1", "gender", "income")]
    return linear(np.stack(columns, axis=1).astype(float), array(data, "partyid7"))


def schools_density(data):
    y, scale = array(data, "y"), array(data, "sigma")

    def log_density(v):
        return cauchy(v[9], 5.0) + normal(v[8], 0.0, 5.0) + normal(v[:8], v[8], v[9]) + normal(y, v[:8], scale)

    return log_density


def schools_centered(data):
    return with_positive(schools_density(data), [9])


def schools_noncentered(data):
    log_density = schools_density(data)

    def constrain(raw):
        scale = jnp.exp(raw[9])
        return jnp.concatenate([raw[8] + scale * raw[:8], raw[8:9], scale[None]])

    def unconstrain(v):
        return jnp.concatenate([(v[:8] - v[8]) / v[9], v[8:9], jnp.log(v[9:])])

    return Model(log_density, constrain, lambda raw: log_density(constrain(raw)) + 9 * raw[9], unconstrain)


def gaussian_mixture(data):
    y = array(data, "y")

    def log_density(v):
        loc, scale, theta = v[:2], v[2:4], v[4]
        terms = (
            -0.5 * jnp.log(2 * jnp.pi)
            - jnp.log(scale)[None]
            - 0.5 * ((jnp.asarray(y)[:, None] - loc[None]) / scale[None]) ** 2
        )
        likelihood = jnp.sum(jnp.logaddexp(jnp.log(theta) + terms[:, 0], jnp.log1p(-theta) + terms[:, 1]))
        beta = 4 * (jnp.log(theta) + jnp.log1p(-theta)) + gammaln(10.0) - 2 * gammaln(5.0)
        return normal(loc, 0.0, 2.0) + normal(scale, 0.0, 2.0) + beta + likelihood

    def constrain(raw):
        second = raw[0] + jnp.exp(raw[1])
        return jnp.stack([raw[0], second, jnp.exp(raw[2]), jnp.exp(raw[3]), jax.nn.sigmoid(raw[4])])

    def raw_density(raw):
        jacobian = jnp.sum(raw[1:4]) + jax.nn.log_sigmoid(raw[4]) + jax.nn.log_sigmoid(-raw[4])
        return log_density(constrain(raw)) + jacobian

    def unconstrain(v):
        logs = jnp.log(jnp.stack([v[1] - v[0], v[2], v[3]]))
        return jnp.concatenate([v[:1], logs, (jnp.log(v[4]) - jnp.log1p(-v[4]))[None]])

    return Model(log_density, constrain, raw_density, unconstrain)
