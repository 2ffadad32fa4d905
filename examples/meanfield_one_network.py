"""One network of width 1000 against the law of infinite width.

A tanh network on the critical line is run on one input, and the squared singular values of its Jacobian are taken after
4, 12 and 32 layers, with Gaussian and with orthogonal weights. Nothing is fitted and nothing averaged: the lines are
the limiting laws, and end where the library says that it has not resolved them. The table gives the largest distance
between the cdf of the network and that of the law, over the values that are above 1e-8, and the largest value with the
edge of the law.

Run: python examples/meanfield_one_network.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save
from _networks import squared_singular_values

from depthjax import meanfield

PHI, LENGTH = meanfield.activations.tanh, 0.15


@functools.partial(jax.jit, static_argnames=("ensemble",))
def theory(log_lam, sigma_w, depth, *, ensemble):
    """Density per unit of log lambda and cdf, NaN where not resolved, and the log of the upper edge."""
    found = meanfield.jacobian_density_solve(log_lam, PHI, LENGTH, sigma_w, depth, ensemble=ensemble)
    edges = meanfield.jacobian_edges(PHI, LENGTH, sigma_w, depth, ensemble=ensemble)
    density = jnp.where(found.converged, jnp.exp(found.log_density + log_lam), jnp.nan)
    return density, jnp.where(found.converged, found.cdf, jnp.nan), jnp.nanmax(edges)


def main():
    """Run one network of each kind, print distances, draw histograms under the laws."""
    jax.config.update("jax_enable_x64", val=True)
    chosen = options(__doc__, "meanfield_one_network")
    width, depths = (120, (2, 8)) if chosen.quick else (1000, (4, 12, 32))
    ensembles = ("orthogonal",) if chosen.quick else ("gaussian", "orthogonal")
    sigma_w, sigma_b = meanfield.critical_line(LENGTH, PHI)
    fig, axes = figure(1, len(ensembles), (5.4 * len(ensembles), 3.9))
    print(f"{'weights':<12}{'layers':>7}{'distance':>10}{'largest':>10}{'edge':>10}\n")
    for axis, ensemble in zip(axes[0], ensembles, strict=True):
        low, high = (-11.0, 5.2) if ensemble == "gaussian" else (-5.5, 3.0)
        grid = np.linspace(low, high, 600)
        spectra = squared_singular_values(
            jax.random.key(chosen.seed), PHI, width=width, depths=depths, q=LENGTH, sigma_w=sigma_w, sigma_b=sigma_b,
            ensemble=ensemble,
        )  # fmt: skip
        for color, depth, values in zip(ACCENTS, depths, spectra, strict=False):
            density, _, edge = theory(grid, sigma_w, float(depth), ensemble=ensemble)
            logs = np.log(np.maximum(values, 1e-300))
            # As many points as the grid has, so that nothing compiles twice.
            some = np.quantile(logs[logs > np.log(1e-8)], np.linspace(0.0, 1.0, len(grid)))
            _, cdf, _ = theory(some, sigma_w, float(depth), ensemble=ensemble)
            share = np.searchsorted(logs, some, side="right") / width
            distance = np.nanmax(np.abs(np.asarray(cdf) - share))
            print(f"{ensemble:<12}{depth:>7}{distance:10.4f}{values[-1]:10.3f}{np.exp(edge):10.3f}")
            bins = np.linspace(low, high, 61)
            heights = np.histogram(logs, bins)[0] / width / (bins[1] - bins[0])
            axis.stairs(heights, bins, fill=True, color=color, alpha=0.4, label=f"{depth} layers")
            axis.plot(grid, np.asarray(density), color=INK, lw=1.3)
        axis.plot([], [], color=INK, lw=1.3, label="infinite width")
        axis.set(title=f"{'Gaussian' if ensemble == 'gaussian' else ensemble} weights", yticks=[])
        axis.set(xlabel=r"log of squared singular value, $\log\lambda$", xlim=(low, high))
        axis.legend(frameon=False, fontsize=8, loc="upper left")
    axes[0, 0].set(ylabel=r"density of $\log\lambda$")
    fig.suptitle(f"Jacobian of one tanh network, width {width}, critical initialisation", color=INK)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
