"""Conjugate updates, online: each observation turns a prior into a posterior of the same class.

(a) The mean and variance of a normal, from a normal-inverse-gamma prior: credible bands shrink as data arrive.
(b) A Poisson rate from a gamma prior: the predictive is a gamma-Poisson law, wider than any Poisson.
(c) A die from a Dirichlet prior: log evidence of a loaded die against a fair one.

The evidence of all data is the sum of the one-step-ahead predictive log densities; the table shows both.

Run: python examples/conjugate_updates.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import distributions as d
from depthjax.distributions import conjugate


def online(prior, likelihood, data):
    """Posteriors after 0, 1, ..., n observations, stacked, and the predictive log density of each before it is seen."""

    def step(law, x):
        return conjugate.posterior(law, likelihood, x[None]), (law, conjugate.predictive(law, likelihood).log_prob(x))

    last, (laws, gained) = jax.jit(lambda p, x: jax.lax.scan(step, p, x))(prior, data)
    return last, laws, gained


def main():
    """Run the three updates, print the table, draw them."""
    chosen = options(__doc__, "conjugate_updates")
    key = jax.random.key(chosen.seed)
    num = 40 if chosen.quick else 200
    problems = {
        "normal": (
            d.NormalInverseGamma(0.0, 0.1, 1.0, 1.0),
            conjugate.NormalLikelihood(),
            3.0 + 2.0 * jax.random.normal(key, (num,)),
        ),
        "Poisson": (
            d.Gamma(1.0, 0.2),
            conjugate.PoissonLikelihood(),
            jax.random.poisson(jax.random.fold_in(key, 1), 4.0, (num,)).astype(jnp.float32),
        ),
        "die": (
            d.Dirichlet(jnp.ones(6)),
            conjugate.CategoricalLikelihood(),
            jax.random.categorical(jax.random.fold_in(key, 2), jnp.log(jnp.array([1, 1, 1, 1, 1, 3.0])), shape=(num,)),
        ),
    }
    print(f"{'':<10}{'observations':>13}{'log evidence':>14}{'sum of steps':>14}{'one batch = online':>20}\n")
    kept = {}
    for name, (prior, likelihood, data) in problems.items():
        last, laws, gained = online(prior, likelihood, data)
        whole = conjugate.posterior(prior, likelihood, data)
        evidence = conjugate.log_evidence(prior, likelihood, data)
        pairs = zip(jax.tree.leaves(whole), jax.tree.leaves(last), strict=True)
        gap = max(float(np.max(np.abs(np.asarray(a - b)) / (1 + np.abs(np.asarray(a))))) for a, b in pairs)
        print(f"{name:<10}{num:>13}{float(evidence):14.3f}{float(jnp.sum(gained)):14.3f}{gap:20.1e}")
        kept[name] = (data, last, laws, float(evidence))
    fair = num * np.log(1 / 6)
    print(f"\na loaded die against a fair one: Bayes factor {np.exp(kept['die'][3] - fair):.3g}")

    fig, ((left, middle, right),) = figure(1, 3, (13, 3.6))
    data, _, laws, _ = kept["normal"]
    low, mid, high = jax.jit(jax.vmap(lambda law: _band(law)))(laws)
    steps = np.arange(num)
    left.plot(steps, data, ".", color="#c3ccd5", markersize=3)
    left.fill_between(steps, low, high, color=ACCENTS[0], alpha=0.3, label="90% of the mean")
    left.plot(steps, mid, color=ACCENTS[0])
    left.axhline(3.0, color=ACCENTS[2], linewidth=1, label="truth")
    left.set(title="mean of a normal, variance unknown", xlabel="observations", ylim=(-4, 10))
    left.legend(frameon=False)

    data, last, _, _ = kept["Poisson"]
    counts = np.arange(15)
    middle.bar(counts, np.bincount(np.asarray(data, int), minlength=15)[:15] / num, color="#d5dbe1", label="data")
    for color, label, law in ((ACCENTS[0], "after all", last), (ACCENTS[1], "of the prior", problems["Poisson"][0])):
        mass = np.exp(conjugate.predictive(law, conjugate.PoissonLikelihood()).log_prob(counts.astype(np.float32)))
        middle.plot(counts, mass, "o-", color=color, markersize=3, label=f"predictive {label}")
    middle.set(title="counts: gamma-Poisson predictive", xlabel="count")
    middle.legend(frameon=False)

    data, last, laws, _ = kept["die"]
    mean = np.asarray(laws.concentration / jnp.sum(laws.concentration, axis=1, keepdims=True))
    right.plot(steps, mean, linewidth=1)
    right.axhline(3 / 8, color="#9aa5b1", linewidth=0.8)
    right.axhline(1 / 8, color="#9aa5b1", linewidth=0.8)
    right.set(title="faces of a die: posterior means", xlabel="observations", ylim=(0, 0.6))
    save(fig, chosen.out)


def _band(law):
    """5%, 50% and 95% of the marginal of the mean, a Student t law."""
    mean = law.marginal_mean()
    return mean.quantile(0.05), mean.quantile(0.5), mean.quantile(0.95)


if __name__ == "__main__":
    main()
