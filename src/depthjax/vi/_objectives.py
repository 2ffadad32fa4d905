"""Objectives: what is averaged over the guide, as a function of one draw and its log density."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import record, static
from depthjax.vi._bounds import iwae_bound, one_number
from depthjax.vi._more_bounds import renyi_bound, tvo


@record
class Objective:
    """An objective E_q[combine(integrand over K draws)], to be maximised.

    Args:
        log_joint: static (params, z, *batch) -> () nats for one z, or the plain function of an expectation.
        combine: static (K,) -> ().
        num_particles: static K.
        beta: static weight of the log density of the guide; 0 for a plain expectation.
        inverse_temperature: () weight b of log_joint, 1 by default; annealing raises it from near 0 to 1.
        exact_term: static (params, q record, prior, *batch) -> () added once to the mean over draws, or None; it is no
            part of `integrand`.
        prior: what `exact_term` takes, a distribution record or None.
    """

    log_joint: Callable[..., jax.Array] = static()
    combine: Callable[[jax.Array], jax.Array] = static()
    num_particles: int = static(default=1)
    beta: float = static(default=1.0)
    inverse_temperature: Any = 1.0
    exact_term: Callable[..., jax.Array] | None = static(default=None)
    prior: Any = None

    def integrand(self, params: Any, q_record: Any, z: Any, *batch: Any) -> jax.Array:
        """B log_joint(z) - beta log q(z) for one draw, () nats."""
        log_q = q_record.log_prob(z) if self.beta else 0.0
        return self.integrand_from_log_q(params, z, log_q, *batch)

    def integrand_from_log_q(self, params: Any, z: Any, log_q: Any, *batch: Any) -> jax.Array:
        """As `integrand`, where log q(z) came with the draw."""
        value = one_number(self.log_joint(params, z, *batch))
        tempered = jnp.asarray(self.inverse_temperature, value.dtype) * value
        return tempered - self.beta * log_q if self.beta else tempered

    def exact(self, params: Any, q_record: Any, *batch: Any) -> jax.Array:
        """The part of the objective that needs no draws, () nats."""
        if self.exact_term is None:
            return jnp.zeros(())
        return self.exact_term(params, q_record, self.prior, *batch)

    def sampled(self) -> "Objective":
        """The part of the objective that is averaged over draws."""
        return self if self.exact_term is None else dataclasses.replace(self, exact_term=_nothing, prior=None)

    @property
    def has_exact_term(self) -> bool:
        """Whether a part of the objective is known without draws."""
        return self.exact_term is not None and self.exact_term is not _nothing


def _nothing(params, q_record, prior, *batch):
    """The exact term of `sampled()`: accounted for elsewhere."""
    del params, prior, batch, q_record
    return jnp.zeros(())


def _only(values):
    return values[0]


def as_objective(f: Any) -> Objective:
    """`f` itself if it is an objective, else its expectation."""
    return f if isinstance(f, Objective) else expectation(f)


def expectation(f: Callable[..., jax.Array]) -> Objective:
    """E_q f(params, z, *batch).

    Args:
        f: function of one z.
    """
    return Objective(f, _only, beta=0.0)


def elbo_objective(log_joint: Callable[..., jax.Array], *, beta: float = 1.0) -> Objective:
    """E_q[log p(x, z) - beta log q(z)], the evidence lower bound at beta = 1.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        beta: static weight of the entropy.

    Source:
        Blei et al., Variational Inference: A Review for Statisticians (2017), eq. 13.
    """
    return Objective(log_joint, _only, beta=beta)


def iwae_objective(log_joint: Callable[..., jax.Array], *, num_particles: int) -> Objective:
    """E log (1/K) sum_k p(x, z_k)/q(z_k) over K draws.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        num_particles: K >= 1.

    Raises:
        ValueError: K < 1.

    Source:
        Burda et al., Importance Weighted Autoencoders (2016), eq. 8.
    """
    if num_particles < 1:
        raise ValueError(f"iwae_objective: num_particles must be at least 1, got {num_particles}")
    return Objective(log_joint, iwae_bound, num_particles=num_particles)


def renyi_objective(log_joint: Callable[..., jax.Array], *, num_particles: int, alpha: float) -> Objective:
    """The Renyi bound of order alpha over K draws.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        num_particles: K >= 1.
        alpha: static order; 0 is `iwae_objective`, 1 the mean of K ELBO terms.

    Raises:
        ValueError: K < 1, alpha is NaN.

    Source:
        Li and Turner, Renyi Divergence Variational Inference (2016), eq. 9.
    """
    if num_particles < 1:
        raise ValueError(f"renyi_objective: num_particles must be at least 1, got {num_particles}")
    if math.isnan(alpha):
        raise ValueError(f"renyi_objective: alpha must be a number, got {alpha}")
    return Objective(log_joint, _renyi(float(alpha)), num_particles=num_particles)


@functools.cache
def _renyi(alpha):
    return functools.partial(renyi_bound, alpha=alpha)


def cubo_objective(log_joint: Callable[..., jax.Array], *, num_particles: int, order: float = 2.0) -> Objective:
    """The chi upper bound to be lowered: -(1/n) mean_k (w_k / max_j w_j)^n over K draws.

    Its gradient is that of -E w^n / n, unbiased up to the positive factor (max_j w_j)^-n of each K draws, which is held
    fixed and keeps it in range; its value is no bound. `cubo` of the log weights gives the bound.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        num_particles: K >= 2: with one draw the weight is always its own maximum.
        order: static n > 1.

    Raises:
        ValueError: K < 2, order <= 1.

    Source:
        Dieng, Tran, Ranganath, Paisley and Blei, Variational Inference via chi Upper Bound Minimization (2017), alg. 1.
    """
    if num_particles < 2:
        raise ValueError(f"cubo_objective: num_particles must be at least 2, got {num_particles}")
    if not order > 1:
        raise ValueError(f"cubo_objective: order must be above 1, got {order}")
    return Objective(log_joint, _chi(float(order)), num_particles=num_particles)


@functools.cache
def _chi(order):
    def combine(log_weights):
        largest = jax.lax.stop_gradient(jnp.max(log_weights))
        shift = jnp.where(jnp.isfinite(largest), largest, 0.0)
        return -jnp.mean(jnp.exp(order * (log_weights - shift))) / order

    return combine


def tvo_objective(
    log_joint: Callable[..., jax.Array], *, num_particles: int, betas: Sequence[float], rule: str = "left"
) -> Objective:
    """The thermodynamic bound over K draws, `tvo` with self-normalised weights.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        num_particles: K >= 1.
        betas: static, (T + 1,) increasing from 0 to 1.
        rule: "left" (a lower bound), "right" or "trapezoid".

    Raises:
        ValueError: K < 1; betas do not increase from 0 to 1; another rule.

    Source:
        Masrani, Le and Wood, The Thermodynamic Variational Objective (2019), eq. 8. Their covariance gradient is what
        `score_function` with the leave-one-out baseline and `vimco` estimate here without a formula of their own.
    """
    if num_particles < 1:
        raise ValueError(f"tvo_objective: num_particles must be at least 1, got {num_particles}")
    betas = tuple(float(b) for b in betas)
    tvo(jnp.zeros(1), betas=betas, rule=rule)
    return Objective(log_joint, _thermodynamic(betas, rule), num_particles=num_particles)


@functools.cache
def _thermodynamic(betas, rule):
    return functools.partial(tvo, betas=betas, rule=rule)
