"""scipy laws whose log tails come from mpmath, where scipy's own lose digits."""

import mpmath as mp
import numpy as np
from scipy import stats


class HighPrecisionTails:
    """A frozen scipy law whose log tails come from mpmath, where scipy's own lose digits."""

    def __init__(self, law, log_tails):
        self._law, self._log_tails = law, log_tails

    def __getattr__(self, name):
        return getattr(self._law, name)

    def _tail(self, x, number):
        with mp.workdps(40):
            tails = [self._log_tails(mp.mpf(float(v)))[number] for v in np.ravel(x)]
            values = [float(mp.log(tail)) if tail > 0 else -np.inf for tail in tails]
        return np.reshape(values, np.shape(x))

    def logcdf(self, x):
        return self._tail(x, 0)

    def logsf(self, x):
        return self._tail(x, 1)


def truncnorm(loc, scale, low, high):
    loc, scale, low, high = (float(v) for v in (loc, scale, low, high))
    law = stats.truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale)

    def between(a, b):
        a, b = ((end - mp.mpf(loc)) / mp.mpf(scale) for end in (a, b))
        return mp.ncdf(b) - mp.ncdf(a) if a < 0 else mp.ncdf(-a) - mp.ncdf(-b)

    def tails(x):
        x = min(max(x, mp.mpf(low)), mp.mpf(high))
        whole = between(mp.mpf(low), mp.mpf(high))
        return between(mp.mpf(low), x) / whole, between(x, mp.mpf(high)) / whole

    return HighPrecisionTails(law, tails)


def gamma(concentration, rate):
    """For large shapes the tails are the density times the integral of its ratio, by Gauss-Legendre quadrature."""
    concentration, rate = float(concentration), float(rate)
    law = stats.gamma(concentration, scale=1 / rate)
    if concentration < 1e5:
        return law
    nodes, weights = np.polynomial.legendre.leggauss(24)

    def tails(x):
        x = rate * x
        log_density = (concentration - 1) * mp.log(x) - x - mp.loggamma(concentration)
        point = float(x)
        return [mp.exp(log_density) * ratio_integral(point, sign) for sign in (-1, 1)]

    def ratio_integral(x, sign):
        reach = max(0.0, sign * (concentration - x)) + 45 * np.sqrt(concentration)
        ends = np.linspace(0, reach if sign > 0 else min(reach, x), 201)
        middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
        s = middle[:, None] + half[:, None] * nodes
        log_ratio = (concentration - 1) * np.log1p(sign * s / x) - sign * s
        top = log_ratio.max()
        return mp.exp(top) * mp.mpf(float(np.sum(half[:, None] * weights * np.exp(log_ratio - top))))

    return HighPrecisionTails(law, tails)


def pareto(scale, concentration):
    scale, concentration = float(scale), float(concentration)

    def tails(x):
        upper = -concentration * mp.log(x / scale)
        return -mp.expm1(upper), mp.exp(upper)

    return HighPrecisionTails(stats.pareto(concentration, scale=scale), tails)


def inverse_gamma(concentration, scale):
    law, mirror = stats.invgamma(concentration, scale=scale), gamma(concentration, scale)
    if not isinstance(mirror, HighPrecisionTails):
        return law
    return HighPrecisionTails(law, lambda x: mirror._log_tails(1 / x)[::-1])
