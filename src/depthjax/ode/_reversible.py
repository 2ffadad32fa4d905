"""Reversible schemes on a fixed grid: the reverse pass reconstructs the states algebraically."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import chosen
from depthjax.ode._arguments import times
from depthjax.ode._first_order import first_order_only, problem, reverse_only
from depthjax.ode._methods import Tableau
from depthjax.ode._solution import Solution
from depthjax.ode._step import Field, combine, explicit_slopes, is_explicit
from depthjax.ode._tableaus import RK4

_NAME = "odeint_reversible"


class Scheme(NamedTuple):
    """One step of a pair of states and its algebraic inverse; t is the start of the step in both."""

    start: Callable[[jax.Array, Any, Any], Any]
    forward: Callable[[jax.Array, jax.Array, Any, Any], Any]
    inverse: Callable[[jax.Array, jax.Array, Any, Any], Any]


def _mixed(*terms):
    """Sum of number times tree over pairs (number, tree)."""

    def scaled(weight, value):
        return weight * value if isinstance(weight, (int, float)) else weight.astype(value.dtype) * value

    def leaf(*values):
        parts = [scaled(weight, value) for (weight, _), value in zip(terms, values, strict=True)]
        return sum(parts[1:], parts[0])

    return jax.tree.map(leaf, *[tree for _, tree in terms])


def _heun(f):
    def forward(t, h, pair, inputs):
        y, v = pair
        k = f(t, v, inputs)
        v = _mixed((2, y), (-1, v), (h, k))
        return _mixed((1, y), (h / 2, k), (h / 2, f(t + h, v, inputs))), v

    def inverse(t, h, pair, inputs):
        y, v = pair
        k = f(t + h, v, inputs)
        v = _mixed((2, y), (-1, v), (-h, k))
        return _mixed((1, y), (-h / 2, k), (-h / 2, f(t, v, inputs))), v

    return Scheme(lambda t, y, inputs: (y, y), forward, inverse)


def _alf(f):
    def moved(t, h, pair, inputs, sign):
        y, v = pair
        middle = _mixed((1, y), (sign * h / 2, v))
        v = _mixed((2, f(t + h / 2, middle, inputs)), (-1, v))
        return _mixed((1, middle), (sign * h / 2, v)), v

    forward, inverse = (functools.partial(moved, sign=sign) for sign in (1, -1))
    return Scheme(lambda t, y, inputs: (y, f(t, y, inputs)), forward, inverse)


def _coupled(f, base, coupling):
    def change(t, h, y, inputs):
        return combine(None, h, list(base.b), explicit_slopes(base, f, t, h, y, inputs))

    def forward(t, h, pair, inputs):
        y, z = pair
        y = _mixed((coupling, y), (1 - coupling, z), (1, change(t, h, z, inputs)))
        return y, _mixed((1, z), (-1, change(t + h, -h, y, inputs)))

    def inverse(t, h, pair, inputs):
        y, z = pair
        z = _mixed((1, z), (1, change(t + h, -h, y, inputs)))
        y = _mixed((1, y), (coupling - 1, z), (-1, change(t, h, z, inputs)))
        return _mixed((1 / coupling, y)), z

    return Scheme(lambda t, y, inputs: (y, y), forward, inverse)


def odeint_reversible(
    f: Field,
    y0: Any,
    ts: ArrayLike,
    args: Any = None,
    *,
    scheme: str = "coupled",
    base: Tableau = RK4,
    coupling: float = 0.99,
) -> Solution:
    """Integrate on a fixed grid by a scheme with an algebraic inverse, in constant memory.

    Args:
        f: slope, f(t, y, args); it may close over traced values.
        y0: state at ts[0], a pytree of floating arrays.
        ts: (n,) strictly monotone times.
        args: pytree of arrays passed to f.
        scheme: static, "heun" (order 2), "alf" (asynchronous leapfrog, order 2), or "coupled" (the order of `base`).
        base: explicit method of the coupled scheme.
        coupling: static, in (0, 1], of the coupled scheme.

    Returns:
        `Solution` of the end ts[-1] alone.

    Raises:
        ValueError: unknown scheme, implicit `base`, `coupling` outside (0, 1], ts or f.
        TypeError: integer or complex y0; forward-mode or second derivatives, which `solve_fixed` has.

    Numerics: the inverse is exact up to rounding, which the scheme then amplifies. On y' = l y with z = h l, "heun" and
        "alf" have mu^2 - 2 z mu - 1 = 0: stable for z in i(-1, 1) alone. "coupled" has a parasitic root near
        coupling exp(-z), so it grows once h|l| > -log(coupling); a smaller coupling widens that at the price of a
        reverse amplification coupling^-n. Every scheme grows on contracting fields, and the gradient with it: see
        `adjoint_check`.

    Cost: memory independent of n; the coupled scheme takes 2 s slopes a step, twice that in the reverse pass.

    Source: Kidger et al., Efficient and Accurate Gradients for Neural SDEs (2021); Zhuang et al., MALI (2021); McCallum
        and Foster, Efficient, Accurate and Stable Gradients for Neural ODEs (2024).
    """
    chosen(_NAME, "scheme", scheme, ("heun", "alf", "coupled"))
    if not 0 < coupling <= 1:
        raise ValueError(f"{_NAME}: coupling is {coupling}, expected a number in (0, 1]")
    if not isinstance(base, Tableau) or not is_explicit(base):
        raise ValueError(f"{_NAME}: base is no explicit Tableau, expected one such as RK4")
    given, grid = reversible_problem(f, y0, ts, args)
    static = (given.f, scheme, base, float(coupling))
    y = _solve(static, given.y0, grid, given.inputs)
    count = jnp.int32(grid.shape[0] - 1)
    ys = jax.tree.map(lambda leaf: leaf[None], y)
    return Solution(grid[-1:], ys, jnp.ones((), bool), count, jnp.int32(0), jnp.zeros((), grid.dtype))


def reversible_problem(f: Field, y0: Any, ts: ArrayLike, args: Any) -> tuple[Any, jax.Array]:
    """The checked problem and its grid."""
    given = problem(_NAME, f, y0, 0.0, 0.0, args)
    return given, reverse_only(_NAME, times(_NAME, ts, given.t0.dtype))


def _scheme(static):
    f, name, base, coupling = static
    return {"heun": _heun, "alf": _alf}[name](f) if name != "coupled" else _coupled(f, base, coupling)


def _run(static, y0, ts, inputs):
    scheme = _scheme(static)

    def body(pair, th):
        return scheme.forward(*th, pair, inputs), None

    return lax.scan(body, scheme.start(ts[0], y0, inputs), (ts[:-1], jnp.diff(ts)))[0]


def round_trip_error(static: tuple, y0: Any, ts: jax.Array, inputs: Any) -> jax.Array:
    """Largest difference between y0 and what the inverse steps make of the end."""
    scheme = _scheme(static)
    back = lambda pair, th: (scheme.inverse(*th, pair, inputs), None)  # noqa: E731
    pair, _ = lax.scan(back, _run(static, y0, ts, inputs), (ts[:-1], jnp.diff(ts)), reverse=True)
    return largest_difference(pair[0], y0)


def largest_difference(a: Any, b: Any) -> jax.Array:
    """Largest absolute difference of two trees, NaN if one has a NaN."""
    gaps = [jnp.max(jnp.abs(x - y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    return functools.reduce(jnp.maximum, [gap.astype(gaps[0].dtype) for gap in gaps])


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _solve(static, y0, ts, inputs):
    return _run(static, y0, ts, inputs)[0]


def _forward(static, y0, ts, inputs):
    y0, ts, inputs = first_order_only(_NAME, (y0, ts, inputs))
    pair = _run(static, y0, ts, inputs)
    return pair[0], (pair, y0, ts, inputs)


def _backward(static, saved, cotangent):
    pair, y0, ts, (floats, others) = saved
    cotangent = first_order_only(_NAME, cotangent)
    scheme = _scheme(static)

    def back(carry, th):
        pair, cotangents, grads = carry
        pair = scheme.inverse(*th, pair, (floats, others))
        step = lambda t, h, pair, floats: scheme.forward(t, h, pair, (floats, others))  # noqa: E731
        _, pull = jax.vjp(step, *th, pair, floats)
        dt, dh, cotangents, more = pull(cotangents)
        return (pair, cotangents, jax.tree.map(jnp.add, grads, more)), (dt, dh)

    start = (pair, (cotangent, jax.tree.map(jnp.zeros_like, cotangent)), jax.tree.map(jnp.zeros_like, floats))
    (_, cotangents, grads), (dt, dh) = lax.scan(back, start, (ts[:-1], jnp.diff(ts)), reverse=True)
    _, pull = jax.vjp(lambda t, y, floats: scheme.start(t, y, (floats, others)), ts[0], y0, floats)
    first, dy, more = pull(cotangents)
    dts = jnp.zeros_like(ts).at[:-1].add(dt - dh).at[1:].add(dh).at[0].add(first)
    return dy, dts, (jax.tree.map(jnp.add, grads, more), None)


_solve.defvjp(_forward, _backward)
