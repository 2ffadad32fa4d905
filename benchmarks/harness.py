"""Paired timing of compiled functions in one process, beside an A/A null.

Candidates are compiled ahead of time, run once, and then timed in rounds; a round runs every candidate once, and the
first one twice, in an order that turns from round to round. What is reported is the median over rounds of the ratio of
times within one round, with the band of its bootstrap distribution. The ratio of the first candidate to itself is the
null: a difference smaller than the null's distance from one says nothing.
"""

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
NULL = "(null)"


@dataclass(frozen=True)
class Ratio:
    """Median of paired ratios of times, with the 95% band of that median."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """The two columns of the table."""
        return f"{self.median:7.3f}  {f'{self.low:.3f} .. {self.high:.3f}':>15}"


@dataclass(frozen=True)
class Row:
    """What is measured of one candidate; `ratio` is its time over the first candidate's (over 1: slower)."""

    name: str
    run_seconds: float
    ratio: Ratio
    compile_seconds: float | None
    temp_bytes: int | None


@dataclass(frozen=True)
class Comparison:
    """One table: the candidates on one set of arguments; `null` is the first candidate over itself."""

    title: str
    rows: tuple[Row, ...]
    null: Ratio
    rounds: int

    def __str__(self) -> str:
        """The table that `compare` prints."""
        width = max(len(NULL), *(len(row.name) for row in self.rows))
        lines = [f"{self.title} ({self.rounds} rounds)"]
        lines.append(f"  {'':{width}}  {'run':>10}  {'ratio':>7}  {'95% band':>15}  {'compile':>9}  {'temp':>10}")
        for row in self.rows:
            run = f"{row.run_seconds * 1e3:.3f} ms"
            compiled = "-" if row.compile_seconds is None else f"{row.compile_seconds:.2f} s"
            temp = "-" if row.temp_bytes is None else f"{row.temp_bytes / 1024:.0f} KiB"
            lines.append(f"  {row.name:{width}}  {run:>10}  {row.ratio}  {compiled:>9}  {temp:>10}")
        lines.append(f"  {NULL:{width}}  {'':>10}  {self.null}")
        return "\n".join(lines)


def compare(
    candidates: Mapping[str, Callable],
    args: Sequence[Any] | Mapping[str, Sequence[Any]],
    *,
    title: str,
    rounds: int = 40,
    seconds: float = 10.0,
    jit: bool = True,
    quiet: bool = False,
) -> Comparison:
    """Time candidates against the first of them.

    Args:
        candidates: functions by name; the first is the reference.
        args: arguments of every candidate, or by candidate name where peers hold their parameters in other forms.
        title: heading of the table.
        rounds: rounds at most; at least five are run.
        seconds: rounds stop after this time.
        jit: compile the candidates; False for functions that are already compiled or cannot be, whose compile time
            and memory are then unknown.
        quiet: do not print the table.

    Returns:
        The measurements.
    """
    own = args if isinstance(args, Mapping) else dict.fromkeys(candidates, args)
    compiled = {name: _compile(fn, own[name]) if jit else (fn, None, None) for name, fn in candidates.items()}
    calls = {name: _caller(compiled[name][0], own[name]) for name in candidates}
    reference = next(iter(candidates))
    calls[NULL] = calls[reference]
    times = _rounds(calls, rounds=rounds, seconds=seconds)
    ratios = {name: _paired(times[name], times[reference]) for name in [*candidates, NULL]}
    rows = tuple(
        Row(name, statistics.median(times[name]), ratios[name], compiled[name][1], compiled[name][2])
        for name in candidates
    )
    table = Comparison(title, rows, ratios[NULL], len(times[reference]))
    if not quiet:
        print(table, flush=True)
    return table


def growth(
    make: Callable[[int], tuple[Mapping[str, Callable], Any]], sizes: Sequence[int], *, title: str, **options: Any
) -> tuple[Comparison, ...]:
    """Compare at several sizes and print how run time, compile time and memory grow from each size to the next.

    Args:
        make: from a size to the candidates and their arguments, as `compare` takes them.
        sizes: usually three.
        title: heading; the size is appended.
        **options: passed to `compare`.

    Returns:
        One comparison for each size.
    """
    tables = tuple(compare(*make(size), title=f"{title}, size {size}", **options) for size in sizes)
    if not options.get("quiet"):
        print(f"{title}: growth over sizes {', '.join(map(str, sizes))}")
        for same in zip(*(table.rows for table in tables), strict=True):
            facts = [("run", "run_seconds"), ("compile", "compile_seconds"), ("temp", "temp_bytes")]
            steps = [f"{label} {_steps([getattr(row, field) for row in same])}" for label, field in facts]
            print(f"  {same[0].name}: {';  '.join(steps)}", flush=True)
    return tables


def save(name: str, tables: Sequence[Comparison], *, folder: Path = RESULTS, **facts: Any) -> Path:
    """Write comparisons and further facts as JSON together with the machine in words; returns the file.

    Numbers that are not finite, for which JSON has no form, are written as text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {"machine": machine(), "tables": [asdict(table) for table in tables], **facts}
    path.write_text(json.dumps(_strict(content), indent=1, allow_nan=False) + "\n")
    return path


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def machine() -> dict[str, Any]:
    """The machine in words: processor or accelerator, number of cores, versions; nothing that names the host."""
    device = jax.devices()[0]
    return {
        "device": _cpu_model() if device.platform == "cpu" else device.device_kind,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "jax": jax.__version__,
        "python": platform.python_version(),
        "x64": bool(jax.config.jax_enable_x64),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _compile(fn: Callable, args: Sequence[Any]) -> tuple[Callable, float, int | None]:
    start = time.perf_counter()
    compiled = jax.jit(fn).lower(*args).compile()
    elapsed = time.perf_counter() - start
    analysis = compiled.memory_analysis()
    return compiled, elapsed, None if analysis is None else int(analysis.temp_size_in_bytes)


def _caller(fn: Callable, args: Sequence[Any]) -> Callable[[], Any]:
    return lambda: jax.block_until_ready(fn(*args))


def _rounds(calls: Mapping[str, Callable[[], Any]], *, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Times by name; short calls are repeated inside a round until they last about a millisecond."""
    names = list(calls)
    for call in calls.values():
        call()
    repeats = {name: max(1, int(1e-3 / max(_time(call, 2), 1e-9))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in names}
    start = time.perf_counter()
    for i in range(rounds):
        if i >= 5 and time.perf_counter() - start > seconds:
            break
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            times[name].append(_time(calls[name], repeats[name]))
    return times


def _time(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def _paired(times: Sequence[float], reference: Sequence[float], *, resamples: int = 2000) -> Ratio:
    ratios = np.asarray(times) / np.asarray(reference)
    picks = np.random.default_rng(0).integers(len(ratios), size=(resamples, len(ratios)))
    low, high = np.quantile(np.median(ratios[picks], axis=1), [0.025, 0.975])
    return Ratio(float(np.median(ratios)), float(low), float(high))


def _steps(values: Sequence[float | None]) -> str:
    pairs = zip(values, values[1:], strict=False)
    return ", ".join("-" if not a or b is None else f"x{b / a:.2f}" for a, b in pairs)
