"""An encoder that emits a flow: amortised posteriors that are not Gaussian, by `hyper_flow`.

A point z in the plane is seen through z_2 + z_1^2/2, with noise, so that the posterior of z is a ridge along a
parabola, another one for every observation. One network maps every observation to the parameters of a Sylvester flow;
the same network with a Gaussian on top is the comparison. Both maximise the evidence lower bound over all observations.

Run: python examples/amortised_flow.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

import depthjax as dj
from depthjax import distributions, flows, vi

NOISE = 0.25


def log_joint(_, z, x):
    """Z ~ N(0, 2^2 I) and x given z ~ N(z_2 + z_1^2/2, 0.25^2); nats."""
    prior = -0.125 * jnp.sum(z * z) - jnp.log(2 * jnp.pi * 4.0)
    residual = (x - z[1] - 0.5 * z[0] ** 2) / NOISE
    return prior - 0.5 * residual**2 - jnp.log(NOISE) - 0.5 * jnp.log(2 * jnp.pi)


def log_evidence(x):
    """Log p(x) by quadrature over z_1; given z_1 the observation is normal."""
    first = np.linspace(-16, 16, 20_001)
    variance = 4 + NOISE**2
    prior = np.exp(-(first**2) / 8) / np.sqrt(8 * np.pi)
    return np.log(np.trapezoid(prior * np.exp(-0.5 * (x - first**2 / 2) ** 2 / variance), first)) - 0.5 * np.log(
        2 * np.pi * variance
    )


def guides(key):
    """Name, number of outputs and builder of both posteriors."""
    template = flows.sylvester_flow(key, 2, num_layers=8, init_scale=0.3)
    gaussian = distributions.MultivariateNormal(jnp.zeros(2), jnp.eye(2))
    found = {}
    for name, law in (("Sylvester flow", template), ("Gaussian", gaussian)):
        start, _ = dj.ravel(law)  # the network emits differences from here: at zero weights a flow has no gradient
        size, build = flows.hyper_flow(law)
        found[name] = size, lambda v, build=build, start=start: build(start + v)
    return found


def fit(key, size, build, *, num_steps):
    """Train the encoder; returns the amortised guide."""
    key_net, key_data, key_fit = jax.random.split(key, 3)
    params = flows.mlp(key_net, 1, size, hidden=(64, 64))

    def q(params, x):
        return build(params(x[None]).reshape(size))

    observed = jax.random.uniform(key_data, (num_steps,), minval=-2.0, maxval=6.0)
    schedule = optax.cosine_decay_schedule(3e-3, num_steps)
    optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.adam(schedule))
    fitted = jax.jit(
        lambda p: vi.fit(
            key_fit, vi.elbo_objective(log_joint), q, p, batches=(observed,),
            estimator=vi.pathwise(num_samples=64), optimizer=optimizer, num_steps=num_steps,
        )
    )(params)  # fmt: skip
    return lambda x: q(fitted.params, jnp.asarray(x, jnp.float32))


def main():
    """Train both encoders, print the gaps, draw three posteriors."""
    chosen = options(__doc__, "amortised_flow")
    key = jax.random.key(chosen.seed)
    num_steps = 300 if chosen.quick else 8_000
    found = {name: fit(key, *guide, num_steps=num_steps) for name, guide in guides(key).items()}
    points = (-1.0, 2.0, 5.0)
    print(f"{'x':>6}{'log p(x)':>12}" + "".join(f"{name + ', ELBO':>24}" for name in found) + "\n")
    for x in points:
        row = f"{x:>6.1f}{log_evidence(x):>12.3f}"
        for guide in found.values():
            posterior = guide(x)
            log_w = vi.log_weights(key, lambda p, z, x=x: log_joint(p, z, x), posterior, None, num_samples=20_000)
            row += f"{float(vi.elbo(log_w)):>24.3f}"
        print(row)

    fig, axes = figure(2, 3, (10, 6.8))
    along = np.linspace(-5, 5, 200)
    for row, (name, guide) in zip(axes, found.items(), strict=True):
        for axis, x in zip(row, points, strict=True):
            draws = guide(x).sample(key, (1_500,))
            axis.plot(*np.asarray(draws).T, ".", markersize=2, alpha=0.5, color=ACCENTS[0])
            axis.plot(along, x - along**2 / 2, color="#22303c", linewidth=0.8)
            axis.set(title=f"{name}, x = {x:g}", aspect="equal", xlim=(-6, 6), ylim=(-7, 7))
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
