"""Characteristic polynomials of multistep methods and the root condition."""

from typing import NamedTuple

import numpy as np

from depthjax.ode._methods import LMM
from depthjax.ode._orders import exact_coefficients, lmm_order
from depthjax.ode._polynomials import roots, square_free_factors

_ON_CIRCLE = 1e-10


class RootReport(NamedTuple):
    """Outcome of the root condition.

    Attributes:
        satisfied: zero-stability: no root outside the unit circle and no multiple one on it.
        strongly_stable: satisfied, and 1 is the only root on the circle.
        roots: (k,) roots of rho, multiple ones repeated, largest first.
        parasitic_radius: largest modulus among the roots other than one root 1; 0.0 if there are no others.
    """

    satisfied: bool
    strongly_stable: bool
    roots: np.ndarray
    parasitic_radius: float


def characteristic_polynomials(method: LMM) -> tuple[np.ndarray, np.ndarray]:
    """rho(z) = sum_j alpha_j z^j and sigma(z) = sum_j beta_j z^j.

    Args:
        method: linear multistep method.

    Returns:
        The two coefficient arrays (k + 1,), ascending, float64.

    Raises:
        TypeError: traced coefficients, or not an `LMM`.
    """
    exact_coefficients("characteristic_polynomials", method)
    return np.array(method.alpha), np.array(method.beta)


def is_consistent(method: LMM) -> bool:
    """Whether rho(1) = 0 and rho'(1) = sigma(1), that is, the order is at least one.

    Args:
        method: linear multistep method.

    Returns:
        A bool.

    Raises:
        TypeError: traced coefficients, or not an `LMM`.
    """
    return lmm_order(method).order >= 1


def root_condition(method: LMM) -> RootReport:
    """Dahlquist's root condition, which is zero-stability.

    Args:
        method: linear multistep method.

    Returns:
        `RootReport`.

    Raises:
        TypeError: traced coefficients, or not an `LMM`.

    Numerics: multiplicities come from greatest common divisors over the rationals, so that a double root on the
        circle, which a root finder splits by sqrt(eps), is seen as one; a simple root within 1e-10 of the circle counts
        as on it. Coefficients that stand for no fraction of denominator up to 10^6 are taken as they are, and roots
        within 1e-6 of each other count as equal.

    Source: Suli and Mayers, An Introduction to Numerical Analysis (2003), theorem 12.4.
    """
    alpha, _, is_exact = exact_coefficients("root_condition", method)
    if is_exact:
        groups = [(m, roots(factor)) for m, factor in square_free_factors(alpha)]
    else:
        groups = _clustered(roots(alpha))
    found = [(z, m) for m, zs in groups for z in zs]
    satisfied = all(abs(z) <= 1 + _ON_CIRCLE if m == 1 else abs(z) < 1 - _ON_CIRCLE for z, m in found)
    every = np.array([z for z, m in found for _ in range(m)], np.complex128)
    every = every[np.argsort(-np.abs(every), kind="stable")]
    principal = int(np.argmin(np.abs(every - 1)))
    others = np.delete(every, principal) if abs(every[principal] - 1) < 1e-8 else every
    radius = float(np.abs(others).max(initial=0.0))
    return RootReport(satisfied, satisfied and radius < 1 - _ON_CIRCLE, every, radius)


def _clustered(zs):
    """Groups (multiplicity, one root) of roots within 1e-6 of each other."""
    groups, left = [], list(zs)
    while left:
        near = [z for z in left if abs(z - left[0]) < 1e-6]
        groups.append((len(near), np.array([np.mean(near)])))
        left = [z for z in left if abs(z - left[0]) >= 1e-6]
    return groups
