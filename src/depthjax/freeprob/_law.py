"""What a spectral law is: one probability measure on the line, with its transforms as pure methods."""

import abc
import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core import constraints, float_dtype, offers
from depthjax.core._options import positive
from depthjax.core._shapes import Shape, as_shape, check_unstacked, event_argument, over_batch
from depthjax.freeprob._argument import cast_law, complex_argument, valid_law
from depthjax.freeprob._branch import on_axis
from depthjax.freeprob._moments import free_cumulants_to_moments, moments_to_free_cumulants
from depthjax.numerics import implicit_root
from depthjax.numerics._roots import solve_increasing


class BoundaryResult(NamedTuple):
    """A value of the Stieltjes transform and how well it is known.

    Attributes:
        value: complex G(z), or G(x + i0); NaN where it could not be found.
        residual: real, what is left of the equation that defines it; 0 for closed forms.
        converged: Boolean, whether `value` can be trusted.
    """

    value: jax.Array
    residual: jax.Array
    converged: jax.Array


class InverseResult(NamedTuple):
    """A value of an inverted transform and how well it is known.

    Attributes:
        value: the solution, NaN where there is none on the branch.
        residual: real, |transform(value) - argument| relative to the argument.
        converged: Boolean, whether `value` can be trusted.
    """

    value: jax.Array
    residual: jax.Array
    converged: jax.Array


class SpectralLaw(abc.ABC):
    """One probability measure on the line as a record: a continuous part and finitely many atoms.

    A subclass, decorated with `record`, writes for **one** scalar point

    - `_stieltjes(z) -> BoundaryResult`: G(z) = E 1/(z - X) for complex z in the closed upper half plane, where a real z
      means the limit from above (`closed_form(value)` wraps a value that needs no solver);
    - `_log_potential(z) -> complex`: U(z) = E log(z - X), imaginary part in [0, pi], from which the cdf follows as
      1 - Im U(x + i0)/pi; or `_cdf(x)` itself;
    - `_bounds() -> (low, high)`: any interval that holds the support, atoms included;
    - `_moments(order)` or `_free_cumulants(order)`, each `(order,)`;

    may write `_shift(z)` = 1/G(z) - z and `_moment_transform(z)` = z G(z) - 1 where those do not cancel at large z,
    `_edges() -> (num_intervals, 2)` and `_atoms() -> (locations, masses)` where there are such,
    `_log_density(x)`, `_cdf(x)`, `_quantile(u)`, `_sample_many(key, shape)`, `_sample_matrix(key, dim)`.

    The public methods check shapes, map over leading batch axes, and return NaN where a parameter violates its
    constraint.
    """

    @classmethod
    def _complete(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Check that parameters are scalars, and positive where declared so; laws with other parameters override."""
        for field in dataclasses.fields(cls):
            if field.metadata.get("constraint") is constraints.positive:
                positive(cls.__name__, **{field.name: fields[field.name]})
        for name, value in fields.items():
            if isinstance(value, jax.Array) and value.ndim:
                raise ValueError(
                    f"{cls.__name__}: {name} has shape {value.shape}, expected (); map over laws with vmap"
                )
        return fields

    @abc.abstractmethod
    def _stieltjes(self, z: jax.Array) -> BoundaryResult:
        """G at one complex point of the closed upper half plane."""

    def _log_potential(self, z: jax.Array) -> jax.Array:
        raise NotImplementedError(f"{type(self).__name__} writes neither _log_potential nor _cdf")

    def _shift(self, z: jax.Array) -> jax.Array:
        """1/G(z) - z, which maps the upper half plane into its closure and tends to minus the mean."""
        return 1.0 / self._stieltjes(z).value - z

    def _moment_transform(self, z: jax.Array) -> jax.Array:
        """Sum m_k z^-k = z G(z) - 1."""
        return z * self._stieltjes(z).value - 1.0

    @abc.abstractmethod
    def _bounds(self) -> tuple[jax.Array, jax.Array]:
        """An interval that holds the support."""

    def _edges(self) -> jax.Array:
        return jnp.zeros((0, 2), float_dtype(self))

    def _atoms(self) -> tuple[jax.Array, jax.Array]:
        return jnp.zeros((0,), float_dtype(self)), jnp.zeros((0,), float_dtype(self))

    def log_density(self, x: ArrayLike) -> jax.Array:
        """Log density of the continuous part: rho(x) = -Im G(x + i0)/pi.

        Args:
            x: (*batch) points, in the unit of the spectrum.

        Returns:
            (*batch) nats; -inf outside the support of the continuous part, with zero gradient.

        Raises:
            TypeError: complex `x`.
            ValueError: a stacked record.
        """
        return self._at_points("log_density", x, lambda law, t: law._log_density(t))

    def density(self, x: ArrayLike) -> jax.Array:
        """Density of the continuous part, (*batch) -> (*batch) per unit of the spectrum; 0 outside the support."""
        return self._at_points("density", x, lambda law, t: jnp.exp(law._log_density(t)))

    def cdf(self, x: ArrayLike) -> jax.Array:
        """P(X <= x), atoms included, right-continuous.

        F(x) = 1 - Im U(x + i0)/pi with U(z) = E log(z - X): no integration over x.

        Args:
            x: (*batch).

        Returns:
            (*batch) in [0, 1].
        """
        return self._at_points("cdf", x, lambda law, t: jnp.clip(law._cdf(t), 0.0, 1.0))

    def quantile(self, u: ArrayLike) -> jax.Array:
        """Smallest x with cdf(x) >= u, (*batch) -> (*batch); NaN for u outside [0, 1].

        Differentiable in `u` and in the parameters, dx/du = 1/rho(x); at an atom it moves with the atom.
        """
        return self._at_points("quantile", u, lambda law, p: law._quantile(p))

    def moments(self, order: int) -> jax.Array:
        """Raw moments m_1, ..., m_order, (order,).

        Raises:
            TypeError: `order` is not a Python integer.
            ValueError: `order` below 1.
        """
        self._check_order("moments", order)
        return self._guard(self._moments(order))

    def free_cumulants(self, order: int) -> jax.Array:
        """Free cumulants kappa_1, ..., kappa_order, (order,): R(g) = sum kappa_n g^(n-1)."""
        self._check_order("free_cumulants", order)
        return self._guard(self._free_cumulants(order))

    def edges(self) -> jax.Array:
        """Ends of the intervals of the continuous part, (num_intervals, 2), ascending; rows of NaN pad."""
        check_unstacked(self, "edges")
        return self._guard(self._edges())

    def atoms(self) -> tuple[jax.Array, jax.Array]:
        """Locations and masses of the atoms, (k,) and (k,); entries of mass 0 are no atoms."""
        check_unstacked(self, "atoms")
        return tuple(self._guard(value) for value in self._atoms())

    def stieltjes(self, z: ArrayLike) -> jax.Array:
        """Stieltjes transform G(z) = E 1/(z - X).

        Args:
            z: (*batch), complex; a complex point with imaginary part 0 means the limit from above. Or real.

        Returns:
            (*batch) complex; real for real `z`, and then NaN on the support of the continuous part.

        Raises:
            TypeError: complex128 input while float64 is off.
        """
        check_unstacked(self, "stieltjes")
        is_complex, z = complex_argument(self, "stieltjes", "z", z)
        if not is_complex:
            value = self.boundary_stieltjes(z).value
            return jnp.where(jnp.imag(value) == 0.0, jnp.real(value), jnp.nan)
        law = cast_law(self, jnp.finfo(z.dtype).dtype)
        return over_batch(lambda point: law._guard(in_plane(law, point).value), z, 0)

    def boundary_stieltjes(self, x: ArrayLike) -> BoundaryResult:
        """Boundary value G(x + i0), without smoothing.

        Args:
            x: (*batch) real.

        Returns:
            `BoundaryResult` of complex (*batch), real (*batch) and Boolean (*batch): the real part of the value is pi
            times the Hilbert transform of the density, the imaginary part is -pi times the density.
        """
        return self._at_points("boundary_stieltjes", x, lambda law, t: law._stieltjes(on_axis(t)))

    def sample(self, key: jax.Array, sample_shape: int | Shape = ()) -> jax.Array:
        """Independent draws, (*sample_shape)."""
        check_unstacked(self, "sample")
        return self._guard(self._sample_many(key, as_shape(sample_shape)))

    @offers("_sample_matrix")
    def sample_matrix(self, key: jax.Array, dim: int) -> jax.Array:
        """Symmetric random matrix whose spectrum tends to this law, (dim, dim)."""
        check_unstacked(self, "sample_matrix")
        return self._guard(self._sample_matrix(key, dim))

    def _log_density(self, x):
        value = self._stieltjes(on_axis(x)).value
        mass = -jnp.imag(value) / math.pi
        inside = mass > 0.0
        return jnp.where(jnp.isnan(mass), jnp.nan, jnp.where(inside, jnp.log(jnp.where(inside, mass, 1.0)), -jnp.inf))

    def _cdf(self, x):
        low, high = self._bounds()
        inside = (x >= low) & (x < high)
        safe = jnp.where(inside, x, jnp.where(jnp.isfinite(high), high, 0.0))
        value = 1.0 - jnp.imag(self._log_potential(on_axis(right_of_atom(self, safe)))) / math.pi
        outside = jnp.where(x < low, 0.0, jnp.where(x >= high, 1.0, jnp.nan))
        return jnp.where(inside, value, outside)

    def _quantile(self, u):
        low, high = self._bounds()
        frozen, start, end = lax.stop_gradient((self, low, high))
        root = _invert_cdf(frozen, start, end, lax.stop_gradient(u))
        atom, is_atom = _nearest_atom(self, root)
        slope = jnp.exp(frozen._log_density(root))
        smooth = ~is_atom & (slope > 0.0) & jnp.isfinite(slope)

        def gap(t, law, p):
            return jnp.where(smooth, law._cdf(jnp.where(smooth, t, end)) - p, t - root)

        value = jnp.where(is_atom, atom, implicit_root(gap, root, self, u))
        return jnp.where((u >= 0.0) & (u <= 1.0), value, jnp.nan)

    def _moments(self, order):
        return free_cumulants_to_moments(self._free_cumulants(order))

    def _free_cumulants(self, order):
        return moments_to_free_cumulants(self._moments(order))

    def _sample_many(self, key, shape):
        uniform = jax.random.uniform(key, shape, float_dtype(self), minval=jnp.finfo(float_dtype(self)).tiny)
        return over_batch(self._quantile, uniform, 0)

    def _valid(self) -> jax.Array:
        """() bool, whether every declared constraint holds, in this law and in the laws within."""
        return valid_law(self)

    def _guard(self, value):
        ok = self._valid()

        def fill(leaf):
            if leaf.dtype == jnp.bool_:
                return leaf & ok
            return jnp.where(ok, leaf, jnp.nan) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf

        return jax.tree.map(fill, value)

    def _at_points(self, method, x, half):
        x = event_argument(self, method, "x", x, ())
        dtype = jnp.promote_types(x.dtype, float_dtype(self))
        law = cast_law(self, dtype)
        return over_batch(lambda t: law._guard(half(law, t)), x.astype(dtype), 0)

    def _check_order(self, method, order):
        check_unstacked(self, method)
        if not isinstance(order, int) or isinstance(order, bool):
            raise TypeError(f"{type(self).__name__}.{method}: order must be a Python integer, got {order!r}")
        if order < 1:
            raise ValueError(f"{type(self).__name__}.{method}: order must be at least 1, got {order}")


def closed_form(value: jax.Array) -> BoundaryResult:
    """The result of a formula: no residual, converged where it is not NaN."""
    return BoundaryResult(value, jnp.zeros_like(jnp.real(value)), ~jnp.isnan(value))


def in_plane(law: SpectralLaw, z: jax.Array) -> BoundaryResult:
    """G at one complex point of the whole plane, by reflection below the axis."""
    below = jnp.imag(z) < 0.0
    result = law._stieltjes(jnp.where(below, jnp.conj(z), z))
    return result._replace(value=jnp.where(below, jnp.conj(result.value), result.value))


def right_of_atom(law: SpectralLaw, x: jax.Array) -> jax.Array:
    """`x`, moved to the right of the atom on which it lies, if it does."""
    _, is_atom = _nearest_atom(law, x)
    low, high = law._bounds()
    width = jnp.maximum(jnp.maximum(jnp.abs(low), jnp.abs(high)), high - low)
    return jnp.where(is_atom, x + 32.0 * jnp.finfo(x.dtype).eps * width, x)


def _invert_cdf(law, low, high, u):
    """Where the cdf passes `u`: Newton steps on it, bisection where it jumps or is flat."""
    eps = jnp.finfo(u.dtype).eps
    level = jnp.clip(u, eps, 1.0 - eps)

    def evaluate(x):
        return law._cdf(x) - level, jnp.exp(law._log_density(x))

    return solve_increasing(evaluate, low, high, 0.5 * low + 0.5 * high, num_steps=120)


def _nearest_atom(law, x):
    """The location of the atom at `x`, and whether there is one, to rounding."""
    locations, masses = law._atoms()
    if not locations.shape[0]:
        return x, jnp.zeros((), bool)
    low, high = law._bounds()
    distance = jnp.where(masses > 0.0, jnp.abs(locations - x), jnp.inf)
    nearest = jnp.argmin(lax.stop_gradient(distance))
    width = jnp.maximum(jnp.maximum(jnp.abs(low), jnp.abs(high)), high - low)
    return locations[nearest], distance[nearest] <= 16.0 * jnp.finfo(x.dtype).eps * width
