"""Flow matching from a normal law to two moons: independent pairs against exact pairs within the batch.

Exact pairs make paths shorter and straighter, so few Euler steps suffice. The table gives the mean length of the paths
over the straight distance of their ends, and the energy distance of what comes out from held-out data.

Run: python examples/flow_matching_2d.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, figure, options, save
from _timed_net import apply, energy_distance, init, train
from sklearn.datasets import make_moons

from depthjax import diffusion


def loss(params, key, x0, x1):
    """Mean squared error of the field at random points of the paths."""
    pair = diffusion.flow_matching_pair(key, x0, x1)
    return diffusion.flow_matching_loss(lambda t, x: apply(params, x, t), *pair)


def batch(key, data, method, size=128):
    """Noise and data, paired."""
    noise_key, data_key, pair_key = jax.random.split(key, 3)
    x1 = data[jax.random.randint(data_key, (size,), 0, data.shape[0])]
    return diffusion.minibatch_coupling(pair_key, jax.random.normal(noise_key, x1.shape), x1, method=method)


def paths(params, x0, num_steps):
    """States (num_steps + 1, n, 2) of Euler steps."""

    def body(x, t):
        x = x + apply(params, x, jnp.full(x.shape[:1], t)) / num_steps
        return x, x

    return jnp.concatenate([x0[None], jax.lax.scan(body, x0, jnp.arange(num_steps) / num_steps)[1]])


def main():
    """Train both, print the table, draw the paths."""
    chosen = options(__doc__, "flow_matching_2d")
    x, _ = make_moons(8_000, noise=0.07, random_state=chosen.seed)
    x = jnp.asarray((x - x.mean(axis=0)) / x.std(axis=0), jnp.float32)
    data, held_out = x[:6_000], x[6_000:]
    key = jax.random.key(chosen.seed)
    x0 = jax.random.normal(jax.random.fold_in(key, 1), (2_000, 2))
    fig, axes = figure(1, 2, (9, 4.2))
    print(f"{'pairs':<14}{'length/distance':>16}" + "".join(f"{f'{n} steps':>12}" for n in (1, 4, 64)))
    for axis, method in zip(axes[0], ("independent", "exact"), strict=True):
        params, _ = train(
            key, init(key, 2), loss, functools.partial(batch, data=data, method=method),
            num_steps=100 if chosen.quick else 4_000,
        )  # fmt: skip
        states = np.asarray(paths(params, x0, 64))
        length = np.linalg.norm(np.diff(states, axis=0), axis=-1).sum(axis=0)
        ratio = np.mean(length) / np.mean(np.linalg.norm(states[-1] - states[0], axis=-1))
        row = f"{method:<14}{ratio:16.3f}"
        for count in (1, 4, 64):
            field = lambda t, x, p=params: apply(p, x, t)  # noqa: E731
            out = diffusion.sample_flow(field, x0, num_steps=count, method="euler")
            row += f"{energy_distance(out, held_out):12.4f}"
        print(row, flush=True)
        axis.plot(states[:, :150, 0], states[:, :150, 1], color=ACCENTS[0], lw=0.4, alpha=0.5)
        axis.scatter(*states[-1].T, s=1.5, color=ACCENTS[2])
        axis.set(xticks=[], yticks=[], title=f"{method} pairs")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
