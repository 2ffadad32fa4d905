"""Families made of parts or atoms: mixtures of families, copies, reshapes, points."""

import numpy as np
from family_entry import Family
from oracle_condition import input_condition
from registry_vector import LOC, NARROW, TRIL
from registry_vector import _draw_condition as draw_condition
from registry_vector import _gaussian_moments as gaussian_moments
from registry_vector import _gaussian_nodes as gaussian_nodes
from registry_vector import _gaussian_projections as gaussian_projections
from registry_vector import _mvn as mvn
from registry_vector import _standard_points as standard_points
from scipy import special, stats

import depthjax.distributions as dists


class MixedLaw:
    """The part of scipy's frozen interface that the laws use, for a normal, a Laplace and a logistic component."""

    dist = stats.norm

    def __init__(self, logits, loc, scale):
        kinds = (stats.norm, stats.laplace, stats.logistic)
        self.parts = [kind(m, s) for kind, m, s in zip(kinds, loc, scale, strict=True)]
        self.log_weights = special.log_softmax(logits)

    def _sum(self, name, x):
        terms = [w + getattr(p, name)(np.asarray(x, float)) for w, p in zip(self.log_weights, self.parts, strict=True)]
        return special.logsumexp(terms, axis=0)

    def logpdf(self, x):
        return self._sum("logpdf", x)

    def logcdf(self, x):
        return self._sum("logcdf", x)

    def logsf(self, x):
        return self._sum("logsf", x)

    def pdf(self, x):
        return np.exp(self.logpdf(x))

    def cdf(self, x):
        return np.exp(self.logcdf(x))

    def ppf(self, p):
        grid = np.linspace(-60, 60, 400001)
        return np.interp(p, self.cdf(grid), grid)

    def isf(self, p):
        return self.ppf(1 - np.asarray(p))

    def mean(self):
        return sum(np.exp(w) * p.mean() for w, p in zip(self.log_weights, self.parts, strict=True))

    def var(self):
        square = sum(np.exp(w) * (p.var() + p.mean() ** 2) for w, p in zip(self.log_weights, self.parts, strict=True))
        return square - self.mean() ** 2


def _mixture_record(logits, loc, scale, *, dtype):
    logits, loc, scale = (np.asarray(a, dtype) for a in (logits, loc, scale))
    kinds = (dists.Normal, dists.Laplace, dists.Logistic)
    return dists.Mixture(logits, tuple(kind(m, s) for kind, m, s in zip(kinds, loc, scale, strict=True)))


def _panel_nodes(*args):
    """Gauss-Legendre panels that end at the kink of the Laplace component."""
    ends = np.unique(np.concatenate([m + s * np.linspace(-40, 40, 161) for m, s in zip(*args[1:], strict=True)]))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    return (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def _normal_record(cls, shape):
    def build(loc, tril, *, dtype):
        return cls(dists.MultivariateNormal(np.asarray(loc, dtype), np.asarray(tril, dtype)), shape)

    return build


def _twice(x, loc, tril):
    return mvn(x[0], loc, tril) + mvn(x[1], loc, tril)


def _twice_points(loc, tril):
    z = np.random.default_rng(3).normal(size=(24, 2, 2)) * np.linspace(0.1, 3.0, 24)[:, None, None]
    return loc + z @ tril.T


def _twice_nodes(loc, tril):
    points, weights = np.polynomial.hermite_e.hermegauss(6)
    z = np.stack(np.meshgrid(*(points,) * 4, indexing="ij"), -1).reshape(-1, 2, 2)
    w = np.prod(np.stack(np.meshgrid(*(weights * np.exp(points**2 / 2),) * 4, indexing="ij")), axis=0).ravel()
    return loc + z @ tril.T, w * np.linalg.det(tril) ** 2


def _twice_moments(loc, tril):
    one = gaussian_moments(loc, tril)
    return {"mean": [loc, loc], "variance": [one["variance"]] * 2, "entropy": 2 * one["entropy"]}


def _folded(moments):
    return {k: np.reshape(v, (2, 1)) if k in ("mean", "variance") else v for k, v in moments.items()}


def _empirical(x, samples, log_weights):
    same = np.all(np.isclose(samples, x, rtol=1e-6), axis=1)
    return float(special.logsumexp(np.where(same, special.log_softmax(log_weights), -np.inf)))


def _empirical_moments(samples, log_weights):
    weights = special.softmax(log_weights)
    mean = weights @ samples
    return {"mean": mean, "variance": weights @ (samples - mean) ** 2}


def _index_law(samples, log_weights):
    def nearest(x):
        return np.argmin(np.sum((x[:, None] - samples[None]) ** 2, axis=-1), axis=1)

    weights = special.softmax(log_weights)
    return [(nearest, stats.rv_discrete(values=(np.arange(len(weights)), weights / weights.sum()))())]


ASSEMBLED = [
    Family(
        "Mixture",
        tuple(
            (np.array(v), np.array([-2.0, 0.5, 3.0]), s * np.array([0.5, 1.0, 0.3]))
            for v, s in (
                ([0.3, -1.0, 2.0], 1.0),
                ([0.0, 0.0, 0.0], 0.3),
                ([-5.0, 3.0, 1.0], 2.0),
                ([30.0, 0.0, -30.0], 1.0),
            )
        ),
        lambda x, *args: float(MixedLaw(*args).logpdf(x)),
        "MVCQ",
        "implicit",
        scalar=False,
        frozen=MixedLaw,
        build=_mixture_record,
        points=lambda *a: np.linspace(-8, 8, 24),
        nodes=_panel_nodes,
        condition=input_condition(lambda x, *args: MixedLaw(*args).logpdf(x)),
        cdf_condition=4.0,
        moment_oracle=lambda *a: {"mean": MixedLaw(*a).mean(), "variance": MixedLaw(*a).var()},
        invalid=(
            (np.zeros(3), np.zeros(3), np.array([1.0, -1.0, 1.0])),
            (np.array([0.0, np.nan, 0.0]), np.zeros(3), np.ones(3)),
        ),
    ),
    Family(
        "Repeated",
        ((LOC, TRIL), (0 * LOC, np.eye(2)), (LOC, NARROW), (100 * LOC, 1e3 * TRIL)),
        _twice,
        "MVES",
        "explicit",
        scalar=False,
        build=_normal_record(dists.Repeated, (2,)),
        points=_twice_points,
        nodes=_twice_nodes,
        condition=input_condition(_twice, 2.0),
        draw_condition=draw_condition,
        moment_condition=16.0,
        moment_oracle=_twice_moments,
        projections=lambda *a: [(lambda x, p=p: p(x[:, 1]), law) for p, law in gaussian_projections(*a)],
        invalid=((LOC, -TRIL), (np.nan * LOC, TRIL)),
    ),
    Family(
        "Reshaped",
        ((LOC, TRIL), (0 * LOC, np.eye(2)), (LOC, NARROW), (100 * LOC, 1e3 * TRIL)),
        lambda x, loc, tril: mvn(x[:, 0], loc, tril),
        "MVESK",
        "explicit",
        scalar=False,
        build=_normal_record(dists.Reshaped, (2, 1)),
        points=lambda loc, tril: (loc + standard_points() @ tril.T)[..., None],
        nodes=lambda *a: (gaussian_nodes(*a)[0][..., None], gaussian_nodes(*a)[1]),
        condition=input_condition(lambda x, loc, tril: mvn(x[:, 0], loc, tril), 2.0),
        draw_condition=draw_condition,
        moment_condition=16.0,
        moment_oracle=lambda *a: _folded(gaussian_moments(*a)),
        projections=lambda *a: [(lambda x, p=p: p(x[..., 0]), law) for p, law in gaussian_projections(*a)],
        invalid=((LOC, -TRIL), (np.nan * LOC, TRIL)),
    ),
    Family(
        "Delta",
        ((LOC,), (0 * LOC,), (np.array([3.0, 1e-3]),), (1e6 * LOC,)),
        lambda x, value: 0.0,
        "MVES",
        "explicit",
        scalar=False,
        points=lambda value: value[None],
        nodes=lambda value: (value[None], np.ones(1)),
        moment_oracle=lambda value: {"mean": value, "variance": 0 * value, "entropy": 0.0},
        projections=lambda value: [(lambda x: np.all(x == value, axis=1).astype(float), stats.bernoulli(1.0))],
        edges=(((LOC,), 0.25, -np.inf),),
        invalid=((np.nan * LOC,), (np.inf * LOC,)),
    ),
    Family(
        "Empirical",
        tuple(
            (s * np.array([[0.3, -1.0], [2.0, 0.5], [0.0, 1.0], [-1.0, 1.0]]), np.array(w))
            for s, w in (
                (1.0, [0.3, -1.0, 2.0, 0.0]),
                (1.0, [0.0, 0.0, 0.0, 0.0]),
                (1e-3, [1.0, 2.0, -5.0, 0.5]),
                (1e6, [30.0, 0.0, -30.0, 1.0]),
            )
        ),
        _empirical,
        "MV",
        "none",
        scalar=False,
        points=lambda samples, log_weights: samples,
        nodes=lambda samples, log_weights: (samples, np.ones(4)),
        moment_oracle=_empirical_moments,
        projections=_index_law,
        edges=(((np.ones((4, 2)), np.zeros(4)), 1.0, 0.0), ((np.ones((4, 2)), np.zeros(4)), 2.0, -np.inf)),
        invalid=((np.nan * np.ones((4, 2)), np.zeros(4)), (np.ones((4, 2)), np.array([0.0, np.nan, 0.0, 0.0]))),
    ),
]
