"""Latent differential equations of spirals seen at irregular times, with 30, 50 or 100 noisy observations each.

Half of the spirals turn inwards and half outwards. An encoder that runs backwards over the observations gives a law of
the latent state at time zero, a differential equation moves it, a decoder reads off the position. The table gives the
bound in nats for each observation and the root mean square error against the noiseless spirals: at the times that were
seen, at the ones between, and beyond the last, where the equation was never trained and loses the path. The yardsticks
are the mean position, and the noise alone: the bound of one who knew every spiral.

Run: python examples/latent_ode_spirals.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save

from depthjax import ode, vi
from depthjax.distributions import Normal

LATENT, HIDDEN, NOISE, GRID, BEYOND = 4, 32, 0.1, 100, 40
TIMES = np.linspace(0.0, 1.0, GRID)
LATER = np.linspace(1.0, 1.4, BEYOND + 1)[1:]


def spirals(rng, count):
    """Noiseless positions (count, 140, 2) along spirals of radius 0.4 to 1.6, a turn and a half in a unit of time."""
    t = np.concatenate([TIMES, LATER])[None]
    start, outwards = rng.uniform(0.0, 0.3, (count, 1)), rng.integers(0, 2, (count, 1))
    radius = np.where(outwards, 0.4 + 0.8 * t + start, 1.5 - 0.8 * t + start)
    angle = np.where(outwards, 1.0, -1.0) * 3.0 * np.pi * t
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def observe(rng, paths, count):
    """Noisy positions at times of the unit interval, and which `count` of them are seen."""
    seen = rng.random((len(paths), GRID)).argsort(axis=1) < count
    noisy = paths[:, :GRID] + NOISE * rng.normal(size=(len(paths), GRID, 2))
    return jnp.asarray(noisy, jnp.float32), jnp.asarray(seen)


def network(key, *sizes):
    """Kernels and biases of a perceptron."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (a, b)) * a**-0.5, jnp.zeros(b)) for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]


def apply(params, x):
    """One event through the perceptron."""
    for kernel, bias in params[:-1]:
        x = jnp.tanh(x @ kernel + bias)
    return x @ params[-1][0] + params[-1][1]


def start(key):
    """Parameters of the four networks."""
    keys = jax.random.split(key, 5)
    sizes = {
        "cell": (HIDDEN + 2, HIDDEN, HIDDEN), "between": (HIDDEN, HIDDEN, HIDDEN), "law": (HIDDEN, 2 * LATENT),
        "slope": (LATENT, HIDDEN, HIDDEN, LATENT), "read": (LATENT, HIDDEN, 2),
    }  # fmt: skip
    return {name: network(k, *s) for k, (name, s) in zip(keys, sizes.items(), strict=True)}


def parts(params):
    """Encoder, decoder and slope, as the bound takes them."""

    def cell(h, x):
        return h + 0.5 * jnp.tanh(apply(params["cell"], jnp.concatenate([h, x])))

    def encoder(ts, xs, mask):
        h = ode.ode_rnn(
            lambda h, x: 0.9 * cell(h, x), lambda t, h, _: apply(params["between"], h), jnp.zeros(HIDDEN),
            ts[::-1], xs[::-1], mask[::-1], method=ode.EULER,
        )[-1]  # fmt: skip
        loc, log_scale = jnp.split(apply(params["law"], h), 2)
        return Normal(loc, jnp.exp(log_scale - 2.0))

    def decoder(z):
        return Normal(apply(params["read"], z), jnp.full(2, NOISE))

    return encoder, decoder, lambda t, z, _: 4.0 * apply(params["slope"], z)


def bound(params, key, xs, mask, beta):
    """Mean evidence bound over series."""
    ts = jnp.asarray(TIMES, jnp.float32)

    def one(key, x, m):
        return vi.latent_ode_elbo(key, *parts(params), ts, x, m, num_samples=1, beta=beta, method=ode.MIDPOINT).value

    return jnp.mean(jax.vmap(one)(jax.random.split(key, xs.shape[0]), xs, mask))


def fit(key, params, xs, mask, *, num_steps, batch=64):
    """Adam on random series, the divergence phased in over the first half."""
    optimizer = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(optax.cosine_decay_schedule(1e-2, num_steps)))

    @jax.jit
    def run(params):
        def body(carry, entry):
            params, state = carry
            step_key, beta = entry
            which = jax.random.randint(step_key, (batch,), 0, xs.shape[0])
            gradient = jax.grad(lambda p: -bound(p, step_key, xs[which], mask[which], beta))(params)
            updates, state = optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), None

        beta = jnp.minimum(1.0, jnp.arange(num_steps) * 2.0 / num_steps)
        entries = (jax.random.split(key, num_steps), beta)
        return jax.lax.scan(body, (params, optimizer.init(params)), entries)[0][0]

    return run(params)


@jax.jit
def predict(params, xs, mask):
    """Positions (count, 140, 2) from the mean of the encoder's law, beyond the last observation too."""
    encoder, decoder, slope = parts(params)
    ts = jnp.asarray(np.concatenate([TIMES, LATER]), jnp.float32)

    def one(x, m):
        z0 = encoder(ts[:GRID], x, m).loc
        path = ode.solve_fixed(slope, z0, ts, method=ode.MIDPOINT).ys
        return jax.vmap(lambda z: decoder(z).loc)(path)

    return jax.vmap(one)(xs, mask)


def main():
    """Fit with each number of observations, print the table, draw three spirals."""
    chosen = options(__doc__, "latent_ode_spirals")
    rng, key = np.random.default_rng(chosen.seed), jax.random.key(chosen.seed)
    counts, num_steps = ((30,), 30) if chosen.quick else ((30, 50, 100), 600)
    train, test = spirals(rng, 500), spirals(rng, 100)
    print(f"{'':<14}{'nats/obs':>10}{'seen':>8}{'between':>9}{'beyond':>8}\n")
    still = np.sqrt(np.mean((test - test.mean(axis=(0, 1))) ** 2))
    print(f"{'no movement':<14}{'':>10}{still:8.3f}{still:9.3f}{still:8.3f}")
    print(f"{'noise alone':<14}{-np.log(2 * np.pi * np.e * NOISE**2):10.3f}{0:8.3f}{0:9.3f}{0:8.3f}")
    fig, axes = figure(1, len(counts), (4 * len(counts), 4))
    for axis, count in zip(axes[0], counts, strict=True):
        params = fit(key, start(key), *observe(rng, train, count), num_steps=num_steps)
        xs, mask = observe(rng, test, count)
        value = float(jax.jit(bound)(params, key, xs, mask, 1.0)) / count
        paths, seen = np.asarray(predict(params, xs, mask)), np.asarray(mask)
        square = np.mean((paths - test) ** 2, axis=-1)
        between = np.sqrt(square[:, :GRID][~seen].mean()) if count < GRID else None
        print(
            f"{f'{count} seen':<14}{value:10.3f}{np.sqrt(square[:, :GRID][seen].mean()):8.3f}"
            + (f"{between:9.3f}" if between is not None else f"{'-':>9}")
            + f"{np.sqrt(square[:, GRID:].mean()):8.3f}",
            flush=True,
        )
        for i, color in zip(range(3), ACCENTS, strict=False):
            axis.plot(*test[i].T, color="#c3cad2", lw=2.5)
            axis.plot(*paths[i].T, color=color, lw=1.2)
            axis.plot(*np.asarray(xs[i])[seen[i]].T, ".", ms=3, color=INK)
        axis.set(title=f"{count} observations", aspect="equal", xticks=[], yticks=[])
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
