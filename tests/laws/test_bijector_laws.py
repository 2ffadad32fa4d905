"""The laws, for every registered bijector, in every dtype at hand."""

import jax
import laws_bijectors as laws
import numpy as np
import pytest
from registry_bijectors import ENTRIES

import depthjax.bijectors as bij
from depthjax.core import Bijector

DTYPES = [np.float64 if jax.config.jax_enable_x64 else np.float32]
HERE = [entry for entry in ENTRIES if hasattr(bij, entry.name.split(":")[0])]
BY_DTYPE = [law for name, law in vars(laws).items() if name.startswith("law_") and name != "law_export"]


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


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("law", BY_DTYPE, ids=lambda law: law.__name__)
@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_law(entry, law, dtype):
    law(entry, dtype)


@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_export(entry):
    laws.law_export(entry)
