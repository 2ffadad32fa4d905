"""SVGD directions and kernelised Stein discrepancies beside the dense forms, and blackjax where installed.

Run with `--quick` for fewer rounds. The memory of 100,000 particles is held by tests/stein/test_memory.py.
"""

import argparse

import jax
import jax.numpy as jnp

from _peers import available
from depthjax import stein
from harness import Comparison, compare, save


def dense_direction(x, scores, h):
    """Two matrix products with the whole kernel matrix."""
    centred = x - jnp.mean(x, axis=0)
    norms = jnp.sum(centred * centred, axis=1)
    r2 = jnp.maximum(norms[:, None] + norms[None] - 2 * centred @ centred.T, 0)
    k = jnp.exp(-0.5 * r2 / h**2)
    return (k @ scores + (jnp.sum(k, axis=1, keepdims=True) * centred - k @ centred) / h**2) / x.shape[0]


def pairwise_direction(x, scores, h):
    """By autodiff of the kernel, pair by pair, as a definition is written down."""

    def kernel(a, b):
        return jnp.exp(-0.5 * jnp.sum((a - b) ** 2) / h**2)

    def at(row):
        return jnp.mean(jax.vmap(lambda p, s: kernel(p, row) * s + jax.grad(kernel)(p, row))(x, scores), axis=0)

    return jax.vmap(at)(x)


def blackjax_step(x, scores, h):
    """One step of blackjax with unit step size at a fixed length scale; the target is the standard normal law."""
    import blackjax
    import optax

    del scores
    algorithm = blackjax.svgd(lambda z: -z, optax.sgd(1.0), blackjax.vi.svgd.rbf_kernel, lambda state: state)
    state = algorithm.init(x, {"length_scale": 2 * h**2})
    return algorithm.step(state).particles


def directions(num_points: int, dim: int, *, seconds: float) -> Comparison:
    """One direction at a fixed length scale; scores are those of the standard normal law."""
    x = jax.random.normal(jax.random.key(0), (num_points, dim))
    candidates = {
        "depthjax": lambda x, s, h: stein.svgd_direction(x, s, stein.RBF(h)),
        "dense": dense_direction,
    }
    if num_points <= 2000:
        candidates["pairwise autodiff"] = pairwise_direction
        if available("blackjax"):
            candidates["blackjax"] = blackjax_step
    args = (x, -x, jnp.float32(dim**0.5))
    return compare(candidates, args, title=f"SVGD direction, n = {num_points}, d = {dim}", seconds=seconds)


def discrepancies(num_points: int, dim: int, *, seconds: float) -> Comparison:
    """V-statistic in tiles against the sum of the whole matrix."""
    x = jax.random.normal(jax.random.key(0), (num_points, dim))
    kernel = stein.IMQ(float(dim) ** 0.5)
    candidates = {
        "depthjax": lambda x: stein.ksd(x, -x, kernel, statistic="v"),
        "whole matrix": lambda x: jnp.mean(stein.stein_gram(x, -x, kernel)),
    }
    return compare(candidates, (x,), title=f"KSD, n = {num_points}, d = {dim}", seconds=seconds)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    seconds = 3.0 if parser.parse_args().quick else 30.0
    tables = [
        directions(1000, 50, seconds=seconds),
        directions(2000, 50, seconds=seconds),
        directions(5000, 100, seconds=seconds),
        discrepancies(5000, 20, seconds=seconds),
    ]
    print(f"\nsaved: {save('stein', tables).name}")


if __name__ == "__main__":
    main()
