"""Cost of records: construction, dispatch, flattening, traces; log densities of 1e5 points beside NumPyro and distrax.

Run with `--quick` for fewer rounds.
"""

import argparse
import statistics
import timeit

import jax
import jax.numpy as jnp

from _peers import available
from depthjax import distributions, param, record
from harness import Comparison, compare, save

NUM_POINTS = 100_000


@record
class FourLeaves:
    """A record with four leaves, for the cost of flattening."""

    a: jax.Array = param()
    b: jax.Array = param()
    c: jax.Array = param()
    d: jax.Array = param()


def dispatch(*, seconds: float) -> list[Comparison]:
    """A call of jitted `log_prob(record, x)` against the same formula on bare arrays."""
    x, loc, scale = jnp.ones(8), jnp.zeros(8), jnp.ones(8)
    normal = distributions.Normal(loc, scale)

    def formula(x, loc, scale):
        z = (x - loc) / scale
        return jnp.sum(-0.5 * z * z - jnp.log(scale) - 0.9189385332046727)

    plain, ours = jax.jit(formula), jax.jit(lambda dist, x: dist.log_prob(x))
    args = {"arrays": (x, loc, scale), "record": (normal, x), "construct and call": (x, loc, scale)}
    calls = {
        "arrays": plain,
        "record": ours,
        "construct and call": lambda x, loc, scale: ours(distributions.Normal(loc, scale), x),
    }
    title = "dispatch of a jitted log density of 8 points"
    return [compare(calls, args, title=title, jit=False, seconds=seconds, rounds=1000)]


def record_costs() -> dict[str, float]:
    """Microseconds to flatten a record of four leaves, and traces of one function at five parameter values."""
    four = FourLeaves(*(jnp.float32(i) for i in range(4)))
    times = timeit.repeat(lambda: jax.tree.flatten(four), number=10_000, repeat=15)
    bare = timeit.repeat(lambda: jax.tree.flatten((four.a, four.b, four.c, four.d)), number=10_000, repeat=15)
    traces = 0

    @jax.jit
    def log_prob(dist, x):
        nonlocal traces
        traces += 1
        return dist.log_prob(x)

    for i in range(5):
        log_prob(distributions.Normal(jnp.float32(i), jnp.float32(1 + i)), jnp.float32(0.5))
    facts = {
        "flatten_four_leaves_us": statistics.median(times) / 10_000 * 1e6,
        "flatten_tuple_us": statistics.median(bare) / 10_000 * 1e6,
        "traces_for_five_values": traces,
    }
    for name, value in facts.items():
        print(f"  {name}: {value:.3g}", flush=True)
    return facts


def log_densities(*, seconds: float) -> list[Comparison]:
    """Value, and value with the gradient in the parameters, of the summed log density of 1e5 points."""
    tables = []
    for family, (params, points) in _families().items():
        makers = _makers(family)
        x = points(jax.random.key(0))
        value = {name: _summed(make) for name, make in makers.items()}
        gradient = {name: jax.value_and_grad(fn, argnums=tuple(range(len(params)))) for name, fn in value.items()}
        for label, candidates in (("log density", value), ("value and gradient", gradient)):
            title = f"{family}, {label}, {NUM_POINTS} points"
            tables.append(compare(candidates, (*params, x), title=title, seconds=seconds, rounds=400))
    return tables


def _summed(make):
    return lambda *args: jnp.sum(make(*args[:-1], args[-1]))


def _families():
    shape = (NUM_POINTS,)
    one = jnp.float32
    return {
        "Normal": ((one(0.3), one(1.7)), lambda key: jax.random.normal(key, shape)),
        "Laplace": ((one(0.3), one(1.7)), lambda key: jax.random.normal(key, shape)),
        "Gamma": ((one(2.5), one(1.7)), lambda key: jax.random.gamma(key, 2.5, shape)),
        "StudentT": ((one(4.5), one(0.3), one(1.7)), lambda key: jax.random.normal(key, shape)),
        "Beta": ((one(2.5), one(1.7)), lambda key: jax.random.beta(key, 2.5, 1.7, shape)),
    }


def _makers(family):
    def of(kind):
        return lambda *args: kind(*args[:-1]).log_prob(args[-1])

    makers = {"depthjax": of(getattr(distributions, family))}
    if available("numpyro"):
        import numpyro.distributions

        makers["numpyro"] = of(getattr(numpyro.distributions, family))
    if available("distrax"):
        import distrax

        if hasattr(distrax, family):
            makers["distrax"] = of(getattr(distrax, family))
    return makers


def main() -> None:
    """Print every table and write `results/core.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    tables = dispatch(seconds=1.0 if quick else 10.0)
    facts = record_costs()
    tables += log_densities(seconds=0.5 if quick else 5.0)
    save("core_quick" if quick else "core", tables, records=facts)


if __name__ == "__main__":
    main()
