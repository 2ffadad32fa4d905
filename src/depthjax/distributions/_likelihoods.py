"""Markers that name a likelihood and hold what it takes as known."""

import jax
import jax.numpy as jnp

from depthjax.core import constraints, param, record, require_rank


class Likelihood:
    """A family of observations given the parameter that a prior describes."""


@record
class BernoulliLikelihood(Likelihood):
    """Zeros and ones with the probability of a one unknown."""


@record
class BinomialLikelihood(Likelihood):
    """Successes among a known number of trials, with the probability of success unknown.

    Args:
        total_count: number of trials, (), a nonnegative integer.
    """

    total_count: jax.Array = param(constraints.nonnegative_integer)


@record
class GeometricLikelihood(Likelihood):
    """Failures before the first success, with the probability of success unknown."""


@record
class NegativeBinomialLikelihood(Likelihood):
    """Successes before a known number of failures, with the probability of success unknown.

    Args:
        total_count: number of failures, (), positive.
    """

    total_count: jax.Array = param(constraints.positive)


@record
class CategoricalLikelihood(Likelihood):
    """Integers 0, ..., K - 1 with unknown probabilities."""


@record
class PoissonLikelihood(Likelihood):
    """Counts with unknown rate."""


@record
class ExponentialLikelihood(Likelihood):
    """Waiting times with unknown rate."""


@record
class GammaRateLikelihood(Likelihood):
    """Gamma variables of known concentration and unknown rate.

    Args:
        concentration: (), positive.
    """

    concentration: jax.Array = param(constraints.positive)


@record
class NormalMeanLikelihood(Likelihood):
    """Normal variables of known standard deviation and unknown mean.

    Args:
        scale: standard deviation, (), positive.
    """

    scale: jax.Array = param(constraints.positive)


@record
class NormalVarianceLikelihood(Likelihood):
    """Normal variables of known mean and unknown variance.

    Args:
        loc: mean, ().
    """

    loc: jax.Array = param(constraints.real)


@record
class NormalPrecisionLikelihood(Likelihood):
    """Normal variables of known mean and unknown precision.

    Args:
        loc: mean, ().
    """

    loc: jax.Array = param(constraints.real)


@record
class NormalLikelihood(Likelihood):
    """Normal variables of unknown mean and spread."""


@record
class MVNMeanLikelihood(Likelihood):
    """Normal vectors of known covariance and unknown mean.

    Args:
        scale_tril: Cholesky factor of the covariance, (d, d).
    """

    scale_tril: jax.Array = param(constraints.lower_cholesky)


@record
class MVNLikelihood(Likelihood):
    """Normal vectors of unknown mean and covariance."""


@record
class LinearGaussianLikelihood(Likelihood):
    """Normal vectors y = A x + b + L e of a known linear image of the unknown x.

    Args:
        matrix: A, (k, d).
        shift: b, (k,) or ().
        scale_tril: L, the Cholesky factor of the noise covariance, (k, k).

    Raises:
        ValueError: the shapes do not fit.
    """

    matrix: jax.Array = param(constraints.real)
    shift: jax.Array = param(constraints.real)
    scale_tril: jax.Array = param(constraints.lower_cholesky)

    @classmethod
    def _complete(cls, fields):
        require_rank(cls.__name__, "matrix", fields["matrix"], 2)
        rows = fields["matrix"].shape[0]
        shift = jnp.broadcast_to(fields["shift"], (rows,)) if fields["shift"].ndim == 0 else fields["shift"]
        for name, value, shape in (
            ("shift", shift, (rows,)),
            ("scale_tril", fields["scale_tril"], (rows, rows)),
        ):
            if value.shape != shape:
                raise ValueError(
                    f"{cls.__name__}: {name} has shape {value.shape}, expected {shape}, for matrix has shape "
                    f"{fields['matrix'].shape}"
                )
        return {**fields, "shift": shift}
