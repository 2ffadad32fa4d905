"""Every example runs from an empty directory and draws its picture."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path.stem for path in (ROOT / "examples").glob("[!_]*.py") if path.stem != "flow_posterior"
)  # which has a test of its own

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(jax.config.jax_enable_x64), reason="examples run in JAX's default precision"),
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_quick_run(name, tmp_path):
    picture = tmp_path / "picture.png"
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--quick", "--out", str(picture)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.strip()
    assert "nan" not in done.stdout.lower().split()
    pictures = list(tmp_path.glob("*.png"))
    assert pictures
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in pictures)
