"""Checks of options that functions of every package share."""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np


def is_concrete(value: Any) -> bool:
    """Whether the numbers in `value` can be looked at."""
    return not isinstance(value, jax.core.Tracer)


def non_negative(function: str, **values: Any) -> None:
    """Raise `ValueError` if a concrete number is negative or NaN."""
    for name, value in values.items():
        if is_concrete(value) and not np.all(np.asarray(value) >= 0):
            raise ValueError(f"{function}: {name} is {value}, expected a number of at least 0")


def positive(function: str, **values: Any) -> None:
    """Raise `ValueError` if a concrete number is not positive."""
    for name, value in values.items():
        if is_concrete(value) and not np.all(np.asarray(value) > 0):
            raise ValueError(f"{function}: {name} is {value}, expected a positive number")


def at_least(function: str, name: str, value: int, least: int) -> None:
    """Raise `ValueError` if a static count is below `least`."""
    if value < least:
        raise ValueError(f"{function}: {name} is {value}, expected at least {least}")


def chosen(function: str, name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise `ValueError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{function}: {name} is {value!r}, expected one of {', '.join(sorted(map(str, choices)))}")
