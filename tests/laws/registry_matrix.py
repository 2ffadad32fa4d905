"""Random matrices: Wishart, its factor and its inverse, correlation matrices and their factors."""

import mpmath as mp
import numpy as np
from family_entry import Family
from oracle_condition import input_condition
from registry_vector import NARROW, TRIL
from scipy import special, stats

import depthjax.distributions as dists

NUM_NODES = 110


def _lower(matrix):
    return mp.cholesky(mp.matrix(matrix.tolist()))


def _exact(matrix):
    return mp.matrix(np.asarray(matrix, np.float64).tolist())


def _log_gamma_d(df, size):
    return size * (size - 1) * mp.log(mp.pi) / 4 + mp.fsum(mp.loggamma((df - i) / 2) for i in range(size))


def _wishart(x, df, tril):
    with mp.workdps(30):
        size, df, x = len(tril), mp.mpf(float(df)), _exact((x + x.T) / 2)
        scale = _exact(tril) * _exact(tril).T
        trace = sum((mp.inverse(scale) * x)[i, i] for i in range(size))
        value = (df - size - 1) / 2 * mp.log(mp.det(x)) - trace / 2 - df * size / 2 * mp.log(2)
        return float(value - df / 2 * mp.log(mp.det(scale)) - _log_gamma_d(df, size))


def _inverse_wishart(x, df, tril):
    with mp.workdps(30):
        size, df, x = len(tril), mp.mpf(float(df)), _exact((x + x.T) / 2)
        scale = _exact(tril) * _exact(tril).T
        trace = sum((scale * mp.inverse(x))[i, i] for i in range(size))
        value = -(df + size + 1) / 2 * mp.log(mp.det(x)) - trace / 2 - df * size / 2 * mp.log(2)
        return float(value + df / 2 * mp.log(mp.det(scale)) - _log_gamma_d(df, size))


def _wishart_cholesky(x, df, tril):
    gram = x @ x.T
    size = len(x)
    jacobian = size * np.log(2) + np.sum((size - np.arange(size)) * np.log(np.diagonal(x)))
    with mp.workdps(30):
        exact = _exact(x) * _exact(x).T
        value, df = mp.mpf(0), mp.mpf(float(df))
        scale = _exact(tril) * _exact(tril).T
        trace = sum((mp.inverse(scale) * exact)[i, i] for i in range(size))
        value = (df - size - 1) / 2 * mp.log(mp.det(exact)) - trace / 2 - df * size / 2 * mp.log(2)
        value = float(value - df / 2 * mp.log(mp.det(scale)) - _log_gamma_d(df, size))
    del gram
    return value + jacobian


def _chi_nodes(freedom):
    """Trapezoidal rule in log c, whose integrand falls below 1e-17 of its mass at both ends."""
    ends = 0.5 * np.log([stats.chi2(freedom).ppf(1e-17), stats.chi2(freedom).isf(1e-17)])
    t = np.linspace(*ends, NUM_NODES)
    return np.exp(t), np.exp(t) * (t[1] - t[0])


def triangle_nodes(freedoms, num_normal=8):
    """Triangles (n, 2, 2) of chi and normal variables, with the weights of Lebesgue measure."""
    (one, w_one), (two, w_two) = (_chi_nodes(f) for f in freedoms)
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


def _wishart_moments(df, tril):
    law = stats.wishart(float(df), tril @ tril.T)
    return {"mean": law.mean(), "variance": law.var(), "entropy": law.entropy()}


def _inverse_moments(df, tril):
    df, size = float(df), 2
    law = stats.invwishart(df, tril @ tril.T)
    log_det = np.linalg.slogdet(tril @ tril.T)[1]
    slope = special.digamma(0.5 * (df - np.arange(size))).sum()
    entropy = (
        special.multigammaln(0.5 * df, size) + 0.5 * size * df + 0.5 * (size + 1) * (log_det - size * np.log(2))
        + 0.5 * size * (size + 1) * np.log(2) - 0.5 * (df + size + 1) * slope - 0.5 * size * (size + 1) * np.log(2)
    )  # fmt: skip
    return {"mean": law.mean(), "variance": law.var(), "entropy": entropy}


def _factor_moments(df, tril):
    freedoms = float(df) - np.arange(2)
    chi = [stats.chi(f) for f in freedoms]
    spread = np.array([[chi[0].var(), 0.0], [1.0, chi[1].var()]])
    normal = 0.5 * (1 + np.log(2 * np.pi))
    entropy = sum(c.entropy() for c in chi) + normal + np.sum((1 + np.arange(2)) * np.log(np.diagonal(tril)))
    return {"mean": tril * [c.mean() for c in chi], "variance": tril**2 @ spread, "entropy": float(entropy)}


def _draws_of(law):
    return lambda df, tril: law(float(df), tril @ tril.T).rvs(24, random_state=1)


def _wishart_projections(df, tril):
    df, scale = float(df), tril @ tril.T
    inverse = np.linalg.inv(scale)
    return [
        (lambda x: x[:, 0, 0] / scale[0, 0], stats.chi2(df)),
        (lambda x: x[:, 1, 1] / scale[1, 1], stats.chi2(df)),
        (lambda x: 1 / np.linalg.inv(x)[:, 1, 1] * inverse[1, 1], stats.chi2(df - 1)),
    ]


def _inverse_projections(df, tril):
    pairs = _wishart_projections(df, np.linalg.cholesky(np.linalg.inv(tril @ tril.T)))
    return [(lambda x, p=p: p(np.linalg.inv(x)), law) for p, law in pairs]


# Correlation matrices.


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
    axes = [np.linspace(-r, r, 48) for r in (19 / b2, 19 / (b3 + 0.5), 19 / b3)]
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
        variance[i, i] = b / (a + b) - means[i - 1] ** 2
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


WISHARTS = ((4.5, TRIL), (3.0, np.eye(2)), (12.0, 10 * NARROW), (1e4, 1e3 * TRIL))

MATRICES = [
    Family(
        "Wishart", WISHARTS, _wishart, "MVESX", "implicit", scalar=False,
        condition=input_condition(_wishart, 3.0), draw_condition=2e4, moment_condition=32.0,
        points=_draws_of(stats.wishart), nodes=_squared(wishart_nodes), moment_oracle=_wishart_moments,
        projections=_wishart_projections, edges=((WISHARTS[0], 1.0, -np.inf), (WISHARTS[0], -1.0, -np.inf)),
        invalid=((0.5, TRIL), (4.0, -TRIL), (4.0, np.nan * TRIL)),
    ),
    Family(
        "WishartCholesky", WISHARTS, _wishart_cholesky, "MVES", "implicit", scalar=False,
        condition=input_condition(_wishart_cholesky, 3.0), draw_condition=2e4, moment_condition=64.0,
        points=lambda df, tril: np.linalg.cholesky(_draws_of(stats.wishart)(df, tril)), nodes=_factor_nodes,
        moment_oracle=_factor_moments,
        projections=lambda df, tril: [(lambda x, p=p: p(gram(x)), law) for p, law in _wishart_projections(df, tril)],
        edges=((WISHARTS[0], 1.0, -np.inf),), invalid=((0.5, TRIL), (4.0, -TRIL), (4.0, np.nan * TRIL)),
    ),
    Family(
        "InverseWishart", ((6.5, TRIL), (5.5, np.eye(2)), (12.0, 10 * NARROW), (1e4, 1e3 * TRIL)),
        _inverse_wishart, "MVESX", "implicit", scalar=False,
        condition=input_condition(_inverse_wishart, 3.0), draw_condition=2e4, moment_condition=32.0,
        points=_draws_of(stats.invwishart), nodes=_squared(inverse_wishart_nodes), moment_oracle=_inverse_moments,
        projections=_inverse_projections, edges=((WISHARTS[0], 1.0, -np.inf), (WISHARTS[0], -1.0, -np.inf)),
        invalid=((0.5, TRIL), (4.0, -TRIL), (4.0, np.nan * TRIL)),
    ),
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


def gram_with_ones(factor):
    matrix = gram(factor)
    matrix[:, np.arange(3), np.arange(3)] = 1
    return matrix
