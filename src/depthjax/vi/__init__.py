"""Variational inference: bounds, objectives, gradient estimators, fitting."""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names
from depthjax.vi._bounds import elbo as elbo
from depthjax.vi._bounds import iwae_bound as iwae_bound
from depthjax.vi._bounds import log_weights as log_weights
from depthjax.vi._estimator import Aux as Aux
from depthjax.vi._estimator import Estimator as Estimator
from depthjax.vi._estimator import per_sample_grad as per_sample_grad
from depthjax.vi._estimator import value_and_grad as value_and_grad
from depthjax.vi._guide import as_guide as as_guide
from depthjax.vi._objectives import Objective as Objective
from depthjax.vi._objectives import elbo_objective as elbo_objective
from depthjax.vi._objectives import expectation as expectation
from depthjax.vi._objectives import iwae_objective as iwae_objective
from depthjax.vi._pathwise import pathwise as pathwise

if TYPE_CHECKING:
    from depthjax.vi._fit import FitResult as FitResult
    from depthjax.vi._fit import fit as fit

__getattr__, __dir__ = lazy_names(__name__, {"fit": "_fit", "FitResult": "_fit"})
