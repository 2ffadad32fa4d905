"""Fits of the evidence bound beside NumPyro and blackjax, mixtures beside scikit-learn, gradients written by hand.

Peers that are not installed are left out. A fit is one scan of Adam steps from the same start at the same step size.
Run with `--quick` for fewer rounds.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax

import _bound_peers as peers
from _peers import available
from depthjax import distributions, vi
from harness import Comparison, compare, save


def fit_of(log_density, template, num_samples, num_steps):
    """A whole fit of an independent normal guide."""
    start = vi.mean_field(template, scale=0.1)

    def fit(key, *data):
        def log_joint(_, z):
            return log_density(start.unravel(z), *data)

        found = vi.fit(
            key,
            vi.elbo_objective(log_joint),
            start,
            start,
            estimator=vi.pathwise(num_samples=num_samples),
            optimizer=optax.adam(peers.RATE),
            num_steps=num_steps,
        )
        return found.value_trace[-1]

    return fit


def logistic(w, x, y):
    prior = distributions.MultivariateNormalDiag(jnp.zeros(x.shape[1]), jnp.ones(x.shape[1]))
    return prior.log_prob(w) + jnp.sum(distributions.Bernoulli(x @ w).log_prob(y))


def schools(z, effects, errors):
    tau = jnp.exp(z["log_tau"])
    prior = jnp.sum(distributions.Normal(0.0, 1.0).log_prob(z["t"])) + distributions.Normal(0.0, 5.0).log_prob(z["mu"])
    prior = prior + distributions.HalfCauchy(5.0).log_prob(tau) + z["log_tau"]
    return prior + distributions.MultivariateNormalDiag(z["mu"] + tau * z["t"], errors).log_prob(effects)


def logistic_data(num_data: int, dim: int):
    """Standardised breast cancer data where scikit-learn is there and the size is theirs, else drawn."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((num_data, dim))
    y = rng.random(num_data) < 1 / (1 + np.exp(-x @ rng.standard_normal(dim)))
    if (num_data, dim) == (569, 30) and available("sklearn"):
        from sklearn.datasets import load_breast_cancer

        x, y = load_breast_cancer(return_X_y=True)
        x = (x - x.mean(0)) / x.std(0)
    return jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32)


def logistic_fits(num_data: int, dim: int, num_samples: int, num_steps: int, *, seconds: float) -> Comparison:
    """A whole fit of a logistic regression."""
    x, y = logistic_data(num_data, dim)
    by_hand = peers.by_hand_fit(peers.many_logistic, dim, num_samples, num_steps)
    candidates = {
        "depthjax": fit_of(logistic, jnp.zeros(dim), num_samples, num_steps),
        "by hand": lambda key, x, y: by_hand(key, x, y.astype(x.dtype)),
    }
    if available("numpyro"):
        candidates["numpyro"] = peers.numpyro_fit(peers.numpyro_logistic, num_samples, num_steps)
    if available("blackjax"):
        candidates["blackjax"] = peers.blackjax_fit(logistic, dim, num_samples, num_steps)
    title = f"logistic regression {num_data} x {dim}, {num_samples} samples, {num_steps} steps"
    return compare(candidates, (jax.random.key(0), x, y), title=title, seconds=seconds)


def gaussian(z, loc, scale):
    return distributions.MultivariateNormalDiag(loc, scale).log_prob(z)


def gaussian_fits(dim: int, num_samples: int, num_steps: int, *, seconds: float) -> Comparison:
    """A whole fit of many independent normal numbers: what a step costs beside its density."""
    loc, scale = jnp.linspace(-1.0, 1.0, dim), jnp.linspace(0.5, 2.0, dim)
    candidates = {
        "depthjax": fit_of(gaussian, jnp.zeros(dim), num_samples, num_steps),
        "by hand": peers.by_hand_fit(peers.many_gaussian, dim, num_samples, num_steps),
    }
    if available("numpyro"):
        candidates["numpyro"] = peers.numpyro_fit(peers.numpyro_gaussian, num_samples, num_steps)
    if available("blackjax"):
        candidates["blackjax"] = peers.blackjax_fit(gaussian, dim, num_samples, num_steps)
    title = f"Gaussian d = {dim}, {num_samples} samples, {num_steps} steps"
    return compare(candidates, (jax.random.key(0), loc, scale), title=title, seconds=seconds)


def schools_fits(num_samples: int, num_steps: int, *, seconds: float) -> Comparison:
    """A whole fit of eight schools with standardised effects."""
    effects = jnp.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    errors = jnp.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    template = {"log_tau": jnp.zeros(()), "mu": jnp.zeros(()), "t": jnp.zeros(8)}
    candidates = {
        "depthjax": fit_of(schools, template, num_samples, num_steps),
        "by hand": peers.by_hand_fit(peers.many_schools, 10, num_samples, num_steps),
    }
    if available("numpyro"):
        candidates["numpyro"] = peers.numpyro_fit(peers.numpyro_schools, num_samples, num_steps)
    title = f"eight schools, {num_samples} samples, {num_steps} steps"
    return compare(candidates, (jax.random.key(0), effects, errors), title=title, seconds=seconds)


def multi_sample(kind: str, *, seconds: float) -> Comparison:
    """One gradient of an importance-weighted bound of a 784-200-200-50 autoencoder."""
    params, x = peers.autoencoder(jax.random.key(0), kind == "vimco"), peers.binary_images(jax.random.key(1))
    estimators = {"iwae": vi.pathwise, "dreg": vi.doubly_reparameterized, "vimco": vi.vimco}
    objective = vi.iwae_objective(peers.log_joint_of(kind), num_particles=peers.PARTICLES)
    estimator = vi.per_datum(estimators[kind](num_samples=1))
    gradient = vi.value_and_grad(estimator, objective, peers.guide_of(kind))

    def ours(key, params, x):
        return gradient(key, params, (), x)[1]

    candidates = {"depthjax": ours, "by hand": peers.multi_sample_by_hand(kind)}
    title = f"{kind} gradient, batch {x.shape[0]}, {peers.PARTICLES} particles, 784-200-200-50"
    return compare(candidates, (jax.random.key(2), params, x), title=title, seconds=seconds)


def mixtures(num_points: int, dim: int, k: int, num_sweeps: int, *, seconds: float) -> Comparison:
    """Coordinate ascent of a Bayesian mixture; `tol = 0` on both sides, so that equally many sweeps are timed."""
    key_centres, key_points, key_start = jax.random.split(jax.random.key(0), 3)
    centres = 1.5 * jax.random.normal(key_centres, (k, dim))
    x = centres[jnp.arange(num_points) % k] + jax.random.normal(key_points, (num_points, dim))

    @jax.jit
    def fit(x):
        found = vi.gaussian_mixture_cavi(key_start, x, num_components=k, max_steps=num_sweeps, tol=0.0)
        return found.params.loc, found.num_steps

    candidates = {"depthjax": fit}
    if available("sklearn"):
        candidates["scikit-learn"] = peers.sklearn_mixture(k, num_sweeps)
    title = f"Bayesian mixture, n = {num_points}, d = {dim}, k = {k}, {num_sweeps} sweeps"
    table = compare(candidates, (x,), title=title, seconds=seconds, jit=False)
    print(f"  sweeps of depthjax, which stops where its bound stands still to rounding: {int(fit(x)[1])}")
    return table


def pathfinders(dim: int, num_paths: int, *, seconds: float) -> Comparison:
    """Pathfinder from many starts on a logistic regression, and how often it evaluates the density."""
    x, y = logistic_data(500, dim)

    def run(key, inits):
        return vi.multipath_pathfinder(key, lambda w: logistic(w, x, y), inits, num_draws=1000)

    args = jax.random.key(0), 2 * jax.random.normal(jax.random.key(1), (num_paths, dim))
    candidates = {"depthjax": run}
    if available("blackjax"):
        candidates["blackjax"] = peers.blackjax_pathfinder(lambda w: logistic(w, x, y))
    title = f"pathfinder, d = {dim}, {num_paths} paths"
    table = compare(candidates, args, title=title, seconds=seconds)
    found = jax.jit(run)(*args)
    print(f"  evaluations of the density: {int(found.num_evaluations)}, k-hat {float(found.khat):.2f}")
    return table


def compile_time(*, seconds: float) -> Comparison:
    """One gradient of the bound of the logistic regression; the compile column is what is asked for."""
    x, y = logistic_data(569, 30)
    start = vi.mean_field(jnp.zeros(30), scale=0.1)
    objective = vi.elbo_objective(lambda _, w, x, y: logistic(w, x, y))
    gradient = vi.value_and_grad(vi.pathwise(num_samples=16), objective, start)
    candidates = {"depthjax": lambda key, guide, x, y: gradient(key, guide, (), x, y)[:2]}
    return compare(candidates, (jax.random.key(0), start, x, y), title="one gradient, 569 x 30", seconds=seconds)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    seconds = 3.0 if quick else 20.0
    tables = [
        compile_time(seconds=seconds),
        logistic_fits(569, 30, 16, 1000, seconds=seconds),
        logistic_fits(1000, 50, 32, 1000, seconds=seconds),
        gaussian_fits(1000, 16, 1000, seconds=seconds),
        schools_fits(16, 1000, seconds=seconds),
        *(multi_sample(kind, seconds=seconds) for kind in ("iwae", "dreg", "vimco")),
        mixtures(10_000 if quick else 100_000, 10, 20, 10, seconds=seconds),  # each sweep costs the same
        pathfinders(100, 20, seconds=seconds),
    ]
    print(f"\nsaved: {save('vi_quick' if quick else 'vi', tables).name}")


if __name__ == "__main__":
    main()
