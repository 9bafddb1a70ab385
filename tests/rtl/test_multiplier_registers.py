"""Registers beside a multiplier become its own, and only those that nothing else needs stay out."""

from __future__ import annotations

from typing import Any

import pytest

from transfab.rtl.multiplier_registers import absorb

CLOCK, ENABLE = 2, 3
Cells = dict[str, dict[str, Any]]


def flip_flop(data: int, output: int, enable: int = ENABLE, **changes: str) -> dict[str, Any]:
    plain = {"CEMUX": "CE", "CLKMUX": "CLK", "GSR": "DISABLED", "REGSET": "RESET"}
    return {
        "type": "TRELLIS_FF",
        "parameters": plain | {"LSRMUX": "LSR"} | changes,
        "port_directions": {"CE": "input", "CLK": "input", "DI": "input", "LSR": "input"}
        | {"Q": "output"},
        "connections": {"CE": [enable], "CLK": [CLOCK], "DI": [data], "LSR": ["0"], "Q": [output]},
    }


def multiplier(first: list[int], second: list[int], product: list[int]) -> dict[str, Any]:
    """Two bits an operand, the upper ones their sign; the product's upper bits are open."""
    connections: dict[str, list[Any]] = {}
    for side, bits in (("A", first), ("B", second)):
        connections |= {f"{side}{i}": [bits[min(i, 1)]] for i in range(18)}
    connections |= {f"P{i}": [bit] for i, bit in enumerate(product)}
    directions = {port: "output" if port[0] == "P" else "input" for port in connections}
    return {
        "type": "MULT18X18D",
        "parameters": {},
        "port_directions": directions,
        "connections": connections,
    }


def design() -> Cells:
    """Both operands and the product registered; a reader of what follows."""
    cells = {f"a{i}": flip_flop(10 + i, 20 + i) for i in range(2)}
    cells |= {f"b{i}": flip_flop(30 + i, 40 + i, enable=4) for i in range(2)}
    cells["m"] = multiplier([20, 21], [40, 41], [50, 51, 52])
    cells |= {f"p{i}": flip_flop(50 + i, 60 + i) for i in range(3)}
    cells["lut"] = {
        "type": "LUT4",
        "parameters": {},
        "port_directions": {"A": "input", "B": "input", "C": "input", "Z": "output"},
        "connections": {"A": [60], "B": [61], "C": [62], "Z": [70]},
    }
    return cells


def test_registers_of_all_sides_move_in() -> None:
    cells = design()
    assert absorb(cells) == {"A": 1, "B": 1, "P": 1}
    assert set(cells) == {"m", "lut"}
    found = cells["m"]
    ports = found["connections"]
    assert [ports[f"A{i}"] for i in (0, 1, 17)] == [[10], [11], [11]]
    assert [ports[f"B{i}"] for i in (0, 1, 17)] == [[30], [31], [31]]
    assert [ports[f"P{i}"] for i in range(3)] == [[60], [61], [62]]
    assert (ports["CLK0"], ports["CE0"], ports["CE1"], ports["CE2"]) == ([2], [3], [4], [3])
    assert found["parameters"]["REG_INPUTA_CE"] == "CE0"
    assert found["parameters"]["REG_INPUTB_CE"] == "CE1"
    assert found["parameters"]["REG_OUTPUT_CLK"] == "CLK0"


def test_a_register_that_is_read_elsewhere_stays_as_well() -> None:
    cells = design()
    cells["lut"]["connections"]["A"] = [20]
    cells["p0"]["connections"]["Q"] = [63]
    cells["lut"]["connections"]["B"] = [63]
    assert absorb(cells)["A"] == 1
    assert "a0" in cells and "a1" not in cells


@pytest.mark.parametrize(
    ("cell", "change", "side"),
    [
        ("a0", {"connections": {"CE": [9]}}, "A"),
        ("a1", {"parameters": {"GSR": "ENABLED"}}, "A"),
        ("b1", {"connections": {"LSR": [8]}}, "B"),
        ("b0", {"type": "LUT4"}, "B"),
        ("p1", {"connections": {"CLK": [7]}}, "P"),
        ("p2", {"parameters": {"REGSET": "SET"}}, "P"),
    ],
)
def test_a_side_that_differs_stays_out(cell: str, change: dict[str, Any], side: str) -> None:
    cells = design()
    for key, value in change.items():
        cells[cell][key] = cells[cell][key] | value if isinstance(value, dict) else value
    moved = absorb(cells)
    assert moved == {one: int(one != side) for one in "ABP"}
    assert (
        cell in cells
        and f"REG_{'OUTPUT' if side == 'P' else f'INPUT{side}'}_CLK"
        not in (cells["m"]["parameters"])
    )


def test_a_product_that_is_also_read_at_once_stays_out() -> None:
    cells = design()
    cells["lut"]["connections"]["A"] = [50]
    assert absorb(cells)["P"] == 0


def test_a_multiplier_with_registers_is_refused() -> None:
    cells = design()
    cells["m"]["parameters"]["REG_OUTPUT_CLK"] = "NONE"
    with pytest.raises(ValueError, match="m has registers of its own already"):
        absorb(cells)
