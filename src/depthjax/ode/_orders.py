"""Orders of methods: rooted trees, multistep defects, and orders seen in errors."""

import functools
import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.ode._methods import LMM, Tableau, concrete, rational

Tree = tuple


class LMMOrder(NamedTuple):
    """Order of a linear multistep method.

    Attributes:
        order: largest p with C_0 = ... = C_p = 0; -1 if C_0 is not zero.
        error_constant: C_{p+1}.
        normalised_error_constant: C_{p+1}/sigma(1); NaN if sigma(1) = 0.
    """

    order: int
    error_constant: Fraction | float
    normalised_error_constant: Fraction | float


@functools.cache
def rooted_trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees of `order` nodes; a tree is the sorted tuple of the trees that hang at its root."""
    if order == 1:
        return ((),)
    found = set()
    for sizes in _partitions(order - 1):
        groups = [
            itertools.combinations_with_replacement(rooted_trees(size), sizes.count(size))
            for size in sorted(set(sizes))
        ]
        for choice in itertools.product(*groups):
            found.add(tuple(sorted(itertools.chain(*choice))))
    return tuple(sorted(found))


def _partitions(n, largest=None):
    if n == 0:
        yield ()
    for first in range(min(n, largest or n), 0, -1):
        for rest in _partitions(n - first, first):
            yield (first, *rest)


def _nodes(tree):
    return 1 + sum(map(_nodes, tree))


@functools.cache
def _density(tree):
    return _nodes(tree) * math.prod(map(_density, tree))


def _weights(a, tree, known):
    """Phi(tree) (s,): the product over subtrees of A Phi."""
    if tree not in known:
        known[tree] = math.prod((a @ _weights(a, t, known) for t in tree), start=np.ones(len(a)))
    return known[tree]


def _residuals(tableau, b, order):
    known = {}
    return tuple(
        (tree, float(b @ _weights(tableau.a, tree, known)) - 1 / _density(tree)) for tree in rooted_trees(order)
    )


def rk_order_residuals(tableau: Tableau, order: int) -> tuple[tuple[Tree, float], ...]:
    """Defects b.Phi(tree) - 1/gamma(tree) of the order conditions of one order.

    Args:
        tableau: Runge-Kutta method.
        order: number of nodes of the trees, at least 1.

    Returns:
        A (tree, defect) for each of the 1, 1, 2, 4, 9, 20, 48, 115, ... trees; a tree is the tuple of its subtrees.

    Raises:
        TypeError: traced coefficients.
        ValueError: order below 1.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.2, theorem 2.13.
    """
    at_least("rk_order_residuals", "order", order, 1)
    return _residuals(concrete("rk_order_residuals", tableau), tableau.b, order)


def rk_order(tableau: Tableau, *, max_order: int = 8, tol: float = 1e-12, embedded: bool = False) -> int:
    """Order of a Runge-Kutta method: the largest p for which all trees of up to p nodes meet their condition.

    Args:
        tableau: Runge-Kutta method.
        max_order: trees of more nodes are not looked at.
        tol: largest defect of a condition that counts as met.
        embedded: test `b_hat` in place of `b`.

    Returns:
        The order, 0 if the weights do not sum to one.

    Raises:
        TypeError: traced coefficients.
        ValueError: `embedded` for a method without `b_hat`, or max_order below 1.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.2, theorem 2.13.
    """
    at_least("rk_order", "max_order", max_order, 1)
    concrete("rk_order", tableau)
    if embedded and tableau.b_hat is None:
        raise ValueError("rk_order: embedded=True, and the tableau has no b_hat; expected embedded weights")
    b = tableau.b_hat if embedded else tableau.b
    for order in range(1, max_order + 1):
        if any(abs(defect) > tol for _, defect in _residuals(tableau, b, order)):
            return order - 1
    return max_order


def lmm_order(method: LMM, *, tol: float = 1e-12) -> LMMOrder:
    """Order and error constants of a linear multistep method.

    C_q = sum_j alpha_j j^q/q! - sum_j beta_j j^(q-1)/(q-1)!; the order is p if C_0..C_p vanish and C_{p+1} does not.

    Args:
        method: linear multistep method.
        tol: largest C_q that counts as zero where the coefficients are not rational.

    Returns:
        `LMMOrder`, in exact fractions where each coefficient is the float next to one of denominator up to 10^6.

    Raises:
        TypeError: traced coefficients.

    Source: Suli and Mayers, An Introduction to Numerical Analysis (2003), 12.7.
    """
    alpha, beta, is_exact = exact_coefficients("lmm_order", method)
    for q in range(2 * len(alpha) + 1):
        value = sum(a * Fraction(j**q, math.factorial(q)) for j, a in enumerate(alpha))
        if q:
            value -= sum(b * Fraction(j ** (q - 1), math.factorial(q - 1)) for j, b in enumerate(beta))
        if abs(value) > (0 if is_exact else tol):
            break
    total = sum(beta)
    normalised = value / total if total else math.nan
    if is_exact:
        return LMMOrder(q - 1, value, normalised)
    return LMMOrder(q - 1, float(value), float(normalised))


def exact_coefficients(function: str, method: LMM) -> tuple[list[Fraction], list[Fraction], bool]:
    """Alpha and beta as fractions, and whether these are small ones that the floats stand for."""
    if not isinstance(method, LMM):
        raise TypeError(f"{function}: method is a {type(method).__name__}, expected an LMM")
    concrete(function, method)
    alpha, beta = rational(method.alpha), rational(method.beta)
    if alpha is not None and beta is not None:
        return alpha, beta, True
    return [Fraction(float(a)) for a in method.alpha], [Fraction(float(b)) for b in method.beta], False


def convergence_orders(step_sizes: ArrayLike, errors: ArrayLike) -> jax.Array:
    """Orders seen between successive step sizes: log(e_i/e_{i+1})/log(h_i/h_{i+1}).

    Args:
        step_sizes: (m,) positive, no two successive ones equal.
        errors: (m,) positive.

    Returns:
        (m - 1,).

    Raises:
        ValueError: shapes.
    """
    h, e = jnp.asarray(step_sizes), jnp.asarray(errors)
    if h.ndim != 1 or h.shape != e.shape or h.shape[0] < 2:
        raise ValueError(
            f"convergence_orders: step_sizes have shape {h.shape} and errors {e.shape}, expected one (m,) with m >= 2"
        )
    dtype = jnp.result_type(float) if not jnp.issubdtype(e.dtype, jnp.floating) else e.dtype
    h, e = jnp.log(h.astype(dtype)), jnp.log(e.astype(dtype))
    return (e[:-1] - e[1:]) / (h[:-1] - h[1:])


class RichardsonResult(NamedTuple):
    """Extrapolated values.

    Attributes:
        value: the last entry of the table.
        table: row i holds the values at step size h/2^i extrapolated 0..i times.
        error_estimate: |value - the entry before it in the row|, leaf by leaf.
    """

    value: Any
    table: tuple[tuple[Any, ...], ...]
    error_estimate: Any


def richardson(
    solve: Callable[[Any], Any], step_size: ArrayLike, *, order: int, levels: int, increment: int = 1
) -> RichardsonResult:
    """Extrapolate a method to step size zero by halving the step.

    T_{i,j} = T_{i,j-1} + (T_{i,j-1} - T_{i-1,j-1})/(2^{order + (j-1) increment} - 1).

    Args:
        solve: from a step size to a pytree of floating arrays.
        step_size: () the largest step.
        order: order of the method.
        levels: number of extrapolations, at least 1; `solve` is called levels + 1 times.
        increment: step of the powers in the error's expansion, 2 for symmetric methods.

    Returns:
        `RichardsonResult`.

    Raises:
        ValueError: levels, order or increment below 1.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.9.
    """
    for name, value in (("levels", levels), ("order", order), ("increment", increment)):
        at_least("richardson", name, value, 1)
    table: list[tuple[Any, ...]] = []
    for i in range(levels + 1):
        row = [solve(step_size / 2**i)]
        for j in range(1, i + 1):
            gain = 1 / (2 ** (order + (j - 1) * increment) - 1)
            row.append(jax.tree.map(lambda a, b, gain=gain: a + gain * (a - b), row[-1], table[-1][j - 1]))
        table.append(tuple(row))
    value, before = table[-1][-1], table[-1][-2]
    return RichardsonResult(value, tuple(table), jax.tree.map(lambda a, b: jnp.abs(a - b), value, before))
