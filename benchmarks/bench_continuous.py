"""Trace estimators, continuous flows and diffusion samplers beside plain forms in JAX and diffrax, where installed.

Run with `--quick` for fewer rounds.
"""

import argparse
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

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


def diffrax_log_prob(field, x, tol, *, ends=(1.0, 0.0)):
    """Log density of one event under a standard normal base by diffrax, integrated with its trace."""
    import diffrax

    def slope(t, state, args):
        value, push = jax.linearize(lambda z: field(t, z), state[0])
        return value, jnp.trace(jax.vmap(push)(jnp.eye(x.shape[0], dtype=x.dtype)))

    z, log_det = diffrax.diffeqsolve(
        diffrax.ODETerm(slope), diffrax.Dopri5(), *ends, None, (x, jnp.zeros((), x.dtype)), max_steps=256,
        stepsize_controller=diffrax.PIDController(rtol=tol, atol=tol),
    ).ys  # fmt: skip
    return jnp.sum(jax.scipy.stats.norm.logpdf(z[-1])) + log_det[-1]


def densities(dim: int, batch: int, *, seconds: float) -> Comparison:
    """Mean log density of a continuous flow with exact trace, and its gradient in the field, which is not zero."""
    keys = jax.random.split(jax.random.key(1))
    flow = flows.continuous_flow(keys[0], dim, hidden=(WIDTH, WIDTH), rtol=1e-4, atol=1e-4, max_steps=256)
    leaves, treedef = jax.tree.flatten(flow)
    noise = (0.2 * jax.random.normal(jax.random.fold_in(keys[0], i), leaf.shape) for i, leaf in enumerate(leaves))
    moved = [leaf + more if leaf.ndim == 2 else leaf for leaf, more in zip(leaves, noise, strict=True)]
    flow = jax.tree.unflatten(treedef, moved)
    x = jax.random.normal(keys[1], (batch, dim))
    candidates = {"depthjax": jax.value_and_grad(lambda flow, x: jnp.mean(flow.log_prob(x)))}
    if available("diffrax"):
        peer = lambda flow, x: jnp.mean(jax.vmap(lambda v: diffrax_log_prob(flow.bijector.field, v, 1e-4))(x))  # noqa: E731
        candidates["diffrax"] = jax.value_and_grad(peer)
    title = f"continuous flow, value and gradient, d = {dim}, batch {batch}"
    return compare(candidates, (flow, x), title=title, seconds=seconds)


def samplers(num_steps: int, dim: int, batch: int, hidden: Sequence[int], *, seconds: float) -> Comparison:
    """Ancestral sampling beside the network alone, called as often, and a loop of jitted steps."""
    keys = jax.random.split(jax.random.key(2))
    params = network(keys[0], dim + 1, *hidden, dim)
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
    title = f"ancestral sampling, {num_steps} steps, d = {dim}, batch {batch}, MLP {len(hidden)} x {hidden[0]}"
    return compare(candidates, (keys[1], params), title=title, seconds=seconds, jit=False)


def few_steps(dim: int, batch: int, *, seconds: float) -> list[Comparison]:
    """Implicit sampling in 50 steps and Heun's in 18, each beside the network called as often."""
    keys = jax.random.split(jax.random.key(3))
    params = network(keys[0], dim + 1, WIDTH, WIDTH, dim)
    schedule, sigmas = diffusion.linear_schedule(1_000), diffusion.edm_sigmas(18)
    chosen = tuple(int(t) for t in np.linspace(1_000, 1, 50).round())

    def model(params):
        return lambda z, t: apply(params, jnp.concatenate([z, t[:, None]], axis=1))

    def alone(levels):
        def run(key, params):
            z = jax.random.normal(key, (batch, dim))
            call = lambda z, t: (0.5 * model(params)(z, jnp.full(batch, t)), None)  # noqa: E731
            return jax.lax.scan(call, z, levels)[0]

        return run

    shape, times = (batch, dim), jnp.asarray(chosen, jnp.float32)
    ddim = lambda key, params: diffusion.sample_ddim(key, schedule, model(params), shape, timesteps=chosen).x  # noqa: E731
    heun = lambda key, params: diffusion.sample_heun(key, model(params), sigmas, shape).x  # noqa: E731
    twice = jnp.repeat(sigmas[:-1], 2)[:-1]
    args = (keys[1], params)
    where = f"d = {dim}, batch {batch}"
    return [
        compare(fns, args, title=f"{title}, {where}", seconds=seconds)
        for title, fns in (
            ("implicit sampling, 50 steps", {"depthjax": ddim, "network alone": alone(times)}),
            ("Heun sampling, 18 steps", {"depthjax": heun, "network alone": alone(twice)}),
        )
    ]


def flow_likelihood(dim: int, batch: int, *, seconds: float) -> Comparison:
    """Log density by the probability flow of a noise network, exact trace."""
    keys, schedule = jax.random.split(jax.random.key(4)), diffusion.vp_linear()
    params = network(keys[0], dim + 1, WIDTH, WIDTH, dim)
    x = jax.random.normal(keys[1], (batch, dim))

    def model(params):
        return lambda z, t: apply(params, jnp.concatenate([z, t[:, None]], axis=1))

    def ours(params, x):
        return diffusion.probability_flow_log_prob(schedule, model(params), x, rtol=1e-4, atol=1e-4).value

    def peer(params, x):
        def field(t, z):
            drift = 0.5 * (0.1 + 19.9 * t)
            spread = jnp.sqrt(-jnp.expm1(-(0.1 * t + 9.95 * t * t)))
            return -drift * z + drift * apply(params, jnp.append(z, t)) / spread

        return jax.vmap(lambda v: diffrax_log_prob(lambda t, z: field(t, z), v, 1e-4, ends=(1e-5, 1.0)))(x)

    candidates = {"depthjax": ours, **({"diffrax": peer} if available("diffrax") else {})}
    got = {name: np.asarray(jax.jit(fn)(params, x)) for name, fn in candidates.items()}
    if len(got) > 1:
        print(f"  largest difference of the two: {np.max(np.abs(got['depthjax'] - got['diffrax'])):.2g} nats")
    title = f"probability-flow log density, d = {dim}, batch {batch}"
    return compare(candidates, (params, x), title=title, seconds=seconds)


def stochastic_traces(dim: int, num_matvecs: int, *, seconds: float) -> Comparison:
    """Estimates of a trace from as many products with a matrix, beside the products alone."""
    key, shape = jax.random.key(5), (dim,)
    matrix = jax.random.normal(key, (dim, dim)) / dim**0.5

    def of(estimator, **options):
        return lambda key, matrix: estimator(key, lambda v: matrix @ v, shape, **options).value

    candidates = {
        "Hutchinson": of(numerics.trace_hutchinson, num_samples=num_matvecs),
        "Hutch++": of(numerics.trace_hutchpp, num_matvecs=num_matvecs),
        "XTrace": of(numerics.trace_xtrace, num_matvecs=num_matvecs),
        "products alone": lambda key, matrix: matrix @ jax.random.normal(key, (dim, num_matvecs)),
    }
    return compare(
        candidates, (key, matrix), title=f"trace estimates, d = {dim}, {num_matvecs} products", seconds=seconds
    )


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    seconds = 1.0 if quick else 10.0
    tables = [traces(dim, 64, seconds=seconds) for dim in ((2, 32) if quick else (2, 32, 784))]
    tables += [densities(2, batch, seconds=seconds) for batch in ((64,) if quick else (64, 256))]
    tables += [samplers(n, 16, 64, (WIDTH,) * 2, seconds=seconds) for n in ((100,) if quick else (100, 1_000))]
    if not quick:
        tables.append(samplers(1_000, 16, 256, (256,) * 3, seconds=seconds))
    tables += few_steps(16, 64, seconds=seconds)
    tables.append(flow_likelihood(2, 64, seconds=seconds))
    tables.append(stochastic_traces(784, 24, seconds=seconds))
    print(f"\nsaved: {save('continuous', tables).name}")


if __name__ == "__main__":
    main()
