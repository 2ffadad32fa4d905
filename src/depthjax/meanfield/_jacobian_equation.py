"""The equation of the Jacobian spectrum, one complex scalar, and what follows from its solution.

With d^ = phi'^2/mu_1, w in the open upper half plane and y = w - 1,

    log z(w) = log w + (L - 1) log1p(K1) + a L log1p(m) + L log chi_1,    z = lambda on the curve Im log z = 0,
    m = E[d^/(w - d^)],  K1 = E[(d^ - 1)/(w - d^)]/E[1/(w - d^)],  a = 1 Gaussian, a = 0 orthogonal weights.

No digits cancel at large L: K1 ~ Var(d^)/w and w ~ L in the bulk.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from depthjax.meanfield._slope_law import SlopeLaw


class Equation(NamedTuple):
    """log z, its derivative in log w, m, log(1 + m), at complex log w."""

    log_z: jax.Array
    slope: jax.Array
    m: jax.Array
    log_one_plus_m: jax.Array


class Setting(NamedTuple):
    """What besides w the equation depends on; `gaussian` is a static 0.0 or 1.0."""

    law: SlopeLaw
    log_chi: jax.Array
    depth: jax.Array


def against(y: jax.Array, nodes: jax.Array) -> jax.Array:
    """Y - x for every node x, the nodes last."""
    return y[..., None] - nodes.reshape((1,) * y.ndim + nodes.shape)


def log1p(z: jax.Array, full: jax.Array) -> jax.Array:
    """Principal log(1 + z) for z, given also as full = 1 + z."""
    re, im = jnp.real(z), jnp.imag(z)
    near = jnp.abs(re) + jnp.abs(im) < 0.5
    safe_re, safe_im = jnp.where(near, re, 0.0), jnp.where(near, im, 0.0)
    small = 0.5 * jnp.log1p(safe_re * (2.0 + safe_re) + safe_im * safe_im)
    size = jnp.hypot(jnp.real(full), jnp.imag(full))
    modulus = jnp.where(near, small, jnp.log(jnp.where(near, 1.0, size)))
    return jax.lax.complex(modulus, jnp.arctan2(jnp.imag(full), jnp.real(full)))


def minus_one(v: jax.Array) -> jax.Array:
    """exp(v) - 1 for complex v, without cancellation."""
    re, im = jnp.real(v), jnp.imag(v)
    half = jnp.sin(0.5 * im)
    return jax.lax.complex(jnp.expm1(re) * jnp.cos(im) - 2.0 * half * half, jnp.exp(re) * jnp.sin(im))


def equation(v: jax.Array, setting: Setting, gaussian: float) -> Equation:
    """Evaluate at log w = v, any shape (complex)."""
    law, depth = setting.law, setting.depth
    y = minus_one(v)
    kind = v.dtype
    w = 1.0 + y
    # Real pairs: the compiler vectorises them, complex division it does not.
    re, im = against(jnp.real(y), law.excess), jnp.imag(y)[..., None]
    scale = 1.0 / (re * re + im * im)
    first_re, first_im = re * scale, -im * scale
    second_re, second_im = first_re * first_re - first_im * first_im, 2.0 * first_re * first_im
    columns = jnp.stack([law.weights, law.weights * law.excess**2], axis=-1)
    first = jax.lax.complex(first_re @ columns, first_im @ columns)
    second = jax.lax.complex(second_re @ columns, second_im @ columns)
    resolvent, spread = first[..., 0], first[..., 1]
    d_resolvent, d_spread = -second[..., 0], -second[..., 1]
    variance = law.weights @ law.excess**2
    small = jnp.real(y) ** 2 + jnp.imag(y) ** 2 < variance
    safe = jnp.where(small, 1.0 + 0.0 * y, y)
    drift = jnp.where(small, y * resolvent - 1.0, spread / safe)
    d_drift = jnp.where(small, resolvent + y * d_resolvent, d_spread / safe - spread / (safe * safe))
    m, d_m = resolvent + drift, d_resolvent + d_drift
    k1 = drift / resolvent
    log_k = log1p(k1, m / resolvent)
    log_m = log1p(m, w * resolvent)
    layers = depth.astype(kind)
    log_z = v + (layers - 1.0) * log_k + (setting.depth * setting.log_chi).astype(kind)
    slope = 1.0 + (layers - 1.0) * w * (d_drift - k1 * d_resolvent) / m
    if gaussian:
        log_z = log_z + layers * log_m
        slope = slope + layers * w * d_m / (w * resolvent)
    return Equation(log_z, slope, m, log_m)


def cdf_above(v: jax.Array, setting: Setting, gaussian: float) -> jax.Array:
    """P(> lambda) at the solution: Im Phi(w)/pi with Phi the antiderivative of m dlog z."""
    law = setting.law
    y = minus_one(v)
    angles = jnp.arctan2(*jnp.broadcast_arrays(jnp.imag(y)[..., None], against(jnp.real(y), law.excess)))
    mean_angle = angles @ law.weights - jnp.imag(v)
    parts = equation(v, setting, gaussian)
    arg = jnp.imag(parts.log_one_plus_m)
    total = setting.depth * mean_angle + (setting.depth - 1.0) * arg
    if gaussian:
        total = total + setting.depth * (jnp.imag(parts.m) - arg)
    return total / jnp.pi
