"""Bijectors beside NumPyro's transforms and TensorFlow Probability's bijectors: both directions with their log-dets.

Times are of 12,500 float32 events of eight numbers. Beside them stand errors over a thousand hard points: of the
forward log-det in float32 eps times max(1, |log det|, |x|), against the log-determinant of the float64 Jacobian of
`forward`, for peers only where their map is the same; and of the round trip, as the change of y after `inverse` then
`forward` in eps times the size of y, inf where it is not finite. Peers that are not installed are left out.

The last tables set inverses without a closed form beside their own forward pass.

Run with `--quick` for fewer rounds, and with names of bijectors to run only those.
"""

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from _peers import available
from depthjax import bijectors
from harness import compare, save

NUM_EVENTS, DIM, NUM_HARD = 12_500, 8, 1000
EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Entry:
    """One map: how each package builds it, how far usual and hard points lie, and the size of an event.

    `differs` names the peers whose map goes to the same set by other numbers.
    """

    ours: Callable[[], Any]
    numpyro: Callable[[Any], Any] | None = None
    tfp: Callable[[Any], Any] | None = None
    spread: float = 1.0
    hard: float = 8.0
    size: int = DIM
    positive: bool = False
    differs: tuple[str, ...] = ()


def entries() -> dict[str, Entry]:
    """All maps by name."""
    rng = np.random.default_rng(0)
    shift, scale = jnp.asarray(rng.normal(size=DIM), jnp.float32), jnp.asarray(rng.gamma(2.0, size=DIM), jnp.float32)
    tril = jnp.asarray(np.tril(rng.normal(size=(DIM, DIM)), -1) + np.diag(rng.gamma(2.0, size=DIM)), jnp.float32)
    order = tuple(int(i) for i in rng.permutation(DIM))
    event = {"event_shape": (DIM,)}
    return {
        "Affine": Entry(
            lambda: bijectors.Affine(shift, scale),
            lambda t: t.AffineTransform(shift, scale),
            lambda b: b.Chain([b.Shift(shift), b.Scale(scale)]),
        ),
        "Exp": Entry(lambda: bijectors.Exp(**event), lambda t: t.ExpTransform(), lambda b: b.Exp(), hard=80.0),
        "Softplus": Entry(
            lambda: bijectors.Softplus(**event), lambda t: t.SoftplusTransform(), lambda b: b.Softplus(), hard=80.0
        ),
        "Sigmoid": Entry(
            lambda: bijectors.Sigmoid(**event), lambda t: t.SigmoidTransform(), lambda b: b.Sigmoid(), hard=12.0
        ),
        "Tanh": Entry(lambda: bijectors.Tanh(**event), None, lambda b: b.Tanh(), hard=2.0),
        "Sinh": Entry(lambda: bijectors.Sinh(**event), None, lambda b: b.Sinh(), hard=60.0),
        "SinhArcsinh": Entry(
            lambda: bijectors.SinhArcsinh(0.3 * shift, scale),
            None,
            lambda b: b.SinhArcsinh(skewness=0.3 * shift, tailweight=scale),
        ),
        "Softsign": Entry(lambda: bijectors.Softsign(**event), None, lambda b: b.Softsign(), hard=1e3),
        "NormalCDF": Entry(lambda: bijectors.NormalCDF(**event), None, lambda b: b.NormalCDF(), hard=5.0),
        "Power": Entry(
            lambda: bijectors.Power(scale),
            lambda t: t.PowerTransform(scale),
            lambda b: b.Power(power=scale),
            positive=True,
        ),
        "Permutation": Entry(
            lambda: bijectors.Permutation(order),
            lambda t: t.PermuteTransform(jnp.asarray(order)),
            lambda b: b.Permute(jnp.asarray(order)),
        ),
        "TriangularAffine": Entry(
            lambda: bijectors.TriangularAffine(shift, tril),
            lambda t: t.LowerCholeskyAffine(shift, tril),
            lambda b: b.Chain([b.Shift(shift), b.ScaleMatvecTriL(tril)]),
        ),
        "StickBreaking": Entry(
            lambda: bijectors.StickBreaking(DIM + 1),
            lambda t: t.StickBreakingTransform(),
            lambda b: b.IteratedSigmoidCentered(),
        ),
        "SoftmaxCentered": Entry(
            lambda: bijectors.SoftmaxCentered(DIM + 1), None, lambda b: b.SoftmaxCentered(), hard=2.0
        ),
        "Ordered": Entry(
            lambda: bijectors.Ordered(DIM),
            lambda t: t.OrderedTransform(),
            lambda b: b.Ascending(),
            differs=("numpyro", "tfp"),
        ),
        "LowerCholesky": Entry(
            lambda: bijectors.LowerCholesky(4),
            lambda t: t.SoftplusLowerCholeskyTransform(),
            lambda b: b.FillScaleTriL(),
            size=10,
            differs=("tfp",),
        ),
        "CorrCholesky": Entry(
            lambda: bijectors.CorrCholesky(4),
            lambda t: t.CorrCholeskyTransform(),
            lambda b: b.CorrelationCholesky(),
            hard=1.0,
            size=6,
            differs=("tfp",),
        ),
    }


def points(entry: Entry, spread: float, count: int) -> jax.Array:
    """Random points of the domain, float32, (count, size)."""
    x = np.random.default_rng(1).normal(size=(count, entry.size)) * spread
    return jnp.asarray(np.exp(0.5 * x) if entry.positive else x, jnp.float32)


def forward_of(who: str, bijector: Any) -> Callable:
    """From a batch of x to (y, log det)."""
    if who == "depthjax":
        return bijector.forward_and_log_det
    if who == "numpyro":

        def call(x):
            y = bijector(x)
            return y, _per_event(bijector.log_abs_det_jacobian(x, y))

        return call
    return lambda x: (bijector.forward(x), _per_event(bijector.forward_log_det_jacobian(x, event_ndims=1)))


def inverse_of(who: str, bijector: Any) -> Callable:
    """From a batch of y to (x, log det of the inverse)."""
    if who == "depthjax":
        return bijector.inverse_and_log_det
    if who == "numpyro":

        def call(y):
            x = bijector.inv(y) if not hasattr(bijector, "_inverse") else bijector._inverse(y)
            return x, -_per_event(bijector.log_abs_det_jacobian(x, y))

        return call

    def call(y):
        ndims = bijector.forward_event_ndims(1)
        return bijector.inverse(y), _per_event(bijector.inverse_log_det_jacobian(y, event_ndims=ndims))

    return call


def _per_event(log_det):
    return jnp.sum(log_det, axis=-1) if log_det.ndim == 2 else log_det


def makers(entry: Entry) -> dict[str, Any]:
    """The map by package."""
    found = {"depthjax": entry.ours()}
    if entry.numpyro is not None and available("numpyro"):
        found["numpyro"] = entry.numpyro(importlib.import_module("numpyro.distributions.transforms"))
    if entry.tfp is not None and available("tensorflow_probability"):
        found["tfp"] = entry.tfp(importlib.import_module("tensorflow_probability.substrates.jax").bijectors)
    return found


def exact_log_det(bijector: Any, x: np.ndarray) -> np.ndarray:
    """Log |det| of the Jacobian of `forward` in float64; of the leading coordinates where y has more than x."""
    size = x.shape[-1]
    with jax.enable_x64(True):  # noqa: FBT003 (the only way)
        wide = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), bijector)
        rows = jax.jit(jax.vmap(jax.jacfwd(lambda v: _free_coordinates(wide.forward(v), size))))
        return np.linalg.slogdet(np.asarray(rows(jnp.asarray(x, jnp.float64))))[1]


def _free_coordinates(y, size):
    """The coordinates of y that determine the rest, in the order in which log-dets count them."""
    if y.ndim == 2:
        keep = np.tril_indices(y.shape[0], 0 if size == y.shape[0] * (y.shape[0] + 1) // 2 else -1)
        return y[keep]
    return y[:size]


def errors(entry: Entry, found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Worst errors at hard points, by package: of the log-det and of the round trip."""
    x = points(entry, entry.hard, NUM_HARD)
    exact, result = exact_log_det(found["depthjax"], np.asarray(x, np.float64)), {}
    for who, bijector in found.items():
        y, log_det = jax.jit(forward_of(who, bijector))(x)
        again = jax.jit(forward_of(who, bijector))(jax.jit(inverse_of(who, bijector))(y)[0])[0]
        size = np.maximum(1.0, np.maximum(np.abs(exact), np.max(np.abs(np.asarray(x)), axis=1)))
        gap = np.abs(np.asarray(log_det, np.float64) - exact) / size / EPS
        first, second = (np.asarray(v, np.float64).reshape(NUM_HARD, -1) for v in (y, again))
        trip = np.max(np.abs(second - first), axis=1) / np.max(np.abs(first), axis=1) / EPS
        result[who] = {"log_det": None if who in entry.differs else _worst(gap), "round_trip": _worst(trip)}
    return result


def _worst(values):
    return float(np.max(np.where(np.isnan(values), np.inf, values)))


def _shown(error):
    return "-" if error is None else f"{error:.3g}"


def tables(name: str, entry: Entry, found: dict[str, Any], *, seconds: float) -> list:
    """Both directions of one map."""
    x = points(entry, entry.spread, NUM_EVENTS)
    y = found["depthjax"].forward(x)
    forward = {who: forward_of(who, bijector) for who, bijector in found.items()}
    inverse = {who: inverse_of(who, bijector) for who, bijector in found.items()}
    return [
        compare(forward, (x,), title=f"{name}, forward", seconds=seconds),
        compare(inverse, (y,), title=f"{name}, inverse", seconds=seconds),
    ]


def implicit_inverses(*, seconds: float) -> list:
    """Planar, Sylvester and residual inverses over their forward passes, d = 32, batch 512."""
    rng, dim = np.random.default_rng(0), 32
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape) / np.sqrt(dim), jnp.float32)  # noqa: E731
    maps = {
        "Planar": bijectors.Planar(draw(dim), draw(dim), draw()),
        "Radial": bijectors.Radial(draw(dim), draw(), draw()),
        "Sylvester": bijectors.Sylvester(draw(8, dim), draw(8, 8), draw(8, 8), draw(8)),
        "Residual": bijectors.Residual(bijectors.lipschitz_mlp(jax.random.key(0), (dim, 64, dim))),
    }
    x, found = draw(512, dim), []
    for name, bijector in maps.items():
        y = bijector.forward(x)
        candidates = {"forward": bijector.forward, "inverse": bijector.inverse}
        args = {"forward": (x,), "inverse": (y,)}
        found.append(compare(candidates, args, title=f"{name}, d = {dim}, inverse over forward", seconds=seconds))
        again = np.asarray(bijector.forward(bijector.inverse(y)), np.float64)
        gap = np.max(np.abs(again - np.asarray(y, np.float64))) / EPS
        print(f"  {name}: round trip within {gap:.3g} eps", flush=True)
    return found


def main() -> None:
    """Print every table with its accuracy and write `results/bijectors.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    known, seconds = entries(), 0.3 if options.quick else 3.0
    measured, accuracy = [], {}
    for name in options.names or known:
        entry = known[name]
        found = makers(entry)
        accuracy[name] = errors(entry, found)
        measured += tables(name, entry, found, seconds=seconds)
        shown = ", ".join(
            f"{who} {_shown(e['log_det'])} | {_shown(e['round_trip'])}" for who, e in accuracy[name].items()
        )
        print(f"  {name}: error of log det | round trip in eps: {shown}", flush=True)
    if not options.names:
        measured += implicit_inverses(seconds=seconds)
    save("bijectors_quick" if options.quick else "bijectors", measured, error_in_eps=accuracy)


if __name__ == "__main__":
    main()
