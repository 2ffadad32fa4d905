"""Densities of free convolutions beside an averaged iteration in NumPy and beside the matrices themselves.

Run with `--quick` for fewer rounds and points.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import freeprob
from harness import Comparison, compare, save


def numpy_density(a, b, x, *, tol=1e-12, max_steps=5000):
    """The averaged subordination iteration on the real axis for two laws of equal masses, all points at once."""

    def shift(points, w):
        return 1.0 / np.mean(1.0 / (w[:, None] - points[None, :]), axis=1) - w

    w = x + 1j * np.ptp(a)
    for _ in range(max_steps):
        following = 0.5 * (w + x + shift(b, x + shift(a, w)))
        gap = np.abs(following - w).max()
        w = following
        if gap <= tol:
            break
    return -np.imag(np.mean(1.0 / (w[:, None] - a[None, :]), axis=1)) / np.pi


def sums(num_atoms: int, num_points: int, *, seconds: float) -> Comparison:
    """Density of the free sum of two empirical laws in the bulk, float64; the iteration stops at a change of 1e-12."""
    a = np.linspace(-1.0, 1.0, num_atoms)
    b = np.asarray(freeprob.MarchenkoPastur(0.5, 1.0).quantile((np.arange(num_atoms) + 0.5) / num_atoms))
    x = np.linspace(-0.4, 2.8, num_points)
    law = freeprob.free_additive_convolution(freeprob.empirical(a), freeprob.empirical(b))
    density = jax.jit(lambda law, x: law.density(x))
    own = np.asarray(density(law, x))
    peer = numpy_density(a, b, x)
    print(f"largest relative difference from the peer: {np.abs(own / peer - 1).max():.1e}")
    eigen = np.random.default_rng(0).normal(size=(num_atoms, num_atoms))
    basis = np.linalg.qr(eigen)[0]

    def one_draw(law, x):
        del law, x
        return np.linalg.eigvalsh(np.diag(a) + (basis * b) @ basis.T)

    candidates = {
        "depthjax": density,
        "numpy iteration": lambda law, x: numpy_density(a, b, np.asarray(x)),
        "one draw, eigvalsh": one_draw,
    }
    title = f"free sum, {num_atoms} atoms each, {num_points} points"
    return compare(candidates, (law, jnp.asarray(x)), title=title, seconds=seconds, jit=False)


def paths(num_points: int, *, seconds: float) -> Comparison:
    """The explicit sum with a semicircle against the general convolution, compile time included."""
    law = freeprob.empirical(np.linspace(-1.0, 1.0, 100))
    x = jnp.linspace(-1.5, 1.5, num_points)
    candidates = {
        "explicit": lambda law, x: freeprob.deform_semicircle(law, 0.25).density(x),
        "general": lambda law, x: freeprob.free_additive_convolution(law, freeprob.Semicircle(0.0, 0.5)).density(x),
    }
    return compare(candidates, (law, x), title=f"100 atoms plus noise, {num_points} points", seconds=seconds)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, fewer points")
    quick = parser.parse_args().quick
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003
    seconds = 5.0 if quick else 60.0
    sizes = (100, 200) if quick else (250, 500, 1000)
    tables = [sums(size, size, seconds=seconds) for size in sizes]
    tables.append(paths(1000, seconds=seconds))
    print(f"\nsaved: {save('freeprob_quick' if quick else 'freeprob', tables).name}")


if __name__ == "__main__":
    main()
