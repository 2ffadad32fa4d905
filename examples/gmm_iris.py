"""Normal mixtures of Fisher's irises: how many components, of which covariances, and a conditional density.

Every model is fitted from ten starts at once. BIC counts the free parameters; the table marks the least. The picture
shows the best mixture and the density of petal width given petal length.

Run: python examples/gmm_iris.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save
from sklearn.datasets import load_iris

from depthjax import latent

COVARIANCES = ("spherical", "diagonal", "tied", "full")


def best_of(key, x, k, covariance, num_starts):
    """The fit of largest likelihood among several starts."""
    fit = functools.partial(latent.gmm_fit, covariance=covariance, covariance_floor=1e-3, num_steps=500)
    fits = jax.jit(jax.vmap(lambda start: fit(start, x, k)))(jax.random.split(key, num_starts))
    best = int(jnp.argmax(fits.log_likelihoods[:, -1]))
    return jax.tree.map(lambda leaf: leaf[best], fits)


def main():
    """Fit the models, print BIC, draw the best one."""
    chosen = options(__doc__, "gmm_iris")
    iris = load_iris()
    x = jnp.asarray(iris.data[:, 2:], jnp.float32)
    counts = (1, 2) if chosen.quick else (1, 2, 3, 4, 5)
    print(f"{'BIC':<12}" + "".join(f"{f'k = {k}':>10}" for k in counts))
    found = {}
    for covariance in COVARIANCES:
        row = f"{covariance:<12}"
        for k in counts:
            result = best_of(jax.random.key(chosen.seed), x, k, covariance, 2 if chosen.quick else 10)
            free = latent.gmm_num_parameters(k, 2, covariance)
            bic = -2 * len(x) * float(result.log_likelihoods[-1]) + free * np.log(len(x))
            found[bic] = (k, covariance, result)
            row += f"{bic:9.1f}" + (" " if result.converged else "!")
        print(row, flush=True)
    k, covariance, result = found[min(found)]
    print(f"\nleast: k = {k}, {covariance}; ! marks a fit that did not converge or has a covariance at its floor")
    fig, axes = figure(1, 2, (9, 4))
    ticks = np.stack(np.meshgrid(np.linspace(0.5, 7.5, 160), np.linspace(-0.2, 2.9, 160)), -1).astype(np.float32)
    log_density = np.asarray(jax.jit(lambda m, v: m.log_prob(v))(result.model, ticks.reshape(-1, 2)))
    axes[0, 0].contour(
        ticks[..., 0], ticks[..., 1], log_density.reshape(160, 160), np.arange(-7.0, 2.0), colors=INK, linewidths=0.5
    )
    for species in range(3):
        axes[0, 0].scatter(*np.asarray(x[iris.target == species]).T, s=8, color=ACCENTS[species])
    axes[0, 0].set(xlabel="petal length (cm)", ylabel="petal width (cm)", title=f"k = {k}, {covariance}")
    widths = np.linspace(-0.2, 2.9, 300, dtype=np.float32)[:, None]
    for length in (1.5, 4.5, 5.0, 5.5):
        rest = latent.gmm_condition(result.model, 0, length)
        axes[0, 1].plot(widths, np.exp(np.asarray(rest.log_prob(widths))), label=f"length {length} cm")
    axes[0, 1].set(xlabel="petal width (cm)", ylabel="density given length")
    axes[0, 1].legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
