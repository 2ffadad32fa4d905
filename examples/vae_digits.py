"""Autoencoders of digits: the evidence bound against importance-weighted bounds, and where the nats go.

Scikit-learn's 1,797 digits, 8 x 8, made binary; one network trained with the plain bound, one with five particles and
one with fifty, by the doubly reparameterised gradient. Test pictures are scored by the same 1,000-particle bound, and a
gap report says what the encoder and what the family of the guide lose.

Run: python examples/vae_digits.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save
from sklearn.datasets import load_digits

from depthjax import diagnostics, distributions, vi

LATENTS, HIDDEN, PIXELS, BATCH = 8, 100, 64, 100
SCORED = (1, 5, 50, 500, 1000)


def layers(key, *widths):
    keys = jax.random.split(key, len(widths) - 1)
    pairs = zip(keys, widths, widths[1:], strict=False)
    return [(jax.random.normal(k, (a, b)) / a**0.5, jnp.zeros(b)) for k, a, b in pairs]


def net(weights, h):
    for matrix, bias in weights[:-1]:
        h = jnp.tanh(h @ matrix + bias)
    matrix, bias = weights[-1]
    return h @ matrix + bias


def initial(key):
    key_encoder, key_decoder = jax.random.split(key)
    return {
        "encoder": layers(key_encoder, PIXELS, HIDDEN, 2 * LATENTS),
        "decoder": layers(key_decoder, LATENTS, HIDDEN, PIXELS),
    }


def family(outputs):
    return distributions.MultivariateNormalDiag(outputs[:LATENTS], jnp.exp(outputs[LATENTS:]))


GUIDE = vi.amortised(lambda params, x: net(params["encoder"], x), family)


def log_joint(params, z, x):
    prior = distributions.MultivariateNormalDiag(jnp.zeros(LATENTS), jnp.ones(LATENTS))
    return prior.log_prob(z) + distributions.Bernoulli(net(params["decoder"], z)).log_prob(x)


def train(key, num_particles, params, x, num_steps):
    key_batches, key_fit = jax.random.split(key)
    rows = jax.random.randint(key_batches, (num_steps, BATCH), 0, x.shape[0])
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, num_steps))

    def run(key, params, batches):
        return vi.fit(
            key,
            vi.iwae_objective(log_joint, num_particles=num_particles),
            GUIDE,
            params,
            estimator=vi.per_datum(vi.doubly_reparameterized(num_samples=1)),
            optimizer=optimizer,
            num_steps=num_steps,
            batches=(batches,),
        )

    return jax.jit(run)(key_fit, params, x[rows])


@jax.jit
def scores(key, params, x):
    """Bounds of every picture for every number of particles, (len(SCORED), n)."""

    def one(key, datum):
        weights = vi.log_weights(key, log_joint, GUIDE, params, datum, num_samples=SCORED[-1])
        return jnp.stack([jnp.mean(vi.iwae_bound(weights.reshape(-1, k))) for k in SCORED])

    keys = jax.random.split(key, x.shape[0])
    return jax.lax.map(lambda pair: one(*pair), (keys, x), batch_size=20).T


def main():
    args = options(__doc__, "vae_digits")
    num_steps, optimise_steps, num_test = (60, 30, 40) if args.quick else (3000, 300, 300)
    pictures = jnp.asarray(load_digits().data > 7, jnp.float32)
    key_split, key_init, key_fit, key_score, key_gap = jax.random.split(jax.random.key(args.seed), 5)
    pictures = jax.random.permutation(key_split, pictures)
    x, test = pictures[:1497], pictures[1497 : 1497 + num_test]
    start = initial(key_init)

    fig, ((left, middle, right),) = figure(1, 3, (11, 3.6))
    print(f"test pictures: {num_test}; nats a picture; the gaps are those of the first 20\n")
    print(
        f"{'trained with K':>14} {'ELBO':>8} {f'K = {SCORED[-1]}':>9} {'approx.':>8} {'amort.':>8} {'k-hat > .7':>11}"
    )
    for i, num_particles in enumerate((1, 5, 50)):
        found = train(key_fit, num_particles, start, x, num_steps)
        bounds = np.asarray(scores(key_score, found.params, test)).mean(1)

        @jax.jit
        def report(key, params, data):
            return diagnostics.gap_report(
                key, log_joint, GUIDE, params, data, optimise_steps=optimise_steps, num_particles=1000, step_size=0.02
            )

        gaps = report(key_gap, found.params, test[:20])
        approximation, amortisation = (float(jnp.mean(v)) for v in (gaps.approximation_gap, gaps.amortisation_gap))
        unsure = float(jnp.mean(gaps.khat > 0.7))
        row = f"{num_particles:14d} {bounds[0]:8.2f} {bounds[-1]:9.2f} {approximation:8.2f} {amortisation:8.2f}"
        print(f"{row} {unsure:11.0%}", flush=True)
        left.plot(SCORED, bounds, "o-", ms=3, color=ACCENTS[i], label=f"trained with K = {num_particles}")
        middle.bar(i, approximation, color=ACCENTS[i], width=0.6)
        middle.bar(i, amortisation, bottom=approximation, color=ACCENTS[i], width=0.6, alpha=0.45)
    left.set(xscale="log", xlabel="K of the score", ylabel="bound, nats a picture")
    left.legend(frameon=False)
    middle.set_xticks(range(3), ["K = 1", "K = 5", "K = 50"])
    middle.set(ylabel="nats: approximation, and above it amortisation")
    z = jax.random.normal(key_gap, (30, LATENTS))
    means = np.asarray(jax.nn.sigmoid(jax.vmap(lambda z: net(found.params["decoder"], z))(z))).reshape(5, 6, 8, 8)
    tiles = np.pad(means, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.3)
    right.imshow(tiles.transpose(0, 2, 1, 3).reshape(50, 60), cmap="Greys")
    right.set(xticks=[], yticks=[], title="draws of the decoder, K = 50")
    save(fig, args.out)


if __name__ == "__main__":
    main()
