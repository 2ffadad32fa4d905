"""The limiting spectrum of J J^T for the input-output Jacobian J = D_L W_L ... D_1 W_1 of a wide random network."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation
from depthjax.meanfield._jacobian_cdf import cdf_above, cdf_above_gap
from depthjax.meanfield._jacobian_edges import find_atoms, find_edges
from depthjax.meanfield._jacobian_profile import atoms_of_profile, solve_profile
from depthjax.meanfield._jacobian_setting import JacobianDensity, check, is_deep_enough, setting_of
from depthjax.meanfield._jacobian_solve import Options, solve, tolerance
from depthjax.meanfield._one_layer import has_one_layer, one_layer
from depthjax.meanfield._resolution import accepted, edge_error, relative_error
from depthjax.numerics._elementwise import promote


def _scalar_q(name: str, q: ArrayLike) -> None:
    """Refuse layer-wise lengths."""
    if jnp.ndim(q):
        raise ValueError(
            f"{name}: q has shape {jnp.shape(q)}, expected () (a fixed point); layer-wise q is taken by "
            "the density, the cdf, the quantiles, the atoms and the moments"
        )


def _is_inside(log_lam, edges):
    above, below = log_lam[:, None] > edges.log_lam[None, :, 0], log_lam[:, None] < edges.log_lam[None, :, 1]
    return jnp.any(above & below, axis=1)


@partial(jax.jit, static_argnames=("ensemble", "options"))
def _solve_flat(log_lam, activation, q, sigma_w, depth, ensemble, options):
    gaussian = float(ensemble == "gaussian")
    setting, coarse, ok = setting_of(activation, q, sigma_w, depth)
    in_range, ok = ok, ok & is_deep_enough(activation, depth, gaussian)
    edges = lax.stop_gradient(find_edges(setting, gaussian))
    inside = _is_inside(log_lam, edges)
    found = solve(gaussian, options, log_lam, setting, (*coarse, setting)[0], edges, inside)
    settled = jnp.abs(found.gap) <= 16.0 * tolerance(*lax.stop_gradient((log_lam, setting)))
    target = lax.complex(log_lam, jnp.zeros_like(log_lam))
    error = relative_error(found.place, found.m, target, found.gap, coarse, gaussian)
    accurate = settled & (error <= accepted(log_lam.dtype))
    # Near an edge that the rule does not resolve, a point may seem to lie on the other side of it.
    doubt = 100.0 * edge_error(edges, coarse, gaussian) * jnp.maximum(1.0, jnp.abs(edges.log_lam))
    near = jnp.any(jnp.abs(log_lam[:, None] - edges.log_lam.ravel()[None]) < doubt.ravel()[None], axis=1)
    converged = ok & (accurate | (~inside & ~near)) & ~jnp.isnan(log_lam)

    imaginary = -jnp.imag(found.m)
    positive = inside & settled & (imaginary > 0.0)
    log_density = jnp.log(jnp.where(positive, imaginary, 1.0)) - math.log(math.pi) - log_lam
    log_density = jnp.where(positive, log_density, -jnp.inf)
    log_density = jnp.where(converged, log_density, jnp.nan)

    cdf = 1.0 - cdf_above(found.place, found.m, found.arg, found.turn, setting, gaussian)
    cdf = jnp.where(inside, cdf, _cdf_outside(log_lam, setting, edges, gaussian))
    cdf = jnp.where(converged, jnp.clip(cdf, 0.0, 1.0), jnp.nan)
    if not gaussian and has_one_layer(activation):
        one, exact = (
            depth <= 1.0,
            one_layer(log_lam, activation, jnp.where(in_range, q, 1.0), jnp.where(in_range, sigma_w, 1.0)),
        )
        converged = jnp.where(one, in_range & (q > 0.0) & ~jnp.isnan(log_lam), converged)
        log_density, cdf = (
            jnp.where(one, jnp.where(converged, a, jnp.nan), b)
            for a, b in ((exact.log_density, log_density), (exact.cdf, cdf))
        )
    omega = jnp.exp(lax.complex(found.place.log_r, found.place.theta)) * setting.law.mean.astype(target.dtype)
    omega = jnp.where(inside & settled, omega, jnp.nan)
    return JacobianDensity(log_density, cdf, omega, jnp.where(inside, jnp.abs(found.gap), 0.0), converged)


def _cdf_outside(log_lam, setting, edges, gaussian):
    """In a gap: the mass of the a.c. intervals and atoms below."""
    locations, masses = find_atoms(setting, gaussian)
    below = jnp.sum(jnp.where(locations[None, :] <= log_lam[:, None], masses[None, :], 0.0), axis=1)
    starts, ends = edges.log_lam[:, 0], edges.log_lam[:, 1]
    content = _interval_masses(setting, edges, gaussian, locations, masses)
    passed = (ends[None, :] <= log_lam[:, None]) & ~jnp.isnan(starts)[None, :]
    return below + jnp.sum(jnp.where(passed, content[None, :], 0.0), axis=1)


def _interval_masses(setting, edges, gaussian, locations, masses):
    """Mass of each a.c. interval, from Phi just above its upper edge; the last takes what is left."""
    valid = ~jnp.isnan(edges.log_w[:, 1])
    w = jnp.where(valid, edges.log_w[:, 1], 2.0)
    upto = 1.0 - cdf_above_gap(jnp.exp(w), jnp.expm1(w), setting, gaussian)
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
    if q.ndim:
        result = solve_profile(flat, activation, q, sigma_w, depth, ensemble)
    else:
        result = _solve_flat(flat, activation, q, sigma_w, depth, ensemble, Options(**options))
    return jax.tree.map(lambda leaf: leaf.reshape(log_lam.shape + leaf.shape[1:]), result)


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
        q: variance of pre-activations at the fixed point, (); or (num_layers,), one for each layer.
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers L >= 1, real, (); traced, so one trace serves all depths. Agrees with `q` if that is
            layer-wise; NaN where a traced one does not.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        `JacobianDensity` of the shape of `log_lam`; omega has a further axis of layers if `q` has.

    Raises:
        ValueError: unknown `ensemble`, sigma_w not positive, depth below one or not that of a layer-wise `q`.
        TypeError: `activation` is a bare function.

    Numerics:
        The branch is unique: log(1 + m) and log K are integrals of 1/(w - t) against nonnegative measures, so that at
        fixed |w| the ratio arg z/arg w increases with arg w, and lambda increases with |w| along the curve. Two nested
        bisections therefore converge from anywhere; Newton's method from a table on the curve gets there sooner.
        For the built-in activations that are not piecewise linear E runs along a path in the complex plane on which
        1/(w - d) stays regular as w comes down to the axis, and along the real line where w is near the negative axis.
        For others it runs along the real line: below 1.5 orthogonal layers the result is NaN, not converged. One
        orthogonal layer of an activation with `turning_points` is a change of variables, exact up to the edges.
        `converged` says that the estimated error of the density is at most 1e-8 of it, 1e-4 in float32: error of the
        rule, from the answers of half and of a quarter of its nodes; what the last Newton step left; rounding. Rounding
        of log lambda and of log chi_1 is no part of it: in float32 L layers move lambda by L units in the last place.
        What is not converged is NaN: near zero, near the top of orthogonal layers fewer than two at q below about one,
        within rounding of an edge; for erf and gelu at large q what comes from slopes below the smallest float.
        Lengths that differ: all layers share m, and w_1, ..., w_L are followed from z = -lambda, where they are real,
        along the half circle to z = lambda, on which they are analytic.
        The cdf is closed form, int m dlog z = L E log(1 - d/w) + (L - 1) log(1 + m) + a L (m - log(1 + m)).

    Cost: O(len(log_lam) * nodes) for each of about five Newton steps; 100 to 200 nodes at q < 0.9, some hundreds from
        there on, growing with sqrt(q) to at most 3000 to 4000. With layer-wise q about a hundred evaluations of every
        layer, in blocks of 64 values of lambda.

    Source:
        Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid", 2017, sec. 2; "The emergence of spectral
        universality in deep networks", 2018.
    """
    check("jacobian_density_solve", activation, q, sigma_w, depth, ensemble)
    return run(log_lam, activation, q, sigma_w, depth, ensemble)


def jacobian_log_density(
    log_lam: ArrayLike, activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """Log density of the continuous part of the spectrum of J J^T, with respect to lambda.

    Args:
        log_lam: log lambda, any shape.
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced, real and at least 1.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        log rho of the shape of `log_lam`; -inf outside the continuous spectrum. See `jacobian_density_solve`.
    """
    check("jacobian_log_density", activation, q, sigma_w, depth, ensemble)
    return run(log_lam, activation, q, sigma_w, depth, ensemble).log_density


def jacobian_cdf(
    log_lam: ArrayLike, activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """P(<= lambda) of the spectrum of J J^T, atoms included, without integration over lambda.

    Args:
        log_lam: log lambda, any shape.
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        The cdf, of the shape of `log_lam`.
    """
    check("jacobian_cdf", activation, q, sigma_w, depth, ensemble)
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
        (num_intervals, 2) of log lambda, ascending, NaN rows last; -inf where the spectrum starts at zero. NaN also for
        an edge that half and a quarter of the nodes do not confirm to 1e-8 of max(1, |log lambda|), or 1e-4 in float32.
        An atom above the last interval is no edge: `jacobian_atoms`.

    Numerics: derivatives by the envelope theorem, z at fixed w.
    """
    check("jacobian_edges", activation, q, sigma_w, depth, ensemble)
    _scalar_q("jacobian_edges", q)
    return _known_edges(activation, *promote(q, sigma_w, depth), ensemble)


@partial(jax.jit, static_argnames="ensemble")
def _known_edges(activation, q, sigma_w, depth, ensemble):
    setting, coarse, ok = setting_of(activation, q, sigma_w, depth)
    gaussian = float(ensemble == "gaussian")
    edges = find_edges(setting, gaussian)
    known = edge_error(edges, coarse, gaussian) <= accepted(edges.log_lam.dtype)
    return jnp.where(ok & known, edges.log_lam, jnp.nan)


def jacobian_atoms(
    activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> tuple[jax.Array, jax.Array]:
    """Atoms of the spectrum of J J^T.

    At zero the mass is the largest P(phi' = 0) of a layer; orthogonal weights keep an atom of phi'^2 of mass p at x as
    one of mass max(0, 1 - L(1 - p)) at (sigma_w^2 x)^L.

    Args:
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        `(log_locations, masses)`, (k,) each; the first entry is zero, of log location -inf. Entries of mass zero are
        no atoms.
    """
    check("jacobian_atoms", activation, q, sigma_w, depth, ensemble)
    if jnp.ndim(q):
        return atoms_of_profile(activation, q, sigma_w, depth, ensemble)
    return _all_atoms(activation, *promote(q, sigma_w, depth), ensemble)


@partial(jax.jit, static_argnames="ensemble")
def _all_atoms(activation, q, sigma_w, depth, ensemble):
    setting, _, ok = setting_of(activation, q, sigma_w, depth)
    locations, masses = find_atoms(setting, float(ensemble == "gaussian"))
    return jnp.where(ok, locations, jnp.nan), jnp.where(ok, masses, jnp.nan)
