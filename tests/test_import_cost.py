"""`import depthjax` stays as cheap as `import jax`."""

import os
import statistics
import subprocess
import sys

LIMIT = 0.05  # seconds
HEAVY = ["flax", "diffrax", "optax", "matplotlib", "tqdm"]

# Processor time: what other programs take of a busy machine is not the cost of an import.
TIMED = """
import time
start = time.process_time()
import jax
between = time.process_time()
import depthjax
print(between - start, time.process_time() - between)
"""


def child(code: str) -> str:
    env = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env).stdout


def test_import_costs_little_more_than_jax():
    runs = [[float(part) for part in child(TIMED).split()] for _ in range(5)]
    jax_alone, added = (statistics.median(column) for column in zip(*runs, strict=True))
    assert added <= LIMIT, f"import depthjax adds {added:.3f} s to the {jax_alone:.3f} s of import jax"


def test_import_loads_nothing_heavy():
    assert child(f"import sys, depthjax; print(*[name for name in {HEAVY} if name in sys.modules])").split() == []


def test_packages_load_on_first_use():
    code = "import sys, depthjax; before = 'depthjax.flows' in sys.modules; depthjax.numerics; print(before)"
    assert child(code).strip() == "False"
