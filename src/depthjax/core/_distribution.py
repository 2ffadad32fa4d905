"""What a distribution is: one random variable, of static event shape, with pure methods."""

import abc
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._offers import offers
from depthjax.core._pathwise import forbid_pathwise
from depthjax.core._record import param_shapes
from depthjax.core._shapes import (
    Shape,
    as_float,
    as_shape,
    broadcast_params,
    check_unstacked,
    event_argument,
    over_batch,
)
from depthjax.core._validity import valid, where_valid
from depthjax.core.constraints import Constraint


class Distribution(abc.ABC):
    """One random variable as a record.

    A subclass, decorated with `record`, writes for **one event**

    - `_log_prob(x: event) -> ()` in nats, and
    - `_sample(key) -> event`,

    and may write `_mean`, `_variance`, `_mode`, `_covariance`, `_entropy`, `_enumerate_support`, `_sample_noise` with
    `_from_noise`; a public method exists exactly where its underscore half does. Where one array draw is cheaper than
    one key per event it writes `_sample_many(key, sample_shape)` instead of `_sample`; where the value is known
    together with its density, `_sample_and_log_prob(key)` or `_sample_and_log_prob_many(key, sample_shape)`.

    The public methods check shapes, map over leading batch axes, and return NaN where a parameter violates its
    constraint.

    Attributes:
        event_shape: static shape of one event.
        support: where events live.
        reparameterized: "explicit" (differentiable function of parameter-free noise), "implicit" (pathwise derivative
            by the implicit function theorem) or "none" (differentiating `sample` raises), the weakest over parameters.
    """

    event_shape: Shape
    support: Constraint
    reparameterized: Any = "none"

    @classmethod
    def _complete(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Broadcast all parameters to one shape, which is the event shape; families with other shapes override."""
        if "event_shape" in fields:
            return fields
        arrays = {k: v for k, v in fields.items() if isinstance(v, jax.Array)}
        arrays, shape = broadcast_params(cls.__name__, arrays)
        return {**fields, **arrays, "event_shape": shape}

    @abc.abstractmethod
    def _log_prob(self, x: jax.Array) -> jax.Array:
        """Log density of one event, in nats."""

    def param_shapes(self) -> dict[str, Shape]:
        """Shapes that the array fields have in one record, by field name; a stacked leaf has more axes."""
        return param_shapes(self)

    def log_prob(self, x: ArrayLike) -> jax.Array:
        """Log density or log mass.

        Args:
            x: (*batch, *event).

        Returns:
            (*batch) nats; -inf outside the support, NaN for invalid parameters or NaN input.

        Raises:
            ValueError: wrong trailing shape, or a stacked record.
        """
        x = event_argument(self, "log_prob", "x", x, self.event_shape)
        return over_batch(self._guarded_log_prob, x, len(self.event_shape))

    def sample(self, key: jax.Array, sample_shape: int | Shape = ()) -> jax.Array:
        """Independent draws.

        Args:
            key: PRNG key.
            sample_shape: leading shape of the result.

        Returns:
            (*sample_shape, *event).

        Raises:
            TypeError: when differentiated in the parameters and `reparameterized` is "none"; use
                `record.detach().sample(key)` and a score-function estimator.
        """
        check_unstacked(self, "sample")
        shape = as_shape(sample_shape)
        return self._differentiable(lambda dist, k: dist._guard(dist._sample_many(k, shape)), key)

    def sample_and_log_prob(self, key: jax.Array, sample_shape: int | Shape = ()) -> tuple[jax.Array, jax.Array]:
        """Independent draws with their log density; never inverts its own draws.

        Args:
            key: PRNG key.
            sample_shape: leading shape of the results.

        Returns:
            Draws (*sample_shape, *event) and log densities (*sample_shape) in nats.
        """
        check_unstacked(self, "sample_and_log_prob")
        shape = as_shape(sample_shape)

        def draw(dist, k):
            x, log_prob = dist._sample_and_log_prob_many(k, shape)
            return dist._guard(x), where_valid(valid(dist), log_prob)

        return self._differentiable(draw, key)

    def detach(self) -> "Distribution":
        """The same distribution with `stop_gradient` on every leaf."""
        return jax.tree.map(jax.lax.stop_gradient, self)

    @offers("_mean")
    def mean(self) -> jax.Array:
        """Mean, (*event); NaN or inf where it does not exist."""
        return self._moment("_mean", "mean")

    @offers("_variance")
    def variance(self) -> jax.Array:
        """Variance of each coordinate, (*event)."""
        return self._moment("_variance", "variance")

    @offers("_variance")
    def stddev(self) -> jax.Array:
        """Standard deviation of each coordinate, (*event)."""
        return jnp.sqrt(self._moment("_variance", "stddev"))

    @offers("_mode")
    def mode(self) -> jax.Array:
        """A maximiser of the density, (*event)."""
        return self._moment("_mode", "mode")

    @offers("_covariance")
    def covariance(self) -> jax.Array:
        """Covariance matrix, (d, d) with d the size of the event."""
        return self._moment("_covariance", "covariance")

    @offers("_entropy")
    def entropy(self) -> jax.Array:
        """Joint (differential) entropy, () nats."""
        return self._moment("_entropy", "entropy")

    @offers("_enumerate_support")
    def enumerate_support(self) -> jax.Array:
        """Every event of a finite support, (S, *event)."""
        return self._moment("_enumerate_support", "enumerate_support")

    @offers("_from_noise")
    def sample_noise(self, key: jax.Array, sample_shape: int | Shape = ()) -> Any:
        """Parameter-free noise that `from_noise` turns into draws, (*sample_shape, ...)."""
        return self._sample_noise(key, as_shape(sample_shape))

    @offers("_from_noise")
    def from_noise(self, noise: Any) -> tuple[jax.Array, jax.Array]:
        """One draw as a differentiable function of its noise.

        Args:
            noise: one draw of `sample_noise(key)`, without leading axes.

        Returns:
            The event and its log density, () nats.
        """
        check_unstacked(self, "from_noise")
        x, log_prob = self._from_noise(noise)
        return self._guard(x), where_valid(valid(self), log_prob)

    def _sample(self, key: jax.Array) -> jax.Array:
        """One draw."""
        return self._sample_many(key, ())

    def _sample_many(self, key: jax.Array, sample_shape: Shape) -> jax.Array:
        """Draws of leading shape `sample_shape`; one key per event unless a family does better."""
        if type(self)._sample is Distribution._sample:
            raise TypeError(f"{type(self).__name__} cannot be sampled: it writes neither _sample nor _sample_many")
        return _per_key(self._sample, key, sample_shape)

    def _sample_and_log_prob_many(self, key: jax.Array, sample_shape: Shape) -> tuple[jax.Array, jax.Array]:
        """Draws with their log densities."""
        own = getattr(self, "_sample_and_log_prob", None)
        if own is not None:
            return _per_key(own, key, sample_shape)
        x = self._sample_many(key, sample_shape)
        return x, over_batch(lambda event: self._log_prob(as_float(self, event)), x, len(self.event_shape))

    def _sample_noise(self, key, sample_shape):
        raise TypeError(f"{type(self).__name__} has no parameter-free noise")

    def _moment(self, half: str, method: str) -> jax.Array:
        check_unstacked(self, method)
        return self._guard(getattr(self, half)())

    def _guard(self, value: jax.Array) -> jax.Array:
        """`value`, or NaN where the parameters are invalid."""
        return where_valid(valid(self), value)

    def _guarded_log_prob(self, x: jax.Array) -> jax.Array:
        return where_valid(valid(self), self._log_prob(x))

    def _differentiable(self, draw: Callable, key: jax.Array) -> Any:
        return forbid_pathwise(draw, self, key) if self.reparameterized == "none" else draw(self, key)


def _per_key(draw, key, sample_shape):
    if not sample_shape:
        return draw(key)
    keys = jax.random.split(key, sample_shape)
    for _ in sample_shape:
        draw = jax.vmap(draw)
    return draw(keys)
