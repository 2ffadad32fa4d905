"""Mean-field signal propagation in random networks, and the spectrum of their input-output Jacobian."""

from depthjax.meanfield import activations as activations
from depthjax.meanfield._activation import Activation as Activation
from depthjax.meanfield._length import chi_1 as chi_1
from depthjax.meanfield._length import length_map as length_map
from depthjax.meanfield._length import length_map_slope as length_map_slope
from depthjax.meanfield._length import length_trajectory as length_trajectory
from depthjax.meanfield._length import residual_length_map as residual_length_map
from depthjax.meanfield._q_star import FixedPoint as FixedPoint
from depthjax.meanfield._q_star import q_star as q_star
from depthjax.meanfield._q_star import q_star_all as q_star_all
