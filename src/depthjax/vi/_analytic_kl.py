"""The evidence lower bound with the divergence from the prior in closed form."""

from collections.abc import Callable
from typing import Any

import jax

from depthjax import divergences
from depthjax.core import Distribution
from depthjax.vi._objectives import Objective, _only
from depthjax.vi._raveled import RaveledGuide


def analytic_kl_elbo(log_likelihood: Callable[..., jax.Array], prior: Any, *, beta: float = 1.0) -> Objective:
    """E_q log p(x | z) - beta KL(q || prior), the divergence exact.

    Only the first term is sampled; value and gradient of the second come from its closed form and add no noise to any
    estimator. beta other than 1 is the objective of the beta-VAE.

    Args:
        log_likelihood: (params, z, *batch) -> () nats for one z.
        prior: a distribution record, or a function (params, *batch) -> record; the gradient reaches its parameters
            in the second case.
        beta: static weight of the divergence.

    Returns:
        An `Objective` of one particle, whose `integrand` is the sampled part.

    Raises:
        TypeError: prior is neither a record nor a function.
        NotImplementedError: at trace time, there is no closed form for this pair of guide and prior.
        ValueError: at trace time, guide and prior have different event shapes.

    Source:
        Kingma and Welling, Auto-Encoding Variational Bayes (2014), eq. 7; Higgins et al., beta-VAE (2017), eq. 4.
    """
    is_record = isinstance(prior, Distribution)
    if not is_record and not callable(prior):
        raise TypeError(
            f"analytic_kl_elbo: prior is a distribution record or a function (params, *batch) -> record, got "
            f"{type(prior).__name__}"
        )

    def term(params, guide, fixed, *batch):
        return -beta * _divergence(guide, fixed if is_record else prior(params, *batch))

    return Objective(log_likelihood, _only, beta=0.0, exact_term=term, prior=prior if is_record else None)


def _divergence(guide, prior):
    guide, prior = (law.base if isinstance(law, RaveledGuide) else law for law in (guide, prior))
    if guide.event_shape == prior.event_shape and not divergences.has_kl(guide, prior):
        raise NotImplementedError(
            f"analytic_kl_elbo: no closed form of the divergence is registered for ({type(guide).__name__}, "
            f"{type(prior).__name__}); use elbo_objective, which samples it"
        )
    return divergences.kl(guide, prior)
