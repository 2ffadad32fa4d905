"""Rows of docs/errata.md on signals in random networks: the right form holds, the printed one does not."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import integrate, special, stats

from depthjax import meanfield as mf

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
A = mf.activations
Q = 0.3


def _mean(fn):
    kinks = [-1 / np.sqrt(Q), 1 / np.sqrt(Q)]
    return integrate.quad(lambda h: fn(np.sqrt(Q) * h) * stats.norm.pdf(h), -9, 9, points=kinks, epsabs=1e-13)[0]


def test_length_map_of_hard_tanh():
    """Squares inside, one outside; as worded, one inside and squares outside."""
    right = _mean(lambda z: min(z * z, 1.0))
    worded = _mean(lambda z: 1.0 if abs(z) <= 1 else z * z)
    np.testing.assert_allclose((right, worded), (0.26498011, 1.035), rtol=1e-3)
    np.testing.assert_allclose(mf.length_map(DTYPE(Q), 1.0, 0.0, A.hard_tanh), right, rtol=64 * EPS)


def test_gain_of_hard_tanh_is_the_share_of_linear_units():
    share = _mean(lambda z: float(abs(z) <= 1))
    np.testing.assert_allclose(mf.chi_1(DTYPE(Q), 1.3, A.hard_tanh), 1.69 * share, rtol=1e-6)
    assert abs(1.69 * (1 - share) - float(mf.chi_1(DTYPE(Q), 1.3, A.hard_tanh))) > 1


def test_share_of_linear_units():
    share = stats.norm.cdf(1, scale=np.sqrt(Q)) - stats.norm.cdf(-1, scale=np.sqrt(Q))
    bare = integrate.quad(lambda t: np.exp(-t * t), 0, 1 / np.sqrt(2 * Q))[0]
    np.testing.assert_allclose(mf.chi_1(DTYPE(Q), 1.0, A.hard_tanh), share, rtol=64 * EPS)
    np.testing.assert_allclose(special.erf(1 / np.sqrt(2 * Q)), share, rtol=1e-13)
    assert abs(bare - share) > 0.05


def test_variance_of_first_preactivations():
    """Over random weights and biases, for one input."""
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=50), 1.3, 0.7
    draws = (w / np.sqrt(50)) * rng.normal(size=(40_000, 50)) @ x + b * rng.normal(size=40_000)
    right = w**2 * np.mean(x**2) + b**2
    assert abs(draws.var() / right - 1) < 5 * np.sqrt(2 / 40_000)
    assert abs(draws.var() / (right - b**2) - 1) > 0.1
    np.testing.assert_allclose(mf.length_map(np.mean(x**2).astype(DTYPE), w, b, A.linear), right, rtol=64 * EPS)


def test_length_maps_need_not_be_concave():
    cube = mf.Activation(lambda x: x**3)
    q = np.array([0.1, 0.2, 0.3], DTYPE)
    values = np.asarray(mf.length_map(q, 1.0, 0.0, cube), np.float64)
    np.testing.assert_allclose(values, 15 * q.astype(np.float64) ** 3, rtol=1e-5)
    assert values[0] - 2 * values[1] + values[2] > 0
    np.testing.assert_allclose(mf.length_map(q, DTYPE(np.sqrt(2)), 0.0, A.relu), q, rtol=64 * EPS)


def test_fixed_point_of_relu():
    found = mf.q_star(DTYPE(1.1), DTYPE(0.4), A.relu).value
    np.testing.assert_allclose(found, 0.16 / (1 - 1.21 / 2), rtol=256 * EPS)
    assert jnp.isfinite(found)


def test_variance_of_a_convolution_divides_by_the_fan_in():
    """He's gain for nine taps and twelve channels; read as (2/9) times the channels it would be 144 times as large."""
    kernel = mf.initializers.critical(A.relu, sigma_b=0.0, kind="gaussian")(jax.random.key(0), (3, 3, 12, 2000), DTYPE)
    variance = np.asarray(kernel, np.float64).var()
    assert abs(variance / (2 / (9 * 12)) - 1) < 5 * np.sqrt(2 / kernel.size)
    assert variance < 0.01 * (2 / 9 * 12)


def test_residual_variance_needs_slopes_of_their_own():
    """Four blocks of ReLU with sigma_w = 1, run forward on one input; the gain of each is 1 + 1/2."""
    formula = mf.residual_jacobian_variance(A.relu, 1.0, 1.0, 4.0, skip=1.0, ensemble="gaussian") / 1.5**8
    np.testing.assert_allclose(formula, 8 / 3, rtol=1e-5)
    rng, width, found = np.random.default_rng(0), 500, {"inner": [], "outer": []}
    for kind, spreads in found.items():
        for _ in range(3):
            x, jacobian = rng.normal(size=width), np.eye(width)
            for _ in range(4):
                w = rng.normal(size=(width, width)) / np.sqrt(width)
                if kind == "outer":
                    x, jacobian = x + w @ np.maximum(x, 0), jacobian + w @ ((x > 0)[:, None] * jacobian)
                else:
                    jacobian, x = jacobian + (w @ x > 0)[:, None] * (w @ jacobian), x + np.maximum(w @ x, 0)
            square = jacobian @ jacobian.T
            spreads.append(np.sum(square**2) / width / (np.trace(square) / width) ** 2 - 1)
    np.testing.assert_allclose(np.mean(found["inner"]), formula, rtol=0.05)
    assert np.mean(found["outer"]) > 1.1 * formula
