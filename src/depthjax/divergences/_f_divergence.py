"""f-divergences from log ratios, and the variational bound of a critic."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Estimate
from depthjax.divergences._generators import f_generator
from depthjax.numerics._arguments import floats


def estimate(*terms: jax.Array) -> Estimate:
    """Sum of the means of independent samples, each (n,), with its standard error; NaN error at n = 1."""
    variance = sum(jnp.var(term, ddof=1) / term.size if term.size > 1 else jnp.nan for term in terms)
    return Estimate(sum(jnp.mean(term) for term in terms), jnp.sqrt(variance))


def _vector(function, name, value):
    if value.ndim != 1 or value.size == 0:
        raise ValueError(f"{function}: {name} has shape {value.shape}, expected (n,) with n >= 1")
    return value


def _at(form: Callable[[jax.Array], jax.Array], u: jax.Array) -> jax.Array:
    """form(u) with its limit, and no derivative, where u is infinite: where one of the laws has no mass."""
    endless, most = jnp.isinf(u), 0.25 * jnp.finfo(u.dtype).max
    limit = form(jnp.clip(jax.lax.stop_gradient(u), -most, most))
    limit = jnp.where(jnp.abs(limit) >= 0.125 * most, jnp.sign(limit) * jnp.inf, limit)
    return jnp.where(endless, limit, form(jnp.where(endless, 0.0, u)))


def f_divergence(
    log_ratio_q: ArrayLike, log_ratio_p: ArrayLike | None = None, *, name: str, order: ArrayLike | None = None
) -> Estimate:
    """Estimate E_q f(p/q) from log ratios u = log p - log q at samples.

    With samples of p too, the two-sided form E_q[1(u <= 0) f(e^u)] + E_p[1(u > 0) e^-u f(e^u)], which is finite for
    every generator that grows linearly.

    Args:
        log_ratio_q: (n,) u at samples of q, nats; -inf where p has no mass.
        log_ratio_p: (m,) u at samples of p, nats; inf where q has no mass.
        name: as `f_generator` takes it.
        order: of alpha.

    Returns:
        The estimate and its standard error.

    Raises:
        ValueError: wrong shapes, or an unknown generator.

    Source:
        Nguyen, Wainwright and Jordan, Estimating Divergence Functionals (2010), eq. 2.
    """
    form = f_generator(name, order=order).form()
    if log_ratio_p is None:
        (u,) = floats(log_ratio_q)
        return estimate(_at(form.value, _vector("f_divergence", "log_ratio_q", u)))
    u, v = floats(log_ratio_q, log_ratio_p)
    _vector("f_divergence", "log_ratio_q", u)
    _vector("f_divergence", "log_ratio_p", v)
    low, high = ~(u > 0.0), ~(v <= 0.0)
    below = jnp.where(low, _at(form.value, jnp.where(low, u, 0.0)), 0.0)
    above = jnp.where(high, _at(form.perspective, jnp.where(high, v, 1.0)), 0.0)
    return estimate(below, above)


def variational_bound(
    critic_p: ArrayLike, critic_q: ArrayLike, *, name: str, order: ArrayLike | None = None
) -> Estimate:
    """Lower bound on an f-divergence, E_p T - E_q f*(T) with T the activation of the critic's output.

    Args:
        critic_p: (n,) raw outputs at samples of p.
        critic_q: (m,) raw outputs at samples of q.
        name: as `f_generator` takes it.
        order: of alpha.

    Returns:
        The estimate and its standard error.

    Raises:
        ValueError: wrong shapes, or an unknown generator.

    Numerics:
        Activation and conjugate are joined in closed form, so a saturated critic costs neither digits nor gradient.

    Source:
        Nowozin, Cseke and Tomioka, f-GAN (2016), eq. 4 and 6.
    """
    form = f_generator(name, order=order).form()
    critic_p, critic_q = floats(critic_p, critic_q)
    _vector("variational_bound", "critic_p", critic_p)
    _vector("variational_bound", "critic_q", critic_q)
    return estimate(form.activation(critic_p), -form.composite(critic_q))
