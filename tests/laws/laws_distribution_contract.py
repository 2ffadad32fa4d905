"""Laws of the contract that every family obeys: methods, dtypes, transformations, bad values, raw coordinates.

Each raises `AssertionError` where the law does not hold.
"""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from family_entry import METHODS
from family_values import LOG_P, compute_values, evaluate_records, padded
from leaks import checking_leaks

import depthjax as dj


def law_capabilities(entry):
    """A class has exactly the methods that its table row promises, and says how its draws depend on parameters."""
    dist = entry.record(entry.draws[0], np.float32)
    for letter, methods in METHODS.items():
        for method in methods:
            assert hasattr(dist, method) == (letter in entry.offers), f"{entry.name}.{method}"
    assert dist.reparameterized == entry.pathwise
    assert isinstance(dist, dj.Distribution)


def law_bad_values(entry, dtype):
    """Invalid parameters and NaN input give NaN everywhere, never a number."""
    points = [entry.evaluation_points(args, dtype) for args in padded(entry.draws)]
    nan = evaluate_records([entry.record(a, dtype) for a in entry.draws], [np.full_like(x, np.nan) for x in points])
    for name in ("log_prob", "cdf", "log_cdf", "survival", "log_survival"):
        if name in nan:
            assert np.isnan(nan[name]).all(), f"{entry.name}.{name}(nan)"
    if not entry.invalid:
        return
    records = [entry.record(args, dtype) for args in entry.invalid]
    results = evaluate_records(records, points)
    for name in ("log_prob", "sample", "sample_log_prob", "mean", "variance", "stddev", "mode", "entropy", "cdf",
                 "log_cdf", "survival", "log_survival", "quantile", "quantile_from_log"):  # fmt: skip
        if name in results and np.issubdtype(results[name].dtype, np.inexact):
            for i, args in enumerate(padded(entry.invalid)):
                assert np.isnan(results[name][i]).all(), f"{entry.name}{args}.{name}"


def law_dtype(entry, dtype):
    """Results have the dtype of the parameters, bfloat16 and, under x64, float32 too; discrete draws are int32."""
    for kind in dict.fromkeys((np.float32, dtype, ml_dtypes.bfloat16)):
        record = entry.record(entry.draws[0], kind)
        x = np.asarray(entry.evaluation_points(entry.draws[0], dtype), kind)
        shapes = jax.eval_shape(compute_values, record, x, np.asarray(LOG_P, kind), 0)
        for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
            name = jax.tree_util.keystr(path)
            expected = np.bool_ if "inside" in name else kind
            if entry.discrete and name in ("['sample']", "['mode']", "['enumerate_support']"):
                assert leaf.dtype in (np.int32, kind), (entry.name, name, leaf.dtype)
            else:
                assert leaf.dtype == expected, (entry.name, name, leaf.dtype)
        if entry.discrete:
            assert shapes["sample"].dtype == np.int32
    values = np.asarray(jax.jit(lambda d, e: d.log_prob(e))(record, x)).astype(np.float32)
    assert not np.isnan(values).any(), f"{entry.name} in bfloat16"


def law_transformations(entry, dtype):
    """jit == eager, vmap == loop, batch axes lead, one trace for all draws, no leaked tracer."""
    traces = []

    def score(dist, x):
        traces.append(None)
        return dist.log_prob(x)

    compiled, eps = jax.jit(score), np.finfo(dtype).eps
    records = [entry.record(args, dtype) for args in entry.draws]
    points = [entry.evaluation_points(args, dtype) for args in entry.draws]
    batch = [np.asarray(compiled(record, x)) for record, x in zip(records, points, strict=True)]
    assert len(traces) == 1, f"{entry.name}: {len(traces)} traces for {len(records)} values"
    slack = 16 * eps * float(np.max(entry.conditions(points[0], entry.draws[0])))
    tolerance = {"rtol": slack, "atol": slack}
    np.testing.assert_allclose(records[0].log_prob(points[0]), batch[0], **tolerance)
    stacked, square = jax.tree.map(lambda *leaves: jnp.stack(leaves), *records), points[0][:4]
    square = square.reshape(2, 2, *square.shape[1:])
    one, four, each = jax.jit(lambda d, s, xs: (d.log_prob(xs[0, 1]), d.log_prob(square), dj.log_prob_each(s, xs)))(
        records[0], stacked, np.stack(points)
    )
    np.testing.assert_allclose(one, batch[0][1], **tolerance)
    np.testing.assert_allclose(np.ravel(four), batch[0][:4], **tolerance)
    for args, x, got, want in zip(entry.draws, points, each, batch, strict=True):
        slack = 16 * eps * entry.conditions(x, args)
        assert (np.abs(got - want) <= slack * np.maximum(1, np.abs(want))).all(), (entry.name, args)
    with checking_leaks():
        jax.jit(lambda d: d.sample_and_log_prob(jax.random.key(0), (2,)))(records[0])


def law_pathwise(entry, dtype):
    """A pathwise derivative satisfies p(z) dz/dtheta = -dF/dtheta; a draw without one refuses to be differentiated."""
    args = entry.draws[0]
    record = entry.record(args, dtype)
    checked = entry.frozen is not None and dtype == np.float64 and entry.scalar
    num_draws = 4000 if checked and entry.num_noises > 1 else 16

    def draw(dist):
        return dist.sample(jax.random.key(3), (num_draws,))

    if entry.pathwise == "none":
        with pytest.raises(TypeError, match="no pathwise gradient"):
            jax.eval_shape(jax.grad(lambda d: jnp.sum(draw(d).astype(dtype))), record)
        return
    z, slopes = jax.jit(lambda d: (draw(d), jax.jacfwd(draw)(d)))(record)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(slopes))
    if not checked:
        return
    z, frozen = np.asarray(z), entry.transport or entry.frozen
    density = frozen(*args).pdf(z)
    for k, slope in enumerate(jax.tree.leaves(slopes)):
        step = 1e-5 * max(1.0, abs(args[k]))
        up, down = ([a + s * step * (j == k) for j, a in enumerate(args)] for s in (1, -1))
        want = -(frozen(*up).cdf(z) - frozen(*down).cdf(z)) / (2 * step)
        _check_transport(np.asarray(slope) * density, want, z, entry.num_noises, f"{entry.name} field {k}")


def _check_transport(got, want, z, num_noises, name):
    """Draw by draw for one noise; for several, the mean of the difference against two functions of z, in z-scores."""
    if num_noises == 1:
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-7, err_msg=name)
        return
    for weight in (np.ones_like(z), np.sign(z - np.median(z))):
        difference = weight * (got - want)
        error = difference.std() / np.sqrt(len(z)) + 1e-7
        assert abs(difference.mean()) <= 4.5 * error, (name, difference.mean(), error)
        assert error < 0.2 * np.abs(want).mean() + 1e-6, (name, "too few draws to tell")


def law_unconstrained(entry, dtype):
    """constrain inverts unconstrain, and any raw values in [-30, 30] give finite draws with finite log_prob."""
    records = [entry.record(args, dtype) for args in entry.draws]
    for record in records:
        back = dj.constrain(dj.unconstrain(record))
        assert jax.tree.structure(back) == jax.tree.structure(record)
        for got, want in zip(jax.tree.leaves(back), jax.tree.leaves(record), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e3 * np.finfo(dtype).eps, atol=1e3 * np.finfo(dtype).eps)
    vector, unravel = dj.ravel(records[0])
    random = np.random.default_rng(1)
    wild = [unravel(jnp.asarray(random.uniform(-30, 30, vector.shape), dtype)) for _ in range(4)]
    for record in wild:
        dj.validate(record)
    results = evaluate_records(wild, [entry.evaluation_points(args, dtype) for args in padded(entry.draws)])
    assert np.isfinite(results["sample"]).all(), (entry.name, wild)
    assert np.isfinite(results["sample_log_prob"]).all(), (entry.name, wild)


def law_export(entry):
    """log_prob and sample lower for cpu, cuda and tpu in float32."""
    record = entry.record(entry.draws[0], np.float32)
    x = entry.evaluation_points(entry.draws[0], np.float32)[:2]
    seed = np.zeros((), np.uint32)
    exported = dj.export_fn(lambda d, e, s: (d.log_prob(e), d.sample(jax.random.key(s), (2,))), record, x, seed)
    assert exported.platforms == ("cpu", "cuda", "tpu")
