"""A bijector of one's own in twelve lines, held to the laws, then used as a layer of a flow.

The map wraps the line around a sine, y = x + a sin(w x)/w with |a| < 1: increasing, onto, with no closed inverse. Its
forward direction is all there is to write; `NumericalInverse` finds the roots and differentiates through them.

Run: python examples/custom_bijector.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import figure, options, save

import depthjax as dj
from depthjax import bijectors, distributions, flows


@dj.record
class Ripple(dj.Bijector):
    """y = x + a sin(w x)/w with |a| < 1."""

    amplitude: jax.Array = dj.param(dj.constraints.interval(-0.99, 0.99))
    frequency: jax.Array = dj.param(dj.constraints.positive)
    event_shape: tuple[int, ...] = dj.derived()
    elementwise = True

    def _forward_and_log_det(self, x):
        phase = self.frequency * x
        slope = 1.0 + self.amplitude * jnp.cos(phase)
        return x + self.amplitude * jnp.sin(phase) / self.frequency, jnp.sum(jnp.log(slope))

    def _inverse_and_log_det(self, y):
        return bijectors.NumericalInverse(self).inverse_and_log_det(y)


def check_laws(ripple, x):
    """The laws that every bijector of the library is held to, as numbers."""
    y, log_det = jax.jit(lambda b, v: b.forward_and_log_det(v))(ripple, x)
    back, inverse_log_det = jax.jit(lambda b, v: b.inverse_and_log_det(v))(ripple, y)
    again = ripple.forward(back)
    jacobians = jax.vmap(jax.jacfwd(ripple.forward))(x)
    gradient = jax.grad(lambda b: jnp.sum(b.inverse(y)))(ripple)
    step = 1e-3
    nudged = [Ripple(ripple.amplitude + s * step, ripple.frequency) for s in (1.0, -1.0)]
    difference = (jnp.sum(nudged[0].inverse(y)) - jnp.sum(nudged[1].inverse(y))) / (2 * step)
    return {
        "log-det against slogdet of the Jacobian": np.max(np.abs(log_det - jnp.linalg.slogdet(jacobians)[1])),
        "backward error of the inverse": np.max(np.abs(again - y) / np.maximum(1, np.abs(y))),
        "log-dets of both directions cancel": np.max(np.abs(log_det + inverse_log_det)),
        "gradient through the root, relative": abs(jnp.sum(gradient.amplitude) / difference - 1),
    }


def main():
    """Check the laws, fit a flow of ripples to a comb, draw both."""
    chosen = options(__doc__, "custom_bijector")
    key = jax.random.key(chosen.seed)
    x = 4 * jax.random.normal(key, (500, 2))
    print("laws of Ripple (float32)\n")
    for name, error in check_laws(Ripple(jnp.array([0.9, -0.6]), jnp.array([2.0, 5.0])), x).items():
        print(f"  {name:<42}{float(error):10.1e}")

    comb = distributions.MixtureSameFamily(
        jnp.zeros(5), jax.vmap(lambda loc: distributions.Normal(loc, 0.25))(jnp.linspace(-3.0, 3.0, 5))
    )
    data = comb.sample(jax.random.fold_in(key, 1), (4_000,))
    to_base = bijectors.Chain(Ripple(0.3, 4.0), Ripple(0.1, 8.0))  # density: a normal times the slopes 1 + a cos(w x)
    start = distributions.Transformed(distributions.Normal(0.0, 2.0), bijectors.Invert(to_base))
    result = flows.fit_maximum_likelihood(
        key, start, data, optimizer=optax.adam(1e-2), num_steps=200 if chosen.quick else 2_000
    )
    entropy = -float(jnp.mean(comb.log_prob(data)))
    gaussian = 0.5 * float(jnp.log(2 * jnp.pi * jnp.e * jnp.var(data)))
    fitted = result.train_losses[-200:].mean()
    print("\nnats of a comb of five peaks")
    for name, nats in {"Gaussian": gaussian, "two ripples": fitted, "the comb itself": entropy}.items():
        print(f"  {name:<42}{nats:10.3f}")

    fig, ((left, right),) = figure(1, 2, (10, 3.6))
    grid = jnp.linspace(-6, 6, 600)
    for amplitude, frequency in ((0.9, 2.0), (-0.6, 5.0)):
        left.plot(grid, Ripple(amplitude, frequency).forward(grid), label=f"a = {amplitude}, w = {frequency}")
    left.set(title="y = x + a sin(w x)/w", xlabel="x", ylabel="y")
    left.legend(frameon=False)
    right.hist(np.asarray(data), bins=120, density=True, color="#d5dbe1")
    right.plot(grid, jnp.exp(jax.jit(lambda d, v: d.log_prob(v))(result.flow, grid)), label="flow")
    right.set(title="a normal seen through two ripples", xlabel="x")
    right.legend(frameon=False)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
