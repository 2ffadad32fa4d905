"""The named Runge-Kutta methods."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from depthjax.numerics._arguments import is_concrete
from depthjax.ode._methods import Tableau


def _explicit(rows, b, b_hat=None):
    a = np.zeros((len(b), len(b)))
    for i, row in enumerate(rows, start=1):
        a[i, : len(row)] = row
    return Tableau(a, b, a.sum(axis=1), b_hat)


def _implicit(a, b):
    a = np.asarray(a, np.float64)
    return Tableau(a, b, a.sum(axis=1))


EULER = _explicit([], [1.0])
MIDPOINT = _explicit([[1 / 2]], [0.0, 1.0])
HEUN = _explicit([[1.0]], [1 / 2, 1 / 2])
RALSTON = _explicit([[2 / 3]], [1 / 4, 3 / 4])
RK4 = _explicit([[1 / 2], [0.0, 1 / 2], [0.0, 0.0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6])
BOSH3 = _explicit(
    [[1 / 2], [0.0, 3 / 4], [2 / 9, 1 / 3, 4 / 9]], [2 / 9, 1 / 3, 4 / 9, 0.0], [7 / 24, 1 / 4, 1 / 3, 1 / 8]
)
_DOPRI5_B = [35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84]
DOPRI5 = _explicit(
    [
        [1 / 5],
        [3 / 40, 9 / 40],
        [44 / 45, -56 / 15, 32 / 9],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
        _DOPRI5_B,
    ],
    [*_DOPRI5_B, 0.0],
    [5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40],
)
_TSIT5_B = [
    0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774,
]  # fmt: skip
_TSIT5_ERROR = [
    0.001780011052226, 0.000816434459657, -0.007880878010262, 0.144711007173263, -0.582357165452555, 0.458082105929187,
    -1 / 66,
]  # fmt: skip
TSIT5 = _explicit(
    [
        [0.161],
        [-0.008480655492356989, 0.335480655492357],
        [2.8971530571054935, -6.359448489975075, 4.3622954328695815],
        [5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
        [5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383],
        _TSIT5_B,
    ],
    [*_TSIT5_B, 0.0],
    np.array([*_TSIT5_B, 0.0]) - np.array(_TSIT5_ERROR),
)

IMPLICIT_EULER = _implicit([[1.0]], [1.0])
IMPLICIT_MIDPOINT = _implicit([[1 / 2]], [1.0])
_R3, _R15, _R6 = np.sqrt([3.0, 15.0, 6.0]).tolist()
GAUSS4 = _implicit([[1 / 4, 1 / 4 - _R3 / 6], [1 / 4 + _R3 / 6, 1 / 4]], [1 / 2, 1 / 2])
GAUSS6 = _implicit(
    [
        [5 / 36, 2 / 9 - _R15 / 15, 5 / 36 - _R15 / 30],
        [5 / 36 + _R15 / 24, 2 / 9, 5 / 36 - _R15 / 24],
        [5 / 36 + _R15 / 30, 2 / 9 + _R15 / 15, 5 / 36],
    ],
    [5 / 18, 4 / 9, 5 / 18],
)
RADAU2A3 = _implicit([[5 / 12, -1 / 12], [3 / 4, 1 / 4]], [3 / 4, 1 / 4])
_RADAU5_LAST = [4 / 9 - _R6 / 36, 4 / 9 + _R6 / 36, 1 / 9]
RADAU2A5 = _implicit(
    [
        [11 / 45 - 7 * _R6 / 360, 37 / 225 - 169 * _R6 / 1800, -2 / 225 + _R6 / 75],
        [37 / 225 + 169 * _R6 / 1800, 11 / 45 + 7 * _R6 / 360, -2 / 225 - _R6 / 75],
        _RADAU5_LAST,
    ],
    _RADAU5_LAST,
)
LOBATTO3C4 = _implicit([[1 / 6, -1 / 3, 1 / 6], [1 / 6, 5 / 12, -1 / 12], [1 / 6, 2 / 3, 1 / 6]], [1 / 6, 2 / 3, 1 / 6])


def theta_tableau(theta: Any) -> Tableau:
    """The theta method y+ = y + h (theta f_n + (1 - theta) f_{n+1}).

    `theta` weighs the explicit end: 1 is Euler's method, 0 the implicit one, 1/2 the trapezoid.

    Args:
        theta: () weight in [0, 1]; it may be traced.

    Returns:
        A tableau of two stages.

    Raises:
        ValueError: a concrete theta outside [0, 1]; a traced one gives coefficients of NaN.

    Source: Suli and Mayers, An Introduction to Numerical Analysis (2003), 12.2.
    """
    if is_concrete(theta):
        value = float(theta)
        if not 0 <= value <= 1:
            raise ValueError(f"theta_tableau: theta is {value:.6g}, expected a number in [0, 1]")
        return Tableau([[0.0, 0.0], [value, 1 - value]], [value, 1 - value], [0.0, 1.0])
    theta = jnp.where((theta >= 0) & (theta <= 1), theta, jnp.nan)
    weights = jnp.stack([theta, 1 - theta])
    return Tableau(jnp.stack([jnp.zeros_like(weights), weights]), weights, jnp.arange(2).astype(weights.dtype))
