"""Fifty convolutions that are isometric: delta-orthogonal kernels, one layer at a time.

A convolutional tanh network with periodic borders, kernels 3 x 3 that are orthogonal at the centre and zero elsewhere,
on the critical line with short pre-activations, against Gaussian kernels of the same variance. The table gives, at some
depths, quantiles of the singular values of the Jacobian from the input to that layer, of the theory for orthogonal
and Gaussian weights, which knows nothing of space, and of the networks: delta-orthogonal kernels follow it, pixel by
pixel, and Gaussian kernels too, though pixels mix.

Run: python examples/meanfield_delta_orthogonal.py [--quick] [--seed 0]
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import meanfield

PHI, LENGTH = meanfield.activations.tanh, 0.02
KINDS = {"delta_orthogonal": "orthogonal", "gaussian": "gaussian"}


@functools.partial(jax.jit, static_argnames=("kind", "depth", "side", "channels"))
def jacobians(key, sigma_w, sigma_b, *, kind, depth, side, channels):
    """Squared singular values (depth, side^2 channels) of the Jacobian from the input to every layer of one network."""
    shape = (side, side, channels)
    start, key = jax.random.split(key)
    x = jnp.sqrt((LENGTH - sigma_b**2) / sigma_w**2) * jax.random.normal(start, shape)

    def layer(carry, key):
        x, jacobian = carry
        kernel_init = getattr(meanfield.initializers, kind)(1.0)
        conv = nn.Conv(channels, (3, 3), padding="CIRCULAR", kernel_init=kernel_init, use_bias=False)
        params = conv.init(key, x[None])
        bias = sigma_b * jax.random.normal(jax.random.fold_in(key, 1), (channels,))
        h = sigma_w * conv.apply(params, x[None])[0] + bias[None, None]
        # Rows of `jacobian` are images, one for each input direction: the convolution acts on all at once.
        pushed = sigma_w * conv.apply(params, jacobian) * (1.0 - jnp.tanh(h) ** 2)[None]
        flat = pushed.reshape(pushed.shape[0], -1)
        return (jnp.tanh(h), pushed), jnp.linalg.eigvalsh(flat @ flat.T)

    size = side * side * channels
    return jax.lax.scan(layer, (x, jnp.eye(size).reshape(size, *shape)), jax.random.split(key, depth))[1]


@functools.partial(jax.jit, static_argnames=("ensemble",))
def theory(log_lam, sigma_w, depth, *, ensemble):
    """Share of squared singular values below exp(log_lam), NaN where it is not resolved."""
    found = meanfield.jacobian_density_solve(log_lam, PHI, LENGTH, sigma_w, depth, ensemble=ensemble)
    return jnp.where(found.converged, found.cdf, jnp.nan)


def quantiles(sigma_w, depth, levels, *, ensemble):
    """Squared singular values at these levels in the limit of many channels."""
    log_lam = np.linspace(-60.0, 7.0, 3001)
    cdf = np.asarray(theory(log_lam, sigma_w, float(depth), ensemble=ensemble))
    known = np.isfinite(cdf)
    return np.exp(np.interp(levels, cdf[known], log_lam[known]))


def main():
    """Run both networks, print quantiles, draw them against depth."""
    jax.config.update("jax_enable_x64", val=True)
    chosen = options(__doc__, "meanfield_delta_orthogonal")
    depth, side, channels = (10, 3, 8) if chosen.quick else (50, 4, 48)
    kinds = {"delta_orthogonal": "orthogonal"} if chosen.quick else KINDS
    levels = np.array([0.25, 0.5, 0.75, 0.95])
    sigma_w, sigma_b = meanfield.critical_line(LENGTH, PHI)
    depths = [d for d in (2, 5, 10, 20, 30, 40, 50) if d <= depth]
    fig, axes = figure(1, 2, (10.5, 4.2))
    print(f"{'':<20}{'':>6}" + "".join(f"{f'quantile {level:g}':>24}" for level in levels))
    print(f"{'kernels':<20}{'layer':>6}" + f"{'theory':>12}{'network':>12}" * len(levels) + "\n")
    for axis, (kind, ensemble) in zip(axes[0], kinds.items(), strict=False):
        found = jacobians(
            jax.random.key(chosen.seed), sigma_w, sigma_b, kind=kind, depth=depth, side=side, channels=channels
        )
        seen = np.quantile(np.maximum(np.asarray(found), 1e-30), levels, axis=1)
        lines = np.stack([quantiles(sigma_w, d, levels, ensemble=ensemble) for d in depths], axis=1)
        for i, d in enumerate(depths):
            pairs = "".join(f"{lines[j, i]:12.3g}{seen[j, d - 1]:12.3g}" for j in range(len(levels)))
            print(f"{kind:<20}{d:>6}{pairs}")
        for color, level, line, dots in zip(ACCENTS, levels, lines, seen, strict=False):
            axis.semilogy(depths, line**0.5, color=color, lw=3, alpha=0.5, label=f"quantile {level:g}")
            kept = dots > 1e-13 * seen[-1]  # what rounding leaves of the product is no smaller
            axis.semilogy(np.arange(1, depth + 1)[kept], dots[kept] ** 0.5, ".", ms=4, color=color)
        axis.set(
            title=f"{kind.replace('_', '-').replace('g', 'G', kind == 'gaussian')} kernels, {channels} channels",
            xlabel="layer",
        )
    axes[0, 0].plot([], [], color=INK, lw=3, alpha=0.5, label="many channels")
    axes[0, 0].plot([], [], ".", ms=4, color=INK, label="one network")
    axes[0, 0].set(ylabel="singular value of the Jacobian", ylim=(0.6, 1.8), yscale="linear")
    axes[0, 1].set(ylim=(1e-9, 1e2))
    axes[0, 0].legend(frameon=False, fontsize=8, ncols=2)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
