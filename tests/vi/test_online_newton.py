"""Online Newton steps: exact on normal posteriors, positive definite elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import vi

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
MATRIX = np.array([[1.0, 0.5], [0.0, 1.0], [1.0, -1.0]])
DATA = np.array([1.0, -0.5, 2.0])
PRECISION = np.eye(2) + 2 * MATRIX.T @ MATRIX
MEAN = np.linalg.solve(PRECISION, 2 * MATRIX.T @ DATA)


def log_joint(z):
    """z ~ N(0, I), x | z ~ N(A z, I/2): posterior N(MEAN, PRECISION^-1)."""
    return -0.5 * jnp.sum(z * z) - jnp.sum((jnp.asarray(DATA, DTYPE) - jnp.asarray(MATRIX, DTYPE) @ z) ** 2)


def run(log_density, num_steps, seed=0, loc=(0.0, 0.0), precision=1.0, **options):
    init, update = vi.variational_online_newton(log_density, **options)

    def step(state, key):
        state = update(key, state)
        return state, state.precision

    keys = jax.random.split(jax.random.key(seed), num_steps)
    return jax.jit(lambda start, ks: jax.lax.scan(step, start, ks))(
        init(np.asarray(loc, DTYPE), DTYPE(precision)), keys
    )


@pytest.mark.parametrize("hessian", ["exact", "reparam", "gauss_newton"])
def test_normal_posterior(hessian):
    """The exact standard deviations within one percent; with Hessians, to rounding."""
    exact = hessian == "exact"
    schedule = 0.3 if exact else vi.robbins_monro(delay=20.0, forgetting=0.75)
    state, _ = run(log_joint, 3000, precision=8.0, step_size=schedule, num_samples=64, hessian=hessian)
    close = 1e-5 if exact else 1e-2
    guide = state.guide
    np.testing.assert_allclose(guide.stddev(), np.sqrt(np.diag(np.linalg.inv(PRECISION))), rtol=close)
    np.testing.assert_allclose(guide.mean(), MEAN, atol=1e-5 if exact else 5e-3)
    np.testing.assert_allclose(guide.covariance(), np.linalg.inv(PRECISION), rtol=4 * close)
    assert int(state.step) == 3000


@pytest.mark.parametrize("hessian", ["exact", "reparam"])
def test_diagonal_guide_has_the_mean_field_variances(hessian):
    schedule = 0.3 if hessian == "exact" else vi.robbins_monro(delay=2.0, forgetting=0.75)
    state, _ = run(log_joint, 3000, step_size=schedule, num_samples=64, hessian=hessian, structure="diagonal")
    np.testing.assert_allclose(state.guide.stddev(), np.diag(PRECISION) ** -0.5, rtol=1e-2)
    np.testing.assert_allclose(state.loc, MEAN, atol=1e-2)


def test_one_step_is_the_formula():
    """At step rho from precision S: S - rho G + (rho^2 / 2) G S^-1 G with G = S - P, and the mean's Newton step."""
    rho, start = 0.7, 2.0 * np.eye(2)
    state, _ = run(log_joint, 1, precision=2.0, step_size=rho, num_samples=2)
    change = start - PRECISION
    want = start - rho * change + 0.5 * rho**2 * change @ np.linalg.inv(start) @ change
    np.testing.assert_allclose(state.precision, want, rtol=1e-5)
    np.testing.assert_allclose(state.loc, rho * np.linalg.solve(start, PRECISION @ MEAN), rtol=1e-5)


@pytest.mark.parametrize("structure", ["full", "diagonal"])
def test_precision_stays_positive_where_the_density_is_not_log_concave(structure):
    """Cauchy tails, single draws, full steps: plain updates leave the cone of positive definite matrices."""

    def cauchy(z):
        return -jnp.sum(jnp.log1p(z * z)) - jnp.log1p((z[0] - z[1]) ** 2)

    _, trace = run(cauchy, 200, loc=(5.0, -3.0), step_size=0.9, num_samples=1, structure=structure)
    trace = np.asarray(trace)
    smallest = np.linalg.eigvalsh(trace)[:, 0] if structure == "full" else trace.min(1)
    assert (smallest > 0).all()
    hessian = np.asarray(jax.hessian(cauchy)(np.array([5.0, -3.0], DTYPE)))
    assert np.linalg.eigvalsh(hessian).max() > 0  # the curvature has the wrong sign at the start


def test_a_density_that_is_not_finite_shows():
    state, _ = run(lambda z: jnp.sum(z) * jnp.nan, 2, step_size=0.5, num_samples=2)
    assert np.isnan(np.asarray(state.loc)).all()
    assert np.isnan(np.asarray(state.guide.stddev())).all()


def test_refusals():
    def make(step_size=0.1, num_samples=1, hessian="exact", structure="full"):
        return vi.variational_online_newton(
            log_joint, step_size=step_size, num_samples=num_samples, hessian=hessian, structure=structure
        )

    for bad in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="variational_online_newton: step_size is"):
            make(step_size=bad)
    with pytest.raises(ValueError, match="num_samples is 0"):
        make(num_samples=0)
    with pytest.raises(ValueError, match="hessian is 'none'"):
        make(hessian="none")
    with pytest.raises(ValueError, match="structure is 'banded'"):
        make(structure="banded")
    init, _ = make(structure="diagonal")
    with pytest.raises(ValueError, match=r"loc has shape \(2, 2\)"):
        init(np.zeros((2, 2), DTYPE))
    with pytest.raises(ValueError, match=r"precision has shape \(2, 2\), expected \(2,\)"):
        init(np.zeros(2, DTYPE), np.eye(2, dtype=DTYPE))
