"""Every function of the package in one registry: nothing else is public, and all obey the laws of functions."""

import inspect

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import meanfield as mf
from function_laws import check_function

A = mf.activations
TWO = np.float32([0.3, 0.7])
FUNCTIONS = {
    "length_map": lambda p: mf.length_map(p, 1.3, 0.2, A.tanh),
    "length_map_slope": lambda p: mf.length_map_slope(p, 1.3, A.tanh),
    "length_trajectory": lambda p: mf.length_trajectory(p, 1.3, 0.2, A.tanh, 3),
    "residual_length_map": lambda p: mf.residual_length_map(p, 1.3, 0.2, A.relu, skip=0.7),
    "chi_1": lambda p: mf.chi_1(p, 1.3, A.tanh),
    "chi_c": lambda p: mf.chi_c(0.3, p, 1.3, A.erf),
    "nngp_kernel": lambda p: mf.nngp_kernel(1.0, 1.0, p, 1.3, 0.2, A.relu),
    "nngp_kernel_matrix": lambda p: mf.nngp_kernel_matrix(
        jnp.stack([p, 2.0 * p])[None], jnp.stack([p, 1.0 - p])[None], 1.3, 0.2, A.relu, 2
    ),
    "arc_cosine_kernel": lambda p: mf.arc_cosine_kernel(jnp.stack([p, 2.0 * p]), jnp.stack([1.0 - p, p]), order=1),
    "critical_line": lambda p: mf.critical_line(p, A.tanh),
    "q_star": lambda p: mf.q_star(1.3, p, A.tanh),
    "residual_jacobian_variance": lambda p: mf.residual_jacobian_variance(
        A.tanh, p, 1.3, 3.0, skip=0.7, ensemble="gaussian"
    ),
    "jacobian_atoms": lambda p: mf.jacobian_atoms(A.hard_tanh, p, 1.3, 1.02, ensemble="orthogonal"),
    "jacobian_mean_log": lambda p: mf.jacobian_mean_log(A.tanh, p, 1.3, 3.0, ensemble="gaussian"),
    "jacobian_moments": lambda p: mf.jacobian_moments(3, A.tanh, p, 1.3, 3.0, ensemble="gaussian"),
    "jacobian_variance": lambda p: mf.jacobian_variance(A.tanh, p, 1.3, 3.0, ensemble="orthogonal"),
}
# Those that take long to compile.
LONG = {
    "correlation_gap_map": lambda p: mf.correlation_gap_map(p, 1.0, 1.0, 1.3, 0.2, A.relu),
    "correlation_map": lambda p: mf.correlation_map(p, 1.0, 1.0, 1.3, 0.2, A.erf),
    "correlation_trajectory": lambda p: mf.correlation_trajectory(p, 1.0, 1.0, 1.3, 0.2, A.erf, 3)[0],
    "universal_jacobian": lambda p: mf.universal_jacobian(p, universality="smooth").log_density(0.7),
    "residual_jacobian": lambda p: mf.residual_jacobian(p).log_density(0.7),
    "c_star": lambda p: mf.c_star(1.8, p, A.erf),
    "xi_c": lambda p: mf.xi_c(1.8, p, A.erf),
    "xi_q": lambda p: mf.xi_q(1.8, p, A.erf),
    "q_star_all": lambda p: mf.q_star_all(1.3, p, A.tanh),
    "critical_sigma_w": lambda p: mf.critical_sigma_w(p, A.tanh),
    "phase_diagram": lambda p: mf.phase_diagram(1.3, p, A.tanh),
    "isometry_loss": lambda p: mf.isometry_loss(1.3, p, A.tanh, 16.0, ensemble="gaussian"),
    "fit_initialisation": lambda p: mf.fit_initialisation(
        1.3, p, A.tanh, 4.0, ensemble="gaussian", optimizer=optax.sgd(1e-3), num_steps=2
    ),
    "JacobianSpectrum": lambda p: mf.JacobianSpectrum(A.hard_tanh, p, 1.3, 3.0, ensemble="gaussian").log_density(0.7),
    "jacobian_density_solve": lambda p: mf.jacobian_density_solve(-0.3, A.tanh, p, 1.3, 3.0, ensemble="gaussian"),
    "jacobian_log_density": lambda p: mf.jacobian_log_density(-0.3, A.hard_tanh, p, 1.3, 3.0, ensemble="gaussian"),
    "jacobian_cdf": lambda p: mf.jacobian_cdf(-0.3, A.hard_tanh, p, 1.3, 3.0, ensemble="gaussian"),
    "jacobian_edges": lambda p: mf.jacobian_edges(A.hard_tanh, p, 1.3, 3.0, ensemble="gaussian"),
    "jacobian_quantile": lambda p: mf.jacobian_quantile(0.7, A.hard_tanh, p, 1.3, 3.0, ensemble="gaussian"),
}
RECORDS = {"Activation", "CriticalPoints", "FittedInitialisation", "FixedPoint", "JacobianDensity", "PhaseDiagram"}
# A call that must not go through.
REFUSED = {
    "length_map": lambda: mf.length_map(1.0, -1.0, 0.2, A.tanh),
    "length_map_slope": lambda: mf.length_map_slope(1.0, 0.0, A.tanh),
    "length_trajectory": lambda: mf.length_trajectory(1.0, TWO, 0.2, A.tanh, 3),
    "residual_length_map": lambda: mf.residual_length_map(1.0, 1.3, -0.2, A.tanh),
    "chi_1": lambda: mf.chi_1(1.0, 1.3, jnp.tanh),
    "chi_c": lambda: mf.chi_c(0.3, 1.0, -1.3, A.erf),
    "correlation_map": lambda: mf.correlation_map(0.3, 1.0, 1.0, 1.3, -0.2, A.erf),
    "correlation_gap_map": lambda: mf.correlation_gap_map(0.3, 1.0, 1.0, 0.0, 0.2, A.erf),
    "correlation_trajectory": lambda: mf.correlation_trajectory(0.3, 1.0, 1.0, TWO, 0.2, A.erf, 3),
    "nngp_kernel": lambda: mf.nngp_kernel(1.0, 1.0, 0.5, 1.3, 0.2, jnp.tanh),
    "nngp_kernel_matrix": lambda: mf.nngp_kernel_matrix(np.eye(2), np.eye(3), 1.3, 0.2, A.relu, 2),
    "arc_cosine_kernel": lambda: mf.arc_cosine_kernel(TWO, TWO, order=3),
    "critical_line": lambda: mf.critical_line(1.0, jnp.tanh),
    "q_star": lambda: mf.q_star(-1.3, 0.2, A.tanh),
    "universal_jacobian": lambda: mf.universal_jacobian(0.5, universality="tanh"),
    "residual_jacobian": lambda: mf.residual_jacobian(-0.5),
    "residual_jacobian_variance": lambda: mf.residual_jacobian_variance(
        A.tanh, 0.5, 1.3, 3.0, skip=0.7, ensemble="haar"
    ),
    "isometry_loss": lambda: mf.isometry_loss(1.3, 0.2, A.tanh, 0.0, ensemble="gaussian"),
    "critical_sigma_w": lambda: mf.critical_sigma_w(-0.2, A.tanh),
    "phase_diagram": lambda: mf.phase_diagram(0.0, 0.2, A.tanh),
    "c_star": lambda: mf.c_star(0.0, 0.2, A.tanh),
    "xi_c": lambda: mf.xi_c(0.0, 0.2, A.tanh),
    "xi_q": lambda: mf.xi_q(0.0, 0.2, A.tanh),
    "q_star_all": lambda: mf.q_star_all(0.0, 0.2, A.tanh),
    "fit_initialisation": lambda: mf.fit_initialisation(
        1.3, 0.2, A.tanh, 4.0, ensemble="haar", optimizer=optax.sgd(1e-3), num_steps=2
    ),
    "JacobianSpectrum": lambda: mf.JacobianSpectrum(A.tanh, 0.5, 1.3, 0.5, ensemble="gaussian"),
    "jacobian_moments": lambda: mf.jacobian_moments(0, A.tanh, 0.5, 1.3, 3.0, ensemble="gaussian"),
} | {
    name: lambda name=name, first=first: getattr(mf, name)(*first, A.tanh, 0.5, 1.3, 3.0, ensemble="haar")
    for name, first in {
        "jacobian_atoms": (),
        "jacobian_edges": (),
        "jacobian_mean_log": (),
        "jacobian_variance": (),
        "jacobian_density_solve": (0.0,),
        "jacobian_log_density": (0.0,),
        "jacobian_cdf": (0.0,),
        "jacobian_quantile": (0.5,),
    }.items()
}


def test_the_registries_hold_all_public_names():
    public = {name for name in dir(mf) if not name.startswith("_") and not inspect.ismodule(getattr(mf, name))}
    assert public == set(FUNCTIONS) | set(LONG) | RECORDS
    assert set(REFUSED) == set(FUNCTIONS) | set(LONG)
    for name in public - RECORDS:
        text = inspect.getdoc(getattr(mf, name)) or ""
        sections = ("Args:",) if inspect.isclass(getattr(mf, name)) else ("Args:", "Returns:")
        assert all(section in text for section in sections), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_laws_of_functions(name):
    check_function(FUNCTIONS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_laws_of_long_functions(name):
    check_function(LONG[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_function(name):
    with pytest.raises((ValueError, TypeError), match=name):
        REFUSED[name]()
