"""Variational inference: bounds, objectives, gradient estimators, fitting."""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names
from depthjax.vi._analytic_kl import analytic_kl_elbo as analytic_kl_elbo
from depthjax.vi._annealed import AISResult as AISResult
from depthjax.vi._annealed import ais_bound as ais_bound
from depthjax.vi._annealed import hmc_transition as hmc_transition
from depthjax.vi._annealed import langevin_transition as langevin_transition
from depthjax.vi._annealed import reverse_ais_bound as reverse_ais_bound
from depthjax.vi._baselines import Baseline as Baseline
from depthjax.vi._baselines import constant_baseline as constant_baseline
from depthjax.vi._baselines import learned_baseline as learned_baseline
from depthjax.vi._baselines import leave_one_out_baseline as leave_one_out_baseline
from depthjax.vi._baselines import moving_average_baseline as moving_average_baseline
from depthjax.vi._baselines import optimal_baseline as optimal_baseline
from depthjax.vi._bernoulli_pairs import arm as arm
from depthjax.vi._bernoulli_pairs import disarm as disarm
from depthjax.vi._biased import gumbel_softmax as gumbel_softmax
from depthjax.vi._biased import straight_through as straight_through
from depthjax.vi._bounds import elbo as elbo
from depthjax.vi._bounds import iwae_bound as iwae_bound
from depthjax.vi._bounds import log_weights as log_weights
from depthjax.vi._cavi import CaviResult as CaviResult
from depthjax.vi._cavi import NormalGammaFactors as NormalGammaFactors
from depthjax.vi._cavi import UnitVarianceMixtureFactors as UnitVarianceMixtureFactors
from depthjax.vi._cavi import cavi as cavi
from depthjax.vi._cavi import normal_gamma_cavi as normal_gamma_cavi
from depthjax.vi._cavi import unit_variance_mixture_cavi as unit_variance_mixture_cavi
from depthjax.vi._control_variate import optimal_coefficient as optimal_coefficient
from depthjax.vi._control_variate import with_control_variate as with_control_variate
from depthjax.vi._delta import delta_control_variate as delta_control_variate
from depthjax.vi._enumerate import enumerate_gradient as enumerate_gradient
from depthjax.vi._enumerate import quadrature_gradient as quadrature_gradient
from depthjax.vi._estimator import Aux as Aux
from depthjax.vi._estimator import Estimator as Estimator
from depthjax.vi._estimator import per_sample_grad as per_sample_grad
from depthjax.vi._estimator import value_and_grad as value_and_grad
from depthjax.vi._exact import exact as exact
from depthjax.vi._gaussian_mixture_cavi import GaussianMixturePosterior as GaussianMixturePosterior
from depthjax.vi._gaussian_mixture_cavi import gaussian_mixture_cavi as gaussian_mixture_cavi
from depthjax.vi._guide import as_guide as as_guide
from depthjax.vi._implicit import implicit_reparameterize as implicit_reparameterize
from depthjax.vi._laplace import LaplaceResult as LaplaceResult
from depthjax.vi._laplace import laplace as laplace
from depthjax.vi._latent_ode import ElboTerms as ElboTerms
from depthjax.vi._latent_ode import latent_ode_elbo as latent_ode_elbo
from depthjax.vi._measure_valued import measure_valued as measure_valued
from depthjax.vi._minibatch import minibatch_elbo as minibatch_elbo
from depthjax.vi._minibatch import minibatch_log_joint as minibatch_log_joint
from depthjax.vi._more_bounds import cubo as cubo
from depthjax.vi._more_bounds import jackknife_bound as jackknife_bound
from depthjax.vi._more_bounds import log_evidence_tail as log_evidence_tail
from depthjax.vi._more_bounds import renyi_bound as renyi_bound
from depthjax.vi._more_bounds import tvo as tvo
from depthjax.vi._natural import bayesian_learning_rule as bayesian_learning_rule
from depthjax.vi._natural import natural_gradient as natural_gradient
from depthjax.vi._natural import robbins_monro as robbins_monro
from depthjax.vi._natural import svi_update as svi_update
from depthjax.vi._objectives import Objective as Objective
from depthjax.vi._objectives import cubo_objective as cubo_objective
from depthjax.vi._objectives import elbo_objective as elbo_objective
from depthjax.vi._objectives import expectation as expectation
from depthjax.vi._objectives import iwae_objective as iwae_objective
from depthjax.vi._objectives import renyi_objective as renyi_objective
from depthjax.vi._objectives import tvo_objective as tvo_objective
from depthjax.vi._pathfinder import PathfinderResult as PathfinderResult
from depthjax.vi._pathfinder import multipath_pathfinder as multipath_pathfinder
from depthjax.vi._pathfinder import pathfinder as pathfinder
from depthjax.vi._pathwise import pathwise as pathwise
from depthjax.vi._quasi_newton import QuasiNewtonNormal as QuasiNewtonNormal
from depthjax.vi._raveled import RaveledGuide as RaveledGuide
from depthjax.vi._raveled import amortised as amortised
from depthjax.vi._raveled import flow_guide as flow_guide
from depthjax.vi._raveled import full_rank as full_rank
from depthjax.vi._raveled import low_rank as low_rank
from depthjax.vi._raveled import mean_field as mean_field
from depthjax.vi._raveled import ravel_log_density as ravel_log_density
from depthjax.vi._raveled import unconstrained_log_density as unconstrained_log_density
from depthjax.vi._rebar import RelaxedState as RelaxedState
from depthjax.vi._rebar import rebar as rebar
from depthjax.vi._rebar import relax as relax
from depthjax.vi._score_function import rao_blackwell as rao_blackwell
from depthjax.vi._score_function import score_function as score_function
from depthjax.vi._stopped import doubly_reparameterized as doubly_reparameterized
from depthjax.vi._stopped import sticking_the_landing as sticking_the_landing
from depthjax.vi._summary import Summary as Summary
from depthjax.vi._summary import posterior_summary as posterior_summary
from depthjax.vi._vimco import nvil as nvil
from depthjax.vi._vimco import vimco as vimco

if TYPE_CHECKING:
    from depthjax.vi._fit import FitResult as FitResult
    from depthjax.vi._fit import fit as fit

__getattr__, __dir__ = lazy_names(__name__, {"fit": "_fit", "FitResult": "_fit"})
