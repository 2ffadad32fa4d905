"""Every law and function of the package in one registry: nothing else is public, all lower for other platforms."""

import inspect

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import freeprob as fp

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
FORBIDDEN = ("complex128", "c128", "f64", "float64", " eig[", "schur[", "callback[", "roots[")


def _atoms(p):
    return fp.Atomic(jnp.stack([p, 2.0 * p]), jnp.full((2,), 0.5, p.dtype))


# A law with a parameter, by the name that makes it.
LAWS = {
    "Semicircle": lambda p: fp.Semicircle(0.1, p),
    "MarchenkoPastur": lambda p: fp.MarchenkoPastur(p, 1.3),
    "FreePoisson": lambda p: fp.FreePoisson(p, 1.3),
    "Arcsine": lambda p: fp.Arcsine(0.0, p),
    "FussCatalan": lambda p: fp.FussCatalan(1.0 + p),
    "Wachter": lambda p: fp.Wachter(1.0 + p, 2.0),
    "KestenMcKay": lambda p: fp.KestenMcKay(1.0 + p),
    "Atomic": _atoms,
    "bernoulli": lambda p: fp.bernoulli(p),
    "empirical": lambda p: fp.empirical(jnp.stack([p, 2.0 * p, 1.5 * p])),
    "Affine": lambda p: fp.Affine(fp.Semicircle(0.0, 1.0), 0.2, p),
    "Symmetrised": lambda p: fp.Symmetrised(fp.MarchenkoPastur(p, 1.3)),
    "Pushforward": lambda p: fp.Pushforward(fp.Semicircle(2.5, p), jnp.square),
    "free_additive_convolution": lambda p: fp.free_additive_convolution(_atoms(p), fp.Semicircle(0.0, 1.0)),
    "free_additive_power": lambda p: fp.free_additive_power(_atoms(p), 1.7),
    "free_compression": lambda p: fp.free_compression(_atoms(p), 0.6),
    "deform_semicircle": lambda p: fp.deform_semicircle(_atoms(p), p),
    "free_multiplicative_convolution": lambda p: fp.free_multiplicative_convolution(
        _atoms(p), fp.MarchenkoPastur(0.5, 1.0)
    ),
    "free_multiplicative_power": lambda p: fp.free_multiplicative_power(_atoms(p), 1.7),
    "multiply_marchenko_pastur": lambda p: fp.multiply_marchenko_pastur(_atoms(p), p, 1.0),
    "rectangular_free_convolution": lambda p: fp.rectangular_free_convolution(
        _atoms(p), fp.MarchenkoPastur(0.5, 1.0), 0.5
    ),
}
KEY = jax.random.key(0)
# A function of a number.
FUNCTIONS = {
    "stieltjes": lambda p: fp.stieltjes(fp.Semicircle(0.1, 1.0), 3.0 + p),
    "moment_transform": lambda p: fp.moment_transform(fp.Semicircle(0.1, 1.0), 3.0 + p),
    "psi_transform": lambda p: fp.psi_transform(fp.Semicircle(0.1, 1.0), 0.1 * p),
    "eta_transform": lambda p: fp.eta_transform(fp.Semicircle(0.1, 1.0), 0.1 * p),
    "blue_function": lambda p: fp.blue_function(fp.Semicircle(0.1, 1.0), 0.3 * p),
    "r_transform": lambda p: fp.r_transform(fp.Semicircle(0.1, 1.0), 0.3 * p),
    "s_transform": lambda p: fp.s_transform(fp.MarchenkoPastur(0.5, 1.0), 0.3 * p),
    "t_transform": lambda p: fp.t_transform(fp.MarchenkoPastur(0.5, 1.0), 0.3 * p),
    "solve_blue_function": lambda p: fp.solve_blue_function(fp.Semicircle(0.1, 1.0), 0.3 * p).value,
    "solve_r_transform": lambda p: fp.solve_r_transform(fp.Semicircle(0.1, 1.0), 0.3 * p).value,
    "solve_s_transform": lambda p: fp.solve_s_transform(fp.MarchenkoPastur(0.5, 1.0), 0.3 * p).value,
    "moments_to_free_cumulants": lambda p: fp.moments_to_free_cumulants(jnp.stack([p, 2.0 * p, 3.0 * p])),
    "free_cumulants_to_moments": lambda p: fp.free_cumulants_to_moments(jnp.stack([p, 2.0 * p, 3.0 * p])),
    "moments_to_s_series": lambda p: fp.moments_to_s_series(jnp.stack([p, 2.0 * p, 3.0 * p])),
    "s_series_to_moments": lambda p: fp.s_series_to_moments(jnp.stack([p, 2.0 * p, 3.0 * p])),
    "wigner_surmise_log_density": lambda p: fp.wigner_surmise_log_density(p),
    "eigenvalue_spacings": lambda p: fp.eigenvalue_spacings(jnp.stack([p, 2.0 * p, 4.0 * p])),
    "sample_goe": lambda p: p * fp.sample_goe(KEY, 3, dtype=p.dtype),
    "sample_gue": lambda p: p * jnp.abs(fp.sample_gue(KEY, 3, dtype=p.dtype)),
    "sample_wishart": lambda p: p * fp.sample_wishart(KEY, 3, 4, dtype=p.dtype),
    "sample_ginibre": lambda p: p * fp.sample_ginibre(KEY, 3, dtype=p.dtype),
    "sample_haar_orthogonal": lambda p: p * fp.sample_haar_orthogonal(KEY, 3, dtype=p.dtype),
    "sample_haar_unitary": lambda p: p * jnp.abs(fp.sample_haar_unitary(KEY, 3, dtype=p.dtype)),
    "sample_jacobi": lambda p: p * fp.sample_jacobi(KEY, 3, 4, 5, dtype=p.dtype),
}
CONTRACTS = {"SpectralLaw", "BoundaryResult", "InverseResult"}


def test_the_registries_hold_all_public_names():
    public = {name for name in vars(fp) if not name.startswith("_") and not inspect.ismodule(getattr(fp, name))}
    assert public == set(LAWS) | set(FUNCTIONS) | CONTRACTS
    for name in public:
        text = inspect.getdoc(getattr(fp, name)) or ""
        sections = ("Args:",) if name in LAWS and inspect.isclass(getattr(fp, name)) else ("Args:", "Returns:")
        assert name in CONTRACTS or all(section in text for section in sections), name


@pytest.mark.parametrize("name", LAWS)
def test_leaves_and_treedef(name):
    """Parameter values do not change the treedef; the record is rebuilt from any leaves."""
    one, two = LAWS[name](jnp.asarray(0.5, DTYPE)), LAWS[name](jnp.asarray(0.7, DTYPE))
    leaves, treedef = jax.tree.flatten(one)
    assert treedef == jax.tree.structure(two)
    assert all(leaf.dtype == DTYPE for leaf in leaves)
    jax.tree.unflatten(treedef, [object()] * len(leaves))


def _answers(name):
    if name in FUNCTIONS:
        return lambda x, p: FUNCTIONS[name](p) + 0.0 * x[0]
    return lambda x, p: (LAWS[name](p).log_density(x), LAWS[name](p).cdf(x))


@pytest.mark.slow
@pytest.mark.skipif(X64, reason="exported in float32")
@pytest.mark.parametrize("name", [*LAWS, *FUNCTIONS])
def test_export(name):
    args = jnp.linspace(0.1, 0.4, 3), jnp.asarray(0.5)
    traced = jax.jit(_answers(name)).trace(*args)
    text = str(traced.jaxpr)
    assert not [word for word in FORBIDDEN if word in text]
    exported = jax.export.export(jax.jit(_answers(name)), platforms=("cpu", "cuda", "tpu"))(*args)
    assert exported.platforms == ("cpu", "cuda", "tpu")
