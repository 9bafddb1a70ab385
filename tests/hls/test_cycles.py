"""The estimate: its loops are those of the compiled kernels, its products those of the contract."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from pathlib import Path

import loop_counts
import numpy as np
import pytest
from tiny_layer import tiny_layer

from transfab.hls.cycles import estimate, needed
from transfab.hls.estimate.engines import SOFTMAX_LANES, TURNAROUND
from transfab.hls.estimate.loops import ENGINE_FILL, Memory, Multipliers, Process, build_of
from transfab.hls.estimate.operators import NORM_LANES, ROOT_DIGITS
from transfab.hls.estimate.resources import DSP48E1, DSP48E2, block_halves, slices
from transfab.hls.estimate.stages import STAGES, TOPS, stages_of
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TOPS as CONTRACT_TOPS
from transfab.quant.contract.tops import pack_activation
from transfab.quant.engine import Engine, Tile
from transfab.quant.random_source import PRESETS, RandomSource

ROOT = Path(__file__).resolve().parents[2]
BERT_BASE = RandomSource("bert-base").config(16)
# Loops that synthesis unrolls: copies of hardware, not steps.
UNROLLED = {"DOT", "ADD_ROW", "BIT_LENGTH"}
needs_gcov = pytest.mark.skipif(
    loop_counts.missing() is not None, reason=str(loop_counts.missing())
)

RAGGED = Engine(Tile(5, 8), Tile(3, 4), Tile(7, 8), Tile(11, 16), beat_bytes=16, sequence=24)
# A tile takes more beats than there are rows, and has more channels than a beat.
LONG_TILES = Engine(Tile(40, 16), Tile(17, 8), Tile(50, 32), Tile(33, 32), 32, sequence=40)


@pytest.fixture(
    scope="module", params=[(16, RAGGED), (8, LONG_TILES)], ids=["ragged", "long tiles"]
)
def counter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> loop_counts.Counter:
    bits, engine = request.param
    folder = tmp_path_factory.mktemp("counts")
    return loop_counts.Counter.build(folder, tiny_layer(bits).config, engine)


def packets(config: LayerConfig, engine: Engine, sequence: int) -> dict[str, Beats]:
    """Every packet of some sequence: what loops count does not depend on the values."""
    rng = np.random.default_rng(3)
    stream, shape = f"int{config.residual_bits}", (sequence, config.hidden)
    tensors = {
        name: rng.integers(-100, 100, shape).astype(stream)
        for name in ("hidden", "attention_output")
    }
    for name in ("query", "key", "value"):
        tensors[name] = rng.integers(-100, 100, shape).astype(np.int8)
    inner = (sequence, config.inner)
    tensors["intermediate"] = rng.integers(-100, 100, inner).astype(np.int8)
    tensors["mask"] = np.ones(sequence, np.uint8)
    params = tiny_layer(config.residual_bits).params
    names = ("hidden", "attention_output", "qkv", "intermediate")
    return {name: pack_activation(config, engine, name, tensors) for name in names} | {
        f"{stage}_parameters": pack_parameters(config, engine, stage, params) for stage in STAGES
    }


def expected(config: LayerConfig, engine: Engine, rows: int, top: str) -> loop_counts.Counts:
    total: dict[tuple[str, str], tuple[int, int]] = {}
    for stage in stages_of(build_of(config, engine, rows), top):
        for process in stage.processes:
            for loop in process.loops:
                trips, entries = total.get((loop.function, loop.label), (0, 0))
                key = (loop.function, loop.label)
                total[key] = (trips + loop.trips, entries + loop.entries)
    return total


# Fewer rows than a tile has beats, than it turns around in, and one.
RUNS = [*((top, 20) for top in TOPS), ("layer", 5), ("layer", 1)]


@needs_gcov
@pytest.mark.parametrize(("top", "rows"), RUNS)
def test_every_loop_runs_as_often_as_estimated(
    counter: loop_counts.Counter, top: str, rows: int
) -> None:
    found = counter.counts(top, packets(counter.config, counter.engine, rows), rows)
    steps = {key: count for key, count in found.items() if key[1] not in UNROLLED}
    assert steps == expected(counter.config, counter.engine, rows, top)


@needs_gcov
def test_the_engines_multiply_as_often_as_estimated(counter: loop_counts.Counter) -> None:
    rows = 20
    found = counter.counts("layer", packets(counter.config, counter.engine, rows), rows)
    dots = sum(trips for (_, label), (trips, _) in found.items() if label == "DOT")
    made = 0
    for stage in stages_of(build_of(counter.config, counter.engine, rows), "layer"):
        for process in stage.processes:
            passes = sum(loop.entries for loop in process.loops if loop.product)
            made += passes * rows * process.units
    assert dots == made


@pytest.mark.parametrize("top", TOPS)
def test_tops_and_stages_are_those_of_the_contract(top: str) -> None:
    assert TOPS[top] == CONTRACT_TOPS[top].stages
    assert TOPS.keys() == CONTRACT_TOPS.keys()


def test_product_loops_of_bert_base_are_those_of_the_contract() -> None:
    text = (ROOT / "docs/stage_contract.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| \d+ x \d+ \| (.*) = ([\d ]+) \|$", text, re.MULTILINE)
    table = {stage: int(cycles.replace(" ", "")) for stage, _, cycles in rows}
    assert table.keys() == STAGES.keys()
    for stage, terms, _ in rows:
        factors = (re.findall(r"\d+", term) for term in re.sub(r"\([^)]*\)", "", terms).split("+"))
        assert sum(prod(map(int, term)) for term in factors) == table[stage]
    build = build_of(BERT_BASE, Engine(), 128)
    stages = {name: make(build) for name, make in STAGES.items()}
    found = {name: stage.product_cycles for name, stage in stages.items()}
    # The kernel multiplies exponentials whole; in the table they pass as two planes.
    found["attention"] += stages["attention"].process("Context").product_cycles
    assert found == table


def test_lanes_and_steps_are_those_of_the_kernels() -> None:
    text = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "hls/kernels").glob("*.hpp"))
    )
    found = dict(re.findall(r"inline constexpr int (k\w+) = (\d+);", text))
    assert int(found["kSoftmaxLanes"]) == SOFTMAX_LANES
    assert int(found["kNormLanes"]) == NORM_LANES
    # A sum must be written before the next tile reads it.
    assert int(found["kTurnaround"]) == TURNAROUND >= ENGINE_FILL
    assert f"int digit = {ROOT_DIGITS - 1}; digit >= 0" in text


def test_a_layer_of_bert_base_takes_931_million_products() -> None:
    assert needed(BERT_BASE, 128, set(STAGES)) == 931_135_488


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("top", TOPS)
def test_engines_do_at_least_the_products_that_are_needed(preset: str, top: str) -> None:
    found = estimate(RandomSource(preset).config(16), Engine(), 128, top)
    done = sum(process.units * process.product_cycles for process in found.processes)
    assert done >= found.products
    assert 0 < found.ideal_share < 1


@pytest.mark.parametrize("top", TOPS)
def test_latency_is_at_least_an_interval_of_each_stage_alone(top: str) -> None:
    found = estimate(BERT_BASE, Engine(), 128, top)
    assert found.latency >= found.interval
    assert found.latency <= sum(process.cycles for process in found.processes)


def test_a_longer_sequence_and_a_smaller_tile_take_longer() -> None:
    base = estimate(BERT_BASE, Engine(), 128)
    assert estimate(BERT_BASE, Engine(), 129).latency > base.latency
    half = estimate(BERT_BASE, replace(Engine(), output=Tile(21, 64)), 128)
    assert half.interval > 1.8 * base.interval
    assert half.units < base.units


def test_two_int8_products_share_a_slice_where_its_multiplier_is_wide_enough() -> None:
    narrow, wide = Process("one", (), units=7), Process("two", (), units=7, unit_bits=16)
    assert slices(DSP48E2, [narrow]) == 4
    assert slices(DSP48E2, [narrow], packed=False) == 7
    assert slices(DSP48E2, [wide]) == 7
    assert slices(DSP48E1, [narrow]) == 7


def test_a_multiplier_of_27_bits_takes_one_slice_or_two() -> None:
    process = Process("one", (), multipliers=(Multipliers(3, 27, 18), Multipliers(1, 18, 25)))
    assert slices(DSP48E2, [process]) == 4
    assert slices(DSP48E1, [process]) == 7


@pytest.mark.parametrize(
    ("memory", "halves"),
    [
        (Memory("small", 9, 64, 100), 0),
        (Memory("registers", 9, 1, 8), 0),
        (Memory("one shape", 1, 512, 36), 1),
        (Memory("two wide", 1, 512, 37), 2),
        (Memory("deep", 4, 4096, 9), 8),
        (Memory("bits", 1, 16384, 1), 1),
    ],
    ids=lambda value: value.name if isinstance(value, Memory) else "",
)
def test_block_memories_of_a_bank(memory: Memory, halves: int) -> None:
    assert block_halves(memory) == halves


def test_figures_are_estimated_and_have_names_of_their_own() -> None:
    figures = estimate(BERT_BASE, Engine(), 128).figures(DSP48E2, 300)
    assert {figure.kind for figure in figures} == {"estimated"}
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)
    values = {figure.name: figure.value for figure in figures}
    assert values["intermediate.products"] == 118_272
    assert values["units"] == 1920 + 3 * 1024 + 2 * 2624
    assert values["interval_time"] == round(values["interval"] / 300e3, 4)


def test_a_sequence_or_top_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="sequence length must be in"):
        estimate(BERT_BASE, Engine(sequence=64), 65)
    with pytest.raises(ValueError, match=r"top must be one of qkv, .*, not half"):
        estimate(BERT_BASE, Engine(), 8, "half")
