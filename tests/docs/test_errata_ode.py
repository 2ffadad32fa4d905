"""Rows of docs/errata.md on differential equations: the right form holds numerically, and the printed form does not."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import ode

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32


def test_picard_iterates_start_at_the_initial_value():
    p, q, t = 1.7, 0.6, 0.8
    terms = sum((p * t) ** k / math.factorial(k) for k in range(1, 30))
    solved = ode.solve_fixed(lambda t, y, _: p * y + q, DTYPE(1.0), np.linspace(0.0, t, 41)).y1
    np.testing.assert_allclose(solved, 1 + (1 + q / p) * terms, rtol=1e-6)
    np.testing.assert_allclose(solved, 4.918, atol=5e-4)
    printed = q / p + (1 + q / p) * terms
    np.testing.assert_allclose(printed, 4.271, atol=5e-4)


def test_taylor_terms_have_factorials():
    got = ode.lmm_order(ode.LMM([-1.0, -9.0, 9.0, 1.0], [0.0, 6.0, 6.0, 0.0]))
    assert got == (4, Fraction(1, 10), Fraction(1, 120))
    roots = np.sort(ode.root_condition(ode.LMM([-1.0, -9.0, 9.0, 1.0], [0.0, 6.0, 6.0, 0.0])).roots.real)
    np.testing.assert_allclose(roots, [-5 - 2 * 6**0.5, -5 + 2 * 6**0.5, 1.0], rtol=1e-12)
    h = 0.1
    printed, right = (sum(h**k / (1 if plain else math.factorial(k)) for k in range(5)) for plain in (True, False))
    assert abs(right - math.exp(h)) < 1e-6
    assert abs(printed - math.exp(h)) > 1e-3


def test_first_characteristic_polynomial_vanishes_at_one():
    right = ode.LMM([1.0, -2.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0])
    assert ode.is_consistent(right)
    assert ode.lmm_order(right)[:2] == (1, Fraction(3, 2))
    report = ode.root_condition(right)
    assert not report.satisfied
    np.testing.assert_allclose(np.sort(report.roots.real), [-1.618034, 0.618034, 1.0], atol=5e-7)
    printed = ode.LMM([-1.0, -2.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0])
    assert not ode.is_consistent(printed)
    assert sum(printed.alpha) == -2.0


def test_poles_are_in_the_right_half_plane():
    zeros, poles = (np.sort_complex(v) for v in ode.rk_zeros_poles(ode.GAUSS4))
    p = -3 + 1j * 3**0.5
    np.testing.assert_allclose(zeros, [p.conjugate(), p], rtol=1e-12)
    np.testing.assert_allclose(poles, [-p, -p.conjugate()], rtol=1e-12)
    as_poles = abs((-1 + p) * (-1 + p.conjugate()) / ((-1 - p) * (-1 - p.conjugate())))
    np.testing.assert_allclose(as_poles, 2.714, atol=5e-4)
    assert abs(ode.stability_function(ode.GAUSS4)(-1.0)) < 1


def test_derivative_of_the_exponential_of_a_matrix():
    rng = np.random.default_rng(0)
    a, da = rng.normal(size=(2, 4, 4))
    b, g = rng.normal(size=(2, 4))
    zero, time, h = np.zeros(4), 0.7, 1e-3
    e = lambda m: np.asarray(jax.scipy.linalg.expm(jnp.asarray(time * m, DTYPE)), np.float64)  # noqa: E731
    for direction, commutes in ((da, False), (a @ a, True)):
        moved = (g @ e(a + h * direction) @ b - g @ e(a - h * direction) @ b) / (2 * h)
        got = ode.linear_ode_gradient(*(v.astype(DTYPE) for v in (a, direction, b, zero, g)), time)
        np.testing.assert_allclose(got, moved, rtol=1e-4 if X64 else 2e-2)
        printed = time * g @ direction @ e(a) @ b
        assert (abs(printed - got) < 1e-3 * abs(got)) == commutes


def test_sensitivities_follow_a_differential_equation():
    """u' = p u, u(0) = 1: du/dp = t e^{pt}; the printed algebraic equation gives u/(1 - p)."""
    p, t = 0.5, 1.2
    got = ode.forward_sensitivity(lambda t, u, p: p * u, DTYPE(1.0), np.linspace(0, t, 21), DTYPE(p)).dy_dargs
    np.testing.assert_allclose(got[-1], t * np.exp(p * t), rtol=1e-5)
    assert abs(np.exp(p * t) / (1 - p) - got[-1]) > 1
