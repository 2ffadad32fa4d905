"""The registry of families: every class exported from `depthjax.distributions` exactly once."""

from registry_assembled import ASSEMBLED
from registry_composite import COMPOSED
from registry_correlation import CORRELATIONS
from registry_count_vectors import COUNT_VECTORS
from registry_counts import COUNTS
from registry_directions import DIRECTIONS
from registry_gaussian import GAUSSIAN
from registry_interval import INTERVAL
from registry_joint import JOINT
from registry_matrix import MATRICES
from registry_positive import HALF_LINE, LINE
from registry_relaxed import RELAXED
from registry_scalar import CONTINUOUS, DISCRETE
from registry_vector import VECTOR

ENTRIES = [
    *CONTINUOUS,
    *DISCRETE,
    *LINE,
    *HALF_LINE,
    *INTERVAL,
    *COUNTS,
    *RELAXED,
    *VECTOR,
    *COUNT_VECTORS,
    *GAUSSIAN,
    *MATRICES,
    *CORRELATIONS,
    *JOINT,
    *COMPOSED,
    *ASSEMBLED,
    *DIRECTIONS,
]

# Densities of infinite mass, which have no draws and no moments, so that the laws do not apply.
IMPROPER = {"ImproperUniform"}
