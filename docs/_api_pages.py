"""Sphinx extension: one API page for each package that exists, written from its facade and its docstrings."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
SOURCE = Path(__file__).resolve().parents[1] / "src" / "depthjax"

_PAGE = """# `depthjax{dotted}`

```{{eval-rst}}
.. automodule:: depthjax{dotted}
   :no-members:

.. currentmodule:: depthjax{dotted}

{table}

{entries}
```
"""


def facade(path: Path) -> list[str]:
    """Names that a package re-exports as `from ... import x as x`, also those that load on first use."""
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [alias.asname for node in imports for alias in node.names if alias.asname == alias.name]
    return list(dict.fromkeys(names))


def write_api_pages(app) -> None:
    """One page for each package with a facade, and the index that lists them."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    packages = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
    pages, seen = [], set()
    for package in packages:
        names = facade(SOURCE / package / "__init__.py")
        if not names:
            continue
        module = importlib.import_module(f"depthjax.{package}")
        values = _resolved(module, names)
        entries = [_entry(f"depthjax.{package}.{name}", value, names, seen) for name, value in values.items()]
        table = "\n".join(_summary(f"depthjax.{package}.{name}", value) for name, value in values.items())
        _write(folder / f"{package}.md", _PAGE.format(dotted=f".{package}", table=table, entries="\n".join(entries)))
        pages.append(package)
    listing = "\n".join(pages)
    _write(folder / "index.md", f"# API\n\n```{{toctree}}\n:maxdepth: 1\n\n{listing}\n```\n")
    for stale in set(folder.glob("*.md")) - {folder / f"{name}.md" for name in [*pages, "index"]}:
        stale.unlink()


def _resolved(module: ModuleType, names: list[str]) -> dict[str, object]:
    values = {}
    for name in names:
        try:
            values[name] = getattr(module, name)
        except (AttributeError, ImportError) as error:
            LOGGER.warning("%s names %s, which does not load: %s", module.__name__, name, error)
    return values


def _entry(target: str, value: object, names: list[str], seen: set[int]) -> str:
    if inspect.ismodule(value):
        kind, options = "automodule", ["members:", f"exclude-members: {', '.join(names)}"]
    elif inspect.isclass(value):
        _reveal_capabilities(value)
        kind, options = "autoclass", ["members:"]
    elif callable(value):
        kind, options = "autofunction", []
    else:
        kind, options = "autodata", ["no-value:"]
    if id(value) in seen:
        options.append("no-index:")
    seen.add(id(value))
    return "\n".join([f".. {kind}:: {target}", *(f"   :{option}" for option in options), ""])


def _summary(target: str, value: object) -> str:
    first_line = (inspect.getdoc(value) or "").partition("\n")[0] if callable(value) or inspect.ismodule(value) else ""
    return f"* :py:obj:`~{target}`: {_plain(first_line)}" if first_line else f"* :py:obj:`~{target}`"


def _reveal_capabilities(cls: type) -> None:
    """Put the function in place of a descriptor that wraps it and hides it where a class lacks the capability."""
    for name, value in list(vars(cls).items()):
        if not callable(value) and inspect.isfunction(getattr(value, "__wrapped__", None)):
            setattr(cls, name, value.__wrapped__)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


_SECTION = re.compile(r"^(Numerics|Cost|Source): (?=\S)", re.MULTILINE)
_CODE = re.compile(r"``[^`]+``|(?<!:)`[^`]+`")


def literal_text(app, what, name, obj, options, lines) -> None:
    """Docstrings are plain text with `code` in single backquotes: keep reStructuredText from reading more into them.

    Outside code the characters * | and a trailing _ stand for themselves; a section may start on its heading's line.
    """
    lines[:] = _plain(_SECTION.sub(r"\1:\n    ", "\n".join(lines))).split("\n")


def _plain(text: str) -> str:
    parts, last = [], 0
    for match in _CODE.finditer(text):
        parts += [_escape(text[last : match.start()]), f"``{match.group().strip('`')}``"]
        last = match.end()
    return "".join([*parts, _escape(text[last:])])


def _escape(text: str) -> str:
    return re.sub(r"(?<=\w)_(?!\w)", r"\\_", re.sub(r"([\\*|])", r"\\\1", text))


def skip_foreign(app, what, name, obj, skip, options) -> bool | None:
    """Leave out members that are functions of another library, such as a default activation."""
    return True if getattr(obj, "__module__", None) and not obj.__module__.startswith("depthjax") else None


def setup(app) -> None:
    """Register the hooks."""
    app.connect("builder-inited", write_api_pages)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", literal_text, priority=100)
