"""Coordinatewise cdf and quantile for composites that have them only when their parts do."""

from depthjax.core import Elementwise


class Cumulative:
    """Mixin: the public cdf and quantile family of `Elementwise`, for distributions that are not always elementwise.

    A composite writes `_cdf`, ..., `_quantile_from_log_survival` as properties that raise `AttributeError` where a
    part lacks the capability, so that `hasattr(dist, "cdf")` answers truthfully.
    """

    cdf = Elementwise.__dict__["cdf"]
    log_cdf = Elementwise.__dict__["log_cdf"]
    survival = Elementwise.__dict__["survival"]
    log_survival = Elementwise.__dict__["log_survival"]
    quantile = Elementwise.__dict__["quantile"]
    quantile_from_log = Elementwise.__dict__["quantile_from_log"]
    quantile_from_log_survival = Elementwise.__dict__["quantile_from_log_survival"]
    _coordinatewise = Elementwise.__dict__["_coordinatewise"]
