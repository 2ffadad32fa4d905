"""Maps of images (h, w, c): scaling by channel, mixing of channels, trading space for channels."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.typing import ArrayLike

from depthjax.bijectors._dense import multiply
from depthjax.bijectors._linear import check_order
from depthjax.core import Bijector, param, record, require_rank, require_shape, static


def _channel_event(name, fields, num_channels):
    """The event shape given, or one pixel; its last axis must have `num_channels` entries."""
    shape = (num_channels,) if fields["event_shape"] is None else tuple(fields["event_shape"])
    if shape[-1:] != (num_channels,):
        raise ValueError(f"{name}: event_shape {shape} does not end in the {num_channels} channels of the parameters")
    return shape


@record
class ActNorm(Bijector):
    """y = shift + exp(log_scale) x, channel by channel; log-det (number of pixels) sum log_scale.

    Args:
        shift: (c,).
        log_scale: (c,).
        event_shape: static, (..., c); (c,) by default.

    Raises:
        ValueError: sizes that do not agree.

    Source:
        Kingma and Dhariwal, Glow (2018), sec. 3.1.
    """

    shift: jax.Array = param()
    log_scale: jax.Array = param()
    event_shape: tuple[int, ...] = static(default=None)

    @classmethod
    def _complete(cls, fields):
        require_rank(cls.__name__, "shift", fields["shift"], 1)
        require_shape(cls.__name__, "log_scale", fields["log_scale"], fields["shift"].shape)
        return {**fields, "event_shape": _channel_event(cls.__name__, fields, fields["shift"].shape[0])}

    def _spread(self, value):
        return jnp.broadcast_to(value, self.event_shape)

    def _log_det(self):
        return math.prod(self.event_shape[:-1]) * jnp.sum(self.log_scale)

    def _forward_and_log_det(self, x):
        return self._spread(self.shift) + self._spread(jnp.exp(self.log_scale)) * x, self._log_det()

    def _inverse_and_log_det(self, y):
        return self._spread(jnp.exp(-self.log_scale)) * (y - self._spread(self.shift)), -self._log_det()


def actnorm_from_data(x: ArrayLike) -> ActNorm:
    """The `ActNorm` under which these data have mean zero and variance one in every channel.

    Args:
        x: (n, ..., c); a channel without spread is only shifted.

    Raises:
        ValueError: fewer than two axes.

    Source:
        Kingma and Dhariwal, Glow (2018), sec. 3.1: data-dependent initialisation.
    """
    x = jnp.asarray(x)
    if x.ndim < 2:
        raise ValueError(f"actnorm_from_data: x has shape {x.shape}, expected (n, ..., c)")
    axes = tuple(range(x.ndim - 1))
    mean, spread = jnp.mean(x, axes), jnp.std(x, axes)
    spread = jnp.where(spread > 0.0, spread, 1.0)
    return ActNorm(-mean / spread, -jnp.log(spread), event_shape=x.shape[1:])


@record
class Invertible1x1(Bijector):
    """y = P L (U + diag(d)) x at every pixel, d = sign exp(log|d|); log-det (number of pixels) sum log|d|.

    Args:
        lower: (c, c), strictly lower part used, unit diagonal implied.
        upper: (c, c), strictly upper part used.
        sign_log_diag: (2, c), signs of d, which have no gradient, and log|d|.
        permutation: static order; row i of P L U is row `permutation[i]` of L U. Identity by default.
        event_shape: static, (..., c); (c,) by default.

    Raises:
        ValueError: sizes that do not agree, or not a permutation.

    Cost:
        O(c^2) for each pixel, both ways; log-det O(c).

    Source:
        Kingma and Dhariwal, Glow (2018), eq. 10 and 11.
    """

    lower: jax.Array = param()
    upper: jax.Array = param()
    sign_log_diag: jax.Array = param()
    permutation: tuple[int, ...] | None = static(default=None)
    event_shape: tuple[int, ...] = static(default=None)

    @classmethod
    def _complete(cls, fields):
        name, lower = cls.__name__, fields["lower"]
        require_rank(name, "lower", lower, 2)
        size = lower.shape[0]
        require_shape(name, "lower", lower, (size, size))
        require_shape(name, "upper", fields["upper"], (size, size))
        require_shape(name, "sign_log_diag", fields["sign_log_diag"], (2, size))
        order = range(size) if fields["permutation"] is None else fields["permutation"]
        order = check_order(name, order)
        if len(order) != size:
            raise ValueError(f"{name}: permutation has {len(order)} entries, expected {size}")
        return {**fields, "permutation": order, "event_shape": _channel_event(name, fields, size)}

    def _upper(self):
        sign = jnp.where(jax.lax.stop_gradient(self.sign_log_diag[0]) < 0.0, -1.0, 1.0)
        return jnp.triu(self.upper, 1) + jnp.diag(sign * jnp.exp(self.sign_log_diag[1]))

    def _log_det(self):
        return math.prod(self.event_shape[:-1]) * jnp.sum(self.sign_log_diag[1])

    def _forward_and_log_det(self, x):
        z = multiply(self._upper(), x.reshape(-1, self.event_shape[-1]).T)
        z = z + multiply(jnp.tril(self.lower, -1), z)
        return z[np.asarray(self.permutation)].T.reshape(self.event_shape), self._log_det()

    def _inverse_and_log_det(self, y):
        z = y.reshape(-1, self.event_shape[-1]).T[np.argsort(self.permutation)]
        z = solve_triangular(self.lower, z, lower=True, unit_diagonal=True)
        return solve_triangular(self._upper(), z, lower=False).T.reshape(self.event_shape), -self._log_det()


@record
class Squeeze(Bijector):
    """(h, w, c) -> (h/f, w/f, f^2 c): each f by f square of pixels becomes one, its pixels side by side; log-det 0.

    Args:
        event_shape: static (h, w, c).
        factor: static f.

    Raises:
        ValueError: not three axes, or h or w that f does not divide.

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), sec. 3.6.
    """

    event_shape: tuple[int, int, int] = static()
    factor: int = static(default=2)

    @classmethod
    def _complete(cls, fields):
        shape, factor = tuple(np.atleast_1d(fields["event_shape"]).tolist()), fields["factor"]
        if len(shape) != 3 or factor < 1:
            raise ValueError(f"{cls.__name__}: event_shape is (h, w, c) and factor positive, got {shape} and {factor}")
        for name, size in zip(("h", "w"), shape[:2], strict=True):
            if size % factor:
                raise ValueError(f"{cls.__name__}: {name} = {size} is not a multiple of factor {factor}")
        return {"event_shape": shape, "factor": factor}

    @property
    def event_shape_out(self):
        """(h/f, w/f, f^2 c)."""
        h, w, c = self.event_shape
        return (h // self.factor, w // self.factor, c * self.factor**2)

    def _forward_and_log_det(self, x):
        h, w, _ = self.event_shape_out
        x = x.reshape(h, self.factor, w, self.factor, -1).transpose(0, 2, 1, 3, 4)
        return x.reshape(self.event_shape_out), jnp.zeros((), x.dtype)

    def _inverse_and_log_det(self, y):
        h, w, _ = self.event_shape_out
        y = y.reshape(h, w, self.factor, self.factor, -1).transpose(0, 2, 1, 3, 4)
        return y.reshape(self.event_shape), jnp.zeros((), y.dtype)
