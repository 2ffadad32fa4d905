"""Settings of the two test legs: DEPTHJAX_X64=0 (float32) and DEPTHJAX_X64=1."""

import hashlib
import os
import platform
import re
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import hypothesis
import jax
import pytest

ROOT = Path(__file__).resolve().parents[1]
X64 = os.environ.get("DEPTHJAX_X64", "0") == "1"


def _processor() -> str:
    """A short name for this machine's instruction set: compiled code must not move to another one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"


jax.config.update("jax_enable_x64", X64)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(ROOT / ".cache" / "jax" / f"{jax.__version__}-{_processor()}"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# `make test` runs these named tests in one leg and leaves them, in the other, to `make test-all`: they find the same in
# both precisions, or they go through both dtypes in the float64 leg anyway.
IN_FLOAT32 = (
    "bijectors", "docs/test_pages.py", "docs/test_readme.py", "stein/test_ksd.py", "stein/test_svgd.py",
    *(f"flows/test_{name}.py" for name in ("fit", "glow", "greedy", "made", "recipes", "utilities")),
    *(f"diffusion/test_{name}.py" for name in ("losses", "predictions", "samplers")),
    *(f"distributions/test_{name}.py" for name in ("assembled", "composite", "conjugate", "count_vectors",
      "gaussian_forms", "positive", "relaxed", "sphere_and_matrices")),
    *(f"vi/test_{name}.py" for name in ("cavi", "edges", "fit", "guides", "pathfinder")),
)  # fmt: skip
IN_FLOAT64 = (
    "adversarial/test_games.py", "core/test_constraints.py", "diagnostics", "divergences",
    "docs/test_errata_freeprob.py", "docs/test_errata_gaps.py", "freeprob", "latent", "meanfield", "numerics", "ode",
    "stein/test_kernels.py", "theory", "transport",
    *(f"diffusion/test_{name}.py" for name in ("edges", "flow_likelihood", "flow_matching", "schedules",
      "score_matching")),
    *(f"distributions/test_{name}.py" for name in ("beta", "counts", "discrete", "elementary", "gamma", "gaussian",
      "student_t", "truncated_normal", "von_mises")),
    *(f"vi/test_{name}.py" for name in ("analytic_kl", "annealed", "bounds", "conjugate_fits", "estimators",
      "linear_regression_cavi", "online_newton", "pathwise", "refusals", "relaxed", "unbiased")),
)  # fmt: skip

hypothesis.settings.register_profile("fast", derandomize=True, deadline=None, max_examples=20, database=None)
hypothesis.settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=500, database=None)
hypothesis.settings.load_profile(os.environ.get("DEPTHJAX_HYPOTHESIS", "fast"))


def pytest_report_header():
    """State what is tested."""
    return f"depthjax: jax {jax.__version__}, {'x64' if X64 else 'float32'} leg, {jax.default_backend()}"


def _long_tests() -> frozenset[str]:
    """Ids of the long tests of this leg, relative to `tests/`."""
    sections = re.split(r"^\[(\w+)\]$", (ROOT / "tests" / "long_tests.txt").read_text(), flags=re.MULTILINE)
    return frozenset(sections[sections.index("float64" if X64 else "float32") + 1].split("\n"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as slow what the other leg covers, and what takes long."""
    folder, covered, long = ROOT / "tests", IN_FLOAT32 if X64 else IN_FLOAT64, _long_tests()
    for item in items:
        if item.path.relative_to(folder).as_posix().startswith(covered) or item.nodeid.partition("/")[2] in long:
            item.add_marker(pytest.mark.slow)


def _group(nodeid: str) -> str:
    """The file of a test, with the registry entry if it has one: such tests share compiled functions."""
    path, _, name = nodeid.partition("::")
    entry = re.search(r"\[(.+?)(-law_\w+)?\]$", name) if "/laws/" in path else None
    return f"{path}[{entry[1]}]" if entry else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Send every group to one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _group(nodeid)

    return Groups(config, log)


def _memory_maps() -> int:
    """Number of memory maps of this process (Linux allows 65,530), 0 where the system does not tell."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


def pytest_runtest_teardown(item, nextitem):
    """Drop compiled functions before their memory maps run out, which would end the process."""
    if nextitem is not None and _group(item.nodeid) != _group(nextitem.nodeid) and _memory_maps() > 20_000:
        jax.clear_caches()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of small public data sets that may lie beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data (public data sets) is not beside this checkout")
    return folder
