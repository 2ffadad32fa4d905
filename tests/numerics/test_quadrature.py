import jax
import jax.numpy as jnp
import numpy as np
import pytest

import depthjax.numerics as nx


def test_rules_are_exact_for_polynomials():
    nodes, weights = nx.gauss_legendre_rule(6)
    np.testing.assert_allclose(weights @ nodes**10, 2.0 / 11.0, rtol=1e-13)
    nodes, weights = nx.gauss_hermite_rule(8)
    np.testing.assert_allclose(
        [weights.sum(), weights @ nodes**2, weights @ nodes**14], [1.0, 1.0, 135135.0], rtol=1e-12
    )
    for count in (2, 3, 8, 9):
        nodes, weights = nx.clenshaw_curtis_rule(count)
        powers = np.arange(count)
        want = np.where(powers % 2 == 0, 2.0 / (powers + 1.0), 0.0)
        np.testing.assert_allclose([weights @ nodes**k for k in powers], want, atol=1e-14)
        assert np.all(np.diff(nodes) > 0.0)


def test_large_hermite_rule():
    nodes, weights = nx.gauss_hermite_rule(200)
    assert np.all(np.isfinite(weights))
    np.testing.assert_allclose(weights @ np.cos(3.0 * nodes), np.exp(-4.5), rtol=1e-11)


def test_integrate():
    ends = jnp.array([1.0, 2.0])
    np.testing.assert_allclose(nx.integrate(jnp.exp, 0.0, ends, num_points=20), np.expm1(np.array([1.0, 2.0])), 1e-6)
    np.testing.assert_allclose(jax.grad(lambda b: nx.integrate(jnp.exp, 0.0, b))(1.0), np.e, rtol=1e-6)


@pytest.mark.parametrize("rule", [nx.gauss_legendre_rule, nx.gauss_hermite_rule, nx.clenshaw_curtis_rule])
def test_too_few_points(rule):
    with pytest.raises(ValueError, match="num_points"):
        rule(0)
