"""Conversions among the forms of the multivariate normal distribution."""

from typing import Any

import jax.numpy as jnp

from depthjax.distributions._gaussian_algebra import lower_factor, solve_lower
from depthjax.distributions._multivariate_normal import MultivariateNormal
from depthjax.distributions._multivariate_normal_canonical import MultivariateNormalCanonical
from depthjax.distributions._multivariate_normal_diag import MultivariateNormalDiag
from depthjax.distributions._multivariate_normal_low_rank import MultivariateNormalLowRank, low_rank_from_dense
from depthjax.distributions._multivariate_normal_precision import MultivariateNormalPrecision

_FORMS = {
    "tril": MultivariateNormal,
    "diag": MultivariateNormalDiag,
    "precision": MultivariateNormalPrecision,
    "canonical": MultivariateNormalCanonical,
    "low_rank": MultivariateNormalLowRank,
}


def mvn_convert(dist: Any, form: str) -> Any:
    """The same normal random vector in another form.

    Args:
        dist: one of the five multivariate normal records.
        form: "tril", "diag", "precision", "canonical" or "low_rank". Only a diagonal record converts to "diag"; other
            records become low-rank ones with k = d, a diagonal one with k = 1 and a factor of zero.

    Returns:
        A record of the class of that form; `dist` itself if it has the form already.

    Raises:
        TypeError: `dist` is not a multivariate normal.
        ValueError: an unknown form, or "diag" for a distribution with correlations.
    """
    if type(dist) not in _FORMS.values():
        raise TypeError(f"mvn_convert: expected a multivariate normal, got {type(dist).__name__}")
    if form not in _FORMS:
        raise ValueError(f"mvn_convert: form is {form!r}, expected one of {', '.join(_FORMS)}")
    if isinstance(dist, _FORMS[form]):
        return dist
    if form == "diag":
        raise ValueError(f"mvn_convert: a {type(dist).__name__} has correlations, which form 'diag' would drop")
    if form == "low_rank" and isinstance(dist, MultivariateNormalDiag):
        return MultivariateNormalLowRank(dist.loc, jnp.zeros((dist.event_shape[0], 1), dist.loc.dtype), dist.scale)
    if form in ("precision", "canonical"):
        precise = _precision(dist)
        return precise if form == "precision" else MultivariateNormalCanonical.from_natural(_natural(precise))
    dense = _tril(dist)
    return dense if form == "tril" else low_rank_from_dense(dense)


def _natural(dist):
    return dist.natural_parameters()


def _tril(dist):
    if isinstance(dist, MultivariateNormal):
        return dist
    if isinstance(dist, MultivariateNormalDiag):
        return MultivariateNormal(dist.loc, jnp.diag(dist.scale))
    if isinstance(dist, MultivariateNormalLowRank):
        return dist._dense()
    precise = _precision(dist)
    return MultivariateNormal(precise.loc, _reversed_inverse(precise.precision_tril))


def _precision(dist):
    if isinstance(dist, MultivariateNormalPrecision):
        return dist
    if isinstance(dist, MultivariateNormalCanonical):
        return MultivariateNormalPrecision.from_natural(_natural(dist))
    if isinstance(dist, MultivariateNormalDiag):
        return MultivariateNormalPrecision(dist.loc, jnp.diag(1.0 / dist.scale))
    dense = _tril(dist)
    return MultivariateNormalPrecision(dense.loc, _reversed_inverse(dense.scale_tril))


def _reversed_inverse(tril):
    """Lower factor of (L L^T)^-1."""
    inverse = solve_lower(tril, jnp.eye(tril.shape[0], dtype=tril.dtype))
    return lower_factor(inverse.mT)
