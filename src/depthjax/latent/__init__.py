"""Classical latent-variable models: probabilistic PCA, factor analysis, Gaussian mixtures, the linear autoencoder."""

from depthjax.latent._autoencoder import LinearAutoencoder as LinearAutoencoder
from depthjax.latent._autoencoder import linear_autoencoder as linear_autoencoder
from depthjax.latent._gaussian import gaussian_condition as gaussian_condition
from depthjax.latent._gaussian import gaussian_mle as gaussian_mle
