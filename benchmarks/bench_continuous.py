"""Trace estimators, continuous flows and diffusion samplers beside plain forms in JAX and diffrax, where installed.

Run with `--quick` for fewer rounds.
"""

import argparse

import jax
import jax.numpy as jnp

from _peers import available
from depthjax import diffusion, flows, numerics
from harness import Comparison, compare, save

WIDTH = 64


def network(key, *sizes):
    """Kernels and biases of a perceptron."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (a, b)) * a**-0.5, 0.1 * jnp.ones(b))
        for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]


def apply(params, x):
    """One event, or a batch of them."""
    for kernel, bias in params[:-1]:
        x = jnp.tanh(x @ kernel + bias)
    return x @ params[-1][0] + params[-1][1]


def traces(dim: int, batch: int, *, seconds: float) -> Comparison:
    """A field with its divergence for a batch."""
    keys = jax.random.split(jax.random.key(0), 3)
    params = network(keys[0], dim, WIDTH, WIDTH, dim)
    x, probes = jax.random.normal(keys[1], (batch, dim)), numerics.sample_probes(keys[2], (1, dim))

    def over_batch(one):
        return lambda params, x, probes: jax.vmap(lambda z: one(lambda v: apply(params, v), z, probes))(x)

    candidates = {
        "exact": over_batch(lambda f, z, probes: numerics.divergence_exact(f, z)),
        "trace of jacfwd": over_batch(lambda f, z, probes: (f(z), jnp.trace(jax.jacfwd(f)(z)))),
        "one probe": over_batch(lambda f, z, probes: numerics.divergence_with_probes(f, z, probes)),
    }
    title = f"divergence, d = {dim}, batch {batch}, MLP 2 x {WIDTH}"
    return compare(candidates, (params, x, probes), title=title, seconds=seconds)


def diffrax_log_prob(field, x, tol):
    """Log density of one event under a standard normal base by diffrax, integrated with its trace from 1 to 0."""
    import diffrax

    def slope(t, state, args):
        value, push = jax.linearize(lambda z: field(t, z), state[0])
        return value, jnp.trace(jax.vmap(push)(jnp.eye(x.shape[0], dtype=x.dtype)))

    z, log_det = diffrax.diffeqsolve(
        diffrax.ODETerm(slope), diffrax.Dopri5(), 1.0, 0.0, None, (x, jnp.zeros((), x.dtype)), max_steps=256,
        stepsize_controller=diffrax.PIDController(rtol=tol, atol=tol),
    ).ys  # fmt: skip
    return jnp.sum(jax.scipy.stats.norm.logpdf(z[-1])) + log_det[-1]


def densities(dim: int, batch: int, *, seconds: float) -> Comparison:
    """Mean log density of a continuous flow with exact trace, and its gradient in the field."""
    keys = jax.random.split(jax.random.key(1))
    flow = flows.continuous_flow(keys[0], dim, hidden=(WIDTH, WIDTH), rtol=1e-4, atol=1e-4, max_steps=256)
    flow = jax.tree.map(lambda leaf: leaf + 0.0, flow)
    x = jax.random.normal(keys[1], (batch, dim))
    candidates = {"depthjax": jax.value_and_grad(lambda flow, x: jnp.mean(flow.log_prob(x)))}
    if available("diffrax"):
        peer = lambda flow, x: jnp.mean(jax.vmap(lambda v: diffrax_log_prob(flow.bijector.field, v, 1e-4))(x))  # noqa: E731
        candidates["diffrax"] = jax.value_and_grad(peer)
    title = f"continuous flow, value and gradient, d = {dim}, batch {batch}"
    return compare(candidates, (flow, x), title=title, seconds=seconds)


def samplers(num_steps: int, dim: int, batch: int, *, seconds: float) -> Comparison:
    """Ancestral sampling beside the network alone, called as often, and a loop of jitted steps."""
    keys = jax.random.split(jax.random.key(2))
    params = network(keys[0], dim + 1, WIDTH, WIDTH, dim)
    schedule = diffusion.linear_schedule(num_steps)

    def model(params):
        return lambda z, t: apply(params, jnp.concatenate([z, t[:, None] / num_steps], axis=1))

    def ours(key, params):
        return diffusion.sample_ddpm(key, schedule, model(params), (batch, dim)).x

    def alone(key, params):
        z = jax.random.normal(key, (batch, dim))
        call = lambda z, t: (0.5 * model(params)(z, jnp.full(batch, t)), None)  # noqa: E731
        return jax.lax.scan(call, z, jnp.arange(num_steps, 0, -1).astype(z.dtype))[0]

    betas = jnp.linspace(1e-4, 0.02, num_steps)
    kept = jnp.cumprod(1.0 - betas)

    @jax.jit
    def step(params, z, t, key):
        noise = model(params)(z, jnp.full(batch, t))
        mean = (z - betas[t - 1] / jnp.sqrt(1.0 - kept[t - 1]) * noise) / jnp.sqrt(1.0 - betas[t - 1])
        return mean + jnp.where(t > 1, jnp.sqrt(betas[t - 1]), 0.0) * jax.random.normal(key, z.shape)

    def loop(key, params):
        z = jax.random.normal(key, (batch, dim))
        for t, k in zip(range(num_steps, 0, -1), jax.random.split(key, num_steps), strict=True):
            z = step(params, z, t, k)
        return z

    candidates = {"depthjax": jax.jit(ours), "network alone": jax.jit(alone), "loop of jitted steps": loop}
    title = f"ancestral sampling, {num_steps} steps, d = {dim}, batch {batch}"
    return compare(candidates, (keys[1], params), title=title, seconds=seconds, jit=False)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    seconds = 1.0 if quick else 10.0
    tables = [traces(dim, 64, seconds=seconds) for dim in ((2, 32) if quick else (2, 32, 784))]
    tables += [densities(2, batch, seconds=seconds) for batch in ((64,) if quick else (64, 256))]
    tables += [samplers(n, 16, 64, seconds=seconds) for n in ((100,) if quick else (100, 1_000))]
    print(f"\nsaved: {save('continuous', tables).name}")


if __name__ == "__main__":
    main()
