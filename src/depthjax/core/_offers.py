"""Methods that exist only where a class writes their underscore half."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Offered:
    """Descriptor behind `offers`: attribute access raises where the underscore half is missing."""

    def __init__(self, fn, needs):
        functools.update_wrapper(self, fn)
        self._fn = fn
        self._needs = needs

    def __get__(self, obj, owner=None):
        target = owner if obj is None else obj
        if not hasattr(target, self._needs):
            name = target.__name__ if isinstance(target, type) else type(target).__name__
            raise AttributeError(f"{name} has no {self._fn.__name__}()")
        return self._fn.__get__(obj, owner) if obj is not None else self._fn


def offers(needs: str) -> Callable[[F], F]:
    """Public method that exists only where `needs` does, so that `hasattr` is the capability test.

    Args:
        needs: name of the underscore method that the public one calls. A class lacks the capability when it does not
            define it; a composite lacks it on the instances where its property of that name raises `AttributeError`.

    Returns:
        A decorator for the public method.
    """
    return lambda fn: _Offered(fn, needs)  # type: ignore[return-value]
