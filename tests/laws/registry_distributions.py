"""The registry of families: every class exported from `depthjax.distributions` exactly once."""

from registry_composite import COMPOSED
from registry_counts import COUNTS
from registry_positive import POSITIVE
from registry_relaxed import RELAXED
from registry_scalar import CONTINUOUS, DISCRETE
from registry_vector import VECTOR

ENTRIES = [*CONTINUOUS, *DISCRETE, *POSITIVE, *COUNTS, *RELAXED, *VECTOR, *COMPOSED]
