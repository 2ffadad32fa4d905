import importlib.util
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "harness.py"
SPEC = importlib.util.spec_from_file_location("harness", FILE)
harness = importlib.util.module_from_spec(SPEC)
sys.modules["harness"] = harness
SPEC.loader.exec_module(harness)


def light(x):
    return jnp.sum(x * x)


def heavy(x):
    return jnp.sum(jax.lax.fori_loop(0, 3000, lambda _, y: jnp.sin(y) + x, x))


@pytest.fixture(scope="module")
def table():
    x = jnp.ones(256, jnp.float32)
    return harness.compare({"light": light, "heavy": heavy}, (x,), title="sum", rounds=9, seconds=2.0, quiet=True)


def test_compare_orders_a_light_and_a_heavy_function(table):
    light_row, heavy_row = table.rows
    assert light_row.ratio == harness.Ratio(1.0, 1.0, 1.0)
    assert heavy_row.ratio.median > 1.5
    assert heavy_row.run_seconds > light_row.run_seconds


def test_the_null_is_measured_and_not_exactly_one(table):
    assert table.null.low <= table.null.median <= table.null.high
    assert 0.1 < table.null.median < 10.0
    assert table.null != harness.Ratio(1.0, 1.0, 1.0)


def test_compile_time_and_memory_are_reported(table):
    assert all(row.compile_seconds > 0 and row.temp_bytes >= 0 for row in table.rows)


def test_the_table_names_every_candidate_and_the_null(table):
    text = str(table)
    assert all(name in text for name in ("light", "heavy", harness.NULL, "95% band"))


def test_paired_ratio_is_the_median_and_its_band():
    reference = np.linspace(1.0, 3.0, 41)
    ratio = harness._paired(2.0 * reference, reference)
    np.testing.assert_allclose([ratio.median, ratio.low, ratio.high], 2.0, rtol=1e-12)


def test_arguments_may_differ_and_functions_may_come_compiled():
    x = np.ones(3)
    table = harness.compare(
        {"a": np.sum, "b": sum}, {"a": (x,), "b": ([1.0, 2.0],)}, title="t", rounds=5, jit=False, quiet=True
    )
    assert [row.compile_seconds for row in table.rows] == [None, None]
    assert table.rounds == 5


def test_growth_prints_the_steps(capsys):
    def make(size):
        return {"sum": np.sum}, (np.ones(size),)

    tables = harness.growth(make, (10, 20, 40), title="sum", rounds=5, jit=False)
    assert len(tables) == 3
    assert "growth over sizes 10, 20, 40" in capsys.readouterr().out


def test_save_writes_the_machine_in_words(table, tmp_path):
    content = json.loads(harness.save("sum", [table], folder=tmp_path).read_text())
    assert set(content["machine"]) == {"device", "cores", "jax", "python", "x64"}
    assert [row["name"] for row in content["tables"][0]["rows"]] == ["light", "heavy"]
    assert str(tmp_path) not in json.dumps(content)


def test_saved_numbers_are_strict_json(table, tmp_path):
    path = harness.save("sum", [table], folder=tmp_path, errors={"here": (1.5, np.inf), "there": float("nan")})
    content = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["errors"] == {"here": [1.5, "inf"], "there": "nan"}
