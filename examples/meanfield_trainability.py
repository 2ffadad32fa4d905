"""Sixty-four layers of tanh on handwritten digits: which initial weights can be trained at all.

The same network of width 128 with orthogonal and with Gaussian weights on the critical line, where the mean squared
singular value of the Jacobian is 1, and with Gaussian weights of the same biases in the ordered and the chaotic phase.
Each is trained by stochastic gradient descent at the best of three rates. The table and the first panels hold the
network before training against the theory: the growth of gradients towards the first layer, chi_1 for each layer, and
the cdf of squared singular values from the first hidden layer to the last.

Run: python examples/meanfield_trainability.py [--quick] [--seed 0]
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import ACCENTS, INK, figure, options, save
from sklearn.datasets import load_digits

from depthjax import meanfield

PHI, WIDTH, DEPTH, BATCH, LENGTH = meanfield.activations.tanh, 128, 64, 64, 0.05
SIGMA_W, SIGMA_B = (float(v) for v in meanfield.critical_line(LENGTH, PHI))
SETTINGS = {
    "orthogonal, critical": ("orthogonal", SIGMA_W), "Gaussian, critical": ("gaussian", SIGMA_W),
    "Gaussian, ordered": ("gaussian", 0.85 * SIGMA_W), "Gaussian, chaotic": ("gaussian", 2.0 * SIGMA_W),
}  # fmt: skip


def layer(ensemble, sigma_w):
    """A dense layer with the initial weights of the theory."""
    kernel, bias = getattr(meanfield.initializers, ensemble)(sigma_w), meanfield.initializers.bias(SIGMA_B)
    return nn.Dense(WIDTH, kernel_init=kernel, bias_init=bias)


class Hidden(nn.Module):
    """One layer of the scan."""

    ensemble: str
    sigma_w: float

    @nn.compact
    def __call__(self, x, _):
        """One step of the scan."""
        x = jnp.tanh(layer(self.ensemble, self.sigma_w)(x))
        return x, None


class Net(nn.Module):
    """An input layer, DEPTH layers compiled as one, and logits."""

    ensemble: str
    sigma_w: float

    def setup(self):
        """Make the three parts."""
        self.input = layer(self.ensemble, self.sigma_w)
        stack = nn.scan(Hidden, variable_axes={"params": 0}, split_rngs={"params": True}, length=DEPTH)
        self.stack = stack(self.ensemble, self.sigma_w)
        self.output = nn.Dense(10, kernel_init=meanfield.initializers.gaussian(1.0))

    def __call__(self, x):
        """Logits."""
        return self.output(self.hidden(jnp.tanh(self.input(x))))

    def hidden(self, x):
        """The deep part alone."""
        return self.stack(x, None)[0]


def data(seed):
    """Digits of mean square PHI's input, shuffled: inputs and labels, train (1500) and test (297)."""
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.data))
    x = digits.data[order] - digits.data.mean(axis=0)
    x = jnp.asarray(x * np.sqrt(LENGTH) / x.std(), jnp.float32)
    y = jnp.asarray(digits.target[order])
    return x[:1500], y[:1500], x[1500:], y[1500:]


def loss(net, params, x, y):
    """Mean cross entropy in nats."""
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(net.apply(params, x), y))


@functools.partial(jax.jit, static_argnames=("net", "num_steps"))
def train(net, params, key, rate, x, y, *, num_steps):
    """Losses (num_steps,) of stochastic gradient descent, and the weights it ends at."""

    def step(params, key):
        rows = jax.random.choice(key, x.shape[0], (BATCH,))
        value, gradient = jax.value_and_grad(functools.partial(loss, net))(params, x[rows], y[rows])
        return jax.tree.map(lambda p, g: p - rate * g, params, gradient), value

    params, losses = jax.lax.scan(step, params, jax.random.split(key, num_steps))
    return losses, params


@functools.partial(jax.jit, static_argnames=("net",))
def before(net, params, x, y):
    """Norms of the gradient of each hidden layer, and squared singular values of the deep part at a few inputs."""
    gradient = jax.grad(functools.partial(loss, net))(params, x, y)["params"]["stack"]
    norms = jnp.sqrt(sum(jnp.sum(jnp.square(g).reshape(DEPTH, -1), axis=1) for g in jax.tree.leaves(gradient)))
    first = jnp.tanh(nn.Dense(WIDTH).apply({"params": params["params"]["input"]}, x[:2]))
    jacobian = jax.vmap(jax.jacfwd(lambda h: net.apply(params, h, method="hidden")))(first)
    return norms, jnp.linalg.svd(jacobian, compute_uv=False)[:, ::-1] ** 2


@functools.partial(jax.jit, static_argnames=("ensemble",))
def theory(log_lam, sigma_w, *, ensemble):
    """chi_1, and the cdf of squared singular values of the deep part; NaN where it is not resolved."""
    q = meanfield.q_star(sigma_w, SIGMA_B, PHI).value
    found = meanfield.jacobian_density_solve(log_lam, PHI, q, sigma_w, DEPTH, ensemble=ensemble)
    return meanfield.chi_1(q, sigma_w, PHI), jnp.where(found.converged, found.cdf, jnp.nan)


def main():
    """Measure, train, print, draw."""
    chosen = options(__doc__, "meanfield_trainability")
    shown = ("orthogonal, critical",) if chosen.quick else tuple(SETTINGS)
    num_steps, rates = (20, (0.03,)) if chosen.quick else (300, (0.003, 0.01, 0.03))
    x, y, x_test, y_test = data(chosen.seed)
    fig, axes = figure(1, 3, (13, 4.2))
    slopes, spectra, curves = axes[0]
    print(f"{'':<22}{'chi_1':>17}{'share of squared':>17}")
    print(f"{'':<22}{'':>17}{'values > 0.1':>17}{'training':>14}{'test':>8}")
    print(f"{'weights':<22}{'theory':>8}{'network':>9}{'theory':>8}{'network':>9}{'rate':>6}{'nats':>8}{'error':>8}\n")
    for i, name in enumerate(shown):
        ensemble, sigma_w = SETTINGS[name]
        net = Net(ensemble, sigma_w)
        params = net.init(jax.random.key(chosen.seed), x[:1])
        norms, values = before(net, params, x[:BATCH], y[:BATCH])
        seen = np.exp(-2.0 * np.polyfit(np.arange(DEPTH), np.log(norms), 1)[0])
        log_lam = np.linspace(np.log(0.1) - 30.0, np.log(0.1) + 15.0, 301)
        chi, cdf = (np.asarray(v) for v in theory(log_lam, sigma_w, ensemble=ensemble))
        share = f"{1 - cdf[200]:8.3f}{np.mean(np.asarray(values) > 0.1):9.3f}"
        runs = [train(net, params, jax.random.key(1), rate, x, y, num_steps=num_steps) for rate in rates]
        ends = [np.nan_to_num(np.mean(losses[-20:]), nan=np.inf) for losses, _ in runs]
        best = int(np.argmin(ends))
        losses, trained = runs[best]
        error = float(jnp.mean(jnp.argmax(net.apply(trained, x_test), axis=1) != y_test))
        print(f"{name:<22}{chi:8.4f}{seen:9.4f}{share}{rates[best]:6g}{ends[best]:8.3f}{error:8.1%}", flush=True)
        slopes.semilogy(np.arange(DEPTH), norms / norms[-1], color=ACCENTS[i], lw=3, alpha=0.5, label=name)
        slopes.semilogy(np.arange(DEPTH), chi ** ((DEPTH - 1 - np.arange(DEPTH)) / 2), color=INK, lw=0.9, ls="--")
        ranks, values = (np.arange(values.size) + 0.5) / values.size, np.sort(np.ravel(values))
        kept = values > 1e-11 * values[-1]  # what float32 leaves of the product is no smaller
        spectra.plot(np.log10(values[kept]), ranks[kept], color=ACCENTS[i], lw=3, alpha=0.5)
        spectra.plot(log_lam / np.log(10.0), cdf, color=INK, lw=0.9, ls="--")
        smooth = np.convolve(losses, np.full(10, 0.1), "valid") if num_steps > 20 else losses
        curves.plot(smooth, color=ACCENTS[i], lw=1.8, label=f"{name}, rate {rates[best]:g}")
    slopes.plot([], [], color=INK, lw=0.9, ls="--", label="infinite width")
    slopes.set(title="gradients before training", xlabel="hidden layer", ylabel="norm / norm at the last layer")
    slopes.legend(frameon=False, fontsize=8)
    spectra.set(title=f"Jacobian of {DEPTH} layers", xlabel=r"$\log_{10}$ squared singular value", ylabel="share below")
    spectra.set(xlim=(-10, 4), ylim=(0, 1.02))
    curves.set(title="training", xlabel="step", ylabel="cross entropy (nats)", ylim=(0, 2.6))
    curves.legend(frameon=False, fontsize=8)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
