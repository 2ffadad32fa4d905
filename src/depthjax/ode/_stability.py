"""Stability functions, loci and regions of one-step and multistep methods."""

from collections.abc import Callable
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.ode._methods import LMM, Tableau, concrete
from depthjax.ode._polynomials import roots

Method = Tableau | LMM
SLACK = 1e-12
_LMM_SLACK = 1e-10


def rational_function(tableau: Tableau) -> tuple[np.ndarray, np.ndarray]:
    """Ascending coefficients of R = P/Q: P = det(I - zA + z 1 b'), Q = det(I - zA)."""
    spread = tableau.a - tableau.b[None, :]
    return _det_coefficients(spread), _det_coefficients(tableau.a)


def _det_coefficients(matrix):
    """Ascending coefficients of det(I - z matrix), by Faddeev and LeVerrier; near-fractions become them."""
    s = len(matrix)
    coefficients, power = [1.0], np.eye(s)
    for k in range(1, s + 1):
        product = matrix @ power
        coefficients.append(-np.trace(product) / k)
        power = product + coefficients[-1] * np.eye(s)
    clean = [_snapped(c) for c in coefficients]
    while clean[-1] == 0:
        clean.pop()
    return np.array(clean)


def _snapped(value):
    near = Fraction(float(value)).limit_denominator(10**4)
    return float(near) if abs(float(near) - value) < 1e-14 else (0.0 if abs(value) < 1e-13 else float(value))


def _tableau(function, tableau):
    if not isinstance(tableau, Tableau):
        raise TypeError(f"{function}: expected a Tableau, got a {type(tableau).__name__}")
    return concrete(function, tableau)


def stability_function(tableau: Tableau) -> Callable[[ArrayLike], jax.Array]:
    """R(z), the factor of one step on y' = l y with z = h l.

    R(z) = 1 + z b'(I - zA)^{-1} 1 = det(I - zA + z 1 b')/det(I - zA).

    Args:
        tableau: Runge-Kutta method.

    Returns:
        A traceable function of real or complex z of any shape; infinities of the real line give the limit.

    Raises:
        TypeError: traced coefficients, or not a `Tableau`.

    Numerics: a ratio of polynomials in z, or in 1/z outside the unit disk, so nothing overflows.

    Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996), IV.3, proposition 3.2.
    """
    p, q = rational_function(_tableau("stability_function", tableau))
    degree = max(len(p), len(q))
    p, q = (np.pad(c, (0, degree - len(c))) for c in (p, q))

    def horner(coefficients, z):
        total = jnp.zeros_like(z)
        for c in coefficients:
            total = total * z + float(c)
        return total

    def factor(z):
        z = jnp.asarray(z)
        if not jnp.issubdtype(z.dtype, jnp.inexact):
            z = z.astype(jnp.result_type(float))
        inside = jnp.abs(z) <= 1
        small, far = jnp.where(inside, z, 0), 1 / jnp.where(inside, 1, z)
        near = horner(p[::-1], small) / horner(q[::-1], small)
        top, bottom = horner(p, far), horner(q, far)
        return jnp.where(inside, near, top / bottom)

    return factor


def rk_zeros_poles(tableau: Tableau) -> tuple[np.ndarray, np.ndarray]:
    """Zeros and poles of the stability function.

    Args:
        tableau: Runge-Kutta method.

    Returns:
        Two complex128 arrays.

    Raises:
        TypeError: traced coefficients, or not a `Tableau`.
    """
    p, q = rational_function(_tableau("rk_zeros_poles", tableau))
    return roots(list(p)), roots(list(q))


def boundary_locus(method: Method, angles: ArrayLike) -> np.ndarray:
    """Points z at which the method has an amplification factor e^{i angle}.

    Multistep: z = rho(e^{i angle})/sigma(e^{i angle}). Runge-Kutta: all z with R(z) = e^{i angle}.

    Args:
        method: `Tableau` or `LMM`.
        angles: (m,) radians.

    Returns:
        complex128, (m,) for an `LMM`, (m, degree) for a `Tableau`.

    Raises:
        TypeError: traced coefficients.

    Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996), V.1.
    """
    concrete("boundary_locus", method)
    turns = np.exp(1j * np.asarray(angles, np.float64))
    if isinstance(method, LMM):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.polyval(method.alpha[::-1], turns) / np.polyval(method.beta[::-1], turns)
    p, q = rational_function(method)
    degree = max(len(p), len(q))
    p, q = (np.pad(c, (0, degree - len(c))) for c in (p, q))
    found = np.full((len(turns), degree - 1), np.nan + 0j)
    for row, turn in zip(found, turns, strict=True):
        zs = np.roots((p - turn * q)[::-1])
        row[: len(zs)] = zs
    return found


def is_absolutely_stable(method: Method, z: ArrayLike) -> np.ndarray:
    """Whether solutions of y' = l y stay bounded at z = h l.

    Runge-Kutta: |R(z)| <= 1. Multistep: all roots of rho - z sigma in the closed unit disk, those on the circle simple.

    Args:
        method: `Tableau` or `LMM`.
        z: complex array of any shape.

    Returns:
        Bool array of the shape of z.

    Raises:
        TypeError: traced coefficients.

    Numerics: host arithmetic in complex128; |R| may exceed one by 1e-12 and a root's modulus by 1e-10; two roots within
        1e-6 of each other and of the circle count as a double root on it, which is unstable.

    Source: Suli and Mayers, An Introduction to Numerical Analysis (2003), definition 12.11.
    """
    concrete("is_absolutely_stable", method)
    z = np.asarray(z, np.complex128)
    if isinstance(method, Tableau):
        return np.abs(_amplification(method, z)) <= 1 + SLACK
    return _multistep_stable(method, z.ravel()).reshape(z.shape)


def _amplification(tableau, z):
    p, q = rational_function(tableau)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.polyval(p[::-1], z) / np.polyval(q[::-1], z)


def _multistep_stable(method, z):
    k = method.num_steps_back
    coefficients = method.alpha[None, :] - z[:, None] * method.beta[None, :]
    lead = coefficients[:, -1]
    regular = np.abs(lead) > 1e-12 * np.abs(coefficients).max(axis=1)
    monic = coefficients[:, :-1] / np.where(regular, lead, 1.0)[:, None]
    companion = np.zeros((len(z), k, k), np.complex128)
    companion[:, np.arange(1, k), np.arange(k - 1)] = 1
    companion[:, :, -1] = -monic
    zs = np.linalg.eigvals(companion)
    stable = regular & (np.abs(zs) <= 1 + _LMM_SLACK).all(axis=1)
    outer = np.abs(zs) >= 1 - 1e-6
    close = (np.abs(zs[:, :, None] - zs[:, None, :]) < 1e-6) & outer[:, :, None] & outer[:, None, :]
    close[:, np.arange(k), np.arange(k)] = False
    return stable & ~close.any(axis=(1, 2))


def stability_region(method: Method, re: ArrayLike, im: ArrayLike) -> np.ndarray:
    """`is_absolutely_stable` on a grid.

    Args:
        method: `Tableau` or `LMM`.
        re: (n,) real parts.
        im: (m,) imaginary parts.

    Returns:
        (m, n) bools, the layout that image plots take.

    Raises:
        TypeError: traced coefficients.
    """
    re, im = np.asarray(re, np.float64), np.asarray(im, np.float64)
    return is_absolutely_stable(method, re[None, :] + 1j * im[:, None])
