"""Every function of the package in one registry: nothing else is public, and all obey the laws of functions."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import theory
from function_laws import check_function

X = np.array([[1.0, 0.3], [0.2, -1.1], [0.5, 0.8]], np.float32)
Y = np.array([0.4, -0.2, 0.9], np.float32)


def _x(p):
    return jnp.asarray(X, p.dtype), jnp.asarray(Y, p.dtype)


def _layers(p):
    return [jnp.asarray([[0.3, 0.1]], p.dtype), jnp.asarray([[0.2], [0.4]], p.dtype)]


FUNCTIONS = {
    "hyperplane_region_count_log": lambda p: p * theory.hyperplane_region_count_log(2, jnp.full_like(p, 4.0)),
    "residual_variance_growth": lambda p: theory.residual_variance_growth(3, p),
    "relu_second_moment": lambda p: theory.relu_second_moment(p),
    "dropout_ridge": lambda p: theory.dropout_ridge(*_x(p), p),
    "dropout_ridge_loss": lambda p: theory.dropout_ridge_loss(jnp.stack([p, 1.0 - p]), *_x(p), p),
    "ridge": lambda p: theory.ridge(*_x(p), p),
    "input_noise_ridge": lambda p: theory.input_noise_ridge(*_x(p), p),
    "shrinkage_factors": lambda p: theory.shrinkage_factors(jnp.stack([p, 2.0 * p]), 0.3),
    "early_stopping_factors": lambda p: theory.early_stopping_factors(jnp.stack([p, 2.0 * p]), 0.1, 5.0),
    "equivalent_penalty": lambda p: theory.equivalent_penalty(p, 5.0),
    "shrink": lambda p: theory.shrink(jnp.asarray([[2.0, 0.3], [0.3, 1.0]], p.dtype), jnp.stack([p, 1.0]), p),
    "deep_linear_mode": lambda p: theory.deep_linear_mode(p, 2.0, 0.1),
    "deep_linear_time": lambda p: theory.deep_linear_time(0.1, p, 2.0, depth=3),
    "deep_linear_flow": lambda p: theory.deep_linear_flow(_layers(p), jnp.full((2, 2), 1.5, p.dtype), p[None]),
}
# Of Python integers, or of data on the host.
COUNTS = {
    "hyperplane_region_count": lambda: theory.hyperplane_region_count(2, 4),
    "montufar_lower_bound": lambda: theory.montufar_lower_bound(2, (4, 4)),
    "montufar_upper_bound": lambda: theory.montufar_upper_bound(2, (4, 4)),
    "residual_path_counts": lambda: theory.residual_path_counts(3)[1],
    "count_activation_patterns": lambda: theory.count_activation_patterns([X[:2]], [Y[:2]], X),
}
REFUSED = {
    "hyperplane_region_count_log": lambda: theory.hyperplane_region_count_log(0, 4.0),
    "residual_variance_growth": lambda: theory.residual_variance_growth(-1, 0.5),
    "relu_second_moment": lambda: theory.relu_second_moment(-1.0),
    "dropout_ridge": lambda: theory.dropout_ridge(X, Y[:2], 0.5),
    "dropout_ridge_loss": lambda: theory.dropout_ridge_loss(Y, X, Y, 0.5),
    "ridge": lambda: theory.ridge(X, Y[:2], 0.5),
    "input_noise_ridge": lambda: theory.input_noise_ridge(X, Y[:2], 0.5),
    "shrinkage_factors": lambda: theory.shrinkage_factors(Y, -0.3),
    "early_stopping_factors": lambda: theory.early_stopping_factors(Y, -0.1, 5.0),
    "equivalent_penalty": lambda: theory.equivalent_penalty(0.0, 5.0),
    "shrink": lambda: theory.shrink(X, Y, 0.5),
    "deep_linear_mode": lambda: theory.deep_linear_mode(0.5, 2.0, 0.1, depth=0),
    "deep_linear_time": lambda: theory.deep_linear_time(0.1, 0.5, 2.0, depth=0),
    "deep_linear_flow": lambda: theory.deep_linear_flow([X, X], X, Y),
    "hyperplane_region_count": lambda: theory.hyperplane_region_count(0, 4),
    "montufar_lower_bound": lambda: theory.montufar_lower_bound(2, ()),
    "montufar_upper_bound": lambda: theory.montufar_upper_bound(2, (0, 4)),
    "residual_path_counts": lambda: theory.residual_path_counts(-1),
    "count_activation_patterns": lambda: theory.count_activation_patterns([X], [Y[:2]], X),
}


def test_the_registries_hold_all_public_names():
    public = {name for name in dir(theory) if not name.startswith("_") and not inspect.ismodule(getattr(theory, name))}
    assert public == set(FUNCTIONS) | set(COUNTS) | {"DeepLinearPath"}
    assert set(REFUSED) == set(FUNCTIONS) | set(COUNTS)
    for name in public - {"DeepLinearPath"}:
        text = inspect.getdoc(getattr(theory, name)) or ""
        assert all(section in text for section in ("Args:", "Returns:")), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_laws_of_functions(name):
    # The flow is an adaptive solve, differentiated in reverse.
    check_function(FUNCTIONS[name], derivative=jax.jacrev if name == "deep_linear_flow" else jax.jacfwd)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_python_integers(name):
    assert type(COUNTS[name]()) is int


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_function(name):
    with pytest.raises((ValueError, TypeError), match=name):
        REFUSED[name]()
