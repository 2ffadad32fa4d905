"""A fit that is slow enough to be killed in the middle; prints a digest of its result."""

import hashlib
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from depthjax import distributions, flows


def slow_log_prob(flow, x):
    """A log density that takes a hundredth of a second."""
    jax.debug.callback(lambda: time.sleep(0.01))
    return flow.log_prob(x)


def main():
    checkpoint, x64 = sys.argv[1:]
    jax.config.update("jax_enable_x64", x64 == "1")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(200, 2)), jnp.result_type(float))
    result = flows.fit_maximum_likelihood(
        jax.random.key(1),
        distributions.MultivariateNormal(jnp.zeros(2), jnp.eye(2)),
        x,
        num_steps=400,
        batch_size=50,
        eval_every=20,
        optimizer=optax.adam(1e-2),
        checkpoint=checkpoint,
        log_prob_fn=slow_log_prob,
    )
    leaves = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(result.flow))
    print(hashlib.sha256(leaves).hexdigest(), result.num_steps)


if __name__ == "__main__":
    main()
