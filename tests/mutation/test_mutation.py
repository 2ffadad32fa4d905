"""Flips the sign of one log-det at a time: the log-det law must turn red for every bijector."""

import jax
import laws_bijectors as laws
import numpy as np
import pytest
from registry_bijectors import ENTRIES

import depthjax.bijectors as bij

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not jax.config.jax_enable_x64, reason="the log-det law is exact in float64 only"),
]
HERE = [entry for entry in ENTRIES if hasattr(bij, entry.name.split(":")[0])]
HALVES = ("_forward_and_log_det", "_inverse_and_log_det")


def survives(entry, mutate=None, half=None):
    """Whether the law passes with `half` of the entry's class replaced by a mutant (None: as it is)."""
    cls = type(entry.record(entry.draws[0], np.float64))
    original = getattr(cls, half) if half else None
    owner = next((c for c in cls.__mro__ if half in c.__dict__), None) if half else None

    def mutant(self, value):
        out, log_det = original(self, value)
        return out, mutate(log_det)

    if half:
        setattr(owner, half, mutant)
    try:
        laws.law_log_det(entry, np.float64, evaluator=laws.evaluate_now)
    except AssertionError:
        return False
    finally:
        if half:
            setattr(owner, half, original)
    return True


def mutation_of(entry):
    """Flip the sign; a zero log-det has none, so add one instead."""
    return (lambda log_det: log_det + 1) if entry.volume_preserving else (lambda log_det: -log_det)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_every_mutant_dies(entry, half):
    assert not survives(entry, mutation_of(entry), half), f"{entry.name}.{half}: the law did not notice"


@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_the_original_lives(entry):
    assert survives(entry)


def main():
    """Print the table of mutants."""
    for entry in HERE:
        rows = [f"{half}: {'SURVIVED' if survives(entry, mutation_of(entry), half) else 'killed'}" for half in HALVES]
        print(f"{entry.name:28s} original {'passes' if survives(entry) else 'FAILS'}  " + "  ".join(rows), flush=True)
