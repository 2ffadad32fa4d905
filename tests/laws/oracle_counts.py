"""Oracles of counts and levels."""

import mpmath as mp
import numpy as np
from scipy import special, stats

import depthjax.distributions as dists


def _log_sigmoid(x):
    return -mp.log1p(mp.exp(-x))


def geometric(x, logits):
    return _log_sigmoid(logits) + x * _log_sigmoid(-logits)


def binomial(x, n, logits):
    coefficient = mp.loggamma(n + 1) - mp.loggamma(x + 1) - mp.loggamma(n - x + 1)
    return coefficient + x * _log_sigmoid(logits) + (n - x) * _log_sigmoid(-logits)


def binomial_condition(x, n, logits):
    """The rounding of p and q moves the density by eps |x - n p|."""
    law = stats.binom(n, special.expit(logits))
    return 1 + abs(x - law.mean()) / (4 * max(1.0, abs(law.logpmf(x))))


def binomial_moments(n, logits):
    n, logits = float(n), float(logits)
    p, q = special.expit(logits), special.expit(-logits)
    x = np.arange(n + 1)
    log_mass = special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1)
    log_mass = log_mass + x * special.log_expit(logits) + (n - x) * special.log_expit(-logits)
    if n > 1e4:
        log_mass = stats.binom(n, p).logpmf(x)
        log_mass = np.where(np.isfinite(log_mass), log_mass, -1e3)
    return {"mean": n * p, "variance": n * p * q, "entropy": -np.sum(np.exp(log_mass) * log_mass)}


def negative_binomial(x, count, logits):
    coefficient = mp.loggamma(x + count) - mp.loggamma(x + 1) - mp.loggamma(count)
    return coefficient + x * _log_sigmoid(logits) + count * _log_sigmoid(-logits)


def waiting_law(count, logits):
    return stats.nbinom(count, special.expit(-np.asarray(logits, float)))


def waiting_condition(x, count, logits):
    """The rounding of p and q moves the density by eps |x q - count p|."""
    p, q = special.expit(logits), special.expit(-logits)
    return 1 + abs(x * q - count * p) / (4 * max(1.0, abs(waiting_law(count, logits).logpmf(x))))


def gamma_poisson(x, a, rate):
    return negative_binomial(x, a, -mp.log(rate))


def _polya(x, y, a, b):
    coefficient = mp.loggamma(x + y + 1) - mp.loggamma(x + 1) - mp.loggamma(y + 1)
    beta = [mp.loggamma(u) + mp.loggamma(v) - mp.loggamma(u + v) for u, v in ((a + x, b + y), (a, b))]
    return coefficient + beta[0] - beta[1]


def beta_binomial(x, n, a, b):
    return _polya(x, n - x, a, b)


class BetaBinomial:
    """scipy's law with tails that are sums of masses."""

    def __init__(self, n, a, b):
        self._law, self._n = stats.betabinom(n, a, b), float(n)
        with mp.workdps(30):
            exact = [mp.mpf(float(v)) for v in (n, a, b)]
            self._log_masses = np.array([float(beta_binomial(mp.mpf(k), *exact)) for k in range(int(n) + 1)])

    def __getattr__(self, name):
        return getattr(self._law, name)

    def _tail(self, x, choose):
        support = np.arange(self._n + 1)
        terms = [np.where(choose(support, v), self._log_masses, -np.inf) for v in np.ravel(x)]
        return np.reshape([special.logsumexp(row) for row in terms], np.shape(x))

    def logcdf(self, x):
        return self._tail(x, np.less_equal)

    def logsf(self, x):
        return self._tail(x, np.greater)


class Levels:
    """A frozen law on the levels 0, ..., K - 1 from an exact log mass, with tails that are sums of masses."""

    dist = stats.binom

    def __init__(self, log_mass, num_levels):
        with mp.workdps(40):
            self.log_masses = np.array([float(log_mass(mp.mpf(k))) for k in range(num_levels)])
        self.support = np.arange(num_levels)

    def _tail(self, x, choose):
        terms = [np.where(choose(self.support, v), self.log_masses, -np.inf) for v in np.ravel(x)]
        return np.reshape([special.logsumexp(row) for row in terms], np.shape(x))

    def logcdf(self, x):
        return self._tail(x, np.less_equal)

    def logsf(self, x):
        return self._tail(x, np.greater)

    def cdf(self, x):
        return np.exp(self.logcdf(x))

    def pmf(self, x):
        return np.exp(self.log_masses[np.asarray(x, int)])

    def moments(self):
        mass = np.exp(self.log_masses)
        mean = mass @ self.support
        return {"mean": mean, "variance": mass @ (self.support - mean) ** 2}


NUM_LEVELS = 32


def _normal_between(low, high):
    if low > 0:
        low, high = -high, -low
    return (mp.erfc(-high / mp.sqrt(2)) - mp.erfc(-low / mp.sqrt(2))) / 2


def quantized(x, loc, scale):
    low = mp.ninf if x == 0 else (x - 1 - loc) / scale
    high = mp.inf if x == NUM_LEVELS - 1 else (x - loc) / scale
    return mp.log(_normal_between(low, high))


def discretized_logistic(x, loc, scale):
    u, v = ((x + side * mp.mpf(0.5) - loc) / scale for side in (1, -1))
    below = mp.mpf(0) if x == 0 else _log_sigmoid(-v)
    above = mp.mpf(0) if x == NUM_LEVELS - 1 else _log_sigmoid(u)
    return below + above + (0 if x in (0, NUM_LEVELS - 1) else mp.log(-mp.expm1(-1 / scale)))


def levels(log_mass):
    def frozen(loc, scale):
        exact = [mp.mpf(float(v)) for v in (loc, scale)]
        return Levels(lambda k: log_mass(k, *exact), NUM_LEVELS)

    return frozen


def all_levels(*args):
    return np.arange(NUM_LEVELS, dtype=float), np.ones(NUM_LEVELS)


def zero_inflated(x, log_rate, gate):
    base = x * log_rate - mp.exp(log_rate) - mp.loggamma(x + 1) + _log_sigmoid(-gate)
    return mp.log(mp.exp(base) + mp.exp(_log_sigmoid(gate))) if x == 0 else base


def zero_inflated_condition(x, log_rate, gate):
    """exp(log_rate) is rounded once."""
    law = stats.poisson(np.exp(log_rate))
    return 1 + abs(x - np.exp(log_rate)) / (8 * max(1.0, abs(law.logpmf(x))))


class ZeroInflated:
    """The part of scipy's frozen interface that the laws use."""

    dist = stats.poisson

    def __init__(self, log_rate, gate):
        self.law, self.gate = stats.poisson(np.exp(log_rate)), float(gate)

    def logsf(self, x):
        return special.log_expit(-self.gate) + self.law.logsf(x)

    def logcdf(self, x):
        return np.logaddexp(special.log_expit(self.gate), special.log_expit(-self.gate) + self.law.logcdf(x))

    def cdf(self, x):
        return np.where(np.asarray(x) < 0, 0.0, np.exp(self.logcdf(x)))

    def pmf(self, x):
        return special.expit(self.gate) * (np.asarray(x) == 0) + special.expit(-self.gate) * self.law.pmf(x)

    def ppf(self, p):
        return self.law.ppf(p)

    def isf(self, q):
        return self.law.isf(q)

    def support(self):
        return self.law.support()

    def std(self):
        return self.law.std()

    def moments(self):
        keep, rate = special.expit(-self.gate), self.law.mean()
        return {"mean": keep * rate, "variance": keep * (rate + special.expit(self.gate) * rate**2)}


def quantized_record(loc, scale, *, dtype):
    return dists.Quantized(dists.Normal(np.asarray(loc, dtype), np.asarray(scale, dtype)), 0, NUM_LEVELS - 1)


def discretized_record(loc, scale, *, dtype):
    return dists.DiscretizedLogistic(np.asarray(loc, dtype), np.asarray(scale, dtype), NUM_LEVELS)


def zero_inflated_record(log_rate, gate, *, dtype):
    return dists.ZeroInflated(dists.Poisson(np.asarray(log_rate, dtype)), np.asarray(gate, dtype))


def beta_negative_binomial(x, count, a, b):
    return _polya(x, count, a, b) + mp.log(count / (x + count))


class BetaNegativeBinomial:
    """The part of scipy's frozen interface that the laws use, for whole numbers up to 4000, by the ratio of masses."""

    dist = stats.nbinom
    size = 4001

    def __init__(self, count, a, b):
        with mp.workdps(150):
            count, a, b = (mp.mpf(float(v)) for v in (count, a, b))
            mass, lower = mp.exp(beta_negative_binomial(mp.mpf(0), count, a, b)), mp.mpf(0)
            masses, lowers, uppers = [], [], []
            for k in range(self.size):
                lower += mass
                masses.append(float(mass))
                lowers.append(float(mp.log(lower)))
                uppers.append(float(mp.log(1 - lower)) if lower < 1 - mp.mpf(10) ** -140 else -np.inf)
                mass *= (k + count) * (k + a) / ((k + 1) * (k + a + b + count))
        self.masses, self.lowers, self.uppers = (np.array(v) for v in (masses, lowers, uppers))

    def _at(self, table, x):
        return table[np.clip(np.asarray(x, int), 0, self.size - 1)]

    def logcdf(self, x):
        return self._at(self.lowers, x)

    def logsf(self, x):
        return self._at(self.uppers, x)

    def cdf(self, x):
        return np.where(np.asarray(x) < 0, 0.0, np.exp(self.logcdf(x)))

    def pmf(self, x):
        return self._at(self.masses, x)


def beta_negative_binomial_moments(count, a, b):
    law = stats.betanbinom(count, b, a)
    return {"mean": law.mean(), "variance": law.var()}
