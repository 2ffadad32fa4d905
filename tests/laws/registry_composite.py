"""Composite families: mixtures, transformed variables, products."""

import jax
import mpmath as mp
import numpy as np
from family_entry import Family, panels
from registry_scalar import gamma, normal
from scipy import special, stats

import depthjax.bijectors as bij
import depthjax.distributions as dists


def _mixture(x, logits, loc, scale):
    parts = stats.norm(loc, scale).logpdf(x)
    return float(special.logsumexp(special.log_softmax(logits) + parts))


class _NormalMixture:
    """The part of scipy's frozen interface that the laws use."""

    dist = stats.norm

    def __init__(self, logits, loc, scale):
        self.weights, self.parts = special.softmax(logits), stats.norm(loc, scale)
        self.log_weights = special.log_softmax(logits)

    def _sum(self, fn, x):
        return special.logsumexp(self.log_weights + fn(np.asarray(x, float)[..., None]), axis=-1)

    def logpdf(self, x):
        return self._sum(self.parts.logpdf, x)

    def pdf(self, x):
        return np.exp(self.logpdf(x))

    def logcdf(self, x):
        return self._sum(self.parts.logcdf, x)

    def logsf(self, x):
        return self._sum(self.parts.logsf, x)

    def cdf(self, x):
        return np.exp(self.logcdf(x))

    def ppf(self, p):
        grid = np.linspace(-60, 60, 400001)
        return np.interp(p, self.cdf(grid), grid)

    def isf(self, p):
        return self.ppf(1 - np.asarray(p))

    def mean(self):
        return float(self.weights @ self.parts.mean())

    def var(self):
        return float(self.weights @ (self.parts.var() + self.parts.mean() ** 2)) - self.mean() ** 2


def _mixture_nodes(logits, loc, scale):
    """Panels no wider than half the narrowest part."""
    reach = 12 * np.max(scale)
    ends = np.arange(np.min(loc) - reach, np.max(loc) + reach, 0.5 * np.min(scale))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def _mixture_record(logits, loc, scale, *, dtype):
    components = jax.vmap(dists.Normal)(np.asarray(loc, dtype), np.asarray(scale, dtype))
    return dists.MixtureSameFamily(np.asarray(logits, dtype), components)


def _lognormal(x, loc, scale):
    return normal(mp.log(x), loc, scale) - mp.log(x)


def _log_condition(x, loc, scale):
    """The rounding of log x moves z by eps |log x| / scale."""
    z = (np.log(x) - loc) / scale
    log_prob = stats.lognorm(scale, scale=np.exp(loc)).logpdf(x)
    return 1 + abs(z) * abs(np.log(x)) / scale / max(1.0, abs(log_prob))


def _product_record(loc, scale, concentration, rate, *, dtype):
    loc, scale, concentration, rate = (np.asarray(a, dtype) for a in (loc, scale, concentration, rate))
    return dists.Product((dists.Normal(loc, scale), dists.Gamma(concentration, rate)))


def _product_laws(loc, scale, concentration, rate):
    return stats.norm(loc, scale), stats.gamma(concentration, scale=1 / rate)


def _product(x, *args):
    with mp.workdps(40):
        (one, two), args = ([mp.mpf(float(v)) for v in values] for values in (x, args))
        return float(normal(one, *args[:2]) + gamma(two, *args[2:]))


def _product_condition(x, *args):
    """The two terms may cancel."""
    parts = [float(law.logpdf(v)) for law, v in zip(_product_laws(*args), x, strict=True)]
    return sum(abs(part) for part in parts) / max(1.0, abs(sum(parts)))


def _product_points(*args):
    p = np.linspace(0.02, 0.98, 24)
    laws = _product_laws(*args)
    return np.stack([laws[0].ppf(p), laws[1].ppf(np.roll(p, 7))], axis=-1)


def _product_nodes(*args):
    one, two = (Family("", (), None, "", "", frozen=lambda law=law: law, coordinate=kind)
                for law, kind in zip(_product_laws(*args), ("real", "positive"), strict=True))  # fmt: skip
    (x, wx), (y, wy) = panels(one, ()), panels(two, ())
    nodes = np.stack(np.meshgrid(x[::1], y[::1], indexing="ij"), -1).reshape(-1, 2)
    return nodes, np.outer(wx, wy).ravel()


def _product_moments(*args):
    laws = _product_laws(*args)
    return {
        "mean": [law.mean() for law in laws],
        "variance": [law.var() for law in laws],
        "covariance": np.diag([law.var() for law in laws]),
        "entropy": sum(law.entropy() for law in laws),
    }


COMPOSED = [
    Family(
        "MixtureSameFamily",
        tuple(
            (np.array(v), np.array([-2.0, 0.5, 3.0]), s * np.array([0.5, 1.0, 0.3]))
            for v, s in (
                ([0.3, -1.0, 2.0], 1.0),
                ([0.0, 0.0, 0.0], 0.3),
                ([-5.0, 3.0, 1.0], 3.0),
                ([30.0, 0.0, -30.0], 1.0),
            )
        ),
        _mixture,
        "MVCQ",
        "implicit",
        scalar=False,
        frozen=_NormalMixture,
        build=_mixture_record,
        points=lambda *a: np.linspace(-8, 8, 24),
        nodes=_mixture_nodes,
        condition=4.0,
        cdf_condition=4.0,
        moment_oracle=lambda *a: {"mean": _NormalMixture(*a).mean(), "variance": _NormalMixture(*a).var()},
        invalid=(
            (np.zeros(3), np.zeros(3), np.array([1.0, -1.0, 1.0])),
            (np.array([0.0, np.nan, 0.0]), np.zeros(3), np.ones(3)),
        ),
    ),
    Family(
        "Transformed",
        ((0.3, 0.7), (-2.0, 0.05), (4.0, 2.0), (30.0, 3.0)),
        _lognormal,
        "CQ",
        "explicit",
        frozen=lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
        coordinate="positive",
        draw_condition=64.0,
        build=lambda loc, scale, *, dtype: dists.Transformed(
            dists.Normal(np.asarray(loc, dtype), np.asarray(scale, dtype)), bij.Exp()
        ),
        edges=(((0.3, 0.7), 0.0, -np.inf), ((0.3, 0.7), -1.0, -np.inf)),
        invalid=((0.0, -1.0), (np.nan, 1.0)),
        condition=_log_condition,
        cdf_condition=16.0,
    ),
    Family(
        "Product",
        ((0.3, 1.7, 2.5, 1.5), (-2.0, 0.05, 0.9, 20.0), (40.0, 900.0, 50.0, 1.0), (1e3, 1e-3, 5.0, 1e4)),
        _product,
        "MVE",
        "implicit",
        scalar=False,
        build=_product_record,
        condition=_product_condition,
        points=_product_points,
        nodes=_product_nodes,
        moment_oracle=_product_moments,
        draw_condition=64.0,
        projections=lambda *a: [(lambda x, k=k: x[:, k], law) for k, law in enumerate(_product_laws(*a))],
        invalid=((0.0, -1.0, 1.0, 1.0), (0.0, 1.0, -1.0, 1.0), (np.nan, 1.0, 1.0, 1.0)),
    ),
]
