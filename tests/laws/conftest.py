"""Makes the law functions and registries importable by name, and leaves what compiles longest to one leg."""

import pathlib
import sys

import jax
import pytest

HERE = str(pathlib.Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

# Each compiles for ten seconds or more: `make test` holds them to the laws in float32, `make test-all` in both legs.
LONG = {
    "BetaBinomial", "BetaNegativeBinomial", "BetaPrime", "BlockAutoregressive", "ChiSquared", "DeepSigmoidal",
    "DirichletMultinomial", "GammaPoisson", "InverseGamma", "Mixture", "Residual:series",
}  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the laws of the long entries as slow in the x64 leg."""
    for item in items:
        entry = item.callspec.params.get("entry") if hasattr(item, "callspec") else None
        if jax.config.jax_enable_x64 and getattr(entry, "name", None) in LONG:
            item.add_marker(pytest.mark.slow)
