"""Initialisation by gradient descent: standard deviations that make a network of 100 layers an isometry.

Adam descends on `isometry_loss`, the squared logarithm of the mean squared singular value of the Jacobian plus the
relative variance of all of them, from an ordered and a chaotic start. With orthogonal weights a tanh network gets to
isometry, first to the critical line and then along it to short pre-activations; with Gaussian weights the variance is
never below the number of layers. The table and the last panel hold networks that were run, before and after, against
the limit of infinite width.

Run: python examples/meanfield_isometry.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save
from _networks import squared_singular_values

from depthjax import meanfield

DEPTH, PHI = 100, meanfield.activations.tanh
STARTS = {"order": (1.05, 0.45), "chaos": (1.9, 0.35)}


@functools.partial(jax.jit, static_argnames=("ensemble", "num_steps"))
def descend(start, *, ensemble, num_steps):
    """Standard deviations (num_steps, 2) and losses (num_steps,) along Adam's steps in their logarithms."""
    optimizer = optax.adam(optax.cosine_decay_schedule(0.02, num_steps))

    def loss(logs):
        return meanfield.isometry_loss(*jnp.exp(logs), PHI, DEPTH, ensemble=ensemble)

    def step(carry, _):
        logs, state = carry
        value, gradient = jax.value_and_grad(loss)(logs)
        # The loss spans six decades; its logarithm has gradients of order one.
        updates, state = optimizer.update(gradient / value, state)
        return (optax.apply_updates(logs, updates), state), (jnp.exp(logs), value)

    logs = jnp.log(start)
    return jax.lax.scan(step, (logs, optimizer.init(logs)), length=num_steps)[1]


@jax.jit
def length(sigma_w, sigma_b):
    """Variance of pre-activations that networks settle at."""
    return meanfield.q_star(sigma_w, sigma_b, PHI).value


@functools.partial(jax.jit, static_argnames=("ensemble",))
def cdf(log_lam, q, sigma_w, *, ensemble):
    """Share of squared singular values below exp(log_lam) in the limit of infinite width; NaN where unresolved."""
    found = meanfield.jacobian_density_solve(log_lam, PHI, q, sigma_w, DEPTH, ensemble=ensemble)
    return jnp.where(found.converged, found.cdf, jnp.nan)


def main():
    """Descend, run networks at both ends, draw the paths over the critical line and the spectra."""
    jax.config.update("jax_enable_x64", val=True)  # singular values reach over many decades
    chosen = options(__doc__, "meanfield_isometry")
    num_steps, width = (30, 60) if chosen.quick else (800, 300)
    ensembles = ("orthogonal",) if chosen.quick else ("orthogonal", "gaussian")
    fig, axes = figure(1, 3, (13, 4.2))
    plane, losses, spectra = axes[0]
    print(f"{'':<22}{'':>9}{'':>9}{'':>12}{'singular values':>20}")
    print(f"{'weights, start':<22}{'sigma_w':>9}{'sigma_b':>9}{'loss':>12}{'median':>10}{'largest':>10}\n")
    for i, ensemble in enumerate(ensembles):
        for j, (name, start) in enumerate(STARTS.items()):
            path, values = descend(jnp.asarray(start), ensemble=ensemble, num_steps=num_steps)
            path, values = np.asarray(path), np.asarray(values)
            style = {"color": ACCENTS[i], "ls": "-" if j == 0 else "--", "lw": 1.6}
            plane.plot(*path.T, **style, label=f"{ensemble}, from {name}")
            plane.plot(*path[0], "o", color=ACCENTS[i], ms=5)
            plane.plot(*path[-1], "*", color=ACCENTS[i], ms=11)
            losses.semilogy(values, **style)
            for when, label in ((0, f"{ensemble}, {name}"), (-1, "  after descent")):
                sigma_w, sigma_b = path[when]
                q = float(length(sigma_w, sigma_b))
                found = squared_singular_values(
                    jax.random.fold_in(jax.random.key(chosen.seed), j), PHI, width=width, depths=(DEPTH,), q=q,
                    sigma_w=sigma_w, sigma_b=sigma_b, ensemble=ensemble,
                )[0] ** 0.5  # fmt: skip
                reach = f"{np.median(found):10.2g}{found[-1]:10.2g}"
                print(f"{label:<22}{sigma_w:9.4f}{sigma_b:9.4f}{values[when]:12.5g}{reach}")
                if j == 1:
                    shade = {"color": ACCENTS[i], "lw": 3, "alpha": 0.8 if when else 0.35}
                    label = f"{ensemble}, {'after' if when else 'before'}"
                    # Rounding of the product leaves nothing smaller than this.
                    kept = found > found[-1] * 1e-14
                    spectra.plot(np.arange(width)[kept] / width, np.log10(found[kept]), label=label, **shade)
                    log_lam = np.linspace(*(2.0 * np.log(found[kept][[0, -1]])), 60)
                    share = cdf(log_lam, q, sigma_w, ensemble=ensemble)
                    spectra.plot(share, log_lam / np.log(100.0), color=INK, lw=0.9, ls="--")
    line = meanfield.critical_line(jnp.geomspace(1e-4, 3.0, 200), PHI)
    plane.plot(*line, color=INK, lw=3, alpha=0.35, zorder=0, label=r"$\chi_1 = 1$")
    plane.set(
        title="descent on two standard deviations", xlabel=r"$\sigma_w$", ylabel=r"$\sigma_b$", ylim=(-0.02, 0.75)
    )
    plane.plot([], [], "*", color=INK, label="after descent")
    spectra.plot([], [], color=INK, lw=0.9, ls="--", label="infinite width")
    plane.legend(frameon=False, fontsize=7, loc="upper left")
    losses.set(title=f"isometry loss at depth {DEPTH}", xlabel="step of Adam", ylabel="loss")
    spectra.set(
        title=f"singular values of networks of width {width}",
        xlabel="rank / width (smallest first)",
        ylabel=r"$\log_{10} s$",
    )
    spectra.legend(frameon=False, fontsize=7, loc="lower right")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
