"""Fifteen posteriors with reference draws: densities at given points, and scores whose means are known.

Under a posterior the score of the free coordinates has mean zero, and centred coordinate times its score mean -1.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from posteriordb_cases import FOLDER, MODELS, loaded

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the posteriordb files are not beside this checkout"),
    pytest.mark.skipif(not jax.config.jax_enable_x64, reason="reference values are given to 1e-8"),
]
# The covariance of one process is nearly singular; a differential equation is solved to 1e-6.
TOLERANCES = {
    "gp_pois_regr-gp_pois_regr": {"rtol": 0.0, "atol": 1e-4},
    "hudson_lynx_hare-lotka_volterra": {"rtol": 1e-6},
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_log_density_and_score(name):
    record, draws, model = loaded(name)
    few = draws[:: 20 if "lotka" in name else 4]

    def pieces(points):
        raw = jax.vmap(model.unconstrain)(points)
        return raw, jax.vmap(model.constrain)(raw), jax.vmap(jax.grad(model.raw_density))(raw)

    checks = record["log_density_check"]
    points = jnp.stack([draws[check["draw_index"]] for check in checks])
    values, (raw, back, scores) = jax.jit(lambda a, b: (jax.lax.map(model.log_density, a), pieces(b)))(points, few)
    np.testing.assert_allclose(values, [check["value"] for check in checks], **TOLERANCES.get(name, {"rtol": 1e-8}))
    np.testing.assert_allclose(back, few, rtol=1e-6, atol=1e-6)
    raw, scores = np.asarray(raw), np.asarray(scores)
    for terms in (scores, (raw - raw.mean(0)) * scores + 1):
        z = terms.mean(0) / (terms.std(0) / np.sqrt(len(terms)))
        assert np.all(np.abs(z) <= 4), z
