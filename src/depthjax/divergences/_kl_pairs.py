"""Closed forms of KL divergences between families, one function a pair."""

import math

import jax
import jax.numpy as jnp

import depthjax.distributions as d
from depthjax.divergences._discrete import generalised_kl
from depthjax.divergences._gaussian import kl_gaussian, kl_mvn
from depthjax.divergences._kl import has_kl, kl, register_kl
from depthjax.divergences._scalars import exp_gap
from depthjax.numerics import bessel_ratio, deviance, log_i0e, log_ratio, log_sigmoid, stirling_error

_EULER, _LOG_2 = 0.5772156649015329, math.log(2.0)
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _gamma_gap(a, b):
    """Log Gamma(b) - log Gamma(a) - (b - a) digamma(a), the Bregman divergence of log Gamma.

    Where both are large, by those of the terms of log Gamma(x) = x log x - x - log(x)/2 + R(x) + const.
    """
    large = (a > 16.0) & (b > 16.0)
    u, v = jnp.where(large, a, 32.0), jnp.where(large, b, 32.0)
    rest, slope = jax.jvp(stirling_error, (u,), (jnp.ones_like(u),))
    series = deviance(v, u) + 0.5 * deviance(u, v) / u + (stirling_error(v) - rest - (v - u) * slope)
    a, b = jnp.where(large, 1.0, a), jnp.where(large, 1.0, b)
    plain = jax.lax.lgamma(b) - jax.lax.lgamma(a) - (b - a) * jax.lax.digamma(a)
    return jnp.where(large, series, plain)


@register_kl(d.Normal, d.Normal)
@register_kl(d.LogNormal, d.LogNormal)
@register_kl(d.LogitNormal, d.LogitNormal)
@register_kl(d.MultivariateNormalDiag, d.MultivariateNormalDiag)
def _normal(p, q):
    return jnp.sum(kl_gaussian(p.loc, p.scale, q.loc, q.scale))


@register_kl(d.HalfNormal, d.HalfNormal)
def _half_normal(p, q):
    return jnp.sum(kl_gaussian(0.0, p.scale, 0.0, q.scale))


def _mvn(p, q):
    p, q = d.mvn_convert(p, "tril"), d.mvn_convert(q, "tril")
    return kl_mvn(p.loc, p.scale_tril, q.loc, q.scale_tril)


_MVN = (
    d.MultivariateNormal, d.MultivariateNormalDiag, d.MultivariateNormalPrecision, d.MultivariateNormalCanonical,
    d.MultivariateNormalLowRank,
)  # fmt: skip
for _p in _MVN:
    for _q in _MVN:
        if (_p, _q) != (d.MultivariateNormalDiag, d.MultivariateNormalDiag):
            register_kl(_p, _q)(_mvn)


@register_kl(d.LogisticNormal, d.LogisticNormal)
def _logistic_normal(p, q):
    return kl_mvn(p.loc, p.scale_tril, q.loc, q.scale_tril)


@register_kl(d.Exponential, d.Exponential)
def _exponential(p, q):
    return jnp.sum(deviance(p.rate, q.rate) / p.rate)


@register_kl(d.Gamma, d.Gamma)
def _gamma(p, q):
    return _gamma_pair(p.concentration, p.rate, q.concentration, q.rate)


def _gamma_pair(a, r, b, s):
    return jnp.sum(_gamma_gap(a, b) + (b - a) * log_ratio(r, s) + a * deviance(r, s) / r)


@register_kl(d.InverseGamma, d.InverseGamma)
def _inverse_gamma(p, q):
    return _gamma_pair(p.concentration, p.scale, q.concentration, q.scale)


@register_kl(d.ChiSquared, d.ChiSquared)
def _chi_squared(p, q):
    return jnp.sum(_gamma_gap(0.5 * p.df, 0.5 * q.df))


@register_kl(d.Exponential, d.Gamma)
def _exponential_gamma(p, q):
    return _gamma_pair(jnp.ones_like(p.rate), p.rate, q.concentration, q.rate)


@register_kl(d.Gamma, d.Exponential)
def _gamma_exponential(p, q):
    return _gamma_pair(p.concentration, p.rate, jnp.ones_like(q.rate), q.rate)


@register_kl(d.Beta, d.Beta)
def _beta(p, q):
    a, b, c, e = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    return jnp.sum(_gamma_gap(a, c) + _gamma_gap(b, e) - _gamma_gap(a + b, c + e))


@register_kl(d.Dirichlet, d.Dirichlet)
def _dirichlet(p, q):
    a, b = p.concentration, q.concentration
    return jnp.sum(_gamma_gap(a, b)) - _gamma_gap(jnp.sum(a), jnp.sum(b))


def _coin(p, q):
    """KL of the coins with logits p and q, elementwise."""
    stacked = [jnp.stack([log_sigmoid(v), log_sigmoid(-v)]) for v in (p, q)]
    return generalised_kl(*stacked, axis=0)


@register_kl(d.Bernoulli, d.Bernoulli)
def _bernoulli(p, q):
    return jnp.sum(_coin(p.logits, q.logits))


@register_kl(d.Geometric, d.Geometric)
def _geometric(p, q):
    return jnp.sum(_coin(p.logits, q.logits) / jax.nn.sigmoid(p.logits))


def _of_equal_counts(value, p, q, excess):
    """`value` for equal counts, else `excess` (no closed form: NaN; no common support: inf), summed."""
    return jnp.sum(jnp.where(p.total_count == q.total_count, value, excess))


@register_kl(d.Binomial, d.Binomial)
def _binomial(p, q):
    excess = jnp.where(p.total_count > q.total_count, jnp.inf, jnp.nan)
    return _of_equal_counts(p.total_count * _coin(p.logits, q.logits), p, q, excess)


@register_kl(d.NegativeBinomial, d.NegativeBinomial)
def _negative_binomial(p, q):
    value = p.total_count * _coin(p.logits, q.logits) / jax.nn.sigmoid(-p.logits)
    return _of_equal_counts(value, p, q, jnp.nan)


def _softmax_pair(p, q):
    return generalised_kl(jax.nn.log_softmax(p.logits), jax.nn.log_softmax(q.logits))


@register_kl(d.Categorical, d.Categorical)
@register_kl(d.OneHotCategorical, d.OneHotCategorical)
def _categorical(p, q):
    if p.logits.shape != q.logits.shape:
        raise ValueError(f"kl: q has logits of shape {q.logits.shape}, expected {p.logits.shape} as p")
    return _softmax_pair(p, q)


@register_kl(d.Multinomial, d.Multinomial)
def _multinomial(p, q):
    return _of_equal_counts(p.total_count * _softmax_pair(p, q), p, q, jnp.inf)


@register_kl(d.Poisson, d.Poisson)
def _poisson(p, q):
    return jnp.sum(generalised_kl(p.log_rate[None], q.log_rate[None], axis=0))


@register_kl(d.Laplace, d.Laplace)
def _laplace(p, q):
    away = jnp.abs(p.loc - q.loc)
    folded = p.scale * exp_gap(away / p.scale)  # E|x - loc_q| - scale_p
    return jnp.sum(deviance(q.scale, p.scale) / q.scale + folded / q.scale)


@register_kl(d.Gumbel, d.Gumbel)
def _gumbel(p, q):
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    power = jnp.exp(shift + jax.lax.lgamma(1.0 + ratio))
    return jnp.sum(-jnp.log(ratio) + _EULER * (ratio - 1.0) + power - 1.0 - shift)


@register_kl(d.Weibull, d.Weibull)
def _weibull(p, q):
    ratio = q.concentration / p.concentration
    shift = q.concentration * log_ratio(p.scale, q.scale)
    power = jnp.exp(shift + jax.lax.lgamma(1.0 + ratio))
    return jnp.sum(-jnp.log(ratio) + _EULER * (ratio - 1.0) + power - 1.0 - shift)


@register_kl(d.Cauchy, d.Cauchy)
def _cauchy(p, q):
    squared = (p.loc - q.loc) ** 2 + (p.scale - q.scale) ** 2
    return jnp.sum(jnp.log1p(squared / (4.0 * p.scale * q.scale)))


@register_kl(d.Pareto, d.Pareto)
def _pareto(p, q):
    a, b = p.concentration, q.concentration
    inside = p.scale >= q.scale
    above = b * log_ratio(jnp.where(inside, p.scale, q.scale), q.scale)
    return jnp.sum(jnp.where(inside, deviance(a, b) / a + above, jnp.inf))


@register_kl(d.Uniform, d.Uniform)
def _uniform(p, q):
    inside = (p.low >= q.low) & (p.high <= q.high)
    return jnp.sum(jnp.where(inside, log_ratio(q.high - q.low, p.high - p.low), jnp.inf))


@register_kl(d.VonMises, d.VonMises)
def _von_mises(p, q):
    k, c = p.concentration, q.concentration
    mean = bessel_ratio(1.0, k)
    turned = 2.0 * c * mean * jnp.sin(0.5 * (p.loc - q.loc)) ** 2
    return jnp.sum((c - k) * (1.0 - mean) + log_i0e(c) - log_i0e(k) + turned)


@register_kl(d.Delta, d.Delta)
def _delta(p, q):
    return jnp.where(jnp.all(p.value == q.value), 0.0, jnp.inf).astype(p.value.dtype)


def bregman(p, q):
    """A(eta_q) - A(eta_p) - <eta_q - eta_p, grad A(eta_p)> for two members of one exponential family."""
    mean, eta, other = p.mean_parameters(), p.natural_parameters(), q.natural_parameters()
    inner = sum(jnp.sum((other[k] - eta[k]) * mean[k]) for k in eta)
    return q.log_normalizer() - p.log_normalizer() - inner


for _cls in (
    d.VonMisesFisher, d.Wishart, d.InverseWishart, d.NormalGamma, d.NormalInverseGamma, d.NormalWishart,
    d.NormalInverseWishart, d.MatrixNormal,
):  # fmt: skip
    register_kl(_cls, _cls)(bregman)


@register_kl(d.Normal, d.Laplace)
def _normal_laplace(p, q):
    away = (p.loc - q.loc) / p.scale
    folded = math.sqrt(2 / math.pi) * jnp.exp(-0.5 * away**2) + away * jax.lax.erf(away * math.sqrt(0.5))
    return jnp.sum(log_ratio(q.scale, p.scale) + (_LOG_2 - _HALF_LOG_2PI - 0.5) + folded * p.scale / q.scale)


def _against_normal(mean, variance, entropy, q):
    quadratic = 0.5 * (variance + (mean - q.loc) ** 2) / q.scale**2
    return jnp.sum(jnp.log(q.scale) + _HALF_LOG_2PI + quadratic - entropy)


@register_kl(d.Laplace, d.Normal)
@register_kl(d.Uniform, d.Normal)
@register_kl(d.Gumbel, d.Normal)
def _moments_and_normal(p, q):
    return _against_normal(p.mean(), p.variance(), p.entropy_terms(), q)


@register_kl(d.Normal, d.Uniform)
def _normal_uniform(p, q):
    del q
    return jnp.full((), jnp.inf, p.loc.dtype)


@register_kl(d.Beta, d.Uniform)
def _beta_uniform(p, q):
    inside = (q.low <= 0.0) & (q.high >= 1.0)
    return jnp.sum(jnp.where(inside, jnp.log(q.high - q.low) - p.entropy_terms(), jnp.inf))


@register_kl(d.Repeated, d.Repeated, when=lambda p, q: p.shape == q.shape and has_kl(p.base, q.base))
def _repeated(p, q):
    return math.prod(p.shape) * kl(p.base, q.base)


def _parts(product):
    return jax.tree.leaves(product.components, is_leaf=lambda v: hasattr(v, "event_shape"))


def _matching(p, q):
    first, second = _parts(p), _parts(q)
    return len(first) == len(second) and all(has_kl(a, b) for a, b in zip(first, second, strict=True))


@register_kl(d.Product, d.Product, when=_matching)
def _product(p, q):
    return sum(kl(a, b) for a, b in zip(_parts(p), _parts(q), strict=True))


@register_kl(d.Transformed, d.Transformed, when=lambda p, q: p.bijector is q.bijector and has_kl(p.base, q.base))
def _transformed(p, q):
    return kl(p.base, q.base)
