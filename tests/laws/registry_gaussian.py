"""Gaussian vectors and matrices in their other forms, and the multivariate Student t."""

import numpy as np
from family_entry import Family, panels
from oracle_condition import input_condition
from registry_vector import LOC, NARROW, TRIL
from registry_vector import _draw_condition as draw_condition
from registry_vector import _gaussian_moments as moments
from registry_vector import _gaussian_nodes as nodes
from registry_vector import _gaussian_projections as projections
from registry_vector import _standard_points as standard_points
from scipy import special, stats

FACTOR = np.array([[1.5], [0.3]])
GRAM = TRIL @ TRIL.T
MATRIX = np.array([[0.3, -1.0], [2.0, 0.5]])


def _log_density(x, loc, covariance):
    size = len(loc)
    distance = (x - loc) @ np.linalg.solve(covariance, x - loc)
    return -0.5 * (distance + np.linalg.slogdet(covariance)[1] + size * np.log(2 * np.pi))


def _canonical(x, shift, precision):
    loc = np.linalg.solve(precision, shift)
    log_det = np.linalg.slogdet(precision)[1]
    return -0.5 * ((x - loc) @ precision @ (x - loc) - log_det + len(x) * np.log(2 * np.pi))


def _of_canonical(shift, precision):
    return np.linalg.solve(precision, shift), np.linalg.inv(np.linalg.cholesky(precision)).T


def _low_rank(x, loc, factor, scale):
    return _log_density(x, loc, factor @ factor.T + np.diag(scale**2))


def _of_low_rank(loc, factor, scale):
    return loc, np.linalg.cholesky(factor @ factor.T + np.diag(scale**2))


def _gaussian(name, of, log_prob, draws, **options):
    """An entry whose arguments give location and factor of the covariance by `of`."""
    return Family(
        name, draws, log_prob, "MVESXK", "explicit", scalar=False, moment_condition=16.0,
        condition=input_condition(log_prob, 2.0), draw_condition=lambda *a: draw_condition(*of(*a)),
        points=lambda *a: of(*a)[0] + standard_points() @ of(*a)[1].T,
        nodes=lambda *a: nodes(*of(*a)), moment_oracle=lambda *a: moments(*of(*a)),
        projections=lambda *a: projections(*of(*a)), **options,
    )  # fmt: skip


def _matrix_normal(x, loc, row_tril, column_tril):
    rows, columns = row_tril @ row_tril.T, column_tril @ column_tril.T
    return _log_density(np.ravel(x), np.ravel(loc), np.kron(rows, columns))


def _matrix_points(loc, row_tril, column_tril):
    z = np.random.default_rng(3).normal(size=(24, 2, 2)) * np.linspace(0.1, 3.0, 24)[:, None, None]
    return loc + row_tril @ z @ column_tril.T


def _matrix_nodes(loc, row_tril, column_tril):
    """Gauss-Hermite nodes in the whitened coordinates, exact for the polynomials of the laws."""
    points, weights = np.polynomial.hermite_e.hermegauss(8)
    z = np.stack(np.meshgrid(*(points,) * 4, indexing="ij"), -1).reshape(-1, 2, 2)
    w = np.prod(np.stack(np.meshgrid(*(weights * np.exp(points**2 / 2),) * 4, indexing="ij")), axis=0).ravel()
    scale = np.linalg.det(row_tril) ** 2 * np.linalg.det(column_tril) ** 2
    return loc + row_tril @ z @ column_tril.T, w * scale


def _matrix_moments(loc, row_tril, column_tril):
    covariance = np.kron(row_tril @ row_tril.T, column_tril @ column_tril.T)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    return {
        "mean": loc, "variance": np.diagonal(covariance).reshape(2, 2), "covariance": covariance, "entropy": entropy,
    }  # fmt: skip


def _matrix_projections(loc, row_tril, column_tril):
    covariance = np.kron(row_tril @ row_tril.T, column_tril @ column_tril.T)
    directions = np.array([[1.0, 0, 0, 0], [0, 0, 0, 1.0], [0.5, -0.5, 0.5, 1.0]])
    return [
        (lambda x, d=d: x.reshape(-1, 4) @ d, stats.norm(np.ravel(loc) @ d, np.sqrt(d @ covariance @ d)))
        for d in directions
    ]


def _student(x, df, loc, tril):
    z = np.linalg.solve(tril, x - loc)
    size = len(z)
    peak = special.gammaln(0.5 * (df + size)) - special.gammaln(0.5 * df) if df < 1e4 else _log_ratio(df, size)
    log_scale = np.sum(np.log(np.diagonal(tril))) + 0.5 * size * np.log(np.pi * df)
    return float(peak - log_scale - 0.5 * (df + size) * np.log1p(z @ z / df))


def _log_ratio(df, size):
    """Log Gamma((df + d)/2) - log Gamma(df/2) for d = 2."""
    assert size == 2
    return np.log(0.5 * df)


def _student_nodes(df, loc, tril):
    """|z|^2/2 has the F(2, df) distribution, and the direction is uniform."""
    radial = Family("", (), None, "", "", frozen=lambda d: stats.f(2, d), coordinate="positive")
    q, weights = panels(radial, (float(df),))
    angles = np.arange(16) * np.pi / 8
    z = np.sqrt(2 * q)[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    return loc + z.reshape(-1, 2) @ tril.T, np.repeat(weights, 16) * np.pi / 8 * np.linalg.det(tril)


def _student_moments(df, loc, tril):
    stretch = df / (df - 2) if df > 2 else np.inf
    covariance = tril @ tril.T * stretch
    slope = special.digamma(0.5 * (df + 2)) - special.digamma(0.5 * df)
    return {
        "mean": loc, "variance": np.diagonal(covariance), "covariance": covariance,
        "entropy": 0.5 * (df + 2) * slope - _student(loc, df, loc, tril),
    }  # fmt: skip


def _student_projections(df, loc, tril):
    directions = [np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.6, -0.8])]
    return [(lambda x, d=d: x @ d, stats.t(float(df), loc @ d, np.linalg.norm(tril.T @ d))) for d in directions]


_VECTORS = [
    _gaussian(
        "MultivariateNormalCanonical",
        _of_canonical,
        _canonical,
        ((LOC, GRAM), (0 * LOC, np.eye(2)), (1e4 * LOC, 2500 * NARROW @ NARROW.T), (LOC, 1e-6 * GRAM)),
        invalid=((LOC, -np.eye(2)), (LOC, TRIL), (LOC, 0 * TRIL), (np.nan * LOC, np.eye(2))),
    ),
    _gaussian(
        "MultivariateNormalLowRank",
        _of_low_rank,
        _low_rank,
        (
            (LOC, FACTOR, np.array([0.5, 0.8])),
            (0 * LOC, 0 * FACTOR, np.ones(2)),
            (LOC, FACTOR, np.array([0.02, 0.03])),
            (100 * LOC, 300 * FACTOR, np.array([10.0, 1.0])),
        ),
        invalid=((LOC, FACTOR, np.array([1.0, -1.0])), (LOC, np.nan * FACTOR, np.ones(2))),
    ),
]  # fmt: skip

GAUSSIAN = [
    *_VECTORS,
    Family(
        "MatrixNormal",
        (
            (MATRIX, TRIL, NARROW * 20),
            (0 * MATRIX, np.eye(2), np.eye(2)),
            (MATRIX, NARROW, TRIL),
            (100 * MATRIX, 1e3 * TRIL, TRIL),
        ),
        _matrix_normal,
        "MVESXK",
        "explicit",
        scalar=False,
        condition=input_condition(_matrix_normal, 2.0),
        draw_condition=1024.0,
        moment_condition=16.0,
        points=_matrix_points,
        nodes=_matrix_nodes,
        moment_oracle=_matrix_moments,
        projections=_matrix_projections,
        invalid=((MATRIX, -TRIL, TRIL), (MATRIX, TRIL, 0 * TRIL), (np.nan * MATRIX, TRIL, TRIL)),
    ),
    Family(
        "MultivariateStudentT",
        ((3.0, LOC, TRIL), (2.5, 0 * LOC, np.eye(2)), (40.0, LOC, NARROW), (1e7, 100 * LOC, 1e3 * TRIL)),
        _student,
        "MVEK",
        "implicit",
        scalar=False,
        condition=input_condition(_student, 2.0),
        draw_condition=256.0,
        moment_condition=16.0,
        points=lambda df, loc, tril: loc + standard_points() @ tril.T * np.geomspace(1.0, 1e3, 24)[:, None],
        nodes=_student_nodes,
        moment_oracle=_student_moments,
        projections=_student_projections,
        invalid=((-1.0, LOC, TRIL), (3.0, LOC, 0 * TRIL), (3.0, np.nan * LOC, TRIL)),
    ),
]
