"""Divergences of vector fields, and Frobenius norms of their Jacobians."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Estimate
from depthjax.core._options import at_least, chosen
from depthjax.numerics._elementwise import promote
from depthjax.numerics._trace_estimators import mean_of_terms, sample_probes, trace_hutchpp, trace_xtrace

Field = Callable[[jax.Array], jax.Array]
METHODS = ("hutchinson", "hutchpp", "xtrace")


def _point(function: str, fn: Field, x: ArrayLike) -> jax.Array:
    (x,) = promote(x)
    out = jax.eval_shape(fn, x)
    if getattr(out, "shape", None) != x.shape:
        raise ValueError(
            f"{function}: fn maps shape {x.shape} to {getattr(out, 'shape', out)}, expected the same shape"
        )
    return x


def _probes(function: str, probes: ArrayLike, x: jax.Array) -> jax.Array:
    probes = jnp.asarray(probes, x.dtype)
    if probes.ndim != x.ndim + 1 or probes.shape[1:] != x.shape or probes.shape[0] == 0:
        raise ValueError(f"{function}: probes have shape {probes.shape}, expected (m, {', '.join(map(str, x.shape))})")
    return probes


def _products(fn: Field, x: jax.Array, vectors: jax.Array) -> tuple[jax.Array, jax.Array]:
    """fn(x) and J v for each of (m, *shape) vectors."""
    return jax.vmap(lambda v: jax.jvp(fn, (x,), (v,)), out_axes=(None, 0))(vectors)


def _identity(x: jax.Array) -> jax.Array:
    return jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)


def divergence_exact(fn: Field, x: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Value and divergence of a vector field, sum_i e_i^T J e_i.

    Args:
        fn: field, an array of the shape of `x` -> the same shape.
        x: point, d entries in all.

    Returns:
        `fn(x)` and the () trace of its Jacobian.

    Raises:
        ValueError: a field that changes the shape.

    Cost:
        d Jacobian-vector products, done at once.
    """
    x = _point("divergence_exact", fn, x)
    value, columns = _products(fn, x, _identity(x))
    return value, jnp.trace(columns.reshape(x.size, x.size))


def divergence_with_probes(fn: Field, x: ArrayLike, probes: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Value of a vector field, and v^T J v for given probes.

    Args:
        fn: field, an array of the shape of `x` -> the same shape.
        x: point.
        probes: (m, *x.shape) vectors v, such as those of `sample_probes`.

    Returns:
        `fn(x)` and the (m,) terms, each an unbiased estimate of the divergence if E v v^T = I.

    Raises:
        ValueError: a field that changes the shape, or probes of another shape.

    Cost:
        m Jacobian-vector products.

    Source:
        Grathwohl et al., FFJORD (2019), eq. 8.
    """
    x = _point("divergence_with_probes", fn, x)
    probes = _probes("divergence_with_probes", probes, x)
    value, products = _products(fn, x, probes)
    return value, jnp.sum((probes * products).reshape(probes.shape[0], -1), axis=1)


def divergence_estimate(
    key: jax.Array,
    fn: Field,
    x: ArrayLike,
    *,
    method: str = "hutchinson",
    law: str = "rademacher",
    num_samples: int = 1,
    num_matvecs: int | None = None,
) -> Estimate:
    """Estimate of the divergence of a vector field.

    Args:
        key: PRNG key.
        fn: field, an array of the shape of `x` -> the same shape.
        x: point.
        method: "hutchinson" with `num_samples` probes of `law`; "hutchpp" or "xtrace" with `num_matvecs` products.
        law: of the probes, for "hutchinson".
        num_samples: number of probes, for "hutchinson".
        num_matvecs: number of products, for "hutchpp" (at least 3) and "xtrace" (at least 2).

    Returns:
        () estimate and its standard error.

    Raises:
        ValueError: an unknown method or law, too few products, or a field that changes the shape.
    """
    chosen("divergence_estimate", "method", method, METHODS)
    x = _point("divergence_estimate", fn, x)
    if method == "hutchinson":
        at_least("divergence_estimate", "num_samples", num_samples, 1)
        probes = sample_probes(key, (num_samples, x.size), law=law, dtype=x.dtype).reshape(num_samples, *x.shape)
        return mean_of_terms(divergence_with_probes(fn, x, probes)[1])
    if num_matvecs is None:
        raise ValueError(f"divergence_estimate: num_matvecs is None, expected a number of products for {method!r}")
    estimator = trace_hutchpp if method == "hutchpp" else trace_xtrace
    return estimator(key, lambda v: jax.jvp(fn, (x,), (v,))[1], x.shape, num_matvecs=num_matvecs, dtype=x.dtype)


def divergence_hollow(
    transform: Callable[[jax.Array, Any], jax.Array], conditioner: Callable[[jax.Array], Any], x: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Value and exact divergence of f_i(x) = T(x_i, h_i) with h_i free of x_i, by one product.

    Args:
        transform: (x, h) -> array of the shape of `x`, elementwise in x.
        conditioner: x -> h, whose part for coordinate i may not depend on x_i.
        x: point.

    Returns:
        `transform(x, conditioner(x))` and the () trace of its Jacobian.

    Raises:
        ValueError: a transform that changes the shape.

    Cost:
        One Jacobian-vector product of the transform. Whether the conditioner is hollow is not checked here;
        `bijectors.check_autoregressive` does that for masks.

    Source:
        Chen and Duvenaud, Neural networks with cheap differential operators (2019), eq. 5.
    """
    (x,) = promote(x)
    h = conditioner(x)
    _point("divergence_hollow", lambda z: transform(z, h), x)
    value, slope = jax.jvp(lambda z: transform(z, h), (x,), (jnp.ones_like(x),))
    return value, jnp.sum(slope)


def jacobian_frobenius_squared(fn: Field, x: ArrayLike) -> jax.Array:
    """Squared Frobenius norm of a field's Jacobian.

    Args:
        fn: field, an array of the shape of `x` -> the same shape.
        x: point, d entries in all.

    Returns:
        () sum of the squares of all partial derivatives.

    Raises:
        ValueError: a field that changes the shape.

    Cost:
        d Jacobian-vector products.
    """
    x = _point("jacobian_frobenius_squared", fn, x)
    return jnp.sum(_products(fn, x, _identity(x))[1] ** 2)


def jacobian_frobenius_squared_with_probes(fn: Field, x: ArrayLike, probes: ArrayLike) -> jax.Array:
    """|v^T J|^2 for given probes.

    Args:
        fn: field, an array of the shape of `x` -> the same shape.
        x: point.
        probes: (m, *x.shape) vectors v.

    Returns:
        (m,) terms, each an unbiased estimate of the squared Frobenius norm if E v v^T = I.

    Raises:
        ValueError: a field that changes the shape, or probes of another shape.

    Cost:
        m vector-Jacobian products.

    Source:
        Finlay et al., How to train your neural ODE (2020), eq. 12.
    """
    x = _point("jacobian_frobenius_squared_with_probes", fn, x)
    probes = _probes("jacobian_frobenius_squared_with_probes", probes, x)
    (rows,) = jax.vmap(jax.vjp(fn, x)[1])(probes)
    return jnp.sum(rows.reshape(probes.shape[0], -1) ** 2, axis=1)
