"""Makes the law functions and registries importable by name, and leaves part of float64 to `make test-all`."""

import pathlib
import sys

import jax
import pytest

HERE = str(pathlib.Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

# In float32 `make test` holds every class to the laws. In float64 it takes the maps that compile fast and the families
# below, which exercise every part of the contract; `make test-all` takes all.
LONG_MAPS = {"BlockAutoregressive", "DeepSigmoidal", "Residual", "Residual:series"}
FAMILIES = {
    "Bernoulli", "Beta", "Categorical", "Dirichlet", "Gamma", "Laplace", "Logistic", "MixtureSameFamily",
    "MultivariateNormal", "MultivariateNormalDiag", "MultivariateNormalPrecision", "Normal", "Poisson", "Product",
    "StudentT", "Transformed", "TruncatedNormal", "Uniform", "VonMises",
}  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the other float64 laws as slow."""
    for item in items:
        entry = item.callspec.params.get("entry") if hasattr(item, "callspec") else None
        if not jax.config.jax_enable_x64 or entry is None:
            continue
        is_family = item.path.name == "test_distribution_laws.py"
        if entry.name in LONG_MAPS or (is_family and entry.name not in FAMILIES):
            item.add_marker(pytest.mark.slow)
