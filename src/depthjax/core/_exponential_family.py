"""The exponential-family view of a distribution."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

Statistics = dict[str, jax.Array]


class ExponentialFamily(abc.ABC):
    """Mixin: log_prob(x) = <T(x), eta> - A(eta) + log h(x).

    Natural parameters eta, mean parameters mu = E T(x) = grad A(eta) and statistics T(x) are dicts with the same keys.

    Source: Wainwright and Jordan, Graphical Models, Exponential Families, and Variational Inference (2008), sec. 3.
    """

    @abc.abstractmethod
    def natural_parameters(self) -> Statistics:
        """Eta of this distribution."""

    @abc.abstractmethod
    def sufficient_statistics(self, x: jax.Array) -> Statistics:
        """T(x) of one event."""

    @abc.abstractmethod
    def log_base_measure(self, x: jax.Array) -> jax.Array:
        """Log h(x) of one event, () nats."""

    @classmethod
    @abc.abstractmethod
    def log_normalizer_of(cls, natural: Statistics) -> jax.Array:
        """A(eta), () nats, differentiable in eta."""

    @classmethod
    @abc.abstractmethod
    def from_natural(cls, natural: Statistics) -> Any:
        """The distribution with these natural parameters."""

    @classmethod
    @abc.abstractmethod
    def from_mean_parameters(cls, mean: Statistics) -> Any:
        """The distribution with these mean parameters."""

    def _fixed_parameters(self) -> dict[str, jax.Array]:
        """Parameters held fixed in this view on which A depends, as keyword arguments of `log_normalizer_of`."""
        return {}

    def _normalizer(self, natural):
        return self.log_normalizer_of(natural, **self._fixed_parameters())

    def log_normalizer(self) -> jax.Array:
        """A(eta) of this distribution, () nats."""
        return self._normalizer(self.natural_parameters())

    def mean_parameters(self) -> Statistics:
        """Mu = E T(x) = grad A(eta)."""
        return jax.grad(self._normalizer)(self.natural_parameters())

    def fisher_information(self) -> jax.Array:
        """Hessian of A, the covariance of T(x), (k, k) in flattened natural coordinates (keys in sorted order)."""
        flat, unravel = ravel_pytree(self.natural_parameters())
        hessian = jax.hessian(lambda eta: self._normalizer(unravel(eta)))(flat)
        return (hessian + jnp.transpose(hessian)) / 2
