"""Power series against exact rational arithmetic and identities, Chebyshev tables, normal rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from depthjax import numerics

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
N = 8
FACTORIAL = special.factorial(np.arange(N))
EXP = (1 / FACTORIAL).astype(DTYPE)
SIN = np.where(np.arange(N) % 2 == 1, (-1.0) ** (np.arange(N) // 2) / FACTORIAL, 0).astype(DTYPE)


def close(got, want, tol=64):
    np.testing.assert_allclose(got, want, rtol=tol * EPS, atol=tol * EPS)


def test_series_of_known_functions():
    k = np.arange(1, N)
    close(numerics.series_log(EXP), np.eye(N)[1])
    log1p = np.concatenate([[0], -((-1.0) ** k) / k]).astype(DTYPE)
    close(numerics.series_exp(log1p), np.array([1, 1] + [0] * (N - 2)))
    close(numerics.series_mul(EXP, EXP), 2.0 ** np.arange(N) / FACTORIAL)
    one_plus_x = np.array([1, 1] + [0] * (N - 2), DTYPE)
    close(numerics.series_pow(one_plus_x, 0.5), special.binom(0.5, np.arange(N)))
    close(numerics.series_revert(SIN), [0, 1, 0, 1 / 6, 0, 3 / 40, 0, 5 / 112])
    close(numerics.series_compose(EXP, SIN), [1, 1, 1 / 2, 0, -1 / 8, -1 / 15, -1 / 240, 1 / 90])  # exp(sin x)


def test_series_have_batches_gradients_and_errors():
    batch = jnp.stack([jnp.asarray(EXP), 2 * jnp.asarray(EXP)])
    close(numerics.series_log(batch)[:, 0], [0, np.log(2)])
    gradient = jax.grad(lambda a: jnp.sum(numerics.series_exp(numerics.series_log(a))))(jnp.asarray(EXP))
    close(gradient, np.ones(N))
    with pytest.raises(ValueError, match="one length, got 8 and 3"):
        numerics.series_mul(EXP, EXP[:3])
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        numerics.series_exp(DTYPE(1))


def test_chebyshev_tables():
    lower, upper = DTYPE(-0.5), DTYPE(2.0)
    table = numerics.chebyshev_fit(jnp.exp, lower, upper, 15)
    x = np.linspace(-0.5, 2, 33).astype(DTYPE)
    close(numerics.chebyshev_eval(table, x, lower, upper), np.exp(x.astype(np.float64)))
    want = 2 * np.exp(0.75) * special.iv(np.arange(16), 1.25)  # of exp(0.75 + 1.25 t), the first one twice
    np.testing.assert_allclose(table, want / np.where(np.arange(16) == 0, 2, 1), atol=8 * EPS * want[0])
    slope = jax.grad(lambda t: numerics.chebyshev_eval(table, t, lower, upper))(DTYPE(1))
    close(slope, np.e, 2**12)
    with pytest.raises(ValueError, match="degree must be at least 0"):
        numerics.chebyshev_fit(jnp.exp, lower, upper, -1)
    with pytest.raises(ValueError, match=r"expected \(n,\)"):
        numerics.chebyshev_eval(table[None], x, lower, upper)


def test_normal_rules():
    for nodes, weights in (numerics.normal_trapezoid_rule(), numerics.normal_panel_rule(DTYPE(1))):
        for power, want in ((0, 1), (2, 1), (4, 3), (6, 15)):
            close(np.sum(np.asarray(weights, np.float64) * np.asarray(nodes, np.float64) ** power), want)
    scale = DTYPE(1.7)
    close(numerics.normal_expectation(jnp.cos, scale), np.exp(-(1.7**2) / 2))
    both = numerics.normal_expectation(lambda x: {"a": x * x, "b": jnp.stack([x, x**4], -1)}, scale)
    close(both["a"], 1.7**2)
    close(both["b"][1], 3 * 1.7**4)


def test_a_step_has_its_derivative_in_the_scale():
    def inside(scale):
        return numerics.normal_expectation(lambda x: (jnp.abs(x) < 1).astype(DTYPE), scale, breaks=(-1.0, 1.0))

    value, slope = jax.value_and_grad(inside)(DTYPE(1.3))
    close(value, special.erf(1 / (1.3 * np.sqrt(2))))
    close(slope, -2 / 1.3**2 * np.exp(-0.5 / 1.3**2) / np.sqrt(2 * np.pi))


def test_wrong_rules_are_refused():
    with pytest.raises(ValueError, match="odd num_points"):
        numerics.normal_trapezoid_rule(10)
    with pytest.raises(ValueError, match="multiple of 4, got 6"):
        numerics.normal_panel_rule(1.0, num_panels=6)
    with pytest.raises(ValueError, match="scalar scale"):
        numerics.normal_panel_rule(np.ones(2))
