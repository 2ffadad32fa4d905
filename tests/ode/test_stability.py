"""Stability functions, regions, intervals and angles against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import ode

X64 = jax.config.jax_enable_x64
IMPLICIT = ["IMPLICIT_EULER", "IMPLICIT_MIDPOINT", "GAUSS4", "GAUSS6", "RADAU2A3", "RADAU2A5", "LOBATTO3C4"]
EXPLICIT = ["EULER", "MIDPOINT", "HEUN", "RALSTON", "RK4", "BOSH3", "DOPRI5", "TSIT5"]


@pytest.mark.parametrize("name", [*EXPLICIT, *IMPLICIT])
def test_stability_function_is_that_of_the_stages(name):
    tableau = getattr(ode, name)
    z = np.array([-0.3, -2.5 + 1j, 0.7j, 30.0 - 4j])
    eye, ones = np.eye(tableau.num_stages), np.ones(tableau.num_stages)
    want = [1 + v * tableau.b @ np.linalg.solve(eye - v * tableau.a, ones) for v in z]
    dtype = np.complex128 if X64 else np.complex64
    got = ode.stability_function(tableau)(z.astype(dtype))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want, rtol=1e-11 if X64 else 1e-4)  # the solve loses a digit to cancellation


def test_values_at_infinity_and_on_the_axis():
    at = {name: float(ode.stability_function(getattr(ode, name))(-jnp.inf)) for name in IMPLICIT}
    zero = {"IMPLICIT_EULER", "RADAU2A3", "RADAU2A5", "LOBATTO3C4"}
    for name, value in at.items():
        np.testing.assert_allclose(abs(value), 0.0 if name in zero else 1.0, atol=1e-6)
    y = 1j * np.linspace(-50, 50, 31)
    for name in ("IMPLICIT_MIDPOINT", "GAUSS4", "GAUSS6"):
        got = np.abs(ode.stability_function(getattr(ode, name))(y.astype(np.complex64)))
        np.testing.assert_allclose(got, 1.0, rtol=1e-5)
    theta = 0.3
    np.testing.assert_allclose(abs(ode.stability_function(ode.theta_tableau(theta))(-jnp.inf)), theta / (1 - theta))


def test_gauss4_in_closed_form():
    z = np.float32(-1.7)
    want = (1 + z / 2 + z**2 / 12) / (1 - z / 2 + z**2 / 12)
    np.testing.assert_allclose(ode.stability_function(ode.GAUSS4)(z), want, rtol=1e-6)
    zeros, poles = ode.rk_zeros_poles(ode.GAUSS4)
    np.testing.assert_allclose(np.sort_complex(zeros), [-3 - 3**0.5 * 1j, -3 + 3**0.5 * 1j], rtol=1e-12)
    np.testing.assert_allclose(np.sort_complex(poles), [3 - 3**0.5 * 1j, 3 + 3**0.5 * 1j], rtol=1e-12)


def test_a_and_l_stability():
    assert all(ode.is_a_stable(getattr(ode, name)) for name in IMPLICIT)
    assert not any(ode.is_a_stable(getattr(ode, name)) for name in EXPLICIT)
    assert [ode.is_l_stable(getattr(ode, name)) for name in IMPLICIT] == [True, False, False, False, True, True, True]
    assert [ode.is_a_stable(ode.theta_tableau(t)) for t in (0.0, 0.3, 0.5, 0.51, 1.0)] == [True] * 3 + [False] * 2
    assert [ode.is_l_stable(ode.theta_tableau(t)) for t in (0.0, 0.3, 0.5)] == [True, False, False]


@pytest.mark.parametrize(
    ("method", "low"),
    [
        (ode.EULER, -2.0), (ode.HEUN, -2.0), (ode.RK4, -2.785293563405282), (ode.GAUSS4, -np.inf),
        (ode.RADAU2A5, -np.inf), (ode.theta_tableau(0.75), -4.0),
        (ode.adams_bashforth(1), -2.0), (ode.adams_bashforth(2), -1.0), (ode.adams_bashforth(3), -6 / 11),
        (ode.adams_bashforth(4), -0.3), (ode.adams_moulton(1), -np.inf), (ode.adams_moulton(2), -6.0),
        (ode.adams_moulton(3), -3.0), (ode.bdf(2), -np.inf), (ode.bdf(6), -np.inf), (ode.bdf(7), 0.0),
        (ode.nystrom(2), 0.0), (ode.milne_simpson(), 0.0),
    ],
)  # fmt: skip
def test_real_interval(method, low):
    got = ode.real_interval(method)
    np.testing.assert_allclose(got[0], low, rtol=1e-14)
    assert got[1] == 0.0


@pytest.mark.parametrize(
    ("method", "high"),
    [
        (ode.EULER, 0.0), (ode.MIDPOINT, 0.0), (ode.BOSH3, 3**0.5), (ode.RK4, 8**0.5), (ode.GAUSS6, np.inf),
        (ode.RADAU2A5, np.inf), (ode.IMPLICIT_MIDPOINT, np.inf), (ode.theta_tableau(0.6), 0.0),
        (ode.nystrom(2), 1.0), (ode.milne_simpson(), 3**0.5), (ode.adams_bashforth(2), 0.0), (ode.bdf(2), np.inf),
    ],
)  # fmt: skip
def test_imaginary_interval(method, high):
    np.testing.assert_allclose(ode.imaginary_interval(method), high, rtol=1e-8)


def test_angles_of_backward_differentiation():
    got = [ode.stability_angle_degrees(ode.bdf(k)) for k in range(1, 8)]
    np.testing.assert_allclose(got, [90, 90, 86.03, 73.35, 51.84, 17.84, 0], atol=5e-3)
    assert ode.is_a_stable(ode.bdf(2))
    assert not ode.is_a_stable(ode.bdf(3))
    assert ode.stability_angle_degrees(ode.RADAU2A5) == 90
    assert ode.stability_angle_degrees(ode.RK4) == 0


def test_region_and_locus():
    re, im = np.linspace(-4, 1, 41), np.linspace(-3, 3, 31)
    grid = re[None, :] + 1j * im[:, None]
    taylor = np.abs(1 + grid + grid**2 / 2 + grid**3 / 6 + grid**4 / 24) <= 1
    np.testing.assert_array_equal(ode.stability_region(ode.RK4, re, im), taylor)
    np.testing.assert_array_equal(ode.stability_region(ode.bdf(1), re, im), np.abs(1 - grid) >= 1)
    locus = ode.boundary_locus(ode.adams_bashforth(2), np.linspace(0.1, 3, 9))
    assert ode.is_absolutely_stable(ode.adams_bashforth(2), locus - 1e-3).sum() > 0
    on = ode.boundary_locus(ode.RK4, [0.5, 1.0])
    assert on.shape == (2, 4)
    np.testing.assert_allclose(np.abs(1 + on + on**2 / 2 + on**3 / 6 + on**4 / 24), 1.0, rtol=1e-12)


def test_a_double_root_on_the_circle_is_unstable():
    assert ode.is_absolutely_stable(ode.nystrom(2), 0.5j)
    assert not ode.is_absolutely_stable(ode.nystrom(2), 1j)
    assert not ode.is_absolutely_stable(ode.nystrom(2), -0.01)
    assert not ode.is_absolutely_stable(ode.LMM([-1.0, 1.0], [0.0, 1.0]), 1.0)  # the newest state drops out
