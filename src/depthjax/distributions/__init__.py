"""Families of distributions."""

from depthjax.distributions import conjugate as conjugate
from depthjax.distributions._bernoulli import Bernoulli as Bernoulli
from depthjax.distributions._bernoulli import bernoulli_from_probs as bernoulli_from_probs
from depthjax.distributions._beta import Beta as Beta
from depthjax.distributions._categorical import Categorical as Categorical
from depthjax.distributions._categorical import categorical_from_probs as categorical_from_probs
from depthjax.distributions._delta import Delta as Delta
from depthjax.distributions._dirichlet import Dirichlet as Dirichlet
from depthjax.distributions._dirichlet_multinomial import DirichletMultinomial as DirichletMultinomial
from depthjax.distributions._empirical import Empirical as Empirical
from depthjax.distributions._gamma import Gamma as Gamma
from depthjax.distributions._improper_uniform import ImproperUniform as ImproperUniform
from depthjax.distributions._inverse_wishart import InverseWishart as InverseWishart
from depthjax.distributions._laplace import Laplace as Laplace
from depthjax.distributions._lkj import LKJ as LKJ
from depthjax.distributions._lkj import LKJCholesky as LKJCholesky
from depthjax.distributions._logistic import Logistic as Logistic
from depthjax.distributions._logistic_normal import LogisticNormal as LogisticNormal
from depthjax.distributions._matrix_normal import MatrixNormal as MatrixNormal
from depthjax.distributions._mixture import MixtureSameFamily as MixtureSameFamily
from depthjax.distributions._mixture_of_families import Mixture as Mixture
from depthjax.distributions._multinomial import Multinomial as Multinomial
from depthjax.distributions._multinomial import multinomial_from_probs as multinomial_from_probs
from depthjax.distributions._multivariate_normal import MultivariateNormal as MultivariateNormal
from depthjax.distributions._multivariate_normal import mvn_from_covariance as mvn_from_covariance
from depthjax.distributions._multivariate_normal_canonical import (
    MultivariateNormalCanonical as MultivariateNormalCanonical,
)
from depthjax.distributions._multivariate_normal_diag import MultivariateNormalDiag as MultivariateNormalDiag
from depthjax.distributions._multivariate_normal_low_rank import MultivariateNormalLowRank as MultivariateNormalLowRank
from depthjax.distributions._multivariate_normal_precision import (
    MultivariateNormalPrecision as MultivariateNormalPrecision,
)
from depthjax.distributions._multivariate_normal_precision import mvn_from_precision as mvn_from_precision
from depthjax.distributions._multivariate_student_t import MultivariateStudentT as MultivariateStudentT
from depthjax.distributions._mvn_convert import mvn_convert as mvn_convert
from depthjax.distributions._normal import Normal as Normal
from depthjax.distributions._normal_gamma import NormalGamma as NormalGamma
from depthjax.distributions._normal_gamma import NormalInverseGamma as NormalInverseGamma
from depthjax.distributions._normal_wishart import NormalInverseWishart as NormalInverseWishart
from depthjax.distributions._normal_wishart import NormalWishart as NormalWishart
from depthjax.distributions._one_hot_categorical import OneHotCategorical as OneHotCategorical
from depthjax.distributions._one_hot_categorical import one_hot_categorical_from_probs as one_hot_categorical_from_probs
from depthjax.distributions._poisson import Poisson as Poisson
from depthjax.distributions._poisson import poisson_from_rate as poisson_from_rate
from depthjax.distributions._product import Product as Product
from depthjax.distributions._repeated import Repeated as Repeated
from depthjax.distributions._reshaped import Reshaped as Reshaped
from depthjax.distributions._student_t import StudentT as StudentT
from depthjax.distributions._transformed import Transformed as Transformed
from depthjax.distributions._truncated_normal import TruncatedNormal as TruncatedNormal
from depthjax.distributions._uniform import Uniform as Uniform
from depthjax.distributions._von_mises import VonMises as VonMises
from depthjax.distributions._von_mises_fisher import VonMisesFisher as VonMisesFisher
from depthjax.distributions._wishart import Wishart as Wishart
from depthjax.distributions._wishart_cholesky import WishartCholesky as WishartCholesky
