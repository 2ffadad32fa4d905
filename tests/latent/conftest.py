"""Makes the shared cases, and the laws of distributions, importable by name."""

import pathlib
import sys

HERE = pathlib.Path(__file__).parent
for folder in (HERE, HERE.parent / "laws"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
