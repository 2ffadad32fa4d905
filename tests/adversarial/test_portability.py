"""Training steps, penalties and games lower for every platform, and stay in single precision."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import adversarial

X64 = jax.config.jax_enable_x64
W = {"a": np.ones((2, 3), np.float32), "b": np.ones(3, np.float32)}


def critic(params, x):
    return jnp.tanh(x @ params["a"]) @ params["b"]


def updated(real):
    made = adversarial.wgan_gp(
        lambda p, z: p * z, critic, generator_tx=optax.adam(1e-3), critic_tx=optax.adam(1e-3), num_critic_steps=2
    )
    state = made.init(jnp.ones(2, jnp.float32), jax.tree.map(jnp.asarray, W))
    return made.update(jax.random.key(0), state, real, jnp.ones((3, 4, 2), jnp.float32))


def penalised(real):
    def loss(params):
        one = lambda x: critic(params, x)  # noqa: E731
        slope = adversarial.gradient_penalty(jax.random.key(0), one, real[0], 2 * real[0])
        return slope + adversarial.r1_penalty(one, real[0], gamma=1.0) + adversarial.spectral_norm(params["a"])

    return jax.grad(loss)(jax.tree.map(jnp.asarray, W))


def played(real):
    critic_point, generator_point = jnp.sum(real), jnp.mean(real)
    objective = adversarial.bilinear_game()
    return [
        step(objective, critic_point, generator_point, step_size=0.1, **options)
        for step, options in (
            (adversarial.step_extragradient, {}),
            (adversarial.step_consensus, {"gamma": 0.5}),
            (adversarial.step_implicit, {"num_steps": 8}),
        )
    ]


@pytest.mark.skipif(X64, reason="float32 code with x64 off")
@pytest.mark.parametrize("fn", [updated, penalised, played])
def test_export_for_every_platform(fn):
    shape = jax.ShapeDtypeStruct((2, 4, 2), jnp.float32)
    exported = jax.export.export(jax.jit(fn), platforms=("cpu", "cuda", "tpu"))(shape)
    assert exported.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize("fn", [updated, penalised, played])
def test_single_precision_stays(fn):
    out = jax.eval_shape(fn, jax.ShapeDtypeStruct((2, 4, 2), jnp.float32))
    assert {leaf.dtype for leaf in jax.tree.leaves(out)} <= {np.dtype(np.float32), np.dtype(np.int32), np.dtype(bool)}
