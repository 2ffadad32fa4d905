"""Residual networks have one spectrum, whatever the activation.

Blocks x' = x + phi(W x + b) whose chi_1 add up to c over the whole network share one law of squared singular values as
their number L grows. Three activations, with the weights that give them the same c, stand on the curve of that c; the
table holds the largest distance between the cdf of one network and that of the law, and the variance of the spectrum in
units of its squared mean: of the law, at this number of blocks, and of the network without its largest value, which
leaves the others where the activation has a mean: it belongs to the signal, that grows in one direction.

The last rows and panel are blocks h' = h + W phi(h) + b. There a rectifier stays off through many blocks, so that
slopes are the same from block to block, while the theory takes them as independent: half of all directions hardly move.

Run: python examples/meanfield_residual.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save
from _networks import squared_singular_values

from depthjax import meanfield

NAMES, SIGMA_B = ("tanh", "relu", "erf"), 1.0


@functools.partial(jax.jit, static_argnames=("name", "blocks"))
def weights(c, *, name, blocks):
    """sigma_w for which chi_1 of all blocks add up to c, the first q, and the variance of the spectrum at this depth.

    Lengths grow along the network by an amount that depends on sigma_w itself, so this is a fixed point.
    """
    phi = getattr(meanfield.activations, name)

    def lengths(sigma_w):
        def block(square, _):
            q = sigma_w**2 * square + SIGMA_B**2
            return square + meanfield.length_map(q, 1.0, 0.0, phi), q

        return jax.lax.scan(block, jnp.ones(()), length=blocks)[1]

    def again(_, sigma_w):
        return jnp.sqrt(c / jnp.sum(meanfield.chi_1(lengths(sigma_w), 1.0, phi)))

    sigma_w = jax.lax.fori_loop(0, 30, again, jnp.sqrt(c / blocks))
    q = lengths(sigma_w)
    variance = meanfield.residual_jacobian_variance(phi, q, sigma_w, blocks, skip=1.0, ensemble="gaussian")
    return sigma_w, q[0], variance / jnp.prod(1.0 + meanfield.chi_1(q, sigma_w, phi)) ** 2


@functools.partial(jax.jit, static_argnames=("blocks", "width"))
def persistent(key, c, *, blocks, width):
    """Squared singular values of rectifier blocks h' = h + W phi(h) of the same c."""

    def block(carry, key):
        h, jacobian = carry
        w = jnp.sqrt(2.0 * c / blocks / width) * jax.random.normal(key, (width, width))
        return (h + w @ jax.nn.relu(h), jacobian + w @ (jnp.where(h > 0.0, 1.0, 0.0)[:, None] * jacobian)), None

    start = (jax.random.normal(jax.random.fold_in(key, 1), (width,)), jnp.eye(width))
    (_, jacobian), _ = jax.lax.scan(block, start, jax.random.split(key, blocks))
    return jnp.linalg.svd(jacobian, compute_uv=False)[::-1] ** 2


def main():
    """One panel for each c and one for the other blocks; the table."""
    jax.config.update("jax_enable_x64", val=True)
    chosen = options(__doc__, "meanfield_residual")
    blocks, width, strengths = (20, 100, (0.5,)) if chosen.quick else (100, 400, (0.1, 0.5, 2.0))
    fig, axes = figure(1, len(strengths) + 1, (3.6 * (len(strengths) + 1), 3.8))
    evaluate = jax.jit(lambda law, x: (law.density(x), law.cdf(x)))
    key = jax.random.key(chosen.seed)
    print(f"{'':<12}{'':>6}{'':>9}{'':>10}{'variance':>27}")
    print(f"{'activation':<12}{'c':>6}{'sigma_w':>9}{'distance':>10}{'law':>9}{'exact':>9}{'network':>9}\n")

    def show(axis, c, name, sigma_w, exact, values, i, *, filled):
        law = meanfield.residual_jacobian(c)
        low, high = np.log(np.asarray(law.edges())[0])
        grid = np.linspace(low - 0.12 * (high - low), high + 0.12 * (high - low), 400)
        distance = np.max(np.abs(np.asarray(evaluate(law, values)[1]) - (np.arange(width) + 0.5) / width))
        spread = values[:-1].var() / values[:-1].mean() ** 2
        numbers = f"{2 * c:9.4f}{float(exact):9.4f}{spread:9.4f}"
        print(f"{name:<12}{c:6.2f}{float(sigma_w):9.4f}{distance:10.4f}{numbers}")
        look = {"histtype": "stepfilled", "alpha": 0.35} if filled else {"histtype": "step", "lw": 1.5}
        axis.hist(np.log(values), 30, range=(grid[0], grid[-1]), density=True, color=ACCENTS[i], label=name, **look)
        density, _ = evaluate(law, np.exp(grid))
        axis.plot(
            grid,
            density * np.exp(grid),
            color=INK,
            lw=2,
        )

    for axis, c in zip(axes[0], strengths, strict=False):
        for i, name in enumerate(NAMES):
            sigma_w, q, exact = weights(c, name=name, blocks=blocks)
            values = squared_singular_values(
                jax.random.fold_in(key, i), getattr(meanfield.activations, name), width=width, depths=(blocks,), q=q,
                sigma_w=sigma_w, sigma_b=SIGMA_B, ensemble="gaussian", skip=1.0,
            )[0]  # fmt: skip
            show(axis, c, name, sigma_w, exact, values, i, filled=i == 0)
        axis.set(title=f"$x' = x + \\phi(Wx + b)$,  c = {c}")
    c, axis = strengths[len(strengths) // 2], axes[0, -1]
    values = np.asarray(persistent(jax.random.fold_in(key, 9), c, blocks=blocks, width=width))
    show(axis, c, "relu, h", *weights(c, name="relu", blocks=blocks)[::2], values, 1, filled=False)
    axis.set(title=f"$h' = h + W \\phi(h)$,  relu,  c = {c}")
    for axis in axes[0]:
        axis.set(xlabel=r"log of squared singular value, $\log\lambda$", yticks=[])
        axis.margins(y=0.25)
    axes[0, 0].set(ylabel=r"density of $\log\lambda$")
    axes[0, 0].plot([], [], color=INK, lw=2, label="law of c")
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    fig.suptitle(f"{blocks} residual blocks of width {width}, one network for each activation", color=INK)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
