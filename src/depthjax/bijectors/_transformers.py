"""Transformers: families of scalar bijectors indexed by a raw vector, for couplings and autoregressive maps."""

import abc
import math

import jax
import jax.numpy as jnp

from depthjax.bijectors._affine import Affine, Shift
from depthjax.core import Bijector, record, static


class Transformer(abc.ABC):
    """A family of increasing scalar maps, one for each raw vector; `from_raw(zeros)` is the identity.

    A subclass is a leafless record that writes `num_params` and `from_raw`; it may write `forward_many` and
    `inverse_many` where d maps at once are cheaper than d scalar ones.
    """

    @property
    @abc.abstractmethod
    def num_params(self) -> int:
        """Length k of the raw vector."""

    @abc.abstractmethod
    def from_raw(self, raw: jax.Array) -> Bijector:
        """The scalar bijector of a raw vector (k,)."""

    def forward_many(self, x: jax.Array, raw: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Values and log slopes of d maps, (d,) and (d, k) -> (d,) and (d,)."""
        return jax.vmap(lambda value, r: self.from_raw(r).forward_and_log_det(value))(x, raw)

    def inverse_many(self, y: jax.Array, raw: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Inverse values and their log slopes of d maps, (d,) and (d, k) -> (d,) and (d,)."""
        return jax.vmap(lambda value, r: self.from_raw(r).inverse_and_log_det(value))(y, raw)


@record
class ShiftTransformer(Transformer):
    """y = x + raw.

    Source:
        Dinh et al., NICE (2015), sec. 3.2.
    """

    @property
    def num_params(self):
        """One."""
        return 1

    def from_raw(self, raw):
        """The shift by raw[0]."""
        return Shift(raw[0])

    def forward_many(self, x, raw):
        """As of the base class."""
        return x + raw[:, 0], jnp.zeros_like(x)

    def inverse_many(self, y, raw):
        """As of the base class."""
        return y - raw[:, 0], jnp.zeros_like(y)


@record
class AffineTransformer(Transformer):
    """y = shift + scale x with scale in a range that keeps the inverse bounded.

    Without `max_log_scale`, scale = min_scale + (1 - min_scale) softplus(raw + log(e - 1)), which is 1 at raw = 0; with
    it, scale = exp(m tanh(raw/m)), m = max_log_scale.

    Args:
        min_scale: smallest scale, in [0, 1).
        max_log_scale: bound m > 0 on |log scale|, or None.

    Raises:
        ValueError: an option out of range.

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), eq. 7; bounded log scale, ibid. sec. 4.1.
    """

    min_scale: float = static(default=1e-3)
    max_log_scale: float | None = static(default=None)

    @classmethod
    def _complete(cls, fields):
        if not 0.0 <= fields["min_scale"] < 1.0:
            raise ValueError(f"{cls.__name__}: min_scale must lie in [0, 1), got {fields['min_scale']}")
        if fields["max_log_scale"] is not None and not fields["max_log_scale"] > 0.0:
            raise ValueError(f"{cls.__name__}: max_log_scale must be positive, got {fields['max_log_scale']}")
        return fields

    @property
    def num_params(self):
        """Two: shift and raw scale."""
        return 2

    def from_raw(self, raw):
        """The affine map of (shift, raw scale)."""
        return Affine(raw[0], self._scale(raw[1])[0])

    def forward_many(self, x, raw):
        """As of the base class."""
        scale, log_scale = self._scale(raw[:, 1])
        return raw[:, 0] + scale * x, log_scale

    def inverse_many(self, y, raw):
        """As of the base class."""
        scale, log_scale = self._scale(raw[:, 1])
        return (y - raw[:, 0]) / scale, -log_scale

    def _scale(self, raw):
        if self.max_log_scale is not None:
            log_scale = self.max_log_scale * jnp.tanh(raw / self.max_log_scale)
            return jnp.exp(log_scale), log_scale
        scale = self.min_scale + (1.0 - self.min_scale) * jax.nn.softplus(raw + math.log(math.e - 1.0))
        return scale, jnp.log(scale)
