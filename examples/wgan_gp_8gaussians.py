"""Eight normal laws on a ring, learnt by five adversarial games with the same networks and the same number of steps.

The table gives the modes that at least one draw in a hundred falls on, the share of draws within four standard
deviations of a mode, the sliced W2^2 to fresh data, and the rank correlation of the critic's loss with it over the run.
A critic whose slope is held down has a loss that follows the distance once the critic has caught up; without that, the
loss says little. The lower pictures show both over the run, each divided by its largest value.

Run: python examples/wgan_gp_8gaussians.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save
from scipy.stats import spearmanr

from depthjax import adversarial, transport

MODES = 2.0 * jnp.stack([jnp.cos(jnp.arange(8) * jnp.pi / 4), jnp.sin(jnp.arange(8) * jnp.pi / 4)], axis=1)
WIDTH, LATENT, BATCH, HIDDEN = 0.05, 2, 128, 96


def ring(key, shape):
    """Draws of the mixture, (*shape, 2)."""
    which, noise = jax.random.split(key)
    return MODES[jax.random.randint(which, shape, 0, 8)] + WIDTH * jax.random.normal(noise, (*shape, 2))


def network(key, *sizes):
    """Kernels and biases of a perceptron."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (a, b)) * (2.0 / a) ** 0.5, jnp.zeros(b))
        for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]


def generator(params, x):
    """One event from one latent."""
    for kernel, bias in params[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    return x @ params[-1][0] + params[-1][1]


def critic(params, x):
    """() score of one event."""
    return generator(params, x)[0]


def r1(key, critic, real, fake):
    """Slope of the critic at the data."""
    return adversarial.r1_penalty(critic, real, gamma=0.5)


def games():
    """The five games by name; none is tuned."""
    adam = {"generator_tx": optax.adam(5e-4, b1=0.5), "critic_tx": optax.adam(5e-4, b1=0.5)}
    slow = {"generator_tx": optax.rmsprop(2e-4), "critic_tx": optax.rmsprop(2e-4)}
    nonsaturating, hinge = adversarial.nonsaturating_losses, adversarial.hinge_losses
    return {
        "non-saturating": adversarial.gan(generator, critic, losses=nonsaturating, **adam),
        "non-saturating, R1": adversarial.gan(generator, critic, losses=nonsaturating, penalty=r1, **adam),
        "hinge": adversarial.gan(generator, critic, losses=hinge, **adam),
        "Wasserstein, clipped": adversarial.wgan(generator, critic, clip=0.1, **slow),
        "Wasserstein, penalty": adversarial.wgan_gp(generator, critic, penalty_weight=1.0, **adam),
    }


def play(key, game, critic_steps, *, num_blocks, block):
    """Draws (1000, 2) at the end; critic losses and sliced W2^2 (num_blocks,) along the way."""
    keys = jax.random.split(key, 4)
    state = game.init(network(keys[0], LATENT, HIDDEN, HIDDEN, 2), network(keys[1], 2, HIDDEN, HIDDEN, 1))
    fixed, real = jax.random.normal(keys[2], (1000, LATENT)), ring(keys[3], (1000,))

    def step(state, key):
        data, latent, penalty = jax.random.split(key, 3)
        real = ring(data, (critic_steps, BATCH))
        state, metrics = game.update(penalty, state, real, jax.random.normal(latent, (critic_steps + 1, BATCH, LATENT)))
        return state, metrics.critic_loss[-1] + metrics.penalty[-1]

    def body(state, key):
        state, losses = jax.lax.scan(step, state, jax.random.split(key, block))
        draws = jax.vmap(generator, (None, 0))(state.generator, fixed)
        away = transport.sliced_wasserstein_power(keys[0], draws, real, p=2.0, num_projections=64).value
        return state, (jnp.mean(losses), away)

    state, (losses, distances) = jax.lax.scan(body, state, jax.random.split(keys[3], num_blocks))
    return jax.vmap(generator, (None, 0))(state.generator, fixed), losses, distances


def modes(draws):
    """How many of the modes at least 1 % of the draws are near to, and the share of draws near to any."""
    near = np.linalg.norm(draws[:, None] - np.asarray(MODES), axis=-1) < 4 * WIDTH
    return int((near.mean(axis=0) > 0.01).sum()), near.any(axis=1).mean()


def main():
    """Play all games, print the table, draw where they end and what the critics' losses follow."""
    chosen = options(__doc__, "wgan_gp_8gaussians")
    num_blocks = 6 if chosen.quick else 60
    fig, axes = figure(2, 5, (14, 5.4))
    print(f"{'':<22}{'modes':>6}{'near':>7}{'sliced W2^2':>13}{'rank correlation':>18}\n")
    all_games = list(games().items())[3 if chosen.quick else 0 :]
    for column, color, (name, game) in zip(axes.T, ACCENTS, all_games, strict=False):
        critic_steps = 5 if name.startswith("Wasserstein") else 1
        run = jax.jit(lambda key, g=game, n=critic_steps: play(key, g, n, num_blocks=num_blocks, block=50))
        draws, losses, distances = map(np.asarray, run(jax.random.key(chosen.seed)))
        count, share = modes(draws)
        related = abs(spearmanr(losses, distances).statistic)
        print(f"{name:<22}{count:6d}{share:7.2f}{distances[-1]:13.4f}{related:18.2f}", flush=True)
        column[0].scatter(*draws.T, s=2, color=color)
        column[0].plot(*np.asarray(MODES).T, "+", color="#22303c", ms=7)
        column[0].set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal", title=name)
        steps = 50 * np.arange(1, num_blocks + 1)
        column[1].plot(steps, np.abs(losses) / np.abs(losses).max(), color=color, label="|critic's loss|")
        column[1].plot(steps, distances / distances.max(), color=INK, lw=0.8, label="sliced W2^2")
        column[1].set(xlabel="generator steps", ylim=(0, 1.05))
    axes[1, 0].legend(frameon=False, fontsize=7)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
