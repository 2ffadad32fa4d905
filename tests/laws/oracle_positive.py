"""Oracles of families on the line and on half lines."""

import mpmath as mp
import numpy as np
from registry_scalar import beta, gamma, normal
from scipy import stats


def gumbel(x, loc, scale):
    z = (x - loc) / scale
    return -z - mp.exp(-z) - mp.log(scale)


def cauchy(x, loc, scale):
    return -mp.log(mp.pi * scale) - mp.log1p(((x - loc) / scale) ** 2)


def half_cauchy(x, scale):
    return mp.log(2) + cauchy(x, 0, scale)


def exponential(x, rate):
    return mp.log(rate) - rate * x


def half_normal(x, scale):
    return mp.log(2) + normal(x, 0, scale)


def weibull(x, k, scale):
    v = k * mp.log(x / scale)
    return mp.log(k) - mp.log(x) + v - mp.exp(v)


def weibull_condition(x, k, scale):
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


def pareto(x, scale, a):
    return mp.log(a) + a * mp.log(scale) - (a + 1) * mp.log(x)


def lomax(x, a, scale):
    return mp.log(a / scale) - (a + 1) * mp.log1p(x / scale)


def sum_condition(x, a, scale, growth):
    """The density is a difference of two logarithms, each rounded."""
    peak, fall = np.log(a / scale), (a + 1) * growth
    return 1 + (abs(peak) + fall) / (4 * max(1.0, abs(peak - fall)))


def chi_squared(x, df):
    return gamma(x, df / 2, mp.mpf(1) / 2)


def inverse_gamma(x, a, b):
    return a * mp.log(b) - (a + 1) * mp.log(x) - b / x - mp.loggamma(a)


def beta_prime(x, a, b, scale):
    y = x / (x + scale)
    return beta(y, a, b) + mp.log(scale) - 2 * mp.log(x + scale)


def log_x_condition(x, *args):
    """The density per unit of log x is rounded to a few of its terms, and -log x is added."""
    return 1.5 + abs(np.log(x / args[-1])) / 8
