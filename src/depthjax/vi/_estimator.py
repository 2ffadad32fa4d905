"""The one signature of a gradient estimator, with all randomness an explicit argument."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from depthjax.core import record, static
from depthjax.vi._guide import as_guide


class Aux(NamedTuple):
    """What an estimator reports beside its surrogate.

    Attributes:
        value: () estimate of the objective, nats.
        per_sample: (num_samples,) its terms.
        state: the estimator's next state.
        loss: () loss of the control variate's own parameters; 0 when it has none.
    """

    value: jax.Array
    per_sample: jax.Array
    state: Any
    loss: jax.Array


@record
class Estimator:
    """A gradient estimator of an expectation under a guide.

    Args:
        name: the field's term.
        num_samples: independent repetitions that are averaged.
        unbiased: whether the mean over all randomness is the exact gradient.
        init: (params) -> state; `()` if stateless.
        draw: (key, q, params, num_particles, *batch) -> draws, all randomness, with leading axes
            (num_samples, num_particles).
        surrogate: (params, state, draws, q, f, *batch) -> (scalar, Aux); the gradient of the scalar in `params` is the
            estimate, its value is not the objective.
        outcomes: (guide, num_points) -> (draws (N, ...), weights (N,)), every outcome of one of the draws with its
            probability, or quadrature nodes for a continuous one; None where there is no such list.
        draws_noise: whether `draw` of a guide with `from_noise` is its `sample_noise`, whatever the parameters, so that
            many steps' worth may be drawn at once.
    """

    name: str = static()
    num_samples: int = static()
    unbiased: bool = static()
    init: Callable[[Any], Any] = static()
    draw: Callable[..., Any] = static()
    surrogate: Callable[..., tuple[jax.Array, Aux]] = static()
    outcomes: Callable[..., tuple[Any, jax.Array]] | None = static(default=None)
    draws_noise: bool = static(default=False)

    @classmethod
    def _complete(cls, fields):
        return {**fields, "surrogate": _with_exact_term(fields["surrogate"])}


def _with_exact_term(surrogate):
    """A surrogate that adds what an objective knows without draws, so that no draw disturbs it."""

    @functools.wraps(surrogate)
    def whole(params, state, draws, q, f, *batch):
        if not getattr(f, "has_exact_term", False):
            return surrogate(params, state, draws, q, f, *batch)
        scalar, aux = surrogate(params, state, draws, q, f.sampled(), *batch)
        term = f.exact(params, as_guide(q)(params, *batch), *batch)
        fixed = jax.lax.stop_gradient(term)
        return scalar + term, aux._replace(value=aux.value + fixed, per_sample=aux.per_sample + fixed[None])

    return whole


def require_samples(name: str, num_samples: int, least: int = 1) -> None:
    """Raise `ValueError` for too few repetitions, `TypeError` for a number of them that is no integer."""
    if not isinstance(num_samples, int | np.integer) or isinstance(num_samples, bool):
        raise TypeError(f"{name}: num_samples is an integer, got {num_samples!r}")
    if num_samples < least:
        raise ValueError(f"{name}: num_samples must be at least {least}, got {num_samples}")


def no_state(params: Any) -> tuple:
    """The state of a stateless estimator."""
    del params
    return ()


def value_and_grad(estimator: Estimator, f: Any, q: Any) -> Callable[..., tuple[jax.Array, Any, Any, Aux]]:
    """The objective and its estimated gradient as one pure function.

    Args:
        estimator: which estimator.
        f: an `Objective`, or a function (params, z, *batch) -> () whose expectation is meant.
        q: a distribution record or a function (params, *batch) -> record.

    Returns:
        `fn(key, params, state, *batch) -> (value, gradient, state, Aux)`, with `state = estimator.init(params)` at
        first; the gradient is that of the quantity to be maximised.
    """

    def fn(key: jax.Array, params: Any, state: Any, *batch: Any) -> tuple[jax.Array, Any, Any, Aux]:
        draws = estimator.draw(key, q, params, getattr(f, "num_particles", 1), *batch)

        def scalar(values):
            return estimator.surrogate(values, state, draws, q, f, *batch)

        gradient, aux = jax.grad(scalar, has_aux=True)(params)
        return aux.value, gradient, aux.state, aux

    return fn


def per_sample_grad(estimator: Estimator, f: Any, q: Any) -> Callable[..., Any]:
    """The gradient estimate of every repetition by itself.

    Args:
        estimator: which estimator; each of its `num_samples` repetitions becomes one estimate.
        f: as for `value_and_grad`.
        q: as for `value_and_grad`.

    Returns:
        `fn(key, params, state, *batch) -> gradients` with leading axis (num_samples,); their mean is the estimate.
    """

    def fn(key: jax.Array, params: Any, state: Any, *batch: Any) -> Any:
        draws = estimator.draw(key, q, params, getattr(f, "num_particles", 1), *batch)

        def one(single):
            alone = jax.tree.map(lambda leaf: leaf[None], single)
            return jax.grad(lambda v: estimator.surrogate(v, state, alone, q, f, *batch)[0])(params)

        return jax.vmap(one)(draws)

    return fn
