"""Digits by nets that are differential equations: reversible layers, depth refined to the equation, dropped layers.

A reversible net classifies scikit-learn's 8x8 digits; its reverse pass rebuilds the activations, so that the memory of
a gradient does not grow with depth. A residual net of eight layers is refined to 16, 32 and 64 by repeating layers at
smaller steps, without more training: it moves less and less, as Euler's method does, and so does the harm of leaving
out a layer. A net whose block is the same at all times is the neural differential equation.

Run: python examples/revnet_digits.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, figure, options, save
from sklearn.datasets import load_digits

from depthjax import ode

WIDTH, HALF = 64, 32


def data(seed):
    """Images in [0, 1] and labels, shuffled, train (1400, 64) and test (397, 64)."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.data))
    x, y = jnp.asarray(digits.data[order] / 16.0, jnp.float32), jnp.asarray(digits.target[order])
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def coupling(p, x):
    """Change of one half by the other."""
    return jnp.tanh(x @ p["in"] + p["bias"][None]) @ p["out"]


def stacked(key, layers, size):
    """Parameters of `layers` blocks."""
    a, b = jax.random.split(key)
    return {
        "in": jax.random.normal(a, (layers, size, size)) * size**-0.5, "bias": jnp.zeros((layers, size)),
        "out": 0.3 * jax.random.normal(b, (layers, size, size)) * size**-0.5,
    }  # fmt: skip


def start(key, blocks):
    """Blocks with a linear read-out."""
    return {"blocks": blocks, "read": 0.1 * jax.random.normal(key, (WIDTH, 10))}


def reversible(p, x):
    """Logits of the net that undoes its layers."""
    y = ode.RevNet(coupling, coupling).forward(p["blocks"], x[:, :HALF], x[:, HALF:])
    return jnp.concatenate(y, axis=1) @ p["read"]


def storing(p, x):
    """The same function by a scan that stores activations."""

    def layer(pair, weights):
        first = pair[0] + coupling(weights[0], pair[1])
        return (first, pair[1] + coupling(weights[1], first)), None

    pair, _ = jax.lax.scan(layer, (x[:, :HALF], x[:, HALF:]), p["blocks"])
    return jnp.concatenate(pair, axis=1) @ p["read"]


def residual(step_size):
    """Logits of Euler's method through the blocks."""
    return lambda p, x: ode.residual_net(coupling, p["blocks"], x, step_size=step_size) @ p["read"]


def neural_ode(p, x):
    """Logits of one block followed for a time of eight, by replayed adaptive steps."""
    solution = ode.odeint_replay(
        lambda t, y, w: coupling(w, y), x, 0.0, 8.0, jax.tree.map(lambda v: v[0], p["blocks"]),
        rtol=1e-3, atol=1e-3, max_steps=64,
    )  # fmt: skip
    return solution.y1 @ p["read"]


def loss(logits, y):
    """Cross-entropy."""
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y))


def fit(key, net, params, x, y, num_steps):
    """Parameters after AdamW."""
    optimizer = optax.adamw(optax.cosine_decay_schedule(3e-3, num_steps), weight_decay=1e-2)

    @jax.jit
    def run(params):
        def body(carry, key):
            params, state = carry
            rows = jax.random.randint(key, (128,), 0, x.shape[0])
            slope = jax.grad(lambda p: loss(net(p, x[rows]), y[rows]))(params)
            updates, state = optimizer.update(slope, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(body, (params, optimizer.init(params)), jax.random.split(key, num_steps))[0][0]

    return run(params)


def wrong(net, params, test):
    """Per cent of the test set that is misread."""
    return 100.0 * float(jnp.mean(jnp.argmax(net(params, test[0]), axis=1) != test[1]))


def memory(net, key, layers, x, y):
    """Temporary KiB of a gradient with so many layers."""
    keys = jax.random.split(key)
    params = start(key, tuple(stacked(k, layers, HALF) for k in keys))
    compiled = jax.jit(jax.grad(lambda p: loss(net(p, x), y))).lower(params).compile()
    return compiled.memory_analysis().temp_size_in_bytes / 1024


def main():
    """Print the three tables, draw memory, refinement and dropped layers."""
    chosen = options(__doc__, "revnet_digits")
    keys = jax.random.split(jax.random.key(chosen.seed), 6)
    (x, y), test = data(chosen.seed)
    num_steps, depths = (60, (8, 32)) if chosen.quick else (1_500, (8, 32, 128, 512))
    print(f"{'KiB of a gradient at depth':<30}" + "".join(f"{depth:>9}" for depth in depths))
    kept = {
        name: [memory(net, keys[0], depth, x[:128], y[:128]) for depth in depths]
        for name, net in (("storing", storing), ("reversible", reversible))
    }
    for name, sizes in kept.items():
        print(f"{name:<30}" + "".join(f"{size:9.0f}" for size in sizes))

    euler = residual(1.0)
    trained = {
        "reversible": (reversible, start(keys[1], tuple(stacked(k, 8, HALF) for k in keys[2:4]))),
        "residual": (euler, start(keys[1], stacked(keys[4], 8, WIDTH))),
        "neural equation": (neural_ode, start(keys[1], stacked(keys[5], 1, WIDTH))),
    }
    print(f"\n{'per cent misread':<30}{'held out':>9}{'parameters':>12}")
    for name, (net, params) in trained.items():
        params = fit(keys[0], net, params, x, y, num_steps)
        trained[name] = (net, params)
        print(
            f"{name:<30}{wrong(net, params, test):9.2f}{sum(v.size for v in jax.tree.leaves(params)):12d}", flush=True
        )

    params, factors = trained["residual"][1], (1, 2, 4, 8) if not chosen.quick else (1, 2)
    print(f"\n{'layers':<10}{'misread':>10}{'moved':>10}{'one layer dropped':>20}")
    moved, dropped, last = [], [], None
    for factor in factors:
        finer = {**params, "blocks": ode.refine_depth(params["blocks"], factor)}
        net = residual(1.0 / factor)
        logits = np.asarray(net(finer, test[0]))
        moved.append(np.nan if last is None else np.sqrt(np.mean((logits - last) ** 2)))
        without = [{**finer, "blocks": ode.drop_layer(finer["blocks"], i * factor)} for i in range(8)]
        dropped.append(np.mean([np.sqrt(np.mean((np.asarray(net(p, test[0])) - logits) ** 2)) for p in without]))
        step = "" if last is None else f"{moved[-1]:.4f}"
        print(f"{8 * factor:<10d}{wrong(net, finer, test):10.2f}{step:>10}{dropped[-1]:20.4f}", flush=True)
        last = logits

    fig, axes = figure(1, 2, (9, 3.6))
    for color, (name, sizes) in zip(ACCENTS, kept.items(), strict=False):
        axes[0, 0].loglog(depths, sizes, marker="o", ms=4, color=color, label=name)
    axes[0, 0].set(xlabel="layers", ylabel="temporary KiB of a gradient")
    layers = 8 * np.array(factors)
    axes[0, 1].loglog(layers[1:], moved[1:], marker="o", ms=4, label="moved by the last refinement")
    axes[0, 1].loglog(layers, dropped, marker="o", ms=4, label="moved by a dropped layer")
    axes[0, 1].set(xlabel="layers", ylabel="root mean square of the logits' change")
    for axis in axes[0]:
        axis.legend(frameon=False, fontsize=8)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
