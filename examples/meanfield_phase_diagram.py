"""Order, chaos, and how deep a signal reaches.

Left, the phase diagram of tanh networks: the line chi_1 = 1 between order and chaos, and contours of xi_c, the number
of layers over which the angle between two signals decays. Right, a cut through it at fixed biases: how far two
orthogonal inputs still are from the cosine that any two inputs end up at, in networks that were run, with the depth
6 xi_c beyond which Schoenholz et al. (2017) could not train any more. The table counts the layers until that distance
is below 0.05, by the correlation map and in the networks.

Run: python examples/meanfield_phase_diagram.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import meanfield

PHI, SIGMA_B = meanfield.activations.tanh, 0.05**0.5
OTHERS = ("tanh", "erf", "hard_tanh", "sin")


@functools.partial(jax.jit, static_argnames=("width", "depth"))
def run(key, sigma_w, q, *, width, depth):
    """Cosines of two orthogonal signals in one network for each sigma_w, (depth, n) from the first layer on."""

    def layer(signals, key):
        weight_key, bias_key = jax.random.split(key)
        weights = meanfield.initializers.gaussian(1.0)(weight_key, (width, width))
        bias = SIGMA_B * jax.random.normal(bias_key, (width,))
        lengths = jnp.linalg.norm(signals, axis=2)
        cosines = jnp.sum(signals[:, 0] * signals[:, 1], axis=1) / jnp.prod(lengths, axis=1)
        return sigma_w[:, None, None] * (jnp.tanh(signals) @ weights) + bias[None, None], cosines

    start = jnp.sqrt(q)[:, None, None] * jax.random.normal(key, (2, width))[None]
    return jax.lax.scan(layer, start, jax.random.split(jax.random.fold_in(key, 1), depth))[1]


def layers_until(gap, threshold=0.05):
    """The first layer where the gap is below the threshold, as text."""
    below = np.abs(gap) < threshold
    return str(int(np.argmax(below))) if below.any() else f"> {len(gap) - 1}"


def main():
    """Draw the diagram, run networks along a cut, print their decay lengths."""
    chosen = options(__doc__, "meanfield_phase_diagram")
    size, cuts, draws, depth, width = (8, 5, 1, 20, 100) if chosen.quick else (80, 41, 16, 80, 600)
    wide, high, grid = np.linspace(1.0, 4.0, size), np.linspace(0.0, 3.0, size), np.linspace(1.0, 3.0, cuts)
    plane = np.meshgrid(wide, high)
    # One call for the plane and the cut.
    variances = [np.append(plane[0], grid), np.append(plane[1], np.full(cuts, SIGMA_B**2))]
    found = jax.jit(lambda w, b: meanfield.phase_diagram(w, b, PHI))(*(jnp.sqrt(v) for v in variances))
    scale = np.asarray(found.xi_c[:-cuts]).reshape(size, size)
    q, limits, xi = (np.asarray(v[-cuts:]) for v in (found.q_star, found.c_star, found.xi_c))
    fig, axes = figure(1, 2, (11, 4.5))
    left, right = axes[0]
    scale = np.where(np.isfinite(scale), scale, 1e3)
    levels = (1, 2, 4, 8, 16)
    left.contourf(wide, high, np.log2(np.clip(scale, 0.8, 128)), 24, cmap="YlGnBu", alpha=0.75)
    lines = left.contour(wide, high, scale, levels, colors=INK, linewidths=0.6)
    left.clabel(lines, fontsize=7, fmt="%d")
    for color, name in zip((INK, *ACCENTS[2:]), OTHERS, strict=True):
        sigma_w, sigma_b = meanfield.critical_line(jnp.geomspace(1e-3, 30.0, 200), getattr(meanfield.activations, name))
        left.plot(sigma_w**2, sigma_b**2, color=color, lw=2 if name == "tanh" else 1.2, label=name)
    left.text(1.45, 1.6, "order", fontsize=12, weight="bold", color=INK)
    left.text(3.2, 0.3, "chaos", fontsize=12, weight="bold", color=INK)
    left.set(title=r"depth scale $\xi_c$ of tanh (layers), and lines $\chi_1 = 1$", xlim=(1, 4), ylim=(0, 3))
    left.set(xlabel=r"variance of weights $\sigma_w^2$", ylabel=r"variance of biases $\sigma_b^2$")
    left.legend(loc="upper right", fontsize=8, framealpha=0.9, edgecolor="none")

    keys = jax.random.split(jax.random.key(chosen.seed), draws)
    runs = [run(key, jnp.sqrt(grid), jnp.asarray(q), width=width, depth=depth) for key in keys]
    cosines = np.mean(runs, axis=0).T
    follow = jax.jit(jax.vmap(lambda w, q: meanfield.correlation_trajectory(0.0, q, q, w, SIGMA_B, PHI, depth - 1)))
    theory = np.asarray(follow(jnp.sqrt(grid), jnp.asarray(q)))
    print(f"{'':>9}{'':>8}{'':>8}{'c at the end':>18}{'layers until 0.05':>20}")
    print(f"{'sigma_w^2':>9}{'phase':>8}{'xi_c':>8}{'c*':>9}{'networks':>9}{'theory':>10}{'networks':>10}\n")
    gap = np.abs(cosines - limits[:, None])
    for i in range(0, cuts, 1 if chosen.quick else 4):
        phase = "order" if limits[i] == 1.0 else "chaos"
        layers = f"{layers_until(theory[i] - limits[i]):>10}{layers_until(gap[i]):>10}"
        print(f"{grid[i]:9.2f}{phase:>8}{xi[i]:8.2f}{limits[i]:9.4f}{cosines[i, -1]:9.4f}{layers}")
    shade = right.pcolormesh(
        grid, np.arange(depth), np.log10(np.maximum(gap, 1e-2)).T, cmap="YlGnBu", vmin=-1.5, vmax=0, shading="nearest"
    )
    critical = float(meanfield.critical_sigma_w(SIGMA_B, PHI).sigma_w[0]) ** 2
    right.plot(grid, 6.0 * xi, color=ACCENTS[2], lw=2)
    right.plot(grid, xi, color=ACCENTS[1], lw=2)
    right.axvline(critical, color=INK, lw=0.8, ls=":")
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
    for factor, color, at in ((6.0, ACCENTS[2], 0.95), (1.0, ACCENTS[1], 0.95)):
        i = int(at * (cuts - 1))
        label = r"$6\,\xi_c$" if factor > 1 else r"$\xi_c$"
        right.text(grid[i], factor * xi[i] + 0.04 * depth, label, color=color, fontsize=13, ha="center", bbox=box)
    right.set(title=f"what is left of two inputs, $\\sigma_b^2 = 0.05$, width {width}", ylim=(0, depth - 1))
    right.set(xlabel=r"variance of weights $\sigma_w^2$", ylabel="depth (layers)")
    bar = fig.colorbar(shade, ax=right, ticks=(-1.5, -1, -0.5, 0))
    bar.set_label(r"$\log_{10} |c_l - c^*|$ in networks")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
