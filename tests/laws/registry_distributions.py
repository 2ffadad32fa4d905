"""The registry of families: every class exported from `depthjax.distributions` exactly once."""

from registry_composite import COMPOSED
from registry_counts import COUNTS
from registry_interval import INTERVAL
from registry_positive import HALF_LINE, LINE
from registry_relaxed import RELAXED
from registry_scalar import CONTINUOUS, DISCRETE
from registry_vector import VECTOR

ENTRIES = [*CONTINUOUS, *DISCRETE, *LINE, *HALF_LINE, *INTERVAL, *COUNTS, *RELAXED, *VECTOR, *COMPOSED]
