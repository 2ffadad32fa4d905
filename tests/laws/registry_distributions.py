"""The registry of families: every class exported from `depthjax.distributions` exactly once."""

from registry_composite import COMPOSED
from registry_gaussian import GAUSSIAN
from registry_scalar import CONTINUOUS, DISCRETE
from registry_vector import VECTOR

ENTRIES = [*CONTINUOUS, *DISCRETE, *VECTOR, *GAUSSIAN, *COMPOSED]
