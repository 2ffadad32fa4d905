"""Ordinary differential equations: methods and their analysis, solvers, adjoints, residual and reversible nets."""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names
from depthjax.ode._check import AdjointReport as AdjointReport
from depthjax.ode._check import adjoint_check as adjoint_check
from depthjax.ode._continuous import odeint_backsolve as odeint_backsolve
from depthjax.ode._continuous import odeint_interpolated as odeint_interpolated
from depthjax.ode._families import adams_bashforth as adams_bashforth
from depthjax.ode._families import adams_moulton as adams_moulton
from depthjax.ode._families import bdf as bdf
from depthjax.ode._families import milne_simpson as milne_simpson
from depthjax.ode._families import nystrom as nystrom
from depthjax.ode._fixed import solve_fixed as solve_fixed
from depthjax.ode._intervals import imaginary_interval as imaginary_interval
from depthjax.ode._intervals import is_a_stable as is_a_stable
from depthjax.ode._intervals import is_l_stable as is_l_stable
from depthjax.ode._intervals import real_interval as real_interval
from depthjax.ode._intervals import stability_angle_degrees as stability_angle_degrees
from depthjax.ode._irregular import ode_rnn as ode_rnn
from depthjax.ode._methods import LMM as LMM
from depthjax.ode._methods import Tableau as Tableau
from depthjax.ode._orders import LMMOrder as LMMOrder
from depthjax.ode._orders import RichardsonResult as RichardsonResult
from depthjax.ode._orders import convergence_orders as convergence_orders
from depthjax.ode._orders import lmm_order as lmm_order
from depthjax.ode._orders import richardson as richardson
from depthjax.ode._orders import rk_order as rk_order
from depthjax.ode._orders import rk_order_residuals as rk_order_residuals
from depthjax.ode._replay import odeint_replay as odeint_replay
from depthjax.ode._residual import augment as augment
from depthjax.ode._residual import drop_layer as drop_layer
from depthjax.ode._residual import refine_depth as refine_depth
from depthjax.ode._residual import residual_net as residual_net
from depthjax.ode._residual import unaugment as unaugment
from depthjax.ode._reversible import odeint_reversible as odeint_reversible
from depthjax.ode._revnet import RevNet as RevNet
from depthjax.ode._revnet import hamiltonian_net as hamiltonian_net
from depthjax.ode._revnet import leapfrog_net as leapfrog_net
from depthjax.ode._revnet import midpoint_net as midpoint_net
from depthjax.ode._roots import RootReport as RootReport
from depthjax.ode._roots import characteristic_polynomials as characteristic_polynomials
from depthjax.ode._roots import is_consistent as is_consistent
from depthjax.ode._roots import root_condition as root_condition
from depthjax.ode._sensitivity import SensitivityResult as SensitivityResult
from depthjax.ode._sensitivity import forward_sensitivity as forward_sensitivity
from depthjax.ode._sensitivity import linear_ode_gradient as linear_ode_gradient
from depthjax.ode._solution import Solution as Solution
from depthjax.ode._solution import StepResult as StepResult
from depthjax.ode._stability import boundary_locus as boundary_locus
from depthjax.ode._stability import is_absolutely_stable as is_absolutely_stable
from depthjax.ode._stability import rk_zeros_poles as rk_zeros_poles
from depthjax.ode._stability import stability_function as stability_function
from depthjax.ode._stability import stability_region as stability_region
from depthjax.ode._step import rk_step as rk_step
from depthjax.ode._step import theta_step as theta_step
from depthjax.ode._tableaus import BOSH3 as BOSH3
from depthjax.ode._tableaus import DOPRI5 as DOPRI5
from depthjax.ode._tableaus import EULER as EULER
from depthjax.ode._tableaus import GAUSS4 as GAUSS4
from depthjax.ode._tableaus import GAUSS6 as GAUSS6
from depthjax.ode._tableaus import HEUN as HEUN
from depthjax.ode._tableaus import IMPLICIT_EULER as IMPLICIT_EULER
from depthjax.ode._tableaus import IMPLICIT_MIDPOINT as IMPLICIT_MIDPOINT
from depthjax.ode._tableaus import LOBATTO3C4 as LOBATTO3C4
from depthjax.ode._tableaus import MIDPOINT as MIDPOINT
from depthjax.ode._tableaus import RADAU2A3 as RADAU2A3
from depthjax.ode._tableaus import RADAU2A5 as RADAU2A5
from depthjax.ode._tableaus import RALSTON as RALSTON
from depthjax.ode._tableaus import RK4 as RK4
from depthjax.ode._tableaus import TSIT5 as TSIT5
from depthjax.ode._tableaus import theta_tableau as theta_tableau

if TYPE_CHECKING:
    from depthjax.ode._adaptive import solve_ivp as solve_ivp

__getattr__, __dir__ = lazy_names(__name__, {"solve_ivp": "_adaptive"})
