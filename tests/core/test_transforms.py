"""Unconstrained coordinates: exact inverses of each other, on any tree, usable by optimisers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import depthjax as dj
from depthjax.bijectors import Affine
from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.distributions import Normal

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = np.finfo(DTYPE).eps


@record
class Box(Distribution):
    """A family whose second constraint depends on the first parameter, and with a count."""

    low: jax.Array = param(constraints.real)
    high: jax.Array = param(lambda self: constraints.greater_than(self.low))
    count: jax.Array = param(constraints.nonnegative_integer, default=3.0)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real

    def _log_prob(self, x):
        return -jnp.sum(jnp.log(self.high - self.low)) + 0 * jnp.sum(x)


class Pair(NamedTuple):
    """A tree node of the standard library."""

    prior: Normal
    rest: dict


def example():
    return [
        Pair(Normal(0.3, 2.0), {"box": Box(1.0, 4.0), "map": Affine(0.5, -2.0)}),
        (Normal(np.zeros(3), np.array([1e-3, 1.0, 1e3])), jnp.asarray(0.25, DTYPE)),
    ]


def leaves_close(got, want, tolerance):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_round_trip_on_nested_trees():
    tree = example()
    raw = dj.unconstrain(tree)
    assert isinstance(raw, dj.Unconstrained)
    assert jax.tree.structure(raw.tree) == jax.tree.structure(tree)
    leaves_close(dj.constrain(raw), tree, 8 * EPS)
    leaves_close(jax.jit(lambda t: dj.constrain(dj.unconstrain(t)))(tree), tree, 8 * EPS)


def test_inverse_the_other_way_round():
    raw = jax.tree.map(lambda leaf: leaf * 0 + 0.7, dj.unconstrain(example()))
    leaves_close(dj.unconstrain(dj.constrain(raw)), raw, 64 * EPS)


def test_raw_values_are_the_declared_maps():
    raw = dj.unconstrain(Normal(0.3, 2.0)).tree
    np.testing.assert_allclose(raw.loc, 0.3, rtol=EPS)
    np.testing.assert_allclose(raw.scale, np.log(np.expm1(2.0)), rtol=4 * EPS)
    affine = dj.unconstrain(Affine(0.5, -2.0)).tree
    np.testing.assert_allclose([affine.shift, affine.scale], [0.5, -2.0], rtol=0)


def test_stacked_records_pass():
    stacked = jax.vmap(Normal)(jnp.arange(3.0), jnp.arange(1.0, 4.0))
    leaves_close(dj.constrain(dj.unconstrain(stacked)), stacked, 8 * jnp.finfo(stacked.loc.dtype).eps)
    boxes = jax.vmap(Box)(jnp.arange(3.0), jnp.arange(5.0, 8.0))
    leaves_close(dj.constrain(dj.unconstrain(boxes)), boxes, 8 * jnp.finfo(boxes.low.dtype).eps)


def test_dependent_constraint_follows_the_moved_parameter():
    raw = dj.unconstrain(Box(1.0, 4.0)).tree
    moved = dj.Unconstrained(jax.tree.map(lambda leaf: leaf + 10, raw))
    box = dj.constrain(moved)
    np.testing.assert_allclose(box.low, 11.0, rtol=4 * EPS)
    np.testing.assert_allclose(box.high - box.low, np.log1p(np.exp(np.log(np.expm1(3.0)) + 10)), rtol=64 * EPS)


def test_discrete_leaf_is_carried_without_gradient():
    raw = dj.unconstrain(Box(1.0, 4.0, 5.0))
    np.testing.assert_allclose(raw.tree.count, 5.0, rtol=0)
    slope = jax.grad(lambda r: dj.constrain(r).count ** 2 + dj.constrain(r).high)(raw).tree
    np.testing.assert_allclose(slope.count, 0.0, atol=0)
    assert slope.high > 0


def test_ravel_leaves_counts_out_and_unravels_to_a_constrained_tree():
    tree = example()
    vector, unravel = dj.ravel(tree)
    assert vector.shape == (2 + 2 + 2 + 6 + 1,)
    leaves_close(unravel(vector), tree, 8 * EPS)
    random = jnp.asarray(np.random.default_rng(0).uniform(-30, 30, (20, vector.size)), DTYPE)
    trees = jax.vmap(unravel)(random)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(trees))
    assert (np.asarray(trees[0].prior.scale) > 0).all()
    assert jax.grad(lambda v: unravel(v)[0].prior.log_prob(0.1))(vector).shape == vector.shape


def test_constrain_wants_what_unconstrain_made():
    with pytest.raises(TypeError, match="constrain takes the result of unconstrain, got Normal"):
        dj.constrain(Normal(0.0, 1.0))


def test_validate_lists_path_constraint_and_value():
    dj.validate(example())
    bad = {"a": [Normal(0.0, -1.0)], "b": Box(2.0, 1.0, 0.5)}
    with pytest.raises(ValueError, match="invalid parameters") as info:
        dj.validate(bad)
    message = str(info.value)
    for part in (
        "['a'][0].scale",
        "positive",
        "-1",
        "['b'].high",
        "greater_than",
        "['b'].count",
        "nonnegative_integer",
    ):
        assert part in message
    stacked = jax.vmap(Normal)(jnp.zeros(2), jnp.array([1.0, -2.0]))
    with pytest.raises(ValueError, match=r"\.scale.*positive"):
        dj.validate(stacked)


def test_frozen_by_path_label():
    dist = Normal(0.0, 1.0)
    raw = dj.unconstrain(dist)
    labels = jax.tree_util.tree_map_with_path(
        lambda path, _: "frozen" if jax.tree_util.keystr(path).endswith(".scale") else "free", raw
    )
    optimizer = optax.multi_transform({"free": optax.adam(0.1), "frozen": optax.set_to_zero()}, labels)
    state = optimizer.init(raw)
    x = jnp.asarray(np.linspace(2, 4, 9), DTYPE)

    @jax.jit
    def step(raw, state):
        slope = jax.grad(lambda r: -jnp.mean(dj.constrain(r).log_prob(x)))(raw)
        updates, state = optimizer.update(slope, state, raw)
        return optax.apply_updates(raw, updates), state

    with jax.numpy_dtype_promotion("standard"):
        for _ in range(200):
            raw, state = step(raw, state)
    fitted = dj.constrain(raw)
    np.testing.assert_allclose(fitted.scale, 1.0, rtol=4 * EPS)
    np.testing.assert_allclose(fitted.loc, 3.0, atol=0.05)
