"""Stein variational policy gradient: thirty policies that all hit the target, and do it differently.

A ball is thrown over a wall at a target; a policy is a normal law over the angle and the speed of the throw. A policy
sees nothing but the returns of its own throws, from which it estimates the gradient of its expected return J by the
score function. Policies move along phi = mean[k grad(J/alpha + log prior) + grad k] towards the law of density
exp(J/alpha) times the prior; without the kernel, each climbs alone. The table compares them with that law, integrated
on a grid.

Run: python examples/svpg_bandit.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save

from depthjax import numerics, stein

GRAVITY, TARGET, WALL, HEIGHT = 9.81, 10.0, 5.0, 2.5
SPREAD, ALPHA = jnp.array([0.05, 0.03]), 0.1
PRIOR_MEAN, PRIOR_SCALE = jnp.array([0.9, 1.1]), jnp.array([0.3, 0.25])
POLICIES, THROWS = 30, 32


def returns(action):
    """Return in [0, 1] of a throw at an angle in radians and a speed in 10 m/s."""
    angle, speed = action[..., 0], 10.0 * action[..., 1]
    reach = speed**2 * jnp.sin(2.0 * angle) / GRAVITY
    at_wall = WALL * jnp.tan(angle) - GRAVITY * WALL**2 / (2.0 * (speed * jnp.cos(angle)) ** 2)
    return jnp.exp(-0.5 * (reach - TARGET) ** 2) * jax.nn.sigmoid((at_wall - HEIGHT) / 0.2)


def expected_return(policy):
    """J(policy) by quadrature, for the table and the picture only."""
    nodes, weights = numerics.gauss_hermite_rule(15)
    noise = jnp.stack(jnp.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    return jnp.outer(weights, weights).ravel() @ returns(policy[None] + SPREAD[None] * noise)


def log_prior(policy):
    """Log density of the prior, up to a constant."""
    return -0.5 * jnp.sum(((policy - PRIOR_MEAN) / PRIOR_SCALE) ** 2)


def estimated_score(key, policy):
    """grad(J/alpha + log prior) from the returns of a few throws, each less the mean of the others."""
    noise = jax.random.normal(key, (THROWS, 2))
    found = returns(policy[None] + SPREAD[None] * noise)
    advantage = (found - jnp.mean(found)) * THROWS / (THROWS - 1)
    gradient = jnp.mean(advantage[:, None] * noise / SPREAD[None], axis=0)
    return gradient / ALPHA + jax.grad(log_prior)(policy)


def learn(key, policies, optimizer, num_steps):
    """Policies after so many steps, and their mean expected return along the way."""

    def step(carry, key):
        policies, state = carry
        scores = jax.vmap(estimated_score)(jax.random.split(key, POLICIES), policies)
        updates, state = optimizer.update(-scores, state, policies)
        policies = optax.apply_updates(policies, updates)
        return (policies, state), jnp.mean(jax.vmap(expected_return)(policies))

    start = (policies, optimizer.init(policies))
    (policies, _), curve = jax.lax.scan(step, start, jax.random.split(key, num_steps))
    return policies, curve


def main():
    """Learn both ways, print moments beside the exact ones, draw policies over the law."""
    chosen = options(__doc__, "svpg_bandit")
    num_steps = 50 if chosen.quick else 2_000
    start_key, key = jax.random.split(jax.random.key(chosen.seed))
    start = PRIOR_MEAN + PRIOR_SCALE * jax.random.normal(start_key, (POLICIES, 2))
    start = jnp.clip(start, jnp.array([0.3, 0.6]), jnp.array([1.45, 2.0]))
    adam = optax.adam(optax.cosine_decay_schedule(0.01, num_steps))
    rules = {"Stein, thirty policies": optax.chain(stein.scale_by_stein(stein.RBF()), adam), "each alone": adam}
    side = 60 if chosen.quick else 160
    angles, speeds = np.linspace(0.4, 1.5, side), np.linspace(0.7, 2.0, side)
    plane = jnp.asarray(np.stack(np.meshgrid(angles, speeds), axis=-1).reshape(-1, 2), jnp.float32)
    height = np.asarray(jax.jit(jax.vmap(expected_return))(plane))
    log_density = height / ALPHA + np.asarray(jax.vmap(log_prior)(plane))
    mass = np.exp(log_density - log_density.max())
    mass /= mass.sum()

    def row(name, points, weights, found):
        mean = weights @ points
        sd = np.sqrt(weights @ (points - mean) ** 2)
        print(f"{name:<24}{weights @ found:9.3f}{mean[0]:9.3f}{sd[0]:8.3f}{10 * mean[1]:9.2f}{10 * sd[1]:8.2f}")

    print(f"{'':<24}{'':>9}{'angle (radians)':>17}{'speed (m/s)':>17}")
    print(f"{'':<24}{'return':>9}{'mean':>9}{'sd':>8}{'mean':>9}{'sd':>8}\n")
    row("exact law on a grid", np.asarray(plane), mass, height)
    fig, axes = figure(1, 3, (13, 4.2))
    distance = np.linspace(0.0, 11.0, 200)
    for i, (name, optimizer) in enumerate(rules.items()):
        policies, curve = jax.jit(learn, static_argnums=(2, 3))(key, start, optimizer, num_steps)
        found = np.asarray(jax.vmap(expected_return)(policies))
        policies = np.asarray(policies)
        row(name, policies, np.full(POLICIES, 1.0 / POLICIES), found)
        axes[0, 0].plot(10 * policies[:, 1], np.degrees(policies[:, 0]), "o", ms=5, mec="white", color=ACCENTS[2 * i],
                        label=name)  # fmt: skip
        axes[0, 1].plot(curve, color=ACCENTS[2 * i], label=name)
        if i == 0:
            for angle, speed in policies:
                path = distance * np.tan(angle) - GRAVITY * distance**2 / (2 * (10 * speed * np.cos(angle)) ** 2)
                axes[0, 2].plot(distance[path >= 0], path[path >= 0], color=ACCENTS[0], lw=0.8, alpha=0.6)
    axes[0, 0].contourf(10 * speeds, np.degrees(angles), mass.reshape(side, side).T, 12, cmap="Greys", alpha=0.7)
    axes[0, 0].set(title=r"policies over $\exp(J/\alpha)\,\times$ prior", xlabel="mean speed (m/s)")
    axes[0, 0].set(ylabel="mean angle (degrees)", xlim=(8.5, 14.0), ylim=(42, 80))
    axes[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    axes[0, 1].axhline(mass @ height, color=INK, lw=1, ls="--", label="exact law")
    axes[0, 1].set(title="mean expected return", xlabel="step", ylabel="return (largest possible 1)", ylim=(0, 1.05))
    axes[0, 1].legend(frameon=False, fontsize=8, loc="lower right")
    axes[0, 2].plot([WALL, WALL], [0, HEIGHT], color=INK, lw=4, solid_capstyle="butt")
    axes[0, 2].plot(TARGET, 0, "*", ms=16, color=ACCENTS[2], clip_on=False)
    axes[0, 2].set(
        title="mean throws of the Stein policies", xlabel="distance (m)", ylabel="height (m)", ylim=(0, None)
    )
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
