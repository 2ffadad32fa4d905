"""A variational autoencoder is a flow on an extended space: one number computed in two ways.

The encoder (x, e) -> (x, z = mu(x) + s(x) e) and the decoder (x, z) -> (x - f(z), z) are two couplings. The density
that this flow gives to (x, e), with a standard normal for both outputs, is the integrand of the evidence lower bound
plus log N(e): to rounding, at any weights. The table shows both numbers; the picture trains the autoencoder by either.

Run: python examples/vae_is_a_flow.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

from depthjax import bijectors, distributions, flows
from depthjax.core import constrain, unconstrain

NUM_X, NUM_Z = 3, 2


def data(key, n):
    """Points near a curved sheet in three dimensions, (n, 3)."""
    keys = jax.random.split(key, 3)
    a, b = jax.random.normal(keys[0], (2, n))
    noise = 0.3 * jax.random.normal(keys[1], (n, 3))
    return jnp.stack([1.5 * a, 1.5 * b, a * a - b], axis=-1) + noise


def networks(key):
    """Encoder x -> (mu, raw scale), decoder z -> f."""
    first, second = jax.random.split(key)
    return flows.mlp(first, NUM_X, 2 * NUM_Z, hidden=(32,)), flows.mlp(second, NUM_Z, NUM_X, hidden=(32,))


def as_flow(networks):
    """The autoencoder as a distribution of (x, e), of event shape (5,)."""
    encoder, decoder = networks
    encode = bijectors.Coupling(encoder, bijectors.AffineTransformer(), split_at=NUM_X)
    keeps_z = tuple([False] * NUM_X + [True] * NUM_Z)
    decode = bijectors.Coupling(decoder, bijectors.ShiftTransformer(), mask=keeps_z)
    base = distributions.MultivariateNormalDiag(jnp.zeros(NUM_X + NUM_Z), jnp.ones(NUM_X + NUM_Z))
    return distributions.Transformed(base, bijectors.Chain(encode, decode).invert())


def elbo_integrand(networks, x, e):
    """Log p(x, z) - log q(z | x) at z = mu + s e, written with distributions; nats."""
    encoder, decoder = networks
    raw = encoder(x).reshape(NUM_Z, 2)
    maps = jax.vmap(bijectors.AffineTransformer().from_raw)(raw)
    z, log_scale = jax.vmap(lambda m, v: m.forward_and_log_det(v))(maps, e)
    shift = decoder(z).reshape(NUM_X)
    normal = distributions.Normal(jnp.zeros(()), jnp.ones(()))
    log_q = jnp.sum(jax.vmap(normal.log_prob)(e)) - jnp.sum(log_scale)
    return jnp.sum(jax.vmap(normal.log_prob)(x + shift)) + jnp.sum(jax.vmap(normal.log_prob)(z)) - log_q


def train(networks, loss, key, x, *, num_steps):
    """Adam on minus the mean objective with fresh noise a step; the trace of the objective."""
    optimizer = optax.adam(3e-3)

    def step(carry, key):
        raw, state = carry
        e = jax.random.normal(key, (len(x), NUM_Z))
        value, gradient = jax.value_and_grad(lambda r: loss(constrain(r), x, e))(raw)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(raw, updates), state), -value

    raw = unconstrain(networks)
    keys = jax.random.split(key, num_steps)
    _, trace = jax.jit(lambda r: jax.lax.scan(step, (r, optimizer.init(r)), keys))(raw)
    return np.asarray(trace)


def by_flow(networks, x, e):
    """Minus the mean log density of the flow, without the log N(e) that no parameter enters."""
    log_noise = -0.5 * jnp.sum(e * e, axis=-1) - 0.5 * NUM_Z * jnp.log(2 * jnp.pi)
    return -jnp.mean(as_flow(networks).log_prob(jnp.concatenate([x, e], axis=-1)) - log_noise)


def by_bound(networks, x, e):
    """Minus the mean integrand of the evidence lower bound."""
    return -jnp.mean(jax.vmap(lambda a, b: elbo_integrand(networks, a, b))(x, e))


def main():
    """Compare the two numbers, train by each, draw the traces."""
    chosen = options(__doc__, "vae_is_a_flow")
    keys = jax.random.split(jax.random.key(chosen.seed), 4)
    nets, x = networks(keys[0]), data(keys[1], 512)
    e = jax.random.normal(keys[2], (512, NUM_Z))
    log_noise = jax.vmap(lambda v: jnp.sum(distributions.Normal(jnp.zeros(NUM_Z), jnp.ones(NUM_Z)).log_prob(v)))(e)
    flow = jax.jit(lambda n: as_flow(n).log_prob(jnp.concatenate([x, e], axis=-1)) - log_noise)(nets)
    bound = jax.jit(lambda n: jax.vmap(lambda a, b: elbo_integrand(n, a, b))(x, e))(nets)
    print(f"{'':<8}{'log density of the flow - log N(e)':>38}{'integrand of the bound':>26}{'difference':>14}\n")
    for k in range(4):
        print(f"point {k:<2}{float(flow[k]):>38.6f}{float(bound[k]):>26.6f}{float(flow[k] - bound[k]):>14.1e}")
    scale, worst = np.abs(np.asarray(bound)).max(), np.abs(np.asarray(flow - bound)).max()
    print(f"\nlargest difference over 512 points: {worst / scale:.1e} of {scale:.1f} nats")

    num_steps = 100 if chosen.quick else 3_000
    traces = {
        "maximum likelihood of the flow": train(nets, by_flow, keys[3], x, num_steps=num_steps),
        "evidence lower bound": train(nets, by_bound, keys[3], x, num_steps=num_steps),
    }
    for name, trace in traces.items():
        print(f"{name:<32}{trace[-50:].mean():10.4f} nats after {num_steps} steps")
    fig, ((axis,),) = figure(1, 1, (7, 3.8))
    for (name, trace), style, width in zip(traces.items(), ("-", "--"), (3, 1.2), strict=True):
        axis.plot(trace, style, linewidth=width, label=name, color=ACCENTS[0 if style == "-" else 2])
    axis.set(title="the same training, written twice", xlabel="step", ylabel="nats per point")
    axis.legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
