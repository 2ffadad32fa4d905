"""Forty points that stand for a Markov chain: Stein thinning against every so manyth state.

A random walk on a banana starts far away. Stein thinning picks states greedily by the kernelised Stein discrepancy,
which needs scores alone: it drops the way in by itself and spreads what it picks, so that the discrepancy is far below
that of as many exact draws. The table gives it beside the error of the four moments E x, E y, Var x, Var y, against
equal spacing with and without a burn-in and against exact independent draws. The moments do not gain: with few points
the long thin arms get one each, which is more than their share, and the discrepancy, whose kernel is bounded, hardly
minds.

Run: python examples/thinning.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import stein

CURVATURE, WIDTH = 0.6, 0.5
MOMENTS = np.array([0.0, 0.0, 1.0, 2.0 * CURVATURE**2 + WIDTH**2])


def log_density(z):
    """Log density of x ~ N(0, 1), y | x ~ N(0.6 (x^2 - 1), 0.5^2), up to a constant."""
    return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - CURVATURE * (z[0] ** 2 - 1.0)) / WIDTH) ** 2


def exact_draws(key, count):
    """Independent draws (count, 2)."""
    x, noise = jax.random.normal(key, (2, count))
    return jnp.stack([x, CURVATURE * (x**2 - 1.0) + WIDTH * noise], axis=1)


def random_walk(key, start, step_size, num_steps):
    """States (num_steps, 2) of a Metropolis random walk."""

    def step(state, key):
        move, accept = jax.random.split(key)
        proposal = state + step_size * jax.random.normal(move, (2,))
        taken = jnp.log(jax.random.uniform(accept)) < log_density(proposal) - log_density(state)
        state = jnp.where(taken, proposal, state)
        return state, state

    return jax.lax.scan(step, start, jax.random.split(key, num_steps))[1]


def moment_error(points):
    """Root mean square error of the four moments."""
    points = np.asarray(points)
    return np.sqrt(np.mean((np.concatenate([points.mean(axis=0), points.var(axis=0)]) - MOMENTS) ** 2))


def main():
    """Run the chain, thin it, print and draw."""
    chosen = options(__doc__, "thinning")
    length, sizes = (1_000, (10, 40)) if chosen.quick else (20_000, (10, 20, 40, 80, 160))
    keys = jax.random.split(jax.random.key(chosen.seed), 3)
    chain = jax.jit(random_walk, static_argnums=3)(keys[0], jnp.array([-4.0, -3.0]), 0.5, length)
    scores = jax.vmap(jax.grad(log_density))(chain)
    kernel = stein.IMQ(stein.median_bandwidth(chain, convention="median"))
    picked = jax.jit(stein.stein_thinning, static_argnames="num_points")(chain, scores, kernel, num_points=sizes[-1])
    picked, rng = np.asarray(picked), np.random.default_rng(chosen.seed)
    exact = exact_draws(keys[1], 200 * sizes[-1])
    discrepancy = jax.jit(lambda x: jnp.sqrt(stein.ksd(x, jax.vmap(jax.grad(log_density))(x), kernel, statistic="v")))
    rows = {
        "Stein thinning": lambda m: [chain[picked[:m]]],
        "every so manyth": lambda m: [chain[np.linspace(0, length - 1, m).astype(int)]],
        "the same, burnt in": lambda m: [chain[np.linspace(length // 10, length - 1, m).astype(int)]],
        "exact draws, 20 times": lambda m: [exact[rng.choice(len(exact), m, replace=False)] for _ in range(20)],
    }
    print(f"{'':<24}{'discrepancy':>{9 * len(sizes)}}{'error of moments':>{9 * len(sizes)}}")
    print(f"{'points':<24}" + "".join(f"{m:>9d}" for m in sizes) * 2 + "\n")
    fig, axes = figure(1, 3, (13, 4.2))
    for i, (name, take) in enumerate(rows.items()):
        found = [np.mean([float(discrepancy(x)) for x in take(m)]) for m in sizes]
        errors = [np.sqrt(np.mean([moment_error(x) ** 2 for x in take(m)])) for m in sizes]
        print(f"{name:<24}" + "".join(f"{v:9.4f}" for v in (*found, *errors)))
        look = {"color": ACCENTS[i], "marker": "o", "ms": 4, "label": name}
        axes[0, 1].loglog(sizes, found, **look)
        axes[0, 2].loglog(sizes, errors, **look)
    whole = float(discrepancy(chain)), moment_error(chain)
    print(f"{f'all {length:,} states':<24}{whole[0]:9.4f}{'':>{9 * (len(sizes) - 1)}}{whole[1]:9.4f}")
    # The V-statistic of independent draws has mean E u(X, X)/m.
    own = jnp.mean(jax.vmap(lambda x: stein.stein_kernel(x, x, *(jax.grad(log_density)(x),) * 2, kernel))(exact))
    axes[0, 1].loglog(
        sizes, np.sqrt(float(own) / np.array(sizes)), color=INK, ls="--", lw=1, label="theory, exact draws"
    )
    x, y = np.meshgrid(np.linspace(-4.5, 4, 200), np.linspace(-4, 7.5, 200))
    height = np.exp(-0.5 * x**2 - 0.5 * ((y - CURVATURE * (x**2 - 1)) / WIDTH) ** 2)
    shown = min(40, sizes[-1])
    axes[0, 0].contourf(x, y, height, 8, cmap="Greys", alpha=0.6)
    axes[0, 0].plot(*np.asarray(chain[:: length // 1000]).T, ".", ms=2, color=ACCENTS[1], alpha=0.6, label="chain")
    axes[0, 0].plot(*np.asarray(chain[:60]).T, "-", lw=0.8, color=ACCENTS[1])
    axes[0, 0].plot(*np.asarray(chain[picked[:shown]]).T, "o", ms=5, mec="white", color=ACCENTS[0],
                    label=f"{shown} picked")  # fmt: skip
    axes[0, 0].set(title="a banana, its chain and the states picked", xlabel="x", ylabel="y")
    axes[0, 0].set(xlim=(-4.5, 4), ylim=(-4, 7.5))
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper center")
    axes[0, 1].set(title="kernelised Stein discrepancy", xlabel="points kept", ylabel="KSD")
    axes[0, 1].legend(frameon=False, fontsize=8)
    axes[0, 2].set(title="error of four moments", xlabel="points kept", ylabel="root mean square error")
    for axis in axes[0, 1:]:
        axis.set_xticks(sizes, [str(m) for m in sizes], minor=False)
        axis.minorticks_off()
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
