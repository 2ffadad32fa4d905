"""Classical latent-variable models: probabilistic PCA, factor analysis, Gaussian mixtures, the linear autoencoder."""

from depthjax.latent._autoencoder import LinearAutoencoder as LinearAutoencoder
from depthjax.latent._autoencoder import linear_autoencoder as linear_autoencoder
from depthjax.latent._em import FitResult as FitResult
from depthjax.latent._factor_fit import factor_analysis_fit as factor_analysis_fit
from depthjax.latent._factor_fit import ppca_em_step as ppca_em_step
from depthjax.latent._factor_fit import ppca_fit as ppca_fit
from depthjax.latent._factor_models import PPCA as PPCA
from depthjax.latent._factor_models import FactorAnalysis as FactorAnalysis
from depthjax.latent._gaussian import gaussian_condition as gaussian_condition
from depthjax.latent._gaussian import gaussian_mle as gaussian_mle
from depthjax.latent._mixture import GaussianMixture as GaussianMixture
from depthjax.latent._mixture import gmm_condition as gmm_condition
from depthjax.latent._mixture import gmm_num_parameters as gmm_num_parameters
from depthjax.latent._mixture_fit import gmm_e_step as gmm_e_step
from depthjax.latent._mixture_fit import gmm_fit as gmm_fit
from depthjax.latent._mixture_fit import gmm_init as gmm_init
from depthjax.latent._mixture_fit import gmm_m_step as gmm_m_step
