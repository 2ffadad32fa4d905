"""Counts of pedestrians through a day: what a Poisson head gets wrong and a negative binomial head gets right.

Hourly counts are simulated with a daily rhythm and more spread than a Poisson law has, as street counters show. The
same network, with the hour as its input, is trained to emit the parameter of a Poisson law, or the two of a negative
binomial; both report nats on held-out days and how often the 90% interval holds the count.

Run: python examples/pedestrian_counts.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

from depthjax import distributions

HOURS = jnp.arange(24.0)


def features(hour):
    """The hour on a circle, two harmonics: (4,)."""
    angle = 2 * jnp.pi * hour / 24
    return jnp.stack([jnp.sin(angle), jnp.cos(angle), jnp.sin(2 * angle), jnp.cos(2 * angle)], axis=-1)


def simulate(key, num_days):
    """Hours (N,) and counts (N,) with variance mean + mean^2/4."""
    rate = 4.0 + 60.0 * jnp.exp(-0.5 * ((HOURS - 17) / 2.5) ** 2) + 35.0 * jnp.exp(-0.5 * ((HOURS - 8) / 1.3) ** 2)
    law = distributions.GammaPoisson(jnp.full(24, 4.0), 4.0 / rate)
    counts = law.sample(key, (num_days,))
    return jnp.tile(HOURS, num_days), counts.reshape(-1).astype(jnp.float32)


def network(key, num_outputs):
    """Weights of one hidden layer of 32 units."""
    first, second = jax.random.split(key)
    return {
        "w": jax.random.normal(first, (4, 32)) / 2,
        "b": jnp.zeros(32),
        "v": jax.random.normal(second, (32, num_outputs)) / 10,
        "c": jnp.full(num_outputs, 2.0),
    }


def outputs(weights, hour):
    """Numbers that the head turns into a law."""
    return jnp.tanh(features(hour) @ weights["w"] + weights["b"]) @ weights["v"] + weights["c"]


def poisson(weights, hour):
    """The law of the count at this hour: one output, the log rate."""
    return distributions.Poisson(outputs(weights, hour)[..., 0])


def negative_binomial(weights, hour):
    """Two outputs, the log mean and the log of the shape: a Poisson whose rate is Gamma(shape, shape/mean)."""
    log_mean, log_shape = jnp.moveaxis(outputs(weights, hour), -1, 0)
    shape = jnp.exp(log_shape)
    return distributions.GammaPoisson(shape, shape / jnp.exp(log_mean))


def fit(weights, head, hours, counts, *, num_steps):
    """Full-batch Adam on the mean negative log mass."""
    optimizer = optax.adam(1e-2)

    def loss(weights):
        return -head(weights, hours).log_prob(counts) / len(counts)

    def step(carry, _):
        weights, state = carry
        value, gradient = jax.value_and_grad(loss)(weights)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(weights, updates), state), value

    (weights, _), _ = jax.jit(lambda w: jax.lax.scan(step, (w, optimizer.init(w)), length=num_steps))(weights)
    return weights


def band(law):
    """5% and 95% quantiles of a count, by its cdf on a grid: (24,) each."""
    grid = jnp.arange(400.0)
    cdf = jax.vmap(law.cdf)(jnp.tile(grid[:, None], (1, 24)))
    return jnp.argmax(cdf >= 0.05, axis=0), jnp.argmax(cdf >= 0.95, axis=0)


def main():
    """Simulate, train both heads, print the table, draw the bands."""
    chosen = options(__doc__, "pedestrian_counts")
    keys = jax.random.split(jax.random.key(chosen.seed), 4)
    train, test = simulate(keys[0], 60), simulate(keys[1], 60)
    num_steps = 300 if chosen.quick else 3_000
    print(f"{'head':<20}{'held-out nats per count':>26}{'counts in the 90% band':>26}\n")
    fig, (axes,) = figure(1, 2, (10, 3.6))
    heads = {"Poisson": (poisson, 1), "negative binomial": (negative_binomial, 2)}
    for axis, color, (name, (head, size)) in zip(axes, ACCENTS, heads.items(), strict=False):
        weights = fit(network(keys[2], size), head, *train, num_steps=num_steps)
        nats = -float(head(weights, test[0]).log_prob(test[1])) / len(test[1])
        low, high = (np.asarray(end) for end in jax.jit(lambda w, h=head: band(h(w, HOURS)))(weights))
        days = np.asarray(test[1]).reshape(-1, 24)
        inside = np.mean((days >= low) & (days <= high))
        print(f"{name:<20}{nats:>26.3f}{inside:>25.1%}")
        axis.fill_between(HOURS, low, high, color=color, alpha=0.25, linewidth=0, label="90% band")
        axis.plot(HOURS, head(weights, HOURS).mean(), color=color, label="mean")
        axis.plot(HOURS, days[:20].T, ".", color="#22303c", markersize=2, alpha=0.6)
        axis.set(title=f"{name}: {inside:.0%} inside", xlabel="hour", ylabel="pedestrians", ylim=(0, 170))
        axis.legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
