"""Unconstrained coordinates of parameter trees: pure tree functions, no implicit unwrapping."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from depthjax.core._record import is_record, record
from depthjax.core._validity import constraint_of


@record
class Unconstrained:
    """A parameter tree in unconstrained coordinates; `constrain` turns it back.

    Args:
        tree: the treedef of the original, with raw leaves.
    """

    tree: Any


def unconstrain(tree: Any) -> Unconstrained:
    """Every declared parameter in unconstrained coordinates, for optimisation.

    Args:
        tree: records, nested in any pytree. A leaf without a declared constraint, or with a discrete one, is carried
            unchanged.

    Returns:
        A tree of the same treedef whose leaves any optimiser may move, wrapped so that only `constrain` reads it.
    """
    return Unconstrained(_walk(tree, _to_raw))


def constrain(raw: Unconstrained) -> Any:
    """Inverse of `unconstrain`; leaves with a discrete constraint come back with their gradient stopped.

    Raises:
        TypeError: when `raw` was not made by `unconstrain`.
    """
    if not isinstance(raw, Unconstrained):
        raise TypeError(f"constrain takes the result of unconstrain, got {type(raw).__name__}")
    return _walk(raw.tree, _from_raw)


def ravel(tree: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """A parameter tree as one unconstrained vector.

    Args:
        tree: records, nested in any pytree.

    Returns:
        vector (num_params,) of the raw float leaves (not those with a discrete constraint), and `unravel(vector)`,
        which gives a constrained tree; an encoder that emits such a vector emits the parameters of a flow.
    """
    raw = unconstrain(tree).tree
    chosen = jax.tree.leaves(_walk(tree, _is_free))
    leaves, treedef = jax.tree.flatten(raw)
    vector, unravel_leaves = ravel_pytree([leaf for leaf, keep in zip(leaves, chosen, strict=True) if keep])

    def unravel(flat: jax.Array) -> Any:
        moved = iter(unravel_leaves(flat))
        filled = [next(moved) if keep else leaf for leaf, keep in zip(leaves, chosen, strict=True)]
        return _walk(jax.tree.unflatten(treedef, filled), _from_raw)

    return vector, unravel


def validate(tree: Any) -> None:
    """Check on the host that every declared constraint holds.

    Args:
        tree: records, nested in any pytree; stacked ones are checked element by element.

    Raises:
        ValueError: listing path, constraint and offending value of every violation.
    """
    problems = []

    def inspect(constraint, value, path):
        if constraint is not None and not bool(constraint.check(value)):
            problems.append(f"{path}: not in {constraint!r}: {np.asarray(value)}")
        return value

    _walk(tree, inspect)
    if problems:
        raise ValueError("invalid parameters\n" + "\n".join(problems))


def _to_raw(constraint, value, path):
    del path
    return value if constraint is None or constraint.discrete else constraint.to_raw(value)


def _from_raw(constraint, value, path):
    del path
    if constraint is None:
        return value
    return jax.lax.stop_gradient(value) if constraint.discrete else constraint.from_raw(value)


def _is_free(constraint, value, path):
    del path
    return jnp.issubdtype(jnp.result_type(value), jnp.inexact) and not (constraint is not None and constraint.discrete)


def _walk(tree, visit, path=""):
    """Rebuild `tree` with `visit(constraint or None, leaf, path)` for every leaf."""
    entries, treedef = jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_record)
    walked = []
    for keys, node in entries:
        here = path + jax.tree_util.keystr(keys)
        walked.append(_walk_record(node, visit, here) if is_record(node) else visit(None, node, here))
    return jax.tree.unflatten(treedef, walked)


def _walk_record(node, visit, path):
    """Fields in order: a dependent constraint sees the earlier fields of `constrain` already constrained."""
    done = node
    for field in dataclasses.fields(node):
        if field.metadata.get("static"):
            continue
        here, value = f"{path}.{field.name}", getattr(node, field.name)
        constraint = constraint_of(done if visit is _from_raw else node, field)
        walked = _walk(value, visit, here) if constraint is None else visit(constraint, value, here)
        done = dataclasses.replace(done, **{field.name: walked})
    return done
