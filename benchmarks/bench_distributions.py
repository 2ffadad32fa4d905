"""Every scalar family beside NumPyro and TensorFlow Probability on JAX: log density, its gradient, and draws.

Times are of 1e5 float32 points or draws with scalar parameters. The accuracy column is the largest error of the float32
log density against scipy in float64, in units of the float32 eps times max(1, |log p|), over a thousand random points
of the timed parameters and, after a stroke, of harder ones. Peers that are not installed, or that raise, are left out.

Run with `--quick` for fewer rounds, and with names of families to run only those.
"""

import argparse
import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special, stats

from _peers import available
from depthjax import distributions
from harness import compare, save

NUM_POINTS = 100_000
EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Entry:
    """One family: its parameters, its law in scipy, and what peers call it."""

    params: tuple[float, ...]
    hard: tuple[float, ...]
    law: Callable[..., Any]
    numpyro: Callable[..., Any] | None = None
    tfp: Callable[..., Any] | None = None


def entries() -> dict[str, Entry]:
    """All families by name."""
    return {**_continuous(), **_counts()}


def _continuous():
    s = stats
    return {
        "Normal": Entry((0.3, 1.7), (1e3, 1e-3), s.norm, _same("Normal"), _same("Normal")),
        "Laplace": Entry((0.3, 1.7), (1e3, 1e-3), s.laplace, _same("Laplace"), _same("Laplace")),
        "Logistic": Entry((0.3, 1.7), (1e3, 1e-3), s.logistic, _same("Logistic"), _same("Logistic")),
        "Gumbel": Entry((0.3, 1.7), (1e3, 1e-3), s.gumbel_r, _same("Gumbel"), _same("Gumbel")),
        "Cauchy": Entry((0.3, 1.7), (1e3, 1e-3), s.cauchy, _same("Cauchy"), _same("Cauchy")),
        "StudentT": Entry((4.5, 0.3, 1.7), (1e6, 0.0, 1.0), s.t, _same("StudentT"), _same("StudentT")),
        "Uniform": Entry(
            (0.3, 1.7), (1e3, 1000.5), lambda a, b: s.uniform(a, b - a), _same("Uniform"), _same("Uniform")
        ),
        "Exponential": Entry(
            (1.5,), (1e6,), lambda r: s.expon(scale=1 / r), _same("Exponential"), _same("Exponential")
        ),
        "Gamma": Entry((2.5, 1.7), (1e6, 1.0), lambda a, r: s.gamma(a, scale=1 / r), _same("Gamma"), _same("Gamma")),
        "InverseGamma": Entry(
            (2.5, 1.7), (1e6, 1e6), lambda a, b: s.invgamma(a, scale=b), _same("InverseGamma"), _same("InverseGamma")
        ),
        "ChiSquared": Entry((5.0,), (2e6,), s.chi2, _same("Chi2"), _same("Chi2")),
        "Weibull": Entry(
            (2.5, 1.7),
            (200.0, 3.0),
            lambda k, scale: s.weibull_min(k, scale=scale),
            lambda d, k, scale: d.Weibull(scale, k),
            _same("Weibull"),
        ),
        "LogNormal": Entry(
            (0.3, 0.7), (-2.0, 0.05), lambda m, v: s.lognorm(v, scale=np.exp(m)), _same("LogNormal"), _same("LogNormal")
        ),
        "Pareto": Entry(
            (1.5, 2.5),
            (3.0, 1e3),
            lambda scale, a: s.pareto(a, scale=scale),
            _same("Pareto"),
            lambda d, scale, a: d.Pareto(a, scale),
        ),
        "Lomax": Entry((2.5, 1.5), (1e3, 3.0), lambda a, scale: s.lomax(a, scale=scale)),
        "HalfNormal": Entry(
            (1.7,), (0.01,), lambda scale: s.halfnorm(scale=scale), _same("HalfNormal"), _same("HalfNormal")
        ),
        "HalfCauchy": Entry(
            (1.7,),
            (0.01,),
            lambda scale: s.halfcauchy(scale=scale),
            _same("HalfCauchy"),
            lambda d, scale: d.HalfCauchy(jnp.zeros_like(scale), scale),
        ),
        "BetaPrime": Entry((2.5, 3.5, 1.5), (1e6, 1e6, 0.1), lambda a, b, scale: s.betaprime(a, b, scale=scale)),
        "Beta": Entry((2.5, 1.7), (1e6, 1e6), s.beta, _same("Beta"), _same("Beta")),
        "Kumaraswamy": Entry((2.5, 1.7), (50.0, 10.0), _Kumaraswamy, _same("Kumaraswamy"), _same("Kumaraswamy")),
        "LogitNormal": Entry((0.3, 1.7), (-2.0, 0.05), _LogitNormal, None, _same("LogitNormal")),
        "TruncatedNormal": Entry(
            (0.3, 1.7, -1.0, 2.0),
            (0.0, 1.0, 10.0, 11.0),
            lambda m, v, a, b: s.truncnorm((a - m) / v, (b - m) / v, m, v),
            lambda d, m, v, a, b: d.TruncatedNormal(m, v, low=a, high=b),
            _same("TruncatedNormal"),
        ),
        "VonMises": Entry((0.3, 1.7), (0.0, 1e4), lambda m, k: s.vonmises(k, m), _same("VonMises"), _same("VonMises")),
        "RelaxedBernoulli": Entry(
            (0.7, 0.3),
            (0.5, -2.0),
            _RelaxedBernoulli,
            lambda d, t, logits: d.RelaxedBernoulli(t, logits=logits),
            lambda d, t, logits: d.RelaxedBernoulli(t, logits=logits),
        ),
    }


def _counts():
    s, expit = stats, special.expit
    return {
        "Bernoulli": Entry(
            (0.3,), (-12.0,), lambda v: s.bernoulli(expit(v)), _logits("BernoulliLogits"), _logits("Bernoulli")
        ),
        "Geometric": Entry(
            (-0.7,), (-8.0,), lambda v: s.geom(expit(v), loc=-1), _logits("GeometricLogits"), _logits("Geometric")
        ),
        "Poisson": Entry(
            (1.3,),
            (float(np.log(1e6)),),
            lambda v: s.poisson(np.exp(v)),
            lambda d, v: d.Poisson(jnp.exp(v)),
            lambda d, v: d.Poisson(log_rate=v),
        ),
        "Binomial": Entry(
            (20.0, 0.3),
            (1e6, -1.0),
            lambda n, v: s.binom(n, expit(v)),
            lambda d, n, v: d.BinomialLogits(v, n),
            lambda d, n, v: d.Binomial(n, logits=v),
        ),
        "NegativeBinomial": Entry(
            (2.5, 0.3),
            (1e6, 0.0),
            lambda r, v: s.nbinom(r, expit(-v)),
            lambda d, r, v: d.NegativeBinomialLogits(r, v),
            lambda d, r, v: d.NegativeBinomial(r, logits=v),
        ),
        "GammaPoisson": Entry((2.5, 0.7), (1e6, 1.0), lambda a, r: s.nbinom(a, r / (1 + r)), _same("GammaPoisson")),
        "BetaBinomial": Entry(
            (20.0, 2.5, 1.5),
            (1e3, 1e6, 1e6),
            s.betabinom,
            lambda d, n, a, b: d.BetaBinomial(a, b, total_count=n),
            _same("BetaBinomial"),
        ),
    }


def _same(name):
    return lambda module, *params: getattr(module, name)(*params)


def _logits(name):
    return lambda module, logits: getattr(module, name)(logits=logits)


class _OfLogit:
    """A variable on (0, 1) whose logit has a known law."""

    def __init__(self, law):
        self.law = law

    def logpdf(self, x):
        return self.law.logpdf(np.log(x) - np.log1p(-x)) - np.log(x) - np.log1p(-x)

    def ppf(self, p):
        return special.expit(self.law.ppf(p))


class _LogitNormal(_OfLogit):
    def __init__(self, loc, scale):
        super().__init__(stats.norm(loc, scale))


class _RelaxedBernoulli(_OfLogit):
    def __init__(self, temperature, logits):
        super().__init__(stats.logistic(logits / temperature, 1 / temperature))


class _Kumaraswamy:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def logpdf(self, x):
        powers = (self.a - 1) * np.log(x) + (self.b - 1) * np.log(-np.expm1(self.a * np.log(x)))
        return np.log(self.a * self.b) + powers

    def ppf(self, p):
        return (-np.expm1(np.log1p(-p) / self.b)) ** (1 / self.a)


def makers(name: str, entry: Entry) -> dict[str, Callable[..., Any]]:
    """Constructors of the family by package."""
    found = {"depthjax": getattr(distributions, name)}
    if entry.numpyro is not None and available("numpyro"):
        module = importlib.import_module("numpyro.distributions")
        found["numpyro"] = functools.partial(entry.numpyro, module)
    if entry.tfp is not None and available("tensorflow_probability"):
        module = importlib.import_module("tensorflow_probability.substrates.jax").distributions
        found["tfp"] = functools.partial(entry.tfp, module)
    return found


def points(entry: Entry, params: tuple[float, ...], count: int) -> np.ndarray:
    """Random float32 points of the law, short of where they round to an end of the support."""
    exact = tuple(float(np.float32(v)) for v in params)
    levels = np.random.default_rng(0).uniform(1e-4, 1 - 1e-4, count)
    return entry.law(*exact).ppf(levels).astype(np.float32)


def errors(entry: Entry, found: Mapping[str, Callable[..., Any]], params: tuple[float, ...]) -> dict[str, float]:
    """Largest errors of the log density by package."""
    exact, x = tuple(float(np.float32(v)) for v in params), points(entry, params, 1000)
    law = entry.law(*exact)
    discrete = isinstance(getattr(law, "dist", None), stats.rv_discrete)
    want = (law.logpmf if discrete else law.logpdf)(x.astype(np.float64))
    result = {}
    for name, make in found.items():
        got = jax.jit(lambda args, x, make=make: make(*args).log_prob(x))(tuple(map(jnp.float32, params)), x)
        gap = np.abs(np.asarray(got, np.float64) - want) / np.maximum(1, np.abs(want)) / EPS
        result[name] = float(np.max(np.where(np.isnan(gap), np.inf, gap)))
    return result


def tables(name: str, entry: Entry, *, seconds: float) -> list:
    """Log density, value with the gradient in the parameters, and draws, of one family."""
    found, params = makers(name, entry), tuple(map(jnp.float32, entry.params))
    x, key = jnp.asarray(points(entry, entry.params, NUM_POINTS)), jax.random.key(0)
    live = tuple(range(1 if name in ("Binomial", "BetaBinomial") else 0, len(params)))
    value = {who: lambda *args, make=make: jnp.sum(make(*args[:-1]).log_prob(args[-1])) for who, make in found.items()}
    slope = {who: jax.value_and_grad(fn, argnums=live) for who, fn in value.items()}
    draws = {
        who: lambda *args, make=make, who=who: _draw(who, make(*args[:-1]), args[-1]) for who, make in found.items()
    }
    workloads = (("log density", value, x), ("value and gradient", slope, x), ("draws", draws, key))
    return [
        compare(
            _working(fns, (*params, last)), (*params, last), title=f"{name}, {label}, {NUM_POINTS}", seconds=seconds
        )
        for label, fns, last in workloads
    ]


def _working(fns, args):
    """The candidates that can be traced; a peer that raises is named and left out."""
    kept = {}
    for who, fn in fns.items():
        try:
            jax.eval_shape(fn, *args)
            kept[who] = fn
        except Exception as error:
            if who == "depthjax":
                raise
            print(f"  {who} raises {type(error).__name__}", flush=True)
    return kept


def _draw(who, dist, key):
    return dist.sample(NUM_POINTS, seed=key) if who == "tfp" else dist.sample(key, (NUM_POINTS,))


def main() -> None:
    """Print every table with its accuracy and write `results/distributions.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    known = entries()
    chosen = {name: known[name] for name in options.names or known}
    measured, accuracy = [], {}
    for name, entry in chosen.items():
        measured += tables(name, entry, seconds=0.3 if options.quick else 3.0)
        found = makers(name, entry)
        usual, hard = (errors(entry, found, params) for params in (entry.params, entry.hard))
        accuracy[name] = {who: (usual[who], hard[who]) for who in found}
        shown = ", ".join(f"{who} {a:.3g} | {b:.3g}" for who, (a, b) in accuracy[name].items())
        print(f"  {name}: error of log p in float32 eps: {shown}", flush=True)
    save("distributions_quick" if options.quick else "distributions", measured, error_in_eps=accuracy)


if __name__ == "__main__":
    main()
