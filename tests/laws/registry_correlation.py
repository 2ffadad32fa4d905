"""Correlation matrices and their Cholesky factors."""

import mpmath as mp
import numpy as np
from family_entry import Family
from oracle_condition import input_condition
from registry_matrix import gram
from scipy import special, stats

import depthjax.distributions as dists


def _rows(dim, concentration):
    return [((i - 1) / 2, (dim - i) / 2 + float(concentration)) for i in range(2, dim + 1)]


def _log_volume(dim, concentration):
    terms = [a * np.log(np.pi) + special.gammaln(b) - special.gammaln(a + b) for a, b in _rows(dim, concentration)]
    return float(sum(terms)) if concentration < 1e3 else float(_log_volume_exact(dim, concentration))


def _log_volume_exact(dim, concentration):
    with mp.workdps(30):
        return mp.fsum(a * mp.log(mp.pi) + mp.loggamma(b) - mp.loggamma(a + b) for a, b in _rows(dim, concentration))


def _log_diagonals(factor):
    squares = np.sum(np.tril(factor, -1) ** 2, axis=-1)[1:]
    return np.where(squares < 0.5, 0.5 * np.log1p(-np.minimum(squares, 0.5)), np.log(np.diagonal(factor)[1:]))


def _lkj_cholesky(x, concentration):
    powers = 2 * (np.array([b for _, b in _rows(3, concentration)]) - 1)
    return float(powers @ _log_diagonals(x)) - _log_volume(3, concentration)


def _lkj(x, concentration):
    off = x[1, 0] ** 2 + x[2, 0] ** 2 + x[2, 1] ** 2 - 2 * x[1, 0] * x[2, 0] * x[2, 1]
    return float((concentration - 1) * np.log1p(-off)) - _log_volume(3, concentration)


def _onion(concentration, levels, sides):
    """Factors (n, 3, 3) at quantile levels (n, 2) of the squared row lengths and angles (n, 2)."""
    (a2, b2), (a3, b3) = _rows(3, concentration)
    y2, y3 = np.sqrt(special.betaincinv(a2, b2, levels[:, 0])), np.sqrt(special.betaincinv(a3, b3, levels[:, 1]))
    factor = np.zeros((len(levels), 3, 3))
    factor[:, 0, 0] = 1
    factor[:, 1, 0] = y2 * np.sign(np.cos(sides[:, 0]))
    factor[:, 2, 0], factor[:, 2, 1] = y3 * np.cos(sides[:, 1]), y3 * np.sin(sides[:, 1])
    for i in (1, 2):
        factor[:, i, i] = np.sqrt(1 - np.sum(factor[:, i, :i] ** 2, axis=-1))
    return factor


def _onion_points(concentration):
    random = np.random.default_rng(2)
    return _onion(float(concentration), random.uniform(0.02, 0.95, (24, 2)), random.uniform(0, 2 * np.pi, (24, 2)))


def _onion_nodes(concentration):
    """Tanh coordinates of the partial correlations, by the trapezoidal rule."""
    (_, b2), (_, b3) = _rows(3, concentration)
    shapes = ((b2, 64), (b3 + 0.5, 64), (b3, 80))
    # cosh(r)^(-2b) = exp(-26)
    axes = [np.linspace(-r, r, n) for r, n in ((np.arccosh(np.exp(13 / b)), n) for b, n in shapes)]
    t, u, v = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    cell = np.prod([a[1] - a[0] for a in axes])
    factor = np.zeros((t.size, 3, 3))
    factor[:, 0, 0], factor[:, 1, 0], factor[:, 1, 1] = 1, np.tanh(t), 1 / np.cosh(t)
    factor[:, 2, 0], factor[:, 2, 1] = np.tanh(u), np.tanh(v) / np.cosh(u)
    factor[:, 2, 2] = 1 / np.cosh(u) / np.cosh(v)
    return factor, cell / np.cosh(t) ** 2 / np.cosh(u) ** 3 / np.cosh(v) ** 2


def _lkj_nodes(concentration):
    factor, weights = _onion_nodes(concentration)
    matrix = gram(factor)
    matrix[:, np.arange(3), np.arange(3)] = 1
    return matrix, weights * factor[:, 1, 1]


def _onion_moments(concentration):
    rows = [(a, b) for a, b in _rows(3, concentration)]
    means = [np.exp(special.betaln(b + 0.5, a) - special.betaln(b, a)) for a, b in rows]
    mean, variance = np.diag([1.0, *means]), np.zeros((3, 3))
    for i, (a, b) in enumerate(rows, start=1):
        variance[i, :i] = 0.5 / (a + b)
        with mp.workdps(30):
            a, b = mp.mpf(a), mp.mpf(b)
            variance[i, i] = b / (a + b) - (mp.beta(b + 0.5, a) / mp.beta(b, a)) ** 2
    slopes = np.array([0.5 * (special.digamma(b) - special.digamma(a + b)) for a, b in rows])
    powers = 2 * (np.array([b for _, b in rows]) - 1)
    return {"mean": mean, "variance": variance, "entropy": _log_volume(3, concentration) - powers @ slopes}


def _lkj_moments(concentration):
    slopes = [0.5 * (special.digamma(b) - special.digamma(a + b)) for a, b in _rows(3, concentration)]
    spread = (1 - np.eye(3)) / (2 * concentration + 2)
    entropy = _log_volume(3, concentration) - 2 * (concentration - 1) * sum(slopes)
    return {"mean": np.eye(3), "variance": spread, "entropy": entropy}


def _correlations(concentration):
    alpha = float(concentration) + 0.5
    laws = stats.beta(alpha, alpha)
    return [(lambda x, i=i, j=j: 0.5 + 0.5 * gram_of(x)[:, i, j], laws) for i, j in ((1, 0), (2, 0), (2, 1))]


def gram_of(x):
    """The correlation matrices, given as such or by their factors."""
    return x if np.allclose(x, np.swapaxes(x, -1, -2), atol=1e-6) else gram(x)


def _lkj_record(name):
    return lambda concentration, *, dtype: getattr(dists, name)(3, np.asarray(concentration, dtype))


def gram_with_ones(factor):
    matrix = gram(factor)
    matrix[:, np.arange(3), np.arange(3)] = 1
    return matrix


CORRELATIONS = [
    Family(
        "LKJCholesky", ((1.5,), (1.0,), (4.0,), (1e3,)), _lkj_cholesky, "MVES", "implicit", scalar=False,
        build=_lkj_record("LKJCholesky"), condition=input_condition(_lkj_cholesky), draw_condition=2e3,
        moment_condition=256.0, points=_onion_points, nodes=_onion_nodes, moment_oracle=_onion_moments,
        projections=_correlations, edges=(((1.5,), 1.0, -np.inf),), invalid=((0.0,), (-1.0,), (np.nan,)),
    ),
    Family(
        "LKJ", ((1.5,), (1.0,), (4.0,), (1e3,)), _lkj, "MVES", "implicit", scalar=False,
        build=_lkj_record("LKJ"), condition=input_condition(_lkj, 3.0), draw_condition=2e3, moment_condition=16.0,
        points=lambda c: gram_with_ones(_onion_points(c)), nodes=_lkj_nodes, moment_oracle=_lkj_moments,
        projections=_correlations, edges=(((1.5,), 1.0, -np.inf), ((1.5,), 0.5, -np.inf)),
        invalid=((0.0,), (-1.0,), (np.nan,)),
    ),
]  # fmt: skip
