"""Laws of spectra as records, their transforms and series, free convolutions, and matching random matrices.

A `SpectralLaw` is a probability measure on the line with density, cdf, quantile, atoms, edges, moments, free cumulants
and Stieltjes transform, exact on the real axis itself. Free convolutions return laws again, so that results nest.
"""

from depthjax.freeprob._additive import deform_semicircle as deform_semicircle
from depthjax.freeprob._additive import free_additive_convolution as free_additive_convolution
from depthjax.freeprob._additive import free_additive_power as free_additive_power
from depthjax.freeprob._additive import free_compression as free_compression
from depthjax.freeprob._affine import Affine as Affine
from depthjax.freeprob._affine import Symmetrised as Symmetrised
from depthjax.freeprob._atomic import Atomic as Atomic
from depthjax.freeprob._atomic import bernoulli as bernoulli
from depthjax.freeprob._atomic import empirical as empirical
from depthjax.freeprob._bounded import Arcsine as Arcsine
from depthjax.freeprob._bounded import KestenMcKay as KestenMcKay
from depthjax.freeprob._bounded import Wachter as Wachter
from depthjax.freeprob._ensembles import sample_ginibre as sample_ginibre
from depthjax.freeprob._ensembles import sample_goe as sample_goe
from depthjax.freeprob._ensembles import sample_gue as sample_gue
from depthjax.freeprob._ensembles import sample_haar_orthogonal as sample_haar_orthogonal
from depthjax.freeprob._ensembles import sample_haar_unitary as sample_haar_unitary
from depthjax.freeprob._ensembles import sample_jacobi as sample_jacobi
from depthjax.freeprob._ensembles import sample_wishart as sample_wishart
from depthjax.freeprob._fuss_catalan import FussCatalan as FussCatalan
from depthjax.freeprob._law import BoundaryResult as BoundaryResult
from depthjax.freeprob._law import InverseResult as InverseResult
from depthjax.freeprob._law import SpectralLaw as SpectralLaw
from depthjax.freeprob._marchenko_pastur import FreePoisson as FreePoisson
from depthjax.freeprob._marchenko_pastur import MarchenkoPastur as MarchenkoPastur
from depthjax.freeprob._moments import free_cumulants_to_moments as free_cumulants_to_moments
from depthjax.freeprob._moments import moments_to_free_cumulants as moments_to_free_cumulants
from depthjax.freeprob._moments import moments_to_s_series as moments_to_s_series
from depthjax.freeprob._moments import s_series_to_moments as s_series_to_moments
from depthjax.freeprob._multiplicative import free_multiplicative_convolution as free_multiplicative_convolution
from depthjax.freeprob._multiplicative import free_multiplicative_power as free_multiplicative_power
from depthjax.freeprob._multiplicative import multiply_marchenko_pastur as multiply_marchenko_pastur
from depthjax.freeprob._pushforward import Pushforward as Pushforward
from depthjax.freeprob._rectangular import rectangular_free_convolution as rectangular_free_convolution
from depthjax.freeprob._semicircle import Semicircle as Semicircle
from depthjax.freeprob._surmise import eigenvalue_spacings as eigenvalue_spacings
from depthjax.freeprob._surmise import wigner_surmise_log_density as wigner_surmise_log_density
from depthjax.freeprob._transforms import blue_function as blue_function
from depthjax.freeprob._transforms import eta_transform as eta_transform
from depthjax.freeprob._transforms import moment_transform as moment_transform
from depthjax.freeprob._transforms import psi_transform as psi_transform
from depthjax.freeprob._transforms import r_transform as r_transform
from depthjax.freeprob._transforms import s_transform as s_transform
from depthjax.freeprob._transforms import solve_blue_function as solve_blue_function
from depthjax.freeprob._transforms import solve_r_transform as solve_r_transform
from depthjax.freeprob._transforms import solve_s_transform as solve_s_transform
from depthjax.freeprob._transforms import stieltjes as stieltjes
from depthjax.freeprob._transforms import t_transform as t_transform
