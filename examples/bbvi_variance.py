"""Black-box variational inference with and without variance reduction, on forty yes-or-no answers in four groups.

Score-function gradients of an independent normal guide: plain, with baselines, with the Taylor control variate, and
Rao-Blackwellised for a model whose terms see few coordinates; the pathwise gradient stands beside them. Variance is
that of the whole gradient at one point, for equally many draws; the curves are the exact bound along fits by Adam at
the same step size.

Run: python examples/bbvi_variance.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save

from depthjax import distributions, numerics, unconstrain, vi

DRAWS = 8
CENTRES = np.array([-1.5, -0.4, 0.3, 1.8], np.float32)


def data(key):
    """Ten yes-or-no answers in each of four groups."""
    return jax.random.bernoulli(key, jax.nn.sigmoid(CENTRES)[:, None], (4, 10)).astype(jnp.float32)


def group_terms(z, y):
    """Log joint of each group's log odds, N(0, 2^2) a priori, (4,)."""
    likelihood = jnp.sum(y * z[:, None] - jax.nn.softplus(z)[:, None], axis=1)
    return likelihood - 0.5 * (z / 2) ** 2 - np.log(2 * np.sqrt(2 * np.pi))


def exact_bound(params, y):
    """The lower bound by Gauss-Hermite quadrature, coordinate by coordinate."""
    nodes, weights = (jnp.asarray(v, jnp.float32) for v in numerics.gauss_hermite_rule(40))
    scale = jnp.exp(params["log_scale"])
    z = params["loc"][None] + scale[None] * nodes[:, None]
    expected = weights @ jax.vmap(lambda row: group_terms(row, y))(z)
    return jnp.sum(expected) + jnp.sum(params["log_scale"] + 0.5 * np.log(2 * np.pi * np.e))


def kinds(y):
    """Name -> (estimator, objective, guide)."""

    def vector(params):
        return distributions.MultivariateNormalDiag(params["loc"], jnp.exp(params["log_scale"]))

    def factors(params):
        pairs = zip(params["loc"], params["log_scale"], strict=True)
        return tuple(distributions.Normal(loc, jnp.exp(log_scale)) for loc, log_scale in pairs)

    def terms(params, z):
        log_q = jnp.stack([q.log_prob(v) for q, v in zip(factors(params), z, strict=True)])
        return group_terms(jnp.stack(z), y) - log_q

    elbo = vi.elbo_objective(lambda _, z: jnp.sum(group_terms(z, y)))
    score, own = vi.score_function, np.eye(4, dtype=bool)
    one_out = vi.leave_one_out_baseline()
    taylor = vi.with_control_variate(score(num_samples=DRAWS), vi.delta_control_variate(order=2), coefficient=1.0)
    return {
        "plain score": (score(num_samples=DRAWS), elbo, vector),
        "moving average": (score(num_samples=DRAWS, baseline=vi.moving_average_baseline()), elbo, vector),
        "leave one out": (score(num_samples=DRAWS, baseline=one_out), elbo, vector),
        "best baseline": (score(num_samples=DRAWS, baseline=vi.optimal_baseline()), elbo, vector),
        "Rao-Blackwell": (
            vi.rao_blackwell(num_samples=DRAWS, dependencies=own, baseline=one_out), terms, factors,
        ),
        "Taylor control": (taylor, elbo, vector),
        "pathwise": (vi.pathwise(num_samples=DRAWS), elbo, vector),
    }  # fmt: skip


def main():
    args = options(__doc__, "bbvi_variance")
    num_steps, repeats = (50, 200) if args.quick else (1500, 4000)
    key_data, key_fit, key_draws = jax.random.split(jax.random.key(args.seed), 3)
    y = data(key_data)
    start = {"loc": jnp.zeros(4), "log_scale": jnp.zeros(4)}
    at = {"loc": jnp.asarray(0.7 * CENTRES), "log_scale": jnp.full(4, -0.5)}
    want = jax.jit(jax.grad(exact_bound))(at, y)
    fig, ((left, right),) = figure(1, 2, (10, 3.6))
    print(f"{'estimator':>16} {'largest |z| of bias':>20} {'variance':>9} {'bound at the end':>17}")
    best, curves = -np.inf, {}
    for name, (estimator, objective, guide) in kinds(y).items():
        fn = vi.value_and_grad(estimator, objective, guide)
        state = estimator.init(at)
        warm = jax.jit(
            lambda k, s, fn=fn: jax.lax.scan(lambda s, k: (fn(k, at, s)[2], None), s, jax.random.split(k, 50))[0]
        )
        state = warm(key_draws, state)
        draws = jax.jit(jax.vmap(lambda k, fn=fn, state=state: fn(k, at, state)[1]))(
            jax.random.split(key_draws, repeats)
        )
        flat = np.concatenate([np.asarray(draws[part]) for part in ("loc", "log_scale")], axis=1)
        exact = np.concatenate([np.asarray(want[part]) for part in ("loc", "log_scale")])
        z = (flat.mean(0) - exact) / (flat.std(0) / np.sqrt(repeats))

        def fit(key, estimator=estimator, objective=objective, guide=guide):
            optimizer = optax.adam(0.03)

            def block(carry, k):
                params, states = carry
                found = vi.fit(
                    k, objective, guide, params, estimator=estimator, optimizer=optimizer, num_steps=num_steps // 25,
                    estimator_state=states[0], optimizer_state=states[1],
                )  # fmt: skip
                states = found.estimator_state, found.optimizer_state
                return (found.params, states), exact_bound(found.params, y)

            states = estimator.init(start), optimizer.init((unconstrain(start), estimator.init(start)))
            return jax.lax.scan(block, (start, states), jax.random.split(key, 25))[1]

        curves[name] = np.asarray(jax.jit(fit)(key_fit))
        best = max(best, curves[name].max())
        print(f"{name:>16} {np.abs(z).max():20.1f} {flat.var(0).sum():9.3f} {curves[name][-1]:17.3f}")
        i = len(curves) - 1
        right.barh(i, flat.var(0).sum(), color=[*ACCENTS, INK, "#8a8f98"][i], height=0.6)
    for i, (name, curve) in enumerate(curves.items()):
        steps = num_steps // 25 * (1 + np.arange(25))
        left.plot(steps, best - curve + 1e-4, label=name, color=[*ACCENTS, INK, "#8a8f98"][i], lw=1.2)
    left.set(yscale="log", xlabel="step", ylabel="nats below the best bound met")
    left.legend(frameon=False, fontsize=7.5)
    right.set(xscale="log", xlabel=f"variance of a gradient from {DRAWS} draws")
    right.set_yticks(range(len(curves)), list(curves))
    right.invert_yaxis()
    save(fig, args.out)


if __name__ == "__main__":
    main()
