"""Guides: a distribution record, or a function from parameters and data to one."""

from collections.abc import Callable
from typing import Any

from depthjax.core import Distribution

Guide = Callable[..., Any]


def as_guide(q: Any) -> Guide:
    """The function form `(params, *batch) -> record` of a guide.

    Args:
        q: a function of that form, returned unchanged; or a record, which stands for "the parameters are the record":
            the result returns `params` when that is a distribution, else the record itself. A tuple of records stands
            for independent factors in the same way.

    Returns:
        A function (params, *batch) -> record.
    """
    if isinstance(q, Distribution):
        return lambda params, *batch: params if isinstance(params, Distribution) else q
    if isinstance(q, tuple) and q and all(isinstance(factor, Distribution) for factor in q):
        return lambda params, *batch: params if isinstance(params, tuple) else q
    if callable(q):
        return q
    raise TypeError(f"q is a distribution record or a function (params, *batch) -> record, got {type(q).__name__}")
