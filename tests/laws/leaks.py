"""Checks for leaked tracers that do not search everything the process holds."""

import contextlib
import gc

import jax


@contextlib.contextmanager
def checking_leaks():
    """`jax.checking_leaks`, which searches all tracked objects at every trace, over the objects made inside only."""
    gc.freeze()
    try:
        with jax.checking_leaks():
            yield
    finally:
        gc.unfreeze()
