"""Mixtures of logistic distribution functions, seen through the logit: monotone maps of the line."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._rqs_knots import slope_from_raw
from depthjax.bijectors._transformers import Transformer
from depthjax.core import Bijector, constraints, derived, param, record, require_rank, require_shape, static
from depthjax.numerics import find_root, log_sigmoid


@record
class MixtureLogistic(Bijector):
    """g(z) = logit(sum_i w_i sigmoid(a_i z + b_i)), w = softmax(log_weights), of a scalar.

    g' > 0 because a_i > 0 and w_i >= 0; without the latter it can be negative.

    Args:
        log_weights: (K,), normalised inside.
        scales: (K,), positive a.
        shifts: (K,), b.

    Raises:
        ValueError: sizes that do not agree.

    Numerics:
        g = A - B with A = log sum w sigmoid and B = log sum w (1 - sigmoid), each a logsumexp, so that tails are linear
        with slope min a instead of saturating. The inverse is one root, bracketed by those of the components,
        differentiable; NaN where it did not converge.

    Source:
        Huang et al., Neural Autoregressive Flows (2018), eq. 8: the deep sigmoidal flow of one layer.
    """

    log_weights: jax.Array = param()
    scales: jax.Array = param(constraints.positive)
    shifts: jax.Array = param()
    event_shape: tuple[int, ...] = derived()
    elementwise = True
    inverse_kind = "iterative"

    @classmethod
    def _complete(cls, fields):
        require_rank(cls.__name__, "log_weights", fields["log_weights"], 1)
        for field in ("scales", "shifts"):
            require_shape(cls.__name__, field, fields[field], fields["log_weights"].shape)
        return {**fields, "event_shape": ()}

    def _forward_and_log_det(self, x):
        log_weights = jax.nn.log_softmax(self.log_weights)
        low, high, logits = _tails(x, log_weights, self.scales, self.shifts)
        log_densities = jnp.log(self.scales) + log_sigmoid(logits) + log_sigmoid(-logits)
        return low - high, jax.nn.logsumexp(log_weights + log_densities) - low - high

    def _inverse_and_log_det(self, y):
        return self._inverse_with_info(y)[:2]

    def _inverse_with_info(self, y):
        log_weights = jax.nn.log_softmax(self.log_weights)
        roots = (y - self.shifts) / self.scales
        eps = 16.0 * float(jnp.finfo(y.dtype).eps)
        margin = eps * (1.0 + jnp.abs(y) + jnp.max(jnp.abs(self.shifts))) / jnp.min(self.scales)
        low, high = jnp.min(roots) - margin, jnp.max(roots) + margin
        result = find_root(_gap, low, high, y, log_weights, self.scales, self.shifts)
        x = result.value
        return x, -self._forward_and_log_det(x)[1], result


def _tails(z, log_weights, scales, shifts):
    """Logs of the mixture below and above z, and the logits of the components."""
    logits = scales * z + shifts
    low, high = (jax.nn.logsumexp(log_weights + log_sigmoid(side * logits)) for side in (1.0, -1.0))
    return low, high, logits


def _gap(z, target, log_weights, scales, shifts):
    low, high, _ = _tails(z, log_weights, scales, shifts)
    return low - high - target


@record
class MixtureLogisticTransformer(Transformer):
    """Mixtures of logistic functions of raw parameters: K log weights, K raw scales, K shifts.

    Args:
        num_components: K >= 1.
        min_scale: smallest a, in (0, 1).

    Raises:
        ValueError: an option out of range.

    Source:
        Huang et al., Neural Autoregressive Flows (2018), sec. 3.1.
    """

    num_components: int = static(default=8)
    min_scale: float = static(default=1e-3)

    @classmethod
    def _complete(cls, fields):
        if fields["num_components"] < 1 or not 0.0 < fields["min_scale"] < 1.0:
            raise ValueError(
                f"{cls.__name__}: num_components must be at least 1 and min_scale lie in (0, 1), got "
                f"num_components={fields['num_components']}, min_scale={fields['min_scale']}"
            )
        return fields

    @property
    def num_params(self):
        """3K."""
        return 3 * self.num_components

    def from_raw(self, raw):
        """The map with weights, scales and shifts that `raw` stands for."""
        log_weights, raw_scales, shifts = jnp.split(raw, 3)
        return MixtureLogistic(log_weights, slope_from_raw(raw_scales, self.min_scale), shifts)
