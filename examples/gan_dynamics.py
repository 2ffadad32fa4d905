"""Why adversarial training circles: two games solved by hand, six ways to play them.

The bilinear game V = d g is the smallest with a saddle; the Dirac-GAN is the smallest generative adversarial network,
data at 0, a generator at theta and a logistic critic. The table gives, for each update rule, the spectral radius of its
linearisation at the fixed point, which tells whether steps spiral in or out, against the distance from the fixed point
that is left after many steps. The picture shows the paths.

Run: python examples/gan_dynamics.py [--quick] [--seed 0]
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import adversarial as adv

STEP = 0.2
RULES = {
    "simultaneous": adv.step_simultaneous,
    "alternating": adv.step_alternating,
    "extragradient": adv.step_extragradient,
    "consensus": functools.partial(adv.step_consensus, gamma=0.25),
    "implicit": functools.partial(adv.step_implicit, num_steps=4),
}


def path(rule, objective, critic, generator, *, num_steps):
    """Coordinates of critic and generator along the steps, (num_steps + 1, k)."""

    def step(state, _):
        state = rule(objective, *state, step_size=STEP)
        return state, state

    start = (critic, generator)
    _, states = jax.jit(lambda s: jax.lax.scan(step, s, length=num_steps))(start)
    flat = [jnp.concatenate([jnp.atleast_1d(leaf) for leaf in start])[None]]
    flat.append(jnp.concatenate([leaf.reshape(num_steps, -1) for leaf in states], axis=1))
    return np.asarray(jnp.concatenate(flat))


def radius(rule, objective, critic, generator):
    """Spectral radius of the linearised rule at a point."""
    step = functools.partial(rule, objective, step_size=STEP)
    return np.abs(np.linalg.eigvals(np.asarray(adv.update_matrix(step, critic, generator)))).max()


def main():
    """Print the spectra, follow the rules, draw their paths."""
    chosen = options(__doc__, "gan_dynamics")
    num_steps = 60 if chosen.quick else 200
    bilinear, zero = adv.bilinear_game(), jnp.zeros(())
    print(f"{'bilinear game':<18}{'radius':>9}{'left':>9}\n")
    found = {}
    for name, rule in RULES.items():
        found[name] = path(rule, bilinear, jnp.asarray(1.0), jnp.asarray(0.0), num_steps=num_steps)
        print(f"{name:<18}{radius(rule, bilinear, zero, zero):9.5f}{np.linalg.norm(found[name][-1]):9.4f}")
    optimistic = functools.partial(adv.step_optimistic, bilinear, step_size=STEP)
    matrix = adv.update_matrix(optimistic, adv.optimistic_state(bilinear, zero, zero))
    print(f"{'optimistic':<18}{np.abs(np.linalg.eigvals(np.asarray(matrix))).max():9.5f}")

    print(f"\n{'Dirac-GAN':<18}{'eigenvalues at 0':<44}{'verdict':<10}{'largest step':>12}\n")
    dirac = {}
    for gamma in (0.0, 0.3, 1.0, 3.0):
        game = adv.dirac_gan(gamma=gamma)
        report = adv.stability_report(game, jnp.zeros(2), zero)
        values = "  ".join(f"{v.real:.3f}{v.imag:+.3f}i" for v in report.eigenvalues)
        print(f"{f'R1 weight {gamma}':<18}{values:<44}{report.verdict:<10}{report.max_stable_step:12.3f}")
        dirac[gamma] = path(adv.step_simultaneous, game, jnp.asarray([0.8, 0.0]), jnp.asarray(0.6), num_steps=num_steps)

    fig, axes = figure(1, 3, (12, 4))
    for color, (name, points) in zip(ACCENTS, found.items(), strict=True):
        axes[0, 0].plot(points[:, 0], points[:, 1], ".-", ms=2, lw=0.7, color=color, label=name)
    axes[0, 0].set(title="bilinear game", xlabel="critic", ylabel="generator", xlim=(-3, 3), ylim=(-3, 3))
    axes[0, 0].legend(frameon=False, fontsize=7)
    for color, (gamma, points) in zip(ACCENTS, dirac.items(), strict=False):
        axes[0, 1].plot(points[:, 0], points[:, 2], ".-", ms=2, lw=0.7, color=color, label=f"R1 weight {gamma}")
        axes[0, 2].semilogy(np.hypot(points[:, 0], points[:, 2]), color=color)
    slope, place = np.meshgrid(np.linspace(-1.2, 1.2, 15), np.linspace(-1.2, 1.2, 15))
    field = jax.vmap(lambda a, b: adv.game_field(adv.dirac_gan())(jnp.stack([a, 0.0 * a]), b))(
        jnp.asarray(slope.ravel()), jnp.asarray(place.ravel())
    )
    axes[0, 1].quiver(slope.ravel(), place.ravel(), field[0][:, 0], field[1], color=INK, alpha=0.25)
    axes[0, 1].set(title="Dirac-GAN, simultaneous steps", xlabel="slope of the critic", ylabel="generator")
    axes[0, 1].legend(frameon=False, fontsize=7)
    axes[0, 2].set(title="distance from the fixed point", xlabel="step")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
