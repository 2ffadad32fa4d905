"""A Bayesian neural network for the progression of diabetes: twenty particles, twenty ascents, and a linear regression.

A net of five hidden units with Gamma(1, 0.1) priors on the precisions of the noise and of the weights, as in Liu and
Wang (2016), on scikit-learn's diabetes data over random splits. The table gives held-out root mean square errors in
units of the outcome and log likelihoods in nats, with their standard errors over splits. "Alone" climbs the posterior
from the same starts without the kernel, an ensemble of modes. So few data do not ask for more than a line; with twenty
hidden units both ensembles overfit, since twenty particles in 241 dimensions stay close to modes.

Run: python examples/svgd_bnn.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save
from jax.scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge

from depthjax import stein

HIDDEN, PARTICLES, BATCH, RATE = 5, 20, 100, 0.1


def start(key, dim):
    """Particles with weights of standard deviation 1/sqrt(fan-in + 1)."""
    a, b = jax.random.split(key)
    return {
        "in": jax.random.normal(a, (PARTICLES, dim, HIDDEN)) * (dim + 1) ** -0.5,
        "bias": jnp.zeros((PARTICLES, HIDDEN)),
        "out": jax.random.normal(b, (PARTICLES, HIDDEN)) * (HIDDEN + 1) ** -0.5, "shift": jnp.zeros(PARTICLES),
        "log_noise": jnp.zeros(PARTICLES), "log_weight": jnp.zeros(PARTICLES),
    }  # fmt: skip


def predict(p, x):
    """Means (n,) of one particle; `log_noise` is the log precision around them."""
    return jax.nn.relu(x @ p["in"] + p["bias"][None]) @ p["out"] + p["shift"]


def log_posterior(p, x, y, count):
    """Log density of one particle given a batch that stands for `count` data, up to a constant."""
    weights = jnp.concatenate([p[name].ravel() for name in ("in", "bias", "out", "shift")])
    likelihood = jnp.mean(norm.logpdf(y, predict(p, x), jnp.exp(-0.5 * p["log_noise"])))
    prior = jnp.sum(norm.logpdf(weights, 0.0, jnp.exp(-0.5 * p["log_weight"])))
    precisions = sum(p[name] - RATE * jnp.exp(p[name]) for name in ("log_noise", "log_weight"))  # of their logarithms
    return count * likelihood + prior + precisions


def fit(key, particles, x, y, num_steps, *, alone):
    """Particles after Adam steps on batches, along the kernel's direction or each along its own score."""
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, num_steps))
    init, step = stein.svgd(log_posterior, stein.RBF(), optimizer)
    slopes = jax.vmap(jax.grad(lambda *args: -log_posterior(*args)), (0, None, None, None))

    def body(carry, key):
        particles, state = carry
        rows = jax.random.choice(key, x.shape[0], (BATCH,), replace=False)
        if alone:
            updates, state = optimizer.update(slopes(particles, x[rows], y[rows], x.shape[0]), state, particles)
            return (optax.apply_updates(particles, updates), state), None
        return step(particles, state, x[rows], y[rows], x.shape[0])[:2], None

    first = (particles, optimizer.init(particles) if alone else init(particles))
    return jax.lax.scan(body, first, jax.random.split(key, num_steps))[0][0]


def split(rng):
    """Standardised inputs and outcomes, train and test, and the scale of the outcome."""
    data = load_diabetes()
    order = rng.permutation(len(data.data))
    train, test = order[:-44], order[-44:]
    mean, scale = data.data[train].mean(0), data.data[train].std(0)
    shift, unit = data.target[train].mean(), data.target[train].std()
    x, y = (data.data - mean) / scale, (data.target - shift) / unit
    return *(jnp.asarray(v, jnp.float32) for v in (x[train], y[train], x[test], y[test])), unit


def judged(particles, x, y, unit):
    """Error and log likelihood of the mixture of the particles' predictions, in units of the outcome; its means."""
    means = jax.vmap(predict, (0, None))(particles, x)
    scales = jnp.exp(-0.5 * particles["log_noise"])[:, None]
    nats = jax.nn.logsumexp(norm.logpdf(y[None], means, scales), axis=0) - np.log(PARTICLES)
    error = jnp.sqrt(jnp.mean((jnp.mean(means, axis=0) - y) ** 2))
    spread = jnp.sqrt(jnp.var(means, axis=0) + jnp.mean(scales**2))
    return (float(error) * unit, float(jnp.mean(nats)) - np.log(unit)), (jnp.mean(means, axis=0), spread)


def ridge(x, y, x_test, y_test, unit):
    """The same of Bayesian linear regression."""
    means, scales = BayesianRidge().fit(np.asarray(x), np.asarray(y)).predict(np.asarray(x_test), return_std=True)
    error = np.sqrt(np.mean((means - np.asarray(y_test)) ** 2))
    return error * unit, float(jnp.mean(norm.logpdf(y_test, means, scales))) - np.log(unit)


def main():
    """Fit over splits, print the table, draw predictions of the last split."""
    chosen = options(__doc__, "svgd_bnn")
    rng = np.random.default_rng(chosen.seed)
    splits, num_steps = (2, 300) if chosen.quick else (10, 1_000)
    runs = {
        name: jax.jit(lambda key, p, x, y, alone=alone: fit(key, p, x, y, num_steps, alone=alone))
        for name, alone in (("particles", False), ("alone", True))
    }
    found: dict[str, list] = {"particles": [], "alone": [], "ridge": []}
    shown = {}
    for i in range(splits):
        x, y, x_test, y_test, unit = split(rng)
        keys = jax.random.split(jax.random.key(chosen.seed + i))
        for name, run in runs.items():
            scores, shown[name] = judged(run(keys[0], start(keys[1], x.shape[1]), x, y), x_test, y_test, unit)
            found[name].append(scores)
        found["ridge"].append(ridge(x, y, x_test, y_test, unit))
    print(f"{'':<12}{'error':>18}{'nats':>20}\n")
    for name, scores in found.items():
        mean, error = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=1) / splits**0.5
        print(f"{name:<12}{f'{mean[0]:.2f} +- {error[0]:.2f}':>18}{f'{mean[1]:.3f} +- {error[1]:.3f}':>20}")

    fig, axes = figure(1, 2, (9, 3.8))
    for axis, color, (name, (means, spread)) in zip(axes[0], ACCENTS, shown.items(), strict=False):
        axis.errorbar(y_test, means, spread, fmt="o", ms=3, lw=0.8, color=color)
        axis.axline((0, 0), slope=1, color="#c3cad2", zorder=0)
        axis.set(xlabel="standardised outcome", ylabel="prediction", title=name)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
