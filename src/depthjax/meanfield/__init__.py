"""Mean-field signal propagation in random networks, and the spectrum of their input-output Jacobian."""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names
from depthjax.meanfield import activations as activations
from depthjax.meanfield import initializers as initializers
from depthjax.meanfield._activation import Activation as Activation
from depthjax.meanfield._c_star import c_star as c_star
from depthjax.meanfield._c_star import xi_c as xi_c
from depthjax.meanfield._c_star import xi_q as xi_q
from depthjax.meanfield._correlation import chi_c as chi_c
from depthjax.meanfield._correlation import correlation_gap_map as correlation_gap_map
from depthjax.meanfield._correlation import correlation_map as correlation_map
from depthjax.meanfield._correlation import correlation_trajectory as correlation_trajectory
from depthjax.meanfield._critical import CriticalPoints as CriticalPoints
from depthjax.meanfield._critical import critical_line as critical_line
from depthjax.meanfield._critical import critical_sigma_w as critical_sigma_w
from depthjax.meanfield._isometry import isometry_loss as isometry_loss
from depthjax.meanfield._jacobian import jacobian_atoms as jacobian_atoms
from depthjax.meanfield._jacobian import jacobian_cdf as jacobian_cdf
from depthjax.meanfield._jacobian import jacobian_density_solve as jacobian_density_solve
from depthjax.meanfield._jacobian import jacobian_edges as jacobian_edges
from depthjax.meanfield._jacobian import jacobian_log_density as jacobian_log_density
from depthjax.meanfield._jacobian_law import JacobianSpectrum as JacobianSpectrum
from depthjax.meanfield._jacobian_moments import jacobian_mean_log as jacobian_mean_log
from depthjax.meanfield._jacobian_moments import jacobian_moments as jacobian_moments
from depthjax.meanfield._jacobian_moments import jacobian_variance as jacobian_variance
from depthjax.meanfield._jacobian_moments import residual_jacobian_variance as residual_jacobian_variance
from depthjax.meanfield._jacobian_quantile import jacobian_quantile as jacobian_quantile
from depthjax.meanfield._jacobian_setting import JacobianDensity as JacobianDensity
from depthjax.meanfield._kernels import arc_cosine_kernel as arc_cosine_kernel
from depthjax.meanfield._kernels import nngp_kernel as nngp_kernel
from depthjax.meanfield._kernels import nngp_kernel_matrix as nngp_kernel_matrix
from depthjax.meanfield._length import chi_1 as chi_1
from depthjax.meanfield._length import length_map as length_map
from depthjax.meanfield._length import length_map_slope as length_map_slope
from depthjax.meanfield._length import length_trajectory as length_trajectory
from depthjax.meanfield._length import residual_length_map as residual_length_map
from depthjax.meanfield._phase import PhaseDiagram as PhaseDiagram
from depthjax.meanfield._phase import phase_diagram as phase_diagram
from depthjax.meanfield._q_star import FixedPoint as FixedPoint
from depthjax.meanfield._q_star import q_star as q_star
from depthjax.meanfield._q_star import q_star_all as q_star_all
from depthjax.meanfield._universality import residual_jacobian as residual_jacobian
from depthjax.meanfield._universality import universal_jacobian as universal_jacobian

if TYPE_CHECKING:
    from depthjax.meanfield._fit_initialisation import FittedInitialisation as FittedInitialisation
    from depthjax.meanfield._fit_initialisation import fit_initialisation as fit_initialisation

__getattr__, __dir__ = lazy_names(
    __name__, dict.fromkeys(("FittedInitialisation", "fit_initialisation"), "_fit_initialisation")
)
