"""Square-root bins: a map of the unit interval with infinite slope at every left bin edge."""

import math

import jax
import jax.numpy as jnp

from depthjax.bijectors._bins import bin_of, pick
from depthjax.bijectors._transformers import Transformer
from depthjax.core import Bijector, constraints, derived, param, record, require_rank, static


@record
class SqrtBin(Bijector):
    """f(h) = sum_{k<b} sqrt(phi_k) + sqrt((K h - b + 1) phi_b) for h in [0, 1], b = min(floor(K h) + 1, K).

    It maps [0, 1] onto [0, sum_k sqrt(phi_k)], not onto itself; `normalize` divides by that sum.

    Args:
        phi: (K,), nonnegative with sum one; positive for an invertible map.
        normalize: static, map onto [0, 1].

    Raises:
        ValueError: phi is not a vector.

    Numerics:
        The slope is infinite at the left edge of every bin, and so is the log-det there. NaN outside the domain.

    Source:
        Prince, Understanding Deep Learning (2023), problem 16.9, with b clipped to K.
    """

    phi: jax.Array = param(constraints.simplex)
    normalize: bool = static(default=False)
    event_shape: tuple[int, ...] = derived()
    elementwise = True
    domain = constraints.unit_interval

    @classmethod
    def _complete(cls, fields):
        require_rank(cls.__name__, "phi", fields["phi"], 1)
        return {**fields, "event_shape": ()}

    @property
    def codomain(self):
        """[0, sum_k sqrt(phi_k)], or [0, 1] if normalised."""
        return constraints.unit_interval if self.normalize else constraints.interval(0.0, self._total())

    def _total(self):
        return jnp.ones((), self.phi.dtype) if self.normalize else jnp.sum(jnp.sqrt(self.phi))

    def _edges(self):
        """Values at the left bin edges and at the end, and the square roots of phi in the units of the output."""
        roots = jnp.sqrt(self.phi)
        roots = roots / jnp.sum(roots) if self.normalize else roots
        return jnp.concatenate([jnp.zeros_like(roots[:1]), jnp.cumsum(roots)]), roots

    def _forward_and_log_det(self, x):
        num_bins = self.phi.shape[0]
        edges, roots = self._edges()
        scaled = num_bins * x
        left = jnp.clip(jnp.floor(scaled), 0.0, num_bins - 1.0)
        root, part = pick(roots, left), scaled - left
        y = pick(edges[:-1], left) + jnp.sqrt(part) * root
        log_slope = math.log(0.5 * num_bins) + jnp.log(root) - 0.5 * jnp.log(part)
        return _within(x, 1.0, y), _within(x, 1.0, log_slope)

    def _inverse_and_log_det(self, y):
        num_bins = self.phi.shape[0]
        edges, roots = self._edges()
        index = bin_of(y, edges)
        root, rest = pick(roots, index), y - pick(edges[:-1], index)
        ratio = rest / root
        x = (index.astype(y.dtype) + ratio * ratio) / num_bins
        log_slope = math.log(2.0 / num_bins) + jnp.log(ratio) - jnp.log(root)
        return _within(y, edges[-1], x), _within(y, edges[-1], log_slope)


def _within(value, high, out):
    return jnp.where((value >= 0.0) & (value <= high), out, jnp.nan)


@record
class SqrtBinTransformer(Transformer):
    """Square-root bins with phi = min_bin + (1 - K min_bin) softmax(raw); no raw vector gives the identity.

    Args:
        num_bins: K >= 1.
        normalize: map [0, 1] onto itself.
        min_bin: smallest phi; K min_bin < 1.

    Raises:
        ValueError: an option out of range.
    """

    num_bins: int = static(default=8)
    normalize: bool = static(default=False)
    min_bin: float = static(default=1e-3)

    @classmethod
    def _complete(cls, fields):
        if fields["num_bins"] < 1 or not 0.0 <= fields["min_bin"] * fields["num_bins"] < 1.0:
            raise ValueError(
                f"{cls.__name__}: num_bins must be at least 1 and min_bin * num_bins lie in [0, 1), got "
                f"num_bins={fields['num_bins']}, min_bin={fields['min_bin']}"
            )
        return fields

    @property
    def num_params(self):
        """K."""
        return self.num_bins

    def from_raw(self, raw):
        """The map with the phi that `raw` stands for."""
        phi = self.min_bin + (1.0 - self.num_bins * self.min_bin) * jax.nn.softmax(raw)
        return SqrtBin(phi, normalize=self.normalize)
