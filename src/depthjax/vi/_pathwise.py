"""The pathwise (reparameterisation) gradient."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.vi._estimator import Aux, Estimator, no_state, require_samples
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import as_objective
from depthjax.vi._outcomes import noise_outcomes


def pathwise(*, num_samples: int) -> Estimator:
    """Gradient through the sample: grad_theta f(theta, g(eps, theta)), explicit or implicit.

    Args:
        num_samples: repetitions that are averaged.

    Returns:
        An unbiased, stateless estimator. Its draws are the guide's noise (`sample_noise`) where it has one, else keys.

    Raises:
        TypeError: at trace time, for a guide that is not reparameterisable.
        ValueError: num_samples < 1.

    Source:
        Kingma and Welling, Auto-Encoding Variational Bayes (2014); implicit, Figurnov et al. (2018).
    """
    require_samples("pathwise", num_samples)
    return Estimator(
        "pathwise", num_samples, unbiased=True, init=no_state, draw=noise_drawer(num_samples), surrogate=_surrogate,
        outcomes=noise_outcomes, draws_noise=True,
    )  # fmt: skip


def require_reparameterized(name: str, guide: Any) -> None:
    """Raise `TypeError` for a guide whose samples cannot be differentiated."""
    if guide.reparameterized == "none":
        raise TypeError(
            f"{name}: {type(guide).__name__} has no pathwise gradient; use score_function, disarm (Bernoulli) or "
            f"measure_valued instead"
        )


def draw_noise(key: jax.Array, guide: Any, shape: tuple[int, ...]) -> Any:
    """All randomness of draws of leading shape `shape`: noise, or keys where a guide has no explicit noise."""
    return guide.sample_noise(key, shape) if hasattr(guide, "from_noise") else jax.random.split(key, shape)


def replay(guide: Any, noise: Any) -> tuple[Any, jax.Array]:
    """One draw and its log density from `draw_noise`."""
    return guide.from_noise(noise) if hasattr(guide, "from_noise") else guide.sample_and_log_prob(noise)


def over_particles(integrand: Callable[[Any], Any], draws: Any) -> Any:
    """`integrand` of every draw, leading axes (num_samples, num_particles).

    In one `vmap` and not in two: an axis of one particle, moved last by a matrix product, makes code that is not
    vectorised.
    """
    shape = jax.tree.leaves(draws)[0].shape[:2]
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), draws)
    return jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), jax.vmap(integrand)(rows))


def noise_drawer(num_samples: int) -> Callable[..., Any]:
    """The `draw` of an estimator that differentiates through samples."""

    def draw(key, q, params, num_particles, *batch):
        return draw_noise(key, as_guide(q)(params, *batch), (num_samples, num_particles))

    return draw


def _surrogate(params, state, draws, q, f, *batch):
    objective, guide = as_objective(f), as_guide(q)(params, *batch)
    require_reparameterized("pathwise", guide)

    def integrand(noise):
        z, log_q = replay(guide, noise)
        return objective.integrand_from_log_q(params, z, log_q, *batch)

    per_sample = jax.vmap(objective.combine)(over_particles(integrand, draws))
    value = jnp.mean(per_sample)
    return value, Aux(value, per_sample, state, jnp.zeros_like(value))
