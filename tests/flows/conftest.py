"""Makes the laws of bijectors importable by name."""

import pathlib
import sys

LAWS = pathlib.Path(__file__).parent.parent / "laws"
if str(LAWS) not in sys.path:
    sys.path.insert(0, str(LAWS))
