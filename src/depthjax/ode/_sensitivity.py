"""Derivatives forwards in time, and in closed form for linear equations."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.numerics._arguments import floats
from depthjax.ode._arguments import state
from depthjax.ode._fixed import solve_fixed
from depthjax.ode._methods import LMM, Tableau
from depthjax.ode._step import Field
from depthjax.ode._tableaus import RK4


class SensitivityResult(NamedTuple):
    """Solution and its derivatives at every time.

    Attributes:
        ys: states; leaves lead with n.
        dy_dy0: for each leaf of the state a tree like y0, of shape (n, *leaf of y, *leaf of y0).
        dy_dargs: likewise for args.
    """

    ys: Any
    dy_dy0: Any
    dy_dargs: Any


def forward_sensitivity(
    f: Field, y0: Any, ts: ArrayLike, args: Any, *, method: Tableau | LMM = RK4, **options: Any
) -> SensitivityResult:
    """Solve the equation with its variational equations S' = f_y S + f_args.

    Args:
        f: slope, f(t, y, args).
        y0: state at ts[0], a pytree of floating arrays.
        ts: (n,) strictly monotone times.
        args: pytree of floating arrays passed to f.
        method: as in `solve_fixed`.
        **options: further options of `solve_fixed`.

    Returns:
        `SensitivityResult`.

    Raises:
        TypeError: y0 or args are not floats.
        ValueError: as `solve_fixed`.

    Numerics: the method applied to state and variations together, which is the forward derivative of its discrete
        solution: the same number as the reverse pass gives, up to rounding.

    Cost: one variation for each entry of y0 and of args, all in one scan; nothing is stored for a reverse pass.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), I.14.
    """
    y0, args = state("forward_sensitivity", y0), state("forward_sensitivity", args, "args")

    def run(both):
        ys = solve_fixed(f, both[0], ts, both[1], method=method, **options).ys
        return ys, ys

    pairs, ys = jax.jacfwd(run, has_aux=True)((y0, args))
    dy_dy0, dy_dargs = (jax.tree.map(lambda _, pair, i=i: pair[i], ys, pairs) for i in (0, 1))
    return SensitivityResult(ys, dy_dy0, dy_dargs)


def linear_ode_gradient(
    a: ArrayLike, da: ArrayLike, b: ArrayLike, db: ArrayLike, cotangent: ArrayLike, t: ArrayLike
) -> jax.Array:
    """Derivative of g(y(t)) in a parameter p for y' = A(p) y, y(0) = b(p).

    dg/dp = g_y e^{tA} b_p + g_y L b, L = integral_0^t e^{(t-s)A} A_p e^{sA} ds, the Frechet derivative of the
    exponential; it is t A_p e^{tA} only where A_p and A commute.

    Args:
        a: A, (d, d).
        da: A_p, (d, d).
        b: initial state, (d,).
        db: b_p, (d,).
        cotangent: g_y, (d,).
        t: () time.

    Returns:
        ().

    Raises:
        ValueError: shapes.

    Numerics: L is a block of the exponential of t [[A, A_p], [0, A]].

    Source: Higham, Functions of Matrices (2008), eq. 3.16.
    """
    a, da, b, db, cotangent, t = floats(a, da, b, db, cotangent, t)
    d = b.shape[0] if b.ndim == 1 else -1
    for name, value, want in (
        ("a", a, (d, d)), ("da", da, (d, d)), ("b", b, (d,)), ("db", db, (d,)), ("cotangent", cotangent, (d,)),
    ):  # fmt: skip
        if value.shape != want:
            raise ValueError(
                f"linear_ode_gradient: {name} has shape {value.shape}, expected {want if d >= 0 else '(d,)'}"
            )
    block = jnp.block([[a, da], [jnp.zeros_like(a), a]])
    e = jax.scipy.linalg.expm(t * block)
    return cotangent @ (e[:d, :d] @ db + e[:d, d:] @ b)
