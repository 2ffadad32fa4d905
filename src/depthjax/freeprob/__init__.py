"""Spectral laws as records, and their moments, free cumulants and S-transforms as truncated series."""

from depthjax.freeprob._law import BoundaryResult as BoundaryResult
from depthjax.freeprob._law import InverseResult as InverseResult
from depthjax.freeprob._law import SpectralLaw as SpectralLaw
from depthjax.freeprob._moments import free_cumulants_to_moments as free_cumulants_to_moments
from depthjax.freeprob._moments import moments_to_free_cumulants as moments_to_free_cumulants
from depthjax.freeprob._moments import moments_to_s_series as moments_to_s_series
from depthjax.freeprob._moments import s_series_to_moments as s_series_to_moments
from depthjax.freeprob._semicircle import Semicircle as Semicircle
