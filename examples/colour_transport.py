"""The colours of one photograph carried to another, by entropic transport and by the map between two normal laws.

Colours of scikit-learn's two photographs are clouds of points in a cube. Sinkhorn's plan between a few hundred of each
gives a map by its means, and its potential extends that map to every pixel; the closed-form map between two normal laws
moves mean and covariance alone. The table gives the cost of the plan with its duality gap and, for the recoloured
photograph against the other one, the error of mean and covariance and the sliced Wasserstein distance. Less entropy
means colours that are nearer to the other photograph's, and more steps.

Run: python examples/colour_transport.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import figure, options, save
from sklearn.datasets import load_sample_images

from depthjax import transport


def squared_distances(x, y):
    """(n, m) costs between colours."""
    return jnp.sum((x[:, None] - y[None]) ** 2, axis=-1)


@jax.jit
def solve(x, y, epsilon):
    """Sinkhorn's result between two clouds."""
    return transport.sinkhorn(squared_distances(x, y), epsilon=epsilon, tol=1e-3)


@jax.jit
def carry(pixels, y, g, epsilon):
    """Every pixel to the mean of where its mass would go: rows of a plan that any colour has by the potential g."""
    logits = (g[None] - squared_distances(pixels, y)) / epsilon
    return transport.barycentric_map(jax.nn.softmax(logits, axis=1), y)


def normal_map(x, y, pixels):
    """The optimal map between the normal laws with the clouds' means and covariances."""
    matrix, shift = transport.gaussian_map(x.mean(axis=0), jnp.cov(x.T), y.mean(axis=0), jnp.cov(y.T))
    return pixels @ matrix.T + shift[None]


def judged(key, found, target):
    """Errors of mean and covariance, and the sliced Wasserstein distance."""
    mean = jnp.linalg.norm(found.mean(axis=0) - target.mean(axis=0))
    covariance = jnp.linalg.norm(jnp.cov(found.T) - jnp.cov(target.T)) / jnp.linalg.norm(jnp.cov(target.T))
    sliced = transport.sliced_wasserstein_power(key, found, target, num_projections=50)
    return float(mean), float(covariance), float(jnp.sqrt(sliced.value))


def main():
    """Fit the maps, recolour, print and show."""
    chosen = options(__doc__, "colour_transport")
    stride, points, epsilons = (16, 100, (0.01,)) if chosen.quick else (3, 500, (0.1, 0.003))
    first, second = (jnp.asarray(v[::stride, ::stride], jnp.float32) / 255.0 for v in load_sample_images().images)
    rng = np.random.default_rng(chosen.seed)
    clouds = [v.reshape(-1, 3)[rng.choice(v.size // 3, points, replace=False)] for v in (first, second)]
    pixels, target = first.reshape(-1, 3), second.reshape(-1, 3)
    key = jax.random.key(chosen.seed)
    shown = {"from": first, "to": second}
    print(f"{'':<26}{'cost':>9}{'gap':>10}{'steps':>7}{'mean':>9}{'covariance':>12}{'sliced':>9}\n")

    def row(name, numbers, image):
        mean, covariance, sliced = judged(key, image, target)
        print(f"{name:<26}{numbers:<26}{mean:9.4f}{covariance:12.4f}{sliced:9.4f}")

    row("as it is", "", pixels)
    recoloured = {}
    for epsilon in epsilons:
        found = solve(*clouds, epsilon)
        name = f"entropic, epsilon {epsilon:g}"
        blocks = np.array_split(np.asarray(pixels), max(1, len(pixels) // 4000))
        recoloured[name] = jnp.concatenate([carry(b, clouds[1], found.g, epsilon) for b in blocks])
        numbers = f"{float(found.cost):9.5f}{float(found.gap):10.1e}{int(found.num_steps):>7}"
        row(name, numbers, recoloured[name])
    recoloured["normal"] = normal_map(pixels, target, pixels)
    means = [v.mean(axis=0) for v in (pixels, target)]
    covariances = [jnp.cov(v.T) for v in (pixels, target)]
    cost = transport.w2_squared_mvn(means[0], covariances[0], means[1], covariances[1])
    row("normal laws", f"{float(cost):9.5f}", recoloured["normal"])
    shown |= {name: v.reshape(first.shape) for name, v in recoloured.items()}

    fig, axes = figure(2, len(shown), (3.1 * len(shown), 4.9))
    some = rng.choice(len(pixels), 1500 if len(pixels) > 1500 else len(pixels), replace=False)
    for column, (name, image) in enumerate(shown.items()):
        image = np.clip(np.asarray(image), 0.0, 1.0)
        axes[0, column].imshow(image)
        axes[0, column].set(title=name, xticks=[], yticks=[])
        cloud = image.reshape(-1, 3)[some]
        axes[1, column].scatter(cloud[:, 0], cloud[:, 2], s=5, c=cloud, lw=0)
        axes[1, column].set(xlabel="red", xlim=(0, 1), ylim=(0, 1), xticks=[0, 1], yticks=[0, 1], aspect="equal")
    axes[1, 0].set(ylabel="blue")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
