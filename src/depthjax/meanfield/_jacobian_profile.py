"""Density, cdf and atoms of the spectrum of J J^T for a profile of lengths, one for each layer."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.meanfield._activation import Activation
from depthjax.meanfield._jacobian_edges import find_atoms_of_layers
from depthjax.meanfield._jacobian_equation import Setting, path_sum
from depthjax.meanfield._jacobian_layers import Layers, cdf_above_layers, change_of_m, solve_layers
from depthjax.meanfield._jacobian_setting import JacobianDensity, is_deep_enough
from depthjax.meanfield._jacobian_solve import tolerance
from depthjax.meanfield._resolution import accepted, last_error
from depthjax.meanfield._slope_law import slope_laws
from depthjax.numerics._elementwise import promote

_BLOCK = 64


def _layers(activation, q, sigma_w, depth):
    """The layers by all nodes, by half and by a quarter of them, and whether all arguments are in range."""
    ok = jnp.all(q >= 0.0) & (sigma_w > 0.0) & (depth == q.shape[0])
    q, sigma_w = jnp.where(ok, q, 1.0), jnp.where(ok, sigma_w, 1.0)
    laws = jax.vmap(lambda q: slope_laws(activation, q))(q)
    layers, *coarse = (Layers(law, 2.0 * jnp.log(sigma_w) + law.log_mean) for law in laws)
    return layers, lax.stop_gradient(tuple(coarse)), ok


def _error(found, log_lam, coarse, gaussian):
    """Estimate of the relative error of Im m, of m itself in a gap."""
    whole = jnp.where(found.inside, jnp.abs(jnp.imag(found.m)), jnp.abs(found.m))
    if not coarse:
        return jnp.zeros_like(whole)
    half, quarter = (change_of_m(found, log_lam, layers, gaussian) for layers in coarse)

    def share(change):
        return jnp.where(found.inside, jnp.abs(jnp.imag(change)), jnp.abs(change)) / whole

    terms = jax.vmap(path_sum)(found.place, coarse[0].laws)
    rounding = 0.5 * float(jnp.finfo(whole.dtype).eps) * jnp.max(terms, axis=0)
    return last_error(share(half), share(quarter - half)) + jnp.where(found.inside, rounding, 0.0) / whole


@partial(jax.jit, static_argnames="ensemble")
def solve_profile(log_lam, activation: Activation, q, sigma_w, depth, ensemble: str) -> JacobianDensity:
    """For flat `log_lam`, (n,), and q of (num_layers,); omega is (n, num_layers)."""
    gaussian = float(ensemble == "gaussian")
    layers, coarse, ok = _layers(activation, q, sigma_w, depth)
    ok = ok & is_deep_enough(activation, depth, gaussian)
    frozen = lax.stop_gradient(layers)
    # What rounding leaves, as of equal layers of the mean log chi.
    mean = Setting(None, jnp.mean(jnp.abs(frozen.log_chi)), jnp.asarray(float(q.shape[0]), log_lam.dtype))

    def block(log_lam):
        found = solve_layers(gaussian, log_lam, layers, (*coarse, frozen)[0])
        settled = found.gap <= 16.0 * tolerance(lax.stop_gradient(log_lam), mean)
        error = _error(lax.stop_gradient(found), log_lam, coarse, gaussian)
        converged = ok & settled & (error <= accepted(log_lam.dtype)) & ~jnp.isnan(log_lam)
        imaginary = -jnp.imag(found.m)
        positive = found.inside & (imaginary > 0.0)
        log_density = jnp.log(jnp.where(positive, imaginary, 1.0)) - math.log(math.pi) - log_lam
        log_density = jnp.where(converged, jnp.where(positive, log_density, -jnp.inf), jnp.nan)
        cdf = jnp.clip(1.0 - cdf_above_layers(found, layers, gaussian), 0.0, 1.0)
        omega = jnp.exp(lax.complex(found.place.log_r, found.place.theta)) * layers.laws.mean[:, None].astype(
            found.m.dtype
        )
        omega = jnp.where(converged & found.inside, omega, jnp.nan)
        return JacobianDensity(log_density, jnp.where(converged, cdf, jnp.nan), omega.T, found.gap, converged)

    size = log_lam.shape[0]
    if size <= _BLOCK:
        return block(log_lam)
    blocks = jnp.pad(log_lam, (0, -size % _BLOCK), mode="edge").reshape(-1, _BLOCK)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:size], lax.map(block, blocks))


def top_of_profile(activation: Activation, q, sigma_w, depth, ensemble: str) -> jax.Array:
    """A bound of log lambda: that of a product is at most the sum of those of its factors."""
    layers, _, _ = _layers(activation, q, sigma_w, depth)
    each = layers.log_chi + jnp.log(jnp.max(layers.laws.high, axis=1))
    return jnp.sum(each + (math.log(4.0) if ensemble == "gaussian" else 0.0))


def atoms_of_profile(activation: Activation, q, sigma_w, depth, ensemble: str) -> tuple[jax.Array, jax.Array]:
    """Log locations and masses, as `jacobian_atoms`."""
    sigma_w, depth, *q = promote(sigma_w, depth, *jnp.asarray(q))
    layers, _, ok = _layers(activation, jnp.stack(q), sigma_w, depth)
    locations, masses = find_atoms_of_layers(layers.laws, layers.log_chi, float(ensemble == "gaussian"))
    return jnp.where(ok, locations, jnp.nan), jnp.where(ok, masses, jnp.nan)
