"""The two monotonicities from which the branch of the spectrum's equation is unique, for arbitrary laws of phi'^2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthjax.meanfield._jacobian_equation import Setting, equation, placed
from depthjax.meanfield._jacobian_solve import _curve
from depthjax.meanfield._slope_law import _law
from depthjax.meanfield._slope_rules import plain

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not jax.config.jax_enable_x64, reason="float64 values")]
ANGLES, RADII = np.linspace(0.01, np.pi - 0.01, 40), np.linspace(-4.0, 6.0, 60)
squares = st.lists(st.floats(0.0, 5.0), min_size=4, max_size=4, unique_by=lambda x: round(x, 2))
masses = st.lists(st.floats(0.05, 1.0), min_size=4, max_size=4)


def _setting(points, weights, depth):
    law = _law(plain(points, weights / jnp.sum(weights)), 1.0, points, points, weights)
    return Setting(law, jnp.asarray(0.3), depth)


@jax.jit
def _look(points, weights, depth):
    setting = _setting(points, weights, depth)
    v = jnp.asarray(RADII[:, None] + 1j * ANGLES)
    shares = [jnp.imag(equation(placed(v), setting, a).log_z) / ANGLES[None] for a in (0.0, 1.0)]
    curves = [_curve(jnp.asarray(RADII), setting, a, 60) for a in (0.0, 1.0)]
    return jnp.stack(shares), jnp.stack([jnp.stack(curve) for curve in curves])


@settings(max_examples=200)
@given(squares, masses, st.floats(1.0, 50.0))
def test_one_angle_on_every_circle_and_a_rising_lambda(points, weights, depth):
    shares, curves = (np.asarray(x) for x in _look(np.asarray(points), np.asarray(weights), np.asarray(depth)))
    assert (np.diff(shares, axis=2) > -1e-12).all()
    for theta, log_lam in curves:
        inside = theta > 1e-6
        pairs = inside[1:] & inside[:-1]
        assert (np.diff(log_lam)[pairs] > 0).all()
