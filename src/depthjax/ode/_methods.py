"""Records of one-step and of multistep methods."""

from fractions import Fraction
from typing import Any

import jax
import numpy as np

from depthjax.numerics._arguments import is_concrete

_SUM_TOL = 1e-12


def rational(values: Any) -> list[Fraction] | None:
    """The fractions that round to `values` bit for bit, with denominators up to a million; None if one has none."""
    found = [Fraction(float(v)).limit_denominator(10**6) for v in np.ravel(values)]
    same = all(float(f) == float(v) for f, v in zip(found, np.ravel(values), strict=True))
    return found if same else None


def concrete(function: str, method: Any) -> Any:
    """`method`, if its coefficients can be looked at.

    Raises:
        TypeError: traced coefficients, or neither a `Tableau` nor an `LMM`.
    """
    if not isinstance(method, (Tableau, LMM)):
        raise TypeError(f"{function}: method is a {type(method).__name__}, expected a Tableau or an LMM")
    if not all(is_concrete(leaf) for leaf in jax.tree.leaves(method)):
        raise TypeError(f"{function}: the coefficients are traced; analyse the method outside of jit, grad and vmap")
    return method


class _Method:
    """A frozen pytree whose leaves are float64 numpy arrays; rebuilding from leaves checks nothing."""

    _fields: tuple[str, ...] = ()

    def __init_subclass__(cls):
        jax.tree_util.register_pytree_with_keys(
            cls,
            lambda m: (tuple((jax.tree_util.GetAttrKey(f), getattr(m, f)) for f in cls._fields), None),
            lambda _, leaves: cls._rebuilt(leaves),
            lambda m: (tuple(getattr(m, f) for f in cls._fields), None),
        )

    @classmethod
    def _rebuilt(cls, leaves):
        made = object.__new__(cls)
        made.__dict__.update(zip(cls._fields, leaves, strict=True))
        return made

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__} is frozen; build another one to change {name}")

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in self._fields)})"


def _coefficients(name: str, value: Any) -> Any:
    if not is_concrete(value):
        return value
    array = np.array(value, np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has entries that are not finite, expected numbers")
    array.setflags(write=False)
    return array


class Tableau(_Method):
    """Butcher tableau of a Runge-Kutta method.

    k_i = f(t + c_i h, y + h sum_j a_ij k_j) and y+ = y + h sum_i b_i k_i; `b_hat` gives a second solution, whose
    distance from the first estimates the error of the lower of the two orders.

    Args:
        a: (s, s) coefficients of the stages.
        b: (s,) weights, of sum one.
        c: (s,) nodes, the row sums of `a`.
        b_hat: (s,) embedded weights, or None.

    Raises:
        ValueError: shapes that do not fit, or concrete entries that are not finite; concrete `c` other than the row
            sums of `a`, or `b` of another sum than one, beyond 1e-12.

    Numerics: leaves are float64 numpy arrays whatever the precision of JAX; a step rounds them to the state's dtype.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.1.
    """

    _fields = ("a", "b", "c", "b_hat")
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    b_hat: np.ndarray | None

    def __init__(self, a: Any, b: Any, c: Any, b_hat: Any = None):
        a, b, c = (_coefficients(f"Tableau: {name}", v) for name, v in (("a", a), ("b", b), ("c", c)))
        b_hat = None if b_hat is None else _coefficients("Tableau: b_hat", b_hat)
        s = np.size(b) if is_concrete(b) else b.size
        shapes = {"a": (a, (s, s)), "b": (b, (s,)), "c": (c, (s,)), "b_hat": (b_hat, (s,))}
        for name, (value, expected) in shapes.items():
            if value is not None and value.shape != expected:
                raise ValueError(f"Tableau: {name} has shape {value.shape}, expected {expected} for {s} stages")
        if all(is_concrete(v) for v in (a, b, c)):
            gap = np.abs(a.sum(axis=1) - c)
            if not (gap <= _SUM_TOL).all():
                i = int(np.argmax(gap))
                raise ValueError(f"Tableau: c[{i}] is {c[i]:.6g}, expected the row sum {a[i].sum():.6g} of a")
            for name, weights in (("b", b), ("b_hat", b_hat)):
                if weights is not None and not abs(weights.sum() - 1.0) <= _SUM_TOL:
                    raise ValueError(f"Tableau: {name} sums to {weights.sum():.6g}, expected 1 (consistency)")
        self.__dict__.update(a=a, b=b, c=c, b_hat=b_hat)

    @property
    def num_stages(self) -> int:
        """Number of stages s."""
        return self.b.shape[0]

    @property
    def is_explicit(self) -> bool:
        """Whether each stage needs earlier ones only."""
        return not np.triu(concrete("Tableau.is_explicit", self).a).any()

    @property
    def is_diagonally_implicit(self) -> bool:
        """Whether no stage needs later ones; explicit methods count."""
        return not np.triu(concrete("Tableau.is_diagonally_implicit", self).a, 1).any()

    @property
    def is_stiffly_accurate(self) -> bool:
        """Whether the last stage is the new state: the last row of `a` is `b`."""
        concrete("Tableau.is_stiffly_accurate", self)
        return bool((self.a[-1] == self.b).all())

    @property
    def is_fsal(self) -> bool:
        """Whether the last slope of a step is the first one of the next."""
        return self.is_stiffly_accurate and not self.a[0].any() and self.num_stages > 1


class LMM(_Method):
    """Linear multistep method sum_j alpha_j y_{n+j} = h sum_j beta_j f_{n+j}, j = 0..k.

    Args:
        alpha: (k + 1,) ascending in j; the last is not zero.
        beta: (k + 1,) ascending in j.

    Raises:
        ValueError: unequal lengths, fewer than two entries, concrete entries that are not finite or `alpha[k]` of zero.

    Source: Suli and Mayers, An Introduction to Numerical Analysis (2003), 12.6.
    """

    _fields = ("alpha", "beta")
    alpha: np.ndarray
    beta: np.ndarray

    def __init__(self, alpha: Any, beta: Any):
        alpha, beta = _coefficients("LMM: alpha", alpha), _coefficients("LMM: beta", beta)
        if alpha.ndim != 1 or alpha.shape != beta.shape or alpha.shape[0] < 2:
            raise ValueError(
                f"LMM: alpha has shape {alpha.shape} and beta {beta.shape}, expected one shape (k + 1,) with k >= 1; "
                f"pad with zeros"
            )
        if is_concrete(alpha) and alpha[-1] == 0:
            raise ValueError("LMM: alpha[k] is 0, expected a factor of the newest state; drop the last coefficients")
        self.__dict__.update(alpha=alpha, beta=beta)

    @property
    def num_steps_back(self) -> int:
        """Number of earlier states k."""
        return self.alpha.shape[0] - 1

    @property
    def is_explicit(self) -> bool:
        """Whether the newest slope is not needed."""
        return bool(concrete("LMM.is_explicit", self).beta[-1] == 0)
