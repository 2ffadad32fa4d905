"""Families on the line, half lines and intervals beyond the elementary ones: draws and oracles."""

import mpmath as mp
import numpy as np
import oracle_tails
from family_entry import Family
from oracle_logit_normal import logit_normal, logit_normal_moments
from registry_scalar import _beta, gamma, normal
from scipy import stats

import depthjax.distributions as dists


def _gumbel(x, loc, scale):
    z = (x - loc) / scale
    return -z - mp.exp(-z) - mp.log(scale)


def _cauchy(x, loc, scale):
    return -mp.log(mp.pi * scale) - mp.log1p(((x - loc) / scale) ** 2)


def _half_cauchy(x, scale):
    return mp.log(2) + _cauchy(x, 0, scale)


def _exponential(x, rate):
    return mp.log(rate) - rate * x


def _half_normal(x, scale):
    return mp.log(2) + normal(x, 0, scale)


def _weibull(x, k, scale):
    v = k * mp.log(x / scale)
    return mp.log(k) - mp.log(x) + v - mp.exp(v)


def _weibull_condition(x, k, scale):
    """The log hazard v is rounded once, and exp(v) feels it; log k and log x come on top."""
    v = k * np.log(x / scale)
    size = abs(v) * (1 + np.exp(v)) + abs(np.log(k)) + abs(np.log(x))
    return 1 + size / (8 * max(1.0, abs(stats.weibull_min(k, scale=scale).logpdf(x))))


def log_normal(x, loc, scale):
    return normal(mp.log(x), loc, scale) - mp.log(x)


def log_condition(x, loc, scale):
    """The rounding of log x moves z by eps |log x| / scale."""
    z = (np.log(x) - loc) / scale
    log_prob = stats.lognorm(scale, scale=np.exp(loc)).logpdf(x)
    return 1 + abs(z) * abs(np.log(x)) / scale / max(1.0, abs(log_prob))


def _pareto(x, scale, a):
    return mp.log(a) + a * mp.log(scale) - (a + 1) * mp.log(x)


def _lomax(x, a, scale):
    return mp.log(a / scale) - (a + 1) * mp.log1p(x / scale)


def _sum_condition(x, a, scale, growth):
    """The density is a difference of two logarithms, each rounded."""
    peak, fall = np.log(a / scale), (a + 1) * growth
    return 1 + (abs(peak) + fall) / (4 * max(1.0, abs(peak - fall)))


def _kumaraswamy(x, a, b):
    return mp.log(a * b) + (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-(x**a))


def _kumaraswamy_condition(x, a, b):
    """The rounding of v = a log x reaches (b - 1) log(1 - exp v) by its slope; the logs of a and b are rounded too."""
    v = a * np.log(x)
    size = abs(v) * abs(b - 1) / np.expm1(-v) + abs(np.log(a)) + abs(np.log(b)) + abs((a - 1) * np.log(x))
    return 1 + size / (4 * max(1.0, abs(float(_kumaraswamy(mp.mpf(float(x)), mp.mpf(float(a)), mp.mpf(float(b)))))))


class _Kumaraswamy:
    """The part of scipy's frozen interface that the laws use."""

    dist = stats.beta

    def __init__(self, a, b):
        self.a, self.b = float(a), float(b)

    def logpdf(self, x):
        v = self.a * np.log(x)
        with np.errstate(divide="ignore"):
            return np.log(self.a * self.b) + (self.a - 1) * np.log(x) + (self.b - 1) * np.log(-np.expm1(v))

    def pdf(self, x):
        return np.exp(self.logpdf(x))

    def logsf(self, x):
        x = np.clip(x, 0, 1)
        return self.b * np.log(-np.expm1(self.a * np.log(x)))

    def logcdf(self, x):
        """By the binomial series of 1 - (1 - y)^b where y = x^a is small."""
        y = np.clip(x, 0, 1) ** self.a
        small = np.where(y < 1e-9 / self.b, y, 0)
        series = np.log(self.b) + self.a * np.log(np.clip(x, 0, 1)) - small * (self.b - 1) / 2
        return np.where(small > 0, series, np.log(-np.expm1(self.b * np.log1p(-y))))

    def cdf(self, x):
        return -np.expm1(self.logsf(x))

    def ppf(self, p):
        return (-np.expm1(np.log1p(-np.asarray(p, float)) / self.b)) ** (1 / self.a)

    def isf(self, q):
        return (-np.expm1(np.log(q) / self.b)) ** (1 / self.a)

    def moments(self):
        raw = [self.b * mp.beta(1 + mp.mpf(n) / self.a, self.b) for n in (1, 2)]
        harmonic = mp.digamma(self.b + 1) + mp.euler
        entropy = 1 - 1 / mp.mpf(self.b) + (1 - 1 / mp.mpf(self.a)) * harmonic - mp.log(self.a * self.b)
        return {"mean": float(raw[0]), "variance": float(raw[1] - raw[0] ** 2), "entropy": float(entropy)}


def _kumaraswamy_moments(a, b):
    with mp.workdps(50):
        return _Kumaraswamy(a, b).moments()


class OfLogit(_Kumaraswamy):
    """The part of scipy's frozen interface that the laws use, for a variable whose logit has a known law."""

    def __init__(self, law):
        self.law = law

    def _of_logit(self, x, fn):
        x = np.clip(np.asarray(x, float), 0, 1)
        return fn(np.log(x) - np.log1p(-x))

    def logpdf(self, x):
        return self._of_logit(x, self.law.logpdf) - np.log(x) - np.log1p(-x)

    def logcdf(self, x):
        return self._of_logit(x, self.law.logcdf)

    def logsf(self, x):
        return self._of_logit(x, self.law.logsf)

    def cdf(self, x):
        return self._of_logit(x, self.law.cdf)

    def ppf(self, p):
        return 1 / (1 + np.exp(-self.law.ppf(p)))

    def isf(self, q):
        return 1 / (1 + np.exp(-self.law.isf(q)))


def _logit_condition(x, loc, scale):
    """The rounding of the two logarithms of logit x moves z by eps (|log x| + |log(1 - x)|) / scale."""
    size = abs(np.log(x)) + abs(np.log1p(-x))
    z = (np.log(x) - np.log1p(-x) - loc) / scale
    return 1 + abs(z) * size / scale / max(1.0, abs(float(logit_normal(mp.mpf(float(x)), loc, scale))))


def _chi_squared(x, df):
    return gamma(x, df / 2, mp.mpf(1) / 2)


def _inverse_gamma(x, a, b):
    return a * mp.log(b) - (a + 1) * mp.log(x) - b / x - mp.loggamma(a)


def _beta_prime(x, a, b, scale):
    y = x / (x + scale)
    return _beta(y, a, b) + mp.log(scale) - 2 * mp.log(x + scale)


def _log_x_condition(x, *args):
    """The density per unit of log x is rounded to a few of its terms, and -log x is added."""
    return 1.5 + abs(np.log(x / args[-1])) / 8


class _TruncatedGumbel:
    """The part of scipy's frozen interface that the laws use, in 40 digits."""

    dist = stats.gumbel_r

    def __init__(self, loc, scale, low, high):
        self.args = [mp.mpf(float(v)) for v in (loc, scale, low, high)]
        with mp.workdps(40):
            self.mass = _gumbel_between(self.args[2], self.args[3], *self.args[:2])

    def _of(self, fn, x):
        loc, scale, low, high = self.args
        with mp.workdps(40):
            values = [float(fn(min(max(mp.mpf(float(v)), low), high), loc, scale, low, high)) for v in np.ravel(x)]
        return np.reshape(values, np.shape(x))

    def logpdf(self, x):
        return self._of(lambda v, loc, scale, low, high: _gumbel(v, loc, scale) - mp.log(self.mass), x)

    def pdf(self, x):
        return np.exp(self.logpdf(x))

    def cdf(self, x):
        return self._of(lambda v, loc, scale, low, high: _gumbel_between(low, v, loc, scale) / self.mass, x)

    def logcdf(self, x):
        return self._of(lambda v, loc, scale, low, high: _log(_gumbel_between(low, v, loc, scale) / self.mass), x)

    def logsf(self, x):
        return self._of(lambda v, loc, scale, low, high: _log(_gumbel_between(v, high, loc, scale) / self.mass), x)

    def ppf(self, p):
        loc, scale, low, _ = self.args
        with mp.workdps(40):
            below = mp.exp(-mp.exp(-(low - loc) / scale))
            x = [loc - scale * mp.log(-mp.log(below + mp.mpf(float(v)) * self.mass)) for v in np.ravel(p)]
        return np.reshape([float(v) for v in x], np.shape(p))

    def isf(self, q):
        loc, scale, _, high = self.args
        with mp.workdps(40):
            below = mp.exp(-mp.exp(-(high - loc) / scale))
            x = [loc - scale * mp.log(-mp.log(below - mp.mpf(float(v)) * self.mass)) for v in np.ravel(q)]
        return np.reshape([float(v) for v in x], np.shape(q))


def _log(value):
    return mp.log(value) if value > 0 else mp.ninf


def _gumbel_between(low, high, loc, scale):
    return mp.exp(-mp.exp(-(high - loc) / scale)) - mp.exp(-mp.exp(-(low - loc) / scale))


def _truncated_gumbel(x, loc, scale, low, high):
    return _gumbel(x, loc, scale) - mp.log(_gumbel_between(low, high, loc, scale))


def _truncated_moments(*args):
    law = _TruncatedGumbel(*args)
    low, high = float(args[2]), float(args[3])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    ends = np.linspace(low, high, 41)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    x = (middle[:, None] + half[:, None] * nodes).ravel()
    log_p = law.logpdf(x)
    mass = (half[:, None] * weights).ravel() * np.exp(log_p)
    mean = mass @ x
    return {"mean": mean, "variance": mass @ (x - mean) ** 2, "entropy": -(mass @ log_p)}


def _truncated_record(loc, scale, low, high, *, dtype):
    loc, scale, low, high = (np.asarray(v, dtype) for v in (loc, scale, low, high))
    return dists.Truncated(dists.Gumbel(loc, scale), low, high)


def _truncated_condition(x, loc, scale, low, high):
    """Far below the mode both the density and the mass are exp(-exp(-z)), each rounded in its exponent."""
    z = (np.array([x, low, high], float) - loc) / scale
    return 1 + np.exp(-z[[0, 2]]).sum() * max(1.0, abs(z[2])) / 4 + abs(z[1:]).sum() / 4


_POSITIVE = ((0.0,), (-1.0,), (np.nan,), (np.inf,))
_TWO_POSITIVE = ((0.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (1.0, np.inf))
_LOC_SCALE = ((0.3, 1.7), (-2.0, 0.05), (40.0, 900.0), (1e3, 1e-3))
_BAD_SCALE = ((0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf))

LINE = [
    Family(
        "Gumbel",
        _LOC_SCALE,
        _gumbel,
        "MVESCQ",
        "explicit",
        frozen=stats.gumbel_r,
        invalid=_BAD_SCALE,
    ),
    Family(
        "Cauchy",
        _LOC_SCALE,
        _cauchy,
        "ESCQ",
        "explicit",
        frozen=stats.cauchy,
        invalid=_BAD_SCALE,
    ),
]

HALF_LINE = [
    Family(
        "Exponential",
        ((1.5,), (0.01,), (40.0,), (1e6,)),
        _exponential,
        "MVESCQX",
        "explicit",
        frozen=lambda rate: stats.expon(scale=1 / rate),
        coordinate="positive",
        edges=(((2.0,), 0.0, np.log(2.0)), ((1.0,), 0.0, 0.0), ((1.0,), -1.0, -np.inf), ((2.0,), -1e-6, -np.inf)),
        invalid=_POSITIVE,
    ),
    Family(
        "HalfNormal",
        ((1.5,), (0.01,), (40.0,), (1e6,)),
        _half_normal,
        "MVECQX",
        "explicit",
        frozen=lambda scale: stats.halfnorm(scale=scale),
        coordinate="positive",
        edges=(
            ((1.0,), 0.0, float(_half_normal(0, 1))),
            ((0.01,), 0.0, float(_half_normal(0, mp.mpf("0.01")))),
            ((1.0,), -1.0, -np.inf),
            ((2.0,), -1e-6, -np.inf),
        ),
        invalid=_POSITIVE,
    ),
    Family(
        "HalfCauchy",
        ((1.5,), (0.01,), (40.0,), (1e6,)),
        _half_cauchy,
        "MVECQ",
        "explicit",
        frozen=lambda scale: stats.halfcauchy(scale=scale),
        coordinate="positive",
        edges=(((1.0,), 0.0, float(_half_cauchy(0, 1))), ((1.0,), -1.0, -np.inf), ((2.0,), -1e-6, -np.inf)),
        invalid=_POSITIVE,
    ),
    Family(
        "Weibull",
        ((2.5, 1.5), (0.7, 20.0), (200.0, 3.0), (1e3, 1.001)),
        _weibull,
        "MVECQX",
        "explicit",
        frozen=lambda k, scale: stats.weibull_min(k, scale=scale),
        condition=_weibull_condition,
        coordinate="positive",
        edges=(
            ((1.0, 2.0), 0.0, -np.log(2.0)),
            ((1.0, 1.0), 0.0, 0.0),
            ((2.0, 1.0), 0.0, -np.inf),
            ((2.0, 1.0), -1e-6, -np.inf),
        ),
        invalid=_TWO_POSITIVE,
        natural_context=lambda k, scale: {"concentration": k},
    ),
    Family(
        "LogNormal",
        ((0.3, 0.7), (-2.0, 0.05), (4.0, 2.0), (30.0, 3.0)),
        log_normal,
        "MVECQX",
        "explicit",
        frozen=lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
        condition=log_condition,
        coordinate="positive",
        edges=(((0.3, 0.7), 0.0, -np.inf), ((0.3, 0.7), -1.0, -np.inf)),
        invalid=_BAD_SCALE,
        cdf_condition=16.0,
    ),
    Family(
        "Pareto",
        ((1.5, 2.5), (20.0, 0.7), (3.0, 50.0), (1e3, 1e4)),
        _pareto,
        "MVECQX",
        "explicit",
        frozen=oracle_tails.pareto,
        condition=lambda x, scale, a: _sum_condition(x, a, scale, np.log(x / scale)),
        coordinate="positive",
        edges=(
            ((2.0, 3.0), 2.0, np.log(1.5)),
            ((1.0, 1.0), 1.0, 0.0),
            ((2.0, 3.0), 1.999, -np.inf),
            ((2.0, 1.0), -1.0, -np.inf),
        ),
        invalid=_TWO_POSITIVE,
        natural_context=lambda scale, a: {"scale": scale},
    ),
    Family(
        "Lomax",
        ((2.5, 1.5), (0.7, 20.0), (50.0, 3.0), (1e4, 1e3)),
        _lomax,
        "MVECQ",
        "explicit",
        frozen=lambda a, scale: stats.lomax(a, scale=scale),
        condition=lambda x, a, scale: _sum_condition(x, a, scale, np.log1p(x / scale)),
        coordinate="positive",
        edges=(((3.0, 2.0), 0.0, np.log(1.5)), ((1.0, 1.0), 0.0, 0.0), ((2.0, 3.0), -1e-6, -np.inf)),
        invalid=_TWO_POSITIVE,
    ),
    Family(
        "ChiSquared",
        ((5.0,), (0.7,), (100.0,), (2e6,)),
        _chi_squared,
        "MVESCQX",
        "implicit",
        frozen=lambda df: oracle_tails.gamma(df / 2, 0.5),
        condition=1.5,
        coordinate="positive",
        edges=(((2.0,), 0.0, -np.log(2.0)), ((3.0,), -1.0, -np.inf), ((2.0,), -1e-6, -np.inf)),
        invalid=_POSITIVE,
    ),
    Family(
        "InverseGamma",
        ((2.5, 1.5), (0.7, 20.0), (50.0, 3.0), (1e6, 1e6)),
        _inverse_gamma,
        "MVESCQX",
        "implicit",
        frozen=oracle_tails.inverse_gamma,
        cdf_condition=16.0,  # the rounding of scale / x moves the cdf by eps x p(x), about eps sqrt(a)
        condition=_log_x_condition,
        coordinate="positive",
        edges=(((2.5, 1.5), 0.0, -np.inf), ((2.5, 1.5), -1.0, -np.inf)),
        invalid=_TWO_POSITIVE,
    ),
    Family(
        "BetaPrime",
        ((2.5, 3.5, 1.5), (0.7, 2.0, 20.0), (50.0, 10.0, 3.0), (1e6, 1e6, 0.1)),
        _beta_prime,
        "MVECQ",
        "implicit",
        num_noises=2,
        frozen=lambda a, b, scale: stats.betaprime(a, b, scale=scale),
        cdf_condition=32.0,  # the rounding of x / (x + scale) moves the cdf by eps sqrt(a + b)
        condition=_log_x_condition,
        coordinate="positive",
        edges=(
            ((1.0, 3.0, 2.0), 0.0, np.log(1.5)),
            ((2.0, 3.0, 2.0), 0.0, -np.inf),
            ((1.0, 1.0, 1.0), -1e-6, -np.inf),
        ),
        invalid=((0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, np.nan, 1.0), (1.0, 1.0, np.inf)),
    ),
]

INTERVAL = [
    Family(
        "Kumaraswamy",
        ((2.5, 1.5), (0.3, 2.0), (50.0, 10.0), (30.0, 1e6)),
        _kumaraswamy,
        "MVECQ",
        "explicit",
        frozen=_Kumaraswamy,
        condition=_kumaraswamy_condition,
        moment_oracle=_kumaraswamy_moments,
        coordinate="interval",
        edges=(
            ((1.0, 1.0), 0.0, 0.0),
            ((1.0, 1.0), 1.0, 0.0),
            ((2.0, 2.0), 1.5, -np.inf),
            ((2.0, 2.0), -0.5, -np.inf),
        ),
        invalid=_TWO_POSITIVE,
    ),
    Family(
        "LogitNormal",
        ((0.3, 1.7), (-2.0, 0.05), (4.0, 3.0), (-1.0, 6.0)),
        logit_normal,
        "MVECQ",
        "explicit",
        frozen=lambda loc, scale: OfLogit(stats.norm(loc, scale)),
        condition=_logit_condition,
        moment_oracle=logit_normal_moments,
        coordinate="interval",
        edges=(((0.3, 1.7), 0.0, -np.inf), ((0.3, 1.7), 1.0, -np.inf), ((0.3, 1.7), -0.5, -np.inf)),
        invalid=_BAD_SCALE,
        cdf_condition=16.0,
    ),
    Family(
        "Truncated",
        ((0.3, 1.7, -1.0, 2.0), (0.0, 1.0, -2.0, 0.5), (5.0, 2.0, 4.0, 30.0), (0.0, 1.0, 20.0, 21.0)),
        _truncated_gumbel,
        "MVECQ",
        "explicit",
        frozen=_TruncatedGumbel,
        build=_truncated_record,
        condition=_truncated_condition,
        moment_oracle=_truncated_moments,
        coordinate="interval",
        ends=lambda loc, scale, low, high: (low, high),
        edges=(
            ((0.0, 1.0, -1.0, 1.0), -1.0, float(_truncated_gumbel(-1, 0, 1, -1, 1))),
            ((0.0, 1.0, -1.0, 1.0), 1.0, float(_truncated_gumbel(1, 0, 1, -1, 1))),
            ((0.0, 1.0, -1.0, 1.0), 1.001, -np.inf),
            ((0.0, 1.0, 10.0, 11.0), 9.0, -np.inf),
        ),
        invalid=((0.0, -1.0, 0.0, 1.0), (0.0, 1.0, 1.0, 1.0), (0.0, 1.0, 1.0, 0.0), (np.nan, 1.0, 0.0, 1.0)),
    ),
]

POSITIVE = [*LINE, *HALF_LINE, *INTERVAL]
