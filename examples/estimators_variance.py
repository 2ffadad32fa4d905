"""Variances of three gradient estimators, without sampling: the pathwise one does not always vary least.

The gradient of E f(x), x ~ N(mu, sigma^2), in mu by the score function, the pathwise and the measure-valued estimator,
for three costs; a measure-valued draw evaluates the cost twice. Means and variances are integrals by quadrature over
all randomness of the estimator.

Run: python examples/estimators_variance.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import figure, options, save

from depthjax import distributions, vi

ESTIMATORS = {
    "score function": vi.score_function(num_samples=1),
    "pathwise": vi.pathwise(num_samples=1),
    "measure-valued": vi.measure_valued(num_samples=1),
}
COSTS = {
    "square": lambda _, x: x * x,
    "sine of 3x": lambda _, x: jnp.sin(3 * x),
    "bump": lambda _, x: jnp.exp(-x * x),
}


def moments(estimator, cost, mu, sigma):
    """Mean and variance of d/dmu over a grid of mu."""

    def one(m):
        guide = distributions.Normal(m, jnp.asarray(sigma, m.dtype))
        mean, variance = vi.quadrature_gradient(estimator, cost, guide, guide, estimator.init(guide), num_points=80)
        return mean.loc, variance.loc

    return jax.jit(jax.vmap(one))(mu)


def main():
    jax.config.update("jax_enable_x64", val=True)
    args = options(__doc__, "estimators_variance")
    mu = jnp.linspace(-2.0, 2.0, 9 if args.quick else 81)
    fig, (axes,) = figure(1, 3, (10, 3.2))
    print(f"{'cost':>11} {'estimator':>15} {'bias':>9} {'var at mu=0':>12} {'var at mu=1':>12}")
    for axis, (cost_name, cost) in zip(axes, COSTS.items(), strict=True):
        means = {}
        for name, estimator in ESTIMATORS.items():
            mean, variance = (np.asarray(v) for v in moments(estimator, cost, mu, 1.0))
            means[name] = mean
            bias = np.abs(mean - means["score function"]).max()
            at = [variance[np.argmin(np.abs(mu - m))] for m in (0.0, 1.0)]
            print(f"{cost_name:>11} {name:>15} {bias:9.1e} {at[0]:12.4f} {at[1]:12.4f}")
            axis.plot(mu, np.maximum(variance, 1e-6), label=name)
        axis.set(title=cost_name, xlabel="mu", yscale="log")
    axes[0].set_ylabel("variance of one draw")
    axes[0].legend(frameon=False)
    mu0, s2 = 1.0, 1.0
    want = (1 + np.cos(2 * mu0 * 3) * np.exp(-18 * s2)) * 9 / 2 - (3 * np.cos(3 * mu0) * np.exp(-4.5 * s2)) ** 2
    got = moments(ESTIMATORS["pathwise"], COSTS["sine of 3x"], jnp.array([mu0]), 1.0)[1][0]
    print(f"\npathwise variance of the sine at mu = 1, formula {want:.8f}, quadrature {got:.8f}")
    save(fig, args.out)


if __name__ == "__main__":
    main()
