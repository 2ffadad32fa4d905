"""Rows of docs/errata.md on the gaps of amortised guides."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import diagnostics, distributions

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32


def test_the_guide_of_one_datum_has_the_larger_bound():
    """z ~ N(0, 1), x | z ~ N(z, 1); the amortised guide N(0, 1) against the best normal, the posterior N(x/2, 1/2)."""
    x = np.array([-2.0, 0.0, 3.0], DTYPE)

    def log_joint(_, z, x):
        return distributions.Normal(0.0 * x, 1.0).log_prob(z) + distributions.Normal(z, 1.0).log_prob(x)

    report = diagnostics.gap_report(
        jax.random.key(0),
        log_joint,
        lambda _, x: distributions.Normal(0.0 * x, jnp.ones_like(x)),
        None,
        x,
        optimise_steps=400,
        num_particles=4000,
    )
    amortised = 0.5 * (2 - 1 + np.log(0.5) + x.astype(np.float64) ** 2 / 2)  # KL(N(0, 1) || N(x/2, 1/2))
    best = np.zeros(3)
    assert (best <= amortised).all()
    np.testing.assert_allclose(report.inference_gap, amortised, atol=0.3)
    np.testing.assert_allclose(report.approximation_gap, best, atol=5e-3)
    assert (np.asarray(report.amortisation_gap) > 0.1).all()  # L(q*) > L(q_phi), where KL(q*) < KL(q_phi)
