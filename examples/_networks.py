"""Wide random networks that are run, layer by layer, to be held beside the theory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import meanfield


@functools.partial(jax.jit, static_argnames=("ensemble",))
def _layer(key, signal, jacobian, phi, sigma_w, sigma_b, skip, *, ensemble):
    """The next signal and the Jacobian down to the input; phi acts before the weights where there is a skip."""
    width = signal.shape[0]
    weight_key, bias_key = jax.random.split(key)
    draw = meanfield.initializers.orthogonal(1.0) if ensemble == "orthogonal" else meanfield.initializers.gaussian(1.0)
    weights = sigma_w * draw(weight_key, (width, width), signal.dtype).T
    bias = sigma_b * jax.random.normal(bias_key, (width,), signal.dtype)
    slope = jax.vmap(jax.grad(lambda x: phi(x)))
    if skip is None:
        h = weights @ signal + bias
        return phi(h), slope(h)[:, None] * (weights @ jacobian)
    return skip * signal + weights @ phi(signal) + bias, skip * jacobian + weights @ (slope(signal)[:, None] * jacobian)


def squared_singular_values(key, phi, *, width, depths, q, sigma_w, sigma_b, ensemble, skip=None):
    """Squared singular values of the Jacobian of one network after each of `depths`, ascending: a list of (width,).

    The input is scaled so that the pre-activations of the first layer have variance q; with `skip` the layers are
    h' = skip h + W phi(h) + b and the input is h itself.
    """
    start, *keys = jax.random.split(key, max(depths) + 1)
    variance = (q - sigma_b**2) / sigma_w**2 if skip is None else q
    signal = jnp.sqrt(variance) * jax.random.normal(start, (width,))
    jacobian, found = jnp.eye(width), []
    for depth, layer_key in enumerate(keys, start=1):
        signal, jacobian = _layer(layer_key, signal, jacobian, phi, sigma_w, sigma_b, skip, ensemble=ensemble)
        if depth in depths:
            found.append(np.linalg.svd(np.asarray(jacobian), compute_uv=False)[::-1] ** 2)
    return found
