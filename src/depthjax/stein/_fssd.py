"""The finite-set Stein discrepancy: a goodness-of-fit test of cost linear in the sample."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.stein._arguments import points_and_scores, require_kernel
from depthjax.stein._kernel import Kernel
from depthjax.stein._ksd import TestResult, p_value


def features(function: str, x: ArrayLike, scores: ArrayLike, locations: ArrayLike, kernel: Kernel) -> jax.Array:
    """Features tau (n, J d): s(x) k(x, v) + grad_x k(x, v) over the locations, divided by sqrt(d J)."""
    require_kernel(function, kernel)
    x, scores = points_and_scores(function, x, scores)
    locations = jnp.asarray(locations).astype(x.dtype)
    if locations.ndim != 2 or locations.shape[1] != x.shape[1] or locations.shape[0] == 0:
        raise ValueError(f"{function}: locations have shape {locations.shape}, expected (J, {x.shape[1]})")
    at_least(function, "the number of points n", x.shape[0], 2)
    one = jnp.ones((1,), x.dtype)
    witness = jax.vmap(lambda row, score: kernel._direction_fn(row[None], score[None], one)(locations).ravel())
    return witness(x, scores) * locations.size**-0.5


def u_statistic(tau: jax.Array) -> jax.Array:
    """() of features (n, J d)."""
    n = tau.shape[0]
    return (jnp.sum(jnp.square(jnp.sum(tau, axis=0))) - jnp.sum(jnp.square(tau))) / (n * (n - 1.0))


def fssd(x: ArrayLike, scores: ArrayLike, locations: ArrayLike, kernel: Kernel) -> jax.Array:
    """Squared finite-set Stein discrepancy, (1/(d J)) sum_j |xi(v_j)|^2, xi(v) = E[s(X) k(X, v) + grad_X k(X, v)].

    Args:
        x: (n, d).
        scores: grad log p at x, (n, d).
        locations: v, (J, d).
        kernel: kernel record.

    Returns:
        (), the u-statistic: unbiased, of either sign.

    Raises:
        ValueError: shapes, or fewer than two points.

    Cost:
        O(n J d).

    Source:
        Jitkrittum et al., A Linear-Time Kernel Goodness-of-Fit Test (2017), eq. 2.
    """
    return u_statistic(features("fssd", x, scores, locations, kernel))


def fssd_test(
    key: jax.Array,
    x: ArrayLike,
    scores: ArrayLike,
    locations: ArrayLike,
    kernel: Kernel,
    *,
    num_null: int = 2000,
) -> TestResult:
    """Test whether x comes from the law with these scores, by the finite-set discrepancy.

    Args:
        key: PRNG key.
        x: (n, d); not the points that the locations were fitted to, or the test rejects too often.
        scores: grad log p at x, (n, d).
        locations: (J, d).
        kernel: kernel record.
        num_null: draws of the asymptotic null, sum_i (Z_i^2 - 1) lambda_i / n with the eigenvalues of the features'
            covariance.

    Returns:
        `TestResult`, of the scale of `fssd`.

    Raises:
        ValueError: as `fssd`; num_null below 1.

    Source:
        Jitkrittum et al. (2017), proposition 2.
    """
    at_least("fssd_test", "num_null", num_null, 1)
    tau = features("fssd_test", x, scores, locations, kernel)
    centred = tau - jnp.mean(tau, axis=0, keepdims=True)
    n = tau.shape[0]
    spread = jnp.linalg.eigvalsh(jnp.matmul(centred.T, centred, precision=jax.lax.Precision.HIGHEST) / n)
    squares = jnp.square(jax.random.normal(key, (num_null, spread.shape[0]), tau.dtype)) - 1.0
    null = jnp.matmul(squares, spread, precision=jax.lax.Precision.HIGHEST) / n
    value = u_statistic(tau)
    return TestResult(value, p_value(value, null), null)
