"""The beta-binomial distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._count_masses import log_polya_mass
from depthjax.distributions._count_support import floored, sample_binomial
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.numerics import log1mexp, log_add
from depthjax.numerics._elementwise import forward_mode

_CHUNK = 64
_LOG_HALF = -math.log(2.0)


@record
class BetaBinomial(Elementwise):
    """Binomial counts whose success probability is Beta(a, b), with independent coordinates.

    log p(x) = log C(n, x) + log B(a + x, b + n - x) - log B(a, b).

    Args:
        total_count: n, (*event), a whole number.
        concentration1: a, (*event), positive.
        concentration0: b, (*event), positive.

    Numerics:
        As a ratio of three masses of waiting times, each a saddle point at its own mean: terms do not grow with n, a
        and b. Tails are sums of masses, each tail from its own side.

    Cost:
        `cdf` and its kin sum all n + 1 masses, 64 at a time.

    Source:
        Johnson, Kemp and Kotz, Univariate Discrete Distributions (2005), sec. 6.2.2.
    """

    total_count: jax.Array = param(constraints.nonnegative_integer)
    concentration1: jax.Array = param(constraints.positive)
    concentration0: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @property
    def support(self):
        """The integers 0, ..., total_count."""
        return constraints.integer_interval(0, self.total_count)

    def _log_prob_terms(self, x):
        return log_polya_mass(x, self.total_count - x, self.concentration1, self.concentration0)

    def _sample_many(self, key, sample_shape):
        key1, key0, key_count = jax.random.split(key, 3)
        shape = (*sample_shape, *self.event_shape)
        log_one = sample_log_gamma(key1, self.concentration1, sample_shape)
        log_zero = sample_log_gamma(key0, self.concentration0, sample_shape)
        count = jnp.broadcast_to(self.total_count.reshape((1,) * len(sample_shape) + self.event_shape), shape)
        return sample_binomial(key_count, count, log_one - log_zero)

    def _share(self):
        a, b = self.concentration1, self.concentration0
        return a / (a + b)

    def _mean(self):
        return self.total_count * self._share()

    def _variance(self):
        n, total = self.total_count, self.concentration1 + self.concentration0
        return n * self._share() * (self.concentration0 / total) * ((total + n) / (total + 1.0))

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return floored(x, lambda k: self._tails(k)[0], -jnp.inf, 0.0, last=self.total_count)

    def _log_survival(self, x):
        return floored(x, lambda k: self._tails(k)[1], 0.0, -jnp.inf, last=self.total_count)

    def _tails(self, k):
        """Log cdf and log survival at 0 <= k < n; the larger one as one minus the smaller."""
        n = jnp.maximum(self.total_count, k + 1.0)
        lower, upper = (part(k, n, self.concentration1, self.concentration0) for part in (_log_lower, _log_upper))
        small = lower < upper
        smaller = jnp.minimum(jnp.where(small, lower, upper), _LOG_HALF)
        larger = log1mexp(smaller)
        return jnp.where(small, smaller, larger), jnp.where(small, larger, smaller)


def _log_sums(k, n, a, b):
    """Logs of the sums of the masses up to k and from there on."""
    steps = jnp.arange(_CHUNK, dtype=n.dtype).reshape((-1,) + (1,) * n.ndim)
    k_wide, n_wide, a_wide, b_wide = (jnp.broadcast_to(v[None], (_CHUNK, *n.shape)) for v in (k, n, a, b))

    def body(state):
        start, lower, upper = state
        x = start + steps
        inside = x <= n_wide
        x = jnp.where(inside, x, n_wide)
        masses = jnp.where(inside, log_polya_mass(x, n_wide - x, a_wide, b_wide), -jnp.inf)
        below = jax.nn.logsumexp(jnp.where(x <= k_wide, masses, -jnp.inf), axis=0)
        above = jax.nn.logsumexp(jnp.where(x > k_wide, masses, -jnp.inf), axis=0)
        return start + float(_CHUNK), log_add(lower, below), log_add(upper, above)

    never = jnp.full_like(n, -jnp.inf)
    start = jnp.zeros((), n.dtype), never, never
    return jax.lax.while_loop(lambda state: jnp.any(state[0] <= n), body, start)[1:]


@forward_mode
def _log_lower(k, n, a, b):
    return _log_sums(k, n, a, b)[0]


@forward_mode
def _log_upper(k, n, a, b):
    return _log_sums(k, n, a, b)[1]
