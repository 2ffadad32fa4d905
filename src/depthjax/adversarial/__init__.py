"""Generative adversarial networks: losses, penalties, training as a pure pair, and the dynamics of the game."""

from typing import TYPE_CHECKING

from depthjax.adversarial._game import GameReport as GameReport
from depthjax.adversarial._game import game_eigenvalues as game_eigenvalues
from depthjax.adversarial._game import game_field as game_field
from depthjax.adversarial._game import game_jacobian as game_jacobian
from depthjax.adversarial._game import stability_report as stability_report
from depthjax.adversarial._games import bilinear_game as bilinear_game
from depthjax.adversarial._games import dirac_gan as dirac_gan
from depthjax.adversarial._losses import AdversarialLosses as AdversarialLosses
from depthjax.adversarial._losses import f_gan_losses as f_gan_losses
from depthjax.adversarial._losses import hinge_losses as hinge_losses
from depthjax.adversarial._losses import least_squares_losses as least_squares_losses
from depthjax.adversarial._losses import minimax_losses as minimax_losses
from depthjax.adversarial._losses import nonsaturating_losses as nonsaturating_losses
from depthjax.adversarial._losses import relativistic_average_losses as relativistic_average_losses
from depthjax.adversarial._losses import wasserstein_losses as wasserstein_losses
from depthjax.adversarial._penalties import consistency_penalty as consistency_penalty
from depthjax.adversarial._penalties import gradient_penalty as gradient_penalty
from depthjax.adversarial._penalties import r1_penalty as r1_penalty
from depthjax.adversarial._penalties import r2_penalty as r2_penalty
from depthjax.adversarial._spectral import clip_weights as clip_weights
from depthjax.adversarial._spectral import conv_spectral_norm as conv_spectral_norm
from depthjax.adversarial._spectral import spectral_norm as spectral_norm
from depthjax.adversarial._spectral import spectral_normalise as spectral_normalise
from depthjax.adversarial._steps import OptimisticState as OptimisticState
from depthjax.adversarial._steps import optimistic_state as optimistic_state
from depthjax.adversarial._steps import step_alternating as step_alternating
from depthjax.adversarial._steps import step_consensus as step_consensus
from depthjax.adversarial._steps import step_extragradient as step_extragradient
from depthjax.adversarial._steps import step_implicit as step_implicit
from depthjax.adversarial._steps import step_optimistic as step_optimistic
from depthjax.adversarial._steps import step_simultaneous as step_simultaneous
from depthjax.adversarial._steps import update_matrix as update_matrix
from depthjax.core._lazy import lazy_names

if TYPE_CHECKING:
    from depthjax.adversarial._transform import AdversarialTransformation as AdversarialTransformation
    from depthjax.adversarial._transform import GanMetrics as GanMetrics
    from depthjax.adversarial._transform import GanState as GanState
    from depthjax.adversarial._transform import gan as gan
    from depthjax.adversarial._transform import wgan as wgan
    from depthjax.adversarial._transform import wgan_gp as wgan_gp

__getattr__, __dir__ = lazy_names(
    __name__,
    dict.fromkeys(("AdversarialTransformation", "GanMetrics", "GanState", "gan", "wgan", "wgan_gp"), "_transform"),
)
