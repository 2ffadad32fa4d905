"""Records: construction, rebuilding, identity, and what they cost."""

import timeit

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from depthjax.bijectors import Affine
from depthjax.core import Distribution, Elementwise, constraints, derived, param, record
from depthjax.distributions import Normal

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
DEFAULT = np.float64 if jax.config.jax_enable_x64 else np.float32


@record
class FourLeaves(Elementwise):
    """A family of four parameters."""

    a: jax.Array = param(constraints.real)
    b: jax.Array = param(constraints.positive)
    c: jax.Array = param(constraints.real)
    d: jax.Array = param(constraints.real)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real

    def _log_prob_terms(self, x):
        return -(x**2) * self.b


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((0.0, 1.0), {}), ((0, 1), {}), ((0.0,), {"scale": 1}), ((), {"scale": 1.0, "loc": 0.0}), ((False, 1.0), {})],
)
def test_python_numbers_by_position_and_keyword(args, kwargs):
    dist = Normal(*args, **kwargs)
    assert dist.event_shape == ()
    for leaf in jax.tree.leaves(dist):
        assert isinstance(leaf, jax.Array)
        assert leaf.dtype == DEFAULT
        assert not leaf.aval.weak_type
    np.testing.assert_allclose([float(dist.loc), float(dist.scale)], [0.0, 1.0], rtol=0)


@pytest.mark.parametrize("make", [list, tuple, np.array, jnp.array])
def test_vectors_of_integers_become_floats(make):
    dist = Normal(make([0, 1, 2]), make([1, 2, 3]))
    assert dist.event_shape == (3,)
    assert dist.loc.dtype == DEFAULT
    assert dist.scale.dtype == DEFAULT


@pytest.mark.parametrize("dtype", [*DTYPES, ml_dtypes.bfloat16])
def test_dtype_of_the_arguments_is_kept(dtype):
    dist = Normal(np.zeros(3, dtype), 1.0)
    assert dist.loc.dtype == dtype
    assert dist.scale.dtype == dtype
    assert dist.scale.shape == (3,)
    assert dist.log_prob(np.zeros(3, dtype)).dtype == dtype
    assert dist.sample(jax.random.key(0), (2,)).dtype == dtype
    assert dist.log_prob(np.full(3, 0.5, dtype)).dtype == dtype


@pytest.mark.skipif(not jax.config.jax_enable_x64, reason="needs float64")
def test_wider_argument_wins():
    with jax.numpy_dtype_promotion("standard"):
        assert Normal(np.float32(0), np.float64(1)).loc.dtype == np.float64
    with jax.numpy_dtype_promotion("strict"), pytest.raises(ValueError, match="float(32|64).*float(32|64)"):
        Normal(np.float32(0), np.float64(1))


def test_lists_of_tracers_are_vectors():
    def total(a, b):
        return Normal([a, 2.0], [b, 1.0]).log_prob(jnp.zeros(2))

    np.testing.assert_allclose(
        jax.jit(total)(1.0, 3.0), Normal([1.0, 2.0], [3.0, 1.0]).log_prob(np.zeros(2)), rtol=1e-6
    )


def test_signature_errors_name_class_and_argument():
    with pytest.raises(TypeError, match=r"Normal takes at most 2 arguments \(loc, scale\), got 3"):
        Normal(0.0, 1.0, 2.0)
    with pytest.raises(TypeError, match="Normal.*'sigma' is unknown; it takes loc, scale"):
        Normal(0.0, sigma=1.0)
    with pytest.raises(TypeError, match="Normal.*'loc' is given twice"):
        Normal(0.0, loc=1.0)
    with pytest.raises(TypeError, match="Normal: missing argument 'scale'"):
        Normal(0.0)


def test_records_are_frozen():
    with pytest.raises(AttributeError):
        Normal(0.0, 1.0).loc = 2.0


def test_values_share_a_treedef():
    one, two = Normal(0.0, 1.0), Normal(-3.5, 7)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert hash(jax.tree.structure(one)) == hash(jax.tree.structure(two))
    assert jax.tree.structure(one) != jax.tree.structure(Normal(np.zeros(2), 1.0))


def test_five_values_trace_once():
    traces = []

    @jax.jit
    def score(dist, x):
        traces.append(None)
        return dist.log_prob(x)

    for value in range(5):
        score(Normal(float(value), 1.0 + value), jnp.zeros(4))
    for value in range(5):
        score(Normal(np.array(value, DEFAULT), value + 1), jnp.zeros(4))
    assert len(traces) == 1


@pytest.mark.parametrize("leaf", [object(), None, jax.ShapeDtypeStruct((5, 2), np.float32), "text", -1])
def test_unflatten_validates_nothing(leaf):
    leaves, treedef = jax.tree.flatten(Normal(np.zeros(3), np.ones(3)))
    rebuilt = jax.tree.unflatten(treedef, [leaf] * len(leaves))
    assert rebuilt.loc is leaf
    assert rebuilt.event_shape == (3,)
    assert "Normal(" in repr(rebuilt)


def test_unflatten_accepts_tracers():
    def build(loc):
        return Normal(loc, 1.0).mean()

    mean = jax.jit(jax.vmap(build))(jnp.arange(4.0))
    np.testing.assert_allclose(mean, np.arange(4.0), rtol=0)
    stacked = jax.vmap(lambda m: Normal(m, 1.0))(jnp.arange(4.0))
    assert stacked.event_shape == ()
    assert [leaf.shape for leaf in jax.tree.leaves(stacked)] == [(4,), (4,)]
    shapes = jax.eval_shape(lambda m: Normal(m, 1.0), jnp.zeros(3))
    assert shapes.event_shape == (3,)


class Loud:
    """A leaf that no one may compare."""

    def __eq__(self, other):
        raise AssertionError("leaf compared")

    __hash__ = None


def test_comparison_and_hash_do_not_touch_leaves():
    treedef = jax.tree.structure(Normal(0.0, 1.0))
    one, two = (jax.tree.unflatten(treedef, [Loud(), Loud()]) for _ in range(2))
    assert one == one
    assert one != two
    assert len({one, two, one}) == 2
    wide = Normal(np.zeros(3), 1.0)
    assert wide in [wide]
    assert jax.tree.structure(wide) == jax.tree.structure(wide)


def test_param_shapes_are_those_of_construction():
    dist = Normal(np.zeros((2, 3)), 1.0)
    assert dist.param_shapes() == {"loc": (2, 3), "scale": (2, 3)}
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), dist)
    assert stacked.param_shapes() == {"loc": (2, 3), "scale": (2, 3)}
    assert Affine(0.0, 2.0).param_shapes() == {"shift": (), "scale": ()}


def test_tree_map_keeps_the_class_and_static_facts():
    moved = jax.tree.map(lambda leaf: leaf + 1, Normal(np.zeros(2), np.ones(2)))
    assert isinstance(moved, Normal)
    assert isinstance(moved, Distribution)
    np.testing.assert_allclose(moved.scale, 2.0, rtol=0)


def test_key_paths_carry_field_names():
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(Normal(0.0, 1.0))]
    assert paths == [".loc", ".scale"]


def test_scan_cond_and_while_accept_records():
    def body(dist, x):
        return Normal(dist.loc + x, dist.scale), dist.log_prob(x)

    final, log_probs = jax.lax.scan(body, Normal(0.0, 1.0), jnp.arange(3.0))
    assert log_probs.shape == (3,)
    np.testing.assert_allclose(final.loc, 3.0, rtol=0)
    chosen = jax.lax.cond(True, lambda d: d, lambda d: Normal(d.loc + 1, d.scale), final)
    np.testing.assert_allclose(chosen.loc, 3.0, rtol=0)


def test_flatten_of_four_leaves_takes_two_microseconds():
    dist = FourLeaves(0.0, 1.0, 2.0, 3.0)
    best = min(timeit.repeat(lambda: jax.tree.flatten(dist), number=1000, repeat=30)) / 1000
    assert best <= 2e-6, f"{best * 1e6:.2f} us"
