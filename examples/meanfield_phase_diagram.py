"""Order, chaos, and how deep a signal reaches.

Left, the phase diagram of tanh networks: the line chi_1 = 1 between order and chaos, and contours of xi_c, the number
of layers over which the angle between two signals decays. Right, one cut through it at fixed biases: how much two
different inputs still differ from what any two inputs end up as, in networks that were run layer by layer, with the
depth 6 xi_c beyond which networks were not trained any more. The table holds the decay rate of the networks against
xi_c.

Run: python examples/meanfield_phase_diagram.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import meanfield

PHI, SIGMA_B, START = meanfield.activations.tanh, 0.05**0.5, 0.6
OTHERS = ("tanh", "erf", "hard_tanh", "sin")


@functools.partial(jax.jit, static_argnames=("width", "depth"))
def run(key, sigma_w, *, width, depth):
    """Cosine between two signals in one network, layer by layer: (depth,) from the first pre-activations on."""
    q = meanfield.q_star(sigma_w, SIGMA_B, PHI).value
    first, second = jnp.sqrt(q) * jax.random.normal(key, (2, width))
    signals = jnp.stack([first, START * first + jnp.sqrt(1.0 - START**2) * second])

    def layer(signals, key):
        weight_key, bias_key = jax.random.split(key)
        weights = meanfield.initializers.gaussian(1.0)(weight_key, (width, width))
        bias = SIGMA_B * jax.random.normal(bias_key, (width,))
        lengths = jnp.linalg.norm(signals, axis=1)
        cosine = signals[0] @ signals[1] / (lengths[0] * lengths[1])
        return sigma_w * jnp.tanh(signals) @ weights + bias[None], cosine

    return jax.lax.scan(layer, signals, jax.random.split(jax.random.fold_in(key, 1), depth))[1]


def rate(cosines, limit):
    """Decay length of |c - c*|, from a line through its logarithm where it is above what width leaves of it."""
    gap = np.abs(cosines - limit)
    used = np.arange(2, max(5, int(np.argmax(np.append(gap, 0.0) < 0.02))))
    return -1.0 / np.polyfit(used, np.log(gap[used]), 1)[0]


def main():
    """Draw the diagram, run networks along a cut, print their decay lengths."""
    chosen = options(__doc__, "meanfield_phase_diagram")
    size, draws, depth, width = (12, 2, 20, 100) if chosen.quick else (80, 10, 100, 500)
    wide, high = np.linspace(1.0, 4.0, size), np.linspace(0.0, 3.0, size)
    diagram = jax.jit(lambda w, b: meanfield.phase_diagram(w, b, PHI))(
        jnp.sqrt(wide)[None, :] * jnp.ones((size, 1)), jnp.sqrt(high)[:, None] * jnp.ones((1, size))
    )
    fig, axes = figure(1, 2, (11, 4.5))
    left, right = axes[0]
    scale = np.where(np.isfinite(diagram.xi_c), diagram.xi_c, 1e3)
    levels = (1, 2, 4, 8, 16, 32, 64)
    left.contourf(wide, high, np.log2(np.clip(scale, 0.8, 128)), 24, cmap="YlGnBu", alpha=0.75)
    lines = left.contour(wide, high, scale, levels, colors=INK, linewidths=0.6)
    left.clabel(lines, fontsize=7, fmt="%d")
    for color, name in zip((INK, *ACCENTS[2:]), OTHERS, strict=True):
        sigma_w, sigma_b = meanfield.critical_line(jnp.geomspace(1e-3, 30.0, 200), getattr(meanfield.activations, name))
        left.plot(sigma_w**2, sigma_b**2, color=color, lw=2 if name == "tanh" else 1.2, label=name)
    left.text(1.15, 2.2, "order", fontsize=11, weight="bold", color="white")
    left.text(3.3, 0.25, "chaos", fontsize=11, weight="bold", color="white")
    left.set(title=r"depth scale $\xi_c$ of tanh (layers), and lines $\chi_1 = 1$", xlim=(1, 4), ylim=(0, 3))
    left.set(xlabel=r"variance of weights $\sigma_w^2$", ylabel=r"variance of biases $\sigma_b^2$")
    left.legend(loc="upper right", fontsize=8, framealpha=0.9, edgecolor="none")

    grid = np.linspace(1.0, 3.0, 9 if chosen.quick else 41)
    sigma_w = np.sqrt(grid)
    limits = np.asarray(jax.jit(lambda w: meanfield.c_star(w, SIGMA_B, PHI).value)(sigma_w))
    xi = np.asarray(jax.jit(lambda w: meanfield.xi_c(w, SIGMA_B, PHI))(sigma_w))
    keys = jax.random.split(jax.random.key(chosen.seed), draws)
    cosines = np.stack([
        np.mean(jax.vmap(lambda key, w=w: run(key, w, width=width, depth=depth))(keys), axis=0) for w in sigma_w
    ])  # fmt: skip
    print(f"{'sigma_w^2':>9}{'phase':>8}{'c*':>9}{'network':>9}{'xi_c':>9}{'network':>9}\n")
    for i in range(0, len(grid), 2 if chosen.quick else 5):
        phase = "order" if limits[i] == 1.0 else "chaos"
        seen = f"{rate(cosines[i], limits[i]):9.2f}" if xi[i] < depth / 4 else f"{'-':>9}"
        print(f"{grid[i]:9.2f}{phase:>8}{limits[i]:9.4f}{cosines[i, -1]:9.4f}{xi[i]:9.2f}{seen}")
    gap = np.abs(cosines - limits[:, None])
    shade = right.pcolormesh(
        grid, np.arange(depth), np.log10(np.maximum(gap, 1e-3)).T, cmap="YlGnBu", vmin=-3, vmax=0, shading="nearest"
    )
    critical = float(meanfield.critical_sigma_w(SIGMA_B, PHI).sigma_w[0]) ** 2
    right.plot(grid, 6.0 * xi, color=ACCENTS[2], lw=2)
    right.plot(grid, xi, color=ACCENTS[1], lw=2)
    right.axvline(critical, color=INK, lw=0.8, ls=":")
    for factor, color, at in ((6.0, ACCENTS[2], 0.92), (1.0, ACCENTS[1], 0.92)):
        i = int(at * (len(grid) - 1))
        label = r"$6\,\xi_c$" if factor > 1 else r"$\xi_c$"
        right.text(grid[i], factor * xi[i] + 0.03 * depth, label, color=color, fontsize=12, ha="center", weight="bold")
    right.set(title=f"what is left of two inputs, $\\sigma_b^2 = 0.05$, width {width}", ylim=(0, depth - 1))
    right.set(xlabel=r"variance of weights $\sigma_w^2$", ylabel="depth (layers)")
    bar = fig.colorbar(shade, ax=right, ticks=(-3, -2, -1, 0))
    bar.set_label(r"$\log_{10} |c_l - c^*|$ in networks")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
