"""Wide random networks that are run, layer by layer, to be held beside the theory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import meanfield


@functools.partial(jax.jit, static_argnames=("ensemble",))
def _layer(key, signal, jacobian, phi, sigma_w, sigma_b, skip, *, ensemble):
    """The next signal skip x + phi(W x + b), and its derivative in the input of the network."""
    width = signal.shape[0]
    weight_key, bias_key = jax.random.split(key)
    draw = meanfield.initializers.orthogonal(1.0) if ensemble == "orthogonal" else meanfield.initializers.gaussian(1.0)
    weights = sigma_w * draw(weight_key, (width, width), signal.dtype).T
    bias = sigma_b * jax.random.normal(bias_key, (width,), signal.dtype)
    slope = jax.vmap(jax.grad(lambda x: phi(x)))
    h = weights @ signal + bias
    return skip * signal + phi(h), skip * jacobian + slope(h)[:, None] * (weights @ jacobian)


def squared_singular_values(key, phi, *, width, depths, q, sigma_w, sigma_b, ensemble, skip=0.0):
    """Squared singular values of the Jacobian of one network after each of `depths`, ascending: a list of (width,).

    Layers are skip x + phi(W x + b); the input is scaled so that pre-activations of the first one have variance q.
    """
    start, *keys = jax.random.split(key, max(depths) + 1)
    signal = jnp.sqrt((q - sigma_b**2) / sigma_w**2) * jax.random.normal(start, (width,))
    jacobian, found = jnp.eye(width), []
    for depth, layer_key in enumerate(keys, start=1):
        signal, jacobian = _layer(layer_key, signal, jacobian, phi, sigma_w, sigma_b, skip, ensemble=ensemble)
        if depth in depths:
            found.append(np.linalg.svd(np.asarray(jacobian), compute_uv=False)[::-1] ** 2)
    return found
