"""Mixtures of one family."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, constraints, derived, param, record, require_rank
from depthjax.distributions._cumulative import Cumulative
from depthjax.distributions._mixture_pathwise import attach_pathwise, has_conditional_cdfs
from depthjax.distributions._not_nan import not_nan
from depthjax.numerics import find_root, log1mexp

_LOG_2 = math.log(2.0)


@record
class MixtureSameFamily(Cumulative, Distribution):
    """Mixture of K distributions of one family.

    log p(x) = logsumexp_k(log softmax(logits)_k + log p_k(x)).

    Args:
        logits: unnormalised log weights, (K,).
        components: one record whose leaves have a leading axis of length K, as `jax.vmap(Normal)(locs, scales)` gives.

    Raises:
        ValueError: `logits` is not a vector, or the components are not a stack of K.

    Numerics:
        Where the components are elementwise with a cdf, or `MultivariateNormalDiag`, draws have implicit pathwise
        gradients in every parameter, the logits among them: dz/dtheta = -(dF/dtheta)/p(z) in one dimension, through
        sequential conditional cdfs in more. Otherwise `reparameterized` is "none" and differentiating a draw raises.
        For events of shape () with a cdf, so has the mixture; its quantile is a bracketed root.

    Cost:
        A draw samples every component once and selects.

    Source:
        Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018), sec. 4 and appendix.
    """

    logits: jax.Array = param(not_nan)
    components: Distribution
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        logits, components = fields.get("logits"), fields.get("components")
        if logits is None or not isinstance(components, Distribution):
            raise TypeError(f"{cls.__name__} takes logits and a stack of distributions, got {components!r}")
        require_rank(cls.__name__, "logits", logits, 1)
        expected = components.param_shapes()
        for leaf in jax.tree.leaves(components):
            if leaf.ndim == 0 or leaf.shape[0] != logits.size:
                raise ValueError(
                    f"{cls.__name__}: a leaf of components has shape {leaf.shape}, expected a leading axis of "
                    f"{logits.size}, the length of logits; stack them with jax.vmap({type(components).__name__})(...)"
                )
        for field, shape in expected.items():
            if getattr(components, field).shape == shape:
                raise ValueError(
                    f"{cls.__name__}: components is one {type(components).__name__} with {field} of shape {shape}, "
                    f"not a stack; make one with jax.vmap({type(components).__name__})(...)"
                )
        return {**fields, "event_shape": components.event_shape}

    def _first(self):
        return jax.tree.map(lambda leaf: leaf[0], self.components)

    @property
    def support(self):
        """That of the components; the real line where its ends are parameters."""
        support = self._first().support
        return constraints.real if "(" in support.name and support.bounds is None else support

    @property
    def reparameterized(self):
        """Implicit where conditional cdfs exist, else none."""
        return "implicit" if has_conditional_cdfs(self) else "none"

    def _log_weights(self):
        return jax.nn.log_softmax(self.logits)

    def _joint(self, x):
        """Log w_k + log p_k(x), (K,)."""
        return self._log_weights() + jax.vmap(lambda part: part.log_prob(x))(self.components)

    def _log_prob(self, x):
        return log_sum(self._joint(x))

    def posterior_logits(self, x: ArrayLike) -> jax.Array:
        """Log probability of each component given x, normalised, (*batch, *event) -> (*batch, K)."""
        x = jnp.asarray(x)
        posterior = lambda event: jax.nn.log_softmax(self._joint(event))  # noqa: E731
        for _ in range(x.ndim - len(self.event_shape)):
            posterior = jax.vmap(posterior)
        return posterior(x)

    def _sample_many(self, key, sample_shape):
        implicit = self.reparameterized == "implicit"
        draw = _select_draws(self.detach() if implicit else self, key, sample_shape)
        return attach_pathwise(draw, self) if implicit else draw

    def _per_component(self, name):
        getattr(self._first(), name)
        return jax.vmap(lambda part: getattr(part, name)())(self.components)

    def _weighted(self, values):
        weights = jnp.exp(self._log_weights())
        return jnp.tensordot(weights, values, axes=1, precision=jax.lax.Precision.HIGHEST)

    @property
    def _mean(self):
        getattr(self._first(), "mean")  # noqa: B009
        return lambda: self._weighted(self._per_component("mean"))

    @property
    def _variance(self):
        for name in ("mean", "variance"):
            getattr(self._first(), name)

        def variance():
            means = self._per_component("mean")
            spread = means - self._weighted(means)[None]
            return self._weighted(self._per_component("variance") + spread**2)

        return variance

    def _scalar_method(self, name) -> Any:
        if self.event_shape != ():
            raise AttributeError(f"a mixture over events of shape {self.event_shape} has no {name}")
        getattr(self._first(), name)
        return lambda value: jax.vmap(lambda part: getattr(part, name)(value))(self.components)

    @property
    def _cdf(self):
        parts = self._scalar_method("cdf")
        return lambda x: self._weighted(parts(x))

    @property
    def _survival(self):
        parts = self._scalar_method("survival")
        return lambda x: self._weighted(parts(x))

    @property
    def _log_cdf(self):
        parts = self._scalar_method("log_cdf")
        return lambda x: log_sum(self._log_weights() + parts(x))

    @property
    def _log_survival(self):
        parts = self._scalar_method("log_survival")
        return lambda x: log_sum(self._log_weights() + parts(x))

    @property
    def _quantile(self):
        parts = self._scalar_method("quantile")

        def quantile(p):
            low = p < 0.5
            level = jnp.where(low, jnp.log(jnp.where(low, p, 0.25)), -jnp.log1p(-jnp.where(low, 0.25, p)))
            return _solve(self, jax.lax.stop_gradient(parts(p)), level, low)

        return quantile

    @property
    def _quantile_from_log(self):
        parts = self._scalar_method("quantile_from_log")
        return lambda log_p: _solve(self, jax.lax.stop_gradient(parts(log_p)), *_signed_level(log_p, lower=True))

    @property
    def _quantile_from_log_survival(self):
        parts = self._scalar_method("quantile_from_log_survival")
        return lambda log_q: _solve(self, jax.lax.stop_gradient(parts(log_q)), *_signed_level(log_q, lower=False))


def log_sum(terms: jax.Array) -> jax.Array:
    """Logsumexp over the leading axis; -inf with zero gradient where all terms are -inf."""
    empty = jnp.all(jnp.isneginf(terms), axis=0)
    safe = jnp.where(empty[None], 0.0, terms)
    return jnp.where(empty, -jnp.inf, jax.nn.logsumexp(safe, axis=0))


def _select_draws(mixture, key, sample_shape):
    key_index, key_parts = jax.random.split(key)
    count = mixture.logits.shape[0]
    index = jax.random.categorical(key_index, mixture.logits, shape=sample_shape)
    keys = jax.random.split(key_parts, count)
    draws = jax.vmap(lambda part, k: part.sample(k, sample_shape))(mixture.components, keys)
    chosen = index.reshape((1, *index.shape) + (1,) * len(mixture.event_shape))
    return jnp.squeeze(jnp.take_along_axis(draws, chosen, axis=0), axis=0)


def _signed_level(log_level, *, lower):
    """The log of the smaller of the two tails, negated for the upper one, and whether it is the lower one."""
    small = log_level < -_LOG_2
    other = log1mexp(jnp.where(small, -1.0, log_level))
    log_tail = jnp.where(small, log_level, other)
    low = small if lower else ~small
    return jnp.where(low, log_tail, -log_tail), low


def _solve(mixture, ends, level, low):
    """Root of the signed log tail between the smallest and the largest quantile of the components."""
    lower, upper = jnp.min(ends, axis=0), jnp.max(ends, axis=0)
    apart = upper > lower
    pad = 1e-3 * (1.0 + jnp.abs(jnp.where(apart, lower, 0.0))), 1e-3 * (1.0 + jnp.abs(jnp.where(apart, upper, 0.0)))
    finite = jnp.isfinite(lower) & jnp.isfinite(upper)
    start, stop = jnp.where(finite, lower - pad[0], -1.0), jnp.where(finite, upper + pad[1], 1.0)

    def gap(x, dist, target):
        return jnp.where(low, dist._log_cdf(x), -dist._log_survival(x)) - target

    root = find_root(gap, start, stop, mixture, level).value
    return jnp.where(finite, root, lower)
