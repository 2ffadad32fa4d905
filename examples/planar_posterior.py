"""A planar flow as the posterior of a banana: how depth buys accuracy.

The target is a standard normal bent along a parabola, whose log density is known, so that the divergence of every fit
is known too. Flows of growing depth maximise the evidence lower bound; the pictures show the grid of the base pushed
through the flow and the fitted densities over contours of the target.

Run: python examples/planar_posterior.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

from depthjax import flows, vi


def log_banana(_, z):
    """Log density of (a, b) with a ~ N(0, 1.5^2) and b - a^2/2 ~ N(-1, 0.5^2), normalised."""
    bent = (z[1] - 0.5 * z[0] ** 2 + 1.0) / 0.5
    return -0.5 * (z[0] / 1.5) ** 2 - 0.5 * bent**2 - jnp.log(2 * jnp.pi * 1.5 * 0.5)


def fit(key, depth, *, num_steps):
    """Fit by Adam on the pathwise gradient, 256 draws a step; the flow and its divergence in nats."""
    key_flow, key_fit, key_test = jax.random.split(key, 3)
    flow = flows.planar_flow(key_flow, 2, num_layers=depth)
    schedule = optax.cosine_decay_schedule(2e-2, num_steps)
    optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.adam(schedule))

    @jax.jit
    def run(flow):
        fitted = vi.fit(
            key_fit, vi.elbo_objective(log_banana), flow, flow,
            estimator=vi.pathwise(num_samples=256), optimizer=optimizer, num_steps=num_steps,
        )  # fmt: skip
        return fitted.params, -vi.elbo(vi.log_weights(key_test, log_banana, flow, fitted.params, num_samples=20_000))

    return run(flow)


def main():
    """Fit the depths, print the table, draw."""
    chosen = options(__doc__, "planar_posterior")
    depths = (1, 4) if chosen.quick else (1, 2, 4, 8, 16)
    num_steps = 200 if chosen.quick else 3_000
    print(f"{'planar maps':>12}{'KL(q || target), nats':>24}\n")
    fitted = {}
    for depth in depths:
        flow, divergence = fit(jax.random.key(chosen.seed), depth, num_steps=num_steps)
        fitted[depth] = flow
        print(f"{depth:>12}{float(divergence):>24.4f}")

    side = np.linspace(-4, 4, 140)
    grid = np.stack(np.meshgrid(side, side + 1.5), -1)
    target = np.exp(np.asarray(jax.vmap(jax.vmap(lambda z: log_banana(None, z)))(jnp.asarray(grid, jnp.float32))))
    shown = [depths[0], depths[len(depths) // 2], depths[-1]]
    fig, axes = figure(2, len(shown), (4 * len(shown), 7.4))
    lines = np.linspace(-2.5, 2.5, 11)
    fine = np.linspace(-2.5, 2.5, 200)
    for column, depth in enumerate(shown):
        top, bottom = axes[0][column], axes[1][column]
        push = jax.jit(lambda f, v: f.bijector.forward(v))
        for value in lines:
            for order in (1, -1):
                line = np.stack([np.full_like(fine, value), fine][::order], -1)
                top.plot(*np.asarray(push(fitted[depth], jnp.asarray(line, jnp.float32))).T, color=ACCENTS[0], lw=0.6)
        top.set(title=f"{depth} planar maps: the grid of the base", xlim=(-4, 4), ylim=(-2.5, 5.5))
        draws = fitted[depth].sample(jax.random.key(1), (1_500,))
        bottom.plot(*np.asarray(draws).T, ".", markersize=2, color=ACCENTS[0], alpha=0.5)
        bottom.contour(grid[..., 0], grid[..., 1], target, levels=6, colors="#22303c", linewidths=0.7)
        bottom.set(title="draws over the target", xlim=(-4, 4), ylim=(-2.5, 5.5))
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
