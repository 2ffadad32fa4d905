"""Radial flow with a closed-form inverse."""

import jax
import jax.numpy as jnp

from depthjax.core import Bijector, derived, param, record, require_shape
from depthjax.numerics import safe_norm, softplus_inverse


@record
class Radial(Bijector):
    """y = x + beta (x - center)/(alpha + r), r = |x - center|, alpha > 0, beta > -alpha.

    With g = alpha + beta > 0, 1 + beta/(alpha + r) = (r + g)/(r + alpha) and
    log-det = (d - 1) log((r + g)/(r + alpha)) + log((r^2 + 2 alpha r + alpha g)/(r + alpha)^2).

    Args:
        center: (d,).
        raw_alpha: (), alpha = softplus(raw_alpha).
        raw_beta: (), g = softplus(raw_beta).

    Raises:
        ValueError: sizes that do not agree.

    Numerics:
        The radius is inverted by the root of its quadratic that does not cancel.

    Source:
        Rezende and Mohamed, Variational Inference with Normalizing Flows (2015), eq. 14 and appendix A.2.
    """

    center: jax.Array = param()
    raw_alpha: jax.Array = param()
    raw_beta: jax.Array = param()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        center = fields["center"]
        if center.ndim != 1:
            raise ValueError(f"{cls.__name__}: center has shape {center.shape}, expected (d,)")
        require_shape(cls.__name__, "raw_alpha", fields["raw_alpha"], ())
        require_shape(cls.__name__, "raw_beta", fields["raw_beta"], ())
        return {**fields, "event_shape": center.shape}

    @classmethod
    def from_values(cls, center: jax.Array, alpha: jax.Array, beta: jax.Array) -> "Radial":
        """The flow with these alpha > 0 and beta > -alpha; NaN parameters otherwise.

        Args:
            center: (d,).
            alpha: ().
            beta: ().
        """
        alpha, beta = jnp.asarray(alpha), jnp.asarray(beta)
        return cls(center, softplus_inverse(alpha), softplus_inverse(alpha + beta))

    def alpha(self) -> jax.Array:
        """Alpha > 0, ()."""
        return jax.nn.softplus(self.raw_alpha)

    def beta(self) -> jax.Array:
        """Beta > -alpha, ()."""
        return jax.nn.softplus(self.raw_beta) - self.alpha()

    def _log_det(self, r):
        alpha, g = self.alpha(), jax.nn.softplus(self.raw_beta)
        log_ratio = jnp.log((r + g) / (r + alpha))
        radial = jnp.log((r * r + 2.0 * alpha * r + alpha * g) / ((r + alpha) * (r + alpha)))
        return (self.event_shape[0] - 1) * log_ratio + radial

    def _forward_and_log_det(self, x):
        offset = x - self.center
        r = safe_norm(offset)
        ratio = (r + jax.nn.softplus(self.raw_beta)) / (r + self.alpha())
        return self.center + ratio * offset, self._log_det(r)

    def _inverse_and_log_det(self, y):
        alpha, g = self.alpha(), jax.nn.softplus(self.raw_beta)
        offset = y - self.center
        r_y = safe_norm(offset)
        q = g - r_y
        root = jnp.sqrt(q * q + 4.0 * alpha * r_y)
        denominator = jnp.where(q >= 0.0, q + root, 1.0)
        r = jnp.where(q >= 0.0, 2.0 * alpha * r_y / denominator, (root - q) / 2.0)
        return self.center + (r + alpha) / (r + g) * offset, -self._log_det(r)
