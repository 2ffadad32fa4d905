"""A sampler that is trained by the Stein direction, beside the particles it takes after.

Two hundred particles of Stein variational gradient descent and a small network that turns noise into draws, trained so
that its draws move the way particles would. Particles are what they are; the network draws as many as one likes, but it
is smooth and its draws are narrower than particles, which are too narrow already. The target is a banana whose moments
and marginal laws are known. The table gives moments, the kernelised Stein discrepancy of two hundred points, and the
largest distance between the cdf of x and the normal cdf.

Run: python examples/amortised_svgd.py [--quick] [--seed 0]
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save
from jax.scipy.stats import norm

from depthjax import stein

CURVATURE, WIDTH, POINTS = 0.6, 0.5, 200


def log_density(z):
    """Log density of x ~ N(0, 1), y | x ~ N(0.6 (x^2 - 1), 0.5^2), up to a constant."""
    return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - CURVATURE * (z[0] ** 2 - 1.0)) / WIDTH) ** 2


SCORE = jax.grad(log_density)


class Generator(nn.Module):
    """Noise (2,) to a draw (2,)."""

    @nn.compact
    def __call__(self, noise):
        """Two hidden layers, and a shortcut that starts it as the identity."""
        h = nn.tanh(nn.Dense(64)(noise))
        h = nn.tanh(nn.Dense(64)(h))
        return noise + nn.Dense(2, kernel_init=nn.initializers.zeros)(h)


def train(key, params, num_steps):
    """Weights after Adam steps on fresh noise, with the bandwidth of the draws at hand."""
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, num_steps))

    def loss(params, noise):
        draws = jax.lax.stop_gradient(jax.vmap(Generator().apply, (None, 0))(params, noise))
        kernel = stein.RBF(stein.median_bandwidth(draws, convention="liu_wang"))
        return stein.amortised_svgd_loss(params, noise, Generator().apply, SCORE, kernel)

    def step(carry, key):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, jax.random.normal(key, (POINTS, 2))), state)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(key, num_steps)
    return jax.lax.scan(step, (params, optimizer.init(params)), keys)[0][0]


def descend(particles, num_steps):
    """Particles after so many Adam steps."""
    init, step = stein.svgd(log_density, stein.RBF(), optax.adam(optax.cosine_decay_schedule(0.05, num_steps)))
    start = (particles, init(particles))
    return jax.lax.scan(lambda carry, _: (step(*carry)[:2], None), start, length=num_steps)[0][0]


def main():
    """Train, descend, draw exactly; print and draw."""
    chosen = options(__doc__, "amortised_svgd")
    num_steps, many = (50, 2_000) if chosen.quick else (2_000, 20_000)
    keys = jax.random.split(jax.random.key(chosen.seed), 6)
    params = Generator().init(keys[0], jnp.zeros(2))
    params = jax.jit(train, static_argnums=2)(keys[1], params, num_steps)
    drawn = jax.vmap(Generator().apply, (None, 0))(params, jax.random.normal(keys[2], (many, 2)))
    particles = jax.jit(descend, static_argnums=1)(jax.random.normal(keys[3], (POINTS, 2)), num_steps)
    x, noise = jax.random.normal(keys[4], (2, many))
    exact = jnp.stack([x, CURVATURE * (x**2 - 1.0) + WIDTH * noise], axis=1)
    samples = {"trained network": drawn, "particles": particles, "exact draws": exact}

    print(f"{'':<18}{'draws':>8}{'E x':>8}{'E y':>8}{'Var x':>8}{'Var y':>8}{'KSD':>9}{'cdf of x':>10}\n")
    print(
        f"{'exactly':<18}{'':>8}{0.0:8.3f}{0.0:8.3f}{1.0:8.3f}{2 * CURVATURE**2 + WIDTH**2:8.3f}{0.0:9.4f}{0.0:10.4f}"
    )
    fig, axes = figure(1, 3, (13, 4.2))
    plane = np.meshgrid(np.linspace(-3.6, 3.6, 200), np.linspace(-2.5, 6, 200))
    height = np.exp(-0.5 * plane[0] ** 2 - 0.5 * ((plane[1] - CURVATURE * (plane[0] ** 2 - 1)) / WIDTH) ** 2)
    grid = np.linspace(-3.5, 3.5, 200)
    for i, (name, z) in enumerate(samples.items()):
        few, z = z[:POINTS], np.asarray(z)
        discrepancy = float(jnp.sqrt(jnp.maximum(stein.ksd(few, jax.vmap(SCORE)(few), statistic="v"), 0.0)))
        ordered = np.sort(z[:, 0])
        gap = np.max(np.abs(np.asarray(norm.cdf(ordered)) - (np.arange(len(z)) + 0.5) / len(z)))
        moments = "".join(f"{v:8.3f}" for v in (*z.mean(axis=0), *z.var(axis=0)))
        print(f"{name:<18}{len(z):>8,}{moments}{discrepancy:9.4f}{gap:10.4f}")
        if i < 2:
            axis = axes[0, i]
            axis.contourf(*plane, height, 8, cmap="Greys", alpha=0.6)
            axis.plot(*z[:1000].T, "o", ms=3 if i else 2, color=ACCENTS[i], alpha=0.8)
            axis.set(title=f"{name}, {min(len(z), 1000):,} draws over the density", xlabel="x", ylabel="y")
            axis.set(xlim=(-3.6, 3.6), ylim=(-2.5, 6))
        error = np.interp(grid, ordered, (np.arange(len(z)) + 0.5) / len(z)) - np.asarray(norm.cdf(grid))
        axes[0, 2].plot(grid, error, color=ACCENTS[i], lw=1.6, label=name)
    axes[0, 2].axhline(0.0, color=INK, lw=0.8, ls="--")
    axes[0, 2].set(title="cdf of x, less the normal cdf", xlabel="x", ylabel="difference")
    axes[0, 2].legend(frameon=False, fontsize=8)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
