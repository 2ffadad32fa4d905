"""Kernel distances and density ratios beside plain forms in JAX, and scikit-learn where installed.

Run with `--quick` for fewer rounds. scikit-learn works on the host; its times include the copies.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from _peers import available
from depthjax import divergences as dv
from harness import Comparison, compare, save

WIDTH = 4.0


def dense_mmd(x, y):
    """Unbiased squared MMD of equally many points from three whole kernel matrices."""

    def gram(a, b):
        r2 = jnp.sum(a * a, 1)[:, None] + jnp.sum(b * b, 1)[None] - 2 * a @ b.T
        return jnp.exp(-0.5 * jnp.maximum(r2, 0) / WIDTH**2)

    n = x.shape[0]
    own = (jnp.sum(gram(x, x)) + jnp.sum(gram(y, y)) - 2 * n) / (n * (n - 1))
    return own - 2 * jnp.mean(gram(x, y))


def sklearn_mmd(x, y):
    """The same by scikit-learn's kernel."""
    from sklearn.metrics.pairwise import rbf_kernel

    x, y, n, gamma = np.asarray(x), np.asarray(y), x.shape[0], 0.5 / WIDTH**2
    own = sum(rbf_kernel(v, v, gamma).sum() - n for v in (x, y)) / (n * (n - 1))
    return jnp.asarray(own - 2 * rbf_kernel(x, y, gamma).mean())


def kernel_distance(num_points: int, dim: int, *, seconds: float) -> list[Comparison]:
    """Squared MMD of two samples, and its gradient."""
    x, y = (jax.random.normal(key, (num_points, dim)) for key in jax.random.split(jax.random.key(0)))
    ours = {"depthjax": lambda x, y: dv.mmd_squared(x, y, bandwidth=WIDTH), "dense": dense_mmd}
    values = {name: jax.jit(fn) for name, fn in ours.items()}
    if available("sklearn"):
        values["scikit-learn"] = sklearn_mmd
    slopes = {name: jax.value_and_grad(fn) for name, fn in ours.items()}
    size = f"n = {num_points}, d = {dim}"
    return [
        compare(values, (x, y), title=f"MMD, {size}", seconds=seconds, jit=False),
        compare(slopes, (x, y), title=f"MMD, value and gradient, {size}", seconds=seconds),
    ]


def dense_energy(x, y):
    """Energy distance from three whole matrices of distances."""

    def mean(a, b):
        r2 = jnp.sum((a[:, None] - b[None]) ** 2, axis=-1)
        return jnp.mean(jnp.sqrt(r2))

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


def energy(num_points: int, dim: int, *, seconds: float) -> Comparison:
    """Squared energy distance of two samples."""
    x, y = (jax.random.normal(key, (num_points, dim)) for key in jax.random.split(jax.random.key(1)))
    candidates = {"depthjax": dv.energy_distance_squared, "dense": dense_energy}
    return compare(candidates, (x, y), title=f"energy distance, n = {num_points}, d = {dim}", seconds=seconds)


def permutations(num_points: int, count: int, *, seconds: float) -> Comparison:
    """A permutation test with a kernel statistic beside the loop that one would write."""
    keys = jax.random.split(jax.random.key(2), 3)
    x, y = (jax.random.normal(key, (num_points, 2)) for key in keys[:2])

    def statistic(x, y):
        return dv.mmd_squared(x, y, bandwidth=1.0)

    single = jax.jit(statistic)

    def loop(key, x, y):
        pooled = jnp.concatenate([x, y])
        shuffled = (jax.random.permutation(k, pooled) for k in jax.random.split(key, count))
        null = jnp.stack([single(z[:num_points], z[num_points:]) for z in shuffled])
        return (1 + jnp.sum(null >= single(x, y))) / (1 + count)

    candidates = {
        "depthjax": jax.jit(lambda k, x, y: dv.permutation_test(k, x, y, statistic, num_permutations=count).p_value),
        "loop of jitted steps": loop,
    }
    title = f"permutation test, n = {num_points}, {count} permutations"
    return compare(candidates, (keys[2], x, y), title=title, seconds=seconds, jit=False)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    seconds = 1.0 if quick else 10.0
    tables = []
    for n in (500, 2_000) if quick else (500, 2_000, 10_000):
        tables += kernel_distance(n, 16, seconds=seconds)
    tables.append(energy(1_000 if quick else 4_000, 8, seconds=seconds))
    tables.append(permutations(200, 99, seconds=seconds))
    print(f"\nsaved: {save('divergences', tables).name}")


if __name__ == "__main__":
    main()
