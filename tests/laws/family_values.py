"""Everything a family computes, in one compiled call per registry entry and dtype, on stacked draws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from family_entry import METHODS, NUM_POINTS, stack

NUM_DRAWS = 4
NUM_SAMPLES = 4096
LOG_P = np.concatenate([-np.logspace(2.0, -7.0, 16), np.linspace(-6.0, -0.05, NUM_POINTS - 16)])
KEY = 20


def compute(dist, x, log_p, seed):
    """All public results for one record at points x (n, *event) and log-probabilities log_p (n,), with derivatives."""
    out = compute_values(dist, x, log_p, seed)
    drawn = out["sample"]
    out["log_prob_of_sample"] = dist.log_prob(drawn)
    out["sample_inside"] = jnp.ravel(dist.support.contains(drawn))
    out["param_grad"] = jax.vmap(jax.grad(lambda d, event: d.log_prob(event)), (None, 0))(dist, x)
    if jnp.issubdtype(drawn.dtype, jnp.inexact):
        out["score"] = jax.vmap(jax.grad(dist.log_prob))(x)
        out["score_of_sample"] = jax.vmap(jax.grad(dist.log_prob))(drawn)
    if hasattr(dist, "natural_parameters"):
        out["family"] = exponential_family(dist, x)
    return out


def compute_values(dist, x, log_p, seed):
    """The values alone."""
    key = jax.random.key(seed)
    out = {"log_prob": dist.log_prob(x)}
    out["sample"], out["sample_log_prob"] = dist.sample_and_log_prob(key, (NUM_SAMPLES,))
    for letter in "MVESK":
        for method in METHODS[letter]:
            if hasattr(dist, method):
                out[method] = getattr(dist, method)()
    for method in METHODS["C"]:
        if hasattr(dist, method):
            out[method] = getattr(dist, method)(x)
    if hasattr(dist, "quantile"):
        shape = (len(log_p),) + (1,) * len(dist.event_shape)
        levels = jnp.broadcast_to(log_p.reshape(shape), (len(log_p), *dist.event_shape))
        out["quantile"] = dist.quantile(jnp.exp(levels))
        out["quantile_from_log"] = dist.quantile_from_log(levels)
        out["quantile_from_log_survival"] = dist.quantile_from_log_survival(levels)
    if hasattr(dist, "from_noise"):
        noise = dist.sample_noise(key, (64,))
        out["from_noise"] = jax.vmap(dist.from_noise)(noise)
    return out


def exponential_family(dist, x):
    """Both sides of log p = <T, eta> - A + log h, and the derivatives of A."""
    eta = dist.natural_parameters()
    x = x.astype(jax.tree.leaves(eta)[0].dtype)
    statistics = jax.vmap(dist.sufficient_statistics)(x)

    def inner(one):
        return sum(jnp.sum(one[k] * eta[k]) for k in eta)

    rebuilt = jax.vmap(inner)(statistics) - dist.log_normalizer() + jax.vmap(dist.log_base_measure)(x)
    return {
        "rebuilt": rebuilt,
        "statistics": statistics,
        "eta": eta,
        "mean_parameters": dist.mean_parameters(),
        "fisher": dist.fisher_information(),
    }


def _compute_stack(stacked, x, log_p, seed):
    return jax.vmap(compute, (0, 0, None, None))(stacked, x, log_p, seed)


@functools.cache
def _compiled(structure):
    """One jitted function for each structure of records: none is shared between classes."""
    return jax.jit(lambda *args: _compute_stack(*args))


def padded(values):
    """The sequence repeated up to NUM_DRAWS entries, so that every call of one entry has the same shapes."""
    return [values[i % len(values)] for i in range(NUM_DRAWS)]


def evaluate_records(records, points):
    """Results for up to NUM_DRAWS records (one treedef) at their points, on the host."""
    xs = np.stack(padded(list(points)))
    log_p = np.asarray(LOG_P, xs.dtype)
    stacked = stack(padded(list(records)))
    return jax.tree.map(np.asarray, _compiled(str(jax.tree.structure(stacked)))(stacked, xs, log_p, KEY))


@functools.cache
def evaluate(entry, dtype):
    """Results for the draws of an entry at its evaluation points."""
    records = [entry.record(args, dtype) for args in entry.draws]
    return evaluate_records(records, [entry.evaluation_points(args, dtype) for args in entry.draws])


def of_draw(results, index):
    """The results of one draw."""
    return jax.tree.map(lambda value: value[index], results)
