"""Planar flow, invertible for every raw parameter value."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._tanh_root import moved_log_slope, solve_tanh
from depthjax.core import Bijector, derived, param, record, require_shape, static
from depthjax.numerics import safe_norm

_SLOPE = math.e / (math.e - 1.0)
_OFFSET = math.log(math.e - 1.0)
_SERIES_RADIUS = 0.5


def _softplus_taylor(num_terms):
    """Taylor coefficients f^(n)(z0)/n! of softplus at z0 = log(e - 1), as polynomials in s = sigmoid(z0)."""
    sigmoid = np.polynomial.Polynomial([0.0, 1.0])
    rate = np.polynomial.Polynomial([0.0, 1.0, -1.0])
    derivative, values = sigmoid, []
    for n in range(1, num_terms):
        values.append(float(derivative(1.0 - math.exp(-1.0))) / math.factorial(n))
        derivative = derivative.deriv() * rate
    return [1.0, *values]


_TAYLOR = _softplus_taylor(24)


def multiplier(s: jax.Array, floor: float) -> jax.Array:
    """c(s) = c0 + (1 - c0) softplus(a s / (1 - c0) + log(e - 1)), a = e/(e - 1): c > c0, c(0) = c'(0) = 1."""
    return floor + (1.0 - floor) * jax.nn.softplus(s * (_SLOPE / (1.0 - floor)) + _OFFSET)


def multiplier_remainder(s: jax.Array, floor: float) -> jax.Array:
    """Psi(s) = (c(s) - 1 - s)/s^2, by its Taylor series where the difference cancels."""
    rate = _SLOPE / (1.0 - floor)
    z = s * rate
    near = jnp.abs(z) < _SERIES_RADIUS
    series = jnp.zeros_like(s)
    z_near = jnp.where(near, z, 0.0)
    for coefficient in reversed(_TAYLOR[2:]):
        series = series * z_near + coefficient
    far = jnp.where(near, 1.0, s)
    direct = (multiplier(far, floor) - 1.0 - far) / (far * far)
    return jnp.where(near, series * ((1.0 - floor) * rate * rate), direct)


@record
class Planar(Bijector):
    """y = x + u_hat h(w.x + b), with u_hat such that the map is invertible for every w, u, b.

    With s = w.u and c = c(s) > 0, u_hat = u + psi(s) (w_hat.u)^2 w gives w.u_hat = c - 1, so that the log-det is
    log(tanh^2 t + c sech^2 t) at t = w.x + b for h = tanh.

    Args:
        w: (d,).
        raw_u: (d,), unconstrained.
        b: ().
        activation: "tanh" or "leaky_relu".
        slope: of the leaky ReLU, in (0, 1].
        min_multiplier: c0 in (0, 1), the smallest slope of t -> w.y + b.

    Raises:
        ValueError: sizes that do not agree, unknown activation, slope or min_multiplier out of range.

    Numerics:
        c(0) = c'(0) = 1, so raw_u = 0 is the identity and value and gradients stay bounded as w -> 0, where the
        published form (c(0) = log 2) has a pole 1/|w|; w is scaled by its largest entry before it is normalised, so
        that 1/|w|^2 is never formed. No logarithm sees a negative argument. The inverse of the tanh
        flow is one bracketed scalar root, differentiable; NaN where it did not converge.

    Source:
        Rezende and Mohamed, Variational Inference with Normalizing Flows (2015), eq. 10-13 and appendix A.1, with
        another c.
    """

    w: jax.Array = param()
    raw_u: jax.Array = param()
    b: jax.Array = param()
    activation: str = static(default="tanh")
    slope: float = static(default=0.1)
    min_multiplier: float = static(default=1e-4)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        name, w = cls.__name__, fields["w"]
        if w.ndim != 1:
            raise ValueError(f"{name}: w has shape {w.shape}, expected (d,)")
        require_shape(name, "raw_u", fields["raw_u"], w.shape)
        require_shape(name, "b", fields["b"], ())
        if fields["activation"] not in ("tanh", "leaky_relu"):
            raise ValueError(f"{name}: activation must be 'tanh' or 'leaky_relu', got {fields['activation']!r}")
        if not 0.0 < fields["slope"] <= 1.0:
            raise ValueError(f"{name}: slope must lie in (0, 1], got {fields['slope']}")
        if not 0.0 < fields["min_multiplier"] < 1.0:
            raise ValueError(f"{name}: min_multiplier must lie in (0, 1), got {fields['min_multiplier']}")
        return {**fields, "event_shape": w.shape}

    @property
    def inverse_kind(self):
        """The leaky ReLU has a closed inverse, tanh an iterative one."""
        return "iterative" if self.activation == "tanh" else "closed"

    def u_hat(self) -> jax.Array:
        """The direction (d,) in which the flow moves points."""
        size = jax.lax.stop_gradient(jnp.max(jnp.abs(self.w)))
        scaled = self.w / jnp.where(size > 0.0, size, 1.0)
        norm = safe_norm(scaled)
        along = jnp.sum(scaled / jnp.where(norm > 0.0, norm, 1.0) * self.raw_u)
        s = jnp.sum(self.w * self.raw_u)
        return self.raw_u + multiplier_remainder(s, self.min_multiplier) * along * along * self.w

    def _multiplier(self):
        return multiplier(jnp.sum(self.w * self.raw_u), self.min_multiplier)

    def _activate(self, t, c):
        """h(t) and log(1 + (c - 1) h'(t))."""
        if self.activation == "tanh":
            return jnp.tanh(t), moved_log_slope(t, c)
        log_below = jnp.log((1.0 - self.slope) + self.slope * c)
        return jnp.where(t < 0.0, self.slope * t, t), jnp.where(t < 0.0, log_below, jnp.log(c))

    def _forward_and_log_det(self, x):
        value, log_det = self._activate(jnp.sum(self.w * x) + self.b, self._multiplier())
        return x + self.u_hat() * value, log_det

    def _inverse_and_log_det(self, y):
        target, c = jnp.sum(self.w * y) + self.b, self._multiplier()
        if self.activation == "tanh":
            t = solve_tanh(target, c).value
        else:
            t = target / jnp.where(target < 0.0, (1.0 - self.slope) + self.slope * c, c)
        return self._from_root(y, t, c)

    def _inverse_with_info(self, y):
        if self.activation != "tanh":
            raise TypeError("Planar.inverse_with_info: the leaky-ReLU inverse is closed and has no iterations")
        c = self._multiplier()
        result = solve_tanh(jnp.sum(self.w * y) + self.b, c)
        return *self._from_root(y, result.value, c), result

    def _from_root(self, y, t, c):
        value, log_det = self._activate(t, c)
        return y - self.u_hat() * value, -log_det
