"""The posteriors by name, with their files."""

import json
from pathlib import Path

import numpy as np
import posteriordb_models as models
import posteriordb_processes as processes

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "posteriordb"
MODELS = {
    "arK-arK": models.autoregression,
    "earnings-logearn_height": models.earnings,
    "eight_schools-eight_schools_centered": models.schools_centered,
    "eight_schools-eight_schools_noncentered": models.schools_noncentered,
    "garch-garch11": processes.volatility,
    "gp_pois_regr-gp_pois_regr": processes.process_counts,
    "gp_pois_regr-gp_regr": processes.process_regression,
    "hmm_example-hmm_example": processes.hidden_states,
    "hudson_lynx_hare-lotka_volterra": processes.lotka_volterra,
    "kidiq-kidscore_interaction": models.interaction,
    "low_dim_gauss_mix-low_dim_gauss_mix": models.gaussian_mixture,
    "mesquite-logmesquite_logvash": models.mesquite,
    "nes2000-nes": models.election,
    "sblrc-blr": models.regression,
    "sblri-blr": models.regression,
}


def loaded(name):
    """Its record, its draws (S, P) and its model."""
    record = json.loads((FOLDER / f"{name}.json").read_text())
    draws = np.load(FOLDER / f"{name}.npz")["draws"]
    return record, draws.reshape(-1, draws.shape[-1]), MODELS[name](record["data"])
