"""Four guides on three small posteriors: how far off their means are, and whether k-hat says so.

Eight schools (Rubin 1981) in standardised effects, the bioassay of Racine et al. (1986) and a banana. Each truth is an
integral over two coordinates on a grid: in eight schools the effects are normal given mean and scale. Errors are the
largest over the means of the constrained quantities, in posterior standard deviations, of the guide's own draws and
corrected by importance weights.

Run: python examples/posterior_gallery.py [--quick] [--seed 0]
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save

from depthjax import diagnostics, flows, vi

EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], np.float32)
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0], np.float32)
DOSES = np.array([-0.86, -0.30, -0.05, 0.73], np.float32)
ANIMALS, DEATHS = 5.0, np.array([0.0, 1.0, 3.0, 5.0], np.float32)


def schools(raw):
    """Standardised effects (8,), mean over 10, log scale; half-Cauchy(5) scale, N(0, 5^2) mean."""
    t, mu, log_tau = raw[:8], 10 * raw[8], raw[9] + 1.0
    tau = jnp.exp(log_tau)
    likelihood = -0.5 * jnp.sum(((EFFECTS - mu - tau * t) / ERRORS) ** 2)
    return likelihood - 0.5 * jnp.sum(t * t) - 0.5 * (mu / 5) ** 2 - jnp.log1p((tau / 5) ** 2) + log_tau


def schools_quantities(raw):
    mu, tau = 10 * raw[8], jnp.exp(raw[9] + 1.0)
    return jnp.concatenate([mu[None], tau[None], mu + tau * raw[:8]])


def schools_truth():
    """Means and standard deviations of (mean, scale, effects), with the effects integrated out by formula."""
    mu, log_tau = (v.ravel() for v in np.meshgrid(np.linspace(-25, 35, 801), np.linspace(-9, 6, 1201), indexing="ij"))
    tau2, noise2 = np.exp(2 * log_tau)[:, None], np.asarray(ERRORS, float) ** 2
    total = tau2 + noise2
    log_p = -0.5 * np.sum((EFFECTS - mu[:, None]) ** 2 / total + np.log(total), axis=1)
    log_p += log_tau - 0.5 * (mu / 5) ** 2 - np.log1p(tau2[:, 0] / 25)
    weight = np.exp(log_p - log_p.max())
    centre = (tau2 * EFFECTS + noise2 * mu[:, None]) / total
    values = np.column_stack([mu, np.exp(log_tau), centre])
    within = np.column_stack([np.zeros((len(mu), 2)), tau2 * noise2 / total])
    return moments(weight, values, within)


def bioassay(raw):
    """Logit of death is alpha + beta dose; N(0, 2^2) and N(10, 10^2) priors with correlation 0.5; raw is scaled."""
    alpha, beta = 2 * raw[0], 10 * raw[1]
    a, b = alpha / 2, (beta - 10) / 10
    logits = alpha + beta * DOSES
    return jnp.sum(DEATHS * logits - ANIMALS * jax.nn.softplus(logits)) - 0.5 * (a * a - a * b + b * b) / 0.75


def bioassay_quantities(raw):
    return jnp.stack([2 * raw[0], 10 * raw[1]])


def banana(raw):
    return -0.5 * (raw[0] / 1.5) ** 2 - 0.5 * ((raw[1] - 0.5 * raw[0] ** 2) / 0.5) ** 2


def grid_truth(log_density, quantities, low, high):
    """Moments of a two-dimensional posterior on a grid of its raw coordinates."""
    ticks = [np.linspace(a, b, 801) for a, b in zip(low, high, strict=True)]
    points = np.stack([v.ravel() for v in np.meshgrid(*ticks, indexing="ij")], axis=1).astype(np.float32)
    log_p = np.asarray(jax.jit(jax.vmap(log_density))(points), float)
    return moments(np.exp(log_p - log_p.max()), np.asarray(jax.vmap(quantities)(points), float), 0.0)


def moments(weight, values, within):
    weight = weight / weight.sum()
    mean = weight @ values
    return mean, np.sqrt(weight @ ((values - mean) ** 2 + within))


def guides(key, log_density, dim, num_steps):
    """Name -> fitted guide and seconds, compilation included."""
    zero = jnp.zeros(dim)
    starts = {
        "mean-field": vi.mean_field(zero, scale=0.5),
        "full-rank": vi.full_rank(zero, scale=0.5),
        "flow": vi.flow_guide(flows.iaf(key, dim, num_layers=4, hidden=(32,)), zero),
    }

    def run(key, start):
        return vi.fit(
            key,
            vi.elbo_objective(lambda _, z: log_density(z)),
            start,
            start,
            estimator=vi.sticking_the_landing(num_samples=32),
            optimizer=optax.adam(optax.cosine_decay_schedule(0.02, num_steps)),
            num_steps=num_steps,
        ).params

    found = {}
    for name, start in starts.items():
        begin = time.perf_counter()
        found[name] = jax.block_until_ready(jax.jit(run)(key, start)), time.perf_counter() - begin
    begin = time.perf_counter()
    path = jax.jit(lambda key: vi.pathfinder(key, log_density, zero + 0.5, num_draws=100))(key)
    found["Pathfinder"] = jax.block_until_ready(path.guide), time.perf_counter() - begin
    return found


def compare(key, guide, log_density, quantities, truth, num_draws):
    """Largest errors of raw and corrected means in posterior standard deviations, k-hat, and draws."""

    @jax.jit
    def run(key):
        z, log_q = guide.sample_and_log_prob(key, (num_draws,))
        return z, jax.vmap(quantities)(z), jax.vmap(log_density)(z) - log_q

    z, values, log_weights = run(key)
    smoothed, values = diagnostics.psis(log_weights), np.asarray(values, float)
    means = values.mean(0), np.exp(np.asarray(smoothed.log_weights, float)) @ values
    return [np.abs((mean - truth[0]) / truth[1]).max() for mean in means], float(smoothed.khat), np.asarray(z)


def draw(axis, log_density, center, draws, names):
    """Contours of the target in two raw coordinates, and how each guide spreads."""
    for name, color in zip(names, ACCENTS, strict=False):
        axis.scatter(*draws[name][:300].T, s=3, color=color, alpha=0.5, label=name, linewidths=0)
    low, high = np.quantile(np.concatenate([*draws.values()]), [0.002, 0.998], axis=0)
    if center is not None:
        ticks = [np.linspace(a, b, 120, dtype=np.float32) for a, b in zip(low, high, strict=True)]
        plane = np.stack(np.meshgrid(*ticks), -1)
        density = np.exp(np.asarray(jax.vmap(jax.vmap(log_density))(plane)))
        axis.contour(*ticks, density / density.max(), levels=[0.05, 0.3, 0.7], colors=INK, linewidths=0.8)
    axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def main():
    args = options(__doc__, "posterior_gallery")
    num_steps, num_draws = (100, 2000) if args.quick else (3000, 40_000)
    key_fit, key_draws = jax.random.split(jax.random.key(args.seed))
    cases = {
        "eight schools": (schools, schools_quantities, 10, schools_truth()),
        "bioassay": (bioassay, bioassay_quantities, 2, grid_truth(bioassay, bioassay_quantities, (-4, -2), (4, 6))),
        "banana": (banana, lambda raw: raw, 2, grid_truth(banana, lambda raw: raw, (-9, -4), (9, 40))),
    }
    fig, (axes,) = figure(1, 3, (11, 3.6))
    threshold = float(diagnostics.khat_threshold(num_draws))
    print(f"k-hat above {threshold:.2f} says: do not trust the corrected means\n")
    print(f"{'posterior':>14} {'guide':>11} {'raw error':>10} {'corrected':>10} {'k-hat':>7} {'seconds':>8}")
    for axis, (title, (log_density, quantities, dim, truth)) in zip(axes, cases.items(), strict=True):
        draws = {}
        for name, (guide, seconds) in guides(key_fit, log_density, dim, num_steps).items():
            errors, khat, z = compare(key_draws, guide, log_density, quantities, truth, num_draws)
            row = f"{title:>14} {name:>11} {errors[0]:10.3f} {errors[1]:10.3f} {khat:7.2f} {seconds:8.1f}"
            print(row, flush=True)
            draws[name] = z[:, [8, 9]] if dim == 10 else z
        draw(axis, log_density, None if dim == 10 else truth, draws, draws)
        axis.set_title(title)
    axes[0].set(xlabel="mean / 10", ylabel="log scale - 1")
    axes[1].set(xlabel="alpha / 2", ylabel="beta / 10")
    axes[0].legend(frameon=False, markerscale=3, fontsize=7.5)
    save(fig, args.out)


if __name__ == "__main__":
    main()
