"""Parameter-free coordinatewise maps: their event shape is given, `()` by default."""

import math

import jax
import jax.numpy as jnp

from depthjax.bijectors._terms import Pointwise
from depthjax.core import constraints, record, static
from depthjax.core._smooth import log_kept, log_logistic_slope, log_sigmoid, softplus
from depthjax.core._sums import total
from depthjax.numerics import clip_open, log_sech2

_INF = math.inf


@record
class Identity(Pointwise):
    """y = x.

    Args:
        event_shape: shape of one event.
    """

    event_shape: tuple[int, ...] = static(default=())

    def _terms(self, x):
        return x, jnp.zeros_like(x)

    def _inverse_terms(self, y):
        return y, jnp.zeros_like(y)


@record
class Exp(Pointwise):
    """y = exp(x), onto the positives.

    Args:
        event_shape: shape of one event.

    Numerics:
        Outputs stay in the open set of positive finite floats: where exp under- or overflows, y is the nearest of them
        and the log-det is still that of x. The density of such a saturated y alone is finite but inexact.
    """

    event_shape: tuple[int, ...] = static(default=())
    codomain = constraints.positive

    def _terms(self, x):
        return clip_open(jnp.exp(x), 0.0, _INF), x

    def _inverse_terms(self, y):
        x = jnp.log(y)
        return x, -x


@record
class Log(Pointwise):
    """y = log(x) of positive x.

    Args:
        event_shape: shape of one event.
    """

    event_shape: tuple[int, ...] = static(default=())
    domain = constraints.positive

    def _terms(self, x):
        y = jnp.log(x)
        return y, -y

    def _inverse_terms(self, y):
        return clip_open(jnp.exp(y), 0.0, _INF), y


@record
class Softplus(Pointwise):
    """y = low + log(1 + exp(x)), onto (low, inf).

    Args:
        low: static lower end.
        event_shape: shape of one event.

    Numerics:
        log slope = -log(1 + exp(-x)); the inverse is z + log(1 - exp(-z)) with z = y - low. Outputs stay above `low`.
    """

    low: float = static(default=0.0)
    event_shape: tuple[int, ...] = static(default=())
    _sum = staticmethod(total)

    @property
    def codomain(self):
        """(low, inf)."""
        return constraints.greater_than(self.low)

    def _terms(self, x):
        return clip_open(self.low + softplus(x), self.low, _INF), log_sigmoid(x)

    def _inverse_terms(self, y):
        z = y - self.low
        kept = log_kept(z)
        return z + kept, -kept


def _interval_terms(x, low, high):
    """Sigmoid onto (low, high), from whichever end is nearer, with its log slope."""
    width = high - low
    y = jnp.where(x < 0.0, low + width * jax.nn.sigmoid(x), high - width * jax.nn.sigmoid(-x))
    return clip_open(y, low, high), log_logistic_slope(x) + math.log(width)


def _interval_inverse_terms(y, low, high):
    width = high - low
    log_below, log_above = jnp.log((y - low) / width), jnp.log((high - y) / width)
    return log_below - log_above, -(log_below + log_above) - math.log(width)


def _check_ends(name, fields):
    if not fields["low"] < fields["high"]:
        raise ValueError(f"{name}: low must be below high, got low={fields['low']}, high={fields['high']}")


@record
class Sigmoid(Pointwise):
    """y = low + (high - low) / (1 + exp(-x)), onto the open interval (low, high).

    Args:
        low: static lower end.
        high: static upper end.
        event_shape: shape of one event.

    Raises:
        ValueError: low >= high.

    Numerics:
        log slope = log_sigmoid(x) + log_sigmoid(-x) + log(high - low). Outputs stay strictly inside; the log-det of a
        saturated y alone is finite but inexact, that of x is exact.
    """

    low: float = static(default=0.0)
    high: float = static(default=1.0)
    event_shape: tuple[int, ...] = static(default=())
    _sum = staticmethod(total)

    @classmethod
    def _complete(cls, fields):
        _check_ends(cls.__name__, fields)
        return super()._complete(fields)

    @property
    def codomain(self):
        """(low, high)."""
        return constraints.open_interval(self.low, self.high)

    def _terms(self, x):
        return _interval_terms(x, self.low, self.high)

    def _inverse_terms(self, y):
        return _interval_inverse_terms(y, self.low, self.high)


@record
class Logit(Pointwise):
    """y = log((x - low) / (high - x)), the inverse of `Sigmoid`.

    Args:
        low: static lower end.
        high: static upper end.
        event_shape: shape of one event.

    Raises:
        ValueError: low >= high.
    """

    low: float = static(default=0.0)
    high: float = static(default=1.0)
    event_shape: tuple[int, ...] = static(default=())
    _sum = staticmethod(total)

    @classmethod
    def _complete(cls, fields):
        _check_ends(cls.__name__, fields)
        return super()._complete(fields)

    @property
    def domain(self):
        """[low, high]; the ends map to infinity."""
        return constraints.interval(self.low, self.high)

    def _terms(self, x):
        return _interval_inverse_terms(x, self.low, self.high)

    def _inverse_terms(self, y):
        return _interval_terms(y, self.low, self.high)


@record
class Tanh(Pointwise):
    """y = tanh(x), onto (-1, 1).

    Args:
        event_shape: shape of one event.

    Numerics:
        log slope = 2 log sech(x), never log(1 - tanh^2). Outputs stay strictly inside (-1, 1): a saturated y has a
        finite but inexact log-det on its own, so take densities with the carried x (`sample_and_log_prob` does).

    Source:
        Dillon et al., TensorFlow Distributions (2017), for the stable log-det.
    """

    event_shape: tuple[int, ...] = static(default=())
    codomain = constraints.open_interval(-1.0, 1.0)

    def _terms(self, x):
        return clip_open(jnp.tanh(x), -1.0, 1.0), log_sech2(x)

    def _inverse_terms(self, y):
        return jnp.arctanh(y), -(jnp.log1p(y) + jnp.log1p(-y))


@record
class LeakyReLU(Pointwise):
    """y = x for x >= 0, else slope x.

    Args:
        slope: static, in (0, 1].
        event_shape: shape of one event.

    Raises:
        ValueError: slope outside (0, 1].
    """

    slope: float = static(default=0.01)
    event_shape: tuple[int, ...] = static(default=())

    @classmethod
    def _complete(cls, fields):
        if not 0.0 < fields["slope"] <= 1.0:
            raise ValueError(f"{cls.__name__}: slope must lie in (0, 1], got {fields['slope']}")
        return super()._complete(fields)

    def _terms(self, x):
        return self._scaled(x, self.slope)

    def _inverse_terms(self, y):
        return self._scaled(y, 1.0 / self.slope)

    def _scaled(self, x, slope):
        y = jnp.where(x < 0.0, slope * x, x)
        log_slope = jnp.where(x < 0.0, math.log(slope), 0.0).astype(x.dtype)
        return y, jnp.where(jnp.isnan(x), x, log_slope)
