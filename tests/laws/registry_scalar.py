"""Families of scalar events: draws and oracles. The last draw of each entry is an extreme one."""

import mpmath as mp
import numpy as np
import oracle_tails
from family_entry import Family
from scipy import special, stats


def normal(x, loc, scale):
    return -(((x - loc) / scale) ** 2) / 2 - mp.log(scale) - mp.log(2 * mp.pi) / 2


def _laplace(x, loc, scale):
    return -abs(x - loc) / scale - mp.log(2 * scale)


def _logistic(x, loc, scale):
    z = (x - loc) / scale
    return -z - mp.log(scale) - 2 * mp.log1p(mp.exp(-z))


def _student_t(x, df, loc, scale):
    z = (x - loc) / scale
    return (
        mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2 - mp.log(scale)
        - (df + 1) / 2 * mp.log1p(z**2 / df)
    )  # fmt: skip


def _uniform(x, low, high):
    return -mp.log(high - low)


def gamma(x, concentration, rate):
    return concentration * mp.log(rate) + (concentration - 1) * mp.log(x) - rate * x - mp.loggamma(concentration)


def beta(x, one, zero):
    log_beta = mp.loggamma(one) + mp.loggamma(zero) - mp.loggamma(one + zero)
    return (one - 1) * mp.log(x) + (zero - 1) * mp.log1p(-x) - log_beta


def _truncated_normal(x, loc, scale, low, high):
    a, b = (low - loc) / scale, (high - loc) / scale
    if a > 0:
        a, b = -b, -a
    mass = (mp.erfc(-b / mp.sqrt(2)) - mp.erfc(-a / mp.sqrt(2))) / 2
    return normal(x, loc, scale) - mp.log(mass)


def _von_mises(x, loc, concentration):
    return concentration * (mp.cos(x - loc) - 1) - mp.log(2 * mp.pi) - _log_i0e(concentration)


def _log_i0e(k):
    return mp.log(mp.besseli(0, k)) - k if k < 1e4 else _log_i0e_large(k)


def _log_i0e_large(k):
    return -mp.log(2 * mp.pi * k) / 2 + mp.log1p(1 / (8 * k) + 9 / (128 * k**2) + mp.mpf(225) / (3072 * k**3))


def _bernoulli(x, logits):
    return -mp.log1p(mp.exp(-logits if x == 1 else logits))


def _bernoulli_moments(logits):
    p, q = special.expit(logits), special.expit(-logits)
    return {"mean": p, "variance": p * q, "entropy": -p * special.log_expit(logits) - q * special.log_expit(-logits)}


def _poisson(x, log_rate):
    return x * log_rate - mp.exp(log_rate) - mp.loggamma(x + 1)


def _poisson_condition(x, log_rate):
    """exp(log_rate) is rounded once."""
    law = stats.poisson(np.exp(log_rate))
    return 1 + abs(x - np.exp(log_rate)) / (8 * max(1.0, abs(law.logpmf(x))))


def _truncated_moments(loc, scale, low, high):
    law = oracle_tails.truncnorm(loc, scale, low, high)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    ends = np.linspace(max(low, loc - 40 * scale), min(high, loc + 40 * scale), 101)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    x, w = (middle[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()
    log_p = law.logpdf(x)
    mass = w * np.exp(log_p)
    mean = mass @ x
    return {"mean": mean, "variance": mass @ (x - mean) ** 2, "entropy": -(mass @ log_p)}


def _von_mises_moments(loc, concentration):
    """The circular variance 1 - I_1/I_0."""
    ratio = special.i1e(concentration) / special.i0e(concentration)
    log_mass = np.log(2 * np.pi * special.i0e(concentration))
    nodes, weights = _von_mises_nodes(0.0, concentration)
    mass = weights * np.exp(-2 * concentration * np.sin(nodes / 2) ** 2 - log_mass)
    return {
        "mean": loc,
        "variance": mass @ (2 * np.sin(nodes / 2) ** 2),
        "entropy": concentration * (1 - ratio) + log_mass,
    }


def _von_mises_nodes(loc, concentration):
    width = min(np.pi, 40 / np.sqrt(concentration))
    ends = np.linspace(-width, width, 41)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    x = (loc + middle[:, None] + half[:, None] * nodes).ravel()
    return (x + np.pi) % (2 * np.pi) - np.pi, (half[:, None] * weights).ravel()


def _von_mises_points(loc, concentration):
    width = min(3.0, 6 / np.sqrt(concentration))
    x = loc + np.linspace(-width, width, 23)
    return (x + np.pi) % (2 * np.pi) - np.pi


def _truncated_condition(x, loc, scale, low, high):
    """Rounding of the exponent, taken from the end nearer to the mode, and of the logs of scale and Mills ratio."""
    near = min((low, high), key=lambda end: abs(end - loc))
    return 2.0 + abs((x - loc) * (x - near)) / scale**2


CONTINUOUS = [
    Family(
        "Normal",
        ((0.3, 1.7), (-2.0, 0.05), (40.0, 900.0), (1e3, 1e-3)),
        normal,
        "MVESCQX",
        "explicit",
        frozen=stats.norm,
        invalid=((0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)),
    ),
    Family(
        "Laplace",
        ((0.3, 1.7), (-2.0, 0.05), (40.0, 900.0), (1e3, 1e-3)),
        _laplace,
        "MVESCQX",
        "explicit",
        frozen=stats.laplace,
        invalid=((0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)),
        natural_context=lambda loc, scale: {"loc": loc},
    ),
    Family(
        "Logistic",
        ((0.3, 1.7), (-2.0, 0.05), (40.0, 900.0), (1e3, 1e-3)),
        _logistic,
        "MVESCQ",
        "explicit",
        frozen=stats.logistic,
        invalid=((0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)),
    ),
    Family(
        "StudentT",
        ((4.5, 0.3, 1.7), (30.0, -2.0, 0.05), (200.0, 40.0, 900.0), (1e6, 0.0, 1.0)),
        _student_t,
        "MVECQ",
        "implicit",
        num_noises=2,
        frozen=stats.t,
        invalid=((0.0, 0.0, 1.0), (-1.0, 0.0, 1.0), (3.0, 0.0, -1.0), (3.0, np.nan, 1.0)),
    ),
    Family(
        "Uniform",
        ((0.3, 1.7), (-2.0, 0.5), (40.0, 900.0), (1000.0, 1000.5)),
        _uniform,
        "MVECQ",
        "explicit",
        frozen=oracle_tails.uniform,
        coordinate="interval",
        ends=lambda low, high: (low, high),
        edges=(
            ((0.0, 2.0), 0.0, -np.log(2.0)),
            ((0.0, 2.0), 2.0, -np.log(2.0)),
            ((0.0, 2.0), -1e-6, -np.inf),
            ((0.0, 2.0), 2.001, -np.inf),
        ),
        invalid=((0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)),
    ),
    Family(
        "Gamma",
        ((2.5, 1.5), (0.3, 20.0), (50.0, 1.0), (1e6, 1.0)),
        gamma,
        "MVESCQX",
        "implicit",
        frozen=oracle_tails.gamma,
        condition=lambda x, a, r: (
            1.0 if a >= 1 else 1.5
        ),  # below one the terms of the density are several times its size
        coordinate="positive",
        edges=(
            ((1.0, 2.0), 0.0, np.log(2.0)),
            ((1.0, 1.0), 0.0, 0.0),
            ((1.0, 2.0), -1.0, -np.inf),
            ((2.0, 1.0), -1e-6, -np.inf),
        ),
        invalid=((0.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (np.nan, 1.0)),
    ),
    Family(
        "Beta",
        ((2.5, 1.5), (0.3, 2.0), (50.0, 10.0), (1e6, 1e6)),
        beta,
        "MVECQX",
        "implicit",
        num_noises=2,
        frozen=stats.beta,
        coordinate="interval",
        edges=(((1.0, 1.0), 0.0, 0.0), ((1.0, 1.0), 1.0, 0.0), ((2.0, 2.0), 1.5, -np.inf), ((2.0, 2.0), -0.5, -np.inf)),
        invalid=((0.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (np.nan, 1.0)),
    ),
    Family(
        "TruncatedNormal",
        ((0.3, 1.7, -1.0, 2.0), (0.0, 1.0, -30.0, 40.0), (5.0, 2.0, -3.0, 1.0), (0.0, 1.0, 10.0, 11.0)),
        _truncated_normal,
        "MVECQ",
        "explicit",
        frozen=oracle_tails.truncnorm,
        condition=_truncated_condition,
        moment_oracle=_truncated_moments,
        coordinate="interval",
        ends=lambda loc, scale, low, high: (low, high),
        edges=(
            ((0.0, 1.0, -1.0, 1.0), -1.0, float(_truncated_normal(-1, 0, 1, -1, 1))),
            ((0.0, 1.0, -1.0, 1.0), 1.0, float(_truncated_normal(1, 0, 1, -1, 1))),
            ((0.0, 1.0, -1.0, 1.0), 1.001, -np.inf),
            ((0.0, 1.0, 10.0, 11.0), 9.0, -np.inf),
        ),
        invalid=((0.0, -1.0, 0.0, 1.0), (0.0, 1.0, 1.0, 1.0), (0.0, 1.0, 1.0, 0.0), (np.nan, 1.0, 0.0, 1.0)),
    ),
    Family(
        "VonMises",
        ((0.3, 1.7), (-2.0, 0.05), (3.0, 100.0), (0.0, 1e6)),
        _von_mises,
        "MVESCX",
        "implicit",
        frozen=oracle_tails.VonMises,
        transport=oracle_tails.rotating_von_mises,
        moment_oracle=_von_mises_moments,
        nodes=_von_mises_nodes,
        points=_von_mises_points,
        coordinate="interval",
        ends=lambda loc, k: (-np.pi, np.pi),
        invalid=((0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)),
    ),
]

DISCRETE = [
    Family(
        "Bernoulli",
        ((0.3,), (-4.0,), (0.0,), (40.0,)),
        _bernoulli,
        "MVESCXN",
        "none",
        frozen=lambda logits: stats.bernoulli(special.expit(logits)),
        coordinate="integer",
        moment_oracle=_bernoulli_moments,
        points=lambda logits: np.array([0.0, 1.0]),
        nodes=lambda logits: (np.array([0.0, 1.0]), np.ones(2)),
        edges=(((-np.inf,), 0.0, 0.0), ((-np.inf,), 1.0, -np.inf), ((0.0,), 0.5, -np.inf), ((0.0,), 2.0, -np.inf)),
        invalid=((np.nan,),),
    ),
    Family(
        "Poisson",
        ((0.3,), (-4.0,), (3.0,), (float(np.log(1e6)),)),
        _poisson,
        "MVCX",
        "none",
        frozen=oracle_tails.poisson,
        condition=_poisson_condition,
        coordinate="integer",
        edges=(((-np.inf,), 0.0, 0.0), ((-np.inf,), 1.0, -np.inf), ((0.0,), 0.5, -np.inf), ((0.0,), -1.0, -np.inf)),
        invalid=((np.nan,),),
    ),
]
