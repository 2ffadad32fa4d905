"""Power of the kernelised Stein test against a shift of one coordinate, for three kernels.

Each sample of 150 points in the plane is tested against the standard normal law at level 0.05 with 500 bootstraps. The
table gives the share of samples that are rejected, with its standard error: at no shift it is the size of the test.

Run: python examples/ksd_test_power.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import stein

POINTS, DIM, LEVEL = 150, 2, 0.05
KERNELS = {
    "RBF, median": (stein.RBF, "median"),
    "RBF, half median": (stein.RBF, "half_median"),
    "IMQ, median": (stein.IMQ, "median"),
}


def rejections(key, shift, kernel, convention, *, repeats, num_bootstrap):
    """Share of samples, moved by `shift` along the first axis, that the test rejects."""

    def one(key):
        sample_key, test_key = jax.random.split(key)
        x = jax.random.normal(sample_key, (POINTS, DIM)) + shift * jnp.array([1.0, 0.0])[None]
        chosen = kernel(stein.median_bandwidth(x, convention=convention))
        return stein.ksd_test(test_key, x, -x, chosen, num_bootstrap=num_bootstrap).p_value <= LEVEL

    return jnp.mean(jax.lax.map(one, jax.random.split(key, repeats)).astype(jnp.float32))


def main():
    """Test everything, print the table, draw the power curves."""
    chosen = options(__doc__, "ksd_test_power")
    shifts = (0.0, 0.4) if chosen.quick else (0.0, 0.1, 0.2, 0.3, 0.4)
    repeats, num_bootstrap = (100, 200) if chosen.quick else (600, 500)
    print(f"{'shift':<18}" + "".join(f"{shift:>16.1f}" for shift in shifts) + "\n")
    fig, axes = figure(1, 1, (5.5, 4))
    for color, (name, (kernel, convention)) in zip(ACCENTS, KERNELS.items(), strict=False):
        share = jax.jit(
            lambda key, shift, k=kernel, c=convention: rejections(
                key, shift, k, c, repeats=repeats, num_bootstrap=num_bootstrap
            )
        )
        power = np.array([float(share(jax.random.key(chosen.seed), shift)) for shift in shifts])
        errors = np.sqrt(power * (1.0 - power) / repeats)
        cells = (f"{p:.3f} +- {e:.3f}" for p, e in zip(power, errors, strict=True))
        print(f"{name:<18}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
        axes[0, 0].errorbar(shifts, power, 2 * errors, color=color, marker="o", ms=4, capsize=2, label=name)
    axes[0, 0].axhline(LEVEL, color=INK, lw=0.8, ls=":")
    axes[0, 0].set(xlabel="shift of one coordinate", ylabel="share rejected", ylim=(0, 1.02))
    axes[0, 0].legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
