"""Families of linear multistep methods, in exact rational arithmetic."""

from fractions import Fraction

from depthjax.core._options import at_least
from depthjax.ode._methods import LMM


def _product(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    out = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            out[i + j] += a * b
    return out


def _lagrange(num_nodes: int) -> list[list[Fraction]]:
    """Ascending coefficients of the Lagrange polynomials of the nodes 0, 1, ..., num_nodes - 1."""
    basis = []
    for j in range(num_nodes):
        p = [Fraction(1)]
        for m in range(num_nodes):
            if m != j:
                p = _product(p, [Fraction(-m, j - m), Fraction(1, j - m)])
        basis.append(p)
    return basis


def _integrals(num_nodes: int, low: int, high: int) -> list[Fraction]:
    """Weights of the quadrature over [low, high] that interpolates at the nodes 0, 1, ..., num_nodes - 1."""

    def weight(p):
        return sum((c * Fraction(high ** (i + 1) - low ** (i + 1), i + 1) for i, c in enumerate(p)), Fraction(0))

    return [weight(p) for p in _lagrange(num_nodes)]


def _integrated(k: int, num_nodes: int, start: int) -> LMM:
    """y_k - y_start = h times the integral of the interpolant of f over [start, k]."""
    alpha = [0.0] * (k + 1)
    alpha[start], alpha[k] = -1.0, 1.0
    beta = [float(w) for w in _integrals(num_nodes, start, k)]
    return LMM(alpha, beta + [0.0] * (k + 1 - num_nodes))


def adams_bashforth(k: int) -> LMM:
    """Explicit Adams method of k steps: y_{n+k} = y_{n+k-1} + h sum_{j<k} beta_j f_{n+j}, of order k.

    Args:
        k: number of steps, at least 1 (Euler's method).

    Returns:
        The method; each coefficient is its rational value rounded once.

    Raises:
        ValueError: k < 1.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), III.1.
    """
    at_least("adams_bashforth", "k", k, 1)
    return _integrated(k, k, k - 1)


def adams_moulton(k: int) -> LMM:
    """Implicit Adams method of k steps, of order k + 1; `adams_moulton(1)` is the trapezoid.

    Args:
        k: number of steps, at least 1.

    Returns:
        The method; each coefficient is its rational value rounded once.

    Raises:
        ValueError: k < 1.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), III.1.
    """
    at_least("adams_moulton", "k", k, 1)
    return _integrated(k, k + 1, k - 1)


def nystrom(k: int) -> LMM:
    """Explicit method y_{n+k} = y_{n+k-2} + h sum_{j<k} beta_j f_{n+j}; `nystrom(2)` is the midpoint (leapfrog) rule.

    Args:
        k: number of steps, at least 2.

    Returns:
        The method; each coefficient is its rational value rounded once.

    Raises:
        ValueError: k < 2.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), III.1.
    """
    at_least("nystrom", "k", k, 2)
    return _integrated(k, k, k - 2)


def milne_simpson() -> LMM:
    """Implicit method of two steps from Simpson's rule, of order 4: y_{n+2} = y_n + (h/3)(f_n + 4 f_{n+1} + f_{n+2}).

    Returns:
        The method.

    Numerics: zero-stable but only weakly: -1 is a root of rho, and the parasitic solution grows where f_y < 0.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), III.1.
    """
    return _integrated(2, 3, 0)


def bdf(k: int) -> LMM:
    """Backward differentiation of k steps, of order k: the interpolant of y_n..y_{n+k} has slope f_{n+k} at the end.

    Args:
        k: number of steps, at least 1. Beyond 6 the method is not zero-stable and is there for study.

    Returns:
        The method with alpha[k] = 1; each coefficient is its rational value rounded once.

    Raises:
        ValueError: k < 1.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), III.1.
    """
    at_least("bdf", "k", k, 1)
    slopes = [sum(i * c * k ** (i - 1) for i, c in enumerate(p) if i) for p in _lagrange(k + 1)]
    return LMM([float(s / slopes[-1]) for s in slopes], [0.0] * k + [float(1 / slopes[-1])])
