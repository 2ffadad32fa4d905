"""The ratio of two densities from samples alone: least squares, KL importance weights, a classifier, a contrastive fit.

p is a mixture, q a wider normal law in the plane, so that the true ratio is known everywhere. The table gives the root
mean square errors of the ratio over samples of q and of its logarithm over samples of p, the divergences KL(p || q) and
JSD that it implies against their exact values by quadrature, and the effective share of q's samples when they are
weighted to stand for p. The contrastive fit is told more than the others: q itself, and that p is two equal bumps.
A two-sample test with the classifier says how sure one can be that the laws differ at all.

Run: python examples/density_ratio.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import INK, figure, options, save

from depthjax import divergences as dv

CENTRES, WIDTH, WIDE = np.array([[-0.8, -0.3], [0.9, 0.5]]), 0.5, 1.3


def log_p(x):
    """Log density of an even mixture of two normal laws, at (..., 2)."""
    r2 = jnp.sum((x[..., None, :] - jnp.asarray(CENTRES, x.dtype)) ** 2, axis=-1)
    return jax.nn.logsumexp(-0.5 * r2 / WIDTH**2, axis=-1) - jnp.log(4 * jnp.pi * WIDTH**2)


def log_q(x):
    """Log density of the wide normal law, at (..., 2)."""
    return -0.5 * jnp.sum(x**2, axis=-1) / WIDE**2 - jnp.log(2 * jnp.pi * WIDE**2)


def draw(key, size):
    """Samples of p and of q, (size, 2) each."""
    which, noise, wide = jax.random.split(key, 3)
    middle = jnp.asarray(CENTRES, jnp.float32)[jax.random.randint(which, (size,), 0, 2)]
    return middle + WIDTH * jax.random.normal(noise, (size, 2)), WIDE * jax.random.normal(wide, (size, 2))


def bumps(x, middle):
    """Normal bumps of width 0.6 around the points of p that serve as middles, (n, 100)."""
    return jnp.exp(-0.5 * jnp.sum((x[:, None] - middle[None]) ** 2, axis=-1) / 0.6**2)


def mixture(params, x):
    """Unnormalised log density of two bumps whose centres, width and constant are learnt, at (n, 2)."""
    r2 = jnp.sum((x[:, None] - params["centres"][None]) ** 2, axis=-1)
    return params["constant"] + jax.nn.logsumexp(-0.5 * r2 * jnp.exp(-2 * params["log_width"]), axis=-1)


def minimised(loss, params, num_steps):
    """Parameters after Adam."""
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, num_steps))

    @jax.jit
    def run(params):
        def body(carry, _):
            params, state = carry
            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(body, (params, optimizer.init(params)), length=num_steps)[0][0]

    return run(params)


def log_ratios(x, y, num_steps):
    """Fitted log p/q as functions of points (n, 2), by name."""
    middle = x[:100]
    by_squares = dv.ulsif(bumps(x, middle), bumps(y, middle), ridge=1e-2)
    by_kl = dv.kliep(bumps(x, middle), bumps(y, middle), num_steps=num_steps, step_size=1.0).weights
    px, py = bumps(x, middle), bumps(y, middle)

    def classify(w):
        logits = px @ w[1:] + w[0], py @ w[1:] + w[0]
        return jnp.mean(jax.nn.softplus(-logits[0])) + jnp.mean(jax.nn.softplus(logits[1])) + 1e-4 * jnp.sum(w[1:] ** 2)

    def contrast(w):  # a model of p with the wrong start and an unknown constant, against the known q
        return dv.nce_loss(mixture(w, x), log_q(x), mixture(w, y), log_q(y), noise_ratio=1.0)

    start = {"centres": jnp.array([[-0.1, 0.0], [0.1, 0.0]]), "log_width": jnp.zeros(()), "constant": jnp.zeros(())}
    w, model = minimised(classify, jnp.zeros(101), num_steps), minimised(contrast, start, num_steps)
    return {
        "uLSIF": lambda z: jnp.log(jnp.maximum(bumps(z, middle) @ by_squares, 1e-3)),
        "KLIEP": lambda z: jnp.log(jnp.maximum(bumps(z, middle) @ by_kl, 1e-3)),
        "classifier": lambda z: dv.log_ratio_from_logits(bumps(z, middle) @ w[1:] + w[0]),
        "contrastive": lambda z: mixture(model, z) - log_q(z),
        "exact": lambda z: log_p(z) - log_q(z),
    }


def exact_divergences():
    """KL(p || q) and the Jensen-Shannon divergence by the trapezoidal rule."""
    ticks = np.linspace(-9.0, 9.0, 601)
    points = jnp.asarray(np.stack(np.meshgrid(ticks, ticks), axis=-1), jnp.float32)
    a, b = np.asarray(log_p(points), np.float64), np.asarray(log_q(points), np.float64)
    middle, cell = np.logaddexp(a, b) - np.log(2), (ticks[1] - ticks[0]) ** 2
    kl = np.sum(np.exp(a) * (a - b)) * cell
    return kl, 0.5 * (np.sum(np.exp(a) * (a - middle)) + np.sum(np.exp(b) * (b - middle))) * cell


def main():
    """Fit the four, print the table, draw the log ratios."""
    chosen = options(__doc__, "density_ratio")
    keys = jax.random.split(jax.random.key(chosen.seed))
    num_steps = 200 if chosen.quick else 3_000
    x, y = draw(keys[0], 2_000)
    fresh_x, fresh_y = draw(keys[1], 2_000)
    kl, js = exact_divergences()
    print(f"{'':<13}{'ratio':>10}{'log ratio':>10}{'KL':>8}{'JSD':>8}{'share':>8}\n")
    ticks = np.linspace(-3.0, 3.0, 121, dtype=np.float32)
    plane = jnp.asarray(np.stack(np.meshgrid(ticks, ticks), axis=-1)).reshape(-1, 2)
    found = log_ratios(x, y, num_steps)
    fig, axes = figure(1, len(found), (13, 2.9))
    for axis, (name, ratio) in zip(axes[0], found.items(), strict=True):
        at_x, at_y = ratio(fresh_x), ratio(fresh_y)
        ratio_error = jnp.sqrt(jnp.mean((jnp.exp(at_y) - jnp.exp(found["exact"](fresh_y))) ** 2))
        log_error = jnp.sqrt(jnp.mean((at_x - found["exact"](fresh_x)) ** 2))
        weights = jax.nn.softmax(at_y)
        print(
            f"{name:<13}{float(ratio_error):10.3f}{float(log_error):10.3f}{float(jnp.mean(at_x)):8.3f}"
            f"{float(dv.js_from_logits(at_x, at_y)):8.3f}{float(1 / jnp.sum(weights**2)) / len(y):8.3f}"
        )
        image = np.asarray(ratio(plane)).reshape(121, 121)
        axis.imshow(image, extent=(-3, 3, -3, 3), origin="lower", cmap="RdBu_r", vmin=-4, vmax=4)
        axis.contour(ticks, ticks, image, levels=[0.0], colors=INK, linewidths=0.8)
        axis.set(title=name, xticks=[], yticks=[])
    print(f"{'quadrature':<13}{'':20}{kl:8.3f}{js:8.3f}")
    test = dv.c2st(found["classifier"](fresh_x), found["classifier"](fresh_y))
    print(f"\ntwo-sample test: accuracy {float(test.accuracy):.3f}, z {float(test.z_score):.1f}")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
