"""The evidence bound of a latent differential equation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution
from depthjax.core._options import at_least, non_negative
from depthjax.distributions import MultivariateNormalDiag, Normal
from depthjax.divergences import kl
from depthjax.ode import RK4, Tableau, solve_fixed


class ElboTerms(NamedTuple):
    """An evidence bound by its terms, value = log_likelihood - beta kl.

    Attributes:
        value: () nats.
        log_likelihood: () mean over samples of the observations' log density.
        kl: () KL divergence of the encoder's law from the prior, exact.
        standard_error: () of `value`, NaN for one sample.
    """

    value: jax.Array
    log_likelihood: jax.Array
    kl: jax.Array
    standard_error: jax.Array


def latent_ode_elbo(
    key: jax.Array,
    encoder: Callable[[jax.Array, Any, jax.Array], Distribution],
    decoder: Callable[[jax.Array], Distribution],
    f: Callable[[jax.Array, jax.Array, None], jax.Array],
    ts: ArrayLike,
    xs: ArrayLike,
    mask: ArrayLike,
    *,
    num_samples: int,
    beta: ArrayLike = 1.0,
    prior: Distribution | None = None,
    method: Tableau = RK4,
    substeps: int = 1,
) -> ElboTerms:
    """E_q sum_t log p(x_t | z_t) - beta KL(q(z_0) || p(z_0)) for z' = f(t, z, None) from z_0 ~ q at ts[0].

    Args:
        key: PRNG key of the samples of z_0.
        encoder: (ts, xs, mask) -> law q of z_0, reparameterisable, of event shape (d,); `ode.ode_rnn` run backwards
            over the observations is the usual one.
        decoder: z (d,) -> law of one observation.
        f: slope; parameters may be closed over.
        ts: (num_times,) strictly increasing times.
        xs: (num_times, *event) observations; masked ones may be anything, NaN too.
        mask: (num_times,) Booleans, True where there is an observation.
        num_samples: static number of samples.
        beta: () weight of the divergence, nonnegative.
        prior: law of z_0; standard normal if None.
        method: static, one-step method of the latent path.
        substeps: static, steps between two times.

    Returns:
        `ElboTerms`, differentiable in all parameters.

    Raises:
        ValueError: shapes, times, a mask that is not Boolean, no samples, a negative beta.
        TypeError: q has no pathwise derivative.
        NotImplementedError: no exact divergence between q and the prior.

    Numerics: a masked observation is replaced by zero before the decoder's law sees it.

    Source:
        Rubanova, Chen and Duvenaud, Latent ODEs for Irregularly-Sampled Time Series (2019), eq. 9; Chen et al. (2018),
        sec. 5.1.
    """
    name = "latent_ode_elbo"
    at_least(name, "num_samples", num_samples, 1)
    non_negative(name, beta=beta)
    ts, xs, mask = jnp.asarray(ts), jnp.asarray(xs), jnp.asarray(mask)
    if mask.dtype != jnp.bool_ or mask.shape != ts.shape:
        raise ValueError(f"{name}: mask is {mask.dtype}{list(mask.shape)}, expected bool{list(ts.shape)}; mask > 0?")
    if xs.shape[:1] != ts.shape:
        raise ValueError(f"{name}: xs has shape {xs.shape}, expected ({ts.shape[0]}, ...) as ts")
    q = encoder(ts, xs, mask)
    if q.reparameterized == "none" or len(q.event_shape) != 1:
        raise TypeError(f"{name}: encoder gives {type(q).__name__}, expected a reparameterisable law of vectors (d,)")
    divergence = kl(q, _standard(q) if prior is None else prior)
    seen = mask.reshape(-1, *[1] * (xs.ndim - 1))
    clean = jnp.where(seen, xs, jnp.zeros_like(xs))

    def log_likelihood(z0):
        path = solve_fixed(f, z0, ts, method=method, substeps=substeps).ys
        terms = jax.vmap(lambda z, x: decoder(z).log_prob(x))(path, clean)
        return jnp.sum(jnp.where(mask, terms, 0.0))

    values = jax.vmap(log_likelihood)(q.sample(key, (num_samples,)))
    mean = jnp.mean(values)
    error = jnp.std(values, ddof=1) / num_samples**0.5 if num_samples > 1 else jnp.full((), jnp.nan, mean.dtype)
    return ElboTerms(mean - jnp.asarray(beta, mean.dtype) * divergence, mean, divergence, error)


def _standard(q: Distribution) -> Distribution:
    dtype = jax.tree.leaves(q)[0].dtype
    zeros, ones = jnp.zeros(q.event_shape, dtype), jnp.ones(q.event_shape, dtype)
    return Normal(zeros, ones) if isinstance(q, Normal) else MultivariateNormalDiag(zeros, ones)
