"""Makes the laws of functions importable by name."""

import pathlib
import sys

HERE = str(pathlib.Path(__file__).parents[1])
if HERE not in sys.path:
    sys.path.insert(0, HERE)
