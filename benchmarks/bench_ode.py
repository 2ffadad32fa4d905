"""Gradients of ODE solutions beside diffrax, and scans that recompute beside those that store.

Run with `--quick` for fewer rounds.
"""

import argparse

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.ode import odeint

from depthjax import ode
from harness import Comparison, compare, save


def weights(shapes, scale=1.0, seed=0):
    """Normal weights of layers with standard deviation scale / sqrt(fan-in), and biases of 0.3."""
    rng = np.random.default_rng(seed)
    return [
        (
            jnp.asarray(scale * rng.normal(size=s) / s[0] ** 0.5, jnp.float32),
            jnp.asarray(0.3 * rng.normal(size=s[1]), jnp.float32),
        )
        for s in shapes
    ]


def small_network(t, y, w):
    """MLP 4-32-4 with softplus, the field of diffrax's `small_neural_ode` benchmark."""
    del t
    (a, b), (c, d) = w
    return jnp.tanh(jax.nn.softplus(y @ a + b[None]) @ c + d[None])


def flow_field(t, state, w):
    """Two-dimensional field with its exact divergence, for a batch."""

    def field(x):
        h = jnp.concatenate([x, t[None]])
        for a, b in w[:-1]:
            h = jnp.tanh(h @ a + b)
        return h @ w[-1][0] + w[-1][1]

    def one(x):
        value, push = jax.linearize(field, x)
        return value, jnp.trace(jax.vmap(push)(jnp.eye(2, dtype=x.dtype)))

    return jax.vmap(one)(state[0])


def by_diffrax(field, t1, *, tol, adjoint, max_steps):
    """Value and gradient of a loss of the last state by diffrax."""

    def run(y, w):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Dopri5(), 0.0, t1, None, y, w, adjoint=adjoint, max_steps=max_steps,
            stepsize_controller=diffrax.PIDController(rtol=tol, atol=tol),
        ).ys  # fmt: skip

    return lambda y, w: jax.tree.map(lambda v: v[-1], run(y, w))


def graded(solve):
    """Value and gradient in the weights of the mean of squares of the last state."""

    def loss(w, y):
        return sum(jnp.mean(v * v) for v in jax.tree.leaves(solve(y, w)))

    return jax.value_and_grad(loss)


def adaptive(field, y, w, t1, *, tol, max_steps, title, seconds) -> Comparison:
    """Replay against diffrax's adjoints and `jax.experimental.ode`."""
    recursive, direct = diffrax.RecursiveCheckpointAdjoint, diffrax.DirectAdjoint
    steps = int(ode.odeint_replay(field, y, 0.0, t1, w, rtol=tol, atol=tol, max_steps=max_steps).num_steps)
    tuned = recursive(checkpoints=max_steps)
    candidates = {
        "depthjax": lambda y, w: ode.odeint_replay(field, y, 0.0, t1, w, rtol=tol, atol=tol, max_steps=max_steps).y1,
        "diffrax": by_diffrax(field, t1, tol=tol, adjoint=recursive(), max_steps=4096),
        "diffrax, same max_steps": by_diffrax(field, t1, tol=tol, adjoint=recursive(), max_steps=max_steps),
        "diffrax, all checkpoints": by_diffrax(field, t1, tol=tol, adjoint=tuned, max_steps=max_steps),
        "diffrax, direct": by_diffrax(field, t1, tol=tol, adjoint=direct(), max_steps=max_steps),
        "jax.experimental.ode": lambda y, w: jax.tree.map(
            lambda v: v[-1], odeint(lambda y, t, w: field(t, y, w), y, jnp.array([0.0, t1]), w, rtol=tol, atol=tol)
        ),
    }
    candidates = {name: graded(solve) for name, solve in candidates.items()}
    return compare(candidates, (w, y), title=f"{title}, {steps} steps", seconds=seconds)


def fixed(num_steps, *, seconds) -> Comparison:
    """A fixed grid of midpoint steps; the gradient recomputes nothing, steps, or blocks."""
    w = weights([(4, 32), (32, 4)])
    y = jax.random.normal(jax.random.key(0), (64, 4))
    ts = np.linspace(0.0, 10.0, num_steps + 1)

    def own(remat):
        return lambda y, w: ode.solve_fixed(
            small_network, y, ts, w, method=ode.MIDPOINT, remat=remat, save="last"
        ).y1  # fmt: skip

    def peer(checkpoints):
        return lambda y, w: diffrax.diffeqsolve(
            diffrax.ODETerm(small_network), diffrax.Midpoint(), 0.0, 10.0, 10.0 / num_steps, y, w,
            adjoint=diffrax.RecursiveCheckpointAdjoint(checkpoints=checkpoints), max_steps=num_steps,
        ).ys[-1]  # fmt: skip

    candidates = {
        "depthjax, sqrt": own("sqrt"),
        "depthjax, step": own("step"),
        "depthjax, none": own(None),
        "diffrax": peer(None),
        "diffrax, all checkpoints": peer(num_steps),
    }
    candidates = {name: graded(solve) for name, solve in candidates.items()}
    return compare(candidates, (w, y), title=f"midpoint gradient, {num_steps} steps", seconds=seconds)


def recurrent(num_series, num_times, hidden, *, seconds) -> Comparison:
    """Hidden states of series at irregular times, one Euler step between two; diffrax solves each interval."""
    rng = np.random.default_rng(0)
    ts = jnp.asarray(np.sort(rng.uniform(0, 10, size=(num_series, num_times)), axis=1), jnp.float32)
    xs = jnp.asarray(rng.normal(size=(num_series, num_times, 2)), jnp.float32)
    seen = jnp.asarray(rng.uniform(size=(num_series, num_times)) < 0.5)
    w = tuple(a for a, _ in weights([(hidden, hidden), (hidden, hidden), (2, hidden)]))

    def field(t, h, w):
        del t
        return jnp.tanh(h @ w[0])

    def cell(w, h, x):
        return jnp.tanh(h @ w[1] + x @ w[2])

    def own(w, ts, xs, seen):
        zero = jnp.zeros(hidden)
        slope = lambda t, h, _: field(t, h, w)  # noqa: E731
        return ode.ode_rnn(lambda h, x: cell(w, h, x), slope, zero, ts, xs, seen, method=ode.EULER)

    def peer(w, ts, xs, seen):
        def body(h, entry):
            t0, t1, x, known = entry
            h = diffrax.diffeqsolve(
                diffrax.ODETerm(field), diffrax.Euler(), t0, t1, t1 - t0, h, w, max_steps=16,
            ).ys[-1]  # fmt: skip
            h = jnp.where(known, cell(w, h, x), h)
            return h, h

        return jax.lax.scan(body, jnp.zeros(hidden), (jnp.append(ts[:1], ts[:-1]), ts, xs, seen))[1]

    def graded(solve):
        def loss(w, ts, xs, seen):
            return jnp.mean(jax.vmap(solve, in_axes=(None, 0, 0, 0))(w, ts, xs, seen) ** 2)

        return jax.value_and_grad(loss)

    candidates = {"depthjax": graded(own), "diffrax in a scan": graded(peer)}
    title = f"recurrent gradient, {num_series} series of {num_times} times, hidden {hidden}"
    return compare(candidates, (w, ts, xs, seen), title=title, seconds=seconds)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    seconds = 4.0 if parser.parse_args().quick else 30.0
    batch = jax.random.normal(jax.random.key(0), (64, 4))
    plane = jax.random.normal(jax.random.key(1), (256, 2))
    tables = [
        adaptive(
            small_network, batch, weights([(4, 32), (32, 4)], 2.0), 100.0, tol=1e-6, max_steps=256,
            title="MLP 4-32-4, batch 64", seconds=seconds,
        ),
        adaptive(
            flow_field, (plane, jnp.zeros(256)), weights([(3, 64), (64, 64), (64, 2)], 2.0), 1.0, tol=1e-5,
            max_steps=64, title="planar flow with exact divergence", seconds=seconds,
        ),
        *(fixed(n, seconds=seconds) for n in (256, 1024, 4096)),
        recurrent(100, 200, 32, seconds=seconds),
    ]  # fmt: skip
    print(f"\nsaved: {save('ode', tables).name}")


if __name__ == "__main__":
    main()
