"""Where an amortised guide loses its nats: the family of the guide, or the encoder that chooses in it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from depthjax.core import constrain, unconstrain
from depthjax.core._options import at_least, positive
from depthjax.diagnostics._psis import psis_khat
from depthjax.vi import (
    ais_bound,
    as_guide,
    cubo,
    elbo,
    elbo_objective,
    iwae_bound,
    log_weights,
    sticking_the_landing,
    tvo,
    value_and_grad,
)

_BETAS = np.linspace(0.0, 1.0, 11)


class GapReport(NamedTuple):
    """Bounds and gaps of an amortised guide, one entry per datum, nats.

    Attributes:
        elbo: (N,) evidence lower bound of the amortised guide.
        iwae: (N,) importance-weighted bound of its draws.
        cubo: (N,) chi bound of order 2 of its draws, above the log evidence when the draws see the tails.
        tvo_right: (N,) right sum of the thermodynamic bound over eleven temperatures, above likewise.
        ais: (N,) log evidence by annealed importance sampling; NaN where it was not asked for.
        inference_gap: (N,) log evidence less `elbo`; the sum of the next two.
        approximation_gap: (N,) log evidence less the bound of the best guide of the family for this datum.
        amortisation_gap: (N,) bound of that best guide less `elbo`.
        khat: (N,) k-hat of the amortised guide's weights; it says nothing where they agree to rounding.
    """

    elbo: jax.Array
    iwae: jax.Array
    cubo: jax.Array
    tvo_right: jax.Array
    ais: jax.Array
    inference_gap: jax.Array
    approximation_gap: jax.Array
    amortisation_gap: jax.Array
    khat: jax.Array


def gap_report(
    key: jax.Array,
    log_joint: Callable[..., jax.Array],
    q: Any,
    params: Any,
    batch: Any,
    *,
    optimise_steps: int,
    num_particles: int,
    ais: dict[str, Any] | None = None,
    step_size: float = 0.05,
) -> GapReport:
    """Split the inference gap of each datum into approximation and amortisation gap.

    log p(x) - L[q_phi] = (log p(x) - L[q*]) + (L[q*] - L[q_phi]), where q* maximises the bound for this datum alone
    within the family, found by Adam from q_phi with 16 draws a step and a rate that falls to zero. The log evidence is
    estimated by the importance-weighted bound of q* or, if asked for, by annealed importance sampling from q*. Both
    fall short of it on average, so that inference and approximation gap are low estimates where the weights of q* are
    rough; the largest of several estimates would be too high instead. Both guides are measured with the same noise.

    Args:
        key: PRNG key, split over the data.
        log_joint: (params, z, *datum) -> () nats for one z and one datum.
        q: function (params, *datum) -> record with a reparameterised sampler.
        params: what `q` and `log_joint` take.
        batch: array (N, ...), or a tuple of such arrays, one row of each per datum.
        optimise_steps: static steps from q_phi towards q*.
        num_particles: static draws K behind every bound.
        ais: keyword arguments of `vi.ais_bound` (`betas`, `num_chains` at least), which starts at q*; None for none.
        step_size: first rate of Adam, in unconstrained coordinates.

    Returns:
        `GapReport`; NaN for a datum whose optimisation left the finite numbers.

    Raises:
        ValueError: optimise_steps < 1, num_particles < 2, step_size not positive, or rows that do not agree.
        TypeError: a guide that cannot be reparameterised.

    Source:
        Cremer, Li and Duvenaud, Inference Suboptimality in Variational Autoencoders (2018), sec. 3 and 5.1.
    """
    at_least("gap_report", "optimise_steps", optimise_steps, 1)
    at_least("gap_report", "num_particles", num_particles, 2)
    positive("gap_report", step_size=step_size)
    data = batch if isinstance(batch, tuple) else (batch,)
    rows = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(data)}
    if len(rows) != 1 or rows == {()}:
        raise ValueError(f"gap_report: batch has leading axes {sorted(rows)}, expected one common number of data")
    guide = as_guide(q)

    def joint(_, z, *datum):
        return log_joint(params, z, *datum)

    def one(key, *datum):
        key_fit, key_weights, key_ais = jax.random.split(key, 3)
        amortised = guide(params, *datum)
        best = _ascend(key_fit, joint, amortised, datum, optimise_steps, step_size)
        log_w, best_log_w = (
            log_weights(key_weights, joint, record, record, *datum, num_samples=num_particles)
            for record in (amortised, best)
        )
        evidence = iwae_bound(best_log_w)
        annealed = jnp.full_like(evidence, jnp.nan)
        if ais is not None:
            annealed = ais_bound(key_ais, joint, best, best, *datum, **ais).log_evidence
            evidence = annealed
        ours, theirs = elbo(log_w), elbo(best_log_w)
        return GapReport(
            elbo=ours,
            iwae=iwae_bound(log_w),
            cubo=cubo(log_w),
            tvo_right=tvo(log_w, betas=_BETAS, rule="right"),
            ais=annealed,
            inference_gap=evidence - ours,
            approximation_gap=evidence - theirs,
            amortisation_gap=theirs - ours,
            khat=psis_khat(log_w),
        )

    return jax.vmap(one)(jax.random.split(key, next(iter(rows))[0]), *data)


def _ascend(key, joint, record, datum, num_steps, step_size):
    """The guide of `record`'s family with the largest bound for one datum."""
    # The gradient that leaves out the score vanishes draw by draw where the family holds the posterior.
    estimator = sticking_the_landing(num_samples=16)
    ascent = value_and_grad(estimator, elbo_objective(joint), lambda raw, *_: constrain(raw))
    optimizer = optax.adam(optax.cosine_decay_schedule(step_size, num_steps))
    start = unconstrain(record)

    def step(carry, t):
        raw, state = carry
        _, gradient, _, _ = ascent(jax.random.fold_in(key, t), raw, (), *datum)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes Python floats with its integer step counts
            moves, state = optimizer.update(jax.tree.map(jnp.negative, gradient), state, raw)
            return (optax.apply_updates(raw, moves), state), None

    (raw, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), jnp.arange(num_steps, dtype=jnp.int32))
    return constrain(raw)
