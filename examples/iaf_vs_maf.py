"""The cost of each direction of an autoregressive flow.

A masked autoregressive flow scores a point in one pass of its networks and draws coordinate after coordinate; an
inverse autoregressive flow is the other way round. The table shows milliseconds for a batch of 256 as the dimension
grows; the slow direction is evaluated incrementally, so it costs a few passes and not d of them.

Run: python examples/iaf_vs_maf.py [--quick] [--seed 0]
"""

import dataclasses
import time

import jax
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import bijectors, flows

BATCH = 256


def milliseconds(fn, *args):
    """Median time of a compiled call."""
    fn = jax.jit(fn)
    jax.block_until_ready(fn(*args))
    times = []
    for _ in range(15):
        start = time.perf_counter()
        jax.block_until_ready(fn(*args))
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def pass_by_pass(flow):
    """The same flow with its slow direction evaluated by one whole pass for each coordinate."""
    kinds = (bijectors.MaskedAutoregressive, bijectors.InverseAutoregressive)

    def visit(node):
        return dataclasses.replace(node, inverse_method="sequential") if isinstance(node, kinds) else node

    return jax.tree.map(visit, flow, is_leaf=lambda node: isinstance(node, kinds))


def measure(key, recipe, dim):
    """Times of scoring, of drawing, and of drawing with one whole pass for each coordinate."""
    flow = recipe(key, dim, num_layers=2, hidden=(128, 128))
    x = jax.random.normal(key, (BATCH, dim))
    slow = (lambda d, v: d.sample(key, (BATCH,))) if recipe is flows.maf else (lambda d, v: d.log_prob(v))
    return (
        milliseconds(lambda d, v: d.log_prob(v), flow, x),
        milliseconds(lambda d, v: d.sample(key, (BATCH,)), flow, x),
        milliseconds(slow, pass_by_pass(flow), x),
    )


def main():
    """Print the table and draw it."""
    chosen = options(__doc__, "iaf_vs_maf")
    key = jax.random.key(chosen.seed)
    dims = (2, 8) if chosen.quick else (2, 8, 32, 128)
    print(f"{'':<6}{'d':>5}{'score':>10}{'draw':>10}{'slow one, pass by pass':>26}   milliseconds for {BATCH}\n")
    table = {name: [] for name in ("maf", "iaf")}
    for name, recipe in (("maf", flows.maf), ("iaf", flows.iaf)):
        for dim in dims:
            times = measure(key, recipe, dim)
            table[name].append(times)
            print(f"{name:<6}{dim:>5}{times[0]:>10.2f}{times[1]:>10.2f}{times[2]:>26.2f}")

    fig, (axes,) = figure(1, 2, (10, 3.6))
    for axis, name in zip(axes, table, strict=True):
        rows = np.array(table[name])
        for column, label in enumerate(("log_prob", "sample", "slow direction, one pass per coordinate")):
            style = "--" if column == 2 else "-"
            axis.loglog(dims, rows[:, column], style, marker="o", color=ACCENTS[column], label=label)
        axis.set(title=name.upper(), xlabel="dimension", ylabel=f"milliseconds for {BATCH}")
        axis.legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
