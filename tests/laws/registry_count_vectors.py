"""Discrete vectors: one-hot, multinomial and Dirichlet-multinomial counts."""

import itertools

import mpmath as mp
import numpy as np
from family_entry import Family
from oracle_condition import input_condition
from scipy import special, stats

LOGITS = ([0.3, -1.0, 2.0], [0.0, 0.0, 0.0], [-5.0, 3.0, 1.0])


def _one_hot(x, logits):
    return float(special.log_softmax(logits)[int(np.argmax(x))])


def _log_factorials(x):
    return mp.fsum(mp.loggamma(int(v) + 1) for v in x)


def _multinomial(x, total, logits):
    with mp.workdps(30):
        exact = [mp.mpf(float(v)) for v in logits]
        log_sum = mp.log(mp.fsum(mp.exp(v) for v in exact))
        terms = mp.fsum(int(k) * (v - log_sum) for k, v in zip(x, exact, strict=True))
        return float(mp.loggamma(int(total) + 1) - _log_factorials(x) + terms)


def _dirichlet_multinomial(x, total, concentration):
    with mp.workdps(30):
        a = [mp.mpf(float(v)) for v in concentration]
        terms = mp.fsum(mp.loggamma(int(k) + v) - mp.loggamma(v) for k, v in zip(x, a, strict=True))
        whole = mp.loggamma(mp.fsum(a)) - mp.loggamma(int(total) + mp.fsum(a)) + mp.loggamma(int(total) + 1)
        return float(terms + whole - _log_factorials(x))


def _in_the_last(log_prob):
    """The condition in the continuous parameter alone: counts are exact."""
    return lambda x, total, values: input_condition(lambda _, v: log_prob(x, total, v))(np.zeros(()), values)


def compositions(total, _):
    """All (x_1, x_2, x_3) that sum to the total."""
    n = int(total)
    pairs = [(i, j) for i, j in itertools.product(range(n + 1), repeat=2) if i + j <= n]
    x = np.array([(i, j, n - i - j) for i, j in pairs], np.float64)
    return x, np.ones(len(x))


def _points(mean):
    def points(total, values):
        random = np.random.default_rng(3)
        typical = random.multinomial(int(total), mean(values), size=18)
        spread = random.multinomial(int(total), np.ones(3) / 3, size=3)
        return np.concatenate([typical, spread, int(total) * np.eye(3)]).astype(np.float64)

    return points


def _multinomial_moments(total, logits):
    law = stats.multinomial(int(total), special.softmax(logits))
    x, _ = compositions(total, None)
    log_p = special.log_softmax(logits)
    log_mass = special.gammaln(total + 1) - special.gammaln(x + 1).sum(-1) + x @ log_p
    covariance = law.cov()
    return {
        "mean": total * np.exp(log_p), "variance": np.diagonal(covariance), "covariance": covariance,
        "entropy": -np.sum(np.exp(log_mass) * log_mass),
    }  # fmt: skip


def _dirichlet_moments(total, concentration):
    law = stats.dirichlet_multinomial(concentration, int(total))
    return {"mean": law.mean(), "variance": law.var(), "covariance": law.cov()}


def _binomials(total, logits):
    p = special.softmax(logits)
    return [(lambda x, k=k: x[:, k], stats.binom(int(total), p[k])) for k in range(3)]


def _beta_binomials(total, a):
    return [(lambda x, k=k: x[:, k], stats.betabinom(int(total), a[k], a.sum() - a[k])) for k in range(3)]


def _one_hot_moments(logits):
    p = special.softmax(logits)
    covariance = np.where(np.eye(3), np.diag(p * (p @ (1 - np.eye(3)))), -np.outer(p, p))
    entropy = -np.sum(p * special.log_softmax(logits))
    return {"mean": p, "variance": np.diagonal(covariance), "covariance": covariance, "entropy": entropy}


COUNT_VECTORS = [
    Family(
        "OneHotCategorical",
        tuple((np.array(v),) for v in (*LOGITS, [30.0, 0.0, -20.0])),
        _one_hot,
        "MVESKXN",
        "none",
        scalar=False,
        coordinate="integer",
        points=lambda logits: np.eye(3),
        nodes=lambda logits: (np.eye(3), np.ones(3)),
        moment_oracle=_one_hot_moments,
        projections=lambda logits: [
            (lambda x, k=k: x[:, k], stats.bernoulli(special.softmax(logits)[k])) for k in range(3)
        ],
        edges=tuple(((np.array([0.0, -np.inf, 1.0]),), x, -np.inf) for x in (0.0, 1.0, 0.5)),
        invalid=((np.array([0.0, np.nan, 0.0]),),),
    ),
    Family(
        "Multinomial",
        tuple((n, np.array(v)) for n, v in zip((7.0, 1.0, 30.0, 400.0), (*LOGITS, [8.0, 0.0, -3.0]), strict=True)),
        _multinomial,
        "MVESKX",
        "none",
        scalar=False,
        coordinate="integer",
        points=_points(special.softmax),
        nodes=compositions,
        condition=_in_the_last(_multinomial),
        moment_oracle=_multinomial_moments,
        projections=_binomials,
        natural_context=lambda total, logits: {"total_count": total},
        edges=(
            *(((3.0, np.array([0.0, -np.inf, 1.0])), x, -np.inf) for x in (1.0, 0.0, 0.5)),
            ((0.0, np.zeros(3)), 0.0, 0.0),
        ),
        invalid=((3.0, np.array([0.0, np.nan, 0.0])), (-1.0, np.zeros(3)), (2.5, np.zeros(3))),
    ),
    Family(
        "DirichletMultinomial",
        tuple(
            (n, np.array(v))
            for n, v in (
                (7.0, [2.5, 1.5, 0.7]),
                (1.0, [1.0, 1.0, 1.0]),
                (30.0, [20.0, 3.0, 0.3]),
                (300.0, [1e3, 2e3, 5.0]),
            )
        ),
        _dirichlet_multinomial,
        "MVK",
        "none",
        scalar=False,
        coordinate="integer",
        points=_points(lambda a: a / a.sum()),
        nodes=compositions,
        condition=_in_the_last(_dirichlet_multinomial),
        moment_oracle=_dirichlet_moments,
        projections=_beta_binomials,
        edges=(((3.0, np.ones(3)), 0.5, -np.inf), ((3.0, np.ones(3)), 0.0, -np.inf), ((0.0, np.ones(3)), 0.0, 0.0)),
        invalid=((3.0, np.array([1.0, 0.0, 1.0])), (-1.0, np.ones(3)), (3.0, np.array([1.0, np.nan, 1.0]))),
    ),
]
