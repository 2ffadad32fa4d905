"""Invertible maps."""

from depthjax.bijectors._affine import Affine as Affine
from depthjax.bijectors._affine import Shift as Shift
from depthjax.bijectors._chain import Chain as Chain
from depthjax.bijectors._chain import Scan as Scan
from depthjax.bijectors._chain import stack_layers as stack_layers
from depthjax.bijectors._linear import Householder as Householder
from depthjax.bijectors._linear import LUAffine as LUAffine
from depthjax.bijectors._linear import Permutation as Permutation
from depthjax.bijectors._linear import Reverse as Reverse
from depthjax.bijectors._linear import TriangularAffine as TriangularAffine
from depthjax.bijectors._numerical_inverse import NumericalInverse as NumericalInverse
from depthjax.bijectors._planar import Planar as Planar
from depthjax.bijectors._pointwise import Exp as Exp
from depthjax.bijectors._pointwise import Identity as Identity
from depthjax.bijectors._pointwise import LeakyReLU as LeakyReLU
from depthjax.bijectors._pointwise import Log as Log
from depthjax.bijectors._pointwise import Logit as Logit
from depthjax.bijectors._pointwise import Sigmoid as Sigmoid
from depthjax.bijectors._pointwise import Softplus as Softplus
from depthjax.bijectors._pointwise import Tanh as Tanh
from depthjax.bijectors._radial import Radial as Radial
from depthjax.bijectors._stack import Stack as Stack
from depthjax.core import Invert as Invert
