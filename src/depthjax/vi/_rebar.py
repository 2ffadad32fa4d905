"""Score-function gradients of discrete guides with a relaxed control variate: REBAR and RELAX."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete
from depthjax.distributions import Bernoulli
from depthjax.vi._baselines import float_dtype_of
from depthjax.vi._estimator import Aux, Estimator, require_samples
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import Objective, as_objective
from depthjax.vi._relaxation import Relaxation, draw_uniforms, integrand_of_soft, relaxation_of, uniform_nodes


class RelaxedState(NamedTuple):
    """What the control variate learns.

    Attributes:
        log_temperature: () log of the temperature of the relaxation.
        eta: () weight of the control variate.
        surrogate: parameters of the free part of RELAX, `()` for REBAR.
    """

    log_temperature: jax.Array
    eta: jax.Array
    surrogate: Any


class RelaxedDraws(NamedTuple):
    """Uniforms behind the outcome and its latent (`u`), and behind the latent given the outcome (`v`)."""

    u: jax.Array
    v: jax.Array


def rebar(*, num_samples: int, temperature: ArrayLike = 0.5, eta: ArrayLike = 1.0) -> Estimator:
    """Score-function gradient with the relaxed objective as control variate.

    (f(b) - eta c(z~)) grad log q(b) + eta grad c(z) - eta grad c(z~) + grad f(b), where b = H(z) is the outcome of the
    latent z, z~ is drawn again given b, and c(z) = f(soft(z / temperature)).

    Args:
        num_samples: repetitions that are averaged; each evaluates f three times.
        temperature: first () temperature of the relaxation.
        eta: first () weight of the control variate; 0 is `score_function`.

    Returns:
        An estimator, unbiased at every temperature and weight, whose state (`RelaxedState`) holds both; `Aux.loss` is
        the sum over parameters of its second moment, which `fit` minimises in the state. The guide is a `Bernoulli`,
        `Categorical` or `OneHotCategorical`; f sees bits and one-hot vectors as floats, soft ones in c. For a
        `Categorical`, whose integers have no soft form, c(z) = sum_k soft_k f(k).

    Raises:
        TypeError: at trace time, another guide.
        ValueError: num_samples < 1, temperature not positive; at trace time, more than one particle.

    Source:
        Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein, REBAR (2017), eq. 7.
    """
    return _estimator("rebar", num_samples, temperature, eta, None, ())


def relax(
    *,
    num_samples: int,
    surrogate_apply: Callable[..., jax.Array],
    surrogate_params: Any = (),
    temperature: ArrayLike = 0.5,
    eta: ArrayLike = 1.0,
) -> Estimator:
    """REBAR with a free function added to the control variate, c(z) = f(soft(z / temperature)) + r(z).

    Args:
        num_samples: repetitions that are averaged; each evaluates f three times.
        surrogate_apply: r, (surrogate_params, z) -> () with z the latent: logits plus logistic noise, (*event), or
            log probabilities plus Gumbel noise, (K,).
        surrogate_params: its first parameters, a pytree of floating-point arrays.
        temperature: first () temperature of the relaxation.
        eta: first () weight of the control variate.

    Returns:
        An estimator as that of `rebar`, with r's parameters in its state too.

    Raises:
        TypeError: at trace time, a guide that `rebar` refuses.
        ValueError: num_samples < 1, temperature not positive; at trace time, more than one particle.

    Source:
        Grathwohl, Choi, Wu, Roeder and Duvenaud, Backpropagation through the Void (2018), sec. 3.
    """
    return _estimator("relax", num_samples, temperature, eta, surrogate_apply, surrogate_params)


def _estimator(name, num_samples, temperature, eta, surrogate_apply, surrogate_params):
    require_samples(name, num_samples)
    if is_concrete(temperature) and not np.all(np.asarray(temperature) > 0):
        raise ValueError(f"{name}: temperature must be positive, got {temperature}")

    def init(params):
        dtype = float_dtype_of(params)
        start = jnp.log(jnp.asarray(temperature, dtype)), jnp.asarray(eta, dtype)
        return RelaxedState(*start, jax.tree.map(jnp.asarray, surrogate_params))

    def draw(key, q, params, num_particles, *batch):
        guide = as_guide(q)(params, *batch)
        shape = (num_samples, num_particles, *relaxation_of(name, guide).noise_shape)
        return RelaxedDraws(*(draw_uniforms(k, shape, guide.logits.dtype) for k in jax.random.split(key)))

    def surrogate(params, state, draws, q, f, *batch):
        objective, guide_of = as_objective(f), as_guide(q)
        if objective.num_particles > 1:
            raise ValueError(f"{name}: num_particles must be 1, got {objective.num_particles}")
        fixed = jax.lax.stop_gradient(params)

        def scalar(values, one):
            return _one(name, objective, guide_of, surrogate_apply, values, fixed, state, one, *batch)

        def second_moment(one):
            gradient = jax.grad(lambda values: scalar(values, one)[0])(fixed)
            return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient))

        single = jax.tree.map(lambda leaf: leaf[:, 0], draws)
        scalars, per_sample = jax.vmap(lambda one: scalar(params, one))(single)
        per_sample = jax.lax.stop_gradient(per_sample)
        loss = jnp.mean(jax.vmap(second_moment)(single))
        return jnp.mean(scalars), Aux(jnp.mean(per_sample), per_sample, state, loss)

    return Estimator(
        name, num_samples, unbiased=True, init=init, draw=draw, surrogate=surrogate,
        outcomes=lambda guide, num_points: _outcomes(name, guide, num_points),
    )  # fmt: skip


def _one(name, objective: Objective, guide_of, surrogate_apply, params, fixed, state: RelaxedState, draw, *batch):
    """Scalar of one draw, and the integrand; the weight of log q is taken at `fixed`, and moves with the state."""
    temperature = jnp.exp(state.log_temperature)

    def control(values, guide, relaxation: Relaxation, z):
        relaxed = integrand_of_soft(objective, values, guide, relaxation.soften(z, temperature), *batch)
        return relaxed if surrogate_apply is None else relaxed + surrogate_apply(state.surrogate, z)

    def terms(values, outcome):
        guide = guide_of(values, *batch)
        relaxation = relaxation_of(name, guide)
        z = relaxation.latent(draw.u)
        outcome = relaxation.harden(z) if outcome is None else outcome
        value = integrand_of_soft(objective, values, guide, outcome, *batch)
        again = control(values, guide, relaxation, relaxation.given(outcome, draw.v))
        return outcome, value, _log_prob(guide, outcome), control(values, guide, relaxation, z), again

    outcome, value, _, _, again = terms(fixed, None)
    _, direct, log_q, there, back = terms(params, outcome)
    return (value - state.eta * again) * log_q + direct + state.eta * (there - back), value


def _log_prob(guide, outcome):
    if isinstance(guide, Bernoulli):
        return guide.log_prob(outcome)
    return jnp.sum(outcome * jax.nn.log_softmax(guide.logits))


def _outcomes(name, guide, num_points):
    """Nodes of u, on panels that end where a bit flips, with all nodes of v; for `Bernoulli` guides."""
    relaxation_of(name, guide)
    if not isinstance(guide, Bernoulli):
        raise TypeError(f"{name}: the latents of {type(guide).__name__} cannot be listed, those of Bernoulli can")
    logits = guide.logits
    flips = jax.nn.sigmoid(-logits).reshape(1, -1)
    u, mass = uniform_nodes(logits.shape, flips, num_points, logits.dtype)
    v, more = uniform_nodes(logits.shape, None, num_points, logits.dtype)
    i, j = (grid.ravel() for grid in jnp.meshgrid(jnp.arange(len(u)), jnp.arange(len(v)), indexing="ij"))
    return RelaxedDraws(u[i], v[j]), mass[i] * more[j]
