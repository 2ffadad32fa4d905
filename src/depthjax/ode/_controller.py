"""An adaptive loop of an explicit pair that keeps what it accepted."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.ode._methods import Tableau
from depthjax.ode._orders import rk_order
from depthjax.ode._step import combine, explicit_slopes, is_explicit

_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 10.0


class Settings(NamedTuple):
    """Static options of the loop; `keep_every` states are kept of so many, None of none."""

    method: Tableau
    rtol: float
    atol: float
    max_steps: int
    keep_every: int | None = 1
    keep_slopes: bool = False


class Path(NamedTuple):
    """What the loop did.

    Attributes:
        y: last state.
        slope: f there.
        ts: (max_steps,) start times of the accepted steps, the first `num_accepted` entries.
        hs: (max_steps,) their sizes.
        kept: kept states at their start; leaves lead with ceil(max_steps / keep_every).
        slopes: slopes at their start, if asked for.
        num_accepted: accepted steps.
        num_attempts: all steps.
        done: whether the end was reached.
    """

    y: Any
    slope: Any
    ts: jax.Array
    hs: jax.Array
    kept: Any
    slopes: Any
    num_accepted: jax.Array
    num_attempts: jax.Array
    done: jax.Array


def require_pair(function: str, method: Any) -> None:
    """Raise `ValueError` unless the method is an explicit pair."""
    if not isinstance(method, Tableau) or method.b_hat is None or not is_explicit(method):
        raise ValueError(f"{function}: method is no explicit pair, expected BOSH3, DOPRI5, TSIT5 or such with b_hat")


def rms_norm(error: Any, scale: Any) -> jax.Array:
    """Root mean square of error/scale over all entries of the state."""
    ratios = [e / s for e, s in zip(jax.tree.leaves(error), jax.tree.leaves(scale), strict=True)]
    dtype = max((r.dtype for r in ratios), key=lambda d: d.itemsize)
    total = sum((jnp.sum(r * r).astype(dtype) for r in ratios[1:]), jnp.sum(ratios[0] * ratios[0]).astype(dtype))
    return jnp.sqrt(total / max(sum(r.size for r in ratios), 1))


def _scales(settings, *states):
    def leaf(*values):
        size = jnp.abs(values[0])
        for value in values[1:]:
            size = jnp.maximum(size, jnp.abs(value))
        return settings.atol + settings.rtol * size

    return jax.tree.map(leaf, *states)


def _first_step(settings, f, t0, t1, y, slope, args, order, norm):
    """Hairer, Norsett and Wanner, II.4: from the sizes of the slope and of its change over an Euler step.

    A slope of zero, such as that of a flow before it is trained, gives a hundredth of the interval.
    """
    scale = _scales(settings, y)
    size, speed = norm(y, scale), norm(slope, scale)
    tiny = (size < 1e-5) | (speed < 1e-5)
    guess = jnp.where(tiny, 1e-6, 0.01 * size / jnp.where(tiny, 1.0, speed)).astype(t0.dtype)
    guess = jnp.minimum(guess, jnp.abs(t1 - t0))
    h = jnp.sign(t1 - t0) * guess
    moved = f(t0 + h, combine(y, h, [1.0], [slope]), args)
    bend = norm(jax.tree.map(jnp.subtract, moved, slope), scale) / jnp.where(guess > 0, guess, 1.0)
    steep = jnp.maximum(speed, bend)
    flat = steep <= 1e-15
    longer = ((0.01 / jnp.where(flat, 1.0, steep)) ** (1 / order)).astype(t0.dtype)
    return jnp.where(flat, 0.01 * (t1 - t0), jnp.sign(t1 - t0) * jnp.minimum(100 * guess, longer))


def adaptive(
    settings: Settings, f: Callable, y0: Any, t0: jax.Array, t1: jax.Array, args: Any, norm: Callable = rms_norm
) -> Path:
    """Integrate from t0 to t1; steps are those of an I controller on the norm of the embedded error."""
    max_steps = settings.max_steps
    order = rk_order(settings.method, embedded=True) + 1
    every = settings.keep_every
    slope = f(t0, y0, args)
    h = _first_step(settings, f, t0, t1, y0, slope, args, order, norm)
    eps = float(jnp.finfo(t0.dtype).eps)

    def buffer(leaf, count):
        return jnp.zeros((count, *leaf.shape), leaf.dtype)

    kept = None if every is None else jax.tree.map(lambda v: buffer(v, -(-max_steps // every)), y0)
    slopes = jax.tree.map(lambda v: buffer(v, max_steps), y0) if settings.keep_slopes else None
    times = buffer(t0, max_steps) if every is not None else None

    def cond(carry):
        t, _, _, h, _, _, attempts, _ = carry
        return (t != t1) & (attempts < max_steps) & (jnp.abs(h) > eps * jnp.abs(t))

    def body(carry):
        t, y, slope, h, last, accepted, attempts, (ts, hs, kept, slopes) = carry
        ends = jnp.abs(h) >= jnp.abs(t1 - t) * (1 - 4 * eps)
        h = jnp.where(ends, t1 - t, h)
        new, end_slope, error = _attempt(settings, f, t, h, y, args, slope, norm)
        accept = error <= 1
        if every is not None:
            ts, hs = ts.at[accepted].set(t), hs.at[accepted].set(h)
            kept = _write(kept, y, accepted, every)
        if slopes is not None:
            slopes = _write(slopes, slope, accepted, 1)
        highest = jnp.where(accept & last, _GROW, 1.0).astype(t.dtype)
        factor = jnp.clip(_SAFETY * jnp.maximum(error, 1e-10) ** (-1 / order), _SHRINK, highest)
        y, slope = (_where(accept, a, b) for a, b in ((new, y), (end_slope, slope)))
        t = jnp.where(accept, jnp.where(ends, t1, t + h), t)
        return (
            t,
            y,
            slope,
            h * factor,
            accept,
            accepted + accept.astype(jnp.int32),
            attempts + 1,
            (ts, hs, kept, slopes),
        )

    zero = jnp.int32(0)
    start = (t0, y0, slope, h, jnp.ones((), bool), zero, zero, (times, times, kept, slopes))
    t, y, slope, _, _, accepted, attempts, (ts, hs, kept, slopes) = lax.while_loop(cond, body, start)
    return Path(y, slope, ts, hs, kept, slopes, accepted, attempts, t == t1)


def _attempt(settings, f, t, h, y, args, slope, norm):
    """The new state, the slope there, and the size of the error in units of the tolerance, inf for NaN."""
    method = settings.method
    ks = explicit_slopes(method, f, t, h, y, args, slope)
    new = combine(y, h, list(method.b), ks)
    error = norm(combine(None, h, list(method.b - method.b_hat), ks), _scales(settings, y, new))
    end_slope = ks[-1] if method.is_fsal else f(t + h, new, args)
    return new, end_slope, jnp.where(jnp.isfinite(error), error, jnp.inf).astype(t.dtype)


def _where(accept, new, old):
    return jax.tree.map(lambda a, b: jnp.where(accept, a, b), new, old)


def _write(buffers, values, index, every):
    """Write `values` at index/every if that is whole; the entry of a rejected step is overwritten by the next try."""

    def leaf(buffer, value):
        place = index // every
        value = value if every == 1 else jnp.where(index % every == 0, value, buffer[place])
        return lax.dynamic_update_index_in_dim(buffer, value, place, 0)

    return jax.tree.map(leaf, buffers, values)
