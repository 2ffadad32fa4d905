"""The same transport problems in ott and POT, for the benchmark; a peer that is not installed is left out."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from _peers import available


def line_values() -> dict[str, Callable]:
    """W1 of (x, y, a, b) by each peer that is installed; SciPy and POT work on the host."""
    peers = {}
    if available("ott"):
        peers["ott"] = jax.jit(_ott_line)
    if available("ot"):
        import ot

        peers["POT"] = _on_host(lambda x, y, a, b: ot.emd2_1d(x, y, a, b, metric="cityblock"))
        peers["POT, wasserstein_1d"] = _on_host(ot.wasserstein_1d)
    if available("scipy"):
        from scipy.stats import wasserstein_distance

        peers["scipy"] = _on_host(wasserstein_distance)
    return peers


def line_slopes() -> dict[str, Callable]:
    """The value of W1 with its gradient in the points, where the peer has derivatives (POT's are JAX's own)."""
    peers = {}
    if available("ott"):
        peers["ott"] = jax.value_and_grad(_ott_line, argnums=(0, 1))
    if available("ot"):
        import ot

        peers["POT, wasserstein_1d"] = jax.value_and_grad(lambda *args: ot.wasserstein_1d(*args), argnums=(0, 1))
    return peers


def _on_host(fn):
    def call(*args):
        points = [np.asarray(v, np.float64) for v in args]
        masses = [w / w.sum() for w in points[2:]]
        return jnp.asarray(float(fn(*points[:2], *masses)), jnp.float32)

    return call


def _ott_line(x, y, a, b):
    from ott.geometry import costs, pointcloud
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import univariate

    geometry = pointcloud.PointCloud(x[:, None], y[:, None], cost_fn=costs.PNormP(1.0))
    return univariate.quantile_solver(linear_problem.LinearProblem(geometry, a, b)).ot_costs[0]


def slices(num_projections: int) -> dict[str, Callable]:
    """Sliced W2^2 of (key, x, y) by each peer that is installed."""
    peers = {}
    if available("ott"):
        from ott.tools import sliced

        peers["ott"] = jax.jit(lambda key, x, y: sliced.sliced_wasserstein(x, y, n_proj=num_projections, rng=key)[0])
    if available("ot"):
        import ot

        def host(key, x, y):
            x, y = np.asarray(x), np.asarray(y)
            return jnp.asarray(ot.sliced_wasserstein_distance(x, y, n_projections=num_projections, seed=0) ** 2)

        peers["POT"] = host
    return peers


def sinkhorn_values(epsilon: float, num_steps: int) -> dict[str, Callable]:
    """The dual value of entropic transport of a cost matrix after a fixed number of steps."""
    if not available("ott"):
        return {}

    def value(cost):
        from ott.geometry import geometry
        from ott.solvers import linear

        return linear.solve(
            geometry.Geometry(cost_matrix=cost, epsilon=epsilon),
            min_iterations=num_steps,
            max_iterations=num_steps,
            inner_iterations=num_steps,
            threshold=0.0,
        ).reg_ot_cost

    return {"ott": value}


def sinkhorn_to_tolerance(epsilon: float, tol: float) -> dict[str, Callable]:
    """The potentials of a cost matrix at a marginal error."""
    if not available("ott"):
        return {}

    def potentials(cost):
        from ott.geometry import geometry
        from ott.solvers import linear

        solved = linear.solve(geometry.Geometry(cost_matrix=cost, epsilon=epsilon), threshold=tol, max_iterations=20000)
        return solved.f, solved.g

    return {"ott": potentials}
