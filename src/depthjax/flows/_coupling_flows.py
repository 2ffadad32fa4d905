"""Flows of coupling layers: NICE, RealNVP and neural spline couplings."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors import (
    Affine,
    AffineTransformer,
    Chain,
    Coupling,
    Invert,
    Permutation,
    RationalQuadraticTransformer,
    Scan,
    ShiftTransformer,
    stack_layers,
)
from depthjax.distributions import Transformed
from depthjax.flows._context import with_context
from depthjax.flows._layered_flows import check_sizes, standard_normal
from depthjax.flows._nets import mlp

Activation = Callable[[jax.Array], jax.Array]


def nice(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jax.nn.relu,
    base: Any = None,
    context_dim: int = 0,
) -> Transformed:
    """Additive couplings, which preserve volume, and a final diagonal scaling.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d >= 2.
        num_layers: number of couplings.
        hidden: widths of the conditioners' hidden layers.
        activation: of the conditioners.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.

    Returns:
        A distribution of event shape (d,).

    Source:
        Dinh et al., NICE (2015), sec. 3.
    """
    check_sizes("nice", dim, num_layers, smallest_dim=2)
    couplings = _couplings(key, dim, num_layers, ShiftTransformer(), hidden, activation, context_dim)
    ones = jnp.ones(dim, jnp.result_type(float))
    return Transformed(standard_normal(dim) if base is None else base, Chain(couplings, Affine(0.0 * ones, ones)))


def realnvp(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jnp.tanh,
    base: Any = None,
    context_dim: int = 0,
    transformer: Any = None,
) -> Transformed:
    """Affine couplings; both directions cost one pass, and scoring uses the affine maps' forward direction.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d >= 2.
        num_layers: number of couplings.
        hidden: widths of the conditioners' hidden layers.
        activation: of the conditioners.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.
        transformer: an `AffineTransformer`; with |log scale| <= 2 if None, for an unbounded scale lets a point off the
            data have an arbitrarily low density.

    Returns:
        A distribution of event shape (d,).

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), sec. 3.
    """
    check_sizes("realnvp", dim, num_layers, smallest_dim=2)
    transformer = AffineTransformer(max_log_scale=2.0) if transformer is None else transformer
    couplings = _couplings(key, dim, num_layers, transformer, hidden, activation, context_dim)
    return Transformed(standard_normal(dim) if base is None else base, Invert(couplings))


def nsf_coupling(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jax.nn.relu,
    num_bins: int = 8,
    interval: tuple[float, float] = (-4.0, 4.0),
    base: Any = None,
    context_dim: int = 0,
) -> Transformed:
    """Rational-quadratic spline couplings; scoring uses the splines' forward direction.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d >= 2.
        num_layers: number of couplings.
        hidden: widths of the conditioners' hidden layers.
        activation: of the conditioners.
        num_bins: bins of each spline.
        interval: where the splines act; the identity outside.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.

    Returns:
        A distribution of event shape (d,).

    Source:
        Durkan et al., Neural Spline Flows (2019), sec. 3.
    """
    check_sizes("nsf_coupling", dim, num_layers, smallest_dim=2)
    transformer = RationalQuadraticTransformer(num_bins=num_bins, interval=interval)
    couplings = _couplings(key, dim, num_layers, transformer, hidden, activation, context_dim)
    return Transformed(standard_normal(dim) if base is None else base, Invert(couplings))


def _couplings(key, dim, num_layers, transformer, hidden, activation, context_dim):
    """Pairs of couplings with complementary masks under one scan, and a single one if the number is odd."""
    num_pairs, odd = divmod(num_layers, 2)
    first = (True,) * (dim // 2) + (False,) * (dim - dim // 2)
    second = tuple(not m for m in first)

    def coupling(k, mask):
        num_fixed = sum(mask)
        num_outputs = (dim - num_fixed) * transformer.num_params
        net = mlp(k, num_fixed + context_dim, num_outputs, hidden=hidden, activation=activation)
        return Coupling(with_context(net, context_dim), transformer, mask=mask)

    def pair(k):
        key_first, key_second = jax.random.split(k)
        parts = [coupling(key_first, first), coupling(key_second, second)]
        return Chain(*parts, *([_shuffle(dim)] if dim > 2 else []))

    parts = []
    if num_pairs:
        parts.append(Scan(stack_layers(pair, jax.random.split(jax.random.fold_in(key, 0), num_pairs))))
    if odd:
        parts.append(coupling(jax.random.fold_in(key, 1), first))
    if dim > 2:
        parts.append(_unshuffle(dim, num_pairs))
    return parts[0] if len(parts) == 1 else Chain(*parts)


def _shuffle(dim):
    """The perfect shuffle, which keeps mixing the two halves however often it is applied."""
    return Permutation(np.argsort(np.r_[0:dim:2, 1:dim:2]))


def _unshuffle(dim, times):
    """Undoes so many shuffles, so that the flow starts as the identity."""
    order = np.arange(dim)
    for _ in range(times):
        order = order[list(_shuffle(dim).order)]
    return Permutation(np.argsort(order))
