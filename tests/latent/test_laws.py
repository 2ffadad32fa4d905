"""The laws of every distribution, for those of this package."""

import jax
import laws_distribution_contract as contract
import laws_distributions as laws
import numpy as np
import pytest
from family_entry import Family
from oracle_condition import input_condition
from registry_gaussian import FACTOR, draw_condition, moments, nodes, projections, standard_points
from registry_vector import LOC, NARROW, TRIL
from scipy import special, stats

from depthjax import latent

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
OTHER = {laws.law_random_parameters, contract.law_capabilities, contract.law_export}
ALL = [law for module in (laws, contract) for name, law in vars(module).items() if name.startswith("law_")]
ONLY_64 = {laws.law_derivatives, laws.law_normalised, laws.law_exponential_family}
TRACING = {contract.law_dtype, contract.law_transformations}
LAWS = [
    pytest.param(law, marks=pytest.mark.slow if law in TRACING and not X64 else ())
    for law in ALL
    if law not in OTHER and (X64 or law not in ONLY_64)
]


def _of(loc, loading, noise):
    return loc, np.linalg.cholesky(loading @ loading.T + np.diag(np.broadcast_to(noise, loc.shape)))


def _log_density(x, loc, loading, noise):
    factor = _of(loc, loading, noise)[1]
    z = np.linalg.solve(factor, x - loc)
    return -0.5 * z @ z - np.log(np.diagonal(factor)).sum() - 0.5 * len(x) * np.log(2 * np.pi)


def _factor_model(name, draws, invalid):
    def build(*args, dtype):
        return getattr(latent, name)(*(np.asarray(a, dtype) for a in args))

    return Family(
        name, draws, _log_density, "MVESK", "explicit", scalar=False, moment_condition=16.0, build=build,
        condition=input_condition(_log_density, 2.0), draw_condition=lambda *a: draw_condition(*_of(*a)),
        points=lambda *a: _of(*a)[0] + standard_points() @ _of(*a)[1].T, nodes=lambda *a: nodes(*_of(*a)),
        moment_oracle=lambda *a: moments(*_of(*a)), projections=lambda *a: projections(*_of(*a)), invalid=invalid,
    )  # fmt: skip


def _parts(logits, locs, trils):
    return [(w, loc, tril) for w, loc, tril in zip(special.softmax(logits), locs, trils, strict=True)]


def _mixture_log_density(x, logits, locs, trils):
    terms = []
    for weight, loc, tril in _parts(logits, locs, trils):
        z = np.linalg.solve(tril, x - loc)
        terms.append(np.log(weight) - 0.5 * z @ z - np.log(np.diagonal(tril)).sum() - len(x) / 2 * np.log(2 * np.pi))
    return special.logsumexp(terms)


def _mixture_points(logits, locs, trils):
    count = -(-24 // len(locs))
    return np.concatenate([loc + standard_points()[:count] @ tril.T for _, loc, tril in _parts(logits, locs, trils)])


def _mixture_nodes(logits, locs, trils):
    """Of every component about itself, with the share of the density that it has there."""
    found = []
    for weight, loc, tril in _parts(logits, locs, trils):
        x, w = nodes(loc, tril)
        share = [
            np.exp(np.log(weight) + stats.multivariate_normal(loc, tril @ tril.T).logpdf(x))
            / np.exp([_mixture_log_density(v, logits, locs, trils) for v in x])
        ]
        found.append((x, w * share[0]))
    return np.concatenate([x for x, _ in found]), np.concatenate([w for _, w in found])


def _mixture_moments(logits, locs, trils):
    weights = special.softmax(logits)
    mean = weights @ locs
    spread = locs - mean
    second = trils @ trils.swapaxes(1, 2) + spread[:, :, None] * spread[:, None, :]
    covariance = np.einsum("k,kij->ij", weights, second)
    return {"mean": mean, "variance": np.diagonal(covariance), "covariance": covariance}


class _Projected:
    """The cdf of a direction of a mixture."""

    dist = stats.norm

    def __init__(self, direction, logits, locs, trils):
        self.weights, self.locs = special.softmax(logits), locs @ direction
        self.scales = np.linalg.norm(np.einsum("kij,i->kj", trils, direction), axis=1)

    def cdf(self, x):
        return stats.norm(self.locs, self.scales).cdf(np.asarray(x)[..., None]) @ self.weights


def _mixture_projections(*args):
    return [(lambda x, d=d: x @ d, _Projected(d, *args)) for d in (np.array([1.0, 0.0]), np.array([0.6, -0.8]))]


def _mixture_draw_condition(logits, locs, trils):
    return max(draw_condition(loc, tril) for _, loc, tril in _parts(logits, locs, trils))


LOCS = np.stack([LOC, LOC + 1.0])
MIXTURE = Family(
    "GaussianMixture",
    (
        (np.array([0.3, -0.4]), LOCS, np.stack([TRIL, NARROW])),
        (np.array([0.0, -50.0]), 0 * LOCS, np.stack([TRIL, TRIL])),
        (np.array([0.0, -3.0]), LOCS * np.array([[1.0], [-20.0]]), np.stack([TRIL, 3 * TRIL])),
    ),
    _mixture_log_density, "MVK", "none", scalar=False, moment_condition=16.0,
    build=lambda *args, dtype: latent.GaussianMixture(*(np.asarray(a, dtype) for a in args)),
    condition=input_condition(_mixture_log_density, 2.0), draw_condition=_mixture_draw_condition,
    points=_mixture_points, nodes=_mixture_nodes, moment_oracle=_mixture_moments, projections=_mixture_projections,
    invalid=(
        (np.array([np.nan, 0.0]), LOCS, np.stack([TRIL, TRIL])),
        (np.zeros(2), LOCS, np.stack([TRIL, -TRIL])),
    ),
)  # fmt: skip

ENTRIES = [
    _factor_model(
        "PPCA",
        ((LOC, FACTOR, np.array(0.4)), (0 * LOC, 0 * FACTOR, np.array(1.0)), (100 * LOC, 30 * FACTOR, np.array(2.0))),
        ((LOC, FACTOR, np.array(-1.0)), (LOC, np.nan * FACTOR, np.array(1.0))),
    ),
    _factor_model(
        "FactorAnalysis",
        (
            (LOC, FACTOR, np.array([0.25, 0.64])),
            (0 * LOC, 0 * FACTOR, np.ones(2)),
            (100 * LOC, 30 * FACTOR, np.array([10.0, 1.0])),
        ),
        ((LOC, FACTOR, np.array([1.0, -1.0])), (LOC, np.nan * FACTOR, np.ones(2))),
    ),
    MIXTURE,
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_capabilities(entry):
    contract.law_capabilities(entry)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_law(entry, law):
    law(entry, DTYPE)


if not X64:

    @pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
    def test_export(entry):
        contract.law_export(entry)
