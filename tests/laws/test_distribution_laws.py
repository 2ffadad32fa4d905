"""The laws, for every registered family, in every dtype at hand."""

import hypothesis
import jax
import laws_distribution_contract as contract
import laws_distributions as laws
import numpy as np
import pytest
from hypothesis import strategies
from registry_distributions import ENTRIES, IMPROPER

import depthjax.distributions as dists
from depthjax.core import Distribution

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
HERE = [entry for entry in ENTRIES if hasattr(dists, entry.name)]
ALL = [law for module in (laws, contract) for name, law in vars(module).items() if name.startswith("law_")]
ONLY_64 = {laws.law_derivatives, laws.law_normalised, laws.law_exponential_family}
OTHER = {contract.law_capabilities, laws.law_random_parameters, contract.law_export}
# What these find hardly depends on the precision, and they trace much: the float32 leg leaves them to `make test-all`.
TRACING = {contract.law_dtype, contract.law_transformations}
LAWS = [
    pytest.param(law, marks=pytest.mark.slow if law in TRACING and not X64 else ())
    for law in ALL
    if law not in OTHER and (X64 or law not in ONLY_64)
]


def classes():
    """Names of the public record classes."""
    found = {name: value for name, value in vars(dists).items() if isinstance(value, type)}
    return {name for name, value in found.items() if issubclass(value, Distribution) and not name.startswith("_")}


def test_registry_lists_every_class_once():
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names))
    assert set(names) | IMPROPER == classes()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_registry_entries_have_three_draws(entry):
    assert len(entry.draws) >= 3


@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_capabilities(entry):
    contract.law_capabilities(entry)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_law(entry, law):
    law(entry, DTYPE)


if not X64:

    @pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
    def test_export(entry):
        contract.law_export(entry)


@pytest.mark.parametrize("entry", [e for e in HERE if e.scalar and e.build is None], ids=lambda entry: entry.name)
@hypothesis.settings(max_examples=5)
@hypothesis.given(seed=strategies.integers(0, 10_000))
def test_random_parameters(entry, seed):
    laws.law_random_parameters(entry, DTYPE, seed)
