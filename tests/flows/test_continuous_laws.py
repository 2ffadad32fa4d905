"""The laws of bijectors for a continuous flow on a fixed grid, which has derivatives in both modes."""

import jax
import jax.numpy as jnp
import laws_bijectors as laws
import numpy as np
import pytest
from map_entry import Map

import depthjax as dj
from depthjax import bijectors, distributions, flows
from depthjax.flows import continuous as cf

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
RNG = np.random.default_rng(0)
DRAWS = tuple((0.5 * RNG.normal(size=(2, 2)), 0.3 * RNG.normal(size=2)) for _ in range(3))


def slope(params, t, z):
    matrix, shift = params
    return jnp.tanh(matrix @ z) + t * shift


def flow(matrix, shift, *, dtype, **options):
    field = flows.Apply((jnp.asarray(matrix, dtype), jnp.asarray(shift, dtype)), slope)
    return cf.ContinuousFlow(field, dim=2, **options)


ENTRY = Map(
    "ContinuousFlow",
    lambda matrix, shift, dtype: flow(matrix, shift, dtype=dtype, num_steps=32),
    DRAWS,
    lambda *_: np.linspace(-2.0, 2.0, 16).reshape(8, 2),
    kind="iterative",
    round_trip=1e4 if X64 else 4.0,
    log_det_slack=1e2 if X64 else 4.0,
)
LAWS = [law for name, law in vars(laws).items() if name.startswith("law_") and law is not laws.law_export]
LONG = {laws.law_dtype, laws.law_transformations, laws.law_contract}


@pytest.mark.parametrize(
    "law",
    [pytest.param(law, marks=pytest.mark.slow if law in LONG else ()) for law in LAWS],
    ids=lambda law: law.__name__,
)
def test_law(law):
    law(ENTRY, DTYPE)


@pytest.mark.skipif(X64, reason="float32 code with x64 off")
@pytest.mark.parametrize("options", [{}, {"num_steps": 4}], ids=["adaptive", "fixed"])
def test_density_and_its_gradient_lower_for_every_platform(options):
    def density(record, x):
        base = distributions.Normal(jnp.zeros(2), jnp.ones(2))
        return jnp.sum(distributions.Transformed(base, record).log_prob(x))

    record = flow(*DRAWS[0], dtype=np.float32, **options)
    exported = dj.export_fn(jax.value_and_grad(density), record, jax.ShapeDtypeStruct((3, 2), np.float32))
    assert exported.platforms == ("cpu", "cuda", "tpu")


def test_a_chain_with_a_coupling_layer():
    """Log-dets against the Jacobian of the whole, and back."""
    conditioner = flows.Apply(jnp.asarray(0.7, DTYPE), lambda w, v: jnp.concatenate([w * v, jnp.tanh(w * v)]))
    coupling = bijectors.AffineCoupling(conditioner, mask=(True, False))
    chain = bijectors.Chain(flow(*DRAWS[1], dtype=DTYPE, num_steps=32), coupling)
    x = jnp.asarray([0.4, -1.1], DTYPE)
    y, log_det = chain.forward_and_log_det(x)
    expected = np.linalg.slogdet(np.asarray(jax.jacfwd(chain.forward)(x), np.float64))[1]
    close = 1e-9 if X64 else 1e-5
    np.testing.assert_allclose(log_det, expected, atol=close)
    back, inverse_log_det = chain.inverse_and_log_det(y)
    np.testing.assert_allclose(back, x, atol=close)
    np.testing.assert_allclose(inverse_log_det, -log_det, atol=close)
