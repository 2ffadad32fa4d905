"""Maximum likelihood: it learns, stops, resumes bit for bit after a kill, and refuses foreign checkpoints."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import distributions, flows

OPTIMIZER = optax.adam(1e-2)


def data(seed=0, size=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size, 2)) @ np.array([[1.0, 0.8], [0.0, 0.3]]) + np.array([2.0, -1.0])
    return jnp.asarray(x, jnp.result_type(float))


def start():
    return distributions.MultivariateNormal(jnp.zeros(2), jnp.eye(2))


def fit(num_steps=400, **options):
    options = {"optimizer": OPTIMIZER, "batch_size": 64, "eval_every": 50, **options}
    return flows.fit_maximum_likelihood(jax.random.key(1), start(), data(), num_steps=num_steps, **options)


def same(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(np.asarray(x), np.asarray(y)) for x, y in leaves)


def test_learns_the_moments_of_a_gaussian():
    result = flows.fit_maximum_likelihood(
        jax.random.key(0), start(), data(), num_steps=1500, batch_size=400, optimizer=optax.adam(2e-2), eval_every=500
    )
    x = np.asarray(data())
    np.testing.assert_allclose(result.flow.loc, x.mean(0), rtol=0, atol=2e-3, equal_nan=False)
    covariance = np.asarray(result.flow.covariance())
    np.testing.assert_allclose(covariance, np.cov(x.T, bias=True), rtol=0, atol=2e-3, equal_nan=False)
    assert result.converged
    assert result.num_steps == 1500
    assert result.train_losses.shape == (1500,)


def test_early_stopping_returns_the_best_validation_flow():
    result = fit(4000, validation=data(seed=3, size=100), patience=2)
    assert result.num_steps < 4000
    assert result.best_step == 50 * (1 + int(np.argmin(result.validation_losses)))
    held_out = -np.mean(np.asarray(result.flow.log_prob(data(seed=3, size=100))))
    np.testing.assert_allclose(held_out, result.validation_losses.min(), rtol=1e-5, equal_nan=False)


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path):
    whole = fit(validation=data(seed=3))
    fit(150, validation=data(seed=3), checkpoint=tmp_path / "state.npz")
    resumed = fit(validation=data(seed=3), checkpoint=tmp_path / "state.npz")
    assert same(whole.flow, resumed.flow)
    np.testing.assert_array_equal(whole.train_losses, resumed.train_losses)
    np.testing.assert_array_equal(whole.validation_losses, resumed.validation_losses)


def test_a_killed_process_resumes_bit_for_bit(tmp_path):
    checkpoint = tmp_path / "state.npz"
    script = Path(__file__).with_name("fit_in_child.py")
    command = [sys.executable, str(script), str(checkpoint), str(int(jax.config.jax_enable_x64))]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "the child finished before it could be killed"
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
    checkpoint.unlink()
    whole = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
    assert done[0] == whole[0]
    assert int(whole[1]) == 400


def test_truncated_and_foreign_checkpoints_are_refused_and_left_alone(tmp_path):
    path = tmp_path / "state.npz"
    fit(100, checkpoint=path)
    whole = path.read_bytes()
    with pytest.raises(ValueError, match="batch_size was 64, now 32"):
        fit(100, checkpoint=path, batch_size=32)
    with pytest.raises(ValueError, match="checkpoint of another fit: data"):
        flows.fit_maximum_likelihood(
            jax.random.key(1),
            start(),
            data(seed=9),
            num_steps=100,
            optimizer=OPTIMIZER,
            batch_size=64,
            eval_every=50,
            checkpoint=path,
        )
    narrow = distributions.MultivariateNormalDiag(jnp.zeros(2), jnp.ones(2))
    with pytest.raises(ValueError, match=r"where .*scale.* is expected"):
        flows.fit_maximum_likelihood(
            jax.random.key(1), narrow, data(), num_steps=100, optimizer=OPTIMIZER, batch_size=64, checkpoint=path
        )
    assert path.read_bytes() == whole
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="truncated"):
        fit(100, checkpoint=path)
    assert path.read_bytes() == whole[: len(whole) // 2]
    path.write_bytes(b"not an archive")
    with pytest.raises(ValueError, match="not a depthjax checkpoint"):
        fit(100, checkpoint=path)


def test_checkpoints_load_without_pickle(tmp_path):
    state = flows.fit_init(jax.random.key(0), start(), OPTIMIZER)
    flows.save_state(tmp_path / "a.npz", state)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
    loaded = flows.load_state(tmp_path / "a.npz", state)
    assert jax.tree.structure(loaded) == jax.tree.structure(state)
    assert same(jax.tree.leaves(loaded.raw), jax.tree.leaves(state.raw))


def test_the_first_non_finite_loss_stops_the_fit_and_keeps_the_last_finite_flow():
    x = data().at[7].set(jnp.nan)
    result = flows.fit_maximum_likelihood(
        jax.random.key(0), start(), x, num_steps=200, batch_size=20, eval_every=50, optimizer=OPTIMIZER
    )
    assert not result.converged
    assert all(np.all(np.isfinite(np.asarray(leaf))) for leaf in jax.tree.leaves(result.flow))
    assert np.isnan(result.train_losses[-1])
    assert result.num_steps == int(np.argmax(np.isnan(result.train_losses)))


def test_weights_are_the_same_as_repeated_data():
    x = data(size=40)
    weights = jnp.asarray(np.r_[np.full(20, 2.0), np.zeros(20)], x.dtype)
    state = flows.fit_init(jax.random.key(0), start(), OPTIMIZER)
    one, loss_one = flows.fit_step(state, {"data": (x,), "weights": weights})
    other, loss_other = flows.fit_step(state, x[:20])
    bound = 64 * float(np.finfo(x.dtype).eps)
    np.testing.assert_allclose(loss_one, loss_other, rtol=bound, equal_nan=False)
    np.testing.assert_allclose(one.flow.loc, other.flow.loc, rtol=100 * bound, atol=bound, equal_nan=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 500}, r"batch_size must lie in 1\.\.400, got 500"),
        ({"patience": 2}, "patience, at least 1, needs validation"),
        ({"validation": jnp.zeros((5, 3))}, r"validation has shape \(5, 3\)"),
        ({"weights": jnp.zeros(3)}, r"weights has shape \(3,\), expected \(400,\)"),
        ({"weights": jnp.zeros(400)}, "not all zero"),
        ({"weights": jnp.ones(400).at[7].set(-1.0)}, "nonnegative"),
        ({"num_steps": 0}, "must be positive"),
    ],
)
def test_bad_options_raise(change, message):
    with pytest.raises(ValueError, match=message):
        fit(**{"num_steps": 100, **change})


def test_data_of_another_shape_raise():
    with pytest.raises(ValueError, match=r"data has shape \(400, 3\), expected \(N, 2"):
        flows.fit_maximum_likelihood(jax.random.key(0), start(), jnp.zeros((400, 3)), num_steps=1)


def test_an_optimizer_is_an_optax_transformation():
    with pytest.raises(TypeError, match="expected an optax transformation"):
        fit(4, optimizer=1e-3)
