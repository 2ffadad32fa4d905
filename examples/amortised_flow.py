"""An encoder that emits a flow: amortised posteriors that are not Gaussian, by `hyper_flow`.

A point z in the plane is seen through its distance from the origin, with noise, so that the posterior of z is a ring
of the observed radius. One network maps every observation to the parameters of a Sylvester flow; the same network
with a Gaussian on top is the comparison. Both maximise the evidence lower bound over all observations.

Run: python examples/amortised_flow.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

from depthjax import distributions, flows, vi

NOISE = 0.25


def log_joint(_, z, x):
    """Z ~ N(0, 2^2 I), x | z ~ N(|z|, 0.25^2); nats."""
    prior = -0.125 * jnp.sum(z * z) - jnp.log(2 * jnp.pi * 4.0)
    distance = jnp.sqrt(jnp.sum(z * z) + 1e-6)
    return prior - 0.5 * ((x - distance) / NOISE) ** 2 - jnp.log(NOISE) - 0.5 * jnp.log(2 * jnp.pi)


def log_evidence(x):
    """Log p(x) by quadrature over the radius, whose prior is Rayleigh."""
    radius = np.linspace(1e-4, 12, 20_001)
    density = radius / 4 * np.exp(-(radius**2) / 8 - 0.5 * ((x - radius) / NOISE) ** 2) / (NOISE * np.sqrt(2 * np.pi))
    return np.log(np.trapezoid(density, radius))


def guides(key):
    """Name, number of outputs and builder of both posteriors."""
    template = flows.sylvester_flow(key, 2, num_layers=6)
    gaussian = distributions.MultivariateNormal(jnp.zeros(2), jnp.eye(2))
    return {"Sylvester flow": flows.hyper_flow(template), "Gaussian": flows.hyper_flow(gaussian)}


def fit(key, size, build, *, num_steps):
    """Train the encoder; returns the amortised guide."""
    key_net, key_data, key_fit = jax.random.split(key, 3)
    params = flows.mlp(key_net, 1, size, hidden=(64, 64))

    def q(params, x):
        return build(params(x[None]).reshape(size))

    observed = jax.random.uniform(key_data, (num_steps,), minval=0.5, maxval=4.0)
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
    points = (1.0, 2.0, 3.5)
    print(f"{'x':>6}{'log p(x)':>12}" + "".join(f"{name + ', ELBO':>24}" for name in found) + "\n")
    for x in points:
        row = f"{x:>6.1f}{log_evidence(x):>12.3f}"
        for guide in found.values():
            posterior = guide(x)
            log_w = vi.log_weights(key, lambda p, z, x=x: log_joint(p, z, x), posterior, None, num_samples=20_000)
            row += f"{float(vi.elbo(log_w)):>24.3f}"
        print(row)

    fig, axes = figure(2, 3, (10, 6.8))
    angle = np.linspace(0, 2 * np.pi, 200)
    for row, (name, guide) in zip(axes, found.items(), strict=True):
        for axis, x in zip(row, points, strict=True):
            draws = guide(x).sample(key, (1_500,))
            axis.plot(*np.asarray(draws).T, ".", markersize=2, alpha=0.5, color=ACCENTS[0])
            axis.plot(x * np.cos(angle), x * np.sin(angle), color="#22303c", linewidth=0.8)
            axis.set(title=f"{name}, x = {x:g}", aspect="equal", xlim=(-5, 5), ylim=(-5, 5))
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
