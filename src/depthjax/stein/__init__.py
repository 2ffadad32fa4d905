"""Stein variational gradient descent, kernelised Stein discrepancies, goodness-of-fit tests and thinning."""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names
from depthjax.stein._bandwidth import median_bandwidth as median_bandwidth
from depthjax.stein._combined import ScaledKernel as ScaledKernel
from depthjax.stein._combined import SumKernel as SumKernel
from depthjax.stein._features import FourierFeatures as FourierFeatures
from depthjax.stein._features import RandomFeatures as RandomFeatures
from depthjax.stein._fssd import fssd as fssd
from depthjax.stein._fssd import fssd_test as fssd_test
from depthjax.stein._gram import stein_gram as stein_gram
from depthjax.stein._gram import stein_gram_matvec as stein_gram_matvec
from depthjax.stein._gram import stein_gram_row_sums as stein_gram_row_sums
from depthjax.stein._gram import stein_kernel as stein_kernel
from depthjax.stein._inner import Linear as Linear
from depthjax.stein._inner import Polynomial as Polynomial
from depthjax.stein._kernel import Kernel as Kernel
from depthjax.stein._ksd import TestResult as TestResult
from depthjax.stein._ksd import ksd as ksd
from depthjax.stein._ksd import ksd_test as ksd_test
from depthjax.stein._matrix import Graphical as Graphical
from depthjax.stein._matrix import MatrixMixture as MatrixMixture
from depthjax.stein._matrix import Preconditioned as Preconditioned
from depthjax.stein._radial import IMQ as IMQ
from depthjax.stein._radial import RBF as RBF
from depthjax.stein._report import FixedPointReport as FixedPointReport
from depthjax.stein._report import svgd_fixed_point_report as svgd_fixed_point_report
from depthjax.stein._schedule import annealing_schedule as annealing_schedule
from depthjax.stein._sharded import svgd_direction_sharded as svgd_direction_sharded
from depthjax.stein._svgd import sliced_svgd_direction as sliced_svgd_direction
from depthjax.stein._svgd import svgd_direction as svgd_direction
from depthjax.stein._thinning import stein_thinning as stein_thinning

if TYPE_CHECKING:
    from depthjax.stein._fssd_fit import FSSDFit as FSSDFit
    from depthjax.stein._fssd_fit import fssd_optimise as fssd_optimise
    from depthjax.stein._transform import SteinState as SteinState
    from depthjax.stein._transform import SVGDInfo as SVGDInfo
    from depthjax.stein._transform import amortised_svgd_loss as amortised_svgd_loss
    from depthjax.stein._transform import scale_by_stein as scale_by_stein
    from depthjax.stein._transform import svgd as svgd

_LAZY = {
    "FSSDFit": "_fssd_fit",
    "fssd_optimise": "_fssd_fit",
    "SVGDInfo": "_transform",
    "SteinState": "_transform",
    "amortised_svgd_loss": "_transform",
    "scale_by_stein": "_transform",
    "svgd": "_transform",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
