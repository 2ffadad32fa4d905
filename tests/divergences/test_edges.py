"""Orders near one, laws without common mass, extreme scales, and input that is no number."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from depthjax import divergences as dv

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def exact(log_p, log_q, order):
    """Renyi and alpha divergence of the laws with these logs, normalised, in many digits."""
    with mpmath.workdps(40):
        p, q = ([mpmath.exp(mpmath.mpf(float(v))) for v in logs] for logs in (log_p, log_q))
        p, q = ([v / mpmath.fsum(law) for v in law] for law in (p, q))
        a = mpmath.mpf(float(order))
        terms = [x**a * y ** (1 - a) for x, y in zip(p, q, strict=True)]
        renyi = mpmath.log(mpmath.fsum(terms)) / (a - 1)
        rest = mpmath.fsum(a * x + (1 - a) * y for x, y in zip(p, q, strict=True))
        return float(renyi), float((mpmath.fsum(terms) - rest) / (a * (a - 1)))


@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_orders_near_one_and_zero(spread):
    p, q = (jax.nn.log_softmax(jnp.asarray(spread * RNG.normal(size=6), DTYPE)) for _ in range(2))
    orders = DTYPE([1e-6, 0.3, 0.9, 1 - 1e-3, 1 - 1e-6, 1 + 1e-6, 1 + 1e-3, 1.2, 3.0])
    run = jax.jit(jax.vmap(lambda a: (dv.renyi_discrete(p, q, order=a), dv.alpha_discrete(p, q, order=a))))
    expected = np.array([exact(p, q, order) for order in orders]).T
    np.testing.assert_allclose(run(orders), expected, rtol=256 * EPS, atol=16 * EPS)
    slopes = jax.jit(jax.vmap(jax.grad(lambda a, p: dv.renyi_discrete(p, q, order=a), 1), (0, None)))(orders, p)
    near = jax.grad(lambda p: dv.kl_discrete(p, q))(p)  # of p as it is: the total weighs in with 1/(a - 1)
    tangent = lambda g: g - np.exp(p) * np.sum(g, axis=-1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(tangent(np.asarray(slopes[4])), tangent(np.asarray(near)), atol=1e-4 if X64 else 0.5)
    assert np.isfinite(np.asarray(slopes)).all()


def test_normal_laws_at_orders_near_one():
    a, b = (np.linalg.cholesky(m @ m.T + np.eye(3)).astype(DTYPE) for m in RNG.normal(size=(2, 3, 3)))
    m, n = RNG.normal(size=(2, 3)).astype(DTYPE)
    run = jax.jit(jax.vmap(lambda order: dv.renyi_mvn(m, a, n, b, order=order)))
    steps = DTYPE([1e-7, -1e-7]) if X64 else DTYPE([1e-6, -1e-6])
    np.testing.assert_allclose(run(1 + steps), np.full(2, dv.kl_mvn(m, a, n, b)), rtol=1e-5)
    around = DTYPE([1e-3, 2e-3, 4e-3, 8e-3])  # across the change of form: smooth
    third = np.diff(np.log(np.asarray(run(1 + around), np.float64)), 1) / np.diff(around)
    assert np.ptp(third) < 0.1 * np.abs(third).max() + 1e3 * EPS / 1e-3


@pytest.mark.parametrize(
    ("name", "alone", "both"),
    [("kl", 0.0, np.inf), ("reverse_kl", np.inf, np.inf), ("js", np.log(2), np.log(2)), ("gan", 2 * np.log(2), None)]
    + [(name, 1.0, 1.0) for name in ("tv", "hellinger", "le_cam")]
    + [("pearson", 1.0, np.inf), ("neyman", np.inf, np.inf), ("jeffreys", np.inf, np.inf)],
)
def test_laws_without_common_mass(name, alone, both):
    """Log ratios of -inf where p has none, and of inf where q has none."""
    none = jnp.full(2, -jnp.inf, DTYPE)
    np.testing.assert_allclose(dv.f_divergence(none, name=name).value, alone, rtol=8 * EPS)
    two_sided = dv.f_divergence(none, -none, name=name).value
    np.testing.assert_allclose(two_sided, alone if both is None else both, rtol=8 * EPS)
    mixed = jnp.asarray([-jnp.inf, -0.3, 0.0], DTYPE)
    slope = jax.grad(lambda u: dv.f_divergence(u, name=name).value)(mixed)
    assert np.isfinite(np.asarray(slope)).all()
    assert slope[0] == 0


def test_no_square_overflows_or_vanishes():
    x, y = (jnp.asarray(RNG.normal(size=(n, 2)), DTYPE) for n in (5, 4))
    small, large = (1e-30, 1e30) if not X64 else (1e-200, 1e200)
    for scale in (small, large):
        far = DTYPE(scale)
        np.testing.assert_allclose(dv.median_bandwidth(far * x, far * y), scale * dv.median_bandwidth(x, y), rtol=8e-7)
        np.testing.assert_allclose(dv.mmd_squared(far * x, far * y), dv.mmd_squared(x, y), rtol=1e3 * EPS)
        value, slope = jax.value_and_grad(dv.energy_distance_squared)(far * x, far * y)
        expected = jax.value_and_grad(dv.energy_distance_squared)(x, y)
        np.testing.assert_allclose(value / far, expected[0], rtol=64 * EPS)
        np.testing.assert_allclose(slope, expected[1], rtol=64 * EPS, atol=64 * EPS)


def test_input_that_is_no_number_gives_none():
    x, y = jnp.asarray([[jnp.nan], [0.1], [0.2]], DTYPE), jnp.asarray([[5.0], [5.1], [5.2]], DTYPE)
    assert np.isnan(np.asarray(dv.c2st_knn(x, y))).all()
    apart = lambda u, v: jnp.abs(jnp.mean(u) - jnp.mean(v))  # noqa: E731
    assert np.isnan(dv.permutation_test(KEY, x, y, apart, num_permutations=3).p_value)
    with pytest.raises(ValueError, match=r"statistic gives shape \(1,\), expected a scalar"):
        dv.permutation_test(KEY, y, y, lambda u, v: jnp.mean(u - v, axis=0), num_permutations=3)
    fit = dv.kliep(-jnp.ones((3, 2), DTYPE), jnp.ones((4, 2), DTYPE), num_steps=2, step_size=1.0)
    assert not fit.converged
    assert np.isnan(np.asarray(fit.weights)).all()
    assert np.isnan(dv.mmd_squared_gaussian(DTYPE(0), DTYPE(-0.2), DTYPE(1), DTYPE(1), bandwidth=1.0))
    assert np.isnan(dv.alpha_discrete(DTYPE([0, -np.inf]), DTYPE([-np.inf, 0]), order=np.nan))


def test_slope_of_the_conjugate_of_jeffreys_is_the_ratio():
    """f*'(f'(r)) = r, up to where r overflows."""
    u = jnp.asarray([-60.0, -1.0, 0.0, 2.0, 60.0, 80.0], DTYPE)
    generator = dv.f_generator("jeffreys")
    slope = jax.vmap(jax.grad(generator.conjugate))(jnp.maximum(generator.optimal_critic(u), -1e20))
    np.testing.assert_allclose(slope[1:], np.exp(np.asarray(u[1:], np.float64)), rtol=1e3 * EPS)
    assert np.isfinite(np.asarray(slope)).all()


def test_renyi_gradients_between_scales_far_apart():
    """From N(0, t^2) to N(0, 1) it is log(a + (1 - a) t^2)/(2 (1 - a)) - log t; float32, whose powers overflow."""
    zero, eye, order, scale = np.zeros(2, np.float32), np.eye(2, dtype=np.float32), 0.7, 3000.0
    slope = jax.grad(lambda t: dv.renyi_mvn(zero, t * eye, zero, eye, order=order))(np.float32(scale))
    mixed = order + (1 - order) * scale**2
    np.testing.assert_allclose(slope, 2 * (scale / mixed - 1 / scale), rtol=1e-5)
