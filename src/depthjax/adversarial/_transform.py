"""Training of a generator against a critic as a pure pair of functions."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.typing import ArrayLike

from depthjax.adversarial._losses import Losses, nonsaturating_losses, wasserstein_losses
from depthjax.adversarial._penalties import gradient_penalty, scalar_critic
from depthjax.adversarial._spectral import clip_weights
from depthjax.core._options import at_least, is_concrete, positive

Model = Callable[[Any, jax.Array], jax.Array]
Penalty = Callable[[jax.Array, Callable[[jax.Array], jax.Array], jax.Array, jax.Array], jax.Array]


class GanState(NamedTuple):
    """Everything that a step reads and writes.

    Attributes:
        generator: parameters of the generator.
        critic: parameters of the critic.
        generator_opt: optax state of the generator.
        critic_opt: optax state of the critic.
        ema: exponential moving average of the generator's parameters, None where none is kept.
        step: () int32, generator steps taken.
    """

    generator: Any
    critic: Any
    generator_opt: Any
    critic_opt: Any
    ema: Any
    step: jax.Array


class GanMetrics(NamedTuple):
    """What a step reports, each number at the parameters before the update that it belongs to.

    Attributes:
        critic_loss: (num_critic_steps,) without the penalty.
        generator_loss: ().
        penalty: (num_critic_steps,), zero without one.
        wasserstein_estimate: (num_critic_steps,) mean C(real) - mean C(fake); an estimate from below of the
            critic's Lipschitz constant times W1.
        critic_gradient_norm: (num_critic_steps,).
        generator_gradient_norm: ().
    """

    critic_loss: jax.Array
    generator_loss: jax.Array
    penalty: jax.Array
    wasserstein_estimate: jax.Array
    critic_gradient_norm: jax.Array
    generator_gradient_norm: jax.Array


class AdversarialTransformation(NamedTuple):
    """A pure pair, like `optax.GradientTransformation`.

    Attributes:
        init: `init(generator_params, critic_params) -> GanState`.
        update: `update(key, state, real, latent) -> (GanState, GanMetrics)`, one step of the generator after
            `num_critic_steps` of the critic; `real` is (num_critic_steps, n, *event), `latent`
            (num_critic_steps + 1, n, *latent), the last batch for the generator.
    """

    init: Callable[[Any, Any], GanState]
    update: Callable[[jax.Array, GanState, jax.Array, jax.Array], tuple[GanState, GanMetrics]]


class _Game(NamedTuple):
    generator: Model
    critic: Model
    losses: Losses
    penalty: Penalty | None

    def samples(self, params: Any, latent: jax.Array) -> jax.Array:
        return jax.vmap(self.generator, (None, 0))(params, latent)

    def logits(self, params: Any, x: jax.Array) -> jax.Array:
        return jax.vmap(self.critic, (None, 0))(params, x)

    def critic_loss(self, params, key, real, fake):
        r, g = self.logits(params, real), self.logits(params, fake)
        loss, extra = self.losses(r, g)[0], jnp.zeros((), r.dtype)
        if self.penalty is not None:
            extra = self.penalty(key, lambda x: self.critic(params, x), real, fake).astype(r.dtype)
        return loss + extra, (loss, extra, jnp.mean(r) - jnp.mean(g))

    def generator_loss(self, params, critic_params, real, latent):
        fake = self.samples(params, latent)
        return self.losses(self.logits(critic_params, real), self.logits(critic_params, fake))[1]


def _moved(tx: optax.GradientTransformation, gradient: Any, state: Any, params: Any) -> tuple[Any, Any]:
    with jax.numpy_dtype_promotion("standard"):
        updates, state = tx.update(gradient, state, params)
        return optax.apply_updates(params, updates), state


def _check_batches(game: _Game, state: GanState, real: jax.Array, latent: jax.Array, num_critic_steps: int) -> None:
    if real.ndim < 2 or real.shape[0] != num_critic_steps:
        raise ValueError(
            f"update: real has shape {real.shape}, expected ({num_critic_steps}, n, *event), a batch for each step of "
            f"the critic"
        )
    if latent.ndim < 2 or latent.shape[0] != num_critic_steps + 1:
        raise ValueError(
            f"update: latent has shape {latent.shape}, expected ({num_critic_steps + 1}, n, *latent), the last batch "
            f"for the generator"
        )
    made = jax.eval_shape(game.generator, state.generator, latent[0, 0]).shape
    if made != real.shape[2:]:
        raise ValueError(f"update: generator makes events of shape {made}, expected {real.shape[2:]} as in real")
    scalar_critic("update", lambda x: game.critic(state.critic, x), real[0, 0])


def gan(
    generator: Model,
    critic: Model,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    losses: Losses = nonsaturating_losses,
    penalty: Penalty | None = None,
    num_critic_steps: int = 1,
    clip: ArrayLike | None = None,
    ema_decay: ArrayLike | None = None,
) -> AdversarialTransformation:
    """Alternating training of a generator and a critic.

    Args:
        generator: (params, latent) -> event, for one latent.
        critic: (params, event) -> (), for one event.
        generator_tx: optax transformation of the generator's gradients.
        critic_tx: optax transformation of the critic's gradients.
        losses: (real_logits, fake_logits) -> `AdversarialLosses`, both minimised.
        penalty: (key, critic, real, fake) -> (), added to the critic's loss; `gradient_penalty` is one, and
            `lambda key, critic, real, fake: r1_penalty(critic, real, gamma=10.0)` another.
        num_critic_steps: static, steps of the critic before one of the generator.
        clip: bound on the critic's entries, enforced after each of its steps.
        ema_decay: decay of a moving average of the generator's parameters, in [0, 1); None keeps none.

    Returns:
        `AdversarialTransformation(init, update)`, both pure: they may be jitted, scanned and vmapped.

    Raises:
        ValueError: no critic steps, `clip` and `penalty` both given, a decay outside [0, 1), a concrete clip that is
            not positive; at trace time, batches without the axis of critic steps, events that differ, or a critic whose
            value is not a scalar.

    Source:
        Goodfellow et al., Generative Adversarial Nets (2014), algorithm 1.
    """
    if clip is not None and penalty is not None:
        raise ValueError("gan: clip and penalty are both given, expected at most one bound on the critic's slope")
    return _transformation(
        _Game(generator, critic, losses, penalty), generator_tx, critic_tx, num_critic_steps, clip, ema_decay
    )


def _transformation(game, generator_tx, critic_tx, num_critic_steps, clip, ema_decay) -> AdversarialTransformation:
    at_least("gan", "num_critic_steps", num_critic_steps, 1)
    if clip is not None:
        positive("gan", clip=clip)
    if ema_decay is not None and is_concrete(ema_decay) and not 0.0 <= float(ema_decay) < 1.0:
        raise ValueError(f"gan: ema_decay is {ema_decay}, expected a number in [0, 1)")

    def init(generator_params, critic_params):
        with jax.numpy_dtype_promotion("standard"):
            opts = generator_tx.init(generator_params), critic_tx.init(critic_params)
        ema = None if ema_decay is None else generator_params
        return GanState(generator_params, critic_params, *opts, ema, jnp.zeros((), jnp.int32))

    def critic_step(generator_params, carry, batch):
        params, opt = carry
        key, real, latent = batch
        fake = game.samples(generator_params, latent)
        gradient, seen = jax.grad(game.critic_loss, has_aux=True)(params, key, real, fake)
        params, opt = _moved(critic_tx, gradient, opt, params)
        params = params if clip is None else clip_weights(params, clip)
        return (params, opt), (*seen, optax.tree.norm(gradient))

    def update(key, state, real, latent):
        real, latent = jnp.asarray(real), jnp.asarray(latent)
        _check_batches(game, state, real, latent, num_critic_steps)
        batches = (jax.random.split(key, num_critic_steps), real, latent[:-1])
        (critic_params, critic_opt), seen = lax.scan(
            lambda carry, batch: critic_step(state.generator, carry, batch), (state.critic, state.critic_opt), batches
        )
        loss, gradient = jax.value_and_grad(game.generator_loss)(state.generator, critic_params, real[-1], latent[-1])
        params, generator_opt = _moved(generator_tx, gradient, state.generator_opt, state.generator)
        ema = None if ema_decay is None else _averaged(state.ema, params, ema_decay)
        critic_loss, extra, estimate, critic_norm = seen
        metrics = GanMetrics(critic_loss, loss, extra, estimate, critic_norm, optax.tree.norm(gradient))
        return GanState(params, critic_params, generator_opt, critic_opt, ema, state.step + 1), metrics

    return AdversarialTransformation(init, update)


def _averaged(average: Any, params: Any, decay: ArrayLike) -> Any:
    return jax.tree.map(lambda old, new: old + (1.0 - jnp.asarray(decay, new.dtype)) * (new - old), average, params)


def wgan(
    generator: Model,
    critic: Model,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    clip: ArrayLike = 0.01,
    num_critic_steps: int = 5,
    ema_decay: ArrayLike | None = None,
) -> AdversarialTransformation:
    """Wasserstein GAN: the Wasserstein losses with clipped weights.

    Args:
        generator: (params, latent) -> event, for one latent.
        critic: (params, event) -> (), for one event.
        generator_tx: optax transformation of the generator's gradients.
        critic_tx: optax transformation of the critic's gradients.
        clip: bound on the critic's entries.
        num_critic_steps: static, steps of the critic before one of the generator.
        ema_decay: as in `gan`.

    Returns:
        `AdversarialTransformation(init, update)`.

    Raises:
        ValueError: as `gan`.

    Source:
        Arjovsky, Chintala and Bottou, Wasserstein GAN (2017), algorithm 1.
    """
    game = _Game(generator, critic, wasserstein_losses, None)
    return _transformation(game, generator_tx, critic_tx, num_critic_steps, clip, ema_decay)


def wgan_gp(
    generator: Model,
    critic: Model,
    *,
    generator_tx: optax.GradientTransformation,
    critic_tx: optax.GradientTransformation,
    penalty_weight: ArrayLike = 10.0,
    num_critic_steps: int = 5,
    clip: ArrayLike | None = None,
    ema_decay: ArrayLike | None = None,
) -> AdversarialTransformation:
    """Wasserstein GAN with gradient penalty.

    Args:
        generator: (params, latent) -> event, for one latent.
        critic: (params, event) -> (), for one event.
        generator_tx: optax transformation of the generator's gradients.
        critic_tx: optax transformation of the critic's gradients.
        penalty_weight: () weight of `gradient_penalty`.
        num_critic_steps: static, steps of the critic before one of the generator.
        clip: bound on the critic's entries too; it bounds the slope a second time, so it warns.
        ema_decay: as in `gan`.

    Returns:
        `AdversarialTransformation(init, update)`.

    Raises:
        ValueError: as `gan`, except that `clip` may be given.

    Source:
        Gulrajani et al., Improved Training of Wasserstein GANs (2017), algorithm 1.
    """
    if clip is not None:
        warnings.warn("wgan_gp: clip is given beside the gradient penalty; both bound the slope", stacklevel=2)

    def penalty(key, critic_fn, real, fake):
        return gradient_penalty(key, critic_fn, real, fake, weight=penalty_weight)

    game = _Game(generator, critic, wasserstein_losses, penalty)
    return _transformation(game, generator_tx, critic_tx, num_critic_steps, clip, ema_decay)
