"""What every estimator obeys: compiled as eager, mapped as looped, scanned as stepped, traced once, dtypes kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from estimator_cases import CASES, DTYPE, SLOW_CASES

from depthjax import vi

TOL = 2e3 * float(np.finfo(DTYPE).eps)
ALL = {**CASES, **SLOW_CASES}
NAMES = [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_CASES)]


def same(got, want):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=TOL, atol=TOL, equal_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_laws(name):
    case = ALL[name]
    traces = []

    def function(*args):
        traces.append(1)
        return case.function(*args)

    fn = vi.value_and_grad(case.estimator, case.objective(function), case.guide(0))
    keys = jax.random.split(jax.random.key(0), 2)
    guides = case.guide(0), case.guide(1)
    state = case.estimator.init(guides[0])
    compiled = jax.jit(fn)

    one = compiled(keys[0], guides[0], state, *case.batch)
    count = len(traces)
    two = compiled(keys[1], guides[1], one[2], *case.batch)
    assert len(traces) == count, "another key, parameters and state compile anew"

    value, gradient, after, aux = one
    assert value.shape == aux.loss.shape == ()
    assert aux.per_sample.shape == (case.estimator.num_samples,)
    assert value.dtype == DTYPE
    assert jax.tree.structure(gradient) == jax.tree.structure(guides[0])
    assert [leaf.dtype for leaf in jax.tree.leaves(gradient)] == [leaf.dtype for leaf in jax.tree.leaves(guides[0])]
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((one, two)))
    np.testing.assert_allclose(value, np.mean(aux.per_sample), rtol=TOL, atol=TOL)

    @jax.jit
    def together(keys, guides, state):
        mapped = jax.vmap(lambda k, g, s: fn(k, g, s, *case.batch)[:3])(keys, guides, state)

        def step(state, inputs):
            value, gradient, state, _ = fn(*inputs, state, *case.batch)
            return state, (value, gradient)

        first = jax.tree.map(lambda leaf: leaf[0], state)
        return mapped, jax.lax.scan(step, first, (keys, guides))

    stacked, states = (jax.tree.map(lambda *leaves: jnp.stack(leaves), *pair) for pair in (guides, (state, after)))
    mapped, (last, stepped) = together(keys, stacked, states)
    for i, looped in enumerate((one, two)):
        same(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), looped[:3])
        same(jax.tree.map(lambda leaf, i=i: leaf[i], stepped), looped[:2])
    same(last, two[2])


# Uncompiled, every operation is compiled by itself, which takes long.
EAGER = ["pathwise, vector", "vimco, coins"]


@pytest.mark.parametrize(
    "name", [name if name in EAGER else pytest.param(name, marks=pytest.mark.slow) for name in ALL]
)
def test_compiled_is_eager(name):
    case = ALL[name]
    fn = vi.value_and_grad(case.estimator, case.objective(case.function), case.guide(0))
    args = jax.random.key(0), case.guide(0), case.estimator.init(case.guide(0)), *case.batch
    same(fn(*args)[:3], jax.jit(fn)(*args)[:3])


@pytest.mark.parametrize("name", ["vimco, coins", "disarm, coins", "relax, coins", "score, moving average, coins"])
def test_coins_that_are_all_but_certain(name):
    case = ALL[name]
    guide = jax.tree.map(lambda leaf: jnp.asarray([40.0, -200.0], leaf.dtype), case.guide(0))
    fn = vi.value_and_grad(case.estimator, case.objective(case.function), guide)
    found = jax.jit(fn)(jax.random.key(0), guide, case.estimator.init(guide))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("rao")])
def test_a_function_of_more_than_one_number_is_refused(name):
    case = ALL[name]
    fn = vi.value_and_grad(
        case.estimator, case.objective(lambda *args: jnp.stack([case.function(*args)] * 2)), case.guide(0)
    )
    with pytest.raises(ValueError, match=r"shape \(2,\), expected \(\)"):
        jax.eval_shape(fn, jax.random.key(0), case.guide(0), case.estimator.init(case.guide(0)), *case.batch)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in ("score_function", "pathwise", "sticking_the_landing", "doubly_reparameterized")),
        *((name, {}) for name in ("vimco", "arm", "disarm", "straight_through", "measure_valued")),
        ("rebar", {}),
        ("gumbel_softmax", {"temperature": 0.5}),
        ("relax", {"surrogate_apply": None, "surrogate_params": 0.0}),
        ("nvil", {"baseline_apply": None}),
        ("rao_blackwell", {"dependencies": [[True]]}),
    ],
)
def test_no_samples_are_refused(name, options):
    with pytest.raises(ValueError, match=f"{name}.* num_samples must be at least 1, got 0"):
        getattr(vi, name)(num_samples=0, **options)


@pytest.mark.skipif(jax.config.jax_enable_x64, reason="exported in float32")
@pytest.mark.parametrize("name", NAMES)
def test_exports_for_every_platform(name):
    case = ALL[name]
    fn = vi.value_and_grad(case.estimator, case.objective(case.function), case.guide(0))
    args = jax.random.key(0), case.guide(0), case.estimator.init(case.guide(0)), *case.batch
    exported = jax.export.export(jax.jit(lambda *a: fn(*a)[:3]), platforms=("cpu", "cuda", "tpu"))(*args)
    assert "f64" not in exported.mlir_module()
