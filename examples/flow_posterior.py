"""Flows as posteriors and as densities: the main job of this library on three problems.

(a) Planar and inverse autoregressive flows fitted to the four energies of Rezende and Mohamed (2015) with an annealed
    objective: KL divergence to the true density, for three depths.
(b) Bayesian logistic regression on the breast-cancer data of scikit-learn: mean-field, full-rank and flow posteriors,
    each with its evidence bounds and an account of how far to trust it.
(c) Density estimation on two moons with a spline flow.

Prints one table for each and writes one picture. Run: python examples/flow_posterior.py [--quick] [--seed 0]
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _energies import ENERGIES, LOG_NORMALIZERS, energy
from _posterior_figure import draw_figure
from sklearn.datasets import load_breast_cancer, make_moons

from depthjax import diagnostics, flows, vi
from depthjax.distributions import MultivariateNormal, MultivariateNormalDiag

DEPTHS = (2, 8, 32)


def fit_energies(key, make_flow, *, num_steps, peak_rate):
    """Fit one flow to each of the four energies in a single vmapped program; KL to the truth, flows and seconds."""

    def fit_one(key, which):
        flow = make_flow(key)
        objective = vi.elbo_objective(lambda _, z: -energy(which, z))
        rate = optax.warmup_cosine_decay_schedule(0.0, peak_rate, num_steps // 40, num_steps)
        fitted = vi.fit(
            key,
            objective,
            flow,
            flow,
            estimator=vi.pathwise(num_samples=256),
            optimizer=optax.chain(optax.clip_by_global_norm(10.0), optax.adam(rate)),
            num_steps=num_steps,
            annealing=lambda step: jnp.minimum(1.0, 0.01 + 2.0 * step / num_steps),
        )
        log_weights = vi.log_weights(
            jax.random.fold_in(key, 1), lambda _, z: -energy(which, z), flow, fitted.params, num_samples=20_000
        )
        return vi.elbo(log_weights), fitted.params

    started = time.perf_counter()
    elbos, fitted = jax.jit(jax.vmap(fit_one))(jax.random.split(key, 4), jnp.arange(4))
    divergence = LOG_NORMALIZERS - np.asarray(elbos)
    return divergence, fitted, time.perf_counter() - started


def wide_base():
    """A normal of standard deviation 2, whose location and scales are fitted along."""
    return MultivariateNormalDiag(jnp.zeros(2), 2.0 * jnp.ones(2))


def run_energies(key, *, quick):
    """Part (a)."""
    num_steps = 2_000 if quick else 20_000
    rows, kept = [], None
    for depth in DEPTHS:
        divergence, kept, seconds = fit_energies(
            key,
            lambda k, depth=depth: flows.planar_flow(k, 2, num_layers=depth, init_scale=0.1, base=wide_base()),
            num_steps=num_steps,
            peak_rate=5e-3,
        )
        rows.append((f"planar, {depth} layers", divergence, seconds))
    divergence, _, seconds = fit_energies(
        key,
        lambda k: flows.iaf(k, 2, num_layers=4, hidden=(24,), base=wide_base()),
        num_steps=num_steps // 4,
        peak_rate=5e-3,
    )
    rows.append(("affine IAF, 4 layers", divergence, seconds))
    print("\n(a) KL(flow || target) in nats, four energies\n")
    print(f"{'flow':<24}" + "".join(f"{f'U{i}':>9}" for i in range(1, 5)) + f"{'seconds':>10}")
    for name, divergence, seconds in rows:
        print(f"{name:<24}" + "".join(f"{d:9.4f}" for d in divergence) + f"{seconds:10.1f}")
    return rows, kept


def logistic_data(seed):
    """Standardised inputs with an intercept, and labels: 455 cases to learn from, 114 held out."""
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[:455], order[455:]
    x = (x - x[train].mean(0)) / x[train].std(0)
    x = np.concatenate([np.ones((len(x), 1)), x], axis=1).astype(np.float32)
    return (x[train], y[train].astype(np.float32)), (x[test], y[test].astype(np.float32))


def log_likelihoods(w, x, y):
    """Bernoulli log likelihood of each case, (n,) nats."""
    logits = x @ w
    return y * logits - jax.nn.softplus(logits)


def run_logistic(key, seed, *, quick):
    """Part (b)."""
    (x, y), (x_test, y_test) = logistic_data(seed)
    dim = x.shape[1]
    prior = MultivariateNormalDiag(jnp.zeros(dim), jnp.ones(dim))

    def log_joint(_, w):
        return jnp.sum(log_likelihoods(w, x, y)) + prior.log_prob(w)

    narrow = MultivariateNormalDiag(jnp.zeros(dim), 0.3 * jnp.ones(dim))
    guides = {
        "mean-field": (MultivariateNormalDiag(jnp.zeros(dim), 0.1 * jnp.ones(dim)), 0.02, 3_000),
        "full-rank": (MultivariateNormal(jnp.zeros(dim), 0.1 * jnp.eye(dim)), 0.01, 5_000),
        "IAF": (flows.iaf(key, dim, num_layers=2, hidden=(64,), base=narrow), 5e-3, 5_000),
    }
    print("\n(b) Bayesian logistic regression, breast cancer, 455 cases x 30 inputs\n")
    print(f"{'posterior':<14}{'ELBO':>10}{'bound, 64':>11}{'k-hat':>8}{'held out':>10}{'seconds':>9}")
    rows, draws = [], {}
    for name, (guide, rate, num_steps) in guides.items():
        started = time.perf_counter()
        fitted = fit_guide(key, log_joint, guide, rate, num_steps // 10 if quick else num_steps)
        w, log_weights = weighted_draws(key, log_joint, fitted)
        seconds = time.perf_counter() - started
        predictive = jax.nn.logsumexp(jax.vmap(lambda w: log_likelihoods(w, x_test, y_test))(w), 0) - np.log(len(w))
        row = (
            name,
            float(vi.elbo(log_weights)),
            float(jnp.mean(vi.iwae_bound(log_weights.reshape(-1, 64)))),
            float(diagnostics.psis_khat(log_weights)),
            float(jnp.mean(predictive)),
            seconds,
        )
        print("{:<14}{:10.2f}{:11.2f}{:8.2f}{:10.4f}{:9.1f}".format(*row))
        rows.append(row)
        draws[name] = np.asarray(w[:2000])
    return rows, draws


def fit_guide(key, log_joint, guide, rate, num_steps):
    """Maximise the evidence lower bound with pathwise gradients."""
    optimizer = optax.chain(optax.clip_by_global_norm(100.0), optax.adam(optax.cosine_decay_schedule(rate, num_steps)))
    objective = vi.elbo_objective(log_joint)

    @jax.jit
    def run(key, guide):
        return vi.fit(
            key,
            objective,
            guide,
            guide,
            estimator=vi.pathwise(num_samples=16),
            optimizer=optimizer,
            num_steps=num_steps,
        ).params

    return run(key, guide)


@jax.jit
def _draws(key, guide):
    return guide.sample_and_log_prob(key, (12_800,))


def weighted_draws(key, log_joint, guide):
    """Draws of a fitted guide and their log importance weights."""
    w, log_q = _draws(jax.random.fold_in(key, 2), guide)
    return w, jax.jit(jax.vmap(lambda w: log_joint(None, w)))(w) - log_q


def run_moons(key, seed, *, quick):
    """Part (c)."""
    x, _ = make_moons(8_000, noise=0.1, random_state=seed)
    x = np.asarray(x, np.float32)
    train, validation, test = x[:5_000], x[5_000:6_000], x[6_000:]
    started = time.perf_counter()
    flow = flows.nsf_coupling(key, 2, num_layers=6, hidden=(48, 48))
    result = flows.fit_maximum_likelihood(
        key, flow, train, num_steps=300 if quick else 1_500, validation=validation, patience=5, eval_every=100
    )
    flow = result.flow
    held_out = float(jnp.mean(jax.jit(lambda d, x: d.log_prob(x))(flow, test)))
    samples = jax.jit(lambda d, k: d.sample(k, (3_000,)))(flow, key)
    u = flow.bijector.inverse(test)
    round_trip = float(np.max(np.abs(np.asarray(flow.bijector.forward(u)) - test)))
    gaussian = -0.5 * float(np.linalg.slogdet(2 * np.pi * np.e * np.cov(train.T))[1])
    seconds = time.perf_counter() - started
    print("\n(c) Density estimation, two moons, 6 spline couplings\n")
    print(f"{'':<14}{'held-out log density':>22}{'round-trip error':>18}{'seconds':>9}")
    print(f"{'Gaussian':<14}{gaussian:22.4f}")
    print(f"{'spline flow':<14}{held_out:22.4f}{round_trip:18.1e}{seconds:9.1f}")
    return test, np.asarray(samples), flow


def main():
    """Run the three parts, print their tables, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps, to see that everything runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of all randomness")
    parser.add_argument("--out", type=Path, default=Path("examples/output/flow_posterior.png"), help="the picture")
    options = parser.parse_args()
    started = time.perf_counter()
    key = jax.random.key(options.seed)
    energies = run_energies(jax.random.fold_in(key, 0), quick=options.quick)
    logistic = run_logistic(jax.random.fold_in(key, 1), options.seed, quick=options.quick)
    moons = run_moons(jax.random.fold_in(key, 2), options.seed, quick=options.quick)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw_figure(options.out, energies, logistic, moons, ENERGIES, DEPTHS)
    print(f"\npicture: {options.out}    total: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
