"""Checks of static whole numbers."""

import operator
from typing import Any


def require_integer(name: str, field: str, value: Any) -> int:
    """A Python or numpy integer as an int.

    Raises:
        TypeError: it is anything else; such a number is static, part of the compiled function.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name}: {field} is {value!r}, expected a whole number")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name}: {field} is a {type(value).__name__}, expected a Python integer; it is static"
        ) from None
