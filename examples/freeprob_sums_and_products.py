"""Spectra of sums and products of two matrices in generic position, known from the two spectra alone.

Two matrices are drawn, one is turned by a Haar orthogonal matrix. The free additive and multiplicative convolutions of
their empirical laws give the spectrum of the sum, of the product and of a corner, without ever forming them; the table
compares with the eigenvalues of the matrices themselves, and the picture draws the densities over their histograms.

Run: python examples/freeprob_sums_and_products.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import freeprob as fp


def main():
    """Draw, convolve, compare."""
    chosen = options(__doc__, "freeprob_sums_and_products")
    dim = 200 if chosen.quick else 800
    keys = jax.random.split(jax.random.key(chosen.seed), 3)
    wishart = np.asarray(fp.sample_wishart(keys[0], dim, 2 * dim))
    uniform = np.linspace(0.5, 2.0, dim, dtype=np.float32)
    q = np.asarray(fp.sample_haar_orthogonal(keys[1], dim))
    turned = (q * uniform) @ q.T
    law_a, law_b = (fp.empirical(values) for values in (np.linalg.eigvalsh(wishart), uniform))
    root = np.linalg.cholesky(wishart)
    cases = {
        "sum": (fp.free_additive_convolution(law_a, law_b), np.linalg.eigvalsh(wishart + turned)),
        "product": (fp.free_multiplicative_convolution(law_a, law_b), np.linalg.eigvalsh(root.T @ turned @ root)),
        "corner, half": (
            fp.free_compression(law_a, 0.5),
            np.linalg.eigvalsh((q.T @ wishart @ q)[: dim // 2, : dim // 2]),
        ),
        "plus Wigner": (
            fp.deform_semicircle(law_b, 0.05),
            np.linalg.eigvalsh(turned + np.asarray(fp.sample_goe(keys[2], dim, scale=0.05**0.5))),
        ),
    }

    @jax.jit
    def levels(law, x):
        return law.density(x), law.cdf(x)

    print(f"{'spectrum':<16}{'distance':>10}{'mean':>10}{'theory':>10}{'second':>10}{'theory':>10}\n")
    fig, axes = figure(1, 4, (13, 3.4))
    for ax, color, (name, (law, values)) in zip(axes[0], ACCENTS, cases.items(), strict=False):
        values = np.sort(values)
        cdf = np.asarray(levels(law, jnp.asarray(values))[1])
        gap = np.abs(cdf - (np.arange(values.size) + 0.5) / values.size).max()
        mean, second = np.asarray(law.moments(2))
        print(f"{name:<16}{gap:10.4f}{values.mean():10.4f}{mean:10.4f}{np.mean(values**2):10.4f}{second:10.4f}")
        pad = 0.04 * (values[-1] - values[0])
        x = np.linspace(values[0] - pad, values[-1] + pad, 400).astype(np.float32)
        ax.hist(values, 40, density=True, color=color, alpha=0.35)
        ax.plot(x, np.asarray(levels(law, jnp.asarray(x))[0]), color=INK, lw=1.2)
        ax.set(title=name, xlabel="eigenvalue", ylabel="density")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
