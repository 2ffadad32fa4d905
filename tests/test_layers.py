"""An import goes down the layers only; heavy and foreign packages stay where they belong."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "depthjax"

RANK = {
    "core": 0,
    "numerics": 1,
    **dict.fromkeys(["distributions", "bijectors", "ode", "freeprob"], 2),
    **dict.fromkeys(["flows", "divergences", "transport", "stein", "meanfield", "latent"], 3),
    **dict.fromkeys(["vi", "adversarial", "diffusion", "theory"], 4),
    **dict.fromkeys(["diagnostics", "plot"], 5),
}
HEAVY = {"flax", "optax", "diffrax", "matplotlib", "tqdm"}
FORBIDDEN = {"scipy", "equinox", "tensorflow_probability", "torch"}


def imported_modules(path: Path, root: Path) -> list[tuple[int, str, bool]]:
    """Line, absolute module name and `True` for a module-level import, of every import in a file."""
    tree = ast.parse(path.read_text(), str(path))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {id(node) for function in functions for node in ast.walk(function)}
    package = ("depthjax", *path.relative_to(root).parts[:-1])
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [(node.lineno, name, id(node) not in inner) for name in names]
    return found


def complaints(path: Path, root: Path = SOURCE) -> list[str]:
    """Everything in a file that breaks the table of layers."""
    parts = path.relative_to(root).parts
    layer = parts[0] if len(parts) > 1 else None
    if parts == ("__init__.py",):
        return []
    if layer not in RANK:
        return [f"{'/'.join(parts)}: belongs to no layer"]
    found = []
    for line, name, at_module_level in imported_modules(path, root):
        top, *rest = name.split(".")
        where = f"{'/'.join(parts)}:{line}"
        if top in FORBIDDEN:
            found.append(f"{where}: imports {top}")
        elif top in HEAVY and at_module_level and path.name == "__init__.py":
            found.append(f"{where}: a package may not import {top} when it is loaded")
        elif top == "depthjax" and (not rest or rest[0] not in RANK):
            found.append(f"{where}: imports the top of the package")
        elif top == "depthjax" and not _may_import(layer, rest[0]):
            found.append(f"{where}: {layer} (rank {RANK[layer]}) imports {rest[0]} (rank {RANK[rest[0]]})")
    return found


def _may_import(layer: str, other: str) -> bool:
    return layer == other or RANK[other] < RANK[layer]


FILES = sorted(SOURCE.rglob("*.py"))


def test_every_import_goes_down():
    assert FILES
    assert [text for path in FILES for text in complaints(path)] == []


def check(tmp_path: Path, place: str, source: str) -> list[str]:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return complaints(path, tmp_path)


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("core/_a.py", "from depthjax.numerics import log_add"),
        ("core/_a.py", "def f():\n    import depthjax.vi"),
        ("core/_a.py", "from ..numerics import log_add"),
        ("core/_a.py", "from .. import flows"),
        ("flows/_a.py", "from depthjax import vi"),
        ("flows/_a.py", "from depthjax import Distribution"),
        ("flows/_a.py", "import depthjax as dj"),
        ("flows/nets/_a.py", "from ...diagnostics import psis"),
        ("bijectors/_a.py", "from depthjax.distributions._normal import Normal"),
        ("bijectors/_a.py", "import typing\nif typing.TYPE_CHECKING:\n    from depthjax.distributions import Normal"),
        ("latent/_a.py", "from depthjax.divergences import kl"),
        ("vi/_a.py", "def f():\n    from scipy import special"),
        ("vi/_a.py", "import torch.nn"),
        ("vi/_a.py", "import equinox as eqx"),
        ("vi/_a.py", "from tensorflow_probability.substrates import jax"),
        ("vi/__init__.py", "import optax"),
        ("flows/nets/__init__.py", "from flax import nnx"),
        ("vi/__init__.py", "try:\n    import tqdm\nexcept ImportError:\n    tqdm = None"),
        ("unheard_of/_a.py", ""),
    ],
)
def test_a_forbidden_import_is_detected(tmp_path, place, source):
    assert len(check(tmp_path, place, source)) == 1


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("vi/_a.py", "import optax\nimport numpy as np\nimport jax.scipy.special"),
        ("vi/_a.py", "from depthjax.divergences import kl\nfrom depthjax.core import record\nfrom ._b import c"),
        ("meanfield/_a.py", "from depthjax.freeprob import s_transform"),
        (
            "bijectors/_a.py",
            "from depthjax.bijectors._affine import Affine\nfrom . import _b\nfrom ..core import param",
        ),
        ("plot/__init__.py", "def draw():\n    import matplotlib.pyplot as plt"),
    ],
)
def test_an_import_that_goes_down_is_accepted(tmp_path, place, source):
    assert check(tmp_path, place, source) == []
