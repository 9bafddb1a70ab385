"""Cycles of the simulated RTL against the plan's arithmetic, and what its units do meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import needs_simulator
from runs import layer_tensors, run_of
from strategies import Shape, random_case
from stream_oracle import Build

from transfab.quant.config import LayerConfig
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine, Tile
from transfab.sim.activity import busy_cycles, draw_timeline, shares, units_of
from transfab.sim.model import Model, SimulationResult
from transfab.sim.plan import plans

S = 64
SEQUENCES = 4
# Passes enough that a tile hides the 256 entries of a GELU table, tiles that divide nothing.
MEDIUM = Build(
    Shape(192, 3, 262, 16),
    6,
    Engine(Tile(10, 32), Tile(8, 16), Tile(12, 32), Tile(12, 32), beat_bytes=32, sequence=2 * S),
)


@pytest.fixture(scope="module")
def results() -> dict[str, SimulationResult]:
    """Each top on the same sequence several times, every byte compared."""
    needs_simulator()
    case = random_case(1, "plain", MEDIUM.shape, 1, S, mask=[[1] * S])
    tensors, made = layer_tensors(MEDIUM, case), {}
    for top in ("qkv", "attention", "intermediate", "output", "layer"):
        run = run_of(MEDIUM, case, top, tensors)
        model = Model(MEDIUM.config(), MEDIUM.engine, top)
        packets = dict(zip(model.top.inputs, run.inputs, strict=True))
        many = {name: [packet] * SEQUENCES for name, packet in packets.items()}
        made[top] = model.run([S] * SEQUENCES, many)
        assert all(np.array_equal(one, run.expected) for one in made[top].outputs), top
    return made


def interval(result: SimulationResult, top: str) -> float:
    ends = [last for _, last in result.spans[TOPS[top].output]]
    return (ends[-1] - ends[0]) / (len(ends) - 1)


@pytest.mark.parametrize("stage", ["qkv", "intermediate", "output"])
def test_a_stage_takes_the_cycles_of_its_passes(
    results: dict[str, SimulationResult], stage: str
) -> None:
    plan = next(one for one in plans(MEDIUM.config(), MEDIUM.engine, S) if one.stage == stage)
    assert plan.cycles <= interval(results[stage], stage) <= 1.01 * plan.cycles


def test_the_layer_takes_the_cycles_of_its_slowest_stage(
    results: dict[str, SimulationResult],
) -> None:
    alone = max(
        interval(results[top], top) for top in ("qkv", "attention", "intermediate", "output")
    )
    assert alone - 1 <= interval(results["layer"], "layer") <= 1.01 * alone


def test_units_work_as_many_cycles_as_their_rows(results: dict[str, SimulationResult]) -> None:
    planned = {one.stage: one for one in plans(MEDIUM.config(), MEDIUM.engine, S)}
    end = results["layer"].cycles * 2
    busy = busy_cycles("layer", results["layer"].activity, 0, end)
    for stage in ("qkv", "intermediate", "output"):
        assert busy[stage, "product"] == SEQUENCES * planned[stage].cycles
    array = sum(busy["attention", unit] for unit in ("scores", "context", "projection"))
    assert array == SEQUENCES * planned["attention"].cycles
    # A word of norm and softmax, and an operand's beat, is a cycle each.
    config = MEDIUM.config()
    assert busy["attention", "norm"] == busy["output", "norm"] == SEQUENCES * S * 12
    assert busy["attention", "softmax"] == SEQUENCES * config.heads * S * S // 8
    assert busy["qkv", "narrow"] == busy["intermediate", "narrow"] == SEQUENCES * S * 6


def test_shares_are_those_of_the_cycles_between_edges() -> None:
    activity = np.array([[0, 0], [10, 0b01], [15, 0b11], [20, 0b00]])
    assert units_of("qkv") == [("qkv", "narrow"), ("qkv", "product")]
    assert shares("qkv", activity, [0, 10, 20, 40]).tolist() == [[0, 1, 0], [0, 0.5, 0]]
    assert busy_cycles("qkv", activity, 12, 18) == {("qkv", "narrow"): 6, ("qkv", "product"): 3}


def test_a_timeline_is_a_picture(results: dict[str, SimulationResult], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = tmp_path / f"timeline{suffix}"
        draw_timeline(path, "layer", results["layer"], "title")
        assert path.read_bytes().startswith(magic)


def test_the_plan_of_bert_base_is_that_of_the_contract() -> None:
    planned = plans(LayerConfig(768, 12, 3072, copies=64), Engine(), 128)
    assert [one.cycles for one in planned] == [118_272, 110_592, 118_272, 119_168]
    assert sum(one.units for one in planned) == 8192
    assert sum(one.model for one in planned) == 931_135_488  # of the layer without copies


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_bert_base_takes_the_cycles_that_it_is_held_to() -> None:
    from transfab.sim.figures import bench_rtl

    needs_simulator()
    figures: dict[str, Any] = {one.name: one.value for one in bench_rtl()}
    assert figures["rtl_units"] <= 8192
    assert figures["rtl_layer_interval_cycles"] <= 1.01 * 119_168
    assert figures["rtl_layer_latency_intervals"] <= 2.3
    for plan in plans(LayerConfig(768, 12, 3072, copies=64), Engine(), 128):
        cycles = figures[f"rtl_{plan.stage}_interval_cycles"]
        assert abs(cycles - plan.cycles) <= 0.01 * plan.cycles, plan.stage
