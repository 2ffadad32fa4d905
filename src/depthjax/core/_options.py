"""Checks of static options that functions of every package share."""

from collections.abc import Iterable
from typing import Any


def at_least(function: str, name: str, value: int, least: int) -> None:
    """Raise `ValueError` if a static count is below `least`."""
    if value < least:
        raise ValueError(f"{function}: {name} is {value}, expected at least {least}")


def chosen(function: str, name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise `ValueError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{function}: {name} is {value!r}, expected one of {', '.join(sorted(choices))}")
