"""depthjax: deep generative modelling and deep-learning theory as pure JAX functions.

The contract (`record`, `Distribution`, `Bijector`, `constraints`, ...) is here; the packages load on first use:
`depthjax.distributions`, `depthjax.bijectors`, `depthjax.flows`, `depthjax.divergences`, `depthjax.transport`,
`depthjax.stein`, `depthjax.vi`, `depthjax.latent`, `depthjax.adversarial`, `depthjax.diffusion`, `depthjax.ode`,
`depthjax.freeprob`, `depthjax.meanfield`, `depthjax.theory`, `depthjax.numerics`, `depthjax.diagnostics`.
"""

import importlib
from typing import TYPE_CHECKING

from depthjax.core import Bijector as Bijector
from depthjax.core import Constraint as Constraint
from depthjax.core import Distribution as Distribution
from depthjax.core import Elementwise as Elementwise
from depthjax.core import Estimate as Estimate
from depthjax.core import ExponentialFamily as ExponentialFamily
from depthjax.core import Invert as Invert
from depthjax.core import Unconstrained as Unconstrained
from depthjax.core import constrain as constrain
from depthjax.core import constraints as constraints
from depthjax.core import derived as derived
from depthjax.core import export_fn as export_fn
from depthjax.core import log_prob_each as log_prob_each
from depthjax.core import param as param
from depthjax.core import ravel as ravel
from depthjax.core import record as record
from depthjax.core import sample_each as sample_each
from depthjax.core import static as static
from depthjax.core import unconstrain as unconstrain
from depthjax.core import validate as validate

if TYPE_CHECKING:
    from depthjax import adversarial as adversarial
    from depthjax import bijectors as bijectors
    from depthjax import diagnostics as diagnostics
    from depthjax import diffusion as diffusion
    from depthjax import distributions as distributions
    from depthjax import divergences as divergences
    from depthjax import flows as flows
    from depthjax import freeprob as freeprob
    from depthjax import latent as latent
    from depthjax import meanfield as meanfield
    from depthjax import numerics as numerics
    from depthjax import ode as ode
    from depthjax import stein as stein
    from depthjax import theory as theory
    from depthjax import transport as transport
    from depthjax import vi as vi

__version__ = "0.1.0"

_PACKAGES = (
    "adversarial", "bijectors", "core", "diagnostics", "diffusion", "distributions", "divergences", "flows",
    "freeprob", "latent", "meanfield", "numerics", "ode", "stein", "theory", "transport", "vi",
)  # fmt: skip


def __getattr__(name: str):
    if name in _PACKAGES:
        return importlib.import_module(f"depthjax.{name}")
    raise AttributeError(f"module 'depthjax' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_PACKAGES})
