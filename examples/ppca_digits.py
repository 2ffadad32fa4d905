"""Handwritten digits in a few dimensions: probabilistic principal components, factor analysis, a linear autoencoder.

The table gives held-out log likelihoods in nats for each image against the number of latent dimensions, and the root
mean square error of reconstructions in grey levels. Principal components have one noise variance for all pixels; factor
analysis gives each pixel its own, and so learns that corners never vary. The autoencoder projects, and is no density.

Run: python examples/ppca_digits.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, figure, options, save
from sklearn.datasets import load_digits

from depthjax import flows, latent


def data(key):
    """Images in grey levels with uniform noise on [0, 1), shuffled: train (1500, 64), test (297, 64), labels (297,)."""
    digits = load_digits()
    noise_key, order_key = jax.random.split(key)
    x = 17.0 * flows.dequantize_uniform(noise_key, jnp.asarray(digits.data, jnp.int32), 17)
    order = jax.random.permutation(order_key, len(x))
    return x[order[:1500]], x[order[1500:]], digits.target[np.asarray(order[1500:])]


def main():
    """Fit all sizes, print the table, draw likelihoods, a plane of codes and reconstructions."""
    chosen = options(__doc__, "ppca_digits")
    train, test, labels = data(jax.random.key(chosen.seed))
    sizes = (2, 8) if chosen.quick else (2, 4, 8, 16, 24, 32, 48)
    num_steps = 50 if chosen.quick else 1_000
    print(f"{'':<8}{'held-out nats':>24}{'error of reconstruction':>30}")
    print(f"{'latents':<8}{'PPCA':>12}{'factors':>12}{'PPCA':>10}{'factors':>10}{'autoencoder':>12}\n")
    nats, models = {"PPCA": [], "factor analysis": []}, {}
    for size in sizes:
        ppca = latent.ppca_fit(train, size)
        factors = latent.factor_analysis_fit(train, size, num_steps=num_steps, variance_floor=1e-2).model
        coder = latent.linear_autoencoder(train, size)
        for found, model in zip(nats.values(), (ppca, factors), strict=True):
            found.append(float(jnp.mean(model.log_prob(test))))
        back = (ppca.reconstruct(test), factors.reconstruct(test), coder.decode(coder.encode(test)))
        errors = [float(jnp.sqrt(jnp.mean((again - test) ** 2))) for again in back]
        models[size] = (ppca, coder, back)
        print(
            f"{size:<8d}" + "".join(f"{found[-1]:12.2f}" for found in nats.values())
            + f"{errors[0]:10.3f}{errors[1]:10.3f}{errors[2]:12.3f}", flush=True,
        )  # fmt: skip

    fig, axes = figure(1, 3, (12, 4))
    for color, (name, found) in zip(ACCENTS, nats.items(), strict=False):
        axes[0, 0].plot(sizes, found, marker="o", ms=4, color=color, label=name)
    axes[0, 0].set(xlabel="latent dimensions", ylabel="held-out nats for each image")
    axes[0, 0].legend(frameon=False)
    codes, _ = models[sizes[0]][0].posterior(test)
    axes[0, 1].scatter(*np.asarray(codes).T, c=labels, cmap="tab10", s=8)
    axes[0, 1].set(title="posterior means, two latent dimensions", xticks=[], yticks=[])
    rows = [test, *(models[size][2][0] for size in (sizes[0], sizes[len(sizes) // 2], sizes[-1]))]
    tiles = np.concatenate([np.asarray(row[:8]).reshape(8, 8, 8).transpose(1, 0, 2).reshape(8, 64) for row in rows])
    axes[0, 2].imshow(tiles, cmap="gray_r", vmin=0, vmax=17)
    counts = ", ".join(str(size) for size in (sizes[0], sizes[len(sizes) // 2], sizes[-1]))
    axes[0, 2].set(title=f"digits, and from {counts} dimensions", xticks=[], yticks=[])
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
