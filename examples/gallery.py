"""Every scalar density in the library, and what each kind of flow does to a standard normal.

Draws two pictures: densities and masses with two sets of parameters each, beside a histogram of their own draws; and
200,000 draws of randomly initialised flows.

Run: python examples/gallery.py [--quick] [--seed 0] [--out examples/output/gallery.png]
"""

import jax
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import distributions as d
from depthjax import flows

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
RECIPES = ("planar_flow", "radial_flow", "sylvester_flow", "nice", "realnvp", "maf", "iaf", "nsf_coupling",
           "nsf_autoregressive", "naf", "bnaf", "residual_flow")  # fmt: skip


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


def draw_flow(axis, key, name, num_draws):
    """Draws of a flow whose parameters were moved away from the identity at random."""
    flow = getattr(flows, name)(key, 2, num_layers=6)
    leaves, treedef = jax.tree.flatten(flow)
    keys = jax.random.split(key, len(leaves))
    size = {"nice": 0.3, "residual_flow": 0.4, "planar_flow": 0.8, "radial_flow": 1.0}.get(name, 0.15)
    leaves = [v + size * jax.random.normal(k, v.shape, v.dtype) for k, v in zip(keys, leaves, strict=True)]
    moved = jax.tree.unflatten(treedef, leaves)
    fresh = getattr(flows, name)(key, 2, num_layers=6)
    moved = type(moved)(fresh.base, moved.bijector)  # the base stays standard normal
    x = np.asarray(jax.jit(lambda f, k: f.sample(k, (num_draws,)))(moved, key))
    x = x[np.isfinite(x).all(axis=1)]
    centre, spread = np.median(x, axis=0), 3.5 * np.std(x, axis=0) + 1e-6
    window = [(c - s, c + s) for c, s in zip(centre, spread, strict=True)]
    axis.hist2d(*x.T, bins=120, range=window, cmap="magma")
    axis.set(xticks=[], yticks=[])
    axis.set_title(name, fontsize=9)
    print(f"  {name:<20}{x.shape[0]:>9} of {num_draws} draws finite")


def main():
    """Draw both pictures."""
    chosen = options(__doc__, "gallery")
    key = jax.random.key(chosen.seed)
    families = {**CONTINUOUS, **COUNTS}
    fig, axes = figure(5, 6, (13, 9))
    for axis, (name, parameters) in zip(axes.ravel(), families.items(), strict=True):
        draw_family(axis, key, name, parameters)
    save(fig, chosen.out.with_name(chosen.out.stem + "_densities.png"))
    print(f"\n{len(families)} families drawn\n")
    fig, axes = figure(2, 6, (13, 4.6))
    for axis, name in zip(axes.ravel(), RECIPES, strict=True):
        draw_flow(axis, key, name, 5_000 if chosen.quick else 200_000)
    save(fig, chosen.out.with_name(chosen.out.stem + "_flows.png"))


if __name__ == "__main__":
    main()
