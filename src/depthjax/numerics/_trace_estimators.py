"""Traces of matrices that are known by their products with vectors."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core import Estimate
from depthjax.core._options import at_least, chosen
from depthjax.numerics._draws import standard_normal
from depthjax.numerics._elementwise import promote

LAWS = ("rademacher", "gaussian", "sphere")
MatVec = Callable[[jax.Array], jax.Array]


def sample_probes(
    key: jax.Array, shape: tuple[int, ...], *, law: str = "rademacher", dtype: jnp.dtype | None = None
) -> jax.Array:
    """Random vectors v with E v v^T = I.

    Args:
        key: PRNG key.
        shape: (*batch, d); the last axis is that of one vector.
        law: "rademacher" (entries -1 and 1), "gaussian", or "sphere" of radius sqrt(d).
        dtype: JAX's default float if None.

    Returns:
        Array of `shape`.

    Raises:
        ValueError: an unknown law.
    """
    chosen("sample_probes", "law", law, LAWS)
    dtype = jnp.result_type(float) if dtype is None else dtype
    if law == "rademacher":
        return jax.random.rademacher(key, shape, dtype)
    normal = standard_normal(key, shape, dtype)
    if law == "gaussian":
        return normal
    norm = jnp.linalg.norm(normal, axis=-1, keepdims=True)
    return normal * (jnp.sqrt(jnp.asarray(shape[-1], dtype)) / norm)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _columns(matvec: MatVec, shape: tuple[int, ...], vectors: jax.Array) -> jax.Array:
    """Products with the columns of (d, m)."""

    def product(v):
        out = matvec(v.reshape(shape))
        if jnp.shape(out) != tuple(shape):
            raise ValueError(f"matvec maps shape {tuple(shape)} to {jnp.shape(out)}, expected the same shape")
        return out.reshape(-1)

    return jax.vmap(product, in_axes=1, out_axes=1)(vectors)


def mean_of_terms(terms: jax.Array) -> Estimate:
    """Mean of (m,) independent terms; the standard error of one term is NaN."""
    count = terms.shape[0]
    if count < 2:
        return Estimate(jnp.mean(terms), jnp.full((), jnp.nan, terms.dtype))
    return Estimate(jnp.mean(terms), jnp.std(terms, ddof=1) / jnp.sqrt(jnp.asarray(count, terms.dtype)))


def trace_exact(matvec: MatVec, shape: tuple[int, ...], *, dtype: jnp.dtype | None = None) -> jax.Array:
    """Trace of a matrix from its d columns.

    Args:
        matvec: linear map v -> A v of arrays of `shape`.
        shape: of one vector, d entries in all.
        dtype: of the vectors; JAX's default float if None.

    Returns:
        () trace.

    Cost:
        d products, done at once.
    """
    size = _size(shape)
    return jnp.trace(_columns(matvec, shape, jnp.eye(size, dtype=jnp.result_type(float) if dtype is None else dtype)))


def trace_hutchinson(
    key: jax.Array,
    matvec: MatVec,
    shape: tuple[int, ...],
    *,
    law: str = "rademacher",
    num_samples: int = 1,
    dtype: jnp.dtype | None = None,
) -> Estimate:
    """Mean of v^T A v over random probes.

    Args:
        key: PRNG key.
        matvec: linear map v -> A v of arrays of `shape`.
        shape: of one vector.
        law: of the probes, as `sample_probes` takes it.
        num_samples: number of probes m.
        dtype: of the vectors; JAX's default float if None.

    Returns:
        () estimate and its standard error, NaN for one probe. One probe has the variance `hutchinson_variance`.

    Raises:
        ValueError: an unknown law, or no probes.

    Cost:
        m products.

    Source:
        Hutchinson, A stochastic estimator of the trace of the influence matrix (1989).
    """
    at_least("trace_hutchinson", "num_samples", num_samples, 1)
    probes = sample_probes(key, (num_samples, _size(shape)), law=law, dtype=dtype).T
    return mean_of_terms(jnp.sum(probes * _columns(matvec, shape, probes), axis=0))


def hutchinson_variance(matrix: ArrayLike, *, law: str) -> jax.Array:
    """Variance of v^T A v for one probe, with S = (A + A^T)/2.

    gaussian 2 |S|_F^2; rademacher 2 (|S|_F^2 - sum S_ii^2); sphere (2 d/(d + 2)) (|S|_F^2 - tr(A)^2/d).

    Args:
        matrix: (d, d).
        law: of the probe, as `sample_probes` takes it.

    Returns:
        () variance.

    Raises:
        ValueError: an unknown law, or a matrix that is not square.

    Numerics:
        The differences are taken before squaring, so an antisymmetric matrix has variance 0.

    Source:
        Avron and Toledo, Randomized algorithms for estimating the trace (2011), lemma 9; Girard (1987).
    """
    chosen("hutchinson_variance", "law", law, LAWS)
    (a,) = promote(matrix)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"hutchinson_variance: matrix has shape {a.shape}, expected (d, d)")
    s, size = 0.5 * (a + a.T), a.shape[0]
    if law == "gaussian":
        return 2.0 * jnp.sum(s**2)
    if law == "rademacher":
        return 2.0 * jnp.sum((s - jnp.diag(jnp.diag(s))) ** 2)
    centred = s - (jnp.trace(s) / size) * jnp.eye(size, dtype=s.dtype)
    return (2.0 * size / (size + 2.0)) * jnp.sum(centred**2)


def trace_hutchpp(
    key: jax.Array, matvec: MatVec, shape: tuple[int, ...], *, num_matvecs: int, dtype: jnp.dtype | None = None
) -> Estimate:
    """Trace on the range of a sketch, exactly, plus Hutchinson's estimate on what is orthogonal to it.

    tr(Q^T A Q) + mean g^T (I - Q Q^T) A (I - Q Q^T) g with Q an orthonormal basis of A S.

    Args:
        key: PRNG key.
        matvec: linear map v -> A v of arrays of `shape`.
        shape: of one vector.
        num_matvecs: static number of products, at least 3; a third each for S, for Q and for g.
        dtype: of the vectors; JAX's default float if None.

    Returns:
        () unbiased estimate, with the standard error of its random part (NaN for one g); exact if A has rank at most
        num_matvecs // 3.

    Raises:
        ValueError: fewer than 3 products.

    Numerics:
        Pays where the singular values fall fast; on a flat spectrum it is worse than Hutchinson's with as many
        products. Derivatives hold Q fixed, which keeps them unbiased and finite at any rank.

    Source:
        Meyer, Musco, Musco and Woodruff, Hutch++ (2021), algorithm 1.
    """
    at_least("trace_hutchpp", "num_matvecs", num_matvecs, 3)
    size = _size(shape)
    rank = min(num_matvecs // 3, size)
    sketch_key, probe_key = jax.random.split(key)
    sketch = sample_probes(sketch_key, (rank, size), dtype=dtype).T
    basis = jnp.linalg.qr(lax.stop_gradient(_columns(matvec, shape, sketch)))[0]
    probes = sample_probes(probe_key, (num_matvecs - 2 * rank, size), dtype=dtype).T
    outside = probes - basis @ (basis.T @ probes)
    known = jnp.sum(basis * _columns(matvec, shape, basis))
    rest = mean_of_terms(jnp.sum(outside * _columns(matvec, shape, outside), axis=0))
    return Estimate(known + rest.value, rest.standard_error)


def trace_xtrace(
    key: jax.Array, matvec: MatVec, shape: tuple[int, ...], *, num_matvecs: int, dtype: jnp.dtype | None = None
) -> Estimate:
    """Hutch++ with every test vector used twice: each in turn as the probe, all others as the sketch.

    Args:
        key: PRNG key.
        matvec: linear map v -> A v of arrays of `shape`.
        shape: of one vector, d entries in all.
        num_matvecs: static number of products, at least 2; an odd one is rounded down.
        dtype: of the vectors; JAX's default float if None.

    Returns:
        () unbiased estimate, with the standard error over test vectors, which are exchangeable but not independent
        (NaN for one); exact if A has rank below num_matvecs // 2.

    Raises:
        ValueError: fewer than 2 products.

    Numerics:
        Probes are rescaled to the length that they have on average outside the sketch. Derivatives hold the bases
        fixed, which keeps them unbiased and finite at any rank.

    Source:
        Epperly, Tropp and Webber, XTrace (2024), algorithm 1 with section 2.3.
    """
    at_least("trace_xtrace", "num_matvecs", num_matvecs, 2)
    size = _size(shape)
    count = min(num_matvecs // 2, size)
    tests = sample_probes(key, (count, size), law="gaussian", dtype=dtype).T
    images = _columns(matvec, shape, tests)
    basis, dropped = _leave_one_out(lax.stop_gradient(images))
    image_of_basis = _columns(matvec, shape, basis)
    inside = basis.T @ tests
    inside = inside - dropped * jnp.sum(dropped * inside, axis=0, keepdims=True)
    outside = tests - basis @ inside
    square = jnp.sum(outside**2, axis=0)
    scale = (size - count + 1.0) / jnp.where(square > 0.0, square, 1.0)
    rest = scale * jnp.sum(outside * (images - image_of_basis @ inside), axis=0)
    small = basis.T @ image_of_basis
    return mean_of_terms(jnp.trace(small) - jnp.sum(dropped * (small @ dropped), axis=0) + rest)


def _leave_one_out(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Orthonormal basis Q (d, m) of all images, and unit columns s_i with Q s_i orthogonal to all images but one."""
    basis, upper = jnp.linalg.qr(images)
    diagonal = jnp.diag(upper)
    largest = jnp.max(jnp.abs(diagonal))
    floor = jnp.finfo(images.dtype).eps * jnp.where(largest > 0.0, largest, 1.0)
    lifted = jnp.where(jnp.abs(diagonal) < floor, floor, diagonal)
    upper = upper + jnp.diag(lifted - diagonal)
    columns = jax.scipy.linalg.solve_triangular(upper, jnp.eye(upper.shape[0], dtype=upper.dtype), trans="T")
    columns = columns / jnp.max(jnp.abs(columns), axis=0, keepdims=True)
    return basis, columns / jnp.linalg.norm(columns, axis=0, keepdims=True)
