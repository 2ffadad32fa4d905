"""Laws on the simplex and on the sphere."""

import numpy as np
from family_entry import Family
from oracle_condition import input_condition
from registry_vector import LOC, NARROW, TRIL
from registry_vector import _draw_condition as draw_condition
from registry_vector import _gaussian_nodes as gaussian_nodes
from registry_vector import _gaussian_projections as gaussian_projections
from registry_vector import _mvn as mvn
from registry_vector import _standard_points as standard_points
from scipy import special, stats


def _logistic_normal(x, loc, tril):
    log_x = np.log(x)
    return mvn(log_x[:-1] - log_x[-1], loc, tril) - np.sum(log_x)


def _to_simplex(z):
    return special.softmax(np.concatenate([z, np.zeros_like(z[..., :1])], axis=-1), axis=-1)


def _simplex_nodes(loc, tril):
    z, weights = gaussian_nodes(loc, tril)
    x = _to_simplex(z)
    keep = x.min(axis=-1) > 1e-14
    return x[keep], (weights * np.prod(x, axis=-1))[keep]


def _log_ratios(loc, tril):
    pairs = gaussian_projections(loc, tril)
    return [(lambda x, p=p: p(np.log(x[:, :-1]) - np.log(x[:, -1:])), law) for p, law in pairs]


def _axes(direction):
    """Two unit vectors that complete the direction to a basis."""
    one = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    one /= np.linalg.norm(one)
    return one, np.cross(direction, one)


def _on_sphere(direction, deficit, turn):
    """Unit vectors of cosine 1 - deficit with the direction, at azimuth `turn`."""
    one, two = _axes(direction)
    sine = np.sqrt(deficit * (2 - deficit))[..., None]
    x = (1 - deficit)[..., None] * direction + sine * (np.cos(turn)[..., None] * one + np.sin(turn)[..., None] * two)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _vmf(x, direction, k):
    return np.log(k / (2 * np.pi)) - np.log(-np.expm1(-2 * k)) - 0.5 * k * np.sum((x - direction) ** 2)


def _vmf_points(direction, k):
    k = float(k)
    levels = np.linspace(0.01, 0.99, 24)
    deficit = -np.log(1 - levels * -np.expm1(-2 * k)) / k
    return _on_sphere(direction, deficit, np.linspace(0, 12, 24))


def _vmf_nodes(direction, k):
    nodes, weights = np.polynomial.legendre.leggauss(80)
    reach = min(2.0, 45 / float(k))
    deficit, turn = reach * (nodes + 1) / 2, np.arange(12) * np.pi / 6
    x = _on_sphere(direction, np.repeat(deficit, 12), np.tile(turn, 80))
    return x, np.repeat(reach / 2 * weights, 12) * np.pi / 6


def _vmf_moments(direction, k):
    k = float(k)
    length = 1 / np.tanh(k) - 1 / k
    peak = np.log(k / (2 * np.pi)) - np.log(-np.expm1(-2 * k))
    deficit = 1 / k - 2 / np.expm1(2 * k) if k < 300 else 1 / k
    return {"mean": length * direction, "variance": np.ones(3) * length / k, "entropy": k * deficit - peak}


class _Level:
    """The law of a variable that is uniform on [0, 1]."""

    dist = stats.uniform
    cdf = staticmethod(lambda u: np.clip(u, 0, 1))


def _vmf_projections(direction, k):
    one, two = _axes(direction)

    def level(x):
        deficit = 0.5 * np.sum((x - direction) ** 2, axis=-1)
        return np.expm1(-float(k) * deficit) / np.expm1(-2 * float(k))

    return [(level, _Level()), (lambda x: np.arctan2(x @ one, x @ two) / (2 * np.pi) + 0.5, _Level())]


DIRECTION = np.array([2.0, -1.0, 2.0]) / 3

DIRECTIONS = [
    Family(
        "LogisticNormal",
        ((LOC, TRIL), (0 * LOC, np.eye(2)), (LOC, NARROW), (2 * LOC, 2 * TRIL)),
        _logistic_normal,
        "",
        "explicit",
        scalar=False,
        points=lambda loc, tril: _to_simplex(loc + 0.5 * standard_points() @ tril.T),
        nodes=_simplex_nodes,
        condition=input_condition(_logistic_normal, 2.0),
        draw_condition=lambda loc, tril: 64 * draw_condition(loc, tril),
        moment_oracle=lambda *a: {},
        projections=_log_ratios,
        edges=(((LOC, TRIL), 0.0, -np.inf), ((LOC, TRIL), 0.5, -np.inf)),
        invalid=((LOC, -TRIL), (np.nan * LOC, TRIL)),
    ),
    Family(
        "VonMisesFisher",
        ((DIRECTION, 2.5), (np.array([0.0, 0.0, 1.0]), 0.3), (-DIRECTION, 40.0), (DIRECTION, 1e5)),
        _vmf,
        "MEX",
        "implicit",
        scalar=False,
        points=_vmf_points,
        nodes=_vmf_nodes,
        condition=input_condition(_vmf),
        moment_condition=4.0,
        moment_oracle=_vmf_moments,
        projections=_vmf_projections,
        edges=(((DIRECTION, 2.5), 0.0, -np.inf), ((DIRECTION, 2.5), 1.0, -np.inf)),
        invalid=((DIRECTION, -1.0), (2 * DIRECTION, 1.0), (np.nan * DIRECTION, 1.0)),
    ),
]
