"""Maps onto constrained sets: the same as the constraints' raw maps, finite far out, and onto what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import bijectors as bij
from depthjax.core import constraints
from depthjax.distributions import MultivariateNormalDiag, Transformed

X64 = jax.config.jax_enable_x64
FLOAT = np.float64 if X64 else np.float32
EPS = np.finfo(FLOAT).eps

CASES = {
    "real": (constraints.real, (3,)),
    "positive": (constraints.positive, (3,)),
    "nonnegative": (constraints.nonnegative, (3,)),
    "unit_interval": (constraints.unit_interval, (3,)),
    "interval": (constraints.interval(-2.0, 3.0), (3,)),
    "greater_than": (constraints.greater_than(1.5), (3,)),
    "less_than": (constraints.less_than(1.5), (3,)),
    "simplex": (constraints.simplex, (4,)),
    "simplexes": (constraints.simplex, (2, 3, 4)),
    "ordered": (constraints.ordered, (4,)),
    "positive_ordered": (constraints.positive_ordered, (4,)),
    "lower_cholesky": (constraints.lower_cholesky, (3, 3)),
    "corr_cholesky": (constraints.corr_cholesky, (3, 3)),
    "positive_definite": (constraints.positive_definite, (3, 3)),
    "correlation": (constraints.correlation, (2, 3, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_biject_to_is_the_raw_map(name):
    constraint, shape = CASES[name]
    bijector = bij.biject_to(constraint, shape)
    assert bijector.event_shape == constraint.raw_shape(shape)
    assert bijector.event_shape_out == shape
    assert constraints.implies(bijector.codomain, constraint) or bijector.codomain.bounds[:2] == constraint.bounds[:2]
    assert not jax.tree.leaves(bijector)
    raw = jnp.asarray(np.random.default_rng(0).normal(size=bijector.event_shape), FLOAT)
    y, log_det = bijector.forward_and_log_det(raw)
    np.testing.assert_allclose(y, constraint.from_raw(raw), rtol=8 * EPS, atol=8 * EPS)
    assert bool(constraint.check(y))
    np.testing.assert_allclose(bijector.inverse(y), raw, rtol=1e3 * EPS, atol=1e3 * EPS)
    assert np.shape(log_det) == ()


NO_IMAGES = {
    "simplex off by a tenth": (bij.SoftmaxCentered(3), [0.2, 0.3, 0.4]),
    "broken stick": (bij.StickBreaking(3), [0.2, 0.3, 0.4]),
    "negative share": (bij.SoftmaxCentered(3), [0.6, 0.6, -0.2]),
    "negative stick": (bij.StickBreaking(3), [0.6, 0.6, -0.2]),
    "step down": (bij.Ordered(3), [1.0, 2.0, 1.5]),
    "tie": (bij.Ordered(3), [1.0, 1.0, 1.5]),
    "negative start": (bij.PositiveOrdered(2), [-1.0, 2.0]),
    "negative pivot": (bij.LowerCholesky(2), [[1.0, 0.0], [0.6, -0.8]]),
    "entry above the diagonal": (bij.LowerCholesky(2), [[1.0, 0.5], [0.6, 0.8]]),
    "row of norm 1/2": (bij.CorrCholesky(2), [[1.0, 0.0], [0.3, 0.4]]),
    "negative diagonal": (bij.CorrCholesky(2), [[1.0, 0.0], [0.6, -0.8]]),
    "asymmetric": (bij.PositiveDefinite(2), [[1.0, 0.5], [0.4, 1.0]]),
    "indefinite": (bij.PositiveDefinite(2), [[1.0, 2.0], [2.0, 1.0]]),
    "asymmetric correlation": (bij.Correlation(2), [[1.0, 0.5], [0.4, 1.0]]),
    "covariance": (bij.Correlation(2), [[1.0, 0.5], [0.5, 1.2]]),
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_image_has_no_inverse(name):
    bijector, y = NO_IMAGES[name]
    x, log_det = bijector.inverse_and_log_det(jnp.asarray(y, FLOAT))
    assert np.all(np.isnan(x))
    assert np.isnan(log_det)


def test_biject_to_refuses_what_has_no_bijector():
    for constraint, reason in (
        (constraints.integer, "discrete"),
        (constraints.circular, "one to one"),
        (constraints.unit_vector, "one to one"),
        (constraints.interval(jnp.zeros(()), jnp.ones(())), "arrays"),
    ):
        with pytest.raises(ValueError, match=reason):
            bij.biject_to(constraint, (3,))
    with pytest.raises(ValueError, match="1 axes"):
        bij.biject_to(constraints.simplex)


FAR = {
    "SoftmaxCentered": [(30.0, -30.0, 5.0, 2.0), (60.0, -60.0, 5.0, 2.0), (-200.0, -150.0, -300.0, -90.0)],
    "StickBreaking": [(30.0, -30.0, 5.0, 2.0), (60.0, -60.0, 5.0, 2.0), (-200.0, 150.0, -300.0, -90.0)],
    "Ordered": [(1.0, -20.0, -20.0, 3.0), (30.0, -30.0, 5.0, 2.0), (60.0, -60.0, 5.0, 2.0)],
    "PositiveOrdered": [(1.0, -20.0, -20.0, 3.0), (-60.0, -300.0, 5.0, 2.0)],
    "CorrCholesky": [(5.0, 8.0, -9.0), (60.0, -60.0, 5.0), (-200.0, 0.0, 0.0)],
    "Correlation": [(5.0, 8.0, -9.0), (60.0, -60.0, 5.0)],
    "LowerCholesky": [(30.0, -30.0, 5.0), (-60.0, 60.0, -200.0)],
    "PositiveDefinite": [(30.0, -30.0, 5.0), (2.0, 30.0, -30.0), (-60.0, 60.0, -5.0), (60.0, -60.0, 5.0)],
}
SIZES = {"SoftmaxCentered": 5, "StickBreaking": 5, "Ordered": 4, "PositiveOrdered": 4, "CorrCholesky": 3} | {
    "Correlation": 3,
    "LowerCholesky": 2,
    "PositiveDefinite": 2,
}


@pytest.mark.parametrize("name", FAR)
def test_far_raw_values_keep_everything_finite(name):
    bijector, raw = getattr(bij, name)(SIZES[name]), jnp.asarray(FAR[name], FLOAT)

    @jax.jit
    def run(x):
        y, log_det = bijector.forward_and_log_det(x)
        slopes = jax.jacrev(bijector.forward)(x), jax.grad(bijector.forward_log_det)(x)
        return y, log_det, slopes, bijector.inverse_and_log_det(y)

    out = jax.vmap(run)(raw)
    assert np.asarray(bijector.codomain.contains(out[0])).all()
    for value in jax.tree.leaves(out):
        assert np.isfinite(np.asarray(value)).all()


@pytest.mark.parametrize("name", ["Softsign", "NormalCDF", "SoftmaxCentered", "StickBreaking", "PositiveOrdered"])
def test_density_of_own_samples_is_finite(name):
    base = MultivariateNormalDiag(jnp.zeros(3, FLOAT), jnp.full(3, 20.0, FLOAT))
    size = 4 if name in ("SoftmaxCentered", "StickBreaking") else 3
    law = Transformed(base, getattr(bij, name)(size))
    y, carried = law.sample_and_log_prob(jax.random.key(0), (10_000,))
    assert np.isfinite(np.asarray(carried)).all()
    assert np.isfinite(np.asarray(jax.jit(law.log_prob)(y))).all()
    assert np.asarray(law.support.contains(y)).all()


def test_stick_breaking_at_zero_is_uniform():
    np.testing.assert_allclose(bij.StickBreaking(4).forward(jnp.zeros(3, FLOAT)), np.full(4, 0.25), rtol=4 * EPS)


def test_log_dets_of_matrix_maps():
    raw = jnp.asarray([0.3, -1.0, 0.7, 2.0, 0.1, -0.4], FLOAT)
    y, log_det = bij.PositiveDefinite(3).forward_and_log_det(raw)
    factor, of_factor = bij.LowerCholesky(3).forward_and_log_det(raw)
    powers = np.array([3.0, 2.0, 1.0])
    want = of_factor + 3 * np.log(2) + powers @ np.log(np.diagonal(factor))
    np.testing.assert_allclose(log_det, want, rtol=16 * EPS)
    np.testing.assert_allclose(y, factor @ factor.T, rtol=16 * EPS)


def test_wrong_sizes_raise():
    with pytest.raises(ValueError, match="num_categories must be at least 2"):
        bij.StickBreaking(1)
    with pytest.raises(ValueError, match="dim must be at least 2"):
        bij.CorrCholesky(1)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        bij.Ordered(0)
    with pytest.raises(ValueError, match=r"expected \(..., 3\)"):
        bij.CorrCholesky(3).forward(jnp.zeros(4, FLOAT))
