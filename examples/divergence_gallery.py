"""What a distance between laws says while one slides past the other.

Two uniform laws on the line, one shifted by a: the KL divergence is infinite as soon as a is not 0, the Jensen-Shannon
divergence grows until the supports part and then says log 2 for ever, and the Wasserstein distance is a. Then normal
laws, and samples of them: the slope of transport stays where that of a kernel of fixed width vanishes.

Run: python examples/divergence_gallery.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import figure, options, save

from depthjax import divergences as dv
from depthjax import transport as ot

CELLS = 400


def uniform_laws(shift):
    """Log masses of U[0, 1] and U[a, a + 1] on cells of width 1/100 from -1.5 to 2.5, and the cells' places."""
    places = (np.arange(CELLS) + 0.5) / 100 - 1.5
    inside = [(places > start) & (places < start + 1) for start in (0.0, shift)]
    return [jnp.asarray(np.where(mask, -np.log(mask.sum()), -np.inf)) for mask in inside], jnp.asarray(places)


def rows_of_uniforms(shifts):
    """KL, Jensen-Shannon, W1 for each shift."""
    rows = []
    for shift in shifts:
        (p, q), places = uniform_laws(shift)
        rows.append((dv.kl_discrete(p, q), dv.js_discrete(p, q), ot.wasserstein_discrete(p, q, places)))
    return np.asarray(rows)


def rows_of_samples(key, shifts, num_points):
    """W1, Sinkhorn divergence and MMD^2 between a sample and the same law shifted, with the slopes in the shift."""
    keys = jax.random.split(key)
    x, y = (jax.random.normal(k, (num_points, 1)) for k in keys)

    def measures(shift):
        moved = y + shift
        near = ot.sinkhorn_divergence(x, moved, epsilon=0.5, num_steps=100).value
        return jnp.stack([ot.wasserstein_1d(x[:, 0], moved[:, 0]), near, dv.mmd_squared(x, moved, bandwidth=1.0)])

    both = jax.jit(jax.vmap(lambda s: (measures(s), jax.jacfwd(measures)(s))))(jnp.asarray(shifts))
    return tuple(np.asarray(v) for v in both)


def main():
    """Print the table of the sliding uniforms, draw all curves."""
    chosen = options(__doc__, "divergence_gallery")
    shifts = np.linspace(-1.4, 1.4, 15 if chosen.quick else 57)
    uniforms = rows_of_uniforms(shifts)
    print(f"{'shift':>7}{'KL':>9}{'JSD':>9}{'W1':>9}\n")
    for shift, row in zip(shifts[:: len(shifts) // 14], uniforms[:: len(shifts) // 14], strict=True):
        print(f"{shift:7.2f}{row[0]:9.3f}{row[1]:9.4f}{row[2]:9.4f}")

    far = np.linspace(0.0, 6.0, 13 if chosen.quick else 49).astype(np.float32)
    normal = np.asarray([
        (dv.kl_gaussian(0.0, 1.0, m, 1.0), dv.tv_gaussian_equal_scale(0.0, m, 1.0), ot.w2_gaussian(0.0, 1.0, m, 1.0))
        for m in far
    ])  # fmt: skip
    values, slopes = rows_of_samples(jax.random.key(chosen.seed), far, 100 if chosen.quick else 400)
    fig, axes = figure(1, 4, (13, 3.2))
    axes[0, 0].plot(shifts, uniforms[:, 1] / np.log(2), label="JSD / log 2")
    axes[0, 0].plot(shifts, uniforms[:, 2], label="W1")
    axes[0, 0].set(title="two uniform laws", xlabel="shift")
    for curve, name in zip(normal.T, ("KL", "total variation", "W2"), strict=True):
        axes[0, 1].plot(far, curve, label=name)
    axes[0, 1].set(title="two normal laws", xlabel="shift", ylim=(0, 8))
    for panel, curves, title in ((axes[0, 2], values, "samples"), (axes[0, 3], slopes, "slopes in the shift")):
        for curve, name in zip(curves.T, ("W1", "Sinkhorn divergence", "MMD^2"), strict=True):
            panel.plot(far, curve, label=name)
        panel.set(title=title, xlabel="shift", ylim=(-0.1, 6))
    for panel in axes[0]:
        panel.legend(frameon=False, fontsize=7)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
