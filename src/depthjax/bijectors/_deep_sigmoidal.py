"""Deep dense sigmoidal flow of a scalar."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._numerical_inverse import forward_of
from depthjax.bijectors._rqs_knots import slope_from_raw
from depthjax.core import Bijector, derived, record
from depthjax.numerics import invert_monotone, log_sigmoid

_MIN_SCALE = 1e-3


@record
class DeepSigmoidal(Bijector):
    """Layers h <- logit(W sigmoid(a * (U h) + b)), W and U row by row a softmax, from a scalar to a scalar.

    All zero is the identity.

    Args:
        mixing_logits: tuple of (m, n_in), one for each layer; U is their softmax over n_in. The first n_in is 1.
        raw_scales: tuple of (m,); a = 1e-3 + softplus(raw + c), one at zero.
        shifts: tuple of (m,), b.
        weight_logits: tuple of (n_out, m); W is their softmax over m. The last n_out is 1.

    Raises:
        ValueError: sizes that do not agree, or no layers.

    Numerics:
        As of `MixtureLogistic`, layer by layer; log slopes are carried by logsumexp. The inverse is one bracketed root,
        differentiable; NaN where it did not converge.

    Source:
        Huang et al., Neural Autoregressive Flows (2018), eq. 10-12: DDSF.
    """

    mixing_logits: tuple[jax.Array, ...]
    raw_scales: tuple[jax.Array, ...]
    shifts: tuple[jax.Array, ...]
    weight_logits: tuple[jax.Array, ...]
    event_shape: tuple[int, ...] = derived()

    elementwise = True
    inverse_kind = "iterative"

    @classmethod
    def _complete(cls, fields):
        name, names = cls.__name__, ("mixing_logits", "raw_scales", "shifts", "weight_logits")
        parts = {k: tuple(jnp.asarray(v) for v in fields[k]) for k in names}
        depth = len(parts["shifts"])
        if not depth or any(len(part) != depth for part in parts.values()):
            raise ValueError(f"{name}: needs one layer at least, and as many entries in {', '.join(names)}")
        size = 1
        for layer, shapes in enumerate(zip(*([v.shape for v in part] for part in parts.values()), strict=True)):
            units = shapes[2][0]
            above = shapes[3][0] if layer < depth - 1 else 1
            wanted = (units, size), (units,), (units,), (above, units)
            if shapes != wanted:
                raise ValueError(f"{name}: layer {layer} has shapes {shapes}, expected {wanted}")
            size = above
        return {**fields, **parts, "event_shape": ()}

    def _forward_and_log_det(self, x):
        h, log_slopes = x[None], jnp.zeros((1,), x.dtype)
        for layer in zip(self.mixing_logits, self.raw_scales, self.shifts, self.weight_logits, strict=True):
            h, log_slopes = _sigmoidal_layer(h, log_slopes, *layer)
        return h[0], log_slopes[0]

    def _inverse_and_log_det(self, y):
        return self._inverse_with_info(y)[:2]

    def _inverse_with_info(self, y):
        result = invert_monotone(forward_of, y, self)
        return result.value, -self._forward_and_log_det(result.value)[1], result


def _log_matmul(log_matrix, log_vector):
    """log(exp(log_matrix) @ exp(log_vector))."""
    return jax.nn.logsumexp(log_matrix + jnp.broadcast_to(log_vector, log_matrix.shape), axis=-1)


def _sigmoidal_layer(h, log_slopes, mixing_logits, raw_scales, shifts, weight_logits):
    log_mixing, log_weights = (jax.nn.log_softmax(logits, axis=-1) for logits in (mixing_logits, weight_logits))
    scales = slope_from_raw(raw_scales, _MIN_SCALE)
    logits = scales * (jnp.exp(log_mixing) @ h) + shifts
    below, above = log_sigmoid(logits), log_sigmoid(-logits)
    low, high = _log_matmul(log_weights, below), _log_matmul(log_weights, above)
    log_unit_slopes = jnp.log(scales) + _log_matmul(log_mixing, log_slopes)
    return low - high, _log_matmul(log_weights, below + above + log_unit_slopes) - low - high
