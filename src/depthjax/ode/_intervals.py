"""Stability intervals, A-stability, L-stability and the angle of A(alpha)-stability."""

import numpy as np

from depthjax.ode._methods import Tableau, concrete
from depthjax.ode._polynomials import roots
from depthjax.ode._stability import Method, boundary_locus, is_absolutely_stable, rational_function

_FAR = 1e8
_SMALLEST = 0.05


def real_interval(method: Method) -> tuple[float, float]:
    """The interval (lo, 0) of real z at which the method is absolutely stable, up to its first gap.

    Args:
        method: `Tableau` or `LMM`.

    Returns:
        (lo, 0.0) with lo in [-inf, 0].

    Raises:
        TypeError: traced coefficients.

    Numerics: exact up to rounding for a `Tableau`, whose ends are roots of P - Q and P + Q; for an `LMM` a bisection to
        about 1e-9, in which an interval shorter than 0.05 counts as none; an end with a root at -1 is exact.

    Source: Suli and Mayers, An Introduction to Numerical Analysis (2003), 12.11.
    """
    concrete("real_interval", method)
    if not isinstance(method, Tableau):
        end = _scan(method, -1.0 + 0j)
        at_minus_one = [np.polyval(coefficients[::-1], -1.0) for coefficients in (method.alpha, method.beta)]
        exact = float(abs(at_minus_one[0] / at_minus_one[1])) if at_minus_one[1] else np.inf
        return -(exact if abs(end - exact) <= 1e-8 * exact < np.inf else end), 0.0
    p, q = _padded(method)
    ends = [-z.real for part in (p - q, p + q) for z in _real(part) if z.real < -1e-12]
    return -_first_end(ends, lambda x: bool(is_absolutely_stable(method, -x))), 0.0


def imaginary_interval(method: Method) -> float:
    """Largest y such that the method is absolutely stable on i[-y, y], up to its first gap.

    Args:
        method: `Tableau` or `LMM`.

    Returns:
        y in [0, inf]; for the leapfrog rule the end itself is not stable.

    Raises:
        TypeError: traced coefficients.

    Numerics: exact up to rounding for a `Tableau`, from the roots of |Q(iy)|^2 - |P(iy)|^2, so a factor that exceeds
        one by O(y^4) is seen; for an `LMM` a bisection, in which an interval shorter than 0.05 counts as none.
    """
    concrete("imaginary_interval", method)
    if not isinstance(method, Tableau):
        return _scan(method, 1j)
    gap = _gap(method)
    if not len(gap):
        return float("inf")
    ends = [np.sqrt(z.real) for z in _real(gap) if z.real > 1e-12]
    return _first_end(ends, lambda y: np.polyval(gap[::-1], y * y) >= 0)


def is_a_stable(method: Method) -> bool:
    """Whether the method is absolutely stable in the whole left half-plane.

    Runge-Kutta: no pole there and |R(iy)| <= 1. Multistep: angle of A(alpha)-stability 90 degrees.

    Args:
        method: `Tableau` or `LMM`.

    Returns:
        A bool.

    Raises:
        TypeError: traced coefficients.

    Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996), IV.3, eq. 3.6.
    """
    concrete("is_a_stable", method)
    if not isinstance(method, Tableau):
        return stability_angle_degrees(method) == 90.0
    return imaginary_interval(method) == float("inf") and bool(
        (roots(list(rational_function(method)[1])).real > 0).all()
    )


def is_l_stable(tableau: Tableau) -> bool:
    """Whether the method is A-stable and its factor vanishes at infinity.

    Args:
        tableau: Runge-Kutta method.

    Returns:
        A bool.

    Raises:
        TypeError: traced coefficients.

    Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996), IV.3, definition 3.7.
    """
    concrete("is_l_stable", tableau)
    p, q = rational_function(tableau)
    return is_a_stable(tableau) and len(p) < len(q)


def stability_angle_degrees(method: Method, *, num_angles: int = 20001) -> float:
    """Largest alpha such that the method is absolutely stable for |arg(-z)| < alpha.

    Args:
        method: `Tableau` or `LMM`.
        num_angles: points of the boundary locus that are looked at before the least angle is refined.

    Returns:
        Degrees in [0, 90]; 90 is A-stability, and 0 where the negative axis is not all stable.

    Raises:
        TypeError: traced coefficients.

    Numerics: the least angle is found on a grid and refined to about 1e-8 degrees; within 1e-6 of 90 it counts as 90.

    Source: Hairer and Wanner, Solving Ordinary Differential Equations II (1996), V.2.
    """
    concrete("stability_angle_degrees", method)
    if real_interval(method)[0] > -np.inf:
        return 0.0
    low, high = 1e-3, np.pi
    count = num_angles if not isinstance(method, Tableau) else min(num_angles, 2001)
    for _ in range(4):
        grid = np.linspace(low, high, count)
        angles = _locus_angles(method, grid)
        best = int(np.argmin(angles))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, count - 1)]
        count = 201
    angle = float(angles[best])
    return 90.0 if angle > 90.0 - 1e-6 else angle


def _locus_angles(method, grid):
    """Least angle of the boundary from the negative real axis, 90 where it is in the right half-plane."""
    z = boundary_locus(method, grid)
    z = z[:, None] if z.ndim == 1 else z
    moved = np.where(np.isfinite(z) & (np.abs(z) > 1e-9), z, 1.0)
    return np.minimum(np.degrees(np.abs(np.angle(-moved))).min(axis=1), 90.0)


def _padded(tableau):
    p, q = rational_function(tableau)
    degree = max(len(p), len(q))
    return tuple(np.pad(c, (0, degree - len(c))) for c in (p, q))


def _gap(tableau):
    """Ascending coefficients in y^2 of |Q(iy)|^2 - |P(iy)|^2, empty if zero; rounding noise is cut."""
    p, q = _padded(tableau)
    turns = 1j ** np.arange(len(p))
    squares = [np.convolve(c * turns, np.conj(c * turns)).real[::2] for c in (q, p)]
    gap = squares[0] - squares[1]
    gap = np.where(np.abs(gap) > 1e-14 * np.maximum(np.abs(squares[0]), 1e-3), gap, 0.0)
    return np.trim_zeros(gap, "b")


def _real(p):
    p = np.where(np.abs(p) > 1e-14, p, 0.0)
    return [z for z in roots(list(p)) if abs(z.imag) < 1e-7 * max(abs(z), 1.0)] if p.any() else []


def _first_end(ends, is_stable):
    """First of the possible ends behind which the method is unstable."""
    left = 0.0
    for end in [*sorted(ends), np.inf]:
        if not is_stable(2 * left + 1 if end == np.inf else (left + end) / 2):
            return float(left)
        left = end
    return float("inf")


def _scan(method, direction):
    grid = np.concatenate([np.arange(_SMALLEST, 20, 0.01), np.geomspace(20, _FAR, 400)])
    stable = is_absolutely_stable(method, grid * direction)
    if stable.all():
        return float("inf")
    first = int(np.argmin(stable))
    if first == 0:
        return 0.0
    low, high = grid[first - 1], grid[first]
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if is_absolutely_stable(method, middle * direction) else (low, middle)
    return float(low)
