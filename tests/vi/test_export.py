"""What is no estimator lowers for every platform too, in single precision."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import diagnostics, distributions, vi

pytestmark = pytest.mark.skipif(jax.config.jax_enable_x64, reason="exported in float32")
KEY = jax.random.key(0)
NORMAL = distributions.Normal(np.float32(0), np.float32(1))
ROWS = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)


def log_joint(_, z):
    return -0.5 * z * z


def log_density(z):
    return -jnp.sum(z**2) - jnp.sum(z**4)


def fitted(key, guide):
    found = vi.fit(
        key, vi.elbo_objective(log_joint), guide, guide, estimator=vi.pathwise(num_samples=4),
        optimizer=optax.adam(0.1), num_steps=10,
    )  # fmt: skip
    return found.params, found.value_trace


def newton(key, loc):
    init, update = vi.variational_online_newton(log_density, step_size=0.1, num_samples=4)
    return update(key, init(loc))


def gaps(key, x):
    return diagnostics.gap_report(
        key, lambda p, z, x: log_joint(p, z - x), lambda p, x: distributions.Normal(x, 1.0 + 0 * x), None, x,
        optimise_steps=5, num_particles=20,
    )  # fmt: skip


FUNCTIONS = {
    "fit": (fitted, KEY, NORMAL),
    "mixture": (lambda key, x: vi.gaussian_mixture_cavi(key, x, num_components=3), KEY, ROWS),
    "mean and precision": (
        lambda x: vi.normal_gamma_cavi(x, precision0=1.0, shape0=1.0, rate0=1.0),
        ROWS[:, 0],
    ),
    "regression": (lambda x, y: vi.linear_regression_cavi(x, y, shape0=1.0, rate0=1.0), ROWS, ROWS[:, 0]),
    "laplace": (lambda z: vi.laplace(log_density, z), ROWS[0]),
    "online newton": (newton, KEY, ROWS[0]),
    "annealed": (lambda key: vi.ais_bound(key, log_joint, NORMAL, None, betas=[0.0, 0.5, 1.0], num_chains=4), KEY),
    "summary": (lambda key: vi.posterior_summary(key, log_joint, NORMAL, None, num_draws=100), KEY),
    "smoothed weights": (diagnostics.psis, ROWS.ravel()),
    "gaps": (gaps, KEY, ROWS[:, 0]),
    "thermodynamic": (lambda w: vi.tvo(w, betas=[0.0, 0.5, 1.0]), ROWS.ravel()),
    "renyi": (lambda w, alpha: vi.renyi_bound(w, alpha=alpha), ROWS.ravel(), np.float32(0.5)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_exports_for_every_platform(name):
    function, *args = FUNCTIONS[name]
    exported = jax.export.export(jax.jit(function), platforms=("cpu", "cuda", "tpu"))(*args)
    assert "f64" not in exported.mlir_module()
