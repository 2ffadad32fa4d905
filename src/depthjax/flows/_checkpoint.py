"""Checkpoints: the leaves of a pytree in one npz file with a manifest, written atomically, read without pickle."""

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_MANIFEST = "manifest"
_FORMAT = "depthjax-state-1"


def save_state(
    path: str | os.PathLike, state: Any, *, notes: dict[str, Any] | None = None, **arrays: np.ndarray
) -> None:
    """Write the leaves of a pytree to `path`, atomically: a reader sees the old file or the whole new one.

    Args:
        path: file to write.
        state: pytree of arrays; PRNG keys are allowed.
        notes: small facts, as JSON, to keep beside the leaves.
        **arrays: further arrays, of any shape, to keep beside the leaves.
    """
    paths, values, described = _describe(state)
    manifest = {"format": _FORMAT, "paths": paths, "leaves": described, "notes": notes or {}}
    stored = {f"leaf_{i}": value for i, value in enumerate(values)}
    stored.update({f"array_{name}": np.asarray(value) for name, value in arrays.items()})
    stored[_MANIFEST] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **stored)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_state(path: str | os.PathLike, like: Any) -> Any:
    """Read a pytree written by `save_state`.

    Args:
        path: file to read.
        like: a pytree of the same structure, shapes and dtypes; its values are not used.

    Returns:
        The stored pytree.

    Raises:
        ValueError: a file that is truncated or no checkpoint, or one of another structure, naming the first path that
            differs.
    """
    return load_state_and_notes(path, like)[0]


def load_state_and_notes(path: str | os.PathLike, like: Any) -> tuple[Any, dict[str, Any], dict[str, np.ndarray]]:
    """As `load_state`, with the notes and the further arrays."""
    manifest, values, arrays = _read(path)
    paths, _, described = _describe(like)
    for i in range(max(len(paths), len(manifest["paths"]))):
        ours = (paths[i], described[i]) if i < len(paths) else None
        theirs = (manifest["paths"][i], manifest["leaves"][i]) if i < len(manifest["paths"]) else None
        if ours != theirs:
            raise ValueError(f"{path}: checkpoint has {_said(theirs)} where {_said(ours)} is expected")
    leaves = [_restore(value, leaf) for value, leaf in zip(values, jax.tree.leaves(like), strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves), manifest["notes"], arrays


def _read(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            manifest = json.loads(file[_MANIFEST].tobytes().decode())
            if manifest["format"] != _FORMAT:
                raise ValueError(f"format {manifest['format']!r}")
            values = [file[f"leaf_{i}"] for i in range(len(manifest["paths"]))]
            arrays = {name[6:]: file[name] for name in file.files if name.startswith("array_")}
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a depthjax checkpoint, or truncated ({error})") from error
    return manifest, values, arrays


def _describe(tree):
    entries = jax.tree_util.tree_flatten_with_path(tree)[0]
    paths = [jax.tree_util.keystr(keys) for keys, _ in entries]
    values = [np.asarray(jax.random.key_data(leaf)) if _is_key(leaf) else np.asarray(leaf) for _, leaf in entries]
    return paths, values, [[str(leaf.dtype), list(jnp.shape(leaf))] for _, leaf in entries]


def _restore(value, leaf):
    if _is_key(leaf):
        return jax.random.wrap_key_data(value, impl=jax.random.key_impl(leaf))
    return jnp.asarray(value.view(leaf.dtype) if value.dtype.kind == "V" else value)


def _is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _said(entry):
    return "nothing" if entry is None else f"{entry[0] or 'the leaf'} {entry[1][0]}{entry[1][1]}"
