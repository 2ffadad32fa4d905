"""Continuous normalising flows of growing width against planar flows of growing depth, on three planar targets.

The same data, optimiser and number of steps for all. Targets are mixtures whose entropy is known by quadrature, so that
the table can give KL(target || flow) = cross-entropy - entropy in nats on fresh data, with its standard error. The last
three columns are of the widest continuous flow: the accepted steps of the solver without and with RNODE's penalty on
its field, and the KL with it. Steps are adaptive in training too: a fit over a few fixed ones learns to exploit their
error (four of RK4 gave a "KL" of -0.6), since what they compute is no density.

Run: python examples/cnf_2d.py [--quick] [--seed 0]
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import figure, options, save

from depthjax import core, flows
from depthjax.flows import continuous

TICKS = np.linspace(-4.0, 4.0, 321)
WIDTH = 0.25


def centres(name):
    """Centres (m, 2) of the equal normal laws that make up a target."""
    if name == "8 gaussians":
        angles = np.arange(8) * np.pi / 4
        return 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if name == "moons":
        angles = np.linspace(0.0, np.pi, 24)
        upper = np.stack([np.cos(angles) - 0.5, np.sin(angles) - 0.25], axis=1)
        return 1.6 * np.concatenate([upper, -upper])
    squares = [(i, j) for i in range(4) for j in range(4) if (i + j) % 2 == 0]
    inner = np.stack(np.meshgrid([-0.35, 0.0, 0.35], [-0.35, 0.0, 0.35]), axis=-1).reshape(-1, 2)
    return np.concatenate([np.array(square) - 1.5 + inner for square in squares])


def density(name, points):
    """Density of a target at (..., 2)."""
    r2 = np.sum((points[..., None, :] - centres(name)) ** 2, axis=-1)
    return np.mean(np.exp(-0.5 * r2 / WIDTH**2), axis=-1) / (2 * np.pi * WIDTH**2)


def entropy(name):
    """Entropy in nats by the trapezoidal rule, which is exact to rounding here."""
    p = density(name, np.stack(np.meshgrid(TICKS, TICKS), axis=-1))
    return -np.sum(p * np.log(np.maximum(p, 1e-300))) * (TICKS[1] - TICKS[0]) ** 2


def draw(name, rng, size):
    """Fresh draws (size, 2)."""
    middle = centres(name)
    picked = middle[rng.integers(len(middle), size=size)]
    return jnp.asarray(picked + WIDTH * rng.normal(size=(size, 2)), jnp.float32)


def recipes(key, *, quick):
    """The untrained flows by name, at a loose tolerance for training."""
    wide = functools.partial(flows.continuous_flow, key, 2, rtol=1e-3, atol=1e-3, max_steps=100)
    sizes = (2, 8) if quick else (2, 8, 32)
    found = {f"CNF {m}": wide(hidden=(m, m)) for m in sizes}
    return found | {f"planar {n}": flows.planar_flow(key, 2, num_layers=n, init_scale=0.1) for n in sizes}


@functools.partial(jax.jit, static_argnames=("num_steps", "weight"))
def fit(key, flow, data, *, num_steps, weight=0.0):
    """Maximum likelihood by Adam; `weight` times RNODE's penalty on the path."""
    optimizer = optax.adam(optax.cosine_decay_schedule(2e-2, num_steps))
    raw = core.unconstrain(flow)

    def loss(raw, x):
        flow = core.constrain(raw)
        if not weight:
            return -jnp.mean(flow.log_prob(x))
        found = continuous.solve_flow(flow.bijector, x, reverse=True)
        penalty = continuous.rnode_penalty(found, kinetic_weight=weight, frobenius_weight=weight)
        return penalty - jnp.mean(flow.base.log_prob(found.y) + found.log_det)

    def body(carry, key):
        raw, state = carry
        x = data[jax.random.randint(key, (128,), 0, data.shape[0])]
        updates, state = optimizer.update(jax.grad(loss)(raw, x), state, raw)
        return (optax.apply_updates(raw, updates), state), None

    return core.constrain(jax.lax.scan(body, (raw, optimizer.init(raw)), jax.random.split(key, num_steps))[0][0])


def tight(flow):
    """The same flow at a tight tolerance, if it is a continuous one."""
    if not isinstance(flow.bijector, continuous.ContinuousFlow):
        return flow
    bijector = dataclasses.replace(flow.bijector, rtol=1e-5, atol=1e-5, max_steps=1024)
    return dataclasses.replace(flow, bijector=bijector)


def main():
    """Fit everything, print the table, draw the densities."""
    chosen = options(__doc__, "cnf_2d")
    rng, key = np.random.default_rng(chosen.seed), jax.random.key(chosen.seed)
    num_steps = 40 if chosen.quick else 300
    targets = ("8 gaussians",) if chosen.quick else ("8 gaussians", "moons", "checkerboard")
    score = jax.jit(lambda flow, x: flow.log_prob(x))
    path = jax.jit(lambda flow, x: continuous.solve_flow(flow, x, reverse=True).solution.num_steps)
    plane = jnp.asarray(np.stack(np.meshgrid(TICKS[::3], TICKS[::3]), axis=-1), jnp.float32)
    names = tuple(recipes(key, quick=chosen.quick))
    fig, axes = figure(len(targets), len(names) + 1, (2 * len(names) + 2, 2.2 * len(targets)))
    print(f"{'':<13}" + "".join(f"{name:>16}" for name in names) + f"{'steps':>10}{'RNODE steps':>13}{'RNODE':>16}\n")
    for row, target in zip(axes, targets, strict=True):
        data, fresh = draw(target, rng, 10_000), draw(target, rng, 5_000)
        row[0].imshow(density(target, plane), origin="lower", cmap="magma")
        row[0].set_title(target, fontsize=9)
        line, fitted = f"{target:<13}", {}

        def judged(flow, fresh=fresh, target=target):
            gaps = -np.asarray(score(flow, fresh), np.float64) - entropy(target)
            return f"{gaps.mean():.3f} +- {gaps.std() / len(gaps) ** 0.5:.3f}".rjust(16)

        for axis, (name, flow) in zip(row[1:], recipes(key, quick=chosen.quick).items(), strict=True):
            fitted[name] = tight(fit(key, flow, data, num_steps=num_steps))
            line += judged(fitted[name])
            image = np.exp(np.asarray(score(fitted[name], plane.reshape(-1, 2)))).reshape(plane.shape[:2])
            axis.imshow(image, origin="lower", cmap="magma")
            axis.set_title(name, fontsize=9)
        widest = [name for name in names if name.startswith("CNF")][-1]
        smooth = tight(fit(key, recipes(key, quick=chosen.quick)[widest], data, num_steps=num_steps, weight=0.03))
        taken = [float(np.mean(path(flow.bijector, fresh[:500]))) for flow in (fitted[widest], smooth)]
        print(line + f"{taken[0]:10.1f}{taken[1]:13.1f}" + judged(smooth), flush=True)
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
