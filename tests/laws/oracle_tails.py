"""scipy laws whose log tails come from mpmath, where scipy's own lose digits."""

import mpmath as mp
import numpy as np
from scipy import special, stats


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


def uniform(low, high):
    """Shares of the interval in exact arithmetic: scipy standardises x first, which rounds the gap to an end."""
    low, high = float(low), float(high)
    width = mp.mpf(high) - mp.mpf(low)

    def tails(x):
        x = min(max(x, mp.mpf(low)), mp.mpf(high))
        return (x - mp.mpf(low)) / width, (mp.mpf(high) - x) / width

    return HighPrecisionTails(stats.uniform(low, high - low), tails)


class _PoissonTails:
    """The tails of a large Poisson rate as those of gamma laws, P(X > k) = P(Gamma(k + 1) < rate)."""

    def __init__(self, rate):
        self._law, self._rate = stats.poisson(rate), rate

    def __getattr__(self, name):
        return getattr(self._law, name)

    def logcdf(self, x):
        return np.array([gamma(k + 1, 1.0).logsf([self._rate])[0] for k in np.floor(x)])

    def logsf(self, x):
        return np.array([gamma(k + 1, 1.0).logcdf([self._rate])[0] for k in np.floor(x)])


def poisson(log_rate):
    """Beyond a rate of 1e5 scipy's tails lose digits."""
    rate = float(np.exp(log_rate))
    return stats.poisson(rate) if rate < 1e5 else _PoissonTails(rate)


class VonMises:
    """The part of scipy's frozen interface that the laws use, on (-pi, pi]; tails below 1e-6 are left out.

    Masses are Gauss-Legendre sums over panels: scipy replaces the law by a normal one beyond a concentration of 50.
    """

    dist = stats.vonmises

    def __init__(self, loc, concentration):
        self.loc, self.concentration = float(loc), float(concentration)
        self.law = stats.vonmises(concentration, loc)

    def pdf(self, x):
        k = self.concentration
        return np.exp(-2 * k * np.sin((x - self.loc) / 2) ** 2) / (2 * np.pi * special.i0e(k))

    def _mass(self, start, stop):
        """Integral of the density, panels no wider than half a standard deviation within ten of them of the mode."""
        width = min(np.pi / 8, 0.5 / np.sqrt(max(self.concentration, 1e-9)))
        modes = self.loc + 2 * np.pi * np.arange(-2, 3)
        near = (modes[:, None] + width * np.arange(-40, 41)).ravel()
        ends = np.unique(np.clip(np.concatenate([near, np.linspace(start, stop, 33)]), start, stop))
        nodes, weights = np.polynomial.legendre.leggauss(16)
        middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
        return float(np.sum(half[:, None] * weights * self.pdf(middle[:, None] + half[:, None] * nodes)))

    def cdf(self, x):
        return np.reshape([self._mass(-np.pi, v) for v in np.ravel(x)], np.shape(x))

    def sf(self, x):
        return np.reshape([self._mass(v, np.pi) for v in np.ravel(x)], np.shape(x))

    def logcdf(self, x):
        mass = self.cdf(x)
        return np.log(np.where(mass > 1e-6, mass, np.nan))

    def logsf(self, x):
        mass = self.sf(x)
        return np.log(np.where(mass > 1e-6, mass, np.nan))


def rotating_von_mises(loc, concentration):
    """The von Mises law with the cdf counted from its mode, which turns with it: draws are carried around the cut."""
    centred = VonMises(0.0, concentration)

    class Rotating(VonMises):
        def cdf(self, x):
            turned = np.remainder(np.asarray(x) - self.loc + np.pi, 2 * np.pi) - np.pi
            return centred.cdf(turned)

    return Rotating(loc, concentration)


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
