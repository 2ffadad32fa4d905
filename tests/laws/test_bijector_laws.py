"""The laws, for every registered bijector, in every dtype at hand."""

import jax
import laws_bijectors as laws
import numpy as np
import pytest
from registry_bijectors import ENTRIES

import depthjax.bijectors as bij
from depthjax.core import Bijector

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
HERE = [entry for entry in ENTRIES if hasattr(bij, entry.name.split(":")[0])]
# What these find hardly depends on the precision, and they trace much: the float32 leg leaves them to `make test-all`.
TRACING = {laws.law_dtype, laws.law_transformations, laws.law_contract}
LAWS = [
    pytest.param(law, marks=pytest.mark.slow if law in TRACING and not X64 else ())
    for name, law in vars(laws).items()
    if name.startswith("law_") and law is not laws.law_export
]


def test_registry_lists_every_class_once():
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names))
    plain = {name for name in names if ":" not in name}
    assert {name.split(":")[0] for name in names} == plain
    found = {name: value for name, value in vars(bij).items() if isinstance(value, type) and not name.startswith("_")}
    assert plain == {name for name, value in found.items() if issubclass(value, Bijector)}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_registry_entries_have_three_draws(entry):
    assert len(entry.draws) >= 3


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_law(entry, law):
    law(entry, DTYPE)


if not X64:

    @pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
    def test_export(entry):
        laws.law_export(entry)
