"""Oracles of families on intervals."""

import mpmath as mp
import numpy as np
from oracle_logit_normal import logit_normal
from oracle_positive import gumbel
from scipy import stats

import depthjax.distributions as dists


def kumaraswamy(x, a, b):
    return mp.log(a * b) + (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-(x**a))


def kumaraswamy_condition(x, a, b):
    """The rounding of v = a log x reaches (b - 1) log(1 - exp v) by its slope; the logs of a and b are rounded too."""
    v = a * np.log(x)
    size = abs(v) * abs(b - 1) / np.expm1(-v) + abs(np.log(a)) + abs(np.log(b)) + abs((a - 1) * np.log(x))
    return 1 + size / (4 * max(1.0, abs(float(kumaraswamy(mp.mpf(float(x)), mp.mpf(float(a)), mp.mpf(float(b)))))))


class Kumaraswamy:
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


def kumaraswamy_moments(a, b):
    with mp.workdps(50):
        return Kumaraswamy(a, b).moments()


class OfLogit(Kumaraswamy):
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


def logit_condition(x, loc, scale):
    """The rounding of the two logarithms of logit x moves z by eps (|log x| + |log(1 - x)|) / scale."""
    size = abs(np.log(x)) + abs(np.log1p(-x))
    z = (np.log(x) - np.log1p(-x) - loc) / scale
    return 1 + abs(z) * size / scale / max(1.0, abs(float(logit_normal(mp.mpf(float(x)), loc, scale))))


class TruncatedGumbel:
    """The part of scipy's frozen interface that the laws use, in 40 digits."""

    dist = stats.gumbel_r

    def __init__(self, loc, scale, low, high):
        self.args = [mp.mpf(float(v)) for v in (loc, scale, low, high)]
        with mp.workdps(40):
            self.mass = gumbel_between(self.args[2], self.args[3], *self.args[:2])

    def _of(self, fn, x):
        loc, scale, low, high = self.args
        with mp.workdps(40):
            values = [float(fn(min(max(mp.mpf(float(v)), low), high), loc, scale, low, high)) for v in np.ravel(x)]
        return np.reshape(values, np.shape(x))

    def logpdf(self, x):
        return self._of(lambda v, loc, scale, low, high: gumbel(v, loc, scale) - mp.log(self.mass), x)

    def pdf(self, x):
        return np.exp(self.logpdf(x))

    def cdf(self, x):
        return self._of(lambda v, loc, scale, low, high: gumbel_between(low, v, loc, scale) / self.mass, x)

    def logcdf(self, x):
        return self._of(lambda v, loc, scale, low, high: _log(gumbel_between(low, v, loc, scale) / self.mass), x)

    def logsf(self, x):
        return self._of(lambda v, loc, scale, low, high: _log(gumbel_between(v, high, loc, scale) / self.mass), x)

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


def gumbel_between(low, high, loc, scale):
    return mp.exp(-mp.exp(-(high - loc) / scale)) - mp.exp(-mp.exp(-(low - loc) / scale))


def truncated_gumbel(x, loc, scale, low, high):
    return gumbel(x, loc, scale) - mp.log(gumbel_between(low, high, loc, scale))


def truncated_moments(*args):
    law = TruncatedGumbel(*args)
    low, high = float(args[2]), float(args[3])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    ends = np.linspace(low, high, 41)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    x = (middle[:, None] + half[:, None] * nodes).ravel()
    log_p = law.logpdf(x)
    mass = (half[:, None] * weights).ravel() * np.exp(log_p)
    mean = mass @ x
    return {"mean": mean, "variance": mass @ (x - mean) ** 2, "entropy": -(mass @ log_p)}


def truncated_record(loc, scale, low, high, *, dtype):
    loc, scale, low, high = (np.asarray(v, dtype) for v in (loc, scale, low, high))
    return dists.Truncated(dists.Gumbel(loc, scale), low, high)


def truncated_condition(x, loc, scale, low, high):
    """Far below the mode both the density and the mass are exp(-exp(-z)), each rounded in its exponent."""
    z = (np.array([x, low, high], float) - loc) / scale
    return 1 + np.exp(-z[[0, 2]]).sum() * max(1.0, abs(z[2])) / 4 + abs(z[1:]).sum() / 4
