"""The limiting spectrum of J J^T for the input-output Jacobian J = D_L W_L ... D_1 W_1 of a wide random network."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import chosen
from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import require, require_scales
from depthjax.meanfield._jacobian_edges import find_atoms, find_edges
from depthjax.meanfield._jacobian_equation import Setting, cdf_above, equation
from depthjax.meanfield._jacobian_solve import solve
from depthjax.meanfield._slope_law import slope_law
from depthjax.numerics._elementwise import promote

ENSEMBLES = ("gaussian", "orthogonal")


class JacobianDensity(NamedTuple):
    """What one solve of the equation of the spectrum gives at log lambda.

    Attributes:
        log_density: log rho with respect to lambda; -inf outside the continuous spectrum, NaN where not solved.
        cdf: P(<= lambda), atoms included.
        omega: the point w of the upper half plane in units of E phi'^2, complex.
        residual: |log z(w) - log lambda|.
        converged: Boolean.
    """

    log_density: jax.Array
    cdf: jax.Array
    omega: jax.Array
    residual: jax.Array
    converged: jax.Array


def check(name: str, activation: Any, q: Any, sigma_w: Any, depth: Any, ensemble: str) -> None:
    """Static facts about the arguments that all spectra share."""
    require_activation(name, activation)
    chosen(name, "ensemble", ensemble, ENSEMBLES)
    require_scales(name, sigma_w)
    require(name, "depth", depth, lambda v: v >= 1.0, "at least 1")
    if jnp.ndim(q) > 1:
        raise ValueError(f"{name}: q has shape {jnp.shape(q)}, expected () or (num_layers,)")
    if jnp.ndim(q) == 1 and not isinstance(depth, jax.core.Tracer) and int(depth) != jnp.shape(q)[0]:
        raise ValueError(f"{name}: depth is {depth}, but q has {jnp.shape(q)[0]} layers; they must agree")


def setting_of(activation, q, sigma_w, depth) -> tuple[Setting, jax.Array]:
    """The equation's parameters for a fixed point q, and whether they are in range."""
    ok = (q >= 0.0) & (sigma_w > 0.0) & (depth >= 1.0)
    q, sigma_w, depth = jnp.where(ok, q, 1.0), jnp.where(ok, sigma_w, 1.0), jnp.where(ok, depth, 2.0)
    law = slope_law(activation, q)
    return Setting(law, 2.0 * jnp.log(sigma_w) + jnp.log(law.mean), depth), ok


def is_resolved(v, log_z, setting, activation, q, gaussian):
    """Whether the rule for E over h is accurate at the solution v of log z(v) = log_z, judged by half its nodes."""
    if activation.is_piecewise_linear:
        return jnp.ones(v.shape, bool)
    frozen, q, v, log_z = lax.stop_gradient((setting, q, v, log_z))
    coarse = frozen._replace(law=slope_law(lax.stop_gradient(activation), q, coarse=True))
    parts = equation(v, coarse, gaussian)
    there = v - (parts.log_z - log_z) / parts.slope
    m = equation(v, frozen, gaussian).m
    change = equation(there, coarse, gaussian).m - m
    tol = float(jnp.finfo(q.dtype).eps) ** 0.25  # the error of the full rule is about the square of this one
    # The density is the imaginary part, where there is one.
    complex_part = jnp.abs(jnp.imag(change)) <= tol * jnp.abs(jnp.imag(m))
    return jnp.where(jnp.imag(m) == 0.0, jnp.abs(change) <= tol * jnp.abs(m), complex_part)


def is_deep_enough(activation, depth, gaussian):
    """Towards one layer the poles of the integrand reach the real axis, where the trapezoid rule does not follow."""
    return jnp.asarray(bool(gaussian) or activation.is_piecewise_linear) | (depth >= 1.5)


def _scalar_q(name, q):
    if jnp.ndim(q):
        raise ValueError(
            f"{name}: q has shape {jnp.shape(q)}, expected () (a fixed point); layer-wise q is taken by "
            "jacobian_moments and jacobian_variance"
        )


def _parts(log_lam, activation, q, sigma_w, depth, ensemble, options):
    """Flat `log_lam`; everything differentiable, by one Newton step of size zero around the solution."""
    gaussian = float(ensemble == "gaussian")
    setting, ok = setting_of(activation, q, sigma_w, depth)
    edges = find_edges(setting, gaussian)
    inside = jnp.any(
        (log_lam[:, None] > edges.log_lam[None, :, 0]) & (log_lam[:, None] < edges.log_lam[None, :, 1]), axis=1
    )
    frozen = lax.stop_gradient(log_lam)
    found = solve(frozen, setting, edges, gaussian, **options)
    eps = float(jnp.finfo(log_lam.dtype).eps)
    tol = 1e3 * eps * (1.0 + jnp.abs(frozen) + lax.stop_gradient(setting.depth * jnp.abs(setting.log_chi)))
    settled = found.residual <= tol
    use = inside & settled
    v = lax.complex(jnp.where(use, found.log_r, 0.0), jnp.where(use, found.theta, 1.0))
    v = _attach(v, log_lam, setting, gaussian)
    return setting, ok, edges, inside, settled, use, v, found.residual


def _attach(v, log_lam, setting, gaussian):
    """Derivatives of log w to second order: two Newton steps, without effect on the value at a solution."""
    for _ in range(2):
        parts = equation(v, setting, gaussian)
        gap = parts.log_z - lax.complex(log_lam, jnp.zeros_like(log_lam))
        v = v - (gap - lax.stop_gradient(gap)) / parts.slope
    return v


def _steps_from_zero(log_lam, locations, masses):
    """Mass of the atoms at or below lambda."""
    return jnp.sum(jnp.where(locations[None, :] <= log_lam[:, None], masses[None, :], 0.0), axis=1)


def _solve_flat(log_lam, activation, q, sigma_w, depth, ensemble, options):
    gaussian = float(ensemble == "gaussian")
    setting, ok, edges, inside, settled, use, v, residual = _parts(
        log_lam, activation, q, sigma_w, depth, ensemble, options
    )
    imaginary = -jnp.imag(equation(v, setting, gaussian).m)
    positive = use & (imaginary > 0.0)
    log_density = jnp.log(jnp.where(positive, imaginary, 1.0)) - math.log(math.pi) - log_lam
    ok = ok & is_deep_enough(activation, depth, gaussian)
    accurate = settled & is_resolved(v, lax.complex(log_lam, jnp.zeros_like(log_lam)), setting, activation, q, gaussian)
    converged = ok & (accurate | ~inside)
    log_density = jnp.where(inside, jnp.where(positive, log_density, -jnp.inf), -jnp.inf)
    log_density = jnp.where(converged, log_density, jnp.nan)
    cdf = jnp.where(inside, 1.0 - cdf_above(v, setting, gaussian), _cdf_outside(log_lam, setting, edges, gaussian))
    cdf = jnp.where(converged, jnp.clip(cdf, 0.0, 1.0), jnp.nan)
    omega = jnp.exp(v) * setting.law.mean.astype(v.dtype)
    omega = jnp.where(use, omega, jnp.nan)
    return JacobianDensity(log_density, cdf, omega, jnp.where(inside, residual, 0.0), converged)


def _cdf_outside(log_lam, setting, edges, gaussian):
    """In a gap: the mass of the a.c. intervals and atoms below."""
    locations, masses = find_atoms(setting, gaussian)
    below = _steps_from_zero(log_lam, locations, masses)
    starts, ends = edges.log_lam[:, 0], edges.log_lam[:, 1]
    content = _interval_masses(setting, edges, gaussian, locations, masses)
    passed = (ends[None, :] <= log_lam[:, None]) & ~jnp.isnan(starts)[None, :]
    return below + jnp.sum(jnp.where(passed, content[None, :], 0.0), axis=1)


def _interval_masses(setting, edges, gaussian, locations, masses):
    """Mass of each a.c. interval, from Phi just above its upper edge; the last takes what is left."""
    valid = ~jnp.isnan(edges.log_w[:, 1])
    w = jnp.where(valid, edges.log_w[:, 1], 2.0)
    tail = cdf_above(lax.complex(w, jnp.full_like(w, 1e-300 if w.dtype == jnp.float64 else 1e-30)), setting, gaussian)
    upto = 1.0 - tail
    ends = jnp.where(valid, edges.log_lam[:, 1], 0.0)
    less = jnp.sum(jnp.where(locations[None, :] < ends[:, None], masses[None, :], 0.0), axis=1)
    total = jnp.where(valid, upto - less, 0.0)
    return jnp.where(valid, jnp.diff(total, prepend=jnp.zeros_like(total[:1])), 0.0)


def run(log_lam, activation, q, sigma_w, depth, ensemble, **options) -> JacobianDensity:
    """Any shape of `log_lam`; scalars promoted to its dtype."""
    (log_lam,) = promote(log_lam)
    dtype = jnp.result_type(log_lam, *(x for x in (q, sigma_w) if isinstance(x, jax.Array)))
    q, sigma_w, depth = (jnp.asarray(value, dtype) for value in (q, sigma_w, depth))
    flat = jnp.ravel(log_lam).astype(dtype)
    result = _solve_flat(flat, activation, q, sigma_w, depth, ensemble, options)
    return jax.tree.map(lambda leaf: leaf.reshape(log_lam.shape), result)


def jacobian_density_solve(
    log_lam: ArrayLike, activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> JacobianDensity:
    """Density and cdf of the spectrum of J J^T, with the residual of the equation.

    With d = phi'(sqrt(q) h)^2, m(w) = E[d/(w - d)] and K(w) = m/E[1/(w - d)],

        log z(w) = log w + (L - 1) log K(w) + a L log(1 + m(w)) + 2 L log sigma_w,

    lambda = z where Im log z = 0 in the upper half plane, and rho = -Im m/(pi lambda); a = 1 for Gaussian and 0 for
    orthogonal weights.

    Args:
        log_lam: log lambda, any shape.
        activation: phi.
        q: variance of pre-activations at the fixed point, ().
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers L >= 1, real, (); traced, so one trace serves all depths.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        `JacobianDensity` of the shape of `log_lam`.

    Raises:
        ValueError: unknown `ensemble`, sigma_w not positive, depth below one.
        TypeError: `activation` is a bare function.

    Numerics:
        The branch is unique: log(1 + m) and log K are integrals of 1/(w - t) against nonnegative measures, so that at
        fixed |w| the ratio arg z/arg w increases with arg w, and lambda increases with |w| along the curve. Two nested
        bisections therefore converge from anywhere; Newton's method from a table on the curve gets there sooner.
        Below 1.5 orthogonal layers of an activation that is not piecewise linear the result is NaN, not converged.
        The cdf is closed form, int m dlog z = L E log(1 - d/w) + (L - 1) log(1 + m) + a L (m - log(1 + m)).

    Cost: O(len(log_lam) * 161) for each of about five Newton steps.

    Source:
        Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid", 2017, sec. 2; "The emergence of spectral
        universality in deep networks", 2018.
    """
    check("jacobian_density_solve", activation, q, sigma_w, depth, ensemble)
    _scalar_q("jacobian_density_solve", q)
    return run(log_lam, activation, q, sigma_w, depth, ensemble)


def jacobian_log_density(
    log_lam: ArrayLike, activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """Log density of the continuous part of the spectrum of J J^T, with respect to lambda.

    Args:
        log_lam: log lambda, any shape.
        activation: phi.
        q: variance of pre-activations, ().
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced, real and at least 1.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        log rho of the shape of `log_lam`; -inf outside the continuous spectrum. See `jacobian_density_solve`.
    """
    check("jacobian_log_density", activation, q, sigma_w, depth, ensemble)
    _scalar_q("jacobian_log_density", q)
    return run(log_lam, activation, q, sigma_w, depth, ensemble).log_density


def jacobian_cdf(
    log_lam: ArrayLike, activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """P(<= lambda) of the spectrum of J J^T, atoms included, without integration over lambda.

    Args:
        log_lam: log lambda, any shape.
        activation: phi.
        q: variance of pre-activations, ().
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        The cdf, of the shape of `log_lam`.
    """
    check("jacobian_cdf", activation, q, sigma_w, depth, ensemble)
    _scalar_q("jacobian_cdf", q)
    return run(log_lam, activation, q, sigma_w, depth, ensemble).cdf


def jacobian_edges(
    activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """Ends of the intervals of the continuous spectrum of J J^T.

    Args:
        activation: phi.
        q: variance of pre-activations, ().
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        (num_intervals, 2) of log lambda, ascending, NaN rows last; -inf where the spectrum starts at zero.
        An atom above the last interval is no edge: `jacobian_atoms`.

    Numerics: derivatives by the envelope theorem, z at fixed w.
    """
    check("jacobian_edges", activation, q, sigma_w, depth, ensemble)
    _scalar_q("jacobian_edges", q)
    q, sigma_w, depth = promote(q, sigma_w, depth)
    setting, ok = setting_of(activation, q, sigma_w, depth)
    return jnp.where(ok, find_edges(setting, float(ensemble == "gaussian")).log_lam, jnp.nan)


def jacobian_atoms(
    activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> tuple[jax.Array, jax.Array]:
    """Atoms of the spectrum of J J^T.

    At zero the mass is the largest P(phi' = 0) of a layer; orthogonal weights keep an atom of phi'^2 of mass p at x as
    one of mass max(0, 1 - L(1 - p)) at (sigma_w^2 x)^L.

    Args:
        activation: phi.
        q: variance of pre-activations, ().
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        `(log_locations, masses)`, (k,) each; the first entry is zero, of log location -inf. Entries of mass zero are
        no atoms.
    """
    check("jacobian_atoms", activation, q, sigma_w, depth, ensemble)
    _scalar_q("jacobian_atoms", q)
    q, sigma_w, depth = promote(q, sigma_w, depth)
    setting, ok = setting_of(activation, q, sigma_w, depth)
    locations, masses = find_atoms(setting, float(ensemble == "gaussian"))
    return jnp.where(ok, locations, jnp.nan), jnp.where(ok, masses, jnp.nan)
