"""Random matrices: Wishart, its factor and its inverse."""

import mpmath as mp
import numpy as np
from family_entry import Family
from oracle_condition import input_condition
from registry_vector import NARROW, TRIL
from scipy import special, stats

NUM_NODES = 110


def _exact(matrix):
    return mp.matrix(np.asarray(matrix, np.float64).tolist())


def _log_gamma_d(df, size):
    return size * (size - 1) * mp.log(mp.pi) / 4 + mp.fsum(mp.loggamma((df - i) / 2) for i in range(size))


def wishart(x, df, tril):
    with mp.workdps(30):
        size, df, x = len(tril), mp.mpf(float(df)), _exact((x + x.T) / 2)
        scale = _exact(tril) * _exact(tril).T
        trace = sum((mp.inverse(scale) * x)[i, i] for i in range(size))
        value = (df - size - 1) / 2 * mp.log(mp.det(x)) - trace / 2 - df * size / 2 * mp.log(2)
        return float(value - df / 2 * mp.log(mp.det(scale)) - _log_gamma_d(df, size))


def inverse_wishart(x, df, tril):
    with mp.workdps(30):
        size, df, x = len(tril), mp.mpf(float(df)), _exact((x + x.T) / 2)
        scale = _exact(tril) * _exact(tril).T
        trace = sum((scale * mp.inverse(x))[i, i] for i in range(size))
        value = -(df + size + 1) / 2 * mp.log(mp.det(x)) - trace / 2 - df * size / 2 * mp.log(2)
        return float(value + df / 2 * mp.log(mp.det(scale)) - _log_gamma_d(df, size))


def _wishart_cholesky(x, df, tril):
    size = len(x)
    jacobian = size * np.log(2) + np.sum((size - np.arange(size)) * np.log(np.diagonal(x)))
    with mp.workdps(30):
        exact = _exact(x) * _exact(x).T
        df = mp.mpf(float(df))
        scale = _exact(tril) * _exact(tril).T
        trace = sum((mp.inverse(scale) * exact)[i, i] for i in range(size))
        value = (df - size - 1) / 2 * mp.log(mp.det(exact)) - trace / 2 - df * size / 2 * mp.log(2)
        value = float(value - df / 2 * mp.log(mp.det(scale)) - _log_gamma_d(df, size))
    return value + jacobian


# In double precision, for the condition of the input alone.


def wishart_float(x, df, tril):
    scale, size = tril @ tril.T, len(tril)
    trace = np.trace(np.linalg.solve(scale, x))
    log_dets = 0.5 * (df - size - 1) * np.linalg.slogdet(x)[1] - 0.5 * df * np.linalg.slogdet(scale)[1]
    return log_dets - 0.5 * trace - 0.5 * df * size * np.log(2) - special.multigammaln(0.5 * df, size)


def inverse_wishart_float(x, df, tril):
    scale, size = tril @ tril.T, len(tril)
    trace = np.trace(np.linalg.solve(x, scale))
    log_dets = -0.5 * (df + size + 1) * np.linalg.slogdet(x)[1] + 0.5 * df * np.linalg.slogdet(scale)[1]
    return log_dets - 0.5 * trace - 0.5 * df * size * np.log(2) - special.multigammaln(0.5 * df, size)


def _factor_float(x, df, tril):
    size = len(x)
    powers = np.sum((size - np.arange(size)) * np.log(np.diagonal(x)))
    return wishart_float(x @ x.T, df, tril) + size * np.log(2) + powers


def _chi_nodes(freedom, num_nodes):
    """Trapezoidal rule in log c, whose integrand falls below 1e-17 of its mass at both ends."""
    ends = 0.5 * np.log([stats.chi2(freedom).ppf(1e-17), stats.chi2(freedom).isf(1e-17)])
    t = np.linspace(*ends, num_nodes)
    return np.exp(t), np.exp(t) * (t[1] - t[0])


def triangle_nodes(freedoms, num_normal=8, num_nodes=NUM_NODES):
    """Triangles (n, 2, 2) of chi and normal variables, with the weights of Lebesgue measure."""
    (one, w_one), (two, w_two) = (_chi_nodes(f, num_nodes) for f in freedoms)
    z, w = np.polynomial.hermite_e.hermegauss(num_normal)
    grid = np.meshgrid(one, z, two, indexing="ij")
    weights = np.multiply.outer(np.multiply.outer(w_one, w * np.exp(z**2 / 2)), w_two).ravel()
    factor = np.zeros((weights.size, 2, 2))
    factor[:, 0, 0], factor[:, 1, 0], factor[:, 1, 1] = (g.ravel() for g in grid)
    return factor, weights


def _diagonals(factor):
    return np.diagonal(factor, axis1=-2, axis2=-1)


def wishart_nodes(df, tril, **options):
    """Lower factors L of Wishart nodes, and the weights for X = L L^T."""
    factor, weights = triangle_nodes((float(df), float(df) - 1), **options)
    lower, scale = tril @ factor, np.diagonal(tril)
    jacobian = scale[0] * scale[1] ** 2 * 4 * _diagonals(lower)[:, 0] ** 2 * _diagonals(lower)[:, 1]
    return lower, weights * jacobian


def inverse_wishart_nodes(df, tril, **options):
    """As `wishart_nodes` for X = S B^-1 B^-T S^T; |dX/dB| = 4 |S|^3 / (B_11^5 B_22^4)."""
    factor, weights = triangle_nodes((float(df) - 1, float(df)), **options)
    diagonal = _diagonals(factor)
    jacobian = 4 * np.linalg.det(tril) ** 3 / (diagonal[:, 0] ** 5 * diagonal[:, 1] ** 4)
    return tril @ np.linalg.inv(factor), weights * jacobian


def gram(lower):
    return lower @ np.swapaxes(lower, -1, -2)


def _squared(nodes):
    return lambda *args: (gram(nodes(*args)[0]), nodes(*args)[1])


def _factor_nodes(df, tril):
    factor, weights = triangle_nodes((float(df), float(df) - 1))
    return tril @ factor, weights * tril[0, 0] * tril[1, 1] ** 2


def wishart_moments(df, tril):
    law = stats.wishart(float(df), tril @ tril.T)
    return {"mean": law.mean(), "variance": law.var(), "entropy": law.entropy()}


def inverse_moments(df, tril):
    df, size = float(df), 2
    law = stats.invwishart(df, tril @ tril.T)
    log_det = np.linalg.slogdet(tril @ tril.T)[1]
    slope = special.digamma(0.5 * (df - np.arange(size))).sum()
    peak = special.multigammaln(0.5 * df, size) + 0.5 * (size + 1) * (log_det - size * np.log(2))
    entropy = peak + 0.5 * size * df - 0.5 * (df + size + 1) * slope
    return {"mean": law.mean(), "variance": law.var(), "entropy": entropy}


def _factor_moments(df, tril):
    freedoms = float(df) - np.arange(2)
    chi, exact = [stats.chi(f) for f in freedoms], [_chi_variance(f) for f in freedoms]
    spread = np.array([[exact[0], 0.0], [1.0, exact[1]]])
    normal = 0.5 * (1 + np.log(2 * np.pi))
    entropy = sum(c.entropy() for c in chi) + normal + np.sum((1 + np.arange(2)) * np.log(np.diagonal(tril)))
    return {"mean": tril * [c.mean() for c in chi], "variance": tril**2 @ spread, "entropy": float(entropy)}


def _chi_variance(freedom):
    with mp.workdps(30):
        half = mp.mpf(freedom) / 2
        return float(2 * half - 2 * mp.exp(2 * (mp.loggamma(half + 0.5) - mp.loggamma(half))))


def _draws_of(law):
    return lambda df, tril: law(float(df), tril @ tril.T).rvs(24, random_state=1)


def wishart_projections(df, tril):
    df, scale = float(df), tril @ tril.T
    inverse = np.linalg.inv(scale)
    return [
        (lambda x: x[:, 0, 0] / scale[0, 0], stats.chi2(df)),
        (lambda x: x[:, 1, 1] / scale[1, 1], stats.chi2(df)),
        (lambda x: 1 / np.linalg.inv(x)[:, 1, 1] * inverse[1, 1], stats.chi2(df - 1)),
    ]


def inverse_projections(df, tril):
    pairs = wishart_projections(df, np.linalg.cholesky(np.linalg.inv(tril @ tril.T)))
    return [(lambda x, p=p: p(np.linalg.inv(x)), law) for p, law in pairs]


WISHARTS = ((4.5, TRIL), (3.5, np.eye(2)), (12.0, 10 * NARROW), (1e4, 1e3 * TRIL))

MATRICES = [
    Family(
        "Wishart", WISHARTS, wishart, "MVESX", "implicit", scalar=False,
        condition=input_condition(wishart_float, 3.0), draw_condition=2e4, moment_condition=32.0,
        points=_draws_of(stats.wishart), nodes=_squared(wishart_nodes), moment_oracle=wishart_moments,
        projections=wishart_projections, edges=((WISHARTS[0], 1.0, -np.inf), (WISHARTS[0], -1.0, -np.inf)),
        invalid=((0.5, TRIL), (4.0, -TRIL), (4.0, np.nan * TRIL)),
    ),
    Family(
        "WishartCholesky", WISHARTS, _wishart_cholesky, "MVES", "implicit", scalar=False,
        condition=input_condition(_factor_float, 3.0), draw_condition=2e4, moment_condition=64.0,
        points=lambda df, tril: np.linalg.cholesky(_draws_of(stats.wishart)(df, tril)), nodes=_factor_nodes,
        moment_oracle=_factor_moments,
        projections=lambda df, tril: [(lambda x, p=p: p(gram(x)), law) for p, law in wishart_projections(df, tril)],
        edges=((WISHARTS[0], 1.0, -np.inf),), invalid=((0.5, TRIL), (4.0, -TRIL), (4.0, np.nan * TRIL)),
    ),
    Family(
        "InverseWishart", ((6.5, TRIL), (5.5, np.eye(2)), (12.0, 10 * NARROW), (1e4, 1e3 * TRIL)),
        inverse_wishart, "MVESX", "implicit", scalar=False,
        condition=input_condition(inverse_wishart_float, 3.0), draw_condition=2e4, moment_condition=32.0,
        points=_draws_of(stats.invwishart), nodes=_squared(inverse_wishart_nodes), moment_oracle=inverse_moments,
        projections=inverse_projections, edges=((WISHARTS[0], 1.0, -np.inf), (WISHARTS[0], -1.0, -np.inf)),
        invalid=((0.5, TRIL), (4.0, -TRIL), (4.0, np.nan * TRIL)),
    ),
]  # fmt: skip
