"""Families of vector events, and families with vector parameters."""

import mpmath as mp
import numpy as np
from family_entry import Family
from scipy import special, stats

TRIL = np.array([[1.5, 0.0], [0.3, 0.8]])
LONG = np.array([[1e3, 0.0], [-500.0, 1.0]])
NARROW = np.array([[0.02, 0.0], [0.01, 0.3]])
LOC = np.array([0.3, -1.0])


def _mvn(x, loc, tril):
    z = np.linalg.solve(tril, x - loc)
    return -0.5 * z @ z - np.sum(np.log(np.diagonal(tril))) - 0.5 * len(x) * np.log(2 * np.pi)


def _precision_tril(loc, tril):
    return np.linalg.cholesky(np.linalg.inv(tril @ tril.T))


def _solve_condition(x, loc, tril):
    """Skeel's bound on the forward error of the triangular solve, carried to |z|^2/2."""
    inverse, z = np.linalg.inv(tril), np.linalg.solve(tril, x - loc)
    return _relative(np.abs(z) @ (np.abs(inverse) @ (np.abs(tril) @ np.abs(z))), x, loc, tril)


def _product_condition(x, loc, precision_tril):
    """The rounding error of U^T (x - loc), carried to |z|^2/2."""
    z = precision_tril.T @ (x - loc)
    bound = np.abs(z) @ (np.abs(precision_tril.T) @ np.abs(x - loc))
    return _relative(bound, x, loc, np.linalg.inv(precision_tril).T)


def _relative(bound, x, loc, factor):
    return bound / max(1.0, abs(_mvn_any(x, loc, factor)))


def _mvn_any(x, loc, factor):
    return float(stats.multivariate_normal(loc, factor @ factor.T, allow_singular=True).logpdf(x))


def _draw_condition(loc, factor):
    """A draw near `loc` is rounded to eps |loc|, which is this many eps of its own spread."""
    return 16 + 8 * np.max(np.abs(loc)) * np.linalg.norm(np.linalg.inv(factor), 2) * np.linalg.cond(factor)


def _mvn_precision(x, loc, precision_tril):
    z = precision_tril.T @ (x - loc)
    return -0.5 * z @ z + np.sum(np.log(np.diagonal(precision_tril))) - 0.5 * len(x) * np.log(2 * np.pi)


def _mvn_diag(x, loc, scale):
    return float(np.sum(stats.norm(loc, scale).logpdf(x)))


def _standard_points():
    steps = np.array([-6.0, -1.5, -0.2, 0.0, 0.7, 4.0])
    return np.stack(np.meshgrid(steps, steps[1:5]), -1).reshape(-1, 2)


def _gaussian_moments(loc, factor):
    covariance = factor @ factor.T
    entropy = 0.5 * len(loc) * (1 + np.log(2 * np.pi)) + np.linalg.slogdet(factor)[1]
    return {"mean": loc, "variance": np.diagonal(covariance), "covariance": covariance, "entropy": entropy}


def _gaussian_nodes(loc, factor):
    nodes, weights = np.polynomial.legendre.leggauss(60)
    z = np.stack(np.meshgrid(10 * nodes, 10 * nodes), -1).reshape(-1, 2)
    w = np.outer(10 * weights, 10 * weights).ravel()
    return loc + z @ factor.T, w * abs(np.linalg.det(factor))


def _gaussian_projections(loc, factor):
    directions = [np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.6, -0.8])]
    spread = [np.linalg.norm(factor.T @ d) for d in directions]
    return [(lambda x, d=d: x @ d, stats.norm(loc @ d, s)) for d, s in zip(directions, spread, strict=True)]


def _gaussian(name, factor_of, log_prob, draws, **options):
    """An entry whose second argument determines the factor of the covariance by `factor_of`."""
    return Family(
        name, draws, log_prob, "MVESXK", "explicit", scalar=False,
        draw_condition=lambda loc, s: _draw_condition(loc, factor_of(s)), moment_condition=16.0,
        points=lambda loc, s: loc + _standard_points() @ factor_of(s).T,
        nodes=lambda loc, s: _gaussian_nodes(loc, factor_of(s)),
        moment_oracle=lambda loc, s: _gaussian_moments(loc, factor_of(s)),
        projections=lambda loc, s: _gaussian_projections(loc, factor_of(s)), **options,
    )  # fmt: skip


def _from_precision(precision_tril):
    return np.linalg.inv(precision_tril).T


def _dirichlet(x, concentration):
    with mp.workdps(40):
        a, x = ([mp.mpf(float(v)) for v in values] for values in (concentration, x))
        terms = [(c - 1) * mp.log(v) - mp.loggamma(c) for c, v in zip(a, x, strict=True)]
        return float(mp.loggamma(sum(a)) + sum(terms))


def _simplex_points(concentration):
    raw = np.random.default_rng(5).normal(size=(22, len(concentration)))
    mean = concentration / concentration.sum()
    x = np.concatenate([special.softmax(np.log(mean) + raw / np.sqrt(1 + concentration.max()), axis=-1), [mean, mean]])
    return x / x.sum(axis=-1, keepdims=True)


def _share_panels(a, b):
    """Nodes x, 1 - x and weights for Beta(a, b), in log-odds, from which both shares keep their digits."""
    spread = np.sqrt(1 / a + 1 / b)
    steps = np.concatenate([np.linspace(0, 12, 37) * spread, 12 * spread + np.geomspace(0.1, 60, 25) / min(a, b, 1.0)])
    ends = np.log(a / b) + np.unique(np.concatenate([-steps, steps]))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    t = (middle[:, None] + half[:, None] * nodes).ravel()
    x, rest = special.expit(t), special.expit(-t)
    w = (half[:, None] * weights).ravel() * x * rest
    keep = a * np.log(x) + b * np.log(rest) - special.betaln(a, b) > -46
    return x[keep], rest[keep], w[keep]


def _simplex_nodes(concentration):
    """Stick-breaking: x_1 ~ Beta(a_1, a_2 + a_3), x_2/(1 - x_1) ~ Beta(a_2, a_3)."""
    a, b, c = concentration
    (s, u, ws), (t, v, wt) = _share_panels(a, b + c), _share_panels(b, c)
    s, u = s[:, None], u[:, None]
    x = np.stack(np.broadcast_arrays(s, u * t, u * v), -1).reshape(-1, 3)
    return x, (ws[:, None] * wt[None, :] * u).ravel()


def _dirichlet_moments(concentration):
    law = stats.dirichlet(concentration)
    return {"mean": law.mean(), "variance": law.var(), "covariance": law.cov(), "entropy": law.entropy()}


def _choice(logits):
    probs = special.softmax(logits)
    return stats.rv_discrete(values=(np.arange(len(logits)), probs / probs.sum()))()


VECTOR = [
    _gaussian(
        "MultivariateNormal",
        lambda s: s,
        _mvn,
        ((LOC, TRIL), (0 * LOC, np.eye(2)), (LOC, NARROW), (100 * LOC, LONG)),
        condition=_solve_condition,
        invalid=((LOC, -TRIL), (LOC, TRIL.T), (LOC, 0 * TRIL), (np.nan * LOC, TRIL)),
    ),
    _gaussian(
        "MultivariateNormalDiag",
        np.diag,
        _mvn_diag,
        (
            (LOC, np.array([1.5, 0.8])),
            (0 * LOC, np.ones(2)),
            (LOC, np.array([0.02, 0.3])),
            (100 * LOC, np.array([1e3, 1e-3])),
        ),
        invalid=((LOC, np.array([1.0, -1.0])), (LOC, np.zeros(2)), (np.nan * LOC, np.ones(2))),
    ),
    _gaussian(
        "MultivariateNormalPrecision",
        _from_precision,
        _mvn_precision,
        ((LOC, TRIL), (0 * LOC, np.eye(2)), (LOC, 1 / 0.02 * NARROW), (100 * LOC, LONG / 30)),
        condition=_product_condition,
        invalid=((LOC, -TRIL), (LOC, TRIL.T), (LOC, 0 * TRIL), (np.nan * LOC, TRIL)),
    ),
    Family(
        "Dirichlet",
        tuple((np.array(c),) for c in ([2.5, 1.5, 0.7], [1.0, 1.0, 1.0], [20.0, 3.0, 0.3], [1e3, 2e3, 5.0])),
        _dirichlet,
        "MVESXK",
        "implicit",
        scalar=False,
        points=_simplex_points,
        nodes=_simplex_nodes,
        moment_oracle=_dirichlet_moments,
        condition=8.0,
        draw_condition=256.0,
        projections=lambda c: [(lambda x, k=k: x[:, k], stats.beta(c[k], c.sum() - c[k])) for k in range(3)],
        invalid=((np.array([1.0, 0.0, 1.0]),), (np.array([1.0, -1.0, 1.0]),), (np.array([1.0, np.nan, 1.0]),)),
    ),
    Family(
        "Categorical",
        tuple((np.array(v),) for v in ([0.3, -1.0, 2.0], [0.0, 0.0, 0.0], [-5.0, 3.0, 1.0], [60.0, 0.0, -40.0])),
        lambda x, logits: float(logits[int(x)] - special.logsumexp(logits)),
        "MVESCXN",
        "none",
        scalar=False,
        coordinate="integer",
        frozen=_choice,
        points=lambda logits: np.arange(3.0),
        nodes=lambda logits: (np.arange(3.0), np.ones(3)),
        edges=tuple(
            ((np.array([0.0, -np.inf, 1.0]),), x, v)
            for x, v in ((1.0, -np.inf), (2.0, -np.log1p(np.exp(-1.0))), (3.0, -np.inf), (0.5, -np.inf))
        ),
        invalid=((np.array([0.0, np.nan, 0.0]),),),
    ),
]
