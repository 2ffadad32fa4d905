"""Four regularisers that are one, and a network that learns in stages.

Dropping inputs and stopping early shrink a linear regression as weight decay does, exactly or nearly. Left, the weights
that stochastic gradient descent with dropped inputs ends at over those of `dropout_ridge`, for the progression of
diabetes. Middle, how much of each direction of the Hessian gradient descent has learned when it stops, over the factors
e/(e + penalty) of the equivalent penalty. Right, the singular values of a deep linear network under gradient descent
from small weights over the closed-form curves: one mode after another, each after a plateau.

Run: python examples/theory_ridge_and_dynamics.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save
from sklearn.datasets import load_diabetes

from depthjax import freeprob, theory

KEEP = (0.9, 0.5, 0.2)
MODES, START, LAYERS = (4.0, 3.0, 2.0, 1.0), 0.01, 3


def dropped_descent(key, x, y, keep, num_steps):
    """Weights after averaged gradient descent where every input of every datum is dropped with probability 1 - keep."""
    mean_square = jnp.sum(x**2) / len(y)

    def step(carry, inputs):
        w, mean = carry
        count, key = inputs
        kept = x * jax.random.bernoulli(key, keep, x.shape)
        rate = 0.5 / (mean_square * keep)
        w = w + rate * kept.T @ (y - kept @ w) / len(y)
        burn = num_steps // 4
        return (w, jnp.where(count < burn, w, mean + (w - mean) / jnp.maximum(1.0, count - burn + 1.0))), None

    zero = jnp.zeros(x.shape[1])
    inputs = (jnp.arange(num_steps, dtype=x.dtype), jax.random.split(key, num_steps))
    return jax.lax.scan(step, (zero, zero), inputs)[0][1]


def stopped_descent(x, y, rate, num_steps):
    """Weights after so many steps of gradient descent on |y - X w|^2/2 from 0."""
    return jax.lax.fori_loop(0, num_steps, lambda _, w: w + rate * x.T @ (y - x @ w), jnp.zeros(x.shape[1]))


def deep_descent(key, gamma, rate, num_steps):
    """Singular values of the product of LAYERS matrices along gradient descent from balanced small weights.

    The start is START in each mode, turned by random orthogonal matrices inside the network, which change nothing.
    """
    u, _, vt = jnp.linalg.svd(gamma)
    small = START ** (1.0 / LAYERS)
    turns = [vt.T, *(freeprob.sample_haar_orthogonal(k, len(MODES)) for k in jax.random.split(key, LAYERS - 1)), u]
    layers = [small * after @ before.T for before, after in zip(turns, turns[1:], strict=False)]

    def product(layers):
        total = layers[0]
        for layer in layers[1:]:
            total = layer @ total
        return total

    def step(layers, _):
        loss = lambda layers: jnp.sum((gamma - product(layers)) ** 2)  # noqa: E731
        moved = jax.tree.map(lambda w, g: w - rate * g, layers, jax.grad(loss)(layers))
        return moved, jnp.diagonal(u.T @ product(layers) @ vt.T)

    return jax.lax.scan(step, layers, length=num_steps)[1]


def main():
    """Three comparisons, a table, a picture."""
    jax.config.update("jax_enable_x64", val=True)
    chosen = options(__doc__, "theory_ridge_and_dynamics")
    key = jax.random.key(chosen.seed)
    diabetes = load_diabetes()
    x = jnp.asarray(diabetes.data / diabetes.data.std(axis=0))
    y = jnp.asarray((diabetes.target - diabetes.target.mean()) / diabetes.target.std())
    fig, axes = figure(1, 3, (13, 4.2))
    left, middle, right = axes[0]
    print("largest difference between theory and descent\n")

    num_steps = 200 if chosen.quick else 20_000
    descend = jax.jit(dropped_descent, static_argnames=("num_steps",))
    for i, keep in enumerate(KEEP):
        exact = keep * theory.dropout_ridge(x, y, keep)
        seen = keep * descend(jax.random.fold_in(key, i), x, y, keep, num_steps=num_steps)
        places = np.arange(x.shape[1])
        left.bar(places + 0.27 * (i - 1), exact, 0.25, color=ACCENTS[i], alpha=0.5, label=f"keep {keep}")
        left.plot(places + 0.27 * (i - 1), seen, "o", ms=3.5, mfc="white", color=INK)
        print(f"{f'dropout, keep {keep}: weights':<48}{float(jnp.max(jnp.abs(exact - seen))):10.2e}")
    plain = theory.ridge(x, y, 0.0)
    left.plot(places, plain, "_", ms=18, color=INK, label="least squares")
    left.plot([], [], "o", ms=3.5, mfc="white", color=INK, label="descent with dropout")
    left.set(title="dropout is a ridge", xticks=places, xticklabels=diabetes.feature_names)
    left.set(ylabel="weight times keep probability")
    left.legend(frameon=False, fontsize=8)

    eigenvalues, vectors = np.linalg.eigh(np.asarray(x.T @ x))
    optimum = vectors.T @ np.asarray(plain)
    grid = np.geomspace(eigenvalues[0] / 2, eigenvalues[-1] * 1.5, 200)
    rate = 0.1 / eigenvalues[-1]
    stop = jax.jit(stopped_descent)
    for i, steps in enumerate((10, 100, 1000)):
        seen = vectors.T @ np.asarray(stop(x, y, rate, steps)) / optimum
        exact = theory.early_stopping_factors(eigenvalues, rate, steps)
        penalty = theory.equivalent_penalty(rate, steps)
        middle.semilogx(
            grid, theory.early_stopping_factors(grid, rate, steps), color=ACCENTS[i], label=f"{steps} steps"
        )
        middle.semilogx(grid, theory.shrinkage_factors(grid, penalty), color=ACCENTS[i], ls="--")
        middle.plot(eigenvalues, seen, "o", ms=4.5, mfc="white", color=ACCENTS[i])
        print(f"{f'stopped after {steps} steps: learned shares':<48}{np.max(np.abs(exact - seen)):10.2e}")
        decay = theory.shrink(x.T @ x, plain, penalty)
        solved = theory.ridge(x, y, penalty)
        print(f"{'  ridge of the equivalent penalty, two ways':<48}{float(jnp.max(jnp.abs(decay - solved))):10.2e}")
    middle.plot([], [], color=INK, ls="--", label="equivalent ridge")
    middle.plot([], [], "o", ms=4.5, mfc="white", color=INK, label="gradient descent")
    middle.set(title="stopping early is nearly a ridge", xlabel="eigenvalue of the Hessian", ylabel="share learned")
    middle.legend(frameon=False, fontsize=8)

    rotate = [freeprob.sample_haar_orthogonal(jax.random.fold_in(key, 10 + i), len(MODES)) for i in range(2)]
    gamma = rotate[0] @ jnp.diag(jnp.asarray(MODES)) @ rotate[1]
    step_size, until = 1e-4, 2.6
    count = 2_000 if chosen.quick else int(until / step_size)
    paths = np.asarray(jax.jit(deep_descent, static_argnums=3)(jax.random.fold_in(key, 12), gamma, step_size, count))
    times = step_size * np.arange(count)
    for i, (mode, path) in enumerate(zip(MODES, paths.T, strict=True)):
        exact = np.asarray(theory.deep_linear_mode(times, mode, START, depth=LAYERS))
        half = float(theory.deep_linear_time(START, mode / 2, mode, depth=LAYERS))
        right.plot(times, exact, color=ACCENTS[i], lw=3, alpha=0.5, label=f"target {mode:g}")
        right.plot(times[:: count // 40], path[:: count // 40], ".", ms=4, color=INK)
        right.axvline(half, ymax=mode / 2 / 5.4, color=ACCENTS[i], lw=0.8, ls=":")
        print(f"{f'deep linear mode of target {mode:g}: strength':<48}{np.max(np.abs(exact - path)):10.2e}")
    right.plot([], [], ".", ms=4, color=INK, label="gradient descent")
    right.set(
        title=f"{LAYERS} linear layers learn mode by mode", xlabel="time (steps times rate)", ylabel="singular value"
    )
    right.set(ylim=(0, 5.4), xlim=(0, times[-1]))
    right.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
