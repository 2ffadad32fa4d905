"""Continuous normalising flows: the map of a differential equation, with its trace exact or estimated."""

from depthjax.flows._continuous_flow import ContinuousFlow as ContinuousFlow
from depthjax.flows._continuous_linear import LinearField as LinearField
from depthjax.flows._continuous_linear import affine_flow_log_prob as affine_flow_log_prob
from depthjax.flows._continuous_linear import linear_field as linear_field
from depthjax.flows._continuous_recipe import continuous_flow as continuous_flow
from depthjax.flows._continuous_terms import FlowSolution as FlowSolution
from depthjax.flows._continuous_terms import continuous_log_prob as continuous_log_prob
from depthjax.flows._continuous_terms import rnode_penalty as rnode_penalty
from depthjax.flows._continuous_terms import solve_flow as solve_flow
