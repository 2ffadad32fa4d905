"""Rejection sampling of many draws at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

_MAX_ROUNDS = 64


def accepted_draws(
    key: jax.Array,
    parameters: tuple[jax.Array, ...],
    propose: Callable[..., tuple[jax.Array, jax.Array]],
    *,
    rounds: int = 1,
) -> jax.Array:
    """One accepted proposal for each set of parameters.

    After `rounds` rounds over the whole array, which should leave less than a sixteenth of it, the refused ones are
    gathered and go on alone.

    Args:
        key: PRNG key.
        parameters: arrays of one shape (n,).
        propose: (key, *parameters) to proposals (m,) and which of them are accepted (m,). Better accepted at once
            where the parameters have no law.
        rounds: how many rounds go over the whole array.

    Returns:
        (n,), NaN where nothing was accepted in thousands of rounds.
    """
    size = parameters[0].size
    room = min(size, size // 16 + 64)
    key, first = jax.random.split(key)
    draws, accepted = _redraw(first, parameters, propose, rounds)

    def again(state):
        key, draws, accepted, count = state
        key, fresh = jax.random.split(key)
        (places,) = jnp.nonzero(~accepted, size=room, fill_value=size)
        gathered = tuple(p.at[places].get(mode="clip") for p in parameters)
        values, done = _redraw(fresh, gathered, propose, _MAX_ROUNDS)
        return key, draws.at[places].set(values, mode="drop"), accepted.at[places].set(done, mode="drop"), count + 1

    def pending(state):
        return ~jnp.all(state[2]) & (state[3] < _MAX_ROUNDS)

    state = (key, draws, accepted, jnp.zeros((), jnp.int32))
    _, draws, accepted, _ = lax.while_loop(pending, again, state)
    return jnp.where(accepted, draws, jnp.nan)


def _redraw(key, parameters, propose, rounds):
    """Proposals until all are accepted, for so many rounds at most."""

    def pending(state):
        return ~jnp.all(state[2]) & (state[3] < rounds)

    def again(state):
        key, draws, accepted, count = state
        key, fresh = jax.random.split(key)
        values, done = propose(fresh, *parameters)
        return key, jnp.where(accepted, draws, values), accepted | done, count + 1

    shape, dtype = parameters[0].shape, parameters[0].dtype
    state = (key, jnp.zeros(shape, dtype), jnp.zeros(shape, bool), jnp.zeros((), jnp.int32))
    return lax.while_loop(pending, again, state)[1:3]
