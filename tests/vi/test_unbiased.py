"""Every unbiased estimator on models whose gradient is written out: summed over all outcomes of its draws.

The integrand depends on the parameters, a batch goes along, and states are not the initial ones.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import distributions, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
TOL = 1e-12 if DTYPE == np.float64 else 2e-5
X = DTYPE(0.7)
PAST = (DTYPE(0.3), DTYPE(0.5))


def predict(weight, x):
    return weight * x


def of(values):
    return {name: jnp.asarray(value, DTYPE) for name, value in values.items()}


# Two bits, z in {0, 1}^2.
BITS = of({"logits": [-0.4, 0.9], "theta": 0.6})


def joint_of_bits(params, z, x):
    a, b = z.astype(DTYPE)
    return params["theta"] * (1.4 * a * b - 0.8 * a) + jnp.tanh(params["theta"]) * x * b - 0.2 * params["theta"] ** 2


def outcomes_of_bits(params, x):
    z = jnp.asarray([[0, 0], [0, 1], [1, 0], [1, 1]], DTYPE)
    log_q = jnp.sum(z * params["logits"][None] - jnp.logaddexp(params["logits"], 0.0)[None], axis=1)
    return log_q, jnp.stack([joint_of_bits(params, row, x) for row in z])


# One of three faces.
FACES = of({"logits": [0.2, -0.5, 0.4], "theta": 0.6})


def joint_of_faces(params, z, x):
    return jnp.sin(params["theta"] * jnp.asarray([0.4, -1.0, 2.7], DTYPE))[z] * x


def outcomes_of_faces(params, x):
    return jax.nn.log_softmax(params["logits"]), jnp.stack([joint_of_faces(params, k, x) for k in range(3)])


def bound(outcomes):
    """The exact evidence bound."""

    def value(params, x):
        log_q, joint = outcomes(params, x)
        return jnp.sum(jnp.exp(log_q) * (joint - log_q))

    return value


def bound_of_three(outcomes):
    """The exact importance-weighted bound of three particles."""

    def value(params, x):
        log_q, joint = outcomes(params, x)
        log_w, size = joint - log_q, len(log_q)
        index = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), -1).reshape(-1, 3)
        return jnp.sum(jnp.exp(jnp.sum(log_q[index], 1)) * (jax.nn.logsumexp(log_w[index], axis=1) - np.log(3)))

    return value


def control(params, draws, q, x):
    """Scores, whose mean is zero."""
    scores = jax.vmap(jax.grad(lambda p, z: q(p, x).log_prob(z)), (None, 0))(params, draws[:, 0])
    return scores, jax.tree.map(jnp.zeros_like, params)


def score(baseline, num_samples=1):
    return vi.score_function(num_samples=num_samples, baseline=baseline)


MOVING = score(vi.moving_average_baseline()), PAST
LEARNED = score(vi.learned_baseline(predict, DTYPE(0.4))), DTYPE(0.9)
NVIL = vi.nvil(num_samples=1, baseline_apply=predict, baseline_params=DTYPE(0.4)), (DTYPE(0.9), PAST, PAST)
LEAVE = score(vi.leave_one_out_baseline(), 2), ()
COMMON = {
    "score": (vi.score_function(num_samples=1), ()),
    "score, moving average": MOVING,
    "score, learned": LEARNED,
    "score, one left out": LEAVE,
    "nvil": NVIL,
    "exact": (vi.exact(), ()),
}
FLIPS = {name: (getattr(vi, name)(num_samples=1), ()) for name in ("arm", "disarm")}
SINGLE = {
    **COMMON,
    "score, constant": (score(vi.constant_baseline(-0.7)), ()),
    "score, optimal": (score(vi.optimal_baseline(), 3), ()),
    "measure valued": (vi.measure_valued(num_samples=1), ()),
    "control variate": (vi.with_control_variate(vi.score_function(num_samples=3), control), ()),
}
MANY = {
    **COMMON,
    "vimco": (vi.vimco(num_samples=1), ()),
    "vimco, arithmetic": (vi.vimco(num_samples=1, mean="arithmetic"), ()),
}


def guide_of_bits(params, x):
    return distributions.Bernoulli(params["logits"])


def guide_of_faces(params, x):
    return distributions.Categorical(params["logits"])


MODELS = {
    "bits": ({**SINGLE, **FLIPS}, BITS, guide_of_bits, vi.elbo_objective(joint_of_bits), bound(outcomes_of_bits)),
    "faces": (SINGLE, FACES, guide_of_faces, vi.elbo_objective(joint_of_faces), bound(outcomes_of_faces)),
    "three bits": (
        MANY, BITS, guide_of_bits, vi.iwae_objective(joint_of_bits, num_particles=3), bound_of_three(outcomes_of_bits)
    ),
    "three faces": (
        MANY, FACES, guide_of_faces, vi.iwae_objective(joint_of_faces, num_particles=3),
        bound_of_three(outcomes_of_faces),
    ),
}  # fmt: skip
CASES = [(model, name) for model, (estimators, *_) in MODELS.items() for name in estimators]
FAST = {("bits", "disarm"), ("faces", "measure valued"), ("three faces", "vimco")}


@pytest.mark.parametrize(
    ("model", "name"), [case if case in FAST else pytest.param(*case, marks=pytest.mark.slow) for case in CASES]
)
def test_mean_over_all_outcomes_is_the_gradient(model, name):
    estimators, params, guide, objective, exact = MODELS[model]
    estimator, state = estimators[name]
    assert estimator.unbiased
    (mean, variance), want = jax.jit(
        lambda p, s: (
            vi.enumerate_gradient(estimator, objective, guide, p, s, X, num_points=2),
            jax.grad(exact)(p, X),
        )
    )(params, state)
    for key in params:
        np.testing.assert_allclose(mean[key], want[key], rtol=TOL, atol=TOL)
        assert np.all(np.asarray(variance[key]) >= 0)


# A normal guide and a polynomial, whose expectation Gauss-Hermite nodes give exactly.
NORMAL = of({"loc": 0.3, "log_scale": -0.2, "theta": 0.6})


def polynomial(params, z, x):
    return params["theta"] * (0.3 * z**2 + x * z - 0.1 * z**4) - params["theta"] ** 2


def exact_polynomial(params, x):
    m, v = params["loc"], jnp.exp(2 * params["log_scale"])
    moments = 0.3 * (m**2 + v) + x * m - 0.1 * (m**4 + 6 * m**2 * v + 3 * v**2)
    return params["theta"] * moments - params["theta"] ** 2 + params["log_scale"] + 0.5 * np.log(2 * np.pi * np.e)


PATHS = {
    "pathwise": vi.pathwise(num_samples=1),
    "sticking the landing": vi.sticking_the_landing(num_samples=1),
    "doubly reparameterized": vi.doubly_reparameterized(num_samples=1),
    "score": vi.score_function(num_samples=1),
    "score, one left out": score(vi.leave_one_out_baseline(), 2),
    "measure valued": vi.measure_valued(num_samples=1),
    "measure valued, coupled": vi.measure_valued(num_samples=1, coupled=True),
    "delta control": vi.with_control_variate(
        vi.score_function(num_samples=1), vi.delta_control_variate(order=2), coefficient=0.7
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in PATHS])
def test_mean_over_normal_noise_is_the_gradient(name):
    mean, want = jax.jit(
        lambda p: (
            vi.quadrature_gradient(
                PATHS[name],
                vi.elbo_objective(polynomial),
                lambda p, x: distributions.Normal(p["loc"], jnp.exp(p["log_scale"])),
                p,
                (),
                X,
                num_points=16,
            )[0],
            jax.grad(exact_polynomial)(p, X),
        )
    )(NORMAL)
    for key in NORMAL:
        np.testing.assert_allclose(mean[key], want[key], rtol=10 * TOL, atol=10 * TOL)
