"""The main example runs, prints its tables and draws its picture."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_quick_run(tmp_path):
    if jax.config.jax_enable_x64:
        pytest.skip("the example runs in JAX's default precision; the float32 leg runs this")
    picture = tmp_path / "picture.png"
    command = [sys.executable, str(ROOT / "examples" / "flow_posterior.py"), "--quick", "--out", str(picture)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    rows = {
        line[:24].strip(): line[24:].split() for line in done.stdout.splitlines() if line[:7] in ("planar,", "affine ")
    }
    assert set(rows) == {"planar, 2 layers", "planar, 8 layers", "planar, 32 layers", "affine IAF, 4 layers"}
    divergences = [[float(v) for v in rows[f"planar, {depth} layers"][:4]] for depth in (2, 8, 32)]
    assert all(deep < shallow for shallow, deep in zip(divergences[0], divergences[2], strict=True))
    assert picture.read_bytes()[:4] == b"\x89PNG"
