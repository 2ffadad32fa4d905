"""Penalties on the slope of a critic."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import non_negative
from depthjax.numerics import safe_norm
from depthjax.numerics._arguments import floats

Critic = Callable[[jax.Array], jax.Array]


def scalar_critic(function: str, critic: Critic, event: jax.Array) -> None:
    """Raise `ValueError` unless the critic maps one event to a scalar."""
    out = jax.eval_shape(critic, event)
    shape = getattr(out, "shape", None)
    if shape != ():
        hint = ": squeeze it" if shape in ((1,), (event.shape[0] if event.ndim else 1, 1)) else ""
        raise ValueError(f"{function}: critic must map one event to a scalar; got {shape}{hint}")


def _events(function: str, name: str, x: jax.Array) -> None:
    if x.ndim == 0 or x.shape[0] == 0:
        raise ValueError(f"{function}: {name} has shape {x.shape}, expected (n, *event) with n >= 1")


def _slopes(function: str, critic: Critic, x: jax.Array) -> jax.Array:
    """Gradients of the critic, an event flattened to a row."""
    scalar_critic(function, critic, x[0])
    return jax.vmap(jax.grad(critic))(x).reshape(x.shape[0], -1)


def gradient_penalty(
    key: jax.Array,
    critic: Critic,
    real: ArrayLike,
    fake: ArrayLike,
    *,
    weight: ArrayLike = 10.0,
    target: ArrayLike = 1.0,
    one_sided: bool = False,
) -> jax.Array:
    """Weight E (|grad C(x)| - target)^2 at points between data and samples.

    x = u x_real + (1 - u) x_fake with one u ~ U[0, 1] per example; the norm runs over all axes of an event.

    Args:
        key: PRNG key of the u.
        critic: one event -> ().
        real: (n, *event) data.
        fake: (n, *event) samples.
        weight: () factor.
        target: () slope that costs nothing.
        one_sided: static, count only slopes above the target.

    Returns:
        () penalty. Where the critic's gradient is zero, the penalty's is finite: the norm has slope zero there.

    Raises:
        ValueError: shapes that differ, or a critic whose value is not a scalar; a negative concrete weight.

    Source:
        Gulrajani et al., Improved Training of Wasserstein GANs (2017), eq. 3; Petzka, Fischer and Lukovnikov (2018)
        for the one-sided form.
    """
    name = "gradient_penalty"
    non_negative(name, weight=weight)
    real, fake = floats(real, fake)
    _events(name, "real", real)
    if real.shape != fake.shape:
        raise ValueError(f"{name}: fake has shape {fake.shape}, expected the shape {real.shape} of real")
    u = jax.random.uniform(key, real.shape[:1], real.dtype).reshape(-1, *[1] * (real.ndim - 1))
    excess = safe_norm(_slopes(name, critic, fake + u * (real - fake))) - jnp.asarray(target, real.dtype)
    excess = jax.nn.relu(excess) if one_sided else excess
    return jnp.asarray(weight, real.dtype) * jnp.mean(excess**2)


def _zero_centred(function: str, critic: Critic, name: str, x: ArrayLike, gamma: ArrayLike) -> jax.Array:
    non_negative(function, gamma=gamma)
    (x,) = floats(x)
    _events(function, name, x)
    slopes = _slopes(function, critic, x)
    return 0.5 * jnp.asarray(gamma, x.dtype) * jnp.mean(jnp.sum(slopes**2, axis=1))


def r1_penalty(critic: Critic, real: ArrayLike, *, gamma: ArrayLike) -> jax.Array:
    """(gamma/2) E |grad C|^2 at data.

    Args:
        critic: one event -> ().
        real: (n, *event) data.
        gamma: () factor.

    Returns:
        () penalty.

    Raises:
        ValueError: no events, a critic whose value is not a scalar, a negative concrete gamma.

    Source:
        Mescheder, Geiger and Nowozin, Which Training Methods for GANs do actually Converge? (2018), eq. 9.
    """
    return _zero_centred("r1_penalty", critic, "real", real, gamma)


def r2_penalty(critic: Critic, fake: ArrayLike, *, gamma: ArrayLike) -> jax.Array:
    """(gamma/2) E |grad C|^2 at samples of the generator.

    Args:
        critic: one event -> ().
        fake: (n, *event) samples.
        gamma: () factor.

    Returns:
        () penalty.

    Raises:
        ValueError: no events, a critic whose value is not a scalar, a negative concrete gamma.

    Source:
        Mescheder, Geiger and Nowozin (2018), eq. 10.
    """
    return _zero_centred("r2_penalty", critic, "fake", fake, gamma)


def consistency_penalty(
    key: jax.Array, critic: Critic, real: ArrayLike, *, weight: ArrayLike, dropout_scale: ArrayLike
) -> jax.Array:
    """Weight E (C(x') - C(x''))^2 for two copies of each event under Gaussian dropout, x' = x (1 + dropout_scale e).

    Args:
        key: PRNG key.
        critic: one event -> (), deterministic.
        real: (n, *event) data.
        weight: () factor.
        dropout_scale: () standard deviation of the multiplicative noise; that of dropout at rate p is
            sqrt(p/(1 - p)).

    Returns:
        () penalty, zero for a constant critic.

    Raises:
        ValueError: no events, a critic whose value is not a scalar, a negative concrete weight or scale.

    Source:
        Wei et al., Improving the Improved Training of Wasserstein GANs (2018), eq. 4, with the perturbation on the
        event; Srivastava et al., Dropout (2014), section 10 for the noise.
    """
    name = "consistency_penalty"
    non_negative(name, weight=weight, dropout_scale=dropout_scale)
    (x,) = floats(real)
    _events(name, "real", x)
    scalar_critic(name, critic, x[0])
    noise = jnp.asarray(dropout_scale, x.dtype) * jax.random.normal(key, (2, *x.shape), x.dtype)
    first, second = jax.vmap(jax.vmap(critic))(x[None] * (1.0 + noise))
    return jnp.asarray(weight, x.dtype) * jnp.mean((first - second) ** 2)
