"""Assembled flows, conditioner networks and maximum likelihood.

Names load on first use: the recipes import flax, the fitting functions optax.
"""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names

if TYPE_CHECKING:
    from depthjax.flows._apply import Apply as Apply
    from depthjax.flows._autoregressive_flows import iaf as iaf
    from depthjax.flows._autoregressive_flows import maf as maf
    from depthjax.flows._autoregressive_flows import nsf_autoregressive as nsf_autoregressive
    from depthjax.flows._checkpoint import load_state as load_state
    from depthjax.flows._checkpoint import save_state as save_state
    from depthjax.flows._context import bind as bind
    from depthjax.flows._conv_nets import conv_conditioner as conv_conditioner
    from depthjax.flows._coupling_flows import nice as nice
    from depthjax.flows._coupling_flows import nsf_coupling as nsf_coupling
    from depthjax.flows._coupling_flows import realnvp as realnvp
    from depthjax.flows._fit import FitResult as FitResult
    from depthjax.flows._fit import fit_maximum_likelihood as fit_maximum_likelihood
    from depthjax.flows._fit_step import FitState as FitState
    from depthjax.flows._fit_step import fit_init as fit_init
    from depthjax.flows._fit_step import fit_step as fit_step
    from depthjax.flows._glow import glow as glow
    from depthjax.flows._layered_flows import planar_flow as planar_flow
    from depthjax.flows._layered_flows import radial_flow as radial_flow
    from depthjax.flows._layered_flows import sylvester_flow as sylvester_flow
    from depthjax.flows._made import MADE as MADE
    from depthjax.flows._made import made as made
    from depthjax.flows._nets import mlp as mlp
    from depthjax.flows._neural_flows import bnaf as bnaf
    from depthjax.flows._neural_flows import naf as naf
    from depthjax.flows._neural_flows import residual_flow as residual_flow

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Apply": "_apply",
        "FitResult": "_fit",
        "FitState": "_fit_step",
        "MADE": "_made",
        "bind": "_context",
        "bnaf": "_neural_flows",
        "conv_conditioner": "_conv_nets",
        "fit_init": "_fit_step",
        "fit_maximum_likelihood": "_fit",
        "fit_step": "_fit_step",
        "glow": "_glow",
        "iaf": "_autoregressive_flows",
        "load_state": "_checkpoint",
        "made": "_made",
        "maf": "_autoregressive_flows",
        "mlp": "_nets",
        "naf": "_neural_flows",
        "nice": "_coupling_flows",
        "nsf_autoregressive": "_autoregressive_flows",
        "nsf_coupling": "_coupling_flows",
        "planar_flow": "_layered_flows",
        "radial_flow": "_layered_flows",
        "realnvp": "_coupling_flows",
        "residual_flow": "_neural_flows",
        "save_state": "_checkpoint",
        "sylvester_flow": "_layered_flows",
    },
)
