"""Autoregressive maps: coordinate i moves by an amount that the coordinates before it decide."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.bijectors._conditioner import check_conditioner, output_size
from depthjax.bijectors._transformers import Transformer
from depthjax.core import Bijector, derived, record, static
from depthjax.numerics import fixed_point

_METHODS = ("incremental", "jacobi", "sequential")


class _Autoregressive(Bijector):
    """The two directions, named by what the conditioner sees: `_parallel` its own input, `_sequential` its output."""

    conditioner: Any
    transformer: Transformer
    dim: int | None
    inverse_method: str | None

    @classmethod
    def _complete(cls, fields):
        name, conditioner, transformer = cls.__name__, fields["conditioner"], fields["transformer"]
        check_conditioner(name, conditioner)
        dim = getattr(conditioner, "dim", None) if fields["dim"] is None else fields["dim"]
        if dim is None:
            raise ValueError(f"{name}: {type(conditioner).__name__} does not state its size; give dim")
        size = output_size(name, conditioner, dim, jnp.float32)
        if size != dim * transformer.num_params:
            raise ValueError(
                f"{name}: conditioner gives {size} numbers, expected dim * num_params = {dim} * "
                f"{transformer.num_params} = {dim * transformer.num_params}"
            )
        incremental = hasattr(conditioner, "generate")
        method = fields["inverse_method"] or ("incremental" if incremental else "jacobi")
        if method not in _METHODS:
            raise ValueError(f"{name}: inverse_method is one of {', '.join(_METHODS)}, got {method!r}")
        if method == "incremental" and not incremental:
            raise ValueError(f"{name}: {type(conditioner).__name__} has no incremental evaluation; use 'jacobi'")
        return {**fields, "dim": dim, "inverse_method": method, "event_shape": (dim,)}

    def _raw(self, seen):
        return jnp.reshape(self.conditioner(seen), (self.dim, self.transformer.num_params))

    def _parallel(self, seen, apply):
        out, log_slopes = apply(seen, self._raw(seen))
        return out, jnp.sum(log_slopes)

    def _sequential(self, given, apply):
        """Solve out_i = apply(given_i; raw_i(out_<i)), whose conditioner sees its own output."""
        if self.inverse_method == "incremental":
            raw = self.conditioner.generate(lambda value, r: apply(value[None], r[None])[0][0], given)[1]
        elif self.inverse_method == "jacobi":
            sweep = partial(_sweep, apply)
            out = fixed_point(sweep, given, self.conditioner, given, tol=0.0, max_steps=given.shape[0] + 1).value
            raw = self._raw(out)
        else:
            raw = self._raw(self._one_by_one(given, apply))
        out, log_slopes = apply(given, raw)
        return out, jnp.sum(log_slopes)

    def _one_by_one(self, given, apply):
        def settle(out, index):
            return out.at[index].set(apply(given, self._raw(_finite(out)))[0][index]), None

        return jax.lax.scan(settle, given, jnp.arange(self.dim))[0]


def _sweep(apply, out, conditioner, given):
    return apply(given, jnp.reshape(conditioner(_finite(out)), (given.shape[0], -1)))[0]


def _finite(out):
    """Coordinates not settled yet may have overflowed; a mask times infinity would be NaN for the settled ones."""
    return jnp.where(jnp.isfinite(out), out, 0.0)


@record
class MaskedAutoregressive(_Autoregressive):
    """x_i = T(u_i; conditioner(x_<i)): scores in one pass of the conditioner, generates sequentially.

    Forward generates (u -> x), so `Transformed(base, MaskedAutoregressive(...))` has a fast `log_prob`.

    Args:
        conditioner: autoregressive callable pytree, (d,) -> (d, num_params) numbers of any shape, such as `flows.made`;
            row i must depend on the first i - 1 inputs only.
        transformer: family of scalar maps.
        inverse_method: how the sequential direction runs. "incremental": each step adds only what is newly determined,
            about 1.5 passes in all, for conditioners that have it (MADE). "jacobi": whole sweeps until two agree
            bitwise, at most d. "sequential": d passes. None: incremental where possible, else jacobi.
        dim: d, where the conditioner does not state it.

    Raises:
        ValueError: output of the wrong size, unknown method, or a method that the conditioner does not have.
        TypeError: a conditioner that is no callable pytree of parameters.

    Source:
        Papamakarios et al., Masked Autoregressive Flow (2017), eq. 3-5; Jacobi, Song et al. (2021), algorithm 2.
    """

    conditioner: Any
    transformer: Transformer
    inverse_method: str | None = static(default=None)
    dim: int | None = static(default=None)
    event_shape: tuple[int, ...] = derived()

    inverse_kind = "closed"

    def _forward_and_log_det(self, x):
        return self._sequential(x, self.transformer.forward_many)

    def _inverse_and_log_det(self, y):
        return self._parallel(y, self.transformer.inverse_many)


@record
class InverseAutoregressive(_Autoregressive):
    """x_i = T(u_i; conditioner(u_<i)): generates in one pass of the conditioner, inverts sequentially.

    Args:
        conditioner: as for `MaskedAutoregressive`.
        transformer: family of scalar maps.
        inverse_method: as for `MaskedAutoregressive`.
        dim: d, where the conditioner does not state it.

    Raises:
        ValueError: output of the wrong size, unknown method, or a method that the conditioner does not have.
        TypeError: a conditioner that is no callable pytree of parameters.

    Source:
        Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016), sec. 3.
    """

    conditioner: Any
    transformer: Transformer
    inverse_method: str | None = static(default=None)
    dim: int | None = static(default=None)
    event_shape: tuple[int, ...] = derived()

    inverse_kind = "autoregressive"

    def _forward_and_log_det(self, x):
        return self._parallel(x, self.transformer.forward_many)

    def _inverse_and_log_det(self, y):
        return self._sequential(y, self.transformer.inverse_many)
