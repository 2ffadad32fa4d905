"""Log densities of trees as functions of one vector, and guides over that vector."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.bijectors import biject_to
from depthjax.core import Bijector, Constraint, Distribution, constraints, derived, record, static
from depthjax.core._options import positive
from depthjax.distributions import MultivariateNormal, MultivariateNormalDiag, MultivariateNormalLowRank


class Structure:
    """How a vector is cut into the arrays of a tree; equal and hashed by content, so that it may be static."""

    def __init__(self, template: Any):
        leaves, self.treedef = jax.tree.flatten(template)
        if not leaves:
            raise ValueError("the template has no arrays")
        self.shapes = tuple(jnp.shape(leaf) for leaf in leaves)
        self.dtypes = tuple(jnp.result_type(leaf).name for leaf in leaves)
        if not all(jnp.issubdtype(dtype, jnp.floating) for dtype in self.dtypes):
            raise TypeError(f"the template holds arrays of dtypes {self.dtypes}; they must be floating")

    def __eq__(self, other):
        return isinstance(other, Structure) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def _key(self):
        return self.treedef, self.shapes, self.dtypes

    @property
    def size(self) -> int:
        """Number of entries of the vector."""
        return sum(math.prod(shape) for shape in self.shapes)

    def ravel(self, tree: Any) -> jax.Array:
        """The vector of a tree of this structure, in one dtype."""
        dtype = jnp.result_type(*self.dtypes)
        return jnp.concatenate([jnp.ravel(leaf).astype(dtype) for leaf in jax.tree.leaves(tree)])

    def unravel(self, vector: ArrayLike) -> Any:
        """The tree of a vector (size,)."""
        vector = jnp.asarray(vector)
        if vector.shape != (self.size,):
            raise ValueError(f"unravel: vector has shape {vector.shape}, expected {(self.size,)}")
        leaves, start = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            stop = start + math.prod(shape)
            leaves.append(vector[start:stop].reshape(shape).astype(dtype))
            start = stop
        return jax.tree.unflatten(self.treedef, leaves)


def ravel_log_density(
    log_density: Callable[[Any], jax.Array], template: Any
) -> tuple[Callable[[jax.Array], jax.Array], Callable[[jax.Array], Any]]:
    """A log density of a tree as a function of one vector.

    Args:
        log_density: tree -> () nats, over unconstrained values.
        template: a tree of floating-point arrays with its structure.

    Returns:
        `fn(vector (d,)) -> ()`, and `unravel(vector) -> tree`.

    Raises:
        TypeError: arrays that are not floating. ValueError: an empty template.
    """
    structure = Structure(template)
    return lambda vector: log_density(structure.unravel(vector)), structure.unravel


def unconstrained_log_density(
    log_density: Callable[[Any], jax.Array],
    constraints: Any,
) -> tuple[Callable[[Any], jax.Array], Callable[[Any], Any]]:
    """A log density over all of space: the density of the raw values, with the log-Jacobian added.

    Args:
        log_density: tree of constrained values -> () nats.
        constraints: tree of the same structure; each leaf a constraint whose raw values have the shape of the values
            (`constraints.positive`), or the bijector from raw values (`biject_to(constraints.simplex, 3)`).

    Returns:
        `fn(raw tree) -> ()` nats, and `constrain(raw tree) -> tree of constrained values`.

    Raises:
        TypeError: a leaf that is neither; ValueError: a constraint whose raw values have another shape.

    Source:
        Kucukelbir et al., Automatic Differentiation Variational Inference (2017), eq. 8.
    """
    leaves, treedef = jax.tree.flatten(constraints, is_leaf=_is_map)

    def pairs(raw):
        values = treedef.flatten_up_to(raw)
        found = zip(leaves, values, strict=True)
        return [_map_of(leaf, jnp.shape(value)).forward_and_log_det(value) for leaf, value in found]

    def constrain(raw: Any) -> Any:
        return jax.tree.unflatten(treedef, [value for value, _ in pairs(raw)])

    def fn(raw: Any) -> jax.Array:
        found = pairs(raw)
        value = log_density(jax.tree.unflatten(treedef, [value for value, _ in found]))
        return value + sum(log_det for _, log_det in found)

    return fn, constrain


def _is_map(value):
    return isinstance(value, (Constraint, Bijector))


def _map_of(leaf, shape):
    if isinstance(leaf, Bijector):
        return leaf
    if not isinstance(leaf, Constraint):
        raise TypeError(f"unconstrained_log_density: a leaf is a constraint or a bijector, got {type(leaf).__name__}")
    if leaf.raw_shape(shape) != shape:
        raise ValueError(
            f"unconstrained_log_density: raw values of {leaf} have another shape than its values; give "
            f"biject_to({leaf.name}, event_shape)"
        )
    return biject_to(leaf, shape)


@record
class RaveledGuide(Distribution):
    """A distribution of vectors that knows which tree they stand for.

    Args:
        base: distribution of event shape (d,).
        structure: static, how a vector is cut into a tree.

    Raises:
        ValueError: d is not the size of the tree.
    """

    base: Distribution
    structure: Structure = static()
    event_shape: tuple[int, ...] = derived()

    support = constraints.real

    @classmethod
    def _complete(cls, fields):
        base, structure = fields["base"], fields["structure"]
        if base.event_shape != (structure.size,):
            raise ValueError(
                f"RaveledGuide: base {type(base).__name__} has event shape {base.event_shape}, the template has "
                f"{structure.size} numbers"
            )
        return {**fields, "event_shape": base.event_shape}

    @property
    def reparameterized(self):
        """That of the base."""
        return self.base.reparameterized

    def unravel(self, vector: ArrayLike) -> Any:
        """The tree that a draw (d,) stands for."""
        return self.structure.unravel(vector)

    def _log_prob(self, x):
        return self.base.log_prob(x)

    def _sample_many(self, key, sample_shape):
        return self.base.sample(key, sample_shape)

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self.base.sample_and_log_prob(key, sample_shape)

    def _sample_noise(self, key, sample_shape):
        return self.base.sample_noise(key, sample_shape)

    @property
    def _from_noise(self) -> Any:
        return self.base.from_noise


def mean_field(template: Any, *, scale: float = 1.0) -> RaveledGuide:
    """A Gaussian guide with independent coordinates, centred at the template.

    Args:
        template: tree of floating-point arrays over unconstrained space.
        scale: initial standard deviation.

    Returns:
        A distribution of vectors (d,) with `unravel`.

    Raises:
        ValueError: a concrete scale that is not positive, an empty template. TypeError: arrays that are not floating.

    Source:
        Kucukelbir et al., Automatic Differentiation Variational Inference (2017), sec. 2.4.
    """
    positive("mean_field", scale=scale)
    structure = Structure(template)
    loc = structure.ravel(template)
    return RaveledGuide(MultivariateNormalDiag(loc, jnp.full_like(loc, scale)), structure)


def full_rank(template: Any, *, scale: float = 1.0) -> RaveledGuide:
    """A Gaussian guide with a full covariance, centred at the template, to begin with scale^2 times the identity.

    Args:
        template: tree of floating-point arrays over unconstrained space.
        scale: initial standard deviation.

    Returns:
        A distribution of vectors (d,) with `unravel`.

    Raises:
        ValueError: a concrete scale that is not positive, an empty template. TypeError: arrays that are not floating.
    """
    positive("full_rank", scale=scale)
    structure = Structure(template)
    loc = structure.ravel(template)
    return RaveledGuide(MultivariateNormal(loc, scale * jnp.eye(structure.size, dtype=loc.dtype)), structure)


def low_rank(template: Any, *, rank: int, scale: float = 1.0, key: jax.Array | None = None) -> RaveledGuide:
    """A Gaussian guide with covariance F F^T + diag(s)^2, centred at the template.

    Args:
        template: tree of floating-point arrays over unconstrained space.
        rank: columns of F, between 1 and d.
        scale: initial s.
        key: PRNG key of the initial F, small random numbers (at F = 0 its gradient would vanish); key 0 if None.

    Returns:
        A distribution of vectors (d,) with `unravel`.

    Raises:
        ValueError: a concrete scale that is not positive, rank outside 1..d, an empty template. TypeError: arrays that
            are not floating.

    Source:
        Ong, Nott and Smith, Gaussian Variational Approximation with a Factor Covariance Structure (2018), sec. 2.
    """
    positive("low_rank", scale=scale)
    structure = Structure(template)
    loc = structure.ravel(template)
    factor = 0.01 * scale * jax.random.normal(jax.random.key(0) if key is None else key, (structure.size, rank))
    base = MultivariateNormalLowRank(loc, factor.astype(loc.dtype), jnp.full_like(loc, scale))
    return RaveledGuide(base, structure)


def flow_guide(flow: Distribution, template: Any) -> RaveledGuide:
    """Any distribution of vectors as a guide over a tree.

    Args:
        flow: distribution of event shape (d,), such as `flows.iaf(key, d, num_layers=4)`.
        template: tree of floating-point arrays over unconstrained space, with d numbers.

    Returns:
        A distribution of vectors (d,) with `unravel`.

    Raises:
        ValueError: the sizes differ.
    """
    return RaveledGuide(flow, Structure(template))


def amortised(encoder: Callable[..., Any], family: Callable[[Any], Distribution]) -> Callable[..., Distribution]:
    """The guide q(z | x) that a network emits.

    Args:
        encoder: (params, *batch) -> outputs for one datum.
        family: outputs -> distribution of its z.

    Returns:
        `q(params, *batch) -> distribution`.

    Source:
        Kingma and Welling, Auto-Encoding Variational Bayes (2014), sec. 3.
    """
    return lambda params, *batch: family(encoder(params, *batch))
