"""Runs the code of documentation pages and compares what it prints with what the page shows."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")


def blocks(page):
    """(language, text) of every fenced block of a page, in order."""
    return _BLOCK.findall((ROOT / page).read_text())


def run_page(page):
    """Run the python blocks of a page in one namespace; a text block shows the output of the code before it."""
    namespace, printed, compared = {"__name__": page}, "", 0
    for language, text in blocks(page):
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, page, "exec"), namespace)  # noqa: S102
            printed = out.getvalue()
        elif language == "text":
            assert_same_text(printed, text)
            compared += 1
    return compared


def assert_same_text(got, want, *, tolerance=1e-4):
    """Equal words, and numbers equal up to `tolerance` absolute or relative, or one unit of the last shown digit."""
    assert _NUMBER.sub("#", got).split() == _NUMBER.sub("#", want).split(), f"printed\n{got}\nshown\n{want}"
    for value, shown in zip(_NUMBER.findall(got), _NUMBER.findall(want), strict=True):
        digits = len(shown.partition(".")[2].partition("e")[0])
        slack = tolerance if "e" in shown else max(tolerance, 1.01 * 10.0**-digits if digits else 0.0)
        np.testing.assert_allclose(float(value), float(shown), rtol=tolerance, atol=slack, err_msg=got)
