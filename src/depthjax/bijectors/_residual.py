"""Residual flow: the identity plus a contraction."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.bijectors._conditioner import check_conditioner, output_size
from depthjax.core import Bijector, derived, record, static
from depthjax.numerics import fixed_point, log_det_series


@record
class Residual(Bijector):
    """y = x + net(x) for a net with a Lipschitz constant below one.

    Args:
        net: callable pytree (d,) -> (d,), such as `lipschitz_mlp`; its contraction is the user's promise.
        log_det: static. "exact": the determinant of the d x d Jacobian. "series": `num_terms` terms of the power series
            with exact traces, off by at most d L^(n+1)/((n+1)(1-L)) for a constant L.
        max_exact_dim: largest d for "exact".
        num_terms: n, of "series"; of `forward_and_log_det_estimate`, the terms that are summed for certain.
        max_steps: most iterations of the inverse, and of the linear solve in its derivative.
        dim: d, where the net does not state it.

    Raises:
        ValueError: an unknown log_det, d above max_exact_dim with "exact", or a net whose output is not (d,).
        TypeError: a net that is no callable pytree of parameters.

    Numerics:
        The inverse iterates x <- y - net(x) until two iterates agree to 4 eps max(1, |x|, |y|), and is NaN where that
        does not happen within `max_steps`; a constant of 0.97 needs some 500 iterations in float32, 1200 in float64.
        Its derivative is that of the implicit function theorem.

    Cost:
        log-det: d products with the Jacobian and O(d^3) for "exact", n d products for "series".

    Source:
        Behrmann et al., Invertible Residual Networks (2019), theorem 1 and algorithm 1; Chen et al., Residual Flows for
        Invertible Generative Modeling (2019).
    """

    net: Any
    log_det: str = static(default="exact")
    max_exact_dim: int = static(default=128)
    num_terms: int = static(default=10)
    max_steps: int = static(default=2000)
    dim: int | None = static(default=None)
    event_shape: tuple[int, ...] = derived()

    inverse_kind = "iterative"

    @classmethod
    def _complete(cls, fields):
        name, net = cls.__name__, fields["net"]
        check_conditioner(name, net)
        dim = getattr(net, "dim", None) if fields["dim"] is None else fields["dim"]
        if dim is None:
            raise ValueError(f"{name}: {type(net).__name__} does not state its size; give dim")
        size = output_size(name, net, dim, jnp.float32)
        if size != dim:
            raise ValueError(f"{name}: net gives {size} numbers, expected {dim}")
        if fields["log_det"] not in ("exact", "series"):
            raise ValueError(f"{name}: log_det is 'exact' or 'series', got {fields['log_det']!r}")
        if fields["log_det"] == "exact" and dim > fields["max_exact_dim"]:
            raise ValueError(
                f"{name}: dim {dim} is above max_exact_dim {fields['max_exact_dim']}; use log_det='series' or raise it"
            )
        return {**fields, "dim": dim, "event_shape": (dim,)}

    def _prepared(self):
        """The net with its weights normalised once, where it knows how."""
        return getattr(self.net, "normalized", lambda: self.net)()

    def _forward_with(self, net, x, **options):
        """Value and log-det."""
        move, jvp = jax.linearize(net, x)
        options = {"num_terms": self.num_terms, "dtype": x.dtype, **options}
        return x + move, log_det_series(options.pop("key", None), jvp, x.shape, **options)

    def _forward_and_log_det(self, x):
        return self._forward_with(self._prepared(), x, estimator=self._estimator)

    @property
    def _estimator(self):
        return "exact" if self.log_det == "exact" else "truncated"

    def _inverse_and_log_det(self, y):
        return self._inverse_with_info(y)[:2]

    def _inverse_with_info(self, y):
        net = self._prepared()
        # In units of y, for x = y - net(x) cannot be finer than the rounding of y.
        size = jnp.max(jnp.abs(jax.lax.stop_gradient(y)))
        unit = jnp.ldexp(jnp.ones_like(size), jnp.frexp(jnp.maximum(size, 1.0))[1])
        result = fixed_point(_pull_back, y / unit, net, y, unit, max_steps=self.max_steps)
        result = result._replace(value=unit * result.value, residual=unit * result.residual)
        log_det = self._forward_with(net, result.value, estimator=self._estimator)[1]
        return result.value, -log_det, result

    def forward_and_log_det_estimate(self, key: jax.Array, x: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """The map and an unbiased estimate of its log-determinant, by Russian roulette on the power series.

        Args:
            key: PRNG key; each event has a probe and a length of its own.
            x: (*batch, d).

        Returns:
            y (*batch, d) and the estimate (*batch) nats, whose gradient is unbiased too.

        Source:
            Chen et al., Residual Flows (2019), theorems 1 and 2.
        """
        x = self._call("forward_and_log_det_estimate", "x", x, self.event_shape, lambda event: event)
        net = self._prepared()

        def one(event_key, event):
            return self._forward_with(net, event, estimator="roulette", key=event_key)

        for _ in x.shape[:-1]:
            one = jax.vmap(one)
        return one(jax.random.split(key, x.shape[:-1]) if x.ndim > 1 else key, x)


def _pull_back(x, net, y, unit):
    return (y - net(unit * x)) / unit
