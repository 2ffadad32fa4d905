"""Gradient penalties and steps of adversarial training beside what one would write by hand.

Run with `--quick` for fewer rounds.
"""

import argparse

import jax
import jax.numpy as jnp
import optax

from depthjax import adversarial
from harness import Comparison, compare, save

LATENT, DIM, WIDTH, CRITIC_STEPS = 8, 16, 256, 5


def network(key, *sizes):
    """Kernels and biases of a perceptron."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (a, b)) * (2.0 / a) ** 0.5, jnp.zeros(b))
        for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]


def generator(params, x):
    """One event, or a batch of them."""
    for kernel, bias in params[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    return x @ params[-1][0] + params[-1][1]


def critic(params, x):
    """Score of one event, or of a batch."""
    return generator(params, x)[..., 0]


def penalty_by_hand(params, key, real, fake):
    """The penalty of Gulrajani et al. as their code has it."""
    u = jax.random.uniform(key, (real.shape[0], 1))
    slopes = jax.vmap(jax.grad(critic, argnums=1), (None, 0))(params, u * real + (1 - u) * fake)
    return 10.0 * jnp.mean((jnp.sqrt(jnp.sum(slopes**2, axis=1)) - 1.0) ** 2)


def penalties(batch: int, *, seconds: float) -> Comparison:
    """Value and gradient of the penalty in the critic's parameters."""
    keys = jax.random.split(jax.random.key(0), 4)
    params = network(keys[0], DIM, WIDTH, WIDTH, WIDTH, 1)
    real, fake = (jax.random.normal(k, (batch, DIM)) for k in keys[1:3])

    def ours(params, key, real, fake):
        return adversarial.gradient_penalty(key, lambda x: critic(params, x), real, fake)

    candidates = {"depthjax": jax.value_and_grad(ours), "by hand": jax.value_and_grad(penalty_by_hand)}
    return compare(
        candidates, (params, keys[3], real, fake), title=f"gradient penalty, batch {batch}, MLP 3 x {WIDTH}",
        seconds=seconds,
    )  # fmt: skip


def loop(generator_tx, critic_tx):
    """A generator's step after the critic's, each step of a player compiled by itself."""

    def critic_loss(params, made, key, real, latent):
        fake = generator(made, latent)
        return (
            jnp.mean(critic(params, fake)) - jnp.mean(critic(params, real)) + penalty_by_hand(params, key, real, fake)
        )

    @jax.jit
    def critic_step(params, opt, made, key, real, latent):
        updates, opt = critic_tx.update(jax.grad(critic_loss)(params, made, key, real, latent), opt, params)
        return optax.apply_updates(params, updates), opt

    @jax.jit
    def generator_step(made, opt, params, latent):
        slope = jax.grad(lambda made: -jnp.mean(critic(params, generator(made, latent))))(made)
        updates, opt = generator_tx.update(slope, opt, made)
        return optax.apply_updates(made, updates), opt

    def update(key, state, real, latent):
        made, params, made_opt, params_opt = state
        for i, k in enumerate(jax.random.split(key, CRITIC_STEPS)):
            params, params_opt = critic_step(params, params_opt, made, k, real[i], latent[i])
        made, made_opt = generator_step(made, made_opt, params, latent[-1])
        return made, params, made_opt, params_opt

    return update


def training(batch: int, width: int, *, seconds: float) -> Comparison:
    """One update of the game with five steps of the critic."""
    keys = jax.random.split(jax.random.key(1), 5)
    txs = {"generator_tx": optax.adam(1e-4), "critic_tx": optax.adam(1e-4)}
    made, params = network(keys[0], LATENT, width, width, DIM), network(keys[1], DIM, width, width, 1)
    game = adversarial.wgan_gp(generator, critic, num_critic_steps=CRITIC_STEPS, **txs)
    real = jax.random.normal(keys[2], (CRITIC_STEPS, batch, DIM))
    latent = jax.random.normal(keys[3], (CRITIC_STEPS + 1, batch, LATENT))
    by_hand = (made, params, txs["generator_tx"].init(made), txs["critic_tx"].init(params))
    args = {
        "depthjax": (keys[4], game.init(made, params), real, latent),
        "loop of jitted steps": (keys[4], by_hand, real, latent),
    }
    candidates = {"depthjax": jax.jit(game.update), "loop of jitted steps": loop(**txs)}
    title = f"WGAN-GP update, batch {batch}, MLP 2 x {width}, {CRITIC_STEPS} critic steps"
    return compare(candidates, args, title=title, seconds=seconds, jit=False)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    seconds = 1.0 if quick else 10.0
    tables = [penalties(64 if quick else 256, seconds=seconds)]
    tables += [training(batch, width, seconds=seconds) for batch, width in ((64, 32), (256, 128))]
    print(f"\nsaved: {save('adversarial', tables).name}")


if __name__ == "__main__":
    main()
