"""Mixtures of one family."""

import jax

from depthjax.core import Distribution, constraints, derived, param, record, require_rank
from depthjax.distributions._mixture_base import MixtureBase
from depthjax.distributions._mixture_pathwise import has_conditional_cdfs
from depthjax.distributions._multivariate_normal_diag import MultivariateNormalDiag
from depthjax.distributions._normal import Normal
from depthjax.distributions._not_nan import not_nan


@record
class MixtureSameFamily(MixtureBase):
    """Mixture of K distributions of one family.

    log p(x) = logsumexp_k(log softmax(logits)_k + log p_k(x)).

    Args:
        logits: unnormalised log weights, (K,).
        components: one record whose leaves have a leading axis of length K, as `jax.vmap(Normal)(locs, scales)` gives.

    Raises:
        ValueError: `logits` is not a vector, or the components are not a stack of K.

    Numerics:
        Where the components are elementwise with a cdf, or `MultivariateNormalDiag`, draws have implicit pathwise
        gradients in every parameter, the logits among them: dz/dtheta = -(dF/dtheta)/p(z) in one dimension, through
        sequential conditional cdfs in more. Otherwise `reparameterized` is "none" and differentiating a draw raises.
        For events of shape () with a cdf, so has the mixture; its quantile is a bracketed root.

    Cost:
        A draw samples every component once and selects.

    Source:
        Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018), sec. 4 and appendix.
    """

    logits: jax.Array = param(not_nan)
    components: Distribution
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        logits, components = fields.get("logits"), fields.get("components")
        if logits is None or not isinstance(components, Distribution):
            raise TypeError(f"{cls.__name__} takes logits and a stack of distributions, got {components!r}")
        require_rank(cls.__name__, "logits", logits, 1)
        expected = components.param_shapes()
        for leaf in jax.tree.leaves(components):
            if leaf.ndim == 0 or leaf.shape[0] != logits.size:
                raise ValueError(
                    f"{cls.__name__}: a leaf of components has shape {leaf.shape}, expected a leading axis of "
                    f"{logits.size}, the length of logits; stack them with jax.vmap({type(components).__name__})(...)"
                )
        for field, shape in expected.items():
            if getattr(components, field).shape == shape:
                raise ValueError(
                    f"{cls.__name__}: components is one {type(components).__name__} with {field} of shape {shape}, "
                    f"not a stack; make one with jax.vmap({type(components).__name__})(...)"
                )
        return {**fields, "event_shape": components.event_shape}

    def _first(self):
        return jax.tree.map(lambda leaf: leaf[0], self.components)

    @property
    def support(self):
        """That of the components; the real line where its ends are parameters."""
        support = self._first().support
        return constraints.real if "(" in support.name and support.bounds is None else support

    @property
    def reparameterized(self):
        """Implicit where conditional cdfs exist, else none."""
        return "implicit" if has_conditional_cdfs(self.components, self.support) else "none"

    def _require(self, name):
        getattr(self._first(), name)

    def _each(self, name, *args):
        return jax.vmap(lambda part: getattr(part, name)(*args))(self.components)

    def _draw_each(self, key, sample_shape):
        keys = jax.random.split(key, self.logits.shape[0])
        return jax.vmap(lambda part, k: part.sample(k, sample_shape))(self.components, keys)

    def _elementwise_terms(self, name, x):
        parts = self.components
        if isinstance(parts, MultivariateNormalDiag):
            parts = jax.vmap(lambda part: Normal(part.loc, part.scale))(parts)
        return jax.vmap(lambda part: getattr(part, name)(x))(parts)
