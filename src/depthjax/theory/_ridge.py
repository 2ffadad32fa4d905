"""Linear regression under noise: dropout, input noise, weight decay and early stopping as one shrinkage."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete, non_negative, positive
from depthjax.numerics._arguments import floats


def _data(function: str, x: ArrayLike, y: ArrayLike) -> list[jax.Array]:
    x, y = floats(x, y)
    if x.ndim != 2 or y.shape != x.shape[:1] or 0 in x.shape:
        raise ValueError(f"{function}: x and y have shapes {x.shape} and {y.shape}, expected (n, d) and (n,)")
    return [x, y]


def _keep(function: str, keep_prob: ArrayLike, dtype) -> jax.Array:
    if is_concrete(keep_prob) and not 0.0 < float(keep_prob) <= 1.0:
        raise ValueError(f"{function}: keep_prob is {keep_prob}, expected a number in (0, 1]")
    p = jnp.asarray(keep_prob, dtype)
    return jnp.where((p > 0.0) & (p <= 1.0), p, jnp.nan)


def _at_least_zero(value: ArrayLike, dtype) -> jax.Array:
    value = jnp.asarray(value, dtype)
    return jnp.where(value >= 0.0, value, jnp.nan)


def dropout_ridge_loss(w: ArrayLike, x: ArrayLike, y: ArrayLike, keep_prob: ArrayLike) -> jax.Array:
    """Expected squared error of linear regression whose inputs are dropped, E_R |y - (R * X) w|^2.

    |y - p X w|^2 + p (1 - p) |Gamma w|^2 with Gamma^2 = diag(X^T X) and p the probability to keep.

    Args:
        w: (d,).
        x: (n, d).
        y: (n,).
        keep_prob: () p, in (0, 1].

    Returns:
        () loss.

    Raises:
        ValueError: shapes, or a concrete p out of range.

    Source: Srivastava et al., Dropout (2014), section 9.1.
    """
    x, y = _data("dropout_ridge_loss", x, y)
    p = _keep("dropout_ridge_loss", keep_prob, x.dtype)
    w = jnp.asarray(w, x.dtype)
    if w.shape != x.shape[1:]:
        raise ValueError(f"dropout_ridge_loss: w has shape {w.shape}, expected {x.shape[1:]}")
    sizes = jnp.sum(x**2, axis=0)
    return jnp.sum((y - p * (x @ w)) ** 2) + p * (1.0 - p) * jnp.sum(sizes * w**2)


def dropout_ridge(x: ArrayLike, y: ArrayLike, keep_prob: ArrayLike) -> jax.Array:
    """Minimiser of `dropout_ridge_loss`, w = (p X^T X + (1 - p) Gamma^2)^-1 X^T y.

    Args:
        x: (n, d).
        y: (n,).
        keep_prob: () p, in (0, 1].

    Returns:
        (d,) weights; p w is what predicts without dropout. As p -> 0 they tend to Gamma^-2 X^T y.

    Raises:
        ValueError: shapes, or a concrete p out of range.

    Numerics: solved in columns of unit length, for which the matrix is p C + (1 - p) I; a column of zeros has weight 0.

    Source: Srivastava et al. (2014), section 9.1.
    """
    x, y = _data("dropout_ridge", x, y)
    p = _keep("dropout_ridge", keep_prob, x.dtype)
    square = jnp.sum(x**2, axis=0)
    size = jnp.sqrt(jnp.where(square > 0.0, square, 1.0))
    unit = x / size[None, :]
    gram = jnp.matmul(unit.T, unit, precision="highest")
    system = p * gram + (1.0 - p) * jnp.eye(x.shape[1], dtype=x.dtype)
    empty = square == 0.0
    system = system + jnp.diag(jnp.where(empty, 1.0, 0.0).astype(x.dtype))
    return jax.scipy.linalg.solve(system, unit.T @ y, assume_a="pos") / size


def ridge(
    x: ArrayLike, y: ArrayLike, penalty: ArrayLike, *, fit_intercept: bool = False
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """Minimiser of |y - X w - b|^2 + penalty |w|^2.

    Args:
        x: (n, d).
        y: (n,).
        penalty: () nonnegative; zero needs x of full column rank.
        fit_intercept: static, whether b is free, and then not penalised; otherwise it is 0.

    Returns:
        w (d,), or (b (), w) with `fit_intercept`.

    Raises:
        ValueError: shapes, or a negative concrete penalty.

    Numerics: by a QR decomposition of X over sqrt(penalty) I, which does not square the condition number; derivatives
        are those of the normal equations, also at a penalty of 0.

    Source: Hoerl and Kennard, Ridge Regression (1970).
    """
    non_negative("ridge", penalty=penalty)
    x, y = _data("ridge", x, y)
    penalty = _at_least_zero(penalty, x.dtype)
    if not fit_intercept:
        return _solve(x, y, penalty)
    centre, level = jnp.mean(x, axis=0), jnp.mean(y)
    w = _solve(x - centre[None, :], y - level, penalty)
    return level - centre @ w, w


def _factor(x, penalty):
    root = jnp.sqrt(penalty) * jnp.eye(x.shape[1], dtype=x.dtype)
    return jnp.linalg.qr(jnp.concatenate([x, root]))


@jax.custom_jvp
def _solve(x, y, penalty):
    q, r = _factor(x, penalty)
    return jax.scipy.linalg.solve_triangular(r, q[: x.shape[0]].T @ y)


@_solve.defjvp
def _solve_jvp(primals, tangents):
    (x, y, penalty), (dx, dy, dpenalty) = primals, tangents
    w = _solve(x, y, penalty)
    return w, _normal_solve(x, penalty, dx.T @ (y - x @ w) + x.T @ (dy - dx @ w) - dpenalty * w)


@jax.custom_jvp
def _normal_solve(x, penalty, v):
    """(X^T X + penalty I)^-1 v."""
    _, r = _factor(x, penalty)
    return jax.scipy.linalg.solve_triangular(r, jax.scipy.linalg.solve_triangular(r, v, trans=1))


@_normal_solve.defjvp
def _normal_solve_jvp(primals, tangents):
    (x, penalty, v), (dx, dpenalty, dv) = primals, tangents
    w = _normal_solve(x, penalty, v)
    return w, _normal_solve(x, penalty, dv - dx.T @ (x @ w) - x.T @ (dx @ w) - dpenalty * w)


def input_noise_ridge(
    x: ArrayLike, y: ArrayLike, noise_scale: ArrayLike, *, fit_intercept: bool = True
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """Minimiser of the expected squared error when normal noise is added to the inputs: a ridge of n noise_scale^2.

    E |y - (X + E) w - b|^2 = |y - X w - b|^2 + n noise_scale^2 |w|^2: the intercept is not penalised.

    Args:
        x: (n, d).
        y: (n,).
        noise_scale: () standard deviation of the noise.
        fit_intercept: static, whether b is free.

    Returns:
        (b (), w (d,)), or w without `fit_intercept`.

    Raises:
        ValueError: shapes, or a negative concrete noise_scale.

    Source: Bishop, Training with noise is equivalent to Tikhonov regularization (1995).
    """
    non_negative("input_noise_ridge", noise_scale=noise_scale)
    x, y = _data("input_noise_ridge", x, y)
    return ridge(x, y, x.shape[0] * _at_least_zero(noise_scale, x.dtype) ** 2, fit_intercept=fit_intercept)


def shrinkage_factors(eigenvalues: ArrayLike, penalty: ArrayLike) -> jax.Array:
    """Factors e/(e + penalty) by which weight decay shrinks the optimum along the eigenvectors of the Hessian.

    Args:
        eigenvalues: nonnegative, any shape.
        penalty: () nonnegative.

    Returns:
        Like `eigenvalues`; 0 where eigenvalue and penalty are both 0, NaN where their sum is negative.

    Raises:
        ValueError: a negative concrete penalty.

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), eq. 7.13.
    """
    non_negative("shrinkage_factors", penalty=penalty)
    (e,) = floats(eigenvalues)
    total = e + _at_least_zero(penalty, e.dtype)
    nothing = (e == 0.0) & (total == 0.0)
    return jnp.where(nothing, 0.0, jnp.where(total > 0.0, e, jnp.nan) / jnp.where(total > 0.0, total, 1.0))


def early_stopping_factors(eigenvalues: ArrayLike, step_size: ArrayLike, num_steps: ArrayLike) -> jax.Array:
    """Factors 1 - (1 - step_size e)^num_steps that gradient descent from 0 has reached.

    Args:
        eigenvalues: nonnegative, any shape.
        step_size: () positive.
        num_steps: () whole, nonnegative.

    Returns:
        Like `eigenvalues`.

    Raises:
        ValueError: a concrete step size that is not positive, a negative number of steps.

    Numerics: -expm1(num_steps log1p(-step_size e)) where step_size e < 1, so that small factors keep their digits.

    Source: Goodfellow, Bengio and Courville (2016), eq. 7.40.
    """
    positive("early_stopping_factors", step_size=step_size)
    non_negative("early_stopping_factors", num_steps=num_steps)
    (e,) = floats(eigenvalues)
    size, t = jnp.asarray(step_size, e.dtype), _at_least_zero(num_steps, e.dtype)
    move = jnp.where(size > 0.0, size, jnp.nan) * e
    left = 1.0 - move
    gentle, stopped = left > 0.0, left == 0.0
    near = -jnp.expm1(t * jnp.log1p(-jnp.where(gentle, move, 0.0)))
    far = 1.0 - jnp.where(gentle | stopped, 2.0, left) ** t
    # At left = 0 the power has the derivatives of its whole exponents.
    at_zero = jnp.where(t == 0.0, 0.0, 1.0 - jnp.where(t == 1.0, left, 0.0))
    return jnp.where(gentle, near, jnp.where(stopped, at_zero, far))


def equivalent_penalty(step_size: ArrayLike, num_steps: ArrayLike) -> jax.Array:
    """Weight decay 1/(step_size num_steps) that early stopping amounts to, to first order in small factors.

    Args:
        step_size: () positive.
        num_steps: () positive.

    Returns:
        () penalty.

    Raises:
        ValueError: a concrete argument that is not positive.

    Source: Goodfellow, Bengio and Courville (2016), eq. 7.44.
    """
    positive("equivalent_penalty", step_size=step_size, num_steps=num_steps)
    size, steps = floats(step_size, num_steps)
    return jnp.where((size > 0.0) & (steps > 0.0), 1.0 / (size * steps), jnp.nan)


def shrink(hessian: ArrayLike, optimum: ArrayLike, penalty: ArrayLike) -> jax.Array:
    """Minimiser of a quadratic loss under weight decay, (H + penalty I)^-1 H w.

    Args:
        hessian: (d, d) symmetric positive semidefinite.
        optimum: (d,) w, the minimiser without decay.
        penalty: () positive.

    Returns:
        (d,); NaN for a matrix that is not symmetric.

    Raises:
        ValueError: shapes, or a concrete penalty that is not positive.

    Source: Goodfellow, Bengio and Courville (2016), eq. 7.10.
    """
    positive("shrink", penalty=penalty)
    h, w = floats(hessian, optimum)
    if h.ndim != 2 or h.shape != (*w.shape, *w.shape):
        raise ValueError(f"shrink: hessian and optimum have shapes {h.shape} and {w.shape}, expected (d, d) and (d,)")
    penalty = jnp.asarray(penalty, h.dtype)
    symmetric = jnp.max(jnp.abs(h - h.T)) <= 16 * jnp.finfo(h.dtype).eps * jnp.max(jnp.abs(h))
    system = h + jnp.where(symmetric & (penalty > 0.0), penalty, jnp.nan) * jnp.eye(h.shape[0], dtype=h.dtype)
    return jax.scipy.linalg.solve(system, h @ w, assume_a="pos")
