"""Posteriors of posteriordb with a process inside: volatility, hidden states, Gaussian processes, two species."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from posteriordb_models import Model, array, gamma, log_normal, normal, with_positive


def logit(p):
    return jnp.log(p) - jnp.log1p(-p)


def log_slope(raw):
    """Log derivative of the logistic function."""
    return jax.nn.log_sigmoid(raw) + jax.nn.log_sigmoid(-raw)


def volatility(data):
    """GARCH(1, 1) with the first scale given; beta1 is kept below 1 - alpha1."""
    y, first = array(data, "y"), float(data["sigma1"])

    def log_density(v):
        mu, alpha0, alpha1, beta1 = v

        def step(variance, before):
            variance = alpha0 + alpha1 * (before - mu) ** 2 + beta1 * variance
            return variance, variance

        start = jnp.full((), first**2, v.dtype)
        _, later = jax.lax.scan(step, start, jnp.asarray(y[:-1]))
        return normal(y, mu, jnp.sqrt(jnp.concatenate([start[None], later])))

    def constrain(raw):
        alpha1 = jax.nn.sigmoid(raw[2])
        return jnp.stack([raw[0], jnp.exp(raw[1]), alpha1, (1 - alpha1) * jax.nn.sigmoid(raw[3])])

    def raw_density(raw):
        jacobian = raw[1] + log_slope(raw[2]) + log_slope(raw[3]) + jax.nn.log_sigmoid(-raw[2])
        return log_density(constrain(raw)) + jacobian

    def unconstrain(v):
        return jnp.stack([v[0], jnp.log(v[1]), logit(v[2]), logit(v[3] / (1 - v[2]))])

    return Model(log_density, constrain, raw_density, unconstrain)


def hidden_states(data):
    """Two states, both with weight one at first; the forward recursion in logs."""
    y = array(data, "y")

    def log_density(v):
        moves, loc = jnp.log(v[:4].reshape(2, 2)), v[4:]
        emissions = -0.5 * jnp.log(2 * jnp.pi) - 0.5 * (jnp.asarray(y)[:, None] - loc[None]) ** 2

        def step(forward, emission):
            return jax.nn.logsumexp(forward[:, None] + moves, axis=0) + emission, None

        forward, _ = jax.lax.scan(step, emissions[0], emissions[1:])
        return normal(loc[0], 3.0, 1.0) + normal(loc[1], 10.0, 1.0) + jax.nn.logsumexp(forward)

    def constrain(raw):
        p, loc = jax.nn.sigmoid(raw[:2]), jnp.exp(raw[2])
        return jnp.stack([p[0], 1 - p[0], p[1], 1 - p[1], loc, loc + jnp.exp(raw[3])])

    def raw_density(raw):
        return log_density(constrain(raw)) + jnp.sum(log_slope(raw[:2])) + raw[2] + raw[3]

    def unconstrain(v):
        return jnp.stack([logit(v[0]), logit(v[2]), jnp.log(v[4]), jnp.log(v[5] - v[4])])

    return Model(log_density, constrain, raw_density, unconstrain)


def covariance(x, rho, alpha, nugget):
    squares = (x[:, None] - x[None]) ** 2
    return alpha**2 * jnp.exp(-squares / (2 * rho**2)) + nugget * np.eye(len(x))


def whitened(factor, y):
    return jax.scipy.linalg.solve_triangular(factor, jnp.asarray(y), lower=True)


def multivariate(factor, y):
    return normal(whitened(factor, y), 0.0, 1.0) - jnp.sum(jnp.log(jnp.diagonal(factor)))


def process_regression(data):
    """The nugget is sigma, a variance."""
    x, y = array(data, "x"), array(data, "y")

    def log_density(v):
        factor = jnp.linalg.cholesky(covariance(x, *v))
        return gamma(v[0], 25.0, 4.0) + normal(v[1], 0.0, 2.0) + normal(v[2], 0.0, 1.0) + multivariate(factor, y)

    return with_positive(log_density, [0, 1, 2])


def process_counts(data):
    """Free coordinates hold standardised values, since the covariance of the values is nearly singular."""
    x, counts = array(data, "x"), array(data, "k")

    def factor_of(v):
        return jnp.linalg.cholesky(covariance(x, v[0], v[1], 1e-10))

    def rest(v):
        poisson = jnp.sum(counts * v[2:] - jnp.exp(v[2:]) - gammaln(counts + 1))
        return gamma(v[0], 25.0, 4.0) + normal(v[1], 0.0, 2.0) + poisson

    def constrain(raw):
        scales = jnp.exp(raw[:2])
        return jnp.concatenate([scales, factor_of(scales) @ raw[2:]])

    def raw_density(raw):
        return rest(constrain(raw)) + normal(raw[2:], 0.0, 1.0) + jnp.sum(raw[:2])

    return Model(
        lambda v: rest(v) + multivariate(factor_of(v), v[2:]),
        constrain,
        raw_density,
        lambda v: jnp.concatenate([jnp.log(v[:2]), whitened(factor_of(v), v[2:])]),
    )


def lotka_volterra(data, steps_per_interval=32):
    """Classical Runge-Kutta between the times of observation."""
    times, y_init, y = array(data, "ts"), array(data, "y_init"), array(data, "y")
    lengths = np.diff(np.append(0.0, times)) / steps_per_interval

    def path(theta, z):
        def slope(z):
            return jnp.stack([(theta[0] - theta[1] * z[1]) * z[0], (theta[3] * z[0] - theta[2]) * z[1]])

        def step(z, h):
            k1 = slope(z)
            k2 = slope(z + 0.5 * h * k1)
            k3 = slope(z + 0.5 * h * k2)
            k4 = slope(z + h * k3)
            return z + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6, None

        def interval(z, h):
            z, _ = jax.lax.scan(step, z, jnp.broadcast_to(h, (steps_per_interval,)))
            return z, z

        return jax.lax.scan(interval, z, jnp.asarray(lengths))[1]

    def log_density(v):
        theta, z, sigma = v[:4], v[4:6], v[6:]
        rates = normal(theta[::2], 1.0, 0.5) + normal(theta[1::2], 0.05, 0.05)
        prior = rates + log_normal(z, np.log(10.0), 1.0) + log_normal(sigma, -1.0, 1.0)
        seen = log_normal(y, jnp.log(path(theta, z)), sigma[None])
        return prior + log_normal(y_init, jnp.log(z), sigma) + seen

    return with_positive(log_density, np.arange(8))
