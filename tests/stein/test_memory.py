"""A hundred thousand particles within a fixed amount of memory."""

import subprocess
import sys

import pytest

CODE = """
import resource
import jax, numpy as np
from depthjax import stein
x = jax.random.normal(jax.random.key(0), (100_000, 50))
direction = jax.block_until_ready(jax.jit(lambda x: stein.svgd_direction(x, -x, stein.RBF(7.0)))(x))
assert np.isfinite(np.asarray(direction)).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_hundred_thousand_particles_fit_into_700_megabytes():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kilobytes = int(done.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 700e3
