"""Losses, penalties and operator norms against values by hand, dense matrices and plain autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import adversarial as adv
from depthjax import divergences as dv

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 64 * EPS
KEY = jax.random.key(3)

LOSSES = {
    "minimax": (1.5064088681, -np.log(2)), "nonsaturating": (1.5064088681, np.log(2)), "hinge": (2.0, 0.0),
    "least_squares": (1.0, 0.5), "wasserstein": (0.0, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_printed_values(name):
    fn = getattr(adv, f"{name}_losses")
    found = fn(jnp.asarray([1.0, -1.0], DTYPE), jnp.zeros(1, DTYPE))
    np.testing.assert_allclose(found, LOSSES[name], atol=5e-11 if X64 else 1e-6)
    assert (found.critic.dtype, found.critic.shape) == (DTYPE, ())


def test_relativistic_losses_by_hand_and_by_mirror():
    r, g = np.array([0.3, -1.2, 2.0], DTYPE), np.array([0.5, -0.7], DTYPE)
    softplus = lambda v: np.log1p(np.exp(v))  # noqa: E731
    critic = softplus(-(r - g.mean())).mean() + softplus(g - r.mean()).mean()
    found = adv.relativistic_average_losses(r, g)
    np.testing.assert_allclose(found.critic, critic, rtol=TOL)
    np.testing.assert_allclose(found.generator, adv.relativistic_average_losses(g, r).critic, rtol=TOL)


@pytest.mark.parametrize("name", ["kl", "reverse_kl", "js", "gan", "pearson", "hellinger", "le_cam", "tv"])
def test_f_gan_is_the_variational_bound(name):
    rng = np.random.default_rng(0)
    r, g = rng.normal(size=7).astype(DTYPE), rng.normal(size=5).astype(DTYPE)
    found = adv.f_gan_losses(r, g, name=name)
    f = dv.f_generator(name)
    np.testing.assert_allclose(found.critic, -dv.variational_bound(r, g, name=name).value, rtol=TOL, atol=TOL)
    np.testing.assert_allclose(found.generator, -np.mean(f.conjugate(f.activation(g))), rtol=1e3 * EPS, atol=1e3 * EPS)


def test_losses_of_a_sure_critic_are_finite():
    big = jnp.asarray([1e4, -1e4], DTYPE)
    for name in [*LOSSES, "relativistic_average"]:
        fn = getattr(adv, f"{name}_losses")
        for player in range(2):
            value, gradient = jax.value_and_grad(lambda r, g: fn(r, g)[player], argnums=(0, 1))(big, big)  # noqa: B023
            assert all(np.isfinite(np.asarray(leaf)).all() for leaf in (value, *gradient))


def test_best_critic_of_two_discrete_laws():
    # 500 examples in each state stand for the laws exactly.
    p, q = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    logit = np.log(p / q).astype(DTYPE)
    real, fake = np.repeat(logit, [500, 500]), np.repeat(logit, [750, 250])
    found = adv.minimax_losses(real, fake).critic
    np.testing.assert_allclose(found, 1.3186502100, atol=1e-10 if X64 else 1e-6)
    np.testing.assert_allclose(found, 2 * np.log(2) - 2 * dv.js_discrete(np.log(p), np.log(q)), rtol=1e-6)


def linear(w):
    return lambda x: jnp.sum(w * x)


def test_penalties_of_a_linear_critic():
    w = jnp.asarray([[6.0, 0.0], [0.0, 8.0]], DTYPE)
    real, fake = jax.random.normal(KEY, (2, 5, 2, 2), DTYPE)
    np.testing.assert_allclose(adv.gradient_penalty(KEY, linear(w), real, fake), 810.0, rtol=TOL)
    np.testing.assert_allclose(adv.gradient_penalty(KEY, linear(w / 20), real, fake, one_sided=True), 0.0)
    np.testing.assert_allclose(adv.gradient_penalty(KEY, linear(w / 20), real, fake, target=0.5), 0.0, atol=TOL)
    np.testing.assert_allclose(adv.r1_penalty(linear(w), real, gamma=1.0), 50.0, rtol=TOL)
    np.testing.assert_allclose(adv.r2_penalty(linear(w), fake, gamma=0.5), 25.0, rtol=TOL)


def test_gradient_of_penalties_is_finite_at_a_constant_critic():
    real, fake = jax.random.normal(KEY, (2, 4, 3), DTYPE)

    def penalties(w):
        critic = linear(w)
        return jnp.stack([
            adv.gradient_penalty(KEY, critic, real, fake), adv.r1_penalty(critic, real, gamma=1.0),
            adv.consistency_penalty(KEY, critic, real, weight=1.0, dropout_scale=0.1),
        ])  # fmt: skip

    zero = jnp.zeros(3, DTYPE)
    np.testing.assert_allclose(penalties(zero), [10.0, 0.0, 0.0])
    np.testing.assert_array_equal(jax.jit(jax.jacrev(penalties))(zero), np.zeros((3, 3)))


def test_penalty_is_the_mean_over_uniform_interpolation():
    # A critic |x|^2/2 has slope |x|: with fake = 0 and |real| = 2, E (2 u - 1)^2 = 1/3.
    n = 20_000
    real = jnp.tile(jnp.asarray([1.2, 1.6], DTYPE), (n, 1))
    found = adv.gradient_penalty(KEY, lambda x: 0.5 * jnp.sum(x**2), real, jnp.zeros_like(real), weight=1.0)
    spread = np.sqrt((1 / 5 - 1 / 9) / n)
    assert abs(float(found) - 1 / 3) < 4 * spread


def test_consistency_of_a_linear_critic():
    n, scale, w = 20_000, 0.3, jnp.asarray([0.5, -1.0], DTYPE)
    x = jnp.ones((n, 2), DTYPE)
    found = adv.consistency_penalty(KEY, linear(w), x, weight=2.0, dropout_scale=scale)
    expected = 2 * 2 * scale**2 * 1.25
    assert abs(float(found) - expected) < 4 * expected * np.sqrt(2 / n)


@pytest.mark.parametrize("shape", [(4, 3), (3, 3), (2, 5)])
def test_spectral_norm(shape):
    matrix = np.random.default_rng(1).normal(size=shape).astype(DTYPE)
    u, s, vt = np.linalg.svd(matrix)
    value, gradient = jax.value_and_grad(adv.spectral_norm)(matrix)
    np.testing.assert_allclose(value, s[0], rtol=TOL)
    np.testing.assert_allclose(gradient, np.outer(u[:, 0], vt[0]), atol=TOL)
    np.testing.assert_allclose(adv.spectral_norm(matrix, num_steps=200), s[0], rtol=TOL)
    assert adv.spectral_norm(matrix, num_steps=1) <= s[0] * (1 + TOL)


def test_spectral_norm_at_zero_and_at_equal_singular_values():
    for matrix in (jnp.zeros((3, 2), DTYPE), jnp.eye(3, dtype=DTYPE)):
        for num_steps in (None, 3):
            gradient = jax.grad(lambda m: adv.spectral_norm(m, num_steps=num_steps))(matrix)  # noqa: B023
            assert np.isfinite(np.asarray(gradient)).all()


def dense_convolution(kernel, shape):
    """Matrix of a circular convolution, column by column."""
    kh, kw, channels, out = kernel.shape
    h, w = shape
    matrix = np.zeros((h, w, out, h, w, channels))
    for i, j, a, b in np.ndindex(h, w, kh, kw):
        matrix[i, j, :, (i + a) % h, (j + b) % w, :] += kernel[a, b].T
    return matrix.reshape(h * w * out, h * w * channels)


@pytest.mark.parametrize(
    ("kernel_shape", "shape"), [((3, 3, 2, 3), (5, 4)), ((2, 3, 1, 1), (3, 3)), ((1, 1, 3, 2), (2, 2))]
)
def test_norm_of_a_convolution_against_its_matrix(kernel_shape, shape):
    kernel = np.random.default_rng(2).normal(size=kernel_shape).astype(DTYPE)
    expected = np.linalg.norm(dense_convolution(kernel.astype(np.float64), shape), 2)
    found, gradient = jax.value_and_grad(lambda k: adv.conv_spectral_norm(k, shape))(kernel)
    np.testing.assert_allclose(found, expected, rtol=TOL)
    np.testing.assert_allclose(np.sum(gradient * kernel), found, rtol=TOL)  # homogeneous of degree one


def test_normalised_and_clipped_trees():
    tree = {
        "kernel": jax.random.normal(KEY, (4, 3), DTYPE),
        "bias": jnp.full(3, 5.0, DTYPE),
        "zero": jnp.zeros((2, 2), DTYPE),
    }
    made = adv.spectral_normalise(tree, bound=0.5)
    np.testing.assert_allclose(np.linalg.norm(made["kernel"], 2), 0.5, rtol=TOL)
    np.testing.assert_array_equal(made["bias"], tree["bias"])
    np.testing.assert_array_equal(made["zero"], tree["zero"])
    clipped = adv.clip_weights(tree, 0.1)
    np.testing.assert_array_equal(clipped["kernel"], np.clip(tree["kernel"], DTYPE(-0.1), DTYPE(0.1)))
    with pytest.raises(ValueError, match="conv_spectral_norm"):
        adv.spectral_normalise({"conv": jnp.ones((3, 3, 2, 2), DTYPE)})


def test_bad_input():
    x, column = jnp.ones((4, 3), DTYPE), jnp.ones((4, 1), DTYPE)
    with pytest.raises(ValueError, match="squeeze it"):
        adv.minimax_losses(column, jnp.ones(4, DTYPE))
    with pytest.raises(ValueError, match=r"critic must map one event to a scalar; got \(1,\): squeeze it"):
        adv.r1_penalty(lambda v: jnp.sum(v, keepdims=True), x, gamma=1.0)
    with pytest.raises(ValueError, match="fake has shape"):
        adv.gradient_penalty(KEY, jnp.sum, x, x[:2])
    with pytest.raises(ValueError, match="gamma is -1"):
        adv.r1_penalty(jnp.sum, x, gamma=-1.0)
    with pytest.raises(ValueError, match="name is 'wasser'"):
        adv.f_gan_losses(jnp.ones(2), jnp.ones(2), name="wasser")
    with pytest.raises(ValueError, match="expected \\(m, n\\)"):
        adv.spectral_norm(jnp.ones((3, 3, 1, 1)))
    with pytest.raises(ValueError, match="window"):
        adv.conv_spectral_norm(jnp.ones((3, 3, 1, 1)), (2, 5))
    with pytest.raises(ValueError, match="bound"):
        adv.clip_weights({}, -1.0)
