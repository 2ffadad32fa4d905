"""Expectation maximisation for normal mixtures beside scikit-learn, where installed, from the same start.

Run with `--quick` for fewer rounds. `tol = 0` on both sides and overlapping groups, so that equally many steps are
timed. Where cores are few the threads of the two sides get in each other's way: OMP_NUM_THREADS=1 keeps the peer to
one.
"""

import argparse
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from _peers import available
from depthjax import latent
from harness import Comparison, compare, save


def sklearn_fit(num_steps: int):
    """The peer's fit of full covariances from given parameters; it works in the precision of the data."""
    from sklearn.mixture import GaussianMixture

    def fit(x, model):
        x = np.asarray(x)
        trils = np.asarray(model.scale_trils, np.float64)
        peer = GaussianMixture(
            model.locs.shape[0],
            tol=0.0,
            init_params="random",
            max_iter=num_steps,
            weights_init=np.full(model.locs.shape[0], 1.0 / model.locs.shape[0]),
            means_init=np.asarray(model.locs, np.float64),
            precisions_init=np.linalg.inv(trils @ trils.swapaxes(1, 2)),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jnp.asarray(peer.fit(x).means_)

    return fit


def fits(num_points: int, dim: int, k: int, num_steps: int, *, seconds: float) -> Comparison:
    """A whole fit; jit is applied by the candidate itself, since the peer runs on the host."""
    key_centres, key_points, key_start = jax.random.split(jax.random.key(0), 3)
    centres = 1.5 * jax.random.normal(key_centres, (k, dim))
    x = centres[jnp.arange(num_points) % k] + jax.random.normal(key_points, (num_points, dim))
    start = latent.gmm_init(key_start, x, k)
    ours = jax.jit(lambda x, m: latent.gmm_fit(key_start, x, k, num_steps=num_steps, tol=0.0, init=m).model.locs)
    candidates = {"depthjax": ours}
    if available("sklearn"):
        candidates["scikit-learn"] = sklearn_fit(num_steps)
    title = f"mixture fit, n = {num_points}, d = {dim}, k = {k}, {num_steps} steps"
    return compare(candidates, (x, start), title=title, seconds=seconds, jit=False)


def main():
    """Run every comparison and save the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    sizes = [(1000, 4), (10_000, 16)] if quick else [(1000, 4), (10_000, 16), (100_000, 16)]
    tables = [fits(n, 8, k, 10 if quick else 50, seconds=5.0 if quick else 40.0) for n, k in sizes]
    print(f"\nsaved: {save('latent', tables).name}")


if __name__ == "__main__":
    main()
