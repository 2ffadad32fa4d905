"""Assembled flows, conditioner networks and maximum likelihood.

Names load on first use: the recipes import flax, the fitting functions optax.
"""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names

if TYPE_CHECKING:
    from depthjax.flows import continuous as continuous
    from depthjax.flows._apply import Apply as Apply
    from depthjax.flows._autoregressive_flows import iaf as iaf
    from depthjax.flows._autoregressive_flows import maf as maf
    from depthjax.flows._autoregressive_flows import nsf_autoregressive as nsf_autoregressive
    from depthjax.flows._checkpoint import load_state as load_state
    from depthjax.flows._checkpoint import save_state as save_state
    from depthjax.flows._context import bind as bind
    from depthjax.flows._continuous_recipe import continuous_flow as continuous_flow
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
    from depthjax.flows._greedy import GreedyResult as GreedyResult
    from depthjax.flows._greedy import fit_greedy as fit_greedy
    from depthjax.flows._hyper import hyper_flow as hyper_flow
    from depthjax.flows._layered_flows import planar_flow as planar_flow
    from depthjax.flows._layered_flows import radial_flow as radial_flow
    from depthjax.flows._layered_flows import sylvester_flow as sylvester_flow
    from depthjax.flows._losses import forward_kl_loss as forward_kl_loss
    from depthjax.flows._losses import reverse_kl_loss as reverse_kl_loss
    from depthjax.flows._made import MADE as MADE
    from depthjax.flows._made import made as made
    from depthjax.flows._nets import mlp as mlp
    from depthjax.flows._nets import resnet_conditioner as resnet_conditioner
    from depthjax.flows._neural_flows import bnaf as bnaf
    from depthjax.flows._neural_flows import naf as naf
    from depthjax.flows._neural_flows import residual_flow as residual_flow
    from depthjax.flows._quantize import LogitPreprocess as LogitPreprocess
    from depthjax.flows._quantize import bits_per_dim as bits_per_dim
    from depthjax.flows._quantize import dequantize_uniform as dequantize_uniform
    from depthjax.flows._quantize import dequantize_variational as dequantize_variational
    from depthjax.flows._quantize import quantize as quantize
    from depthjax.flows._rosenblatt import empirical_cdf as empirical_cdf
    from depthjax.flows._rosenblatt import rosenblatt as rosenblatt

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Apply": "_apply",
        "FitResult": "_fit",
        "FitState": "_fit_step",
        "GreedyResult": "_greedy",
        "LogitPreprocess": "_quantize",
        "MADE": "_made",
        "bind": "_context",
        "bits_per_dim": "_quantize",
        "bnaf": "_neural_flows",
        "continuous": "continuous",
        "continuous_flow": "_continuous_recipe",
        "conv_conditioner": "_conv_nets",
        "dequantize_uniform": "_quantize",
        "dequantize_variational": "_quantize",
        "empirical_cdf": "_rosenblatt",
        "fit_greedy": "_greedy",
        "fit_init": "_fit_step",
        "fit_maximum_likelihood": "_fit",
        "fit_step": "_fit_step",
        "forward_kl_loss": "_losses",
        "glow": "_glow",
        "hyper_flow": "_hyper",
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
        "quantize": "_quantize",
        "radial_flow": "_layered_flows",
        "realnvp": "_coupling_flows",
        "resnet_conditioner": "_nets",
        "residual_flow": "_neural_flows",
        "reverse_kl_loss": "_losses",
        "rosenblatt": "_rosenblatt",
        "save_state": "_checkpoint",
        "sylvester_flow": "_layered_flows",
    },
)
