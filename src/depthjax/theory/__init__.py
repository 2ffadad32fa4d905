"""Closed-form results about networks: regions, regularisation as shrinkage, deep linear learning, residual paths."""

from depthjax.theory._deep_linear import DeepLinearPath as DeepLinearPath
from depthjax.theory._deep_linear import deep_linear_flow as deep_linear_flow
from depthjax.theory._deep_linear import deep_linear_mode as deep_linear_mode
from depthjax.theory._deep_linear import deep_linear_time as deep_linear_time
from depthjax.theory._regions import count_activation_patterns as count_activation_patterns
from depthjax.theory._regions import hyperplane_region_count as hyperplane_region_count
from depthjax.theory._regions import hyperplane_region_count_log as hyperplane_region_count_log
from depthjax.theory._regions import montufar_lower_bound as montufar_lower_bound
from depthjax.theory._regions import montufar_upper_bound as montufar_upper_bound
from depthjax.theory._residual import relu_second_moment as relu_second_moment
from depthjax.theory._residual import residual_path_counts as residual_path_counts
from depthjax.theory._residual import residual_variance_growth as residual_variance_growth
from depthjax.theory._ridge import dropout_ridge as dropout_ridge
from depthjax.theory._ridge import dropout_ridge_loss as dropout_ridge_loss
from depthjax.theory._ridge import early_stopping_factors as early_stopping_factors
from depthjax.theory._ridge import equivalent_penalty as equivalent_penalty
from depthjax.theory._ridge import input_noise_ridge as input_noise_ridge
from depthjax.theory._ridge import ridge as ridge
from depthjax.theory._ridge import shrink as shrink
from depthjax.theory._ridge import shrinkage_factors as shrinkage_factors
