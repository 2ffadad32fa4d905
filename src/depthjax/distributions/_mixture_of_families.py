"""Mixtures of several families."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record, require_rank
from depthjax.distributions._mixture_base import MixtureBase
from depthjax.distributions._mixture_pathwise import has_conditional_cdfs
from depthjax.distributions._multivariate_normal_diag import MultivariateNormalDiag
from depthjax.distributions._normal import Normal
from depthjax.distributions._not_nan import not_nan


@record
class Mixture(MixtureBase):
    """Mixture of K distributions of any families over events of one shape.

    log p(x) = logsumexp_k(log softmax(logits)_k + log p_k(x)).

    Args:
        logits: unnormalised log weights, (K,).
        components: a tuple of K distributions, all continuous or all discrete.

    Raises:
        TypeError: the components are not a tuple or list of distributions.
        ValueError: `logits` is not a vector of K entries, event shapes differ, or densities are mixed with masses.

    Numerics:
        As `MixtureSameFamily`: implicit pathwise gradients where all components are elementwise with a cdf (or
        `MultivariateNormalDiag`), cdf and bracketed quantile for events of shape (). A component outside whose support
        x lies contributes nothing, with zero gradient. One compiled body for each component; components of one family
        belong in `MixtureSameFamily`.

    Source:
        Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018), sec. 4 and appendix.
    """

    logits: jax.Array = param(not_nan)
    components: tuple[Any, ...]
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        logits, components = fields["logits"], fields["components"]
        if not isinstance(components, (tuple, list)) or not all(isinstance(c, Distribution) for c in components):
            raise TypeError(f"{cls.__name__} takes logits and a tuple of distributions, got {components!r}")
        require_rank(cls.__name__, "logits", logits, 1)
        if not components or logits.size != len(components):
            raise ValueError(f"{cls.__name__}: logits has shape {logits.shape}, expected ({len(components)},)")
        shapes = [part.event_shape for part in components]
        if len(set(shapes)) != 1:
            raise ValueError(f"{cls.__name__}: components have event shapes {shapes}, expected one shape")
        if len({part.support.discrete for part in components}) != 1:
            raise ValueError(f"{cls.__name__}: components mix densities and masses")
        return {**fields, "components": tuple(components), "event_shape": shapes[0]}

    @property
    def support(self):
        """That of the components where one of them holds all, else the real line or the integers."""
        supports = [part.support for part in self.components]
        for whole in supports:
            if all(constraints.implies(s, whole) for s in supports):
                return whole
        return constraints.integer if supports[0].discrete else constraints.real

    @property
    def reparameterized(self):
        """Implicit where conditional cdfs exist, else none."""
        implicit = all(has_conditional_cdfs(part, part.support) for part in self.components)
        return "implicit" if implicit else "none"

    def _require(self, name):
        for part in self.components:
            getattr(part, name)

    def _each(self, name, *args):
        return jnp.stack([getattr(part, name)(*args) for part in self.components])

    def _draw_each(self, key, sample_shape):
        keys = jax.random.split(key, len(self.components))
        return jnp.stack([part.sample(k, sample_shape) for part, k in zip(self.components, keys, strict=True)])

    def _elementwise_terms(self, name, x):
        parts = [Normal(p.loc, p.scale) if isinstance(p, MultivariateNormalDiag) else p for p in self.components]
        return jnp.stack([getattr(part, name)(x) for part in parts])
