"""A gallery of scalar densities and masses, each over a histogram of its own draws, with two sets of parameters.

Run: python examples/gallery.py [--quick] [--seed 0] [--out examples/output/gallery.png]
"""

import jax
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import distributions as d

CONTINUOUS = {
    "Normal": ((0.0, 1.0), (1.0, 0.5)),
    "Laplace": ((0.0, 1.0), (1.0, 0.5)),
    "Logistic": ((0.0, 1.0), (1.0, 0.5)),
    "Gumbel": ((0.0, 1.0), (1.0, 0.5)),
    "Cauchy": ((0.0, 1.0), (1.0, 0.5)),
    "StudentT": ((1.5, 0.0, 1.0), (5.0, 1.0, 0.5)),
    "Uniform": ((-1.0, 1.0), (0.0, 0.7)),
    "Exponential": ((1.0,), (2.0,)),
    "Gamma": ((2.0, 1.0), (9.0, 3.0)),
    "InverseGamma": ((3.0, 2.0), (6.0, 10.0)),
    "ChiSquared": ((3.0,), (8.0,)),
    "Weibull": ((1.5, 1.0), (4.0, 2.0)),
    "LogNormal": ((0.0, 0.5), (0.8, 0.25)),
    "Pareto": ((1.0, 3.0), (1.5, 6.0)),
    "Lomax": ((3.0, 1.0), (6.0, 6.0)),
    "HalfNormal": ((1.0,), (2.0,)),
    "HalfCauchy": ((1.0,), (0.5,)),
    "BetaPrime": ((2.0, 4.0, 1.0), (6.0, 6.0, 1.0)),
    "Beta": ((2.0, 5.0), (8.0, 4.0)),
    "Kumaraswamy": ((2.0, 5.0), (5.0, 3.0)),
    "LogitNormal": ((0.0, 1.0), (0.5, 2.0)),
    "TruncatedNormal": ((0.0, 1.0, -0.5, 2.0), (0.0, 1.0, 1.0, 3.0)),
    "VonMises": ((0.0, 2.0), (2.5, 8.0)),
    "RelaxedBernoulli": ((0.8, 0.0), (1.0, 1.0)),
}
COUNTS = {
    "Poisson": ((1.0,), (2.5,)),
    "Geometric": ((0.0,), (-1.0,)),
    "Binomial": ((12.0, 0.0), (12.0, 1.5)),
    "NegativeBinomial": ((3.0, 0.5), (12.0, -0.5)),
    "BetaBinomial": ((12.0, 2.0, 2.0), (12.0, 0.6, 0.6)),
    "GammaPoisson": ((3.0, 0.6), (12.0, 1.6)),
}


def draw_family(axis, key, name, parameters):
    """Density or mass over a histogram of draws, for each set of parameters."""
    for color, args in zip(ACCENTS, parameters, strict=False):
        law = getattr(d, name)(*args)
        draws = np.sort(np.asarray(jax.jit(lambda law, k: law.sample(k, (20_000,)))(law, key)))
        middle, width = np.median(draws), 6 * np.subtract(*np.quantile(draws, [0.75, 0.25]))
        low, high = max(draws[200], middle - width), min(draws[-200], middle + width)
        if law.support.discrete:
            grid = np.arange(max(low - 1, 0), high + 2)
            counts = np.bincount(draws.astype(int), minlength=int(grid[-1]) + 1)[grid.astype(int)]
            axis.bar(grid, counts / draws.size, color=color, alpha=0.25)
            style = {"marker": "o", "markersize": 2.5, "linewidth": 0.6}
        else:
            grid = np.linspace(low, high, 400)
            inside = draws[(draws >= low) & (draws <= high)]
            share = inside.size / draws.size
            heights, edges = np.histogram(inside, bins=50, density=True)
            axis.stairs(heights * share, edges, fill=True, color=color, alpha=0.25)
            style = {}
        axis.plot(
            grid, np.exp(jax.jit(lambda law, x: law.log_prob(x))(law, grid.astype(np.float32))), color=color, **style
        )
    axis.set_title(name, fontsize=9)
    axis.set(yticks=[], ylim=(0, None))


def main():
    """Draw the picture."""
    chosen = options(__doc__, "gallery")
    key = jax.random.key(chosen.seed)
    families = {**CONTINUOUS, **COUNTS}
    fig, axes = figure(5, 6, (13, 9))
    for axis, (name, parameters) in zip(axes.ravel(), families.items(), strict=True):
        draw_family(axis, key, name, parameters)
    save(fig, chosen.out)
    print(f"{len(families)} families drawn")


if __name__ == "__main__":
    main()
