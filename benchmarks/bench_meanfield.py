"""Spectra of Jacobians beside one random network, phase diagrams beside scipy's quadrature, gradients beside values.

A drawn network gives samples of the spectrum with a Kolmogorov noise of about 0.004, not a density: the ratio compares
the cost of one with the cost of the other. Run with `--quick` for a narrow network, fewer points and fewer rounds.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from scipy import integrate

from depthjax import meanfield
from harness import Comparison, compare, save

POINTS = {"tanh": (0.5055402961460154, 1.3), "hard_tanh": (0.4365245681608435, 1.1)}  # q and sigma_w


def one_draw(name: str, ensemble: str, width: int, depth: int):
    """Eigenvalues of J J^T of one network of independent layers, as NumPy computes them."""
    q, sigma_w = POINTS[name]

    def draw(log_lam):
        del log_lam
        rng = np.random.default_rng(0)
        jacobian = np.eye(width)
        for _ in range(depth):
            weights = rng.normal(size=(width, width)) / np.sqrt(width)
            if ensemble == "orthogonal":
                basis, triangle = np.linalg.qr(weights)
                weights = basis * np.sign(np.diag(triangle))
            x = np.sqrt(q) * rng.normal(size=width)
            slopes = 1.0 / np.cosh(x) ** 2 if name == "tanh" else (np.abs(x) <= 1.0) * 1.0
            jacobian = sigma_w * slopes[:, None] * (weights @ jacobian)
        return np.linalg.eigvalsh(jacobian @ jacobian.T)

    return draw


def spectra(width: int, depth: int, num_points: int, *, seconds: float) -> list[Comparison]:
    """Log density at `num_points` values of lambda against one draw; the first call's compile time apart."""
    tables = []
    for name, (q, sigma_w) in POINTS.items():
        for ensemble in ("gaussian", "orthogonal"):
            args = (getattr(meanfield.activations, name), q, sigma_w, float(depth))
            top = np.nanmax(np.asarray(meanfield.jacobian_edges(*args, ensemble=ensemble)))
            log_lam = jnp.linspace(top - 6.0, top - 1e-3, num_points)
            own = jax.jit(lambda t, args=args, e=ensemble: meanfield.jacobian_log_density(t, *args, ensemble=e))
            title = f"{name}, {ensemble}, depth {depth}: {num_points} densities, one draw of width {width}"
            candidates = {"depthjax": own, "one draw, eigvalsh": one_draw(name, ensemble, width, depth)}
            tables.append(compare(candidates, (log_lam,), title=title, seconds=seconds, jit=False))
    return tables


def compile_times(num_points: int, *, seconds: float) -> list[Comparison]:
    """The density, the cdf in closed form, and the cdf by adding densities up on a finer grid."""
    name, ensemble, depth = "tanh", "gaussian", 64.0
    q, sigma_w = POINTS[name]
    args = (getattr(meanfield.activations, name), q, sigma_w, depth)
    top = np.nanmax(np.asarray(meanfield.jacobian_edges(*args, ensemble=ensemble)))
    log_lam = jnp.linspace(top - 6.0, top - 1e-3, num_points)
    start = meanfield.jacobian_cdf(log_lam[:1], *args, ensemble=ensemble)[0]

    def summed(t, activation, q, sigma_w, depth):
        fine = jnp.linspace(t[0], t[-1], 40 * (num_points - 1) + 1)
        density = jnp.exp(fine + meanfield.jacobian_log_density(fine, activation, q, sigma_w, depth, ensemble=ensemble))
        steps = 0.5 * (density[1:] + density[:-1]) * (fine[1] - fine[0])
        return start + jnp.concatenate([jnp.zeros((1,)), jnp.cumsum(steps)])[::40]

    candidates = {
        "cdf": lambda t, *a: meanfield.jacobian_cdf(t, *a, ensemble=ensemble),
        "log density": lambda t, *a: meanfield.jacobian_log_density(t, *a, ensemble=ensemble),
        "cumulative sum": summed,
    }
    exact, sums = jax.jit(candidates["cdf"])(log_lam, *args), jax.jit(summed)(log_lam, *args)
    print(f"largest error of the cumulative sum: {np.abs(np.asarray(sums - exact)).max():.1e}")
    return [compare(candidates, (log_lam, *args), title=f"{num_points} values of the cdf, depth 64", seconds=seconds)]


def phase_diagrams(size: int, *, seconds: float) -> Comparison:
    """Lengths and chi_1 of tanh on a grid; scipy iterates the length map to 1e-10 at every tenth value of each axis."""
    sigma_w, sigma_b = np.linspace(1.05, 3.0, size)[:, None], np.linspace(0.05, 1.0, size)[None, :]

    def scipy_grid(sigma_w, sigma_b):
        def mean(fn, q):
            weight = lambda h: np.exp(-0.5 * h * h) / np.sqrt(2 * np.pi)  # noqa: E731
            return integrate.quad(lambda h: weight(h) * fn(np.sqrt(q) * h), -10.0, 10.0)[0]

        found = []
        for w in np.asarray(sigma_w)[::10, 0]:
            for b in np.asarray(sigma_b)[0, ::10]:
                q = 1.0
                for _ in range(1000):
                    old, q = q, w**2 * mean(lambda x: np.tanh(x) ** 2, q) + b**2
                    if abs(q - old) <= 1e-10 * q:
                        break
                found.append((q, w**2 * mean(lambda x: np.cosh(x) ** -4.0, q)))
        return np.asarray(found)

    own = jax.jit(lambda w, b: meanfield.phase_diagram(w, b, meanfield.activations.tanh))
    candidates = {"depthjax": own, "scipy, a hundredth of it": scipy_grid}
    title = f"phase diagram of tanh, {size} x {size}; scipy on one point in a hundred"
    return compare(candidates, (jnp.asarray(sigma_w), jnp.asarray(sigma_b)), title=title, seconds=seconds, jit=False)


def gradients(batch: int, *, seconds: float) -> Comparison:
    """`jacobian_variance` at the fixed length over a batch of both standard deviations, and its gradient."""

    def variance(p):
        q = meanfield.q_star(p[0], p[1], meanfield.activations.tanh).value
        return meanfield.jacobian_variance(meanfield.activations.tanh, q, p[0], 16.0, ensemble="gaussian")

    low, high = jnp.array([1.1, 0.05]), jnp.array([2.0, 1.0])
    points = jax.random.uniform(jax.random.key(0), (batch, 2), minval=low, maxval=high)
    candidates = {"value": jax.vmap(variance), "value and gradient": jax.vmap(jax.value_and_grad(variance))}
    return compare(candidates, (points,), title=f"variance of {batch} networks", seconds=seconds)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="narrow networks, fewer points, fewer rounds")
    quick = parser.parse_args().quick
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003
    seconds = 5.0 if quick else 60.0
    width, points = (200, 1000) if quick else (1000, 1000)
    tables = spectra(width, 64, points, seconds=seconds)
    tables += compile_times(200 if quick else 1000, seconds=seconds)
    tables.append(phase_diagrams(30 if quick else 100, seconds=seconds))
    tables.append(gradients(500 if quick else 10_000, seconds=seconds))
    print(f"\nsaved: {save('meanfield_quick' if quick else 'meanfield', tables).name}")


if __name__ == "__main__":
    main()
