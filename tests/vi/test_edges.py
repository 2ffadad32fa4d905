"""Data of integers, priors that are none, and options of the wrong kind."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import distributions, vi

COUNTS = np.array([0, 3, 1, 7, 2])
ROWS = np.array([[0, 1], [3, 2], [1, 0], [9, 8], [7, 9]])


def test_integer_data_are_numbers():
    """Priors between integers are not rounded to the data's dtype."""
    for fit in (
        lambda x: vi.normal_gamma_cavi(x, loc0=0.5, precision0=0.25, shape0=1.5, rate0=0.5, max_steps=50),
        lambda x: vi.unit_variance_mixture_cavi(
            jax.random.key(0), x, num_components=2, prior_variance=0.5, max_steps=50
        ),
    ):
        for whole, real in zip(jax.tree.leaves(fit(COUNTS)), jax.tree.leaves(fit(COUNTS.astype(float))), strict=True):
            np.testing.assert_array_equal(whole, real)
    whole, real = (
        vi.gaussian_mixture_cavi(jax.random.key(0), x, num_components=2, concentration0=0.5, dof0=2.5, max_steps=20)
        for x in (ROWS, ROWS.astype(float))
    )
    np.testing.assert_array_equal(whole.params.loc, real.params.loc)


def test_traced_priors_that_are_none():
    fits = {
        "precision0": lambda v: vi.normal_gamma_cavi(COUNTS, precision0=v, shape0=1.0, rate0=1.0),
        "rate0": lambda v: vi.normal_gamma_cavi(COUNTS, precision0=1.0, shape0=1.0, rate0=v),
        "prior_variance": lambda v: vi.unit_variance_mixture_cavi(
            jax.random.key(0), COUNTS, num_components=2, prior_variance=v
        ),
        "concentration0": lambda v: vi.gaussian_mixture_cavi(
            jax.random.key(0), ROWS, num_components=2, concentration0=v
        ),
        "shape0": lambda v: vi.linear_regression_cavi(ROWS, COUNTS, shape0=v, rate0=1.0),
    }
    for name, fit in fits.items():
        found = jax.jit(fit)(-0.5)
        assert not found.converged, name
        for leaf in jax.tree.leaves(found.params):
            assert np.isnan(leaf).all(), name
        assert jax.jit(fit)(1.0).converged, name


def test_bounds_want_draws():
    for bound in (
        vi.elbo,
        vi.iwae_bound,
        vi.cubo,
        vi.jackknife_bound,
        lambda w, axis=-1: vi.renyi_bound(w, alpha=0.5, axis=axis),
        lambda w, axis=-1: vi.tvo(w, betas=[0.0, 1.0], axis=axis),
    ):
        for weights, axis in ((jnp.zeros(()), -1), (jnp.zeros((3, 0)), -1), (jnp.zeros(3), 1)):
            with pytest.raises(ValueError, match="at least one draw along axis"):
                bound(weights, axis=axis)
        assert bound(np.array([1, 1])) == 1.0


def test_options_of_the_wrong_kind():
    guide = distributions.Normal(0.0, 1.0)

    def run(**changes):
        options = {"estimator": vi.pathwise(num_samples=2), "optimizer": optax.adam(0.1), "num_steps": 2}
        return vi.fit(jax.random.key(0), lambda _, z: -z * z, guide, guide, **(options | changes))

    with pytest.raises(TypeError, match="estimator is 'pathwise'"):
        run(estimator="pathwise")
    with pytest.raises(TypeError, match="optimizer is 'adam'"):
        run(optimizer="adam")
    with pytest.raises(ValueError, match="log_every is -1"):
        run(log_every=-1)
    with pytest.raises(TypeError, match="num_samples is an integer, got True"):
        vi.pathwise(num_samples=True)
    with pytest.raises(ValueError, match="dependencies has entries other"):
        vi.rao_blackwell(num_samples=2, dependencies=np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="tol is -1"):
        vi.cavi(jnp.ones(2), lambda p: p, jnp.sum, tol=-1.0)


def test_traced_step_that_is_none():
    """A transition without a step moves nowhere that could be taken for a draw."""
    guide = distributions.Normal(np.zeros(2), np.ones(2))

    @jax.jit
    def bound(step_size):
        return vi.ais_bound(
            jax.random.key(0),
            lambda _, z: -jnp.sum(z**2),
            guide,
            None,
            betas=[0.0, 0.5, 1.0],
            num_chains=3,
            step_size=step_size,
        )

    assert np.isfinite(bound(0.3).lower_bound)
    for step_size in (-0.3, jnp.nan):
        assert np.isnan(bound(step_size).lower_bound)
        assert np.isnan(bound(step_size).final).all()
