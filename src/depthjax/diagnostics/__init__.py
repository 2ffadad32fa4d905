"""How wrong is the answer: importance-sampling diagnostics, and reports on gradient estimators."""

from typing import TYPE_CHECKING

from depthjax.core._lazy import lazy_names
from depthjax.diagnostics._estimator_report import EstimatorReport as EstimatorReport
from depthjax.diagnostics._estimator_report import estimator_report as estimator_report
from depthjax.diagnostics._estimator_report import snr as snr
from depthjax.diagnostics._psis import PSISResult as PSISResult
from depthjax.diagnostics._psis import ess as ess
from depthjax.diagnostics._psis import khat_threshold as khat_threshold
from depthjax.diagnostics._psis import psis as psis
from depthjax.diagnostics._psis import psis_khat as psis_khat

if TYPE_CHECKING:
    from depthjax.diagnostics._gap_report import GapReport as GapReport
    from depthjax.diagnostics._gap_report import gap_report as gap_report

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(("GapReport", "gap_report"), "_gap_report"))
