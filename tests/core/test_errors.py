"""Static facts that are wrong raise when tracing, and the message says what to change."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax.bijectors import Affine, Invert
from depthjax.core import require_rank, require_shape
from depthjax.distributions import Normal

KEY = jax.random.key(0)
CALLS = {
    "log_prob": lambda d: d.log_prob(0.5),
    "log_prob_terms": lambda d: d.log_prob_terms(0.5),
    "sample": lambda d: d.sample(KEY),
    "sample_and_log_prob": lambda d: d.sample_and_log_prob(KEY),
    "mean": lambda d: d.mean(),
    "variance": lambda d: d.variance(),
    "stddev": lambda d: d.stddev(),
    "mode": lambda d: d.mode(),
    "entropy": lambda d: d.entropy(),
    "entropy_terms": lambda d: d.entropy_terms(),
    "cdf": lambda d: d.cdf(0.5),
    "log_cdf": lambda d: d.log_cdf(0.5),
    "survival": lambda d: d.survival(0.5),
    "log_survival": lambda d: d.log_survival(0.5),
    "quantile": lambda d: d.quantile(0.5),
    "quantile_from_log": lambda d: d.quantile_from_log(-0.5),
    "quantile_from_log_survival": lambda d: d.quantile_from_log_survival(-0.5),
    "sample_noise": lambda d: d.sample_noise(KEY),
    "from_noise": lambda d: d.from_noise(jnp.zeros(())),
}
MAPS = ["forward", "inverse", "forward_and_log_det", "inverse_and_log_det", "forward_log_det", "inverse_log_det"]


def stack(tree, count=4):
    return jax.tree.map(lambda leaf: jnp.stack([leaf] * count), tree)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("method", CALLS)
def test_stacked_distribution_raises(method, wrap):
    with pytest.raises(ValueError, match="stack of records") as info:
        wrap(CALLS[method])(stack(Normal(0.0, 1.0)))
    message = str(info.value)
    for part in (f"Normal.{method}", "'loc'", "(4,)", "expected ()", "jax.vmap(lambda d, x", "depthjax."):
        assert part in message
    assert ("sample_each" if method.startswith("sample") else "log_prob_each") in message


@pytest.mark.parametrize("method", MAPS)
def test_stacked_bijector_raises(method):
    with pytest.raises(ValueError, match=rf"Affine\.{method}: field 'shift' has shape \(4,\), expected \(\)"):
        getattr(stack(Affine(0.0, 2.0)), method)(0.5)
    with pytest.raises(ValueError, match="expected"):
        getattr(Invert(stack(Affine(0.0, 2.0))), method)(0.5)


def test_every_public_method_is_in_the_tables():
    public = {name for name in dir(Normal) if not name.startswith("_") and callable(getattr(Normal, name, None))}
    family = {"natural_parameters", "sufficient_statistics", "log_base_measure", "log_normalizer_of", "from_natural"}
    family |= {"from_mean_parameters", "log_normalizer", "mean_parameters", "fisher_information"}
    assert public - family - {"param_shapes", "detach"} == set(CALLS)
    assert set(MAPS) <= set(dir(Affine))


@pytest.mark.parametrize("method", ["log_prob", "log_prob_terms", "cdf", "log_cdf", "survival", "quantile"])
@pytest.mark.parametrize("shape", [(1,), (), (2,), (3, 1), (3, 2)])
def test_wrong_event_shape_raises(method, shape):
    name = "p" if method == "quantile" else "x"
    pattern = rf"Normal\.{method}: {name} has shape {re.escape(str(shape))}, expected \(\.\.\., 3\); batch axes lead"
    with pytest.raises(ValueError, match=pattern):
        getattr(Normal(np.zeros(3), 1.0), method)(jnp.zeros(shape))


@pytest.mark.parametrize("method", MAPS)
def test_wrong_event_shape_of_a_map_raises(method):
    name = "y" if method.startswith("inverse") else "x"
    with pytest.raises(ValueError, match=rf"Affine\.{method}: {name} has shape \(2,\), expected \(\.\.\., 3\)"):
        getattr(Affine(np.zeros(3), 1.0), method)(jnp.zeros(2))


def test_parameters_that_do_not_broadcast_raise():
    with pytest.raises(ValueError, match=r"Normal: loc with shape \(2,\) and scale with shape \(3,\) do not broadcast"):
        Normal(np.zeros(2), np.ones(3))
    with pytest.raises(ValueError, match=r"Normal: loc with shape \(3,\) and scale with shape \(2, 3\).*ranks differ"):
        Normal(np.zeros(3), np.ones((2, 3)))
    assert Normal(np.zeros((1, 3)), np.ones((2, 1))).event_shape == (2, 3)


def test_complex_raises():
    with pytest.raises(TypeError, match="Normal: scale is complex"):
        Normal(0.0, 1.0 + 0j)
    with pytest.raises(TypeError, match=r"Normal\.log_prob: x is complex"):
        Normal(0.0, 1.0).log_prob(1j)
    with pytest.raises(TypeError, match=r"Affine\.forward: x is complex"):
        Affine(0.0, 1.0).forward(np.complex64(1j))


def test_shape_helpers_name_class_field_and_shapes():
    with pytest.raises(ValueError, match=r"Wishart: scale_tril has shape \(2, 3\), expected \(3, 3\)"):
        require_shape("Wishart", "scale_tril", np.zeros((2, 3)), (3, 3))
    with pytest.raises(ValueError, match=r"Wishart: df has shape \(2,\), expected 0 axes"):
        require_rank("Wishart", "df", np.zeros(2), 0)


def test_missing_capability_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"Normal has no covariance\(\)"):
        Normal(0.0, 1.0).covariance()
    assert not hasattr(Normal(0.0, 1.0), "enumerate_support")
    assert not hasattr(Normal, "covariance")


def test_missing_argument_is_named_before_shapes_are_looked_at():
    from depthjax import distributions

    for cls in (distributions.MultivariateNormal, distributions.MultivariateNormalDiag, distributions.Normal):
        with pytest.raises(TypeError, match=r"missing argument 'scale"):
            cls(jnp.zeros(2))


def test_lists_are_events():
    from depthjax import distributions

    normal = distributions.Normal([0.0, 0.0], 1.0)
    np.testing.assert_array_equal(normal.log_prob([1.0, 2.0]), normal.log_prob(jnp.asarray([1.0, 2.0])))


def test_interval_with_array_ends_may_enter_any_interval():
    from depthjax import bijectors, distributions

    logit = distributions.Transformed(distributions.Uniform(0.0, 1.0), bijectors.Logit())
    np.testing.assert_allclose(logit.log_prob(0.0), np.log(0.25), rtol=1e-6)
    with pytest.raises(ValueError, match="positive"):
        distributions.Transformed(distributions.Normal(0.0, 1.0), bijectors.Log())
