"""Conjugate pairs of normal variables and vectors."""

import jax
import jax.numpy as jnp

from depthjax.distributions import _likelihoods as given
from depthjax.distributions._conjugate_registry import Pair, register
from depthjax.distributions._gaussian_algebra import HIGHEST, lower_factor, matvec, solve_lower, thin_qr
from depthjax.distributions._mean_and_matrix import inverse_factor
from depthjax.distributions._multivariate_normal import MultivariateNormal
from depthjax.distributions._multivariate_student_t import MultivariateStudentT
from depthjax.distributions._normal import Normal
from depthjax.distributions._student_t import StudentT


def _scalar(prior, likelihood):
    del likelihood
    return prior.event_shape


def _one_number(prior, likelihood):
    del prior, likelihood
    return ()


def _weighted(weights, rows):
    return jnp.tensordot(weights, rows, axes=1, precision=HIGHEST)


def _over_rows(values, rows):
    """A vector or scalar of one event, repeated for every row."""
    return jnp.broadcast_to(values[None], rows.shape)


def _normal_mean_update(prior, likelihood, rows, weights):
    """Mean loc + sum w (x - loc)/(W + r) and scale s sqrt(r/(W + r)), with r = (noise scale/s)^2 and W = sum w."""
    ratio = (likelihood.scale / prior.scale) ** 2
    total = jnp.sum(weights) + ratio
    gain = _weighted(weights, rows - _over_rows(prior.loc, rows))
    return Normal(prior.loc + gain / total, prior.scale * jnp.sqrt(ratio / total))


def _normal_variance_update(prior, likelihood, rows, weights):
    squares = _weighted(weights, (rows - likelihood.loc) ** 2)
    return type(prior)(prior.concentration + 0.5 * jnp.sum(weights), prior.scale + 0.5 * squares)


def _mean_and_scatter(prior, rows, weights):
    """Sum of weights, their mean row, and the new location and weight of a normal prior of the mean."""
    total = jnp.sum(weights)
    offsets = rows - _over_rows(prior.loc, rows)
    shift = _weighted(weights, offsets)
    centre = shift / jnp.where(total > 0, total, 1.0)
    weight = prior.precision_scale + total
    return total, offsets - _over_rows(centre, rows), centre, prior.loc + shift / weight, weight


def _normal_update(prior, likelihood, rows, weights):
    del likelihood
    total, residuals, centre, loc, weight = _mean_and_scatter(prior, rows, weights)
    between = prior.precision_scale * total / weight * centre * centre
    spread = prior._rate + 0.5 * (_weighted(weights, residuals**2) + between)
    return type(prior)(loc, weight, prior.concentration + 0.5 * total, spread)


def _normal_predictive(prior, likelihood):
    del likelihood
    widen = 1.0 + 1.0 / prior.precision_scale
    scale = jnp.sqrt(prior._rate / prior.concentration * widen)
    return StudentT(2.0 * prior.concentration, prior.loc, scale)


register(
    "Normal",
    given.NormalMeanLikelihood,
    Pair(
        _normal_mean_update,
        lambda prior, like: Normal(prior.loc, jnp.hypot(prior.scale, jnp.broadcast_to(like.scale, prior.scale.shape))),
        _scalar,
    ),
)
register(
    "InverseGamma",
    given.NormalVarianceLikelihood,
    Pair(
        _normal_variance_update,
        lambda prior, like: StudentT(2.0 * prior.concentration, like.loc, jnp.sqrt(prior.scale / prior.concentration)),
        _scalar,
    ),
)
for _name in ("NormalInverseGamma", "NormalGamma"):
    register(_name, given.NormalLikelihood, Pair(_normal_update, _normal_predictive, _one_number))


def _linear_update(prior, design, noise_tril, residuals, weights):
    """Posterior of x = loc + L z given residuals (n, k) of design x + noise, by QR of the stacked [sqrt(W) G; I].

    Here G is the design on z, whitened by the noise, and W the sum of the weights; the posterior factor is L R^-1.
    """
    total, size = jnp.sum(weights), prior.event_shape[0]
    root = jnp.sqrt(total)
    rows = root * solve_lower(noise_tril, jnp.matmul(design, prior.scale_tril, precision=HIGHEST))
    target = solve_lower(noise_tril, _weighted(weights, residuals)) / jnp.where(total > 0, root, 1.0)
    orthogonal, upper = thin_qr(jnp.concatenate([rows, jnp.eye(size, dtype=rows.dtype)]))
    z = jax.scipy.linalg.solve_triangular(upper, matvec(orthogonal[: rows.shape[0]].mT, target))
    factor = jax.scipy.linalg.solve_triangular(upper, prior.scale_tril.mT, trans=1).mT
    return MultivariateNormal(prior.loc + matvec(prior.scale_tril, z), lower_factor(factor))


def _mvn_mean_update(prior, likelihood, rows, weights):
    design = jnp.eye(prior.event_shape[0], dtype=rows.dtype)
    residuals = rows - _over_rows(prior.loc, rows)
    return _linear_update(prior, design, likelihood.scale_tril, residuals, weights)


def _linear_gaussian_update(prior, likelihood, rows, weights):
    centre = matvec(likelihood.matrix, prior.loc) + likelihood.shift
    residuals = rows - _over_rows(centre, rows)
    return _linear_update(prior, likelihood.matrix, likelihood.scale_tril, residuals, weights)


def _mvn_mean_predictive(prior, likelihood):
    parts = jnp.concatenate([prior.scale_tril, likelihood.scale_tril], axis=1)
    return MultivariateNormal(prior.loc, lower_factor(parts))


def _linear_gaussian_predictive(prior, likelihood):
    image = jnp.matmul(likelihood.matrix, prior.scale_tril, precision=HIGHEST)
    factor = lower_factor(jnp.concatenate([image, likelihood.scale_tril], axis=1))
    return MultivariateNormal(matvec(likelihood.matrix, prior.loc) + likelihood.shift, factor)


register("MultivariateNormal", given.MVNMeanLikelihood, Pair(_mvn_mean_update, _mvn_mean_predictive, _scalar))
register(
    "MultivariateNormal",
    given.LinearGaussianLikelihood,
    Pair(_linear_gaussian_update, _linear_gaussian_predictive, lambda prior, like: like.shift.shape),
)


def _scatter_factor(factor, prior, rows, weights):
    """Location, weight, sum of weights, and the factor of F F^T plus the scatter of the rows, by QR."""
    total, residuals, centre, loc, weight = _mean_and_scatter(prior, rows, weights)
    root = jnp.broadcast_to(jnp.sqrt(weights)[:, None], residuals.shape)
    between = jnp.sqrt(prior.precision_scale * total / weight) * centre
    columns = jnp.concatenate([factor, (root * residuals).mT, between[:, None]], axis=1)
    return loc, weight, total, lower_factor(columns)


def _inverse_wishart_update(prior, likelihood, rows, weights):
    del likelihood
    loc, weight, total, factor = _scatter_factor(prior.scale_tril, prior, rows, weights)
    return type(prior)(loc, weight, prior.df + total, factor)


def _wishart_update(prior, likelihood, rows, weights):
    del likelihood
    loc, weight, total, factor = _scatter_factor(inverse_factor(prior.scale_tril), prior, rows, weights)
    return type(prior)(loc, weight, prior.df + total, inverse_factor(factor))


def _mvn_predictive(scale_of):
    def predictive(prior, likelihood):
        del likelihood
        df = prior.df - (prior.event_shape[0] - 1.0)
        widen = jnp.sqrt((1.0 + 1.0 / prior.precision_scale) / df)
        return MultivariateStudentT(df, prior.loc, scale_of(prior) * widen)

    return predictive


def _one_vector(prior, likelihood):
    del likelihood
    return prior.loc.shape


register(
    "NormalInverseWishart",
    given.MVNLikelihood,
    Pair(_inverse_wishart_update, _mvn_predictive(lambda prior: prior.scale_tril), _one_vector),
)
register(
    "NormalWishart",
    given.MVNLikelihood,
    Pair(_wishart_update, _mvn_predictive(lambda prior: inverse_factor(prior.scale_tril)), _one_vector),
)
