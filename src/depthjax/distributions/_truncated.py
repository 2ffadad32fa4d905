"""Any elementwise distribution, truncated to an interval."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.distributions._between import log_between
from depthjax.distributions._half_line import beyond
from depthjax.distributions._of_base import OfBase, like_event, require_base
from depthjax.numerics import clip_open, gauss_legendre_rule, log1mexp, log_add, log_sigmoid

_LOG_HALF = -math.log(2.0)
_PANEL, _PANEL_WEIGHTS = gauss_legendre_rule(10)
_STARTS = np.arange(-40.0, 40.0, 4.0)
_LEVELS = (_STARTS[:, None] + 2.0 + 2.0 * _PANEL).ravel()
_WEIGHTS = np.tile(2.0 * _PANEL_WEIGHTS, len(_STARTS))


@record
class Truncated(OfBase):
    """A distribution conditioned on [low, high], with independent coordinates.

    log p(x) = log p_base(x) - log P(low < X < high).

    Args:
        base: a continuous elementwise distribution with a cdf and a quantile function.
        low: lower end, a number or of the event shape of the base; may be -inf. Taken in the dtype of the base.
        high: upper end, likewise, above `low`; may be inf.

    Raises:
        TypeError: the base is not elementwise and continuous, or lacks cdf or quantile.
        ValueError: an end does not broadcast to the event shape of the base.

    Numerics:
        In log space from the tail that the interval lies in, so intervals far out keep their digits. Normal, logistic,
        exponential and Gumbel bases hold them in short intervals too; otherwise an interval of probability p beside the
        median loses a factor 1/p. Draws are inverse-cdf, in the open interval, and as differentiable as the quantile
        function of the base. Mean, variance and entropy are sums over 200 levels, to rounding for smooth densities, to
        five digits or so where a density has a kink inside the interval. `TruncatedNormal` has closed forms for these.

    Cost:
        `log_prob` evaluates the tails of the base at the ends once per coordinate; moments evaluate 200 quantiles.

    Source:
        Nadarajah and Kotz, R Programs for Computing Truncated Distributions (2006), eq. 1 to 3.
    """

    base: Distribution
    low: jax.Array = param()
    high: jax.Array = param(lambda self: beyond(self.low))
    event_shape: tuple[int, ...] = derived()

    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        base: Any = fields.get("base")
        require_base(cls.__name__, base, ("cdf", "quantile"), discrete=False)
        ends = {name: like_event(cls.__name__, base, name, fields[name]) for name in ("low", "high")}
        return {**fields, **ends, "event_shape": base.event_shape}

    @property
    def support(self):
        """The interval [low, high]."""
        return constraints.interval(self.low, self.high)

    def _interior(self, x):
        low = jnp.where(jnp.isneginf(self.low), self.high - 1.0, self.low)
        low = jnp.where(jnp.isfinite(low), low, 0.0)
        high = jnp.where(jnp.isposinf(self.high), low + 1.0, self.high)
        return low + 0.5 * (high - low)

    def _log_mass(self):
        return log_between(self.base, self.low, self.high)

    def _log_prob_terms(self, x):
        return self.base._supported_terms(x) - self._log_mass()

    def _noise_many(self, key, shape):
        return jax.random.uniform(key, shape, self.low.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(self._from_levels(jnp.log(noise), jnp.log1p(-noise)), self.low, self.high)

    def _at_levels(self):
        """Quantiles at the levels of a quadrature rule on (0, 1), and its weights, (200, *event) and (200, 1...)."""
        column = (-1,) + (1,) * len(self.event_shape)
        levels = jnp.asarray(_LEVELS, self.low.dtype)
        x = jax.vmap(lambda t: self._from_levels(*(jnp.full_like(self.low, log_sigmoid(s)) for s in (t, -t))))(levels)
        weights = jnp.asarray(_WEIGHTS, levels.dtype) * jnp.exp(log_sigmoid(levels) + log_sigmoid(-levels))
        return x, weights.reshape(column)

    def _mean(self):
        x, weights = self._at_levels()
        return jnp.sum(weights * x, axis=0)

    def _variance(self):
        x, weights = self._at_levels()
        return jnp.sum(weights * (x - jnp.sum(weights * x, axis=0)[None]) ** 2, axis=0)

    def _entropy_terms(self):
        x, weights = self._at_levels()
        return self._log_mass() - jnp.sum(weights * jax.vmap(self.base._supported_terms)(x), axis=0)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return self._log_share(x, lower=True)

    def _log_survival(self, x):
        return self._log_share(x, lower=False)

    def _log_share(self, x, *, lower):
        """Log of the share of the mass below or above x; from its complement where that is smaller."""
        start, end = x <= self.low, x >= self.high
        point = jnp.where(start | end, self._interior(x), x)
        below, above = log_between(self.base, self.low, point), log_between(self.base, point, self.high)
        share, rest = (v - self._log_mass() for v in ((below, above) if lower else (above, below)))
        large = rest < _LOG_HALF
        value = jnp.where(large, log1mexp(jnp.where(large, rest, -1.0)), jnp.minimum(share, 0.0))
        empty, full = (start, end) if lower else (end, start)
        return jnp.where(empty, -jnp.inf, jnp.where(full, 0.0, value))

    def _quantile(self, p):
        return self._from_levels(jnp.log(p), jnp.log1p(-p))

    def _quantile_from_log(self, log_p):
        return self._from_levels(log_p, log1mexp(log_p))

    def _quantile_from_log_survival(self, log_q):
        return self._from_levels(log1mexp(log_q), log_q)

    def _from_levels(self, log_p, log_q):
        """The quantile of the base at the level between those of the ends, on the side where that is small."""
        open_low, open_high = jnp.isneginf(self.low), jnp.isposinf(self.high)
        low, high = (
            jnp.where(open_low, self._interior(log_p), self.low),
            jnp.where(open_high, self._interior(log_p), self.high),
        )
        base = self.base
        lower = log_add(
            log_q + jnp.where(open_low, -jnp.inf, base._log_cdf(low)),
            log_p + jnp.where(open_high, 0.0, base._log_cdf(high)),
        )
        upper = log_add(
            log_q + jnp.where(open_low, 0.0, base._log_survival(low)),
            log_p + jnp.where(open_high, -jnp.inf, base._log_survival(high)),
        )
        below = lower < upper
        left = base._quantile_from_log(jnp.where(below, jnp.minimum(lower, 0.0), -1.0))
        right = base._quantile_from_log_survival(jnp.where(below, -1.0, jnp.minimum(upper, 0.0)))
        x = jnp.clip(jnp.where(below, left, right), self.low, self.high)
        return jnp.where(jnp.isnan(log_p) | jnp.isnan(log_q), jnp.nan, x)
