"""Adjoints of a neural differential equation compared over longer and longer times.

A field of one hidden layer moves 64 points. For each adjoint the table gives the relative error of the gradient
against one at a tight tolerance, how far the reverse pass ends from where the forward pass began, and the slopes that
both passes compute. Over long times the backwards reconstruction of `backsolve` leaves the path, and its gradient is
wrong; replay and interpolation keep the path. The reversible schemes take ten steps in a unit of time: their error is
first that of these steps, and in the end the growth of what is parasitic in them.

Run: python examples/adjoint_shootout.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import ode

ADJOINTS = ("replay", "interpolated", "backsolve", "heun", "coupled")


def field(t, y, w):
    """One hidden layer of softplus, bounded by tanh."""
    return jnp.tanh(jax.nn.softplus(y @ w["in"] + w["shift"]) @ w["out"] + w["bias"])


def start(seed):
    """Points (64, 4) and weights, twice as large as usual so that the field bends."""
    rng = np.random.default_rng(seed)
    shapes = {"in": ((4, 32), 1.0), "shift": ((1, 32), 0.3), "out": ((32, 4), 8**-0.5), "bias": ((1, 4), 0.3)}
    weights = {name: jnp.asarray(scale * rng.normal(size=shape)) for name, (shape, scale) in shapes.items()}
    return jnp.asarray(rng.normal(size=(64, 4))), weights


def main():
    """Compare the adjoints at every time, print the tables, draw errors against time."""
    chosen = options(__doc__, "adjoint_shootout")
    jax.config.update("jax_enable_x64", val=True)  # so that rounding is not what one sees
    times = (1.0, 4.0) if chosen.quick else (1.0, 3.0, 10.0, 30.0, 100.0)
    y, weights = start(chosen.seed)
    errors = {name: [] for name in ADJOINTS}
    for t in times:
        report = ode.adjoint_check(
            lambda solution: jnp.mean(solution.y1**2), field, y, 0.0, t, weights,
            adjoints=ADJOINTS, num_steps=max(32, round(10 * t)),
        )  # fmt: skip
        print(f"\nT = {t:g}\n{'':<14}{'gradient error':>15}{'lost start':>12}{'forward':>9}{'backward':>10}")
        for name in ADJOINTS:
            errors[name].append(report.gradient_error[name])
            print(
                f"{name:<14}{errors[name][-1]:15.1e}{report.reconstruction_error[name]:12.1e}"
                f"{report.forward_evaluations[name]:9d}{report.backward_evaluations[name]:10d}"
            )

    fig, axes = figure(1, 1, (6, 4))
    for color, name in zip(ACCENTS, ADJOINTS, strict=True):
        axes[0, 0].loglog(times, errors[name], marker="o", color=color, label=name)
    axes[0, 0].set(xlabel="time", ylabel="relative error of the gradient")
    axes[0, 0].legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
