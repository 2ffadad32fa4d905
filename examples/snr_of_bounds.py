"""Tighter bounds, worse gradients: signal-to-noise of importance-weighted gradients as particles are added.

The model of Rainforth et al. (2018): z ~ N(mu, I), x | z ~ N(z, I) in two dimensions, and an encoder N(A x + b, 2/3 I)
near its optimum. The plain gradient of the encoder loses its signal as 1/sqrt(K); the doubly reparameterised one gains.
The gradient of the model gains with either.

Run: python examples/snr_of_bounds.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import diagnostics, distributions, vi

ESTIMATORS = {"plain": vi.pathwise, "doubly reparameterised": vi.doubly_reparameterized}


def log_joint(params, z, x):
    prior = distributions.MultivariateNormalDiag(params["mu"], jnp.ones(2))
    return prior.log_prob(z) + distributions.MultivariateNormalDiag(z, jnp.ones(2)).log_prob(x)


def guide(params, x):
    return distributions.MultivariateNormalDiag(params["matrix"] @ x + params["shift"], jnp.full(2, (2 / 3) ** 0.5))


def parameters(key, offset=0.1):
    """Half the datum is the mean of the posterior at mu = 0; everything is moved a little from there."""
    keys = jax.random.split(key, 3)
    return {
        "mu": offset * jax.random.normal(keys[0], (2,)),
        "matrix": 0.5 * jnp.eye(2) + offset * jax.random.normal(keys[1], (2, 2)),
        "shift": offset * jax.random.normal(keys[2], (2,)),
    }


def ratios(key, name, num_particles, params, x, repeats):
    """Median over numbers of |mean| / sd of one gradient, for the encoder's shift and the model's mean."""
    objective = vi.iwae_objective(log_joint, num_particles=num_particles)
    each = vi.per_sample_grad(ESTIMATORS[name](num_samples=repeats), objective, guide)
    found = jax.jit(each)(key, params, (), x)
    return [float(jnp.median(diagnostics.snr(found[part]))) for part in ("shift", "mu")]


def slope(counts, values):
    """Exponent of the last half of a curve, in logarithms."""
    half = len(counts) // 2
    return np.polyfit(np.log(counts[half:]), np.log(values[half:]), 1)[0]


def main():
    args = options(__doc__, "snr_of_bounds")
    counts, repeats = ((1, 4, 16, 64), 2000) if args.quick else ((1, 2, 4, 8, 16, 32, 64, 128, 256), 40_000)
    key_params, key_x, key_draws = jax.random.split(jax.random.key(args.seed), 3)
    params, x = parameters(key_params), 2**0.5 * jax.random.normal(key_x, (2,))
    fig, ((left, right),) = figure(1, 2, (9, 3.6))
    print(f"{'estimator':>23} {'K':>5} {'encoder':>9} {'model':>9}   signal over noise of one gradient")
    for name, color in zip(ESTIMATORS, ACCENTS, strict=False):
        curves = np.array([ratios(key_draws, name, k, params, x, repeats) for k in counts])
        for k, (encoder, model) in zip(counts, curves, strict=True):
            print(f"{name:>23} {k:5d} {encoder:9.4f} {model:9.4f}")
        exponents = [slope(counts, curve) for curve in curves.T]
        print(f"{'exponent of K':>23} {'':5} {exponents[0]:9.2f} {exponents[1]:9.2f}\n")
        for axis, curve in zip((left, right), curves.T, strict=True):
            axis.plot(counts, curve, "o-", ms=3, color=color, label=name)
    left.axhline(repeats**-0.5, color="#8a8f98", lw=0.8, label="what the draws resolve")
    guides = np.array([counts[0], counts[-1]], float)
    for axis, power, start, title in ((left, -0.5, 0.15, "encoder"), (right, 0.5, 1.0, "model")):
        axis.plot(guides, start * guides**power, ":", color="#8a8f98", label=f"K^{power}")
        axis.set(xscale="log", yscale="log", xlabel="K", title=f"parameters of the {title}")
    left.set_ylabel("|mean| / sd of one gradient")
    left.legend(frameon=False, loc="center right", fontsize=8)
    save(fig, args.out)


if __name__ == "__main__":
    main()
