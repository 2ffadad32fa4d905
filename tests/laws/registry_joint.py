"""Joint priors of a mean and a spread, with packed events."""

import mpmath as mp
import numpy as np
from family_entry import Family
from oracle_condition import input_condition
from registry_matrix import (
    gram,
    inverse_moments,
    inverse_projections,
    inverse_wishart,
    inverse_wishart_float,
    inverse_wishart_nodes,
    wishart,
    wishart_float,
    wishart_moments,
    wishart_nodes,
    wishart_projections,
)
from registry_vector import LOC, NARROW, TRIL
from scipy import special, stats

NUM_NODES = 110


def _normal(mean, loc, precision):
    return 0.5 * (np.log(precision) - np.log(2 * np.pi)) - 0.5 * precision * (mean - loc) ** 2


def _gamma(t, a, b):
    return a * np.log(b) - special.gammaln(a) + (a - 1) * np.log(t) - b * t


def _normal_gamma(x, loc, weight, a, b):
    return _normal(x[..., 0], loc, weight * x[..., 1]) + _gamma(x[..., 1], a, b)


def _normal_inverse_gamma(x, loc, weight, a, b):
    precision = 1 / x[..., 1]
    return _normal(x[..., 0], loc, weight * precision) + _gamma(precision, a, b) + 2 * np.log(precision)


def _exact(x, precision, loc, weight, a, b):
    mean, loc, weight, a, b = (mp.mpf(float(v)) for v in (x[0], loc, weight, a, b))
    normal = (mp.log(weight * precision) - mp.log(2 * mp.pi) - weight * precision * (mean - loc) ** 2) / 2
    return normal + a * mp.log(b) - mp.loggamma(a) + (a - 1) * mp.log(precision) - b * precision


def _exact_gamma(x, *args):
    with mp.workdps(30):
        return float(_exact(x, mp.mpf(float(x[1])), *args))


def _exact_inverse(x, *args):
    with mp.workdps(30):
        precision = 1 / mp.mpf(float(x[1]))
        return float(_exact(x, precision, *args) + 2 * mp.log(precision))


def _pairs(loc, weight, a, b, precision, z):
    return np.stack([loc + z / np.sqrt(weight * precision), precision], axis=-1)


def _points(*args):
    precision = stats.gamma(args[2], scale=1 / args[3]).ppf(np.linspace(0.01, 0.99, 24))
    return _pairs(*args, precision, np.resize([-2.0, -0.3, 0.0, 1.5, 0.7], 24))


def _nodes(loc, weight, a, b):
    law = stats.gamma(float(a), scale=1 / float(b))
    t = np.linspace(*np.log([law.ppf(1e-17), law.isf(1e-17)]), NUM_NODES)
    z, w = np.polynomial.hermite_e.hermegauss(8)
    precision, z = (g.ravel() for g in np.meshgrid(np.exp(t), z, indexing="ij"))
    weights = np.multiply.outer(np.exp(t) * (t[1] - t[0]), w * np.exp(np.unique(z) ** 2 / 2)).ravel()
    return _pairs(loc, weight, a, b, precision, z), weights / np.sqrt(weight * precision)


def _inverted(pairs):
    return np.stack([pairs[..., 0], 1 / pairs[..., 1]], axis=-1)


def _inverse_nodes(*args):
    pairs, weights = _nodes(*args)
    return _inverted(pairs), weights / pairs[..., 1] ** 2


def _moments(log_prob, nodes):
    def moments(*args):
        x, weights = nodes(*args)
        value = log_prob(x, *args)
        mass = weights * np.exp(value)
        mean = mass @ x
        return {"mean": mean, "variance": mass @ (x - mean) ** 2, "entropy": -mass @ value}

    return moments


def _projections(law):
    def pairs(loc, weight, a, b):
        return [
            (lambda x: x[:, 0], stats.t(2 * float(a), float(loc), np.sqrt(float(b / a / weight)))),
            (lambda x: x[:, 1], law(a, b)),
        ]

    return pairs


SCALARS = ((0.3, 2.0, 3.5, 1.5), (-1.0, 1.0, 4.0, 1.0), (2.0, 0.1, 12.0, 0.2), (100.0, 1e-3, 50.0, 1e4))
BAD = ((0.0, -1.0, 1.0, 1.0), (0.0, 1.0, 0.0, 1.0), (0.0, 1.0, 1.0, -1.0), (np.nan, 1.0, 1.0, 1.0))


def _vector_normal(mean, loc, precision):
    gap = mean - loc
    return 0.5 * (np.linalg.slogdet(precision)[1] - len(gap) * np.log(2 * np.pi) - gap @ precision @ gap)


def _normal_wishart(matrix_part):
    def log_prob(x, loc, weight, df, tril):
        matrix = 0.5 * (x[:, 1:] + x[:, 1:].T)
        return _vector_normal(x[:, 0], loc, weight * matrix) + matrix_part(matrix, df, tril)

    return log_prob


def _normal_inverse_wishart(matrix_part):
    def log_prob(x, loc, weight, df, tril):
        matrix = 0.5 * (x[:, 1:] + x[:, 1:].T)
        return _vector_normal(x[:, 0], loc, weight * np.linalg.inv(matrix)) + matrix_part(matrix, df, tril)

    return log_prob


def _beside(mean, matrix):
    return np.concatenate([mean[..., None], matrix], axis=-1)


def _noise(num):
    return np.random.default_rng(4).normal(size=(num, 2))


def _matrix_points(law, factor_of):
    def points(loc, weight, df, tril):
        matrix = law(float(df), tril @ tril.T).rvs(24, random_state=1)
        spread = factor_of(np.linalg.cholesky(matrix))
        return _beside(loc + np.einsum("nij,nj->ni", spread, _noise(24)) / np.sqrt(weight), matrix)

    return points


def _inverse_transpose(lower):
    return np.swapaxes(np.linalg.inv(lower), -1, -2)


def _matrix_nodes(matrix_nodes, factor_of):
    def nodes(loc, weight, df, tril):
        lower, weights = matrix_nodes(df, tril, num_normal=4, num_nodes=64)
        z, w = np.polynomial.hermite_e.hermegauss(4)
        pairs = np.stack(np.meshgrid(z, z, indexing="ij"), -1).reshape(-1, 2)
        pair_weights = np.multiply.outer(w * np.exp(z**2 / 2), w * np.exp(z**2 / 2)).ravel()
        spread = factor_of(lower)
        mean = loc + np.einsum("nij,kj->nki", spread, pairs) / np.sqrt(weight)
        matrix = np.broadcast_to(gram(lower)[:, None], (*mean.shape[:2], 2, 2))
        volume = np.abs(np.linalg.det(spread)) / weight
        return _beside(mean, matrix).reshape(-1, 2, 3), np.multiply.outer(weights * volume, pair_weights).ravel()

    return nodes


def _matrix_moments(moments, sign):
    def joint(loc, weight, df, tril):
        part = moments(df, tril)
        slope = special.digamma(0.5 * (float(df) - np.arange(2))).sum() + 2 * np.log(2)
        # E log of the determinant of the precision: of the Wishart matrix, or of the inverse.
        log_det = slope + sign * np.linalg.slogdet(tril @ tril.T)[1]
        entropy = part["entropy"] + 1 + np.log(2 * np.pi) - np.log(weight) - 0.5 * log_det
        return {"mean": _beside(loc, part["mean"]), "variance": part["variance"], "entropy": entropy}

    return joint


def _matrix_projections(projections, scale_of):
    def pairs(loc, weight, df, tril):
        spare = float(df) - 1
        scale = np.sqrt(np.diagonal(scale_of(tril @ tril.T)) / weight / spare)
        means = [(lambda x, i=i: x[:, i, 0], stats.t(spare, loc[i], scale[i])) for i in range(2)]
        return means + [(lambda x, p=p: p(x[:, :, 1:]), law) for p, law in projections(df, tril)]

    return pairs


MATRIX_DRAWS = (
    (LOC, 2.0, 8.0, TRIL),
    (0 * LOC, 1.0, 7.0, np.eye(2)),
    (LOC, 0.5, 12.0, 10 * NARROW),
    (100 * LOC, 0.01, 500.0, 30 * TRIL),
)
BAD_MATRICES = ((LOC, 2.0, 0.5, TRIL), (LOC, -1.0, 8.0, TRIL), (LOC, 1.0, 8.0, -TRIL), (np.nan * LOC, 1.0, 8.0, TRIL))

JOINT = [
    Family(
        "NormalGamma", SCALARS, _exact_gamma, "MEX", "implicit", scalar=False,
        condition=input_condition(_normal_gamma), draw_condition=4e3, moment_condition=16.0, points=_points,
        nodes=_nodes, moment_oracle=_moments(_normal_gamma, _nodes),
        projections=_projections(lambda a, b: stats.gamma(float(a), scale=1 / float(b))),
        edges=((SCALARS[0], 0.0, -np.inf), (SCALARS[0], -1.0, -np.inf)), invalid=BAD,
    ),
    Family(
        "NormalInverseGamma", SCALARS, _exact_inverse, "MEX", "implicit",
        scalar=False, condition=input_condition(_normal_inverse_gamma), draw_condition=4e3, moment_condition=16.0,
        points=lambda *a: _inverted(_points(*a)), nodes=_inverse_nodes,
        moment_oracle=_moments(_normal_inverse_gamma, _inverse_nodes),
        projections=_projections(lambda a, b: stats.invgamma(float(a), scale=float(b))),
        edges=((SCALARS[0], 0.0, -np.inf), (SCALARS[0], -1.0, -np.inf)), invalid=BAD,
    ),
    Family(
        "NormalWishart", MATRIX_DRAWS, _normal_wishart(wishart), "MEX", "implicit", scalar=False,
        condition=input_condition(_normal_wishart(wishart_float), 3.0), draw_condition=2e4, moment_condition=32.0,
        points=_matrix_points(stats.wishart, _inverse_transpose),
        nodes=_matrix_nodes(wishart_nodes, _inverse_transpose), moment_oracle=_matrix_moments(wishart_moments, 1),
        projections=_matrix_projections(wishart_projections, np.linalg.inv),
        edges=((MATRIX_DRAWS[0], 1.0, -np.inf),), invalid=BAD_MATRICES,
    ),
    Family(
        "NormalInverseWishart", MATRIX_DRAWS, _normal_inverse_wishart(inverse_wishart), "MEX", "implicit",
        scalar=False, condition=input_condition(_normal_inverse_wishart(inverse_wishart_float), 3.0),
        draw_condition=2e4, moment_condition=32.0, points=_matrix_points(stats.invwishart, lambda lower: lower),
        nodes=_matrix_nodes(inverse_wishart_nodes, lambda lower: lower),
        moment_oracle=_matrix_moments(inverse_moments, -1),
        projections=_matrix_projections(inverse_projections, lambda scale: scale),
        edges=((MATRIX_DRAWS[0], 1.0, -np.inf),), invalid=BAD_MATRICES,
    ),
]  # fmt: skip
