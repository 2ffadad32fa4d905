"""Losses of the two players of a generative adversarial network, both to be minimised."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.divergences import f_generator
from depthjax.numerics._arguments import floats

Losses = Callable[[jax.Array, jax.Array], "AdversarialLosses"]


class AdversarialLosses(NamedTuple):
    """Losses of both players, to be minimised.

    Attributes:
        critic: () loss of the critic.
        generator: () loss of the generator.
    """

    critic: jax.Array
    generator: jax.Array


def _logits(function: str, real_logits: ArrayLike, fake_logits: ArrayLike) -> list[jax.Array]:
    arrays = floats(real_logits, fake_logits)
    for name, array in zip(("real_logits", "fake_logits"), arrays, strict=True):
        if array.ndim != 1 or array.shape[0] == 0:
            hint = ": squeeze it" if array.ndim == 2 and array.shape[1] == 1 else ""
            raise ValueError(f"{function}: {name} has shape {array.shape}, expected (n,) with n >= 1{hint}")
    return arrays


def minimax_losses(real_logits: ArrayLike, fake_logits: ArrayLike) -> AdversarialLosses:
    """Both players on one value: critic mean softplus(-r) + mean softplus(g), generator -mean softplus(g).

    Args:
        real_logits: (n,) critic's outputs r at data.
        fake_logits: (m,) critic's outputs g at samples of the generator.

    Returns:
        `AdversarialLosses`, () each; the critic's loss is 2 log 2 - 2 JSD at the best critic. The generator's gradient
        vanishes where the critic is sure of its samples.

    Raises:
        ValueError: logits that are not vectors.

    Source:
        Goodfellow et al., Generative Adversarial Nets (2014), eq. 1.
    """
    r, g = _logits("minimax_losses", real_logits, fake_logits)
    fooled = jnp.mean(jax.nn.softplus(g))
    return AdversarialLosses(jnp.mean(jax.nn.softplus(-r)) + fooled, -fooled)


def nonsaturating_losses(real_logits: ArrayLike, fake_logits: ArrayLike) -> AdversarialLosses:
    """The minimax critic with generator mean softplus(-g), whose gradient does not vanish.

    Args:
        real_logits: (n,) critic's outputs r at data.
        fake_logits: (m,) critic's outputs g at samples of the generator.

    Returns:
        `AdversarialLosses`, () each.

    Raises:
        ValueError: logits that are not vectors.

    Source:
        Goodfellow et al. (2014), section 3.
    """
    r, g = _logits("nonsaturating_losses", real_logits, fake_logits)
    critic = jnp.mean(jax.nn.softplus(-r)) + jnp.mean(jax.nn.softplus(g))
    return AdversarialLosses(critic, jnp.mean(jax.nn.softplus(-g)))


def hinge_losses(real_logits: ArrayLike, fake_logits: ArrayLike) -> AdversarialLosses:
    """Critic mean relu(1 - r) + mean relu(1 + g), generator -mean g.

    Args:
        real_logits: (n,) critic's outputs r at data.
        fake_logits: (m,) critic's outputs g at samples of the generator.

    Returns:
        `AdversarialLosses`, () each.

    Raises:
        ValueError: logits that are not vectors.

    Source:
        Lim and Ye, Geometric GAN (2017).
    """
    r, g = _logits("hinge_losses", real_logits, fake_logits)
    return AdversarialLosses(jnp.mean(jax.nn.relu(1.0 - r)) + jnp.mean(jax.nn.relu(1.0 + g)), -jnp.mean(g))


def least_squares_losses(real_logits: ArrayLike, fake_logits: ArrayLike) -> AdversarialLosses:
    """Critic (1/2) mean (r - 1)^2 + (1/2) mean g^2, generator (1/2) mean (g - 1)^2.

    Args:
        real_logits: (n,) critic's outputs r at data.
        fake_logits: (m,) critic's outputs g at samples of the generator.

    Returns:
        `AdversarialLosses`, () each.

    Raises:
        ValueError: logits that are not vectors.

    Source:
        Mao et al., Least Squares GANs (2017), eq. 9.
    """
    r, g = _logits("least_squares_losses", real_logits, fake_logits)
    critic = 0.5 * jnp.mean((r - 1.0) ** 2) + 0.5 * jnp.mean(g**2)
    return AdversarialLosses(critic, 0.5 * jnp.mean((g - 1.0) ** 2))


def wasserstein_losses(real_logits: ArrayLike, fake_logits: ArrayLike) -> AdversarialLosses:
    """Critic mean g - mean r, generator -mean g.

    Minus the critic's loss is a lower bound on W1 (in the data's unit) if the critic is 1-Lipschitz.

    Args:
        real_logits: (n,) critic's outputs r at data.
        fake_logits: (m,) critic's outputs g at samples of the generator.

    Returns:
        `AdversarialLosses`, () each.

    Raises:
        ValueError: logits that are not vectors.

    Source:
        Arjovsky, Chintala and Bottou, Wasserstein GAN (2017), eq. 2.
    """
    r, g = _logits("wasserstein_losses", real_logits, fake_logits)
    return AdversarialLosses(jnp.mean(g) - jnp.mean(r), -jnp.mean(g))


def relativistic_average_losses(real_logits: ArrayLike, fake_logits: ArrayLike) -> AdversarialLosses:
    """Critic mean softplus(-(r - mean g)) + mean softplus(g - mean r), generator its mirror image.

    Args:
        real_logits: (n,) critic's outputs r at data.
        fake_logits: (m,) critic's outputs g at samples of the generator.

    Returns:
        `AdversarialLosses`, () each; the generator's depends on the data too.

    Raises:
        ValueError: logits that are not vectors.

    Source:
        Jolicoeur-Martineau, The relativistic discriminator (2019), section 4.
    """
    r, g = _logits("relativistic_average_losses", real_logits, fake_logits)
    real, fake = r - jnp.mean(g), g - jnp.mean(r)
    critic = jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))
    return AdversarialLosses(critic, jnp.mean(jax.nn.softplus(-fake)) + jnp.mean(jax.nn.softplus(real)))


def f_gan_losses(
    real_logits: ArrayLike, fake_logits: ArrayLike, *, name: str, order: ArrayLike | None = None
) -> AdversarialLosses:
    """Both players on the variational bound E T(r) - E f*(T(g)) of an f-divergence, T the generator's activation.

    Args:
        real_logits: (n,) critic's raw outputs r at data.
        fake_logits: (m,) critic's raw outputs g at samples of the generator.
        name: f-divergence, as `divergences.f_generator` takes it.
        order: of alpha.

    Returns:
        `AdversarialLosses`, () each: minus the bound, and its part that the generator moves, -mean f*(T(g)).

    Raises:
        ValueError: logits that are not vectors, an unknown name, a missing order.

    Numerics:
        f* and T are joined in closed form, so a saturated critic costs neither digits nor gradient.

    Source:
        Nowozin, Cseke and Tomioka, f-GAN (2016), eq. 4.
    """
    form = f_generator(name, order=order).form()
    r, g = _logits("f_gan_losses", real_logits, fake_logits)
    fake = jnp.mean(form.composite(g))
    return AdversarialLosses(fake - jnp.mean(form.activation(r)), -fake)
