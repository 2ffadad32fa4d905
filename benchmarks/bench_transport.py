"""Exact, sliced and entropic transport beside ott, POT and SciPy, where installed, and plain forms in JAX.

Run with `--quick` for fewer rounds. SciPy and POT work on the host, and their times include the copies.
"""

import argparse

import jax
import jax.numpy as jnp

import _transport_peers as peers
from depthjax import transport
from harness import Comparison, compare, save


def by_cumulated_weights(x, y, a, b):
    """W1 as the integral of |F - G| over the sorted union, as SciPy has it."""
    points = jnp.concatenate([x, y])
    order = jnp.argsort(points)
    gap = jnp.cumsum(jnp.concatenate([a, -b])[order])
    return jnp.sum(jnp.abs(gap[:-1]) * jnp.diff(points[order]))


def line(num_points: int, *, seconds: float) -> list[Comparison]:
    """W1 of weighted samples on the line: the value beside the host's, and the value with its gradient."""
    x, y, a, b = (jax.random.normal(k, (num_points,)) for k in jax.random.split(jax.random.key(0), 4))
    args = (x, y + 0.5, jax.nn.softmax(a), jax.nn.softmax(b))
    ours = {"depthjax": transport.wasserstein_1d, "|F - G|": by_cumulated_weights}
    values = {name: jax.jit(fn) for name, fn in ours.items()} | peers.line_values()
    slopes = {name: jax.value_and_grad(fn, argnums=(0, 1)) for name, fn in ours.items()} | peers.line_slopes()
    size = f"n = {num_points}, weighted"
    return [
        compare(values, args, title=f"W1 on the line, {size}", seconds=seconds, jit=False),
        compare(slopes, args, title=f"W1 on the line, value and gradient, {size}", seconds=seconds),
    ]


def all_slices(key, x, y, num_projections):
    """Mean of W2^2 along directions, all at once: equally many points, so sorting is the plan."""
    directions = jax.random.normal(key, (x.shape[1], num_projections))
    directions = directions / jnp.linalg.norm(directions, axis=0, keepdims=True)
    return jnp.mean((jnp.sort(x @ directions, axis=0) - jnp.sort(y @ directions, axis=0)) ** 2)


def slices(num_points: int, dim: int, num_projections: int, *, seconds: float) -> Comparison:
    """Sliced W2^2; ours goes through the directions in blocks."""
    keys = jax.random.split(jax.random.key(1), 3)
    x, y = (jax.random.normal(key, (num_points, dim)) for key in keys[:2])
    candidates = {
        "depthjax": jax.jit(
            lambda key, x, y: transport.sliced_wasserstein_power(key, x, y, num_projections=num_projections).value
        ),
        "all at once": jax.jit(lambda key, x, y: all_slices(key, x, y, num_projections)),
        **peers.slices(num_projections),
    }
    title = f"sliced W2^2, n = {num_points}, d = {dim}, {num_projections} directions"
    return compare(candidates, (keys[2], x, y), title=title, seconds=seconds, jit=False)


def unrolled(cost, epsilon, num_steps):
    """Sinkhorn's iterations in the log domain between uniform laws, differentiated through every one of them."""
    n, m = cost.shape
    log_a, log_b = -jnp.log(float(n)), -jnp.log(float(m))

    def step(pair, _):
        f, g = pair
        f = -epsilon * jax.nn.logsumexp((g[None] - cost) / epsilon + log_b, axis=1)
        g = -epsilon * jax.nn.logsumexp((f[:, None] - cost) / epsilon + log_a, axis=0)
        return (f, g), None

    (f, g), _ = jax.lax.scan(step, (jnp.zeros(n), jnp.zeros(m)), length=num_steps)
    return jnp.mean(f) + jnp.mean(g)


def entropic(size: int, batch: int, num_steps: int, *, seconds: float) -> Comparison:
    """The dual value of entropic transport and its gradient in the cost."""
    keys = jax.random.split(jax.random.key(2))
    x, y = (jax.random.normal(key, (batch, size, 2)) for key in keys)
    cost = jnp.sum((x[:, :, None] - y[:, None]) ** 2, axis=-1)

    def graded(value):
        return jax.vmap(jax.value_and_grad(value))

    candidates = {
        "depthjax": graded(lambda c: transport.sinkhorn(c, epsilon=0.5, num_steps=num_steps).dual_value),
        "unrolled": graded(lambda c: unrolled(c, 0.5, num_steps)),
        **{name: graded(value) for name, value in peers.sinkhorn_values(0.5, num_steps).items()},
    }
    title = f"Sinkhorn, value and gradient, {batch} of {size} x {size}, {num_steps} steps"
    return compare(candidates, (cost,), title=title, seconds=seconds)


def to_tolerance(size: int, epsilon: float, tol: float, *, seconds: float) -> Comparison:
    """The potentials at a marginal error, from nothing."""
    x, y = (jax.random.normal(key, (size, 2)) for key in jax.random.split(jax.random.key(3)))
    cost = jnp.sum((x[:, None] - y[None]) ** 2, axis=-1)
    candidates = {
        "depthjax": lambda c: transport.sinkhorn(c, epsilon=epsilon, tol=tol, max_steps=10000)[:2],
        **peers.sinkhorn_to_tolerance(epsilon, tol),
    }
    title = f"Sinkhorn, {size} x {size}, epsilon = {epsilon}, marginal error {tol}"
    return compare(candidates, (cost,), title=title, seconds=seconds)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    seconds = 1.0 if quick else 10.0
    tables = []
    for n in (1_000, 10_000) if quick else (1_000, 10_000, 100_000):
        tables += line(n, seconds=seconds)
    for n, d, count in ((1_000, 16, 100),) if quick else ((1_000, 16, 100), (10_000, 64, 1_000)):
        tables.append(slices(n, d, count, seconds=seconds))
    for size, batch in ((20, 64), (100, 1)) if quick else ((20, 64), (100, 1), (1_000, 1)):
        tables.append(entropic(size, batch, 50, seconds=seconds))
    for size in (100,) if quick else (100, 1_000):
        tables += [to_tolerance(size, epsilon, 1e-3, seconds=seconds) for epsilon in (0.5, 0.05)]
    print(f"\nsaved: {save('transport', tables).name}")


if __name__ == "__main__":
    main()
