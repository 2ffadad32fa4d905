"""Score matching, noise schedules, diffusion losses and samplers, flow matching."""

from depthjax.diffusion._continuous import ContinuousSchedule as ContinuousSchedule
from depthjax.diffusion._continuous import cosine_log_snr as cosine_log_snr
from depthjax.diffusion._continuous import edm_schedule as edm_schedule
from depthjax.diffusion._continuous import edm_sigmas as edm_sigmas
from depthjax.diffusion._continuous import vp_linear as vp_linear
from depthjax.diffusion._discrete import DiscreteSchedule as DiscreteSchedule
from depthjax.diffusion._discrete import cosine_schedule as cosine_schedule
from depthjax.diffusion._discrete import linear_schedule as linear_schedule
from depthjax.diffusion._discrete import respace as respace
from depthjax.diffusion._discrete import zero_terminal_snr as zero_terminal_snr
from depthjax.diffusion._loss import diffusion_loss as diffusion_loss
from depthjax.diffusion._predictions import Preconditioning as Preconditioning
from depthjax.diffusion._predictions import add_noise as add_noise
from depthjax.diffusion._predictions import classifier_free_guidance as classifier_free_guidance
from depthjax.diffusion._predictions import convert_prediction as convert_prediction
from depthjax.diffusion._predictions import edm_preconditioning as edm_preconditioning
from depthjax.diffusion._score_matching import denoising_score_matching_loss as denoising_score_matching_loss
from depthjax.diffusion._score_matching import fisher_divergence as fisher_divergence
from depthjax.diffusion._score_matching import score_matching_loss as score_matching_loss
from depthjax.diffusion._score_matching import score_of as score_of
from depthjax.diffusion._score_matching import sliced_score_matching_loss as sliced_score_matching_loss
from depthjax.diffusion._vlb import VLBTerms as VLBTerms
from depthjax.diffusion._vlb import vlb as vlb
from depthjax.diffusion._weights import elbo_weight as elbo_weight
