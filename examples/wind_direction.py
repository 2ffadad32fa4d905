"""Wind directions: why angles need a circular density, and how one mixture of two von Mises laws is fitted.

Directions from the south-west, with a secondary wind that straddles the cut at 180 degrees, are drawn from a known
mixture. A mixture of normals, which does not know that 179 and -179 are neighbours, and a mixture of von Mises laws are
fitted by maximum likelihood; both report nats on held-out directions, on the same scale.

Run: python examples/wind_direction.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

from depthjax import distributions, flows


def mixture(family, logits, locs, spreads):
    """A mixture of one family with stacked components."""
    return distributions.MixtureSameFamily(
        jnp.asarray(logits), jax.vmap(family)(jnp.asarray(locs), jnp.asarray(spreads))
    )


def fit(key, start, train, test, *, num_steps):
    """Maximum likelihood; the fitted law and its held-out nats."""
    result = flows.fit_maximum_likelihood(key, start, train, optimizer=optax.adam(2e-2), num_steps=num_steps)
    return result.flow, -float(jnp.mean(jax.jit(lambda d, x: d.log_prob(x))(result.flow, test)))


def main():
    """Draw the data, fit both mixtures, print the table, draw the rose."""
    chosen = options(__doc__, "wind_direction")
    key = jax.random.key(chosen.seed)
    truth = mixture(distributions.VonMises, [0.8, 0.0], jnp.deg2rad(jnp.array([-135.0, 178.0])), [6.0, 12.0])
    angles = truth.sample(key, (4_000,))
    train, test = angles[:3_000], angles[3_000:]
    num_steps = 200 if chosen.quick else 1_500
    starts = {
        "von Mises": mixture(distributions.VonMises, [0.0, 0.0], [-1.5, 2.5], [4.0, 4.0]),
        "normal": mixture(distributions.Normal, [0.0, 0.0], [-1.5, 2.5], [0.5, 0.5]),
    }
    fitted = {name: fit(key, start, train, test, num_steps=num_steps) for name, start in starts.items()}
    own = -float(jnp.mean(truth.log_prob(test)))

    print(f"{'mixture of two':<16}{'held-out nats':>14}   weights, directions in degrees, spread in degrees\n")
    for name, (law, nats) in fitted.items():
        weights, parts = jax.nn.softmax(law.logits), law.components
        spread = parts.concentration**-0.5 if name == "von Mises" else parts.scale
        shown = "  ".join(
            f"{w:.2f} at {d:6.1f} +- {s:4.1f}"
            for w, d, s in zip(weights, jnp.rad2deg(parts.loc) % 360, jnp.rad2deg(spread), strict=True)
        )
        print(f"{name:<16}{nats:14.4f}   {shown}")
    print(f"{'the truth':<16}{own:14.4f}")

    fig, ((rose, line),) = figure(1, 2, (10, 4))
    rose.remove()
    rose = fig.add_subplot(1, 2, 1, projection="polar", theta_offset=np.pi / 2, theta_direction=-1)
    grid = jnp.linspace(-jnp.pi, jnp.pi, 721)
    rose.hist(np.asarray(angles), bins=72, density=True, color="#d5dbe1")
    line.hist(np.asarray(angles), bins=72, density=True, color="#d5dbe1")
    for color, (name, (law, _)) in zip(ACCENTS, fitted.items(), strict=False):
        density = jnp.exp(jax.jit(lambda d, x: d.log_prob(x))(law, grid))
        rose.plot(grid, density, color=color)
        line.plot(grid, density, color=color, label=name)
    rose.set(yticks=[], title="wind rose")
    line.axvline(np.pi, color="#9aa5b1", linewidth=0.8)
    line.axvline(-np.pi, color="#9aa5b1", linewidth=0.8)
    line.set(title="the same, cut open at 180 degrees", xlabel="direction (radians)", ylabel="density")
    line.legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
