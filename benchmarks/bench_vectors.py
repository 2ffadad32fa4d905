"""Families over vectors and matrices, and mixtures, beside NumPyro and TFP, where installed.

Log density, its value with the gradient in the parameters, and draws, for many points of a small event. Run with
`--quick` for fewer rounds, or name families.
"""

import argparse
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from _peers import available
from depthjax import distributions as own
from harness import compare, save

NUM_POINTS = 100_000


class Entry(NamedTuple):
    """Parameters, and the constructor of each package from (module, *parameters)."""

    params: tuple[Any, ...]
    depthjax: Callable[..., Any]
    numpyro: Callable[..., Any] | None = None
    tfp: Callable[..., Any] | None = None


def _entries() -> dict[str, Entry]:
    keys = iter(jax.random.split(jax.random.key(0), 20))
    logits, loc = jax.random.normal(next(keys), (8,)), jax.random.normal(next(keys), (8,))
    tril = jnp.tril(0.3 * jax.random.normal(next(keys), (8, 8)), -1) + jnp.eye(8)
    factor, small = jax.random.normal(next(keys), (8, 2)), jnp.tril(jnp.ones((3, 3))) / 2 + jnp.eye(3) / 2
    positive, scales = jnp.exp(logits / 2), jnp.exp(loc / 4)
    direction = jnp.asarray([2.0, -1.0, 2.0]) / 3
    return {
        "Categorical": Entry(
            (logits,),
            own.Categorical,
            lambda d, v: d.CategoricalLogits(v),
            lambda d, v: d.Categorical(v),
        ),
        "Multinomial": Entry(
            (logits,),
            lambda v: own.Multinomial(20, v),
            lambda d, v: d.MultinomialLogits(v, 20, total_count_max=20),
            lambda d, v: d.Multinomial(20.0, v),
        ),
        "Dirichlet": Entry((positive,), own.Dirichlet, lambda d, c: d.Dirichlet(c), lambda d, c: d.Dirichlet(c)),
        "DirichletMultinomial": Entry(
            (positive,),
            lambda c: own.DirichletMultinomial(20, c),
            lambda d, c: d.DirichletMultinomial(c, 20, total_count_max=20),
            lambda d, c: d.DirichletMultinomial(20.0, c),
        ),
        "RelaxedCategorical": Entry(
            (jnp.float32(0.7), logits),
            own.RelaxedCategorical,
            tfp=lambda d, t, v: d.RelaxedOneHotCategorical(t, v),
        ),
        "MultivariateNormal": Entry(
            (loc, tril),
            own.MultivariateNormal,
            lambda d, m, s: d.MultivariateNormal(m, scale_tril=s),
            lambda d, m, s: d.MultivariateNormalTriL(m, s),
        ),
        "MultivariateNormalLowRank": Entry(
            (loc, factor, scales),
            own.MultivariateNormalLowRank,
            lambda d, m, w, s: d.LowRankMultivariateNormal(m, w, s**2),
        ),
        "MultivariateStudentT": Entry(
            (jnp.float32(5.0), loc, tril),
            own.MultivariateStudentT,
            lambda d, df, m, s: d.MultivariateStudentT(df, m, s),
        ),
        "VonMisesFisher": Entry(
            (direction, jnp.float32(5.0)),
            own.VonMisesFisher,
            tfp=lambda d, m, k: d.VonMisesFisher(m, k),
        ),
        "LKJCholesky": Entry(
            (jnp.float32(2.0),),
            lambda c: own.LKJCholesky(4, c),
            lambda d, c: d.LKJCholesky(4, c),
            lambda d, c: d.CholeskyLKJ(4, c),
        ),
        "WishartCholesky": Entry(
            (jnp.float32(6.0), small),
            own.WishartCholesky,
            lambda d, df, s: d.WishartCholesky(df, scale_tril=s),
            lambda d, df, s: d.WishartTriL(df, s, input_output_cholesky=True),
        ),
        "mixture of normal laws": Entry(
            (logits, loc, scales),
            lambda v, m, s: own.MixtureSameFamily(v, jax.vmap(own.Normal)(m, s)),
            lambda d, v, m, s: d.MixtureSameFamily(d.CategoricalLogits(v), d.Normal(m, s)),
            lambda d, v, m, s: d.MixtureSameFamily(d.Categorical(v), d.Normal(m, s)),
        ),
        "zero-inflated Poisson": Entry(
            (jnp.float32(0.3), jnp.float32(4.0)),
            lambda g, r: own.ZeroInflated(own.Poisson(jnp.log(r)), jnp.log(g) - jnp.log1p(-g)),
            lambda d, g, r: d.ZeroInflatedPoisson(g, r),
        ),
    }


def _makers(entry):
    found = {"depthjax": entry.depthjax}
    for who, module in (("numpyro", "numpyro.distributions"), ("tfp", "tensorflow_probability.substrates.jax")):
        make = getattr(entry, who)
        if make is not None and available(module.split(".")[0]):
            loaded = importlib.import_module(module)
            loaded = loaded.distributions if who == "tfp" else loaded
            found[who] = lambda *params, make=make, loaded=loaded: make(loaded, *params)
    return found


def tables(name: str, entry: Entry, *, seconds: float) -> list:
    """Log density, value with gradient, and draws of one family."""
    found, key = _makers(entry), jax.random.key(1)
    x = jax.jit(lambda *params: entry.depthjax(*params).sample(key, (NUM_POINTS,)))(*entry.params)
    value = {who: lambda *args, make=make: jnp.sum(make(*args[:-1]).log_prob(args[-1])) for who, make in found.items()}
    slope = {who: jax.value_and_grad(fn, argnums=tuple(range(len(entry.params)))) for who, fn in value.items()}
    draws = {
        who: lambda *args, make=make, who=who: _draw(who, make(*args[:-1]), args[-1]) for who, make in found.items()
    }
    floating = jax.tree.map(lambda v: v.astype(jnp.float32) if name in _COUNT_VECTORS else v, x)
    points = {who: x if who == "depthjax" else floating for who in found}
    result = []
    for label, fns, last in (
        ("log density", value, points),
        ("value and gradient", slope, points),
        ("draws", draws, None),
    ):
        args = {who: (*entry.params, key if last is None else last[who]) for who in fns}
        fns = {who: fn for who, fn in fns.items() if who == "depthjax" or _works(who, fn, args[who])}
        title = f"{name}, {label}, {NUM_POINTS}"
        result.append(compare(fns, {who: args[who] for who in fns}, title=title, seconds=seconds))
    return result


_COUNT_VECTORS = ("Multinomial", "DirichletMultinomial")


def _draw(who, law, key):
    if who == "tfp":
        return law.sample(NUM_POINTS, seed=key)
    return law.sample(key, (NUM_POINTS,))


def _works(who, fn, args):
    try:
        jax.eval_shape(fn, *args)
    except Exception as error:
        print(f"{who} cannot be traced: {type(error).__name__}")
        return False
    return True


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("names", nargs="*", help="families; all, and results saved, if none is named")
    options = parser.parse_args()
    entries = _entries()
    chosen = options.names or list(entries)
    found = [table for name in chosen for table in tables(name, entries[name], seconds=1.0 if options.quick else 3.0)]
    if not options.names:
        print(f"\nsaved: {save('vectors', found).name}")


if __name__ == "__main__":
    main()
