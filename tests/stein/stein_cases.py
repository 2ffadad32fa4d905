"""Kernels, points and a target for the tests of Stein methods."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import stein

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
DIM = 5
_RNG = np.random.default_rng(3)
POINTS = _RNG.normal(size=(23, DIM)).astype(DTYPE)
_ROOT = _RNG.normal(size=(DIM, DIM)) / 2 + np.eye(DIM)
PRECISION = (_ROOT @ _ROOT.T).astype(DTYPE)
SCORES = (-POINTS @ PRECISION).astype(DTYPE)
_CHAIN = np.abs(np.subtract.outer(np.arange(DIM), np.arange(DIM))) < 2
_ANCHORS = _RNG.normal(size=(3, DIM)).astype(DTYPE)
_MATRICES = np.stack([PRECISION, np.eye(DIM, dtype=DTYPE), 2 * np.eye(DIM, dtype=DTYPE)]).astype(DTYPE)
_FEATURES = stein.RandomFeatures(jax.random.key(0), DIM, 7, 1.2)

SCALAR = {
    "rbf": stein.RBF(1.3),
    "imq": stein.IMQ(1.2),
    "imq_third": stein.IMQ(0.8, -1 / 3),
    "linear": stein.Linear(0.7),
    "polynomial": stein.Polynomial(3, 1.1),
    "features": _FEATURES,
    "sum": stein.SumKernel(stein.RBF(0.9), stein.Linear(1.0)),
    "scaled": stein.ScaledKernel(stein.IMQ(1.0), 2.5),
}
MATRIX = {
    "preconditioned": stein.Preconditioned(stein.RBF(1.3), PRECISION),
    "preconditioned_imq": stein.Preconditioned(stein.IMQ(1.3), PRECISION),
    "mixture": stein.MatrixMixture(stein.RBF(1.5), _ANCHORS, _MATRICES),
    "graphical": stein.Graphical(stein.RBF(1.1), _CHAIN),
}
KERNELS = {**SCALAR, **MATRIX}


def as_matrix(kernel, dim=DIM):
    """The kernel as a function of two points with values (d, d)."""

    def value(x, y):
        k = kernel(x, y)
        return k if k.ndim == 2 else k * jnp.eye(dim, dtype=x.dtype)

    return value


def direction_by_definition(kernel, x, scores):
    """(1/n) sum_j K(x_i, x_j) s_j + div_{x_j} K(x_i, x_j), from the kernel's value alone."""
    matrix = as_matrix(kernel, x.shape[1])

    def one(row, point, score):
        slope = jax.jacfwd(matrix, 1)(row, point)
        return matrix(row, point) @ score + jnp.einsum("abb->a", slope)

    over_points = jax.vmap(one, (None, 0, 0))
    return jax.vmap(lambda row: jnp.mean(over_points(row, x, scores), axis=0))(x)


def stein_kernel_by_definition(kernel, x, scores):
    """The Stein operator on both sides of K(x, y), from the kernel's value alone."""
    matrix = as_matrix(kernel, x.shape[1])

    def one(a, score_a, b, score_b):
        by_a, by_b = jax.jacfwd(matrix, 0)(a, b), jax.jacfwd(matrix, 1)(a, b)
        both = jax.jacfwd(jax.jacfwd(matrix, 0), 1)(a, b)
        value = score_a @ matrix(a, b) @ score_b
        value = value + jnp.einsum("a,abb->", score_a, by_b) + jnp.einsum("b,aba->", score_b, by_a)
        return value + jnp.einsum("abab->", both)

    return jax.vmap(jax.vmap(one, (None, None, 0, 0)), (0, 0, None, None))(x, scores, x, scores)
