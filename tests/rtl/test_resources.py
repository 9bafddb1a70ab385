"""Synthesis and placement: docs/resources.md says what the tools say, and what it says holds."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from transfab.rtl.place import DEVICE, PLACED, place, shift_registers
from transfab.rtl.resources import BASE, CASES, SMALL, count, line, named, registered, resources
from transfab.rtl.sources import SOURCES
from transfab.rtl.yosys import NEXTPNR, YOSYS, Case, elaborate, missing

PAGE = (Path(__file__).parents[2] / "docs" / "resources.md").read_text(encoding="utf-8")
CHEAP = ("gemm_array", "accumulator", "row_ring", "reciprocal")
LUT_BITS, BLOCK_BITS = 64, 36 * 1024
# Bits that a module keeps in memories, for the parameters of its rows.
MEMORIES = {
    "accumulator": lambda Pe, Words, Banks=1, **_: Pe * 27 * Words * Banks,
    "row_ring": lambda Rows, RowBeats: 512 * Rows * RowBeats,
    "stream_buffer": lambda Width, Depth: Width * Depth,
    "word_buffer": lambda Width, Depth: Width * Depth,
    "record_memory": lambda Lanes, Words: 93 * Lanes * Words,
    "lane_scatter": lambda Lanes, Block, Words: 2 * 8 * Block * Words,
    "block_order": lambda Pe, Block, Channels: 2 * 8 * Block * BASE[1].sequence,
    "exponential_rows": lambda: 128 * (14 * 128 + 25),
    "gelu": lambda Lanes: 16 * 256,
    "exponential": lambda Lanes: Lanes // 2 * 14 * 4096,
}
# Deep enough for block RAM: in LUTs, the largest accumulator takes 47 616 of them.
DEEP = ("accumulator", "row_ring", "stream_buffer", "lane_scatter", "exponential")


def rows() -> dict[str, list[str]]:
    """Cells of the table of syntheses, by the first one."""
    table = [one.strip("| ").split(" | ") for one in PAGE.splitlines() if one.startswith("| `")]
    return {cells[0]: cells for cells in table if cells[1] in ("base", "small")}


def column(number: int) -> dict[str, float]:
    return {name: float(cells[number].replace(",", "")) for name, cells in rows().items()}


def needs(*programs: str) -> None:
    if lack := missing(*programs):
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what synthesis needs: {lack}")
        pytest.skip(f"synthesis: {lack}")


def test_the_page_has_a_row_for_every_case() -> None:
    assert list(rows()) == [named(case) for case in CASES]


@pytest.mark.parametrize("module", CHEAP)
def test_yosys_gives_what_the_page_says(module: str) -> None:
    needs(YOSYS)
    case = next(one for one in CASES if one.module == module)
    assert line(case, resources(case)) in PAGE.splitlines()


def test_packed_products_share_a_multiplier_in_pairs() -> None:
    found = column(2)
    arrays = [case for case in CASES if case.module == "gemm_array"]
    assert len(arrays) == 4
    for case in arrays:
        products = case.parameters["Pe"] * case.parameters["Simd"]
        assert found[named(case)] == products / (1 + case.parameters["Packed"])


def test_memories_are_no_flip_flops() -> None:
    luts, blocks = column(5), column(7)
    seen = set()
    for case in CASES:
        if bits := MEMORIES.get(case.module):
            seen.add(case.module)
            shallow = 0 if case.module in DEEP else luts[named(case)] * LUT_BITS
            kept = shallow + blocks[named(case)] * BLOCK_BITS
            assert kept >= bits(**case.parameters), named(case)
    assert seen == MEMORIES.keys()


def test_every_multiplier_stands_between_registers() -> None:
    assert column(2) == column(3)


@pytest.mark.slow
@pytest.mark.parametrize("top", ["qkv", "attention", "intermediate", "output_stage"])
def test_every_stage_elaborates_in_yosys(top: str) -> None:
    needs(YOSYS)
    elaborate(Case(top, *SMALL))


def test_what_yosys_refuses_is_an_error(tmp_path: Path) -> None:
    needs(YOSYS)
    text = (SOURCES / "stream_fork.sv").read_text(encoding="utf-8")
    (tmp_path / "stream_fork.sv").write_text(text.replace("clk_i", "clk", 1), encoding="utf-8")
    with pytest.raises(RuntimeError, match="clk_i"):
        elaborate(Case("stream_fork", *SMALL, folders=(tmp_path, SOURCES)))


def flip_flop(data: int, output: int) -> dict[str, Any]:
    return {
        "type": "FDRE",
        "connections": {"D": [data], "Q": [output]},
        "port_directions": {"D": "input", "Q": "output"},
    }


@pytest.mark.parametrize(
    ("product_to", "operand", "expected"),
    [(4, 2, True), (4, 1, False), (3, 2, False)],
    ids=["registers", "operand from a port", "product to a port"],
)
def test_a_multiplier_without_a_register_is_found(
    product_to: int, operand: int, expected: bool
) -> None:
    multiplier = {
        "type": "DSP48E2",
        "connections": {"A": [operand, "0"], "B": [2], "P": [3]},
        "port_directions": {"A": "input", "B": "input", "P": "output"},
    }
    top = {
        "ports": {
            "in": {"direction": "input", "bits": [1]},
            "out": {"direction": "output", "bits": [product_to]},
        },
        "cells": {"x": flip_flop(1, 2), "m": multiplier, "y": flip_flop(3, 4)},
    }
    assert list(registered(top)) == [expected]


def test_a_cell_of_another_device_is_refused() -> None:
    with pytest.raises(ValueError, match="not DSP48E1"):
        count(Counter(DSP48E1=1), 0)


def test_shift_registers_reach_every_port() -> None:
    ports = {
        "clk_i": {"direction": "input", "bits": [2]},
        "rst_ni": {"direction": "input", "bits": [3]},
        "x_i": {"direction": "input", "bits": [4, 5]},
        "y_i": {"direction": "input", "bits": [6]},
        "z_o": {"direction": "output", "bits": [7, 8, 9]},
    }
    text, flip_flops = shift_registers(ports)
    assert flip_flops == 6
    for words in (".x_i(in_q[0+:2])", ".y_i(in_q[2+:1])", ".z_o(out[0+:3])", "[2:0] in_q;"):
        assert words in text


def test_the_page_has_the_placed_module() -> None:
    table = [one.strip("| ").split(" | ") for one in PAGE.splitlines() if f"| {DEVICE} |" in one]
    ((name, _, mhz, multipliers, *_),) = table
    assert name == named(PLACED)
    assert int(multipliers) == PLACED.parameters["Pe"] * PLACED.parameters["Simd"]
    assert float(mhz) > 0


def test_a_small_module_is_placed_with_a_multiplier_a_product() -> None:
    needs(YOSYS, NEXTPNR)
    found = place(Case("gemm_array", *SMALL, {"Pe": 2, "Simd": 2, "Packed": 0}))
    assert found.multipliers == 4
    assert found.mhz > 0
    assert found.flip_flops > found.shifted
    assert found.path
