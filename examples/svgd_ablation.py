"""Stein variational gradient descent, and what is lost when a part of it is taken away.

Particles descend to a banana with the plain method, without the repulsion between particles, without the kernel that
averages scores, and with a linear kernel, which sees two moments only. The table gives the squared kernelised Stein
discrepancy of where they stop, the moments against the exact ones, and the mean distance to the nearest neighbour.

Run: python examples/svgd_ablation.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

from depthjax import stein

CURVATURE, WIDTH = 0.6, 0.5


def log_density(z):
    """Log density of x ~ N(0, 1), y | x ~ N(0.6 (x^2 - 1), 0.5^2), up to a constant."""
    return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - CURVATURE * (z[0] ** 2 - 1.0)) / WIDTH) ** 2


def descend(particles, kernel, *, num_steps, **parts):
    """Particles after Adam steps along the direction."""
    init, step = stein.svgd(log_density, kernel, optax.adam(0.05), **parts)

    @jax.jit
    def run(particles):
        def body(carry, _):
            return step(*carry)[:2], None

        return jax.lax.scan(body, (particles, init(particles)), length=num_steps)[0][0]

    return run(particles)


def ascend_alone(particles, *, num_steps):
    """Each particle climbs the log density by itself: a kernel of no width."""
    optimizer = optax.adam(0.05)
    score = jax.vmap(jax.grad(log_density))

    @jax.jit
    def run(particles):
        def body(carry, _):
            x, state = carry
            updates, state = optimizer.update(-score(x), state, x)
            return (optax.apply_updates(x, updates), state), None

        return jax.lax.scan(body, (particles, optimizer.init(particles)), length=num_steps)[0][0]

    return run(particles)


def nearest(particles):
    """Mean distance to the nearest other particle."""
    gaps = np.linalg.norm(particles[:, None] - particles[None], axis=-1) + np.diag(np.full(len(particles), np.inf))
    return gaps.min(axis=1).mean()


def main():
    """Run the four variants, print the table, draw where the particles stop."""
    chosen = options(__doc__, "svgd_ablation")
    num_particles, num_steps = (40, 300) if chosen.quick else (100, 3_000)
    start = 0.5 * jax.random.normal(jax.random.key(chosen.seed), (num_particles, 2)) + jnp.array([0.0, 1.0])
    found = {
        "plain": descend(start, stein.RBF(), num_steps=num_steps),
        "no repulsion": descend(start, stein.RBF(), num_steps=num_steps, repulsion=0.0),
        "no kernel": ascend_alone(start, num_steps=num_steps),
        "linear kernel": descend(start, stein.Linear(), num_steps=num_steps, bandwidth=None),
    }
    score, judge = jax.vmap(jax.grad(log_density)), stein.IMQ(1.0)
    print(f"{'':<14}{'KSD^2':>10}{'var x':>8}{'var y':>8}{'nearest':>9}\n")
    for name, x in found.items():
        discrepancy = float(stein.ksd(x, score(x), judge, statistic="v"))
        variances = np.var(np.asarray(x), axis=0)
        print(f"{name:<14}{discrepancy:10.5f}{variances[0]:8.3f}{variances[1]:8.3f}{nearest(np.asarray(x)):9.4f}")
    print(f"{'the target':<14}{0:10.5f}{1:8.3f}{2 * CURVATURE**2 + WIDTH**2:8.3f}")

    fig, axes = figure(1, 4, (12, 3.4))
    grid_x, grid_y = np.meshgrid(np.linspace(-3, 3, 161), np.linspace(-2.2, 4.2, 161))
    points = jnp.asarray(np.stack([grid_x.ravel(), grid_y.ravel()], axis=1))
    density = np.exp(np.asarray(jax.vmap(log_density)(points))).reshape(grid_x.shape)
    for axis, color, (name, x) in zip(axes[0], ACCENTS, found.items(), strict=False):
        axis.contour(grid_x, grid_y, density, levels=[0.02, 0.1, 0.3, 0.6, 0.9], colors="#c3cad2", linewidths=0.8)
        axis.scatter(x[:, 0], x[:, 1], s=12, color=color)
        axis.set(title=name, xlim=(-3, 3), ylim=(-2.2, 4.2), xticks=[], yticks=[])
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
