"""The linear autoencoder, whose optimum the singular value decomposition gives."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import record, require_shape
from depthjax.distributions._gaussian_algebra import matvec
from depthjax.latent._data import centred, points, principal_axes


@record
class LinearAutoencoder:
    """Encoder and decoder of a linear autoencoder of least squared error.

    Args:
        encoder: U^T, (q, d).
        decoder: U, (d, q).
        loc: mean of the data, (d,).
        reconstruction_error: () sum of squared errors over the data.
    """

    encoder: jax.Array
    decoder: jax.Array
    loc: jax.Array
    reconstruction_error: jax.Array

    def encode(self, x: ArrayLike) -> jax.Array:
        """Codes U^T (x - loc), (*batch, d) -> (*batch, q)."""
        x = jnp.asarray(x, self.loc.dtype)
        require_shape("LinearAutoencoder.encode", "the last axis of x", x[(0,) * (x.ndim - 1)], self.loc.shape)
        return matvec(self.encoder, x - self.loc.reshape((1,) * (x.ndim - 1) + self.loc.shape))

    def decode(self, code: ArrayLike) -> jax.Array:
        """Reconstructions loc + U code, (*batch, q) -> (*batch, d)."""
        code = jnp.asarray(code, self.loc.dtype)
        shape = self.encoder.shape[:1]
        require_shape("LinearAutoencoder.decode", "the last axis of code", code[(0,) * (code.ndim - 1)], shape)
        return self.loc.reshape((1,) * (code.ndim - 1) + self.loc.shape) + matvec(self.decoder, code)


def linear_autoencoder(x: ArrayLike, code_size: int) -> LinearAutoencoder:
    """Linear maps x -> code -> x of the least squared error, sum_i |x_i - loc - D E (x_i - loc)|^2.

    One optimum is E = U_q^T, D = U_q with the q leading principal axes of the data; the others are G E, D G^-1 with G
    invertible, and with tied weights D = E^T those with G orthogonal.

    Args:
        x: (n, d).
        code_size: q, static, from 0 to min(n, d).

    Returns:
        The maps, each axis with its largest entry positive; the error is the sum of the discarded squared singular
        values.

    Raises:
        ValueError: `x` is not (n, d), or `code_size` is out of range.
        TypeError: integer data.

    Numerics:
        Singular values of the centred data, not eigenvalues of the covariance: small ones keep their digits. The maps
        have no derivative in x where kept and discarded singular values coincide.

    Cost:
        O(n d^2).

    Source:
        Baldi and Hornik, Neural Networks and Principal Component Analysis (1989), fact 4.
    """
    x = points("linear_autoencoder", x)
    most = min(x.shape)
    if not 0 <= code_size <= most:
        raise ValueError(f"linear_autoencoder: code_size is {code_size}, expected from 0 to min(n, d) = {most}")
    loc, rest = centred(x)
    values, axes = principal_axes(rest)
    kept = axes[:code_size]
    return LinearAutoencoder(kept, kept.T, loc, jnp.sum(values[code_size:] ** 2))
