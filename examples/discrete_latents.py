"""Eight estimators of the gradient for bits: who is unbiased, who varies least, who trains best.

A model of pictures on a 3 x 3 grid: four hidden bits, each of which lights a row or a column; the guide gives each bit
a probability that depends on the picture. Every outcome of four bits can be listed, so that the exact gradient, the
evidence and the bound are known.

Run: python examples/discrete_latents.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save

from depthjax import distributions, vi

BITS = 4
STROKES = np.zeros((BITS, 3, 3), np.float32)
STROKES[0, 0], STROKES[1, 2], STROKES[2, :, 0], STROKES[3, :, 2] = 1.0, 1.0, 1.0, 1.0
STROKES = STROKES.reshape(BITS, 9)


def pictures(key, count):
    """Strokes with probability 0.4 each, pixels flipped with probability 0.03."""
    key_bits, key_flips = jax.random.split(key)
    bits = jax.random.bernoulli(key_bits, 0.4, (count, BITS)).astype(jnp.float32)
    lit = (bits @ STROKES > 0).astype(jnp.float32)
    return jnp.abs(lit - jax.random.bernoulli(key_flips, 0.03, lit.shape))


def log_joint(params, z, x):
    """Linear in the prior's terms, so that relaxed estimators may ask for soft bits too."""
    z = z.astype(x.dtype)
    prior = jnp.sum(z * params["prior"] - jax.nn.softplus(params["prior"]))
    return prior + distributions.Bernoulli(params["offset"] + params["strokes"].T @ z).log_prob(x)


def guide(params, x):
    return distributions.Bernoulli(params["encoder"] @ (2 * x - 1) + params["shift"])


def initial(key):
    keys = jax.random.split(key, 2)
    return {
        "prior": jnp.zeros(BITS),
        "offset": jnp.full(9, -1.0),
        "strokes": 0.5 * jax.random.normal(keys[0], (BITS, 9)),
        "encoder": 0.1 * jax.random.normal(keys[1], (BITS, 9)),
        "shift": jnp.zeros(BITS),
    }


def wavy(weights, z):
    """The free part of RELAX: a small net of the latent."""
    return weights["out"] @ jnp.tanh(weights["hidden"] @ z)


def estimators(key):
    """Name -> (estimator for one picture, its objective, evaluations of the joint); VIMCO has a bound of its own."""
    hidden = {"hidden": 0.3 * jax.random.normal(key, (8, BITS)), "out": jnp.zeros(8)}
    elbo, three = vi.elbo_objective(log_joint), vi.iwae_objective(log_joint, num_particles=3)
    return {
        "score": (vi.score_function(num_samples=2), elbo, 2),
        "RLOO": (vi.score_function(num_samples=2, baseline=vi.leave_one_out_baseline()), elbo, 2),
        "ARM": (vi.arm(num_samples=1), elbo, 2),
        "DisARM": (vi.disarm(num_samples=1), elbo, 2),
        "REBAR": (vi.rebar(num_samples=1, temperature=0.5, eta=1.0), elbo, 3),
        "RELAX": (vi.relax(num_samples=1, surrogate_apply=wavy, surrogate_params=hidden), elbo, 3),
        "VIMCO": (vi.vimco(num_samples=1), three, 3),
        "straight-through": (vi.straight_through(num_samples=2), elbo, 2),
    }


def exact_bounds(params, x):
    """Mean evidence and mean lower bound over pictures, by listing all outcomes."""

    def one(x):
        q = guide(params, x)
        z = q.enumerate_support()
        joint, log_q = jax.vmap(lambda v: log_joint(params, v, x))(z), q.log_prob(z)
        return jax.nn.logsumexp(joint), jnp.sum(jnp.exp(log_q) * (joint - log_q))

    return tuple(jnp.mean(v) for v in jax.vmap(one)(x))


def train(key, estimator, objective, params, x, num_steps):
    """A fit to batches of twenty pictures."""
    key_batches, key_fit = jax.random.split(key)
    batches = x[jax.random.randint(key_batches, (num_steps, 20), 0, x.shape[0])]
    return jax.jit(
        lambda key, params, batches: vi.fit(
            key,
            objective,
            guide,
            params,
            estimator=vi.per_datum(estimator),
            optimizer=optax.adam(0.01),
            num_steps=num_steps,
            batches=(batches,),
        )
    )(key_fit, params, batches)


def moments(key, estimator, objective, state, params, x, repeats):
    """Distance of the mean gradient from the exact one, its standard error, and the variance, summed over numbers."""
    fn = vi.value_and_grad(vi.per_datum(estimator), objective, guide)
    exact = vi.value_and_grad(vi.per_datum(vi.exact()), objective, guide)

    def flat(gradient):
        return jnp.concatenate([jnp.ravel(gradient[name]) for name in ("encoder", "shift")])

    keys = jax.random.split(key, repeats)
    draws = jax.jit(jax.vmap(lambda k: flat(fn(k, params, state, x)[1])))(keys)
    want = jax.jit(lambda: flat(exact(key, params, (), x)[1]))()
    variance = float(jnp.sum(jnp.var(draws, axis=0)))
    return float(jnp.linalg.norm(draws.mean(0) - want)), (variance / repeats) ** 0.5, variance


def main():
    args = options(__doc__, "discrete_latents")
    num_steps, repeats = (30, 100) if args.quick else (4000, 4000)
    key_data, key_init, key_net, key_fit, key_draws = jax.random.split(jax.random.key(args.seed), 5)
    x, test = jnp.split(pictures(key_data, 800), 2)
    start, kinds = initial(key_init), estimators(key_net)
    half_way = train(key_fit, kinds["RLOO"][0], kinds["RLOO"][1], start, x, num_steps // 8).params

    fig, ((left, right),) = figure(1, 2, (10, 3.8))
    print(
        "bias and variance: of the encoder's gradient over 20 pictures, at one point; the rest after training, nats\n"
    )
    head = f"{'estimator':>17} {'evaluations':>11} {'bias':>8} {'+-':>8} {'variance':>9} {'evidence':>9} {'bound':>9}"
    print(head)
    for i, (name, (estimator, objective, evaluations)) in enumerate(kinds.items()):
        found = train(key_fit, estimator, objective, start, x, num_steps)
        state = found.estimator_state
        bias, error, variance = moments(key_draws, estimator, objective, state, half_way, x[:20], repeats)
        evidence, bound = exact_bounds(found.params, test)
        print(f"{name:>17} {evaluations:11d} {bias:8.4f} {error:8.4f} {variance:9.4f} {evidence:9.3f} {bound:9.3f}")
        window = max(1, num_steps // 40)
        smooth = np.asarray(found.value_trace)[: num_steps // window * window].reshape(-1, window).mean(1)
        style = {"color": [*ACCENTS, INK, "#8a8f98", "#b07f5a"][i], "ls": "--" if name == "straight-through" else "-"}
        left.plot(window * np.arange(len(smooth)), smooth, label=name, lw=1.2, **style)
        right.barh(i, variance, color=style["color"], height=0.6)
    left.set(xlabel="step", ylabel="value of its own objective, nats")
    left.legend(frameon=False, fontsize=7.5, ncols=2)
    right.set(xscale="log", xlabel="variance of the encoder's gradient")
    right.set_yticks(range(len(kinds)), list(kinds))
    right.invert_yaxis()
    save(fig, args.out)


if __name__ == "__main__":
    main()
