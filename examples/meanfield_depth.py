"""How the spread of a Jacobian's singular values grows with depth, and how to stop it.

Tanh networks on the critical line, where the mean squared singular value is 1 at every depth. With Gaussian weights
variance and largest value grow linearly in depth whatever the pre-activations. With orthogonal weights they grow with
the length q of the pre-activations: linearly at a fixed length, to a universal limit at q ~ 1/sqrt(L), and not at
all at q ~ 1/L, where every singular value tends to 1. Lines are the limit of infinite width, dots single networks that
were run, in units of their mean.

Run: python examples/meanfield_depth.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save
from _networks import squared_singular_values

from depthjax import meanfield

PHI = meanfield.activations.tanh
SETTINGS = {
    "Gaussian, q = 0.2": ("gaussian", lambda depth: 0.2),
    "orthogonal, q = 0.2": ("orthogonal", lambda depth: 0.2),
    r"orthogonal, q = 0.2 / $\sqrt{L}$": ("orthogonal", lambda depth: 0.2 / depth**0.5),
    "orthogonal, q = 0.2 / L": ("orthogonal", lambda depth: 0.2 / depth),
}


@functools.partial(jax.jit, static_argnames=("ensemble",))
def theory(q, depth, *, ensemble):
    """Variance and largest squared singular value in the limit of infinite width, on the critical line."""
    sigma_w, _ = meanfield.critical_line(q, PHI)
    variance = meanfield.jacobian_variance(PHI, q, sigma_w, depth, ensemble=ensemble)
    edges = meanfield.jacobian_edges(PHI, q, sigma_w, depth, ensemble=ensemble)
    return jnp.stack([variance, jnp.exp(jnp.nanmax(edges))])


def simulation(key, ensemble, length, depths, width):
    """The same of networks: one chain of layers where the length is fixed, one network for each depth where not."""
    fixed = length(1) == length(2)
    values = []
    for i, group in enumerate([depths] if fixed else [(depth,) for depth in depths]):
        q = length(group[-1])
        sigma_w, sigma_b = meanfield.critical_line(q, PHI)
        values += squared_singular_values(
            jax.random.fold_in(key, i), PHI, width=width, depths=group, q=q, sigma_w=sigma_w, sigma_b=sigma_b,
            ensemble=ensemble,
        )  # fmt: skip
    # The mean of one network strays from 1, and takes both numbers with it.
    return [(v.var() / v.mean() ** 2, v.max() / v.mean()) for v in values]


def main():
    """Print theory beside simulation, draw both against depth."""
    jax.config.update("jax_enable_x64", val=True)
    chosen = options(__doc__, "meanfield_depth")
    width, depths = (100, (2, 8)) if chosen.quick else (300, (2, 4, 8, 16, 32, 64))
    grid = np.unique(np.geomspace(2, 10_000, 9 if chosen.quick else 40).round())
    fig, axes = figure(1, 2, (10.5, 4.4))
    print(f"{'':<32}{'':>6}{'variance':>20}{'largest':>20}")
    print(f"{'weights, length':<32}{'depth':>6}{'theory':>10}{'network':>10}{'theory':>10}{'network':>10}\n")
    shown = list(SETTINGS.items())[1:] if chosen.quick else list(SETTINGS.items())
    for i, (name, (ensemble, length)) in enumerate(shown, start=len(SETTINGS) - len(shown)):
        lines = np.array([theory(length(depth), depth, ensemble=ensemble) for depth in grid])
        seen = simulation(jax.random.fold_in(jax.random.key(chosen.seed), i), ensemble, length, depths, width)
        for depth, (variance, largest) in zip(depths, seen, strict=True):
            exact = theory(length(depth), float(depth), ensemble=ensemble)
            plain = name.replace("$", "").replace(r"\sqrt{L}", "sqrt(L)")
            print(f"{plain:<32}{depth:>6}{exact[0]:10.4f}{variance:10.4f}{exact[1]:10.4f}{largest:10.4f}")
        for column, shift in enumerate((0.0, 1.0)):
            axis = axes[0, column]
            axis.plot(grid, lines[:, column] - shift, color=ACCENTS[i], lw=1.6, label=name)
            axis.plot(depths, np.array(seen)[:, column] - shift, "o", ms=4.5, mfc="white", color=ACCENTS[i])
    limit = meanfield.universal_jacobian(8 * 0.2**2, universality="smooth")
    for axis, level in zip(axes[0], (8 * 0.2**2, float(jnp.nanmax(limit.edges())) - 1.0), strict=True):
        axis.axhline(level, color=INK, lw=0.8, ls=":", zorder=0)
    axes[0, 1].text(1e4, level * 0.55, "universal law of variance 8 (0.2)$^2$", fontsize=8, color=INK, ha="right")
    axes[0, 0].plot([], [], "o", ms=4.5, mfc="white", color=INK, label=f"one network, width {width}")
    axes[0, 0].legend(frameon=False, loc="upper left", fontsize=8)
    axes[0, 0].set(
        title="variance of squared singular values", ylim=(1e-5, 1e7), ylabel=r"$\sigma^2_{JJ^T}$ / mean$^2$"
    )
    axes[0, 1].set(title="largest squared singular value", ylabel=r"$\lambda_{\max}$ / mean $-$ 1")
    for axis in axes[0]:
        axis.set(xscale="log", yscale="log", xlabel="depth L (layers)")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
