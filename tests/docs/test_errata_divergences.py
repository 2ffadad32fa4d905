"""Rows of docs/errata.md on divergences and adversarial games: the right form holds, and the printed form does not."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import adversarial, divergences

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 64 * EPS


def logs(*p):
    with np.errstate(divide="ignore"):
        return jnp.asarray(np.log(np.array(p)), DTYPE)


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def test_uniform_laws_overlap_on_the_shifted_interval():
    """U[0, 1] against U[a, a + 1] on cells of width 1/100: the second law ends at a + 1."""
    shift, cells = 30, 100
    index = np.arange(2 * cells)
    first = (index < cells) / cells
    second = ((index >= shift) & (index < shift + cells)) / cells
    printed = (index < shift) / cells
    np.testing.assert_allclose(divergences.js_discrete(logs(*first), logs(*second)), 0.3 * np.log(2), rtol=TOL)
    assert abs(printed.sum() - 1.0) > 0.5


def test_jensen_shannon_is_no_distance():
    """Its root obeys the triangle inequality and it does not."""
    p, q, r = logs(1.0, 0.0), logs(0.5, 0.5), logs(0.0, 1.0)
    pq, qr, pr = (float(divergences.js_discrete(*pair)) for pair in ((p, q), (q, r), (p, r)))
    assert pr > pq + qr
    assert np.sqrt(pr) <= np.sqrt(pq) + np.sqrt(qr)


def test_best_discriminator_weighs_one_minus_y():
    """f1 log y + f0 log(1 - y) has its maximum at f1/(f0 + f1); f1 log y + f0 log y has none inside."""
    f0, f1 = 0.3, 0.9
    y = np.linspace(1e-4, 1 - 1e-4, 9999)
    best = y[np.argmax(f1 * np.log(y) + f0 * np.log1p(-y))]
    expected = sigmoid(float(divergences.optimal_discriminator_logits(DTYPE(np.log(f1)), DTYPE(np.log(f0)))))
    np.testing.assert_allclose(best, expected, atol=1e-4)
    assert np.argmax((f1 + f0) * np.log(y)) == y.size - 1


def test_slope_of_the_dirac_field_has_a_second_term():
    psi0, psi1, theta = 0.5, 0.1, -0.4
    field = adversarial.game_field(adversarial.dirac_gan())
    slope = jax.grad(lambda t: field(jnp.asarray([psi0, psi1], DTYPE), t)[0][0])(DTYPE(theta))
    s = sigmoid(psi0 * theta + psi1)
    np.testing.assert_allclose(slope, -s - theta * psi0 * s * (1 - s), rtol=TOL)
    np.testing.assert_allclose(slope, -0.425146, atol=5e-7)
    assert abs(slope - (-s)) > 0.04


def test_the_dirac_game_circles():
    """A classical Runge-Kutta path from (psi0, theta) = (0.6, 0.2) keeps psi0^2 + theta^2 for ten turns."""
    field = adversarial.game_field(adversarial.dirac_gan())

    def velocity(z):
        up, down = field(z[:2], z[2])
        return jnp.concatenate([up, down[None]])

    def step(z, _):
        h = jnp.asarray(0.02, DTYPE)
        a = velocity(z)
        b = velocity(z + h / 2 * a)
        c = velocity(z + h / 2 * b)
        return z + h / 6 * (a + 2 * b + 2 * c + velocity(z + h * c)), z[0] ** 2 + z[2] ** 2

    start = jnp.asarray([0.6, 0.0, 0.2], DTYPE)
    energies = jax.jit(lambda z: jax.lax.scan(step, z, length=6000)[1])(start)
    np.testing.assert_allclose(energies, np.full(6000, 0.4), rtol=1e-9 if DTYPE is np.float64 else 1e-3)


def test_order_of_the_eigenvectors():
    """Each printed vector belongs to one real eigenvalue, and neither to i/2 or -i/2."""
    gamma = 2.0
    matrix = np.asarray(adversarial.game_jacobian(adversarial.dirac_gan(gamma=gamma), jnp.zeros(2, DTYPE), DTYPE(0.0)))
    root = np.sqrt(gamma**2 - 1)
    pairs = ((1 / (root - gamma), -(gamma + root) / 2), (-1 / (root + gamma), (-gamma + root) / 2))
    for first, value in pairs:
        vector = np.array([first, 0.0, 1.0], DTYPE)
        np.testing.assert_allclose(matrix @ vector, value * vector, atol=TOL)
        for printed in (0.5j, -0.5j):
            assert np.abs(matrix @ vector - printed * vector).max() > 0.1


def test_the_loss_at_the_best_discriminator_has_a_factor_and_a_constant():
    """V* = 2 JSD - 2 log 2, not JSD; equal laws give -2 log 2."""
    p, q = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    best = p / (p + q)
    value = p @ np.log(best) + q @ np.log1p(-best)
    jsd = float(divergences.js_discrete(logs(*p), logs(*q)))
    np.testing.assert_allclose(value, 2 * jsd - 2 * np.log(2), rtol=TOL)
    np.testing.assert_allclose(value, -1.3186502100, atol=1e-10)
    assert abs(value - jsd) > 1


def test_logarithms_change_the_best_discriminator():
    """E D + E (1 - D) is largest at the indicator of p > q, E log D + E log(1 - D) at p/(p + q)."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3001, 0.4999])
    d = np.linspace(0.001, 0.999, 999)
    linear = d[np.argmax(p[:, None] * d + q[:, None] * (1 - d), axis=1)]
    logarithmic = d[np.argmax(p[:, None] * np.log(d) + q[:, None] * np.log1p(-d), axis=1)]
    np.testing.assert_allclose(linear, [0.999, 0.001, 0.001])
    np.testing.assert_allclose(logarithmic, p / (p + q), atol=1e-3)


def test_a_third_is_not_a_third_of_a_hundred():
    """(0.33, 0.33, 0.33) sums to 0.99, which the functions do not hide; thirds give log(3/2)."""
    p, thirds = logs(0.5, 0.5, 0.0), logs(1 / 3, 1 / 3, 1 / 3)
    np.testing.assert_allclose(divergences.kl_discrete(p, thirds), np.log(1.5), rtol=TOL)
    printed = divergences.kl_discrete(p, logs(0.33, 0.33, 0.33))
    np.testing.assert_allclose(printed, np.log(0.5 / 0.33), rtol=TOL)
    assert printed > np.log(1.5) + 0.01


def test_disjoint_laws_saturate_one_divergence_only():
    p, q = logs(1.0, 0.0), logs(0.0, 1.0)
    assert divergences.kl_discrete(p, q) == np.inf
    np.testing.assert_allclose(divergences.js_discrete(p, q), np.log(2), rtol=TOL)


def test_a_mixture_with_noise_loses_at_most_log_100():
    """log(p/100 + 99 q/100) >= log p - log 100, whatever the dimension and however large log p."""
    log_p, log_q = np.array([5.0, 500.0, 50_000.0]), np.array([-10.0, -1000.0, -100_000.0])
    mixture = np.logaddexp(log_p + np.log(0.01), log_q + np.log(0.99))
    assert (mixture >= log_p - np.log(100) - 1e-9 * np.abs(log_p)).all()


def test_jensen_shannon_of_many_laws_is_bounded_by_the_entropy_of_the_weights():
    """Ten laws on ten outcomes each, all disjoint: log 10, not the log of the 100 outcomes; two laws: log 2."""
    laws = np.kron(np.eye(10), np.full((1, 10), 0.1))
    value = divergences.js_mixture_discrete(logs(*laws), logs(*np.full(10, 0.1)))
    np.testing.assert_allclose(value, np.log(10), rtol=TOL)
    np.testing.assert_allclose(divergences.js_discrete(logs(*laws[0]), logs(*laws[1])), np.log(2), rtol=TOL)


def test_negative_samples_come_from_a_power_of_the_frequencies():
    """p^(3/4) renormalised moves mass to the rare word; alpha p renormalised leaves p as it was."""
    p = np.array([0.8, 0.2])
    powered = p**0.75 / (p**0.75).sum()
    np.testing.assert_allclose(powered, [0.7387961250, 0.2612038750], atol=1e-9)
    np.testing.assert_allclose(0.75 * p / (0.75 * p).sum(), p)


def test_kernel_density_error_falls_as_n_to_the_minus_four_fifths():
    """Exact mean integrated squared error of a normal kernel on normal data, at its best bandwidth, in one dimension.

    The spread term is 1/(2 sqrt(pi) n h): of order 1/(n h^d) and not 1/(n h)^d or with log log n.
    """
    h = np.geomspace(1e-3, 2.0, 4000)

    def error(n):
        def phi(v):
            return 1 / np.sqrt(2 * np.pi * v)

        return (phi(2 * h**2) / n + (1 - 1 / n) * phi(2 + 2 * h**2) - 2 * phi(2 + h**2) + phi(2.0)).min()

    sizes = np.array([1e6, 1e8])
    slope = np.diff(np.log([error(n) for n in sizes])) / np.diff(np.log(sizes))
    np.testing.assert_allclose(slope, -4 / 5, atol=0.01)
