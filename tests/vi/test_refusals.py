"""Input that is refused at once, each time with the function, the argument and what was got."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import diagnostics, distributions, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
KEY = jax.random.key(0)
NORMAL = distributions.Normal(DTYPE(0), DTYPE(1))
TREE = {"a": np.zeros(2, DTYPE)}
ONES = np.ones(3, DTYPE)
ROWS = np.arange(12.0).reshape(4, 3).astype(DTYPE)


def log_joint(_, z):
    return -0.5 * z * z


def minibatch(batch, num_data=20):
    return vi.minibatch_log_joint(lambda p, z: z, lambda p, z, x: z, num_data=num_data)(None, DTYPE(0), batch)


def minibatch_bound(local, batch, num_data=20):
    return vi.minibatch_elbo(lambda p, z, x: z, lambda p: DTYPE(0), num_data=num_data)(None, local, batch)


def fitted(batches):
    return vi.fit(
        KEY, lambda p, z, x: -((z - x) ** 2), NORMAL, NORMAL, estimator=vi.pathwise(num_samples=1),
        optimizer=optax.sgd(0.1), num_steps=5, batches=batches,
    )  # fmt: skip


def mixture(**options):
    return vi.gaussian_mixture_cavi(KEY, ROWS, num_components=2, **options)


CALLS = {
    "empty batch": (lambda: minibatch(ONES[:0]), ValueError, r"minibatch_log_joint: .* leading axes \[\(0,\)\]"),
    "batch of one number": (lambda: minibatch(DTYPE(1)), ValueError, r"minibatch_log_joint: .* leading axes \[\(\)\]"),
    "batch of two lengths": (lambda: minibatch((ONES, ONES[:2])), ValueError, "minibatch_log_joint: the arrays of a b"),
    "local batch of two lengths": (lambda: minibatch_bound(ONES, (ONES, ONES[:2])), ValueError, "minibatch_elbo: the"),
    "local batch too large": (lambda: minibatch_bound(ONES, ONES, 2), ValueError, "batch of 3 is larger than num_data"),
    "batch without num_data": (lambda: vi.minibatch_elbo(log_joint, log_joint), TypeError, "num_data"),
    "fit, short batches": (lambda: fitted((ONES,)), ValueError, r"fit: batches has leading axes \[\(3,\)\], expected"),
    "fit, batches of an array": (lambda: fitted(np.ones(5, DTYPE)), TypeError, "fit: batches is a tuple"),
    "order": (lambda: vi.renyi_objective(log_joint, num_particles=2, alpha=np.nan), ValueError, "renyi_objective"),
    "schedule": (lambda: vi.robbins_monro(scale=np.nan, forgetting=0.7), ValueError, "scale is positive"),
    "coefficient": (
        lambda: vi.with_control_variate(vi.pathwise(num_samples=1), vi.delta_control_variate(), coefficient=np.nan),
        ValueError,
        "coefficient must be finite, got nan",
    ),
    "lengths": (lambda: vi.optimal_coefficient(ONES, ONES[:2], 0.0), ValueError, r"optimal_coefficient: .* \(3,\) and"),
    "no draws": (lambda: vi.optimal_coefficient(ONES[:0], ONES[:0], 0.0), ValueError, "n >= 1"),
    "mean field": (lambda: vi.mean_field(TREE, scale=-1.0), ValueError, "mean_field: scale is -1.0"),
    "full rank": (lambda: vi.full_rank(TREE, scale=0.0), ValueError, "full_rank: scale is 0.0"),
    "low rank": (lambda: vi.low_rank(TREE, rank=1, scale=np.nan), ValueError, "low_rank: scale is nan"),
    "rank": (lambda: vi.low_rank(TREE, rank=3), ValueError, r"\(2, 3\), expected \(d, k\) with 1 <= k <= d"),
    "precision": (
        lambda: vi.normal_gamma_cavi(ONES, precision0=-1.0, shape0=1.0, rate0=1.0),
        ValueError,
        "normal_gamma_cavi: precision0 is -1.0",
    ),
    "no data": (
        lambda: vi.normal_gamma_cavi(ONES[:0], precision0=1.0, shape0=1.0, rate0=1.0),
        ValueError,
        "n >= 1",
    ),
    "prior variance": (
        lambda: vi.unit_variance_mixture_cavi(KEY, ONES, num_components=2, prior_variance=0.0),
        ValueError,
        "prior_variance is 0.0",
    ),
    "degrees of freedom": (lambda: mixture(dof0=2.0), ValueError, "dof0 is 2.0, expected a number above d - 1 = 2"),
    "scale": (lambda: mixture(scale0=np.eye(2)), ValueError, r"scale0 has shape \(2, 2\), expected \(3, 3\)"),
    "mean": (lambda: mixture(loc0=np.zeros(2)), ValueError, r"loc0 has shape \(2,\), expected \(3,\)"),
    "concentration": (lambda: mixture(concentration0=-1.0), ValueError, "concentration0 is -1.0"),
    "effective sample size": (lambda: diagnostics.ess(ROWS), ValueError, r"ess: log_weights is \(S,\), got shape \(4"),
    "temperature of an array": (
        lambda: vi.gumbel_softmax(num_samples=1, temperature=jnp.asarray(-1.0)),
        ValueError,
        "gumbel_softmax: temperature must be positive, got -1.0",
    ),
    "temperature of numpy": (lambda: vi.rebar(num_samples=1, temperature=np.float32(0)), ValueError, "rebar: temp"),
    "half a sample": (lambda: vi.pathwise(num_samples=1.5), TypeError, "pathwise: num_samples is an integer, got 1.5"),
    "particles of one draw": (
        lambda: vi.value_and_grad(
            vi.vimco(num_samples=1), vi.iwae_objective(log_joint, num_particles=1), NORMAL
        )(KEY, NORMAL, ()),
        ValueError,
        "vimco: num_particles must be at least 2, got 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_refused(name):
    call, error, match = CALLS[name]
    with pytest.raises(error, match=match):
        call()


def test_starts_may_be_integers_or_lists():
    def log_density(z):
        return -0.5 * jnp.sum((z - 1.5) ** 2)

    for start in ([1, 2], np.array([1, 2])):
        np.testing.assert_allclose(vi.laplace(log_density, start).mode, 1.5, rtol=1e-5)
    found = jax.jit(lambda key: vi.pathfinder(key, log_density, [1, 2], num_draws=30))(KEY)
    np.testing.assert_allclose(found.guide.mean(), 1.5, rtol=1e-3)
