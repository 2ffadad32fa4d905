"""Laws that every bijector obeys, as plain functions of a registry entry and a dtype.

Each raises `AssertionError` where the law does not hold.
"""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from leaks import checking_leaks

import depthjax as dj
from depthjax.core import Invert, constraints


def jacobian_log_det(fn, x, jacobian):
    """log|det| of the Jacobian of `fn` at one event."""
    matrix = jacobian(fn)(x)
    return jnp.linalg.slogdet(matrix.reshape(x.size, x.size))[1]


def compute(bijector, x, chart):
    """Everything at inputs x (n, *event): both directions, Jacobians by both modes, parameter gradients."""
    y, forward_log_det = bijector.forward_and_log_det(x)
    back, inverse_log_det = bijector.inverse_and_log_det(y)
    coordinates = jax.vmap(chart[0])(y)

    def forward(v):
        return chart[0](bijector.forward(v))

    def inverse(v):
        return bijector.inverse(chart[1](v))

    def columns(fn, v, jacobian):
        return jax.vmap(lambda e: jacobian_log_det(fn, e, jacobian))(v)

    return {
        "y": y,
        "forward_log_det": forward_log_det,
        "back": back,
        "inverse_log_det": inverse_log_det,
        "again": bijector.forward(back),
        "coordinates": coordinates,
        "jacfwd": columns(forward, x, jax.jacfwd),
        "jacrev": columns(forward, x, jax.jacrev),
        "inverse_jacfwd": columns(inverse, coordinates, jax.jacfwd),
        "inverse_jacrev": columns(inverse, coordinates, jax.jacrev),
        "stretch": jax.vmap(lambda e: jnp.linalg.norm(jax.jacfwd(inverse)(e)))(coordinates),
        "inside": bijector.codomain.contains(y),
        "param_grad": jax.grad(lambda b: _total(b.forward_and_log_det(x)))(bijector),
        "inverse_param_grad": jax.grad(lambda b: _total(b.inverse_and_log_det(y)))(bijector),
    }


def _total(pair):
    return jnp.sum(pair[0]) + jnp.sum(pair[1])


def _compute_stack(stacked, xs, chart):
    return jax.vmap(lambda b, v: compute(b, v, chart))(stacked, xs)


_COMPILED = jax.jit(_compute_stack, static_argnames="chart")


def evaluate_now(entry, dtype):
    """Results of `compute` for every draw, on the host; a fresh trace every time."""
    compiled = jax.jit(lambda *batch: _compute_stack(*batch, entry.chart))
    return [jax.tree.map(np.asarray, compiled(*batch)) for batch in entry.batches(dtype)]


@functools.cache
def evaluate(entry, dtype):
    """The same, compiled once for each structure and shape."""
    return [jax.tree.map(np.asarray, _COMPILED(*batch, entry.chart)) for batch in entry.batches(dtype)]


def law_log_det(entry, dtype, evaluator=evaluate):
    """Log-dets of both directions are those of the Jacobians by forward and by reverse mode."""
    eps = np.finfo(dtype).eps
    tolerance = 1e-10 if dtype == np.float64 else 64 * eps * entry.log_det_slack * entry.jacobian_slack
    for got in evaluator(entry, dtype):
        for name, jacobians, reach in (
            ("forward_log_det", ("jacfwd", "jacrev"), 0.0),
            ("inverse_log_det", ("inverse_jacfwd", "inverse_jacrev"), _inflation(got)),
        ):
            assert np.isfinite(got[name]).all(), f"{entry.name}: {name}"
            for jacobian in jacobians:
                want = got[jacobian]
                error = np.abs(got[name] - want)
                slack = tolerance * np.maximum(1, np.abs(want)) + 64 * eps * reach
                assert (error <= slack).all(), (entry.name, name, jacobian, float((error / slack).max()))


def _inflation(got):
    """Rounding of y moves the point at which the inverse Jacobian is taken by eps |y| |d x/d y|."""
    size = np.abs(got["y"]).reshape(got["stretch"].shape + (-1,)).max(axis=-1)
    return np.maximum(size, 1) * got["stretch"]


def law_round_trip(entry, dtype):
    """|f(f^-1(y)) - y| <= 16 eps max(1, |y|); x comes back up to that error times the slope; log-dets cancel."""
    slack = 16 * np.finfo(dtype).eps * entry.round_trip
    groups = zip(evaluate(entry, dtype), entry.batches(dtype), strict=True)
    for got, (_, x) in groups:
        error = np.abs(got["again"] - got["y"]) / np.maximum(1, np.abs(got["y"]))
        assert np.isfinite(got["back"]).all(), entry.name
        assert error.max() <= slack, (entry.name, float(error.max() / slack * 16))
        reach = _inflation(got).reshape(got["stretch"].shape + (1,) * (x.ndim - 2))
        error = np.abs(got["back"] - x) / (np.maximum(1, np.abs(x)) + reach)
        assert error.max() <= slack, (entry.name, float(error.max() / slack * 16))


def law_log_dets_cancel(entry, dtype):
    """The log-det of the inverse at y = f(x) is minus that of f at x."""
    tolerance = (1e-10 if dtype == np.float64 else 64 * np.finfo(dtype).eps) * entry.log_det_slack
    for got in evaluate(entry, dtype):
        total = np.abs(got["forward_log_det"] + got["inverse_log_det"])
        slack = tolerance * np.maximum(1, np.abs(got["forward_log_det"])) + 64 * np.finfo(dtype).eps * _inflation(got)
        assert (total <= slack).all(), (entry.name, float((total / slack).max()))


def law_codomain(entry, dtype):
    """forward lands in the codomain with finite log-det, far out too, and inverse is finite there."""
    assert all(got["inside"].all() for got in evaluate(entry, dtype)), entry.name
    if entry.wild is None:
        return

    @jax.jit
    def there_and_back(b, v):
        y, log_det = b.forward_and_log_det(v)
        return y, log_det, *b.inverse_and_log_det(y), b.codomain.contains(y)

    for args in entry.draws:
        record, x = entry.record(args, dtype), entry.inputs(args, dtype, entry.wild)
        y, log_det, back, inverse_log_det, inside = there_and_back(record, x)
        inside = np.asarray(inside)
        assert inside.all(), (entry.name, x[~inside.reshape(len(x), -1).all(axis=1)][:3])
        for value in (y, log_det, back, inverse_log_det):
            assert np.isfinite(np.asarray(value)).all(), entry.name


def law_gradients_finite(entry, dtype):
    """Parameter gradients of value and log-det are finite in both directions."""
    for got in evaluate(entry, dtype):
        for name in ("param_grad", "inverse_param_grad"):
            for path, leaf in jax.tree_util.tree_leaves_with_path(got[name]):
                assert np.isfinite(leaf).all(), (entry.name, name, jax.tree_util.keystr(path))


def law_contract(entry, dtype):
    """Shapes, kinds and constraints are stated; Invert swaps the directions; six methods agree."""
    record = entry.record(entry.draws[0], dtype)
    x = entry.inputs(entry.draws[0], dtype)[:4]
    assert record.inverse_kind == entry.kind
    assert isinstance(record.domain, dj.Constraint)
    assert isinstance(record.codomain, dj.Constraint)
    assert x.shape[1:] == record.event_shape
    assert bool(record.domain.check(x))

    def everything(b, v):
        y, log_det = b.forward_and_log_det(v)
        flipped = Invert(b)
        return y, log_det, b.forward(v), b.forward_log_det(v), flipped.inverse(v), flipped.inverse_log_det(v), \
            b.inverse_and_log_det(y), (b.inverse(y), b.inverse_log_det(y)), flipped.forward_and_log_det(y)  # fmt: skip

    y, log_det, *same, one, two, three = jax.jit(everything)(record, x)
    assert y.shape == (4, *record.event_shape_out)
    assert log_det.shape == (4,)
    close = functools.partial(np.testing.assert_allclose, rtol=64 * np.finfo(dtype).eps, atol=64 * np.finfo(dtype).eps)
    for got, want in zip(same, (y, log_det, y, log_det), strict=True):
        close(got, want)
    for other in (two, three):
        close(other[0], one[0])
        close(other[1], one[1])
    flipped = record.invert()
    assert flipped.event_shape == record.event_shape_out
    assert constraints.implies(flipped.domain, record.codomain) or flipped.domain.name == record.codomain.name
    assert jax.tree.structure(flipped.invert()) == jax.tree.structure(record)


def law_dtype(entry, dtype):
    """Results have the dtype of the input and the parameters, float32 also under x64; bfloat16 runs."""
    for kind in dict.fromkeys((np.float32, dtype, ml_dtypes.bfloat16)):
        record, x = entry.record(entry.draws[0], kind), entry.inputs(entry.draws[0], kind)[:4]

        def both(b, v):
            y, log_det = b.forward_and_log_det(v)
            return y, log_det, *b.inverse_and_log_det(y)

        for leaf in jax.tree.leaves(jax.eval_shape(both, record, x)):
            assert leaf.dtype == kind, (entry.name, leaf.dtype)
        if entry.kind == "closed" and kind != np.float32:
            assert not any(np.isnan(np.asarray(v, np.float32)).any() for v in jax.jit(both)(record, x)), entry.name


def law_transformations(entry, dtype):
    """jit == eager, vmap == loop, batch axes lead, one trace for all draws, no leaked tracer; a stack raises."""
    traces = []

    def forward(b, v):
        traces.append(None)
        return b.forward_and_log_det(v)

    compiled, close = jax.jit(forward), functools.partial(np.testing.assert_allclose, rtol=1e3 * np.finfo(dtype).eps)
    close = functools.partial(close, atol=1e3 * np.finfo(dtype).eps)
    records = [entry.record(args, dtype) for args in entry.draws]
    inputs = [entry.inputs(args, dtype)[:4] for args in entry.draws]
    outputs = [compiled(record, x) for record, x in zip(records, inputs, strict=True)]
    assert len(traces) == (len(records) if entry.separate else 1), f"{entry.name}: {len(traces)} traces"
    record, x, (y, log_det) = records[0], inputs[0], outputs[0]
    one_y, one_log_det = record.forward_and_log_det(x[1])
    close(one_y, y[1])
    close(one_log_det, log_det[1])
    with checking_leaks():
        square, _ = jax.jit(lambda b, v: (b.forward(v), b.inverse_and_log_det(b.forward(v[0, 0]))))(
            record, x.reshape(2, 2, *x.shape[1:])
        )
    close(np.reshape(square, y.shape), y)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), record)
    if record.param_shapes():
        with pytest.raises(ValueError, match="vmap"):
            stacked.forward(x)


def law_nan(entry, dtype):
    """NaN in, NaN out, in both directions."""
    for stacked, xs in entry.batches(dtype):
        got = _COMPILED(stacked, np.full_like(xs, np.nan), entry.chart)
        assert np.isnan(np.asarray(got["coordinates"])).all(), entry.name
        assert np.isnan(np.asarray(got["back"])).all(), entry.name


def law_unconstrained(entry, dtype):
    """constrain inverts unconstrain."""
    for args in entry.draws:
        record = entry.record(args, dtype)
        back = dj.constrain(dj.unconstrain(record))
        assert jax.tree.structure(back) == jax.tree.structure(record)
        for got, want in zip(jax.tree.leaves(back), jax.tree.leaves(record), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e3 * np.finfo(dtype).eps, atol=1e3 * np.finfo(dtype).eps)


def law_export(entry):
    """Both directions lower for cpu, cuda and tpu in float32."""
    record, x = entry.record(entry.draws[0], np.float32), entry.inputs(entry.draws[0], np.float32)[:2]
    exported = dj.export_fn(lambda b, v: b.inverse_and_log_det(b.forward_and_log_det(v)[0]), record, x)
    assert exported.platforms == ("cpu", "cuda", "tpu")
