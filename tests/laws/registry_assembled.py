"""Families made of parts or atoms: mixtures of families, copies, reshapes, points, and laws on simplex and sphere."""

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


def _logistic_normal(x, loc, tril):
    log_x = np.log(x)
    return mvn(log_x[:-1] - log_x[-1], loc, tril) - np.sum(log_x)


def _to_simplex(z):
    return special.softmax(np.concatenate([z, np.zeros_like(z[..., :1])], axis=-1), axis=-1)


def _simplex_nodes(loc, tril):
    z, weights = gaussian_nodes(loc, tril)
    x = _to_simplex(z)
    keep = x.min(axis=-1) > 1e-14
    return x[keep], (weights * np.prod(x, axis=-1))[keep]


def _log_ratios(loc, tril):
    pairs = gaussian_projections(loc, tril)
    return [(lambda x, p=p: p(np.log(x[:, :-1]) - np.log(x[:, -1:])), law) for p, law in pairs]


def _axes(direction):
    """Two unit vectors that complete the direction to a basis."""
    one = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    one /= np.linalg.norm(one)
    return one, np.cross(direction, one)


def _on_sphere(direction, deficit, turn):
    """Unit vectors of cosine 1 - deficit with the direction, at azimuth `turn`."""
    one, two = _axes(direction)
    sine = np.sqrt(deficit * (2 - deficit))[..., None]
    x = (1 - deficit)[..., None] * direction + sine * (np.cos(turn)[..., None] * one + np.sin(turn)[..., None] * two)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _vmf(x, direction, k):
    return np.log(k / (2 * np.pi)) - np.log(-np.expm1(-2 * k)) - 0.5 * k * np.sum((x - direction) ** 2)


def _vmf_points(direction, k):
    k = float(k)
    levels = np.linspace(0.01, 0.99, 24)
    deficit = -np.log(1 - levels * -np.expm1(-2 * k)) / k
    return _on_sphere(direction, deficit, np.linspace(0, 12, 24))


def _vmf_nodes(direction, k):
    nodes, weights = np.polynomial.legendre.leggauss(80)
    reach = min(2.0, 45 / float(k))
    deficit, turn = reach * (nodes + 1) / 2, np.arange(12) * np.pi / 6
    x = _on_sphere(direction, np.repeat(deficit, 12), np.tile(turn, 80))
    return x, np.repeat(reach / 2 * weights, 12) * np.pi / 6


def _vmf_moments(direction, k):
    k = float(k)
    length = 1 / np.tanh(k) - 1 / k
    peak = np.log(k / (2 * np.pi)) - np.log(-np.expm1(-2 * k))
    deficit = 1 / k - 2 / np.expm1(2 * k) if k < 300 else 1 / k
    return {"mean": length * direction, "variance": np.ones(3) * length / k, "entropy": k * deficit - peak}


class _Level:
    """The law of a variable that is uniform on [0, 1]."""

    dist = stats.uniform
    cdf = staticmethod(lambda u: np.clip(u, 0, 1))


def _vmf_projections(direction, k):
    one, two = _axes(direction)

    def level(x):
        deficit = 0.5 * np.sum((x - direction) ** 2, axis=-1)
        return np.expm1(-float(k) * deficit) / np.expm1(-2 * float(k))

    return [(level, _Level()), (lambda x: np.arctan2(x @ one, x @ two) / (2 * np.pi) + 0.5, _Level())]


DIRECTION = np.array([2.0, -1.0, 2.0]) / 3

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
    Family(
        "LogisticNormal",
        ((LOC, TRIL), (0 * LOC, np.eye(2)), (LOC, NARROW), (2 * LOC, 2 * TRIL)),
        _logistic_normal,
        "",
        "explicit",
        scalar=False,
        points=lambda loc, tril: _to_simplex(loc + 0.5 * standard_points() @ tril.T),
        nodes=_simplex_nodes,
        condition=input_condition(_logistic_normal, 2.0),
        draw_condition=lambda loc, tril: 64 * draw_condition(loc, tril),
        moment_oracle=lambda *a: {},
        projections=_log_ratios,
        edges=(((LOC, TRIL), 0.0, -np.inf), ((LOC, TRIL), 0.5, -np.inf)),
        invalid=((LOC, -TRIL), (np.nan * LOC, TRIL)),
    ),
    Family(
        "VonMisesFisher",
        ((DIRECTION, 2.5), (np.array([0.0, 0.0, 1.0]), 0.3), (-DIRECTION, 40.0), (DIRECTION, 1e5)),
        _vmf,
        "MEX",
        "implicit",
        scalar=False,
        points=_vmf_points,
        nodes=_vmf_nodes,
        condition=input_condition(_vmf),
        moment_condition=4.0,
        moment_oracle=_vmf_moments,
        projections=_vmf_projections,
        edges=(((DIRECTION, 2.5), 0.0, -np.inf), ((DIRECTION, 2.5), 1.0, -np.inf)),
        invalid=((DIRECTION, -1.0), (2 * DIRECTION, 1.0), (np.nan * DIRECTION, 1.0)),
    ),
]
