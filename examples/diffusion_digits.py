"""A diffusion model of scikit-learn's handwritten digits: likelihoods in bits per dimension, and draws.

The 1797 images of 8x8 pixels with 17 grey levels are dequantised with fresh uniform noise in every batch and scaled to
[-1, 1]. One network predicts the noise of a continuous schedule, as a correction of what a Gaussian with the data's
moments predicts. Its likelihood is that of the probability-flow equation, with probes for the trace; chance is 4.09
bits. The same network draws digits by that equation run backwards, in few steps and in many.

Run: python examples/diffusion_digits.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import figure, options, save
from _timed_net import apply, energy_distance, init, train
from sklearn.datasets import load_digits

from depthjax import diffusion, distributions, flows
from depthjax.numerics import sample_probes

LEVELS, DIM, START = 17, 64, 1e-3
SCHEDULE = diffusion.vp_linear()


def dequantised(key, images):
    """Integer images (n, 64) with uniform noise, in [-1, 1)."""
    return 2.0 * flows.dequantize_uniform(key, images, LEVELS) - 1.0


def moments(x):
    """Mean (64,), eigenvalues (64,) and axes (64, 64) of the covariance."""
    x = np.asarray(x, np.float64)
    values, axes = np.linalg.eigh(np.cov(x.T))
    return tuple(jnp.asarray(v, jnp.float32) for v in (x.mean(0), values, axes))


def model(params, law):
    """The Gaussian's noise, sigma (alpha^2 C + sigma^2 I)^-1 (z - alpha m), and the network's part."""
    mean, values, axes = law

    def predict(z, t):
        alpha, sigma = SCHEDULE.alpha(t)[:, None], SCHEDULE.sigma(t)[:, None]
        along = (z - alpha * mean[None]) @ axes
        return sigma * (along / (alpha**2 * values[None] + sigma**2)) @ axes.T + apply(params, z, t)

    return predict


def bits(log_prob):
    """Mean bits per pixel of the 17-level images, from log densities of their pixels in [-1, 1)."""
    return float(jnp.mean(flows.bits_per_dim(log_prob + DIM * jnp.log(2.0), DIM, num_levels=LEVELS)))


def gaussian(law):
    """The Gaussian with these moments."""
    mean, values, axes = law
    return distributions.MultivariateNormal(mean, jnp.linalg.cholesky((axes * values[None]) @ axes.T))


def draws(key, predict, count, num_steps):
    """Images by Heun's rule along the probability flow, from noise at time 1 back to the start, in equal log times."""

    def back(u, z):
        t = START**u
        score = -predict(z, t) / SCHEDULE.sigma(t)[:, None]
        drift, square = SCHEDULE.drift(t)[:, None], SCHEDULE.diffusion_squared(t)[:, None]
        return jnp.log(START) * t[:, None] * (drift * z - 0.5 * square * score)

    return diffusion.sample_flow(back, jax.random.normal(key, (count, DIM)), num_steps=num_steps)


def main():
    """Train, print bits and distances, draw digits."""
    chosen = options(__doc__, "diffusion_digits")
    keys = jax.random.split(jax.random.key(chosen.seed), 6)
    images = jnp.asarray(load_digits().data, jnp.int32)[jax.random.permutation(keys[0], 1797)]
    seen, test = images[:1_500], dequantised(keys[5], images[1_500:])
    train_x = dequantised(keys[4], seen)
    law = moments(train_x)
    num_steps, counts = (100, (10, 20)) if chosen.quick else (3_000, (5, 10, 20, 40))

    def batch(key):
        return (dequantised(key, seen[jax.random.randint(jax.random.fold_in(key, 1), (256,), 0, len(seen))]),)

    def loss(params, key, x):
        return diffusion.diffusion_loss(key, SCHEDULE, model(params, law), x)

    params = init(keys[1], DIM, width=192)
    params[-1] = (0.0 * params[-1][0], params[-1][1])
    params, losses = train(keys[1], params, loss, batch, num_steps=num_steps)
    first, last = float(jnp.mean(losses[:20])), float(jnp.mean(losses[-100:]))
    print(f"loss {first:.3f} of the Gaussian, {last:.3f} in the end")
    print(f"\n{'':<26}{'train':>10}{'held out':>10}   bits per dimension\n")
    normal = gaussian(law)
    print(f"{'Gaussian, full covariance':<26}{bits(normal.log_prob(train_x)):10.3f}{bits(normal.log_prob(test)):10.3f}")
    likelihood = jax.jit(
        lambda params, x, probes: diffusion.probability_flow_log_prob(
            SCHEDULE, model(params, law), x, probes=probes, start=START, rtol=1e-3, atol=1e-3
        )
    )
    probes, few = sample_probes(keys[2], (2 if chosen.quick else 8, DIM)), 20 if chosen.quick else 200
    found = [likelihood(params, x[:few], probes) for x in (train_x, test)]
    print(f"{'diffusion':<26}" + "".join(f"{bits(item.value):10.3f}" for item in found))
    print(f"solved: {int(sum(item.converged.sum() for item in found))} of {2 * few}")

    print(f"\n{'energy distance':<26}{'':10}{'held out':>10}")
    print(f"{'train':<36}{energy_distance(train_x, test):10.4f}")
    print(f"{'Gaussian':<36}{energy_distance(normal.sample(keys[3], (1_000,)), test):10.4f}")
    made = [draws(keys[4], model(params, law), 1_000, count) for count in counts]
    for count, images in zip(counts, made, strict=True):
        print(f"{f'diffusion, {count} steps':<36}{energy_distance(images, test):10.4f}")

    fig, (axes,) = figure(1, 3, (11, 3.2))
    panels = {"digits": test, f"drawn in {counts[0]} steps": made[0], f"drawn in {counts[-1]} steps": made[-1]}
    for axis, (title, images) in zip(axes, panels.items(), strict=True):
        axis.imshow(
            np.asarray(images[:24]).reshape(3, 8, 8, 8).transpose(0, 2, 1, 3).reshape(24, 64),
            cmap="gray_r", vmin=-1, vmax=1,
        )  # fmt: skip
        axis.set(title=title, xticks=[], yticks=[])
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
