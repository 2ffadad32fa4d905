"""A hundred thousand particles within a fixed amount of memory."""

import subprocess
import sys

import pytest

# `ru_maxrss` outlives exec: a child would begin with the peak of the process that runs the tests.
CODE = """
import pathlib, resource
import jax, numpy as np
from depthjax import stein
x = jax.random.normal(jax.random.key(0), (100_000, 50))
direction = jax.block_until_ready(jax.jit(lambda x: stein.svgd_direction(x, -x, stein.RBF(7.0)))(x))
assert np.isfinite(np.asarray(direction)).all()
status = pathlib.Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak = next((line.split()[1] for line in lines if line.startswith("VmHWM")), None)
print(peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_hundred_thousand_particles_fit_into_700_megabytes():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kilobytes = int(done.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 700e3
