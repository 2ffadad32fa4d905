"""Spacings of eigenvalues, an avoided crossing, and matrices that are independent but not free.

Neighbouring eigenvalues of a large symmetric matrix repel one another as those of a 2 x 2 matrix do: Wigner's surmise.
The gap of a 2 x 2 matrix whose diagonal crosses never closes, because that takes two coincidences at once. And in two
dimensions independence is not freeness: for normal a and c the sum of (a, 0; 0, -a) and (0, c; c, 0) has eigenvalues of
density |x| exp(-x^2/2)/2, while the free convolution of the two normal spectra is another law.

Run: python examples/freeprob_spacings.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import freeprob as fp


def main():
    """Spacings, crossing, and the failure of freeness."""
    chosen = options(__doc__, "freeprob_spacings")
    dim, draws = (300, 20_000) if chosen.quick else (1500, 400_000)
    key = jax.random.key(chosen.seed)
    law = fp.Semicircle(0.0, 1.0)
    spacings = {}
    for name, draw in (("real", fp.sample_goe), ("complex", fp.sample_gue)):
        values = np.linalg.eigvalsh(np.asarray(draw(key, dim)))
        spacings[name] = np.asarray(fp.eigenvalue_spacings(values, unfold=law.cdf))
    print(f"{'ensemble':<12}{'mean':>8}{'P(s < 0.3)':>12}{'surmise':>10}\n")
    grid = np.linspace(1e-4, 3.5, 701)
    surmise = {
        name: np.exp(np.asarray(fp.wigner_surmise_log_density(grid, beta=beta)))
        for name, beta in (("real", 1), ("complex", 2))
    }
    for name, gaps in spacings.items():
        share = np.trapezoid(np.where(grid < 0.3, surmise[name], 0.0), grid)
        print(f"{name:<12}{gaps.mean():8.4f}{np.mean(gaps < 0.3):12.4f}{share:10.4f}")

    rng = np.random.default_rng(chosen.seed)
    a, c = rng.normal(size=(2, draws))
    sums = np.concatenate([np.hypot(a, c), -np.hypot(a, c)])
    normal = fp.empirical(np.asarray(normal_quantiles(400), np.float32))
    free = fp.free_additive_convolution(normal, normal)
    x = np.linspace(-4, 4, 321).astype(np.float32)
    density, cdf = (
        np.asarray(part) for part in jax.jit(lambda law, x: (law.density(x), law.cdf(x)))(free, jnp.asarray(x))
    )
    empirical = np.searchsorted(np.sort(sums), x) / sums.size
    exact = 0.5 + 0.5 * np.sign(x) * (1 - np.exp(-(x**2) / 2))
    print("\ndistance of the eigenvalues of the 2 x 2 sum from")
    print(f"{'  |x| exp(-x^2/2)/2':<28}{np.abs(empirical - exact).max():8.4f}")
    print(f"{'  the free convolution':<28}{np.abs(empirical - cdf).max():8.4f}")

    fig, axes = figure(1, 3, (12, 3.6))
    for color, (name, gaps) in zip(ACCENTS, spacings.items(), strict=False):
        axes[0, 0].hist(gaps, 40, range=(0, 3.5), density=True, alpha=0.35, color=color, label=f"{name}, size {dim}")
        axes[0, 0].plot(grid, surmise[name], color=color)
    axes[0, 0].set(title="unfolded spacings and the surmise", xlabel="spacing", ylabel="density")
    axes[0, 0].legend(frameon=False, fontsize=8)
    time = np.linspace(-2, 2, 201)
    for color, coupling in zip(ACCENTS, (0.0, 0.2, 0.5), strict=False):
        gap = np.hypot(time, coupling)
        axes[0, 1].plot(time, gap, color=color, label=f"coupling {coupling}")
        axes[0, 1].plot(time, -gap, color=color)
    axes[0, 1].set(title="avoided crossing of (t, c; c, -t)", xlabel="t", ylabel="eigenvalues")
    axes[0, 1].legend(frameon=False, fontsize=8)
    axes[0, 2].hist(sums, 80, range=(-4, 4), density=True, color=ACCENTS[0], alpha=0.35, label="simulation")
    axes[0, 2].plot(x, 0.5 * np.abs(x) * np.exp(-(x**2) / 2), color=INK, label="exact")
    axes[0, 2].plot(x, density, color=ACCENTS[2], label="if they were free")
    axes[0, 2].set(title="independent, not free", xlabel="eigenvalue", ylabel="density")
    axes[0, 2].legend(frameon=False, fontsize=8)
    save(fig, chosen.out)


def normal_quantiles(count):
    """Standard normal quantiles at the middles of `count` equal cells: the spectrum of either matrix, averaged."""
    return jax.scipy.special.ndtri((jnp.arange(count) + 0.5) / count)


if __name__ == "__main__":
    main()
