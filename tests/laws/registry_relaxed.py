"""Relaxed discrete families: draws and oracles."""

import math

import mpmath as mp
import numpy as np
from family_entry import Family
from oracle_interval import OfLogit
from scipy import special, stats


def _relaxed_bernoulli(x, temperature, logits):
    u = temperature * (mp.log(x) - mp.log1p(-x)) - logits
    return mp.log(temperature) - u - 2 * mp.log1p(mp.exp(-u)) - mp.log(x) - mp.log1p(-x)


def _relaxed_law(temperature, logits):
    return OfLogit(stats.logistic(logits / temperature, 1 / temperature))


def _relaxed_points(temperature, logits):
    """About the median and over the interval, short of where x rounds to one."""
    about = (logits + np.linspace(-6, 6, 13)) / temperature
    return special.expit(np.clip(np.concatenate([about, np.linspace(-60, 13, 11)]), -60, 13))


def _relaxed_condition(x, temperature, logits):
    """The rounding of the two logarithms of logit x, in u and in the density itself."""
    size = abs(np.log(x)) + abs(np.log1p(-x))
    exact = _relaxed_bernoulli(mp.mpf(float(x)), mp.mpf(float(temperature)), mp.mpf(float(logits)))
    return 1 + ((1 + temperature) * size + abs(logits)) / (4 * max(1.0, abs(float(exact))))


def _hard_concrete(x, temperature, logits, low, high):
    if x == 0:
        return -mp.log1p(mp.exp(logits - temperature * mp.log(-low / high)))
    if x == 1:
        return -mp.log1p(mp.exp(temperature * mp.log((1 - low) / (high - 1)) - logits))
    return _relaxed_bernoulli((x - low) / (high - low), temperature, logits) - mp.log(high - low)


def _hard_condition(x, temperature, logits, low, high):
    """That of the stretched variable; the rounding of x - low is amplified by nothing."""
    share = min(max((x - low) / (high - low), 1e-6), 1 - 1e-6)
    return 1 + _relaxed_condition(share, temperature, logits)


def _hard_nodes(temperature, logits, low, high):
    nodes, weights = np.polynomial.legendre.leggauss(40)
    ends = np.linspace(0, 1, 41)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    x, w = (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()
    return np.concatenate([[0.0, 1.0], x]), np.concatenate([[1.0, 1.0], w])


def _hard_projections(temperature, logits, low, high):
    """Draws at an atom are spread evenly over the levels that the atom takes."""
    law = _relaxed_law(temperature, logits)
    zero, one = law.cdf(-low / (high - low)), law.cdf((1 - low) / (high - low))

    def level(x):
        u = np.random.default_rng(5).uniform(size=x.shape)
        between = law.cdf((x - low) / (high - low))
        return np.where(x == 0, u * zero, np.where(x == 1, one + u * (1 - one), between))

    return [(level, stats.uniform())]


def _exp_relaxed(y, temperature, logits):
    count = len(logits)
    terms = special.log_softmax(logits - temperature * y)
    return math.lgamma(count) + (count - 1) * np.log(temperature) + np.sum(terms)


def _relaxed_categorical(x, temperature, logits):
    return _exp_relaxed(np.log(x), temperature, logits) - np.sum(np.log(x))


def _log_points(temperature, logits):
    """Softmax points on a grid about the centre of the draws, and the steps between them."""
    steps = np.array([-8.0, -2.0, -0.3, 0.4, 5.0])
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)[:24] / temperature
    return special.log_softmax(np.pad(offsets, ((0, 0), (0, 1))) + logits / temperature, axis=-1)


def _log_nodes(temperature, logits):
    """Nodes y and weights for dx_1 dx_2/(x_1 x_2 x_3), which is db_1 db_2 in the log ratios b to the last one."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    ends = np.linspace(-45, 45, 31)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    t, w = (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()
    grid = np.stack(np.meshgrid(t, t, indexing="ij"), -1).reshape(-1, 2) / temperature
    y = special.log_softmax(np.pad(grid, ((0, 0), (0, 1))) + logits / temperature, axis=-1)
    return y, np.outer(w, w).ravel() / temperature**2


def _nodes(temperature, logits):
    y, weights = _log_nodes(temperature, logits)
    inside = y.min(axis=-1) > -600
    y, weights = y[inside], weights[inside]
    return np.exp(y), weights * np.exp(y.sum(axis=-1))


def _log_projections(temperature, logits):
    pairs = ((0, 1), (1, 2))
    return [
        (lambda y, i=i, j=j: temperature * (y[:, i] - y[:, j]) - (logits[i] - logits[j]), stats.logistic())
        for i, j in pairs
    ]


def _projections(temperature, logits):
    return [(lambda x, fn=fn: fn(np.log(x)), law) for fn, law in _log_projections(temperature, logits)]


def _sum_condition(y, temperature, logits, value):
    """Sums of logarithms, each rounded, that cancel in part."""
    size = (1 + temperature) * np.sum(np.abs(y)) + np.sum(np.abs(logits))
    return 1 + size / (4 * max(1.0, abs(value)))


_SMALL = np.array([0.3, -1.0, 0.5])
_CATEGORICAL = (
    (0.7, _SMALL),
    (2.5, np.array([0.0, 1.0, -2.0])),
    (1.0, np.array([4.0, 0.0, 0.0])),
    (0.5, np.array([3.0, 0.0, -3.0])),
)
_BAD = ((-1.0, _SMALL), (0.0, _SMALL), (1.0, np.array([np.nan, 0.0, 0.0])))

RELAXED = [
    Family(
        "RelaxedBernoulli",
        ((0.7, 0.3), (2.5, -4.0), (1.3, 0.5), (20.0, 30.0)),
        _relaxed_bernoulli,
        "CQ",
        "explicit",
        frozen=_relaxed_law,
        condition=_relaxed_condition,
        points=_relaxed_points,
        moment_oracle=lambda *args: {},
        coordinate="interval",
        edges=(((1.0, 0.0), 0.0, -np.inf), ((1.0, 0.0), 1.0, -np.inf), ((2.0, 1.0), -0.5, -np.inf)),
        invalid=((0.0, 1.0), (-1.0, 1.0), (1.0, np.nan), (1.0, np.inf)),
        cdf_condition=16.0,
    ),
    Family(
        "HardConcrete",
        ((0.7, 0.3, -0.1, 1.1), (2.5, -4.0, -0.5, 1.2), (1.0, 0.0, -0.1, 2.0), (5.0, 10.0, -0.01, 1.01)),
        _hard_concrete,
        "",
        "explicit",
        condition=_hard_condition,
        moment_oracle=lambda *args: {},
        points=lambda *args: np.concatenate([[0.4, 0.0, 1.0], np.linspace(0.001, 0.999, 21)]),
        nodes=_hard_nodes,
        projections=_hard_projections,
        coordinate="interval",
        edges=(((1.0, 0.0, -0.1, 1.1), -0.5, -np.inf), ((1.0, 0.0, -0.1, 1.1), 1.001, -np.inf)),
        invalid=((0.0, 1.0, -0.1, 1.1), (1.0, np.nan, -0.1, 1.1), (1.0, 0.0, 0.0, 1.1), (1.0, 0.0, -0.1, 1.0)),
    ),
    Family(
        "ExpRelaxedCategorical",
        _CATEGORICAL,
        _exp_relaxed,
        "",
        "explicit",
        scalar=False,
        condition=lambda y, t, logits: _sum_condition(y, t, logits, _exp_relaxed(y, t, logits)),
        points=_log_points,
        nodes=_log_nodes,
        projections=_log_projections,
        moment_oracle=lambda *args: {},
        draw_condition=64.0,
        invalid=_BAD,
    ),
    Family(
        "RelaxedCategorical",
        _CATEGORICAL,
        _relaxed_categorical,
        "",
        "explicit",
        scalar=False,
        condition=lambda x, t, logits: _sum_condition(np.log(x), t, logits, _relaxed_categorical(x, t, logits)),
        points=lambda *args: np.exp(_log_points(*args)),
        nodes=_nodes,
        projections=_projections,
        moment_oracle=lambda *args: {},
        draw_condition=64.0,
        invalid=_BAD,
    ),
]
