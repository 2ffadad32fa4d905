"""Mean-field signal propagation in random networks, and the spectrum of their input-output Jacobian."""

from depthjax.meanfield import activations as activations
from depthjax.meanfield._activation import Activation as Activation
from depthjax.meanfield._jacobian import JacobianDensity as JacobianDensity
from depthjax.meanfield._jacobian import jacobian_atoms as jacobian_atoms
from depthjax.meanfield._jacobian import jacobian_cdf as jacobian_cdf
from depthjax.meanfield._jacobian import jacobian_density_solve as jacobian_density_solve
from depthjax.meanfield._jacobian import jacobian_edges as jacobian_edges
from depthjax.meanfield._jacobian import jacobian_log_density as jacobian_log_density
from depthjax.meanfield._jacobian_moments import jacobian_mean_log as jacobian_mean_log
from depthjax.meanfield._jacobian_moments import jacobian_moments as jacobian_moments
from depthjax.meanfield._jacobian_moments import jacobian_variance as jacobian_variance
from depthjax.meanfield._jacobian_moments import residual_jacobian_variance as residual_jacobian_variance
from depthjax.meanfield._length import chi_1 as chi_1
from depthjax.meanfield._length import length_map as length_map
from depthjax.meanfield._length import length_map_slope as length_map_slope
from depthjax.meanfield._length import length_trajectory as length_trajectory
from depthjax.meanfield._length import residual_length_map as residual_length_map
from depthjax.meanfield._q_star import FixedPoint as FixedPoint
from depthjax.meanfield._q_star import q_star as q_star
from depthjax.meanfield._q_star import q_star_all as q_star_all
