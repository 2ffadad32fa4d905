"""Conditioners and builders for the registry of bijectors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

import depthjax.bijectors as bij
from depthjax.core import param, record


@record
class Net:
    """A two-layer conditioner, (d_in,) -> (d_out,)."""

    first: jax.Array = param()
    second: jax.Array = param()

    def __call__(self, h):
        """Apply."""
        return self.second @ jnp.tanh(self.first @ h)


@record
class MaskedNet:
    """An autoregressive conditioner: output rows i see inputs before i only."""

    first: jax.Array = param()
    second: jax.Array = param()
    bias: jax.Array = param()

    def __call__(self, h):
        """(d,) -> (d, k)."""
        strict = jnp.tril(jnp.ones((h.size, h.size), h.dtype), -1)
        hidden = jnp.tanh((self.first * strict) @ h)
        whole = jnp.tril(jnp.ones((h.size, h.size), h.dtype))
        return jnp.einsum("kij,ij,j->ik", self.second, whole, hidden) + self.bias


def net(seed, size_in, size_out, dtype, scale=1.0):
    """A random conditioner."""
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(5, size_in)), scale * random.normal(size=(size_out, 5)) / 2
    return Net(np.asarray(first, dtype), np.asarray(second, dtype))


def masked_net(seed, dim, num_params, dtype):
    """A random autoregressive conditioner."""
    random = np.random.default_rng(seed)
    parts = (
        random.normal(size=(dim, dim)),
        random.normal(size=(num_params, dim, dim)) / 2,
        random.normal(size=(dim, num_params)) / 2,
    )
    return MaskedNet(*(np.asarray(part, dtype) for part in parts))


def plain(name, **options):
    """Builder of a class whose arguments are arrays."""
    return lambda *args, dtype: getattr(bij, name)(*(np.asarray(a, dtype) for a in args), **options)


def fixed(name, dtype_free=()):
    """Builder of a leafless class with an event of shape (3,)."""
    return lambda *args, dtype: getattr(bij, name)(*args, *dtype_free, event_shape=(3,))


def scan_layers(kind, depth=4):
    """Builder of a scanned stack of couplings."""

    def build(seed, *, dtype):
        make = [coupling(seed + i, dtype, "AffineTransformer", mask=(True, False, True)) for i in range(depth)]
        layers = jax.tree.map(lambda *leaves: jnp.stack(leaves), *make)
        return bij.Scan(layers, backward=kind)

    return build


def coupling(seed, dtype, transformer, *, mask, scale=1.0, **options):
    """A coupling on (3,)."""
    part = getattr(bij, transformer)(**options)
    moved = len(mask) - sum(mask)
    return bij.Coupling(net(seed, sum(mask), moved * part.num_params, dtype, scale), part, mask=mask)


def autoregressive(name, transformer, **options):
    """Builder of an autoregressive map on (3,)."""

    def build(seed, *, dtype):
        part = getattr(bij, transformer)()
        return getattr(bij, name)(masked_net(seed, 3, part.num_params, dtype), part, dim=3, **options)

    return build


def residual(bound, **options):
    """Builder of a residual map on (3,) whose net has every layer at the limit."""

    def build(seed, *, dtype):
        random = np.random.default_rng(seed)
        shapes = ((5, 3), (5, 5), (3, 5))
        weights = tuple(jnp.asarray(random.normal(size=shape), dtype) for shape in shapes)
        biases = tuple(jnp.asarray(random.normal(size=shape[0]), dtype) for shape in shapes)
        return bij.Residual(bij.LipschitzMLP(weights, biases, bound), **options)

    return build


def block_autoregressive(seed, *, dtype):
    """A block autoregressive map on (3,) far from the identity."""
    made = bij.block_autoregressive(jax.random.key(0), 3, depth=1, block_dim=4, dtype=dtype)
    random = np.random.default_rng(seed)
    made = jax.tree.map(lambda leaf: leaf + jnp.asarray(0.7 * random.normal(size=leaf.shape), dtype), made)
    return dataclasses.replace(made, raw_gate=jnp.asarray(0.15, dtype))


def deep_sigmoidal(seed, *, dtype):
    """Two layers of four units."""
    random = np.random.default_rng(seed)
    shapes = (((4, 1), (4, 4)), ((4,), (4,)), ((4,), (4,)), ((4, 4), (1, 4)))
    return bij.DeepSigmoidal(*(tuple(jnp.asarray(random.normal(size=s), dtype) for s in part) for part in shapes))
