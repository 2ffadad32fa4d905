"""Game dynamics against closed eigenvalues, and training against a loop by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import adversarial as adv

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 64 * EPS
ZERO = jnp.zeros((), DTYPE)
RULES = {
    "simultaneous": ({}, lambda a, c: 1 + 1j * a, 1.0198039),
    "alternating": ({}, lambda a, c: 1 - a * a / 2 + 1j * a * np.sqrt(1 - a * a / 4), 1.0),
    "extragradient": ({}, lambda a, c: 1 - a * a + 1j * a, 0.9806121),
    "implicit": ({"num_steps": 2}, lambda a, c: 1 / (1 - 1j * a), 0.9805807),
    "consensus": ({"gamma": 0.25}, lambda a, c: 1 - a * c + 1j * a, 0.9708244),
}


def eigenvalues(matrix):
    return np.sort_complex(np.linalg.eigvals(np.asarray(matrix, np.float64)))


@pytest.mark.parametrize("name", RULES)
def test_update_rules_of_the_bilinear_game(name):
    options, closed, printed = RULES[name]
    step = functools.partial(getattr(adv, f"step_{name}"), adv.bilinear_game(), step_size=0.2, **options)
    found = eigenvalues(adv.update_matrix(step, ZERO, ZERO))
    expected = closed(0.2, 0.25)
    np.testing.assert_allclose(found, np.sort_complex([expected, np.conj(expected)]), atol=TOL)
    np.testing.assert_allclose(np.abs(found), printed, atol=5e-8 if X64 else 1e-6)
    moved = jnp.stack(step(DTYPE(0.3), DTYPE(-0.4)))
    np.testing.assert_allclose(moved, adv.update_matrix(step, ZERO, ZERO) @ jnp.asarray([0.3, -0.4], DTYPE), atol=TOL)


def test_optimistic_steps_of_the_bilinear_game():
    game = adv.bilinear_game()
    step = functools.partial(adv.step_optimistic, game, step_size=0.2)
    found = eigenvalues(adv.update_matrix(step, adv.optimistic_state(game, ZERO, ZERO)))
    a = 0.2
    closed = np.concatenate([np.roots([1, -(1 + 2j * a), 1j * a]), np.roots([1, -(1 - 2j * a), -1j * a])])
    np.testing.assert_allclose(found, np.sort_complex(closed), atol=TOL)
    np.testing.assert_allclose(np.abs(found).max(), np.sqrt((1 + np.sqrt(1 - 4 * a * a)) / 2), atol=TOL)
    np.testing.assert_allclose(np.abs(found).max(), 0.9789063, atol=5e-8 if X64 else 1e-6)
    state = adv.optimistic_state(game, DTYPE(1.0), DTYPE(0.5))
    np.testing.assert_allclose(
        step(state)[:2], adv.step_simultaneous(game, DTYPE(1.0), DTYPE(0.5), step_size=0.2), rtol=TOL
    )


def test_matrix_of_the_bilinear_game():
    step = functools.partial(adv.step_simultaneous, adv.bilinear_game(), step_size=0.3)
    np.testing.assert_allclose(adv.update_matrix(step, ZERO, ZERO), [[1, 0.3], [-0.3, 1]], rtol=TOL)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 3.0])
def test_dirac_gan(gamma):
    game, psi = adv.dirac_gan(gamma=gamma), jnp.zeros(2, DTYPE)
    root = np.sqrt(complex(gamma**2 - 1))
    expected = [-0.5, (-gamma + root) / 2, (-gamma - root) / 2]
    report = adv.stability_report(game, psi, ZERO)
    loose = 8 * np.sqrt(EPS) if gamma == 1.0 else TOL
    np.testing.assert_allclose(np.sort_complex(report.eigenvalues), np.sort_complex(expected), atol=loose)
    assert report.verdict == ("centre" if gamma == 0 else "stable")
    closed = 0.0 if gamma == 0 else min(-2 * v.real / abs(v) ** 2 for v in map(complex, expected))
    np.testing.assert_allclose(report.max_stable_step, closed, rtol=loose, atol=TOL)
    residual = adv.game_jacobian(game, psi, ZERO) - np.array([[-gamma, 0, -0.5], [0, -0.5, 0], [0.5, 0, 0]])
    np.testing.assert_allclose(residual, np.zeros((3, 3)), atol=TOL)


def test_field_of_the_dirac_gan_off_the_fixed_point():
    psi0, psi1, theta, gamma = 0.5, 0.1, -0.4, 0.7
    sigma = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    c = psi0 * theta + psi1
    field = adv.game_field(adv.dirac_gan(gamma=gamma))(jnp.asarray([psi0, psi1], DTYPE), DTYPE(theta))
    np.testing.assert_allclose(field[0], [-theta * sigma(c) - gamma * psi0, sigma(-psi1) - sigma(c)], rtol=TOL)
    np.testing.assert_allclose(field[1], psi0 * sigma(c), rtol=TOL)
    slope = adv.game_jacobian(adv.dirac_gan(), jnp.asarray([psi0, psi1], DTYPE), DTYPE(theta))[0, 2]
    np.testing.assert_allclose(slope, -0.425146, atol=5e-7)
    energy = 2 * (psi0 * float(field[0][0]) + theta * float(field[1]))
    np.testing.assert_allclose(energy, -2 * gamma * psi0**2, rtol=TOL)


def test_verdicts():
    def quadratic(c, g):
        return -0.5 * jnp.sum(c**2) + 0.5 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(g))

    report = adv.stability_report(quadratic, jnp.zeros(2, DTYPE), {"w": jnp.zeros(1, DTYPE)})
    assert (report.verdict, report.max_stable_step) == ("stable", 2.0)
    assert adv.stability_report(lambda c, g: -quadratic(c, g), ZERO, ZERO).verdict == "unstable"
    assert adv.stability_report(lambda c, g: -(c**2) + 0.0 * g, ZERO, ZERO).verdict == "degenerate"
    assert adv.stability_report(adv.dirac_gan(loss="wasserstein"), jnp.zeros(2, DTYPE), ZERO).verdict == "degenerate"
    half = jnp.asarray([0.0, 0.5], DTYPE)
    assert adv.stability_report(adv.dirac_gan(loss="least_squares"), half, ZERO).verdict == "centre"
    with pytest.raises(ValueError, match="fixed point"):
        adv.stability_report(adv.dirac_gan(loss="least_squares"), jnp.zeros(2, DTYPE), ZERO)


def test_implicit_step_solves_its_equation_or_says_so():
    game = adv.dirac_gan(gamma=0.5)
    psi, theta = jnp.asarray([0.7, -0.2], DTYPE), DTYPE(0.9)
    step = functools.partial(adv.step_implicit, game, step_size=0.5, num_steps=6)
    critic, generator = step(psi, theta)
    field = adv.game_field(game)(critic, generator)
    np.testing.assert_allclose(critic, psi + 0.5 * field[0], atol=TOL)
    np.testing.assert_allclose(generator, theta + 0.5 * field[1], atol=TOL)
    inverse = np.linalg.inv(np.eye(3) - 0.5 * np.asarray(adv.game_jacobian(game, critic, generator), np.float64))
    np.testing.assert_allclose(adv.update_matrix(step, psi, theta), inverse, atol=TOL)
    unsolved = adv.step_implicit(lambda c, g: jnp.sin(40 * c) * g, DTYPE(0.3), DTYPE(0.7), step_size=0.9, num_steps=1)
    assert np.isnan(np.asarray(unsolved)).all()


def test_bad_input():
    game = adv.bilinear_game()
    with pytest.raises(ValueError, match="step_size"):
        adv.step_simultaneous(game, ZERO, ZERO, step_size=0.0)
    with pytest.raises(ValueError, match="gamma"):
        adv.step_consensus(game, ZERO, ZERO, step_size=0.1, gamma=-1.0)
    with pytest.raises(ValueError, match="num_steps"):
        adv.step_implicit(game, ZERO, ZERO, step_size=0.1, num_steps=0)
    with pytest.raises(ValueError, match="objective has a value of shape"):
        adv.game_field(lambda c, g: c * g)(jnp.ones(2, DTYPE), jnp.ones(2, DTYPE))
    with pytest.raises(ValueError, match="loss is 'wgan'"):
        adv.dirac_gan(loss="wgan")
    with pytest.raises(ValueError, match="critic and generator have shapes"):
        adv.dirac_gan()(ZERO, ZERO)
    with pytest.raises(TypeError, match="traced"):
        jax.jit(lambda c: adv.game_eigenvalues(game, c, c))(ZERO)


def generator(params, z):
    return params["w"] @ z + params["b"]


def critic(params, x):
    return jnp.dot(params["v"], jnp.tanh(params["w"] @ x))


def start():
    keys = jax.random.split(jax.random.key(5), 3)
    made = {"w": jax.random.normal(keys[0], (2, 2), DTYPE), "b": jnp.zeros(2, DTYPE)}
    judge = {"w": jax.random.normal(keys[1], (4, 2), DTYPE), "v": jax.random.normal(keys[2], (4,), DTYPE)}
    return made, judge


def batches(steps, n=6):
    keys = jax.random.split(jax.random.key(7), 2)
    return jax.random.normal(keys[0], (steps, n, 2), DTYPE), jax.random.normal(keys[1], (steps + 1, n, 2), DTYPE)


TX = {"generator_tx": optax.adam(1e-2, b1=0.5), "critic_tx": optax.rmsprop(1e-2)}
VARIANTS = {
    "gan": lambda: adv.gan(generator, critic, **TX, num_critic_steps=2, ema_decay=0.9),
    "wgan": lambda: adv.wgan(generator, critic, **TX, num_critic_steps=2, clip=0.3),
    "wgan_gp": lambda: adv.wgan_gp(generator, critic, **TX, num_critic_steps=2, penalty_weight=3.0),
}


def by_hand(name, key, made, judge, real, latent):
    """Two critic steps and one generator step, written out."""
    losses = adv.nonsaturating_losses if name == "gan" else adv.wasserstein_losses
    critic_tx, generator_tx = TX["critic_tx"], TX["generator_tx"]
    opt = critic_tx.init(judge)
    for k, x, z in zip(jax.random.split(key, 2), real, latent, strict=False):
        fake = jax.vmap(lambda v: generator(made, v))(z)

        def loss(p, k=k, x=x, fake=fake):
            value = losses(jax.vmap(lambda v: critic(p, v))(x), jax.vmap(lambda v: critic(p, v))(fake)).critic
            if name != "wgan_gp":
                return value
            return value + adv.gradient_penalty(k, lambda v: critic(p, v), x, fake, weight=3.0)

        updates, opt = critic_tx.update(jax.grad(loss)(judge), opt, judge)
        judge = optax.apply_updates(judge, updates)
        judge = adv.clip_weights(judge, 0.3) if name == "wgan" else judge

    def generator_loss(p):
        fake = jax.vmap(lambda v: generator(p, v))(latent[-1])
        return losses(jax.vmap(lambda v: critic(judge, v))(real[-1]), jax.vmap(lambda v: critic(judge, v))(fake))[1]

    updates, _ = generator_tx.update(jax.grad(generator_loss)(made), generator_tx.init(made), made)
    return optax.apply_updates(made, updates), judge, generator_loss(made)


@pytest.mark.parametrize("name", VARIANTS)
def test_an_update_is_the_loop_by_hand(name):
    made, judge = start()
    real, latent = batches(2)
    key, transformation = jax.random.key(11), VARIANTS[name]()
    state = transformation.init(made, judge)
    update = jax.jit(transformation.update)
    new, metrics = update(key, state, real, latent)
    again, _ = update(key, state, real, latent)
    jax.tree.map(np.testing.assert_array_equal, new, again)
    with jax.numpy_dtype_promotion("standard"):
        expected_made, expected_judge, loss = by_hand(name, key, made, judge, real, latent)
    close = functools.partial(np.testing.assert_allclose, rtol=1e3 * EPS, atol=1e3 * EPS)
    jax.tree.map(close, (new.generator, new.critic), (expected_made, expected_judge))
    close(metrics.generator_loss, loss)
    assert metrics.penalty.shape == metrics.critic_loss.shape == (2,)
    assert new.step == 1
    assert (np.asarray(metrics.penalty) > 0).all() == (name == "wgan_gp")
    if name == "gan":
        jax.tree.map(lambda e, a, b: close(e, 0.9 * a + 0.1 * b), new.ema, made, new.generator)
    else:
        assert new.ema is None


def test_wgan_gp_learns_a_shift():
    """The generator circles the answer; its moving average settles there."""
    tx = {"generator_tx": optax.adam(0.02, b1=0.5), "critic_tx": optax.adam(0.05, b1=0.5)}
    transformation = adv.wgan_gp(lambda params, z: z + params, critic, **tx, ema_decay=0.99)
    target = jnp.asarray([2.0, -1.0], DTYPE)

    def step(state, key):
        keys = jax.random.split(key, 3)
        real = target[None, None] + 0.5 * jax.random.normal(keys[0], (5, 64, 2), DTYPE)
        latent = 0.5 * jax.random.normal(keys[1], (6, 64, 2), DTYPE)
        return transformation.update(keys[2], state, real, latent)

    state = transformation.init(jnp.zeros(2, DTYPE), start()[1])
    run = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(jax.random.key(0), 600)))
    state, metrics = run(state)
    assert np.abs(np.asarray(state.ema) - np.asarray(target)).max() < 0.2
    assert metrics.wasserstein_estimate[-200:].mean() < 0.15 * metrics.wasserstein_estimate[10:60].mean()


def test_bad_training_input():
    made, judge = start()
    real, latent = batches(2)
    key = jax.random.key(0)
    transformation = VARIANTS["gan"]()
    state = transformation.init(made, judge)
    with pytest.raises(ValueError, match="real has shape"):
        transformation.update(key, state, real[0], latent)
    with pytest.raises(ValueError, match="latent has shape"):
        transformation.update(key, state, real, latent[:-1])
    with pytest.raises(ValueError, match="generator makes events of shape"):
        transformation.update(key, state, real[..., :1], latent)
    wide = adv.gan(generator, lambda p, x: critic(p, x)[None], **TX, num_critic_steps=2)
    with pytest.raises(ValueError, match="squeeze it"):
        wide.update(key, wide.init(made, judge), real, latent)
    with pytest.raises(ValueError, match="clip and penalty"):
        adv.gan(generator, critic, **TX, clip=0.1, penalty=adv.gradient_penalty)
    with pytest.raises(ValueError, match="ema_decay"):
        adv.gan(generator, critic, **TX, ema_decay=1.0)
    with pytest.warns(UserWarning, match="clip is given beside"):
        adv.wgan_gp(generator, critic, **TX, clip=0.1)
