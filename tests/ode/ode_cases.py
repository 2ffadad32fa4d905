"""Problems with known solutions and gradients that the tests of this package share."""

import jax
import jax.numpy as jnp
import numpy as np

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)

LOTKA_PARAMS = np.array([1.5, 1.0, 3.0, 1.0], DTYPE)
LOTKA_START = np.ones(2, DTYPE)
LOTKA_LOSS = 1.9360358457
LOTKA_GRADIENT = np.array([-4.09621299, -0.50940881, -1.14583489, -1.80432787])


def lotka_volterra(t, y, p):
    return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]])


def logistic(t, y, r):
    return r * y * (1 - y)


def network(key=0, width=8, dim=3):
    """Weights of a small field of two tanh layers."""
    rng = np.random.default_rng(key)
    shapes = {"a": (dim, width), "b": (width,), "c": (width, dim)}
    return {name: (rng.normal(size=shape) * 0.5).astype(DTYPE) for name, shape in shapes.items()}


def mlp(t, y, w):
    return jnp.tanh(y @ w["a"] + w["b"] + jnp.sin(t)) @ w["c"]
