"""Generators of f-divergences in the log ratio u = log p - log q."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import record, static
from depthjax.core._options import chosen, is_concrete
from depthjax.divergences._scalars import LOG_2, js_shifted, wright_omega
from depthjax.numerics import promote, with_partials


class _Form(NamedTuple):
    """A generator f; `perspective` is exp(-u) f(e^u) for u > 0, `composite` is the conjugate of the activation."""

    value: Callable
    perspective: Callable
    conjugate: Callable
    activation: Callable
    critic: Callable
    composite: Callable


@with_partials(lambda u: 2.0 * jnp.sinh(u))
def _neyman(u):
    return -jnp.expm1(u) * jnp.expm1(-u)


def _tv(u):
    return jnp.where(u < 0.0, -jnp.expm1(jnp.minimum(u, 0.0)), 0.0)


@with_partials(lambda t: 1.0 / wright_omega(1.0 - t))
def _jeffreys_conjugate(t):
    s = wright_omega(1.0 - t)
    return 1.0 / s + s + t - 2.0


def _negative(t, fn):
    """`fn` where t < 0, else inf, with zero gradient."""
    return jnp.where(t < 0.0, fn(jnp.where(t < 0.0, t, -1.0)), jnp.inf)


def _log_sigmoid(v):
    return -jax.nn.softplus(-v)


def _js_conjugate(t):
    return _negative(t, lambda s: -0.5 * jnp.log(-jnp.expm1(2.0 * s)) - LOG_2)


_FORMS = {
    "kl": _Form(
        lambda u: u * jnp.exp(u), lambda u: u, lambda t: jnp.exp(t - 1.0), lambda v: v, lambda u: 1.0 + u,
        lambda v: jnp.exp(v - 1.0),
    ),
    "reverse_kl": _Form(
        lambda u: -u, lambda u: -u * jnp.exp(-u), lambda t: _negative(t, lambda s: -1.0 - jnp.log(-s)),
        lambda v: -jnp.exp(-v), lambda u: -jnp.exp(-u), lambda v: v - 1.0,
    ),
    "js": _Form(
        js_shifted,
        lambda u: jnp.exp(-u) * (LOG_2 - 0.5 * jax.nn.softplus(u)) - 0.5 * jax.nn.softplus(-u),
        _js_conjugate, lambda v: 0.5 * _log_sigmoid(v), lambda u: 0.5 * _log_sigmoid(u),
        lambda v: 0.5 * jax.nn.softplus(v) - LOG_2,
    ),
    "gan": _Form(
        lambda u: 2.0 * js_shifted(u),
        lambda u: 2.0 * jnp.exp(-u) * (LOG_2 - 0.5 * jax.nn.softplus(u)) - jax.nn.softplus(-u),
        lambda t: 2.0 * _js_conjugate(0.5 * t), _log_sigmoid, _log_sigmoid,
        lambda v: jax.nn.softplus(v) - 2.0 * LOG_2,
    ),
    "pearson": _Form(
        lambda u: jnp.expm1(u) ** 2, lambda u: jnp.exp(u) * jnp.expm1(-u) ** 2,
        lambda t: jnp.where(t > -2.0, t + 0.25 * t * t, -1.0), lambda v: v, lambda u: 2.0 * jnp.expm1(u),
        lambda v: jnp.where(v > -2.0, v + 0.25 * v * v, -1.0),
    ),
    "neyman": _Form(
        _neyman, lambda u: jnp.expm1(-u) ** 2,
        lambda t: jnp.where(t <= 1.0, 2.0 - 2.0 * jnp.sqrt(1.0 - jnp.where(t < 1.0, t, 0.0)), jnp.inf),
        lambda v: -jnp.expm1(-2.0 * v), lambda u: -jnp.expm1(-2.0 * u), lambda v: 2.0 - 2.0 * jnp.exp(-v),
    ),
    "hellinger": _Form(
        lambda u: -jnp.expm1(0.5 * u), lambda u: jnp.exp(-0.5 * u) * jnp.expm1(-0.5 * u),
        lambda t: _negative(t, lambda s: -1.0 - 0.25 / s), lambda v: -0.5 * jnp.exp(-0.5 * v),
        lambda u: -0.5 * jnp.exp(-0.5 * u), lambda v: -1.0 + 0.5 * jnp.exp(0.5 * v),
    ),
    "tv": _Form(
        _tv, jnp.zeros_like, lambda t: jnp.where(t <= 0.0, jnp.maximum(t, -1.0), jnp.inf),
        lambda v: -jax.nn.sigmoid(-v), lambda u: jnp.where(u < 0.0, -1.0, 0.0).astype(u.dtype),
        lambda v: -jax.nn.sigmoid(-v),
    ),
    "le_cam": _Form(
        lambda u: -jnp.tanh(0.5 * u), lambda u: -jnp.exp(-u) * jnp.tanh(0.5 * u),
        lambda t: _negative(t, lambda s: jnp.where(s > -2.0, 1.0 - s - jnp.sqrt(-8.0 * s), -1.0)),
        lambda v: -2.0 * jax.nn.sigmoid(-v) ** 2, lambda u: -2.0 * jax.nn.sigmoid(-u) ** 2,
        lambda v: 1.0 - 4.0 * jax.nn.sigmoid(-v) + 2.0 * jax.nn.sigmoid(-v) ** 2,
    ),
    "jeffreys": _Form(
        lambda u: u * jnp.expm1(u), lambda u: -u * jnp.expm1(-u), _jeffreys_conjugate,
        lambda v: v, lambda u: u - jnp.expm1(-u), _jeffreys_conjugate,
    ),
}  # fmt: skip
NAMES = (*_FORMS, "alpha")


def _alpha(a) -> _Form:
    both = a * (a - 1.0)

    def conjugate(t):
        power = (a - 1.0) * t
        inside = power > 0.0
        log = jnp.log(jnp.where(inside, power, 1.0))
        end = jnp.where(a > 1.0, 0.0, jnp.inf)
        return jnp.where(inside, jnp.exp(log * a / (a - 1.0)) / a, end) + 1.0 / both

    def activation(v):
        return jnp.exp((a - 1.0) * v) / (a - 1.0)

    return _Form(
        lambda u: jnp.expm1(a * u) / both,
        lambda u: (jnp.exp((a - 1.0) * u) - jnp.exp(-u)) / both,
        conjugate,
        activation,
        activation,
        lambda v: jnp.exp(a * v) / a + 1.0 / both,
    )


@record
class FGenerator:
    """A convex f with f(1) = 0, as functions of log ratios; D_f(p || q) = E_q f(p/q).

    Args:
        name: static name, as `f_generator` takes it.
        order: () order of the alpha generator, else None.
    """

    name: str = static()
    order: Any = None

    def form(self) -> Any:
        """The functions behind the methods."""
        return _alpha(self.order) if self.name == "alpha" else _FORMS[self.name]

    def value(self, log_ratio: ArrayLike) -> jax.Array:
        """f(e^u), elementwise, up to a multiple of e^u - 1."""
        return self.form().value(promote(log_ratio)[0])

    def conjugate(self, t: ArrayLike) -> jax.Array:
        """f*(t) = sup_{r >= 0} t r - f(r), elementwise; +inf outside its domain."""
        return self.form().conjugate(promote(t)[0])

    def activation(self, v: ArrayLike) -> jax.Array:
        """An increasing map of the line into the domain of the conjugate, elementwise."""
        return self.form().activation(promote(v)[0])

    def optimal_critic(self, log_ratio: ArrayLike) -> jax.Array:
        """f'(e^u), the critic at which the variational bound is attained, elementwise."""
        return self.form().critic(promote(log_ratio)[0])


def f_generator(name: str, *, order: ArrayLike | None = None) -> FGenerator:
    """A generator by name.

    kl r log r; reverse_kl -log r; js, gan = 2 js; pearson (r - 1)^2; neyman (r - 1)^2/r; hellinger 1 - sqrt r;
    tv relu(1 - r); le_cam (1 - r)/(1 + r); jeffreys (r - 1) log r; alpha (r^a - 1)/(a (a - 1)).

    Args:
        name: kl, reverse_kl, js, gan, pearson, neyman, hellinger, tv, le_cam, jeffreys or alpha.
        order: a of alpha; 1 and 0 give kl and reverse_kl.

    Returns:
        The generator. Its activation is the critic that a log ratio v would make optimal, except for kl, pearson and
        jeffreys, whose critics are unbounded and pass unchanged.

    Raises:
        ValueError: unknown name, or an order that is missing for alpha or given for another.

    Source:
        Nguyen, Wainwright and Jordan (2010); Nowozin, Cseke and Tomioka (2016), table 6.
    """
    chosen("f_generator", "name", name, NAMES)
    if (name == "alpha") != (order is not None):
        raise ValueError(f"f_generator: order is {order!r} with name {name!r}, expected one exactly for 'alpha'")
    if order is None:
        return FGenerator(name)
    if is_concrete(order) and float(np.asarray(order)) in (0.0, 1.0):
        return FGenerator("kl" if float(np.asarray(order)) == 1.0 else "reverse_kl")
    return FGenerator(name, order)
