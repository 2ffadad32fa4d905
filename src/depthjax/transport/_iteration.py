"""Sinkhorn's iteration: between updates in the log domain, scalings of a matrix that holds the potentials."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.transport._potentials import Problem, row_error, update_f, update_g

_BLOCK = 30
_DRIFT = math.exp(15.0)
_WIDE = 100.0
_COOLING = 4.0
_PAIRS_AT_EACH = 4


def iterate(problem: Problem, start: jax.Array, num_steps: int) -> tuple[jax.Array, jax.Array]:
    """(f, g) after a fixed number of pairs of updates, from a start for g; the last pair is in the log domain."""
    f, g = _pair(problem, start)

    def unfinished(state):
        return state[2] < num_steps

    def body(state):
        f, g, count = state
        f, g, more = _scale(problem, f, g, num_steps - 1 - count, jnp.zeros((), g.dtype))
        return *_pair(problem, g), count + more + 1

    return lax.while_loop(unfinished, body, (f, g, jnp.ones((), jnp.int32)))[:2]


def iterate_until(
    problem: Problem, start: jax.Array, tol: jax.Array, max_steps: int, *, cooled: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(f, g) at a marginal error of at most `tol`, or after `max_steps`, and the number of pairs of updates."""
    f, g = _pair(problem, _cooled(problem, start) if cooled else start)

    def unfinished(state):
        _, _, error, count = state
        return ~(error <= tol) & (count < max_steps)

    def body(state):
        f, g, _, count = state
        f, g, more = _scale(problem, f, g, max_steps - 1 - count, tol)
        f, g = _pair(problem, g)
        return f, g, row_error(problem, g, f), count + more + 1

    begin = (f, g, row_error(problem, g, f), jnp.ones((), jnp.int32))
    f, g, _, count = lax.while_loop(unfinished, body, begin)
    return f, g, count


def _pair(problem, g):
    f = update_f(problem, g)
    return f, update_g(problem, f)


def _cooled(problem, start):
    """G after a few updates at each of a falling sequence of strengths, which long distances need."""
    finite = jnp.where(jnp.isfinite(problem.cost), problem.cost, 0.0)
    widest = jnp.max(finite) - jnp.min(finite)
    first = jnp.where(widest > _WIDE * problem.epsilon, widest / _COOLING, 0.0)

    def warm(state):
        return state[1] > problem.epsilon

    def body(state):
        g, epsilon = state
        return iterate(problem._replace(epsilon=epsilon), g, _PAIRS_AT_EACH)[1], epsilon / _COOLING

    return lax.while_loop(warm, body, (start, first))[0]


def _scale(problem, f, g, most, tol):
    """Potentials after at most `most` pairs of updates and a block of them, and how many they were.

    f + eps log u and g + eps log v for u = 1/(K v) and v = b/(K^T (a u)) with K = exp((f + g - C)/eps) b, whose rows
    sum to about one. It ends where the marginal error is at most `tol`, and before a scaling leaves the range in which
    entries of K that underflow cannot matter.
    """
    a, b = jnp.exp(problem.log_a), jnp.exp(problem.log_b)
    kernel = jnp.exp((f[:, None] + g[None, :] - problem.cost) / problem.epsilon + problem.log_b[None, :])

    def near(scaling):
        return jnp.all((scaling > 1.0 / _DRIFT) & (scaling < _DRIFT))

    def unfinished(state):
        return state[3] & (state[2] < jnp.minimum(most, _BLOCK))

    def body(state):
        u, v, count, _ = state
        rows = jnp.matmul(kernel, v, precision=lax.Precision.HIGHEST)
        wanted = 1.0 / rows
        columns = jnp.matmul(a * wanted, kernel, precision=lax.Precision.HIGHEST)
        other = jnp.where(b > 0.0, b / jnp.where(b > 0.0, columns, 1.0), 1.0)
        sound = near(wanted) & near(other)
        error = jnp.sum(a * jnp.abs(u * rows - 1.0))
        u, v = jnp.where(sound, wanted, u), jnp.where(sound, other, v)
        return u, v, count + sound.astype(jnp.int32), sound & ~(error <= tol)

    begin = (jnp.ones_like(f), jnp.ones_like(g), jnp.zeros((), jnp.int32), jnp.ones((), bool))
    u, v, count, _ = lax.while_loop(unfinished, body, begin)
    return f + problem.epsilon * jnp.log(u), g + problem.epsilon * jnp.log(v), count
