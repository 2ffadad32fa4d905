"""Glow on scikit-learn's handwritten digits: dequantisation, bits per dimension, samples, and a fit that resumes.

The 1797 images of 8x8 pixels with 17 grey levels are dequantised with uniform noise and modelled by a two-scale Glow
behind a logit. The fit is cut in two and goes on from its checkpoint; a Gaussian with full covariance in the same
coordinates is the comparison.

Run: python examples/digits_glow.py [--quick] [--seed 0]
"""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import figure, options, save
from sklearn.datasets import load_digits

from depthjax import distributions, flows

LEVELS, SHAPE = 17, (8, 8, 1)


def pixels(key):
    """Dequantised images in [0, 1), shuffled: train (1500, 8, 8, 1) and test (297, 8, 8, 1)."""
    images = jnp.asarray(load_digits().images[..., None], jnp.int32)
    noise_key, order_key = jax.random.split(key)
    x = flows.dequantize_uniform(noise_key, images, LEVELS)
    x = x[jax.random.permutation(order_key, len(x))]
    return x[:1_500], x[1_500:]


def behind_a_logit(law):
    """A law of images on the line, as a law of pixels in [0, 1)."""
    return distributions.Transformed(law, flows.LogitPreprocess(0.05, SHAPE).invert())


def gaussian(train):
    """The maximum-likelihood Gaussian of the logits, with a ridge of 1e-3."""
    y = np.asarray(flows.LogitPreprocess(0.05, SHAPE).forward(train)).reshape(len(train), -1)
    tril = np.linalg.cholesky(np.cov(y.T) + 1e-3 * np.eye(y.shape[1]))
    base = distributions.MultivariateNormal(jnp.asarray(y.mean(0), jnp.float32), jnp.asarray(tril, jnp.float32))
    return behind_a_logit(distributions.Reshaped(base, SHAPE))


def bits(law, x):
    """Mean bits per pixel of the 17-level images."""
    log_prob = jax.jit(lambda d, v: d.log_prob(v))(law, x)
    return float(jnp.mean(flows.bits_per_dim(log_prob, 64, num_levels=LEVELS)))


def main():
    """Fit in two halves, print bits per dimension, draw digits and samples."""
    chosen = options(__doc__, "digits_glow")
    keys = jax.random.split(jax.random.key(chosen.seed), 4)
    train, test = pixels(keys[0])
    num_steps = 60 if chosen.quick else 1_600
    sizes = {"num_layers": 1, "hidden": (8,)} if chosen.quick else {"num_layers": 3, "hidden": (32, 32)}
    flow = behind_a_logit(flows.glow(keys[1], SHAPE, num_scales=2, **sizes))
    schedule = optax.warmup_cosine_decay_schedule(0.0, 2e-3, 100, num_steps) if not chosen.quick else 1e-3
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-4))
    with tempfile.TemporaryDirectory() as folder:
        for until in (num_steps // 2, num_steps):  # the second call reads the checkpoint and goes on
            result = flows.fit_maximum_likelihood(
                keys[2], flow, train, validation=test, num_steps=until, optimizer=optimizer, batch_size=128,
                eval_every=max(num_steps // 30, 1), checkpoint=Path(folder) / "glow.npz",
            )  # fmt: skip
            print(f"after {until:>5} steps: {bits(result.flow, test):.3f} bits per dimension on held-out digits")
    law = gaussian(train)
    print(f"\n{'':<26}{'train':>10}{'held out':>10}   bits per dimension\n")
    for name, fitted in (("Gaussian, full covariance", law), ("Glow", result.flow)):
        print(f"{name:<26}{bits(fitted, train):>10.3f}{bits(fitted, test):>10.3f}")

    draws = jax.jit(lambda f, k: f.sample(k, (24,)))(result.flow, keys[3])
    other = jax.jit(lambda f, k: f.sample(k, (24,)))(law, keys[3])
    fig, (axes,) = figure(1, 3, (11, 3.2))
    titles = ("digits", "draws of Glow", "draws of the Gaussian")
    for axis, images, title in zip(axes, (test, draws, other), titles, strict=True):
        tile = np.asarray(flows.quantize(images[:24], LEVELS)).reshape(3, 8, 8, 8).transpose(0, 2, 1, 3).reshape(24, 64)
        axis.imshow(tile, cmap="gray_r", vmin=0, vmax=16)
        axis.set(title=title, xticks=[], yticks=[])
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
