"""Where a variational autoencoder's nats go: bounds that tighten with K, and the two gaps of an amortised encoder.

The model is linear and Gaussian, z ~ N(0, I), x | z ~ N(W z, 0.3 I), so that the evidence is a formula and every gap
can be checked. Three encoders: the exact one, one with half the slope (amortisation gap), and one of independent
coordinates with the best means and variances (approximation gap).

Run: python examples/iwae_gap.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import diagnostics, distributions, vi

LOADING = np.array([[1.0, 0.4], [0.9, -0.3], [0.2, 1.0], [1.1, 0.8]], np.float32)
NOISE = np.float32(0.3)
PARTICLES = (1, 2, 5, 10, 20, 50, 100)


def log_joint(_, z, x):
    prior = distributions.MultivariateNormalDiag(jnp.zeros(2), jnp.ones(2))
    likelihood = distributions.MultivariateNormalDiag(LOADING @ z, jnp.full(4, jnp.sqrt(NOISE)))
    return prior.log_prob(z) + likelihood.log_prob(x)


def encoders():
    """Name -> (slope, x) -> guide, and the slope of each."""
    precision = np.eye(2) + LOADING.T @ LOADING / NOISE
    slope = np.linalg.solve(precision, LOADING.T / NOISE).astype(np.float32)
    factor = np.linalg.cholesky(np.linalg.inv(precision)).astype(np.float32)
    spread = (np.diag(precision) ** -0.5).astype(np.float32)

    def full(slope, x):
        return distributions.MultivariateNormal(slope @ x, jnp.asarray(factor))

    def independent(slope, x):
        return distributions.MultivariateNormalDiag(slope @ x, jnp.asarray(spread))

    return {"exact": (full, slope), "half the slope": (full, 0.5 * slope), "independent": (independent, slope)}


def bounds(key, guide, slope, x, repeats):
    """Mean importance-weighted bound over data and repetitions, for every K."""

    def one(key, datum):
        weights = vi.log_weights(key, log_joint, guide, slope, datum, num_samples=max(PARTICLES))
        return jnp.stack([vi.iwae_bound(weights[:k]) for k in PARTICLES])

    keys = jax.random.split(key, (repeats, x.shape[0]))
    found = jax.jit(jax.vmap(lambda row: jax.vmap(one)(row, x)))(keys)
    return np.asarray(found.mean((0, 1)))


def main():
    args = options(__doc__, "iwae_gap")
    num_data, repeats, steps = (4, 50, 100) if args.quick else (16, 1000, 600)
    key_z, key_x, key_bound, key_gap = jax.random.split(jax.random.key(args.seed), 4)
    noise = jnp.sqrt(NOISE) * jax.random.normal(key_x, (num_data, 4))
    x = jax.random.normal(key_z, (num_data, 2)) @ LOADING.T + noise
    covariance = (LOADING @ LOADING.T + NOISE * np.eye(4)).astype(np.float32)
    marginal = distributions.MultivariateNormal(jnp.zeros(4), jnp.linalg.cholesky(covariance))
    evidence = np.asarray(marginal.log_prob(x))

    fig, ((left, right),) = figure(1, 2, (9, 3.6))
    print(f"mean log evidence {evidence.mean():.3f} nats; gaps in nats a datum, means over {num_data} data\n")
    print(f"{'encoder':>15} {'exact gap':>10} {'inference':>10} {'approx.':>8} {'amort.':>8} {'largest k-hat':>14}")
    for i, (name, (guide, slope)) in enumerate(encoders().items()):
        curve = bounds(key_bound, guide, slope, x, repeats)
        left.plot(PARTICLES, curve, "o-", label=name, ms=3, color=ACCENTS[i])

        def report(key, slope, data, guide=guide):
            return diagnostics.gap_report(
                key, log_joint, guide, slope, data, optimise_steps=steps, num_particles=2000, step_size=0.03
            )

        found = jax.jit(report)(key_gap, slope, x)
        truth = (evidence - np.asarray(found.elbo)).mean()
        gaps = [np.asarray(v).mean() for v in (found.inference_gap, found.approximation_gap, found.amortisation_gap)]
        # Weights that agree to rounding have no tail, and their k-hat says nothing.
        is_flat = np.max(np.asarray(found.cubo - found.elbo)) < 1e-4
        khat = "equal weights" if is_flat else f"{np.asarray(found.khat).max():.2f}"
        print(f"{name:>15} {truth:10.3f} {gaps[0]:10.3f} {gaps[1]:8.3f} {gaps[2]:8.3f} {khat:>14}")
        right.bar(i, gaps[1], color=ACCENTS[2], width=0.6, label="approximation" if i == 0 else None)
        right.bar(i, gaps[2], bottom=gaps[1], color=ACCENTS[3], width=0.6, label="amortisation" if i == 0 else None)
        right.plot([i - 0.4, i + 0.4], [truth, truth], color=INK, label="evidence less bound" if i == 0 else None)
    left.axhline(evidence.mean(), color=INK, lw=0.8, ls="--", label="log evidence")
    left.set(xscale="log", xlabel="K", ylabel="importance-weighted bound, nats")
    right.set(xticks=range(3), xticklabels=list(encoders()), ylabel="gap, nats")
    left.legend(frameon=False)
    right.legend(frameon=False, loc="upper right")
    save(fig, args.out)


if __name__ == "__main__":
    main()
