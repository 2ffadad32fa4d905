"""Makes the law functions and registries importable by name, and leaves part of the laws to `make test-all`."""

import pathlib
import sys

import jax
import pytest

HERE = str(pathlib.Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

# `make test` holds a class to the laws in one precision, and `make test-all` in both. Which one is a matter of compile
# time; what is cheap and in common use runs in both.
FAMILIES_IN_BOTH = {
    "Bernoulli", "Categorical", "Laplace", "Logistic", "MultivariateNormal", "MultivariateNormalDiag",
    "MultivariateNormalPrecision", "Normal", "Uniform",
}  # fmt: skip
FAMILIES_IN_FLOAT64 = {"Gamma", "MixtureSameFamily", "Poisson", "Product", "StudentT", "Transformed", "VonMises"}
MAPS_IN_BOTH = {
    "Affine", "Exp", "LeakyTanh", "Logit", "NormalCDF", "Planar", "Sigmoid", "SinhArcsinh", "Softplus", "Tanh",
}  # fmt: skip
MAPS_IN_FLOAT32 = {
    "Coupling:quadratic", "Coupling:spline", "DeepSigmoidal", "InverseAutoregressive", "MaskedAutoregressive",
    "MixtureLogistic", "RationalQuadraticSpline", "Residual", "Scan:recompute", "Sylvester",
}  # fmt: skip
# Of long compile time, and mostly changes of variable, marginals or products of classes above, whose own values other
# tests check: `make test-all` alone runs their laws.
LONG = {
    "BetaNegativeBinomial", "BetaPrime", "BlockAutoregressive", "ChiSquared", "GammaPoisson", "InverseGamma",
    "InverseWishart", "LKJ", "Mixture", "NormalInverseGamma", "NormalInverseWishart", "Residual:series", "Truncated",
    "WishartCholesky",
}  # fmt: skip


def _waits(name: str, *, is_family: bool) -> bool:
    """Whether an entry's laws are left to `make test-all` in this precision."""
    x64 = jax.config.jax_enable_x64
    if is_family:
        elsewhere = name not in FAMILIES_IN_BOTH | FAMILIES_IN_FLOAT64 if x64 else name in FAMILIES_IN_FLOAT64
    else:
        elsewhere = name in MAPS_IN_FLOAT32 if x64 else name not in MAPS_IN_BOTH | MAPS_IN_FLOAT32
    return name in LONG or elsewhere


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what waits as slow."""
    for item in items:
        entry = item.callspec.params.get("entry") if hasattr(item, "callspec") else None
        name = getattr(entry, "name", None)
        if name is not None and _waits(name, is_family=item.path.name == "test_distribution_laws.py"):
            item.add_marker(pytest.mark.slow)
