"""Density estimation by ascent: one radial map after another pushes the data towards a normal law.

Three clusters are standardised, then every layer is fitted alone, from the identity, and frozen. The likelihood never
decreases; the picture shows the data on their way to the normal law and the density that results.

Run: python examples/greedy_density.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import bijectors, flows


def clusters(key, n):
    """Points of three clusters of different sizes and shapes, (n, 2)."""
    keys = jax.random.split(key, 2)
    which = jax.random.categorical(keys[0], jnp.log(jnp.array([0.5, 0.3, 0.2])), shape=(n,))
    centres = jnp.array([[-2.0, -1.0], [2.0, -0.5], [0.0, 2.5]])
    scales = jnp.array([[0.9, 0.4], [0.35, 0.9], [0.4, 0.4]])
    return centres[which] + scales[which] * jax.random.normal(keys[1], (n, 2))


def layer(key):
    """A radial map about a random centre, the identity to begin with."""
    centre_key, width_key = jax.random.split(key)
    width = jnp.exp(jax.random.uniform(width_key, minval=-1.5, maxval=1.0))
    return bijectors.Radial.from_values(1.2 * jax.random.normal(centre_key, (2,)), width, 0.0)


def main():
    """Fit, print the likelihood as layers are added, draw the density and the pushed data."""
    chosen = options(__doc__, "greedy_density")
    keys = jax.random.split(jax.random.key(chosen.seed), 3)
    data, held_out = clusters(keys[0], 2_000), clusters(keys[1], 2_000)
    depth = 8 if chosen.quick else 250
    result = flows.fit_greedy(keys[2], layer, data, num_layers=depth, num_steps=10, validation=held_out)
    print(f"{'layers':>8}{'train nats':>14}{'held-out nats':>16}\n")
    for k in sorted({0, 1, depth // 8, depth // 4, depth // 2, depth}):
        print(f"{k:>8}{-result.log_likelihoods[k]:>14.4f}{-result.validation[k]:>16.4f}")
    print(f"\n{result.num_accepted} of {depth} layers raised the likelihood")

    side = np.linspace(-4, 4, 160)
    grid = jnp.asarray(np.stack(np.meshgrid(side, side), -1).reshape(-1, 2), jnp.float32)
    log_prob = jax.jit(lambda f, v: f.log_prob(v))
    fig, (axes,) = figure(1, 3, (12, 3.8))
    axes[0].plot(-result.log_likelihoods, color=ACCENTS[0], label="train")
    axes[0].plot(-result.validation, "--", color=ACCENTS[1], label="held out")
    axes[0].set(title="likelihood, layer by layer", xlabel="layers", ylabel="nats")
    axes[0].legend(frameon=False)
    pushed = jax.jit(lambda f, v: f.bijector.inverse(v))(result.flow, held_out)
    axes[1].plot(*np.asarray(pushed).T, ".", markersize=2, color=ACCENTS[0])
    axes[1].set(title="held-out points after all layers", aspect="equal", xlim=(-4, 4), ylim=(-4, 4))
    density = np.exp(np.asarray(log_prob(result.flow, grid))).reshape(160, 160)
    axes[2].imshow(density, origin="lower", extent=(-4, 4, -4, 4), cmap="Blues")
    axes[2].plot(*np.asarray(data[:400]).T, ".", markersize=1.5, color="#22303c", alpha=0.5)
    axes[2].set(title="density and 400 of the points")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
