"""Networks with a certified Lipschitz constant, for residual flows."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from depthjax.core import record, static
from depthjax.numerics import spectral_norm_bound

Activation = Callable[[jax.Array], jax.Array]
_GRAM_STEPS = 5


def lipswish(x: jax.Array) -> jax.Array:
    """X sigmoid(x) / 1.1, with a slope of at most one in size."""
    return x * jax.nn.sigmoid(x) / 1.1


@record
class DenseNet:
    """Dense layers with an activation between them, (d_in,) -> (d_out,).

    Args:
        weights: tuple of (width, width below).
        biases: tuple of (width,).
        activation: static elementwise function.
    """

    weights: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    activation: Activation = static(default=lipswish)

    def __call__(self, h: jax.Array) -> jax.Array:
        """All layers."""
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = bias + weight @ (self.activation(h) if layer else h)
        return h


@record
class LipschitzMLP:
    """`DenseNet` whose weights are divided, where needed, so that its Lipschitz constant is at most `bound`.

    Args:
        weights: tuple of (width, width below), of any size.
        biases: tuple of (width,).
        bound: static, in (0, 1).
        activation: static elementwise function with slopes in [-1, 1].

    Numerics:
        Each weight is held to bound^(1/number of layers) by a certified upper bound on its spectral norm (Gram
        iteration), not by power iteration, which approaches the norm from below.

    Source:
        Behrmann et al., Invertible Residual Networks (2019), sec. 2.1; Delattre et al. (2023) for the bound.
    """

    weights: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    bound: float = static(default=0.97)
    activation: Activation = static(default=lipswish)

    @property
    def dim(self) -> int:
        """Number of inputs."""
        return self.weights[0].shape[-1]

    def normalized(self) -> DenseNet:
        """The network with its weights divided: compute it once where many calls follow."""
        limit = self.bound ** (1.0 / len(self.weights))
        return DenseNet(tuple(_limited(weight, limit) for weight in self.weights), self.biases, self.activation)

    def __call__(self, h: jax.Array) -> jax.Array:
        """One call of the normalised network."""
        return self.normalized()(h)


def _limited(weight, limit):
    norm = spectral_norm_bound(weight, num_steps=_GRAM_STEPS)
    large = norm > limit
    return weight * jnp.where(large, limit / jnp.where(large, norm, 1.0), 1.0)


def lipschitz_mlp(
    key: jax.Array,
    dims: Sequence[int],
    *,
    bound: float = 0.97,
    activation: Activation = lipswish,
    dtype: jnp.dtype | None = None,
) -> LipschitzMLP:
    """A contractive multilayer perceptron for `Residual`, which starts at zero.

    Args:
        key: PRNG key of the initial weights (LeCun normal; zero in the last layer).
        dims: sizes (d, hidden, ..., d), the first larger by the size of a context that `WithContext` adds.
        bound: certified Lipschitz constant, in (0, 1).
        activation: elementwise function with slopes in [-1, 1].
        dtype: of the parameters; JAX's default float if None.

    Returns:
        A callable record (dims[0],) -> (d,).

    Raises:
        ValueError: fewer than two sizes, sizes below one, a first size below the last, or a bound out of range.
    """
    dims = tuple(dims)
    if len(dims) < 2 or min(dims) < 1 or dims[0] < dims[-1]:
        raise ValueError(f"lipschitz_mlp: dims are (d, hidden, ..., d), the first may be larger, positive, got {dims}")
    if not 0.0 < bound < 1.0:
        raise ValueError(f"lipschitz_mlp: bound must lie in (0, 1), got {bound}")
    dtype = jnp.result_type(float) if dtype is None else dtype
    keys = jax.random.split(key, len(dims) - 1)
    shapes = [(above, below) for below, above in zip(dims, dims[1:], strict=False)]
    weights = [jax.random.normal(k, shape, dtype) * shape[1] ** -0.5 for k, shape in zip(keys, shapes, strict=True)]
    weights[-1] = jnp.zeros(shapes[-1], dtype)
    biases = tuple(jnp.zeros(shape[0], dtype) for shape in shapes)
    return LipschitzMLP(tuple(weights), biases, bound, activation)
