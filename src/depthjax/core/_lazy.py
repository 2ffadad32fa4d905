"""Public names that load their module on first use, so that importing a package does not import its heavy parts."""

import importlib
from collections.abc import Callable
from typing import Any


def lazy_names(package: str, homes: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose listed names live in modules that are imported on first use.

    Args:
        package: the package's `__name__`.
        homes: public name -> module of the package; a name that is its own home is the module itself.

    Returns:
        The two module-level hooks of PEP 562.
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{homes[name]}")
        return module if homes[name] == name else getattr(module, name)

    def __dir__() -> list[str]:
        return sorted({*importlib.import_module(package).__dict__, *homes} - {"TYPE_CHECKING", "lazy_names"})

    return __getattr__, __dir__
