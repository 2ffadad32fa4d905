"""What the registry knows about one family: parameter draws, where to look, and an independent oracle."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import mpmath
import numpy as np

from depthjax import distributions

NUM_POINTS = 24
METHODS = {
    "M": ("mean",),
    "V": ("variance", "stddev"),
    "E": ("entropy",),
    "S": ("mode",),
    "K": ("covariance",),
    "C": ("cdf", "log_cdf", "survival", "log_survival"),
    "Q": ("quantile", "quantile_from_log", "quantile_from_log_survival"),
    "N": ("enumerate_support",),
    "X": ("natural_parameters", "from_natural", "from_mean_parameters", "fisher_information"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """One entry of the registry.

    Attributes:
        name: of the class in `depthjax.distributions`.
        draws: constructor arguments, float64 on the host; the last draw is an extreme one.
        log_prob: oracle `(x, *args) -> float` for one event; called with mpmath numbers when `scalar`.
        offers: letters of `METHODS`; a class has those methods and none of the others.
        pathwise: what `reparameterized` must say.
        frozen: `(*args) ->` a frozen scipy distribution of the same law, for scalar events.
        transport: `(*args) ->` the law whose cdf a draw keeps as parameters move, when it is not `frozen`.
        points: `(*args) -> (n, *event)` where to evaluate; quantiles of `frozen` when not given.
        nodes: `(*args) -> (x, weights)` a quadrature (or enumeration) of the support; by `coordinate` if not given.
        coordinate: "real", "positive", "interval" (0, 1), or "integer".
        ends: of the interval, as a function of the arguments.
        edges: `(args, x, expected log_prob)` at the ends of the support and outside it.
        invalid: arguments that violate a constraint.
        projections: `(*args) -> [(samples -> scalars, frozen scipy law)]` for events that are not scalar.
        build: arguments in a dtype -> record, when it is not `cls(*args)`.
        condition: factor on the rounding tolerance of `log_prob`, a number or `(x, *args) -> ` number at one event,
            for families that solve a linear system.
        scalar: the event is a scalar and the oracle takes mpmath numbers.
        moment_oracle: `(*args) -> dict` of mean, variance, covariance, entropy, for events that are not scalar.
        cdf_condition: factor on the tolerance of the cdf functions.
        moment_condition: factor on the tolerance of moments and entropy.
        draw_condition: factor on the agreement of log_prob(draw) with the one reported with the draw, a number or
            `(*args) -> ` number: the draw is rounded, its density is not.
        num_noises: how many independent noises make a draw; with more than one a pathwise derivative satisfies its
            identity on average over the draws of equal value only.
        natural_context: keyword arguments of `from_natural` that the natural parameters do not hold.
    """

    name: str
    draws: tuple[tuple, ...]
    log_prob: Callable[..., Any]
    offers: str
    pathwise: str
    frozen: Callable[..., Any] | None = None
    transport: Callable[..., Any] | None = None
    points: Callable[..., np.ndarray] | None = None
    nodes: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None
    coordinate: str = "real"
    ends: Callable[..., tuple[float, float]] = lambda *args: (0.0, 1.0)
    edges: tuple[tuple, ...] = ()
    invalid: tuple[tuple, ...] = ()
    projections: Callable[..., list] | None = None
    build: Callable[..., Any] | None = None
    condition: Any = 1.0
    scalar: bool = True
    moment_oracle: Callable[..., dict] | None = None
    cdf_condition: float = 1.0
    moment_condition: float = 1.0
    draw_condition: Any = 1.0
    num_noises: int = 1
    natural_context: Callable[..., dict] = lambda *args: {}

    def record(self, args, dtype):
        """The record with these arguments in this dtype."""
        if self.build is not None:
            return self.build(*args, dtype=dtype)
        return getattr(distributions, self.name)(*(np.asarray(a, dtype) for a in args))

    def rounded(self, args, dtype):
        """The arguments as float64 after rounding to the dtype: what the record holds."""
        return tuple(np.asarray(np.asarray(a, dtype), np.float64) for a in args)

    @property
    def discrete(self):
        """True for families over integers."""
        return self.coordinate == "integer"

    def evaluation_points(self, args, dtype):
        """(NUM_POINTS, *event) points inside the support, representable in the dtype."""
        x = np.asarray(self.points(*args) if self.points else _quantiles(self, args), np.float64)
        x = x[np.resize(np.arange(len(x)), NUM_POINTS)]
        return np.asarray(x, dtype)

    def oracle(self, x, args):
        """Oracle log-probabilities (n,) at float64 points (n, *event)."""
        if not self.scalar:
            return np.array([float(self.log_prob(event, *args)) for event in x])
        with mpmath.workdps(40):
            exact = [mpmath.mpf(float(a)) for a in args]
            return np.array([float(self.log_prob(mpmath.mpf(float(event)), *exact)) for event in x])

    def conditions(self, x, args):
        """Tolerance factors (n,) of `log_prob` at points."""
        if callable(self.condition):
            return np.array([max(1.0, self.condition(np.asarray(event, np.float64), *args)) for event in x])
        return np.full(len(x), self.condition)

    def draw_slack(self, args):
        """Tolerance factor of the agreement between the two densities of a draw."""
        return self.draw_condition(*args) if callable(self.draw_condition) else self.draw_condition

    def moments(self, args):
        """Oracle moments and entropy by name."""
        if self.moment_oracle is not None:
            return {k: np.asarray(v) for k, v in self.moment_oracle(*args).items()}
        frozen = self.frozen(*args)
        return {"mean": frozen.mean(), "variance": frozen.var(), "entropy": frozen.entropy()}

    def projected(self, args):
        """Pairs of a scalar function of draws and its law."""
        return self.projections(*args) if self.projections else [(lambda x: x, self.frozen(*args))]

    def quadrature(self, args):
        """Nodes and weights whose weighted densities sum to one."""
        return self.nodes(*args) if self.nodes else panels(self, args)


def _quantiles(entry, args):
    frozen = entry.frozen(*args)
    tails = np.array([1e-30, 1e-12, 1e-6, 1e-3, 0.02, 0.1, 0.25, 0.4])
    with np.errstate(all="ignore"):
        x = np.concatenate([frozen.ppf(tails), frozen.ppf([0.5, 0.7]), frozen.isf(tails)])
    center = frozen.ppf(0.5)
    low, high = entry.ends(*args) if entry.coordinate == "interval" else (-np.inf, np.inf)
    low = 0.0 if entry.coordinate == "positive" else low
    gap = 1e-6 * max(abs(low), abs(high)) if np.isfinite([low, high]).all() else 0.0
    good = np.isfinite(x) & (np.abs(x) < 1e30) & (x - low > min(gap, abs(low))) & (high - x > min(gap, abs(high)))
    good &= (np.abs(x) > 1e-30) | (entry.coordinate == "integer")
    return np.where(good, x, center)


def panels(entry, args):
    if entry.coordinate == "integer":
        frozen = entry.frozen(*args)
        low, high = (int(v) for v in frozen.ppf([1e-18, 1.0 - 1e-16]))
        support = frozen.support()
        x = np.arange(max(low - 40, int(support[0])), int(min(high + 200 + 20 * frozen.std(), support[1])) + 1)
        return x.astype(np.float64), np.ones(len(x))
    low, high = entry.ends(*args) if entry.coordinate == "interval" else (0.0, np.inf)
    to, back, slope = {
        "real": (lambda x: x, lambda t: t, lambda t: np.ones_like(t)),
        "positive": (np.log, np.exp, np.exp),
        "interval": (
            lambda x: np.log(x - low) - np.log(high - x),
            lambda t: low + (high - low) / (1 + np.exp(-t)),
            lambda t: (high - low) / (2 + np.exp(-t) + np.exp(t)),
        ),
    }[entry.coordinate]
    frozen = entry.frozen(*args)
    log_odds = np.arange(-36.0, 0.5, 1.5)
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-log_odds))
        ends = to(np.concatenate([frozen.ppf(p), frozen.isf(p)]))
    ends = np.unique(ends[np.isfinite(ends)])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    t = (middle[:, None] + half[:, None] * nodes).ravel()
    x, w = back(t), (half[:, None] * weights).ravel() * slope(t)
    keep = np.isfinite(x) & (w > 0) & (x > low if entry.coordinate != "real" else True) & (x < high)
    return x[keep], w[keep]


def stack(records):
    """One stacked record out of several of the same treedef."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *records)
