"""One Bayesian mixture, three ways up the same bound: coordinate ascent, stochastic natural steps, black-box gradients.

Normals of unit variance with unknown means, mu_k ~ N(0, 25), and equal weights (Blei, Kucukelbir and McAuliffe
2017, sec. 3). The assignments are kept at their optimum, so that the bound is a function of the factors of the means
alone and all methods climb the same hill: sweeps over all data; steps in natural parameters, from all data or from
minibatches; plain gradient steps in mean and log scale. Black-box gradients, from draws of the means, climb a hill of
their own, with the assignments summed out.

Run: python examples/bayesian_gmm.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save

from depthjax import distributions, vi

TRUTH = np.array([-6.0, -2.0, 1.5, 6.0], np.float32)
K, PRIOR_VARIANCE = 4, 25.0
PRIOR = {"linear": jnp.zeros(K), "square": jnp.full(K, -0.5 / PRIOR_VARIANCE)}


def data(key, n):
    key_which, key_noise = jax.random.split(key)
    return TRUTH[jax.random.randint(key_which, (n,), 0, K)] + jax.random.normal(key_noise, (n,))


def scores(factors, x):
    """Unnormalised log responsibilities of the factors N(loc, variance), (n, K)."""
    loc, variance = factors
    return -0.5 * np.log(2 * np.pi) - np.log(K) - 0.5 * ((x[:, None] - loc[None]) ** 2 + variance[None])


def bound(factors, x):
    """The evidence lower bound with the best assignments, nats."""
    loc, variance = factors
    divergence = 0.5 * ((loc**2 + variance) / PRIOR_VARIANCE - 1 - jnp.log(variance / PRIOR_VARIANCE))
    return jnp.sum(jax.nn.logsumexp(scores(factors, x), axis=1)) - jnp.sum(divergence)


def to_natural(factors):
    loc, variance = factors
    return {"linear": loc / variance, "square": -0.5 / variance}


def from_natural(eta):
    variance = -0.5 / eta["square"]
    return eta["linear"] * variance, variance


def statistics(factors, x):
    """Expected statistics of every datum of a batch."""
    chosen = jax.nn.softmax(scores(factors, x), axis=1)
    return {"linear": chosen * x[:, None], "square": -0.5 * chosen}


def natural_steps(start, x, batches, rates):
    """Steps from batches of rows (T, B) and step sizes (T,), and the bound after each."""

    def step(eta, inputs):
        rows, rho = inputs
        found = statistics(from_natural(eta), x[rows])
        eta = vi.svi_update(eta, PRIOR, found, num_data=x.shape[0], rho=rho)
        return eta, bound(from_natural(eta), x)

    return jax.jit(lambda: jax.lax.scan(step, to_natural(start), (batches, rates))[1])()


def plain_steps(start, x, optimizer, num_steps):
    """Exact gradients in mean and log standard deviation."""

    def objective(raw):
        return bound((raw[0], jnp.exp(2 * raw[1])), x)

    def step(carry, _):
        raw, state = carry
        updates, state = optimizer.update(jax.tree.map(jnp.negative, jax.grad(objective)(raw)), state)
        raw = optax.apply_updates(raw, updates)
        return (raw, state), objective(raw)

    raw = start[0], 0.5 * jnp.log(start[1])
    return jax.jit(lambda: jax.lax.scan(step, (raw, optimizer.init(raw)), length=num_steps)[1])()


def black_box(key, start, x, num_steps):
    """Draws of the means and the log joint with assignments summed out: a bound of its own, somewhat higher."""

    def log_joint(_, z):
        terms = -0.5 * (x[:, None] - z[None]) ** 2 - 0.5 * np.log(2 * np.pi) - np.log(K)
        prior = -0.5 * jnp.sum(z**2) / PRIOR_VARIANCE - 0.5 * K * np.log(2 * np.pi * PRIOR_VARIANCE)
        return jnp.sum(jax.nn.logsumexp(terms, axis=1)) + prior

    guide = distributions.MultivariateNormalDiag(start[0], jnp.sqrt(start[1]))

    def run(key, guide):
        return vi.fit(
            key,
            vi.elbo_objective(log_joint),
            guide,
            guide,
            estimator=vi.pathwise(num_samples=4),
            optimizer=optax.adam(0.05),
            num_steps=num_steps,
        )

    found = jax.jit(run)(key, guide)
    return found.value_trace, (found.params.loc, found.params.scale**2)


def main():
    args = options(__doc__, "bayesian_gmm")
    n, num_steps = (200, 40) if args.quick else (2000, 400)
    key_data, key_cavi, key_rows, key_fit = jax.random.split(jax.random.key(args.seed), 4)
    x = data(key_data, n)
    start = jnp.asarray([-3.0, -1.0, 1.0, 3.0]), jnp.ones(K)
    whole = jnp.broadcast_to(jnp.arange(n), (num_steps, n))
    rows = jax.random.randint(key_rows, (num_steps, 50), 0, n)
    rates = jax.vmap(vi.robbins_monro(delay=5.0, forgetting=0.7))(jnp.arange(num_steps))
    fit = vi.unit_variance_mixture_cavi(key_cavi, x, num_components=K, prior_variance=PRIOR_VARIANCE)

    traces = {
        "coordinate ascent (= natural, step 1)": natural_steps(start, x, whole, jnp.ones(num_steps)),
        "natural gradient, step 0.3": natural_steps(start, x, whole, jnp.full(num_steps, 0.3)),
        "stochastic natural, batches of 50": natural_steps(start, x, rows, rates),
        "plain gradient": plain_steps(start, x, optax.sgd(1.0 / n), num_steps),
    }
    black, factors = black_box(key_fit, start, x, num_steps)
    best = max(float(jnp.max(trace)) for trace in traces.values())
    print(
        f"coordinate ascent of the library: bound {fit.elbo_trace[fit.num_steps - 1]:.4f} after {fit.num_steps} sweeps"
    )
    print(f"the best bound met below:               {best:.4f}\n")
    print(f"{'method':>38} {'steps to 1 nat':>14} {'at the end, below':>18}")
    fig, ((left, right),) = figure(1, 2, (10, 3.8))
    for (name, trace), color in zip(traces.items(), ACCENTS, strict=False):
        short = best - np.asarray(trace)
        reached = np.flatnonzero(short < 1.0)
        steps = str(reached[0] + 1) if len(reached) else "never"
        print(f"{name:>38} {steps:>14} {np.mean(short[-5:]):18.4f}")
        left.plot(1 + np.arange(num_steps), np.maximum(short, 1e-3), label=name, color=color, lw=1.2)
    means = np.sort(np.asarray(factors[0])).round(2)
    print(f"\nblack box, Adam with 4 draws: means {means}, its own bound {np.mean(black[-20:]):.2f}")
    left.set(xscale="log", yscale="log", xlabel="step", ylabel="nats below the best bound")
    left.legend(frameon=False, fontsize=7.5, loc="upper right")
    ticks = np.linspace(-10, 10, 400)
    right.hist(np.asarray(x), bins=80, density=True, color="#c9ced6")
    loc = np.asarray(fit.params.means)
    density = np.exp(-0.5 * (ticks[:, None] - loc[None]) ** 2).mean(1) / np.sqrt(2 * np.pi)
    right.plot(ticks, density, color=ACCENTS[0], label="coordinate ascent")
    right.plot(np.asarray(factors[0]), np.zeros(K), "^", color=ACCENTS[2], label="black box, means", clip_on=False)
    right.set(xlabel="x", ylabel="density")
    right.legend(frameon=False)
    save(fig, args.out)


if __name__ == "__main__":
    main()
