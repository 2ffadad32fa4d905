"""The flow of a differential equation as a bijector."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.bijectors._conditioner import check_conditioner
from depthjax.core import Bijector, constraints, derived, param, record, static
from depthjax.core._options import at_least, chosen
from depthjax.numerics import divergence_exact, divergence_with_probes
from depthjax.ode import (
    BOSH3,
    DOPRI5,
    EULER,
    HEUN,
    MIDPOINT,
    RALSTON,
    RK4,
    TSIT5,
    Solution,
    odeint_backsolve,
    odeint_interpolated,
    odeint_replay,
    solve_fixed,
)
from depthjax.ode._arguments import tolerances
from depthjax.ode._solution import nan_unless

MOST_EXACT = 32
_FIXED = {
    "euler": EULER, "midpoint": MIDPOINT, "heun": HEUN, "ralston": RALSTON, "rk4": RK4, "bosh3": BOSH3,
    "dopri5": DOPRI5, "tsit5": TSIT5,
}  # fmt: skip
_PAIRS = ("bosh3", "dopri5", "tsit5")
_ADJOINTS = {"replay": odeint_replay, "interpolated": odeint_interpolated, "backsolve": odeint_backsolve}


@record
class ContinuousFlow(Bijector):
    """The map z(t0) -> z(t1) of dz/dt = field(t, z), whose log-det is the integral of tr d field/dz.

    Args:
        field: callable pytree (t (), z (d,)) -> (d,): a flax nnx module, `Apply`, or a record.
        t0: () start.
        t1: () end.
        solver: static, "bosh3", "dopri5" or "tsit5"; on a fixed grid also "euler", "midpoint", "heun", "ralston",
            "rk4".
        num_steps: static, steps of a fixed grid; None steps adaptively.
        rtol: static, relative tolerance of adaptive steps.
        atol: static, absolute tolerance.
        max_steps: static, adaptive steps at most.
        adjoint: static, gradient of adaptive steps: "replay" of the accepted steps, "interpolated" or "backsolve".
        probes: (m, d) vectors v, held fixed: the trace is the mean of v^T J v. None takes the exact trace.
        exact: static, True allows the exact trace above d = 32.
        dim: static, d, where neither probes nor the field's parameters tell it.

    Raises:
        ValueError: unknown options or ones out of range, d above 32 with neither probes nor `exact=True`, probes of
            another size, or a field that fails or changes the shape.
        TypeError: a field that is no callable pytree of parameters.

    Numerics:
        Forward and inverse integrate the same equation both ways, so that a round trip is good to the tolerances. NaN
        where `max_steps` did not reach the end. With probes the log-det is that of an estimate, unbiased over probes
        and the same for every call with these. On a fixed grid derivatives of every order exist; adaptive steps have
        reverse-mode first derivatives.

    Cost:
        Each slope costs d (exact) or m Jacobian-vector products.

    Source:
        Chen et al., Neural Ordinary Differential Equations (2018), theorem 1; Grathwohl et al., FFJORD (2019).
    """

    field: Any
    t0: jax.Array = param(constraints.real, default=0.0)
    t1: jax.Array = param(constraints.real, default=1.0)
    solver: str = static(default="dopri5")
    num_steps: int | None = static(default=None)
    rtol: float = static(default=1e-5)
    atol: float = static(default=1e-5)
    max_steps: int = static(default=1024)
    adjoint: str = static(default="replay")
    probes: Any = None
    exact: bool | None = static(default=None)
    dim: int | None = static(default=None)
    event_shape: tuple[int, ...] = derived()

    inverse_kind = "iterative"

    @classmethod
    def _complete(cls, fields):
        name, field, probes = cls.__name__, fields["field"], fields["probes"]
        check_conditioner(name, field)
        chosen(name, "solver", fields["solver"], _PAIRS if fields["num_steps"] is None else _FIXED)
        chosen(name, "adjoint", fields["adjoint"], _ADJOINTS)
        tolerances(name, fields["rtol"], fields["atol"])
        at_least(name, "max_steps", fields["max_steps"], 1)
        if fields["num_steps"] is not None and fields["num_steps"] < 1:
            raise ValueError(f"{name}: num_steps is {fields['num_steps']}, expected None or at least 1")
        dim = _dimension(name, field, probes, fields["dim"])
        if probes is not None:
            if fields["exact"]:
                raise ValueError(f"{name}: probes are given with exact=True, expected one of the two")
            fields = {**fields, "probes": _probes(name, probes, dim)}
        elif dim > MOST_EXACT and not fields["exact"]:
            raise ValueError(f"{name}: d is {dim}; the exact trace costs d JVPs; pass probes or exact=True")
        return {**fields, "dim": dim, "event_shape": (dim,)}

    def with_probes(self, probes: ArrayLike) -> "ContinuousFlow":
        """The same flow, its trace estimated with fixed probes (m, d).

        Raises:
            ValueError: probes of another shape.
        """
        name = f"{type(self).__name__}.with_probes"
        return dataclasses.replace(self, probes=_probes(name, probes, self.dim), exact=None)

    def trace_terms(self, t: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The field at (t, z), and the trace of its Jacobian there: () exact, or (m,) terms whose mean estimates it."""
        if self.probes is None:
            return divergence_exact(lambda v: self.field(t, v), z)
        probes = jax.lax.stop_gradient(self.probes).astype(z.dtype)
        return divergence_with_probes(lambda v: self.field(t, v), z, probes)

    def solve(self, slope: Any, y0: Any, *, reverse: bool = False) -> Solution:
        """Integrate `slope(t, y, None)` from t0 to t1, or back, as this flow does."""
        dtype = jax.tree.leaves(y0)[0].dtype
        sound = jnp.isfinite(self.t0) & jnp.isfinite(self.t1)
        ends = (jnp.where(sound, t, 0.0).astype(dtype) for t in (self.t0, self.t1))
        solution = self._between(slope, nan_unless(sound, y0), *ends, reverse=reverse)
        return solution._replace(converged=solution.converged & sound)

    def _between(self, slope, y0, t0, t1, *, reverse):
        start, end = (t1, t0) if reverse else (t0, t1)
        if self.num_steps is not None:
            length = end - start

            def scaled(share, y, args):  # a grid of shares stays monotone where there is no time at all
                return jax.tree.map(lambda v: length * v, slope(start + share * length, y, args))

            shares = np.linspace(0.0, 1.0, self.num_steps + 1)
            solution = solve_fixed(scaled, y0, shares, method=_FIXED[self.solver], remat="step", save="last")
            return solution._replace(ts=end[None])
        integrate = _ADJOINTS[self.adjoint]
        options = {"rtol": self.rtol, "atol": self.atol, "max_steps": self.max_steps}
        return integrate(slope, y0, start, end, method=_FIXED[self.solver], **options)

    def _run(self, x, *, reverse):
        def slope(t, y, _):
            value, trace = self.trace_terms(t, y[0])
            return value, jnp.mean(trace)

        y, log_det = self.solve(slope, (x, jnp.zeros((), x.dtype)), reverse=reverse).y1
        return y, log_det

    def _forward_and_log_det(self, x):
        return self._run(x, reverse=False)

    def _inverse_and_log_det(self, y):
        return self._run(y, reverse=True)


def _probes(name: str, probes: Any, dim: int) -> jax.Array:
    if jnp.ndim(probes) != 2 or jnp.shape(probes)[1] != dim or jnp.shape(probes)[0] == 0:
        raise ValueError(f"{name}: probes have shape {jnp.shape(probes)}, expected (m, {dim})")
    return jnp.asarray(probes)


def _dimension(name: str, field: Any, probes: Any, dim: int | None) -> int:
    """d, as given, from the probes or the field, or the one size among its parameters that it maps to itself."""
    if dim is None:
        dim = getattr(field, "dim", None)
    if dim is None and probes is not None:
        dim = jnp.shape(probes)[-1]
    if dim is not None:
        try:
            kept = _shape(field, dim) == (dim,)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: field does not map (t, z) with z of shape ({dim},): {error}") from error
        if not kept:
            raise ValueError(f"{name}: field does not map (t, z) with z of shape ({dim},) to that shape")
        return dim
    sizes = sorted({size for leaf in jax.tree.leaves(field) for size in jnp.shape(leaf)})
    fitting = [size for size in sizes if _keeps(field, size)]
    if len(fitting) != 1:
        raise ValueError(f"{name}: the size of field's events is not clear from {type(field).__name__}; give dim")
    return fitting[0]


def _keeps(field, dim):
    try:
        return _shape(field, dim) == (dim,)
    except (TypeError, ValueError):
        return False


def _shape(field, dim):
    leaves = [leaf for leaf in jax.tree.leaves(field) if hasattr(leaf, "dtype")]
    dtype = jnp.result_type(*leaves) if leaves else jnp.result_type(float)
    struct = jax.ShapeDtypeStruct((dim,), dtype)
    return getattr(jax.eval_shape(lambda z: field(jnp.zeros((), dtype), z), struct), "shape", None)
