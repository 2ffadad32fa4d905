"""A small network of an event and a time, and its training loop, for the examples on diffusion and flow matching."""

import jax
import jax.numpy as jnp
import optax

FREQUENCIES = 2.0 ** jnp.arange(5)


def init(key, dim, width=128, depth=3):
    """Kernels and biases of a perceptron with sine features of time in [0, 1]."""
    sizes = (dim + 2 * FREQUENCIES.size, *(width,) * depth, dim)
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (a, b)) * (2.0 / a) ** 0.5, jnp.zeros(b))
        for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]


def apply(params, x, t):
    """(n, dim) events and (n,) times in [0, 1] -> (n, dim)."""
    angles = jnp.pi * t[:, None] * FREQUENCIES[None]
    h = jnp.concatenate([x, jnp.sin(angles), jnp.cos(angles)], axis=1)
    for kernel, bias in params[:-1]:
        h = jax.nn.silu(h @ kernel + bias)
    kernel, bias = params[-1]
    return h @ kernel + bias


def train(key, params, loss, draw, *, num_steps, learning_rate=2e-3):
    """Adam with a cosine schedule; the average of the last parameters, and the losses (num_steps,)."""
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_steps))

    @jax.jit
    def run(params):
        def body(carry, step_key):
            params, average, state = carry
            data_key, loss_key = jax.random.split(step_key)
            value, slope = jax.value_and_grad(loss)(params, loss_key, *draw(data_key))
            updates, state = optimizer.update(slope, state, params)
            params = optax.apply_updates(params, updates)
            average = optax.incremental_update(params, average, 0.01)
            return (params, average, state), value

        start = (params, params, optimizer.init(params))
        (_, average, _), values = jax.lax.scan(body, start, jax.random.split(key, num_steps))
        return average, values

    return run(params)


def energy_distance(x, y):
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of two samples: 0 for equal laws."""
    from depthjax.divergences import energy_distance_squared

    return float(energy_distance_squared(x, y, unbiased=True))
