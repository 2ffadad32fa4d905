"""Normal laws cut off far from their mean: where the textbook formula fails and what the right numbers are.

The log density of a truncated normal subtracts the log of a difference of two tail probabilities. Written down as in
the textbook, in float32, it divides by zero a few standard deviations out; so does the inversion sampler. The table
puts the textbook formula and `TruncatedNormal` beside 50-digit arithmetic.

Run: python examples/truncated_tails.py [--quick] [--seed 0]
"""

from decimal import Decimal, getcontext

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, figure, options, save

from depthjax import distributions

getcontext().prec = 50
WINDOWS = ((-1.0, 1.0), (2.0, 3.0), (5.0, 6.0), (9.0, 10.0), (13.0, np.inf), (30.0, 31.0), (-40.0, -35.0))


def tail(x):
    """P(Z > x) of a standard normal for x > 0, by the continued fraction of Laplace in 50 digits."""
    x, fraction = Decimal(x), Decimal(0)
    for k in range(2_000, 0, -1):
        fraction = k / (x + fraction)
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582")
    return (-x * x / 2).exp() / (2 * pi).sqrt() / (x + fraction)


def exact(x, low, high):
    """Log density at x in 50 digits."""
    if low < 0 < high:
        mass = 1 - tail(-low) - tail(high)
    else:
        near, far = sorted((abs(low), abs(high)))
        mass = tail(near) - (tail(far) if np.isfinite(far) else 0)
    two_pi = 2 * Decimal("3.14159265358979323846264338327950288419716939937510582")
    return float(-(Decimal(x) ** 2) / 2 - two_pi.ln() / 2 - mass.ln())


def textbook(x, low, high):
    """Log phi(x) - log(Phi(high) - Phi(low)), and a draw by inversion of a uniform."""
    cdf = jax.scipy.stats.norm.cdf
    return jax.scipy.stats.norm.logpdf(x) - jnp.log(cdf(high) - cdf(low))


def textbook_draws(key, low, high, shape):
    """Inversion: Phi^-1 of a uniform between Phi(low) and Phi(high)."""
    cdf = jax.scipy.stats.norm.cdf
    return jax.scipy.stats.norm.ppf(jax.random.uniform(key, shape, minval=cdf(low), maxval=cdf(high)))


def main():
    """Print the table and draw samples of one far window."""
    chosen = options(__doc__, "truncated_tails")
    key = jax.random.key(chosen.seed)
    heads = f"{'window':<16}{'x':>8}{'exact':>14}{'textbook':>14}{'depthjax':>14}"
    print(heads + f"{'draws inside, textbook / depthjax':>36}\n")
    for low, high in WINDOWS:
        x = float(np.float32(low + 0.3 * min(high - low, 1.0)))
        law = distributions.TruncatedNormal(0.0, 1.0, low, high)
        ends = jnp.float32(low), jnp.float32(high)
        inside = [
            float(jnp.mean((draws >= low) & (draws <= high)))
            for draws in (textbook_draws(key, *ends, (2_000,)), law.sample(key, (2_000,)))
        ]
        print(
            f"[{low:g}, {high:g}]".ljust(16)
            + f"{x:8.2f}{exact(x, low, high):14.6f}{float(textbook(jnp.float32(x), *ends)):14.6f}"
            + f"{float(law.log_prob(x)):14.6f}{100 * inside[0]:27.0f} % / {100 * inside[1]:3.0f} %"
        )

    low, high = 5.0, 6.0
    law = distributions.TruncatedNormal(0.0, 1.0, low, high)
    fig, (axes,) = figure(1, 2, (10, 3.6))
    grid = jnp.linspace(low, high, 300)
    draws = {
        "inversion as in the textbook": textbook_draws(key, jnp.float32(low), jnp.float32(high), (20_000,)),
        "TruncatedNormal": law.sample(key, (20_000,)),
    }
    for axis, color, (name, values) in zip(axes, ACCENTS, draws.items(), strict=False):
        kept = np.asarray(values)[np.isfinite(values)]
        axis.hist(np.clip(kept, low, high), bins=np.linspace(low, high, 60), density=True, color=color, alpha=0.5)
        axis.plot(grid, jnp.exp(law.log_prob(grid)), color="#22303c", linewidth=1)
        axis.set(title=f"{name}: {len(kept) / len(values):.0%} finite", xlabel="x, cut to [5, 6]", ylabel="density")
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
