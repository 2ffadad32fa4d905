"""Singular values of deep random networks: the limiting law over the eigenvalues of one network.

Squared singular values of the input-output Jacobian J, for tanh and hard tanh on the critical line (mean 1 at every
depth), with Gaussian and with orthogonal weights. With Gaussian weights the largest grows linearly in depth; with
orthogonal ones and small pre-activations it stays put, and a hard tanh keeps an atom at the top while few units
saturate.

Run: python examples/meanfield_spectra.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import meanfield

LENGTHS = {"tanh": 0.1, "hard_tanh": 0.15}


@functools.partial(jax.jit, static_argnames=("name", "ensemble"))
def theory(log_lam, q, sigma_w, depth, *, name, ensemble):
    """Density per unit of log lambda, and cdf."""
    phi = getattr(meanfield.activations, name)
    found = meanfield.jacobian_density_solve(log_lam, phi, q, sigma_w, depth, ensemble=ensemble)
    return jnp.exp(found.log_density + log_lam), found.cdf


def main():
    """One row of panels an activation, one column an ensemble and depth."""
    jax.config.update("jax_enable_x64", val=True)  # spectra reach over many decades
    chosen = options(__doc__, "meanfield_spectra")
    width, names, depths = (150, ("hard_tanh",), (2, 8)) if chosen.quick else (600, tuple(LENGTHS), (4, 16, 64))
    ensembles = ("orthogonal",) if chosen.quick else ("gaussian", "orthogonal")
    columns = [(ensemble, depth) for ensemble in ensembles for depth in depths]
    fig, axes = figure(len(names), len(columns), (2.6 * len(columns), 2.7 * len(names)))
    print(
        f"{'activation':<12}{'weights':<12}{'depth':>6}{'variance':>10}{'largest':>10}{'drawn':>10}{'distance':>10}\n"
    )
    for row, name in enumerate(names):
        phi = getattr(meanfield.activations, name)
        sigma_w, _ = meanfield.critical_line(LENGTHS[name], phi)
        for column, (ensemble, depth) in enumerate(columns):
            law = meanfield.JacobianSpectrum(phi, LENGTHS[name], sigma_w, float(depth), ensemble=ensemble)
            key = jax.random.fold_in(jax.random.key(chosen.seed), depth)
            values = np.linalg.eigvalsh(np.asarray(law.sample_matrix(key, width)))
            values = np.maximum(values, 0.0)
            args = (LENGTHS[name], sigma_w, float(depth))
            top = float(np.max(np.append(np.nan_to_num(law.edges()), np.where(law.atoms()[1] > 0, law.atoms()[0], 0))))
            grid = np.linspace(-6.0, np.log(top) + 0.1, 400)
            density, _ = theory(grid, *args, name=name, ensemble=ensemble)
            # Just right of each value, so that eigenvalues on an atom count as the whole of it.
            place = np.log(np.maximum(values, 1e-6)) + 1e-6
            _, cdf = theory(place, *args, name=name, ensemble=ensemble)
            rank = np.searchsorted(values, values * np.exp(2e-6), side="right") / width
            variance = float(meanfield.jacobian_variance(phi, *args, ensemble=ensemble))
            cdf, seen = np.asarray(cdf), values > 1e-6
            distance = np.nanmax(np.abs(cdf - rank)[seen])  # NaN: flagged as not converged
            solved = np.mean(~np.isnan(cdf[seen]))
            print(
                f"{name:<12}{ensemble:<12}{depth:>6}{variance:>10.3f}{top:>10.3f}{values.max():>10.3f}{distance:>10.4f}{solved:>9.1%}"
            )
            panel = axes[row, column]
            panel.hist(np.log(np.maximum(values, 1e-9)), 50, range=(-6, grid[-1]), color=ACCENTS[0], alpha=0.35,
                       weights=np.full(width, 50 / width / (grid[-1] + 6)))  # fmt: skip
            panel.plot(grid, density, color=INK, linewidth=1)
            panel.set(title=f"{name}, {ensemble}, L = {depth}", xlabel="log of squared singular value")
            panel.title.set_fontsize(8)
            panel.xaxis.label.set_fontsize(8)
            panel.set_ylim(0, min(2.5, 1.3 * float(np.nanmax(density))))
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
