"""Rows of docs/errata.md on the gaps of amortised guides."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import diagnostics, distributions, vi

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


def test_guides_of_single_data_are_short_and_less_biased():
    """z ~ N(0, 1), x | z ~ N(z, 1): the best constant encoder beside the posterior of each datum, by quadrature."""
    x = np.array([-2.0, 0.5, 3.0], DTYPE)

    def log_joint(_, z, x):
        return distributions.Normal(0.0 * x, 1.0).log_prob(z) + distributions.Normal(z, 1.0).log_prob(x)

    def bound(guide, x):
        nodes, weights = np.polynomial.hermite_e.hermegauss(12)
        z = guide.loc + guide.scale * jnp.asarray(nodes, DTYPE)
        values = jax.vmap(lambda v: log_joint(None, v, x) - guide.log_prob(v))(z)
        return jnp.asarray(weights / weights.sum(), DTYPE) @ values

    def mean_bound(guide):
        return jnp.mean(jax.vmap(bound, (None, 0))(guide, x))

    scale = DTYPE(np.sqrt(0.5))
    constant = distributions.Normal(DTYPE(x.mean() / 2), scale)
    single = jax.vmap(distributions.Normal)(x / 2, np.full(3, scale))
    slopes = jax.jit(jax.grad(mean_bound))(constant)
    np.testing.assert_allclose([slopes.loc, slopes.scale], 0.0, atol=1e-5)  # so that no constant encoder is better
    evidence = -0.5 * np.log(4 * np.pi) - x.astype(np.float64) ** 2 / 4
    np.testing.assert_allclose(evidence - jax.vmap(bound)(single, x), 0.0, atol=1e-5)
    lost = evidence - jax.vmap(bound, (None, 0))(constant, x)
    np.testing.assert_allclose(lost, (x - x.mean()) ** 2 / 4, atol=1e-5)
    assert sum(leaf.size for leaf in jax.tree.leaves(single)) == 2 * len(x)
    # The whole of what is stored for one datum is what `amortised` would compute from it.
    guide = vi.amortised(lambda params, x: (x / 2, scale), lambda outputs: distributions.Normal(*outputs))
    np.testing.assert_allclose(guide(None, x[2]).loc, single.loc[2])
