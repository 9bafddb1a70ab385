"""Moves registers beside a multiplier into it: the ECP5's have their own, Yosys leaves them out.

    FF -> A, B -> MULT18X18D -> P -> FF
    A, B -> MULT18X18D with REG_INPUTA, REG_INPUTB, REG_OUTPUT -> P

A side moves when flip-flops of one clock and one enable, without reset, drive all of its bits, or
take all bits of the product and nothing else does. What still drives something else stays as well.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

MULTIPLIER: Final = "MULT18X18D"
FLIP_FLOP: Final = "TRELLIS_FF"
OPERAND_BITS, PRODUCT_BITS = 18, 36
# Enable inputs of a multiplier, by side.
ENABLES: Final = {"A": "CE0", "B": "CE1", "P": "CE2"}
REGISTERS: Final = {"A": "REG_INPUTA", "B": "REG_INPUTB", "P": "REG_OUTPUT"}
# What keeps nothing but its input for a cycle.
PLAIN: Final = {"CEMUX": "CE", "CLKMUX": "CLK", "GSR": "DISABLED", "REGSET": "RESET"}

Cell = dict[str, Any]


def absorb(cells: dict[str, Cell]) -> dict[str, int]:
    """Change a module's cells, as Yosys writes them in JSON.

    ->  side -> multipliers that took their registers in

    Raises ValueError for a multiplier that has registers already.
    """
    drivers: dict[int, str] = {}
    readers: dict[int, list[str]] = defaultdict(list)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            for bit in bits:
                if cell["port_directions"][port] == "output":
                    drivers[bit] = name
                elif isinstance(bit, int):
                    readers[bit].append(name)
    moved = dict.fromkeys(REGISTERS, 0)
    candidates: set[str] = set()
    for name, multiplier in cells.items():
        if multiplier["type"] != MULTIPLIER:
            continue
        if any(f"{one}_CLK" in multiplier["parameters"] for one in REGISTERS.values()):
            raise ValueError(f"{name} has registers of its own already")
        for side in REGISTERS:
            flip_flops = _beside(name, multiplier, side, cells, drivers, readers)
            if flip_flops is None:
                continue
            _move(multiplier, side, [cells[one] for one in flip_flops])
            candidates.update(flip_flops)
            moved[side] += 1
    read = {
        bit
        for cell in cells.values()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "input"
        for bit in bits
    }
    for name in candidates:
        (output,) = cells[name]["connections"]["Q"]
        driven_twice = any(
            output in bits
            for cell in cells.values()
            if cell["type"] == MULTIPLIER
            for port, bits in cell["connections"].items()
            if cell["port_directions"][port] == "output"
        )
        if driven_twice or output not in read:
            del cells[name]
    return moved


def _bits(multiplier: Cell, side: str) -> list[tuple[str, int]]:
    """Ports of a side with the nets on them; constants and open ports are none."""
    count = PRODUCT_BITS if side == "P" else OPERAND_BITS
    ports = (f"{side}{index}" for index in range(count))
    found = ((port, multiplier["connections"].get(port, [])) for port in ports)
    return [(port, bits[0]) for port, bits in found if bits and isinstance(bits[0], int)]


def _beside(
    name: str,
    multiplier: Cell,
    side: str,
    cells: dict[str, Cell],
    drivers: dict[int, str],
    readers: dict[int, list[str]],
) -> list[str] | None:
    """The flip-flops of a side, one a bit that is used, if they can move; None if they cannot."""
    found: list[str] = []
    for _, bit in _bits(multiplier, side):
        if side == "P":
            if not readers[bit]:
                continue
            if len(readers[bit]) != 1:
                return None
            found.append(readers[bit][0])
        else:
            if bit not in drivers:
                return None
            found.append(drivers[bit])
    flip_flops = [cells[one] for one in found]
    if not found or any(one["type"] != FLIP_FLOP for one in flip_flops):
        return None
    if any(not _is_plain(one) for one in flip_flops):
        return None
    controls = {(one["connections"]["CLK"][0], one["connections"]["CE"][0]) for one in flip_flops}
    return found if len(controls) == 1 else None


def _is_plain(flip_flop: Cell) -> bool:
    parameters = flip_flop["parameters"]
    return all(parameters.get(key) == value for key, value in PLAIN.items()) and flip_flop[
        "connections"
    ]["LSR"] == ["0"]


def _data(flip_flop: Cell) -> int | str:
    """The net that a flip-flop keeps: either of its two data inputs."""
    connections = flip_flop["connections"]
    bits = connections.get("DI") or connections["M"]
    value: int | str = bits[0]
    return value


def _move(multiplier: Cell, side: str, flip_flops: list[Cell]) -> None:
    by_output = {one["connections"]["Q"][0]: one for one in flip_flops}
    by_input = {_data(one): one for one in flip_flops}
    for port, bit in _bits(multiplier, side):
        if side == "P" and bit in by_input:
            multiplier["connections"][port] = list(by_input[bit]["connections"]["Q"])
        elif side != "P":
            multiplier["connections"][port] = [_data(by_output[bit])]
    controls = flip_flops[0]["connections"]
    enable = ENABLES[side]
    for port, bits in {"CLK0": controls["CLK"], enable: controls["CE"], "RST0": ["0"]}.items():
        multiplier["connections"][port] = list(bits)
        multiplier["port_directions"][port] = "input"
    register = REGISTERS[side]
    multiplier["parameters"] |= {
        f"{register}_CLK": "CLK0",
        f"{register}_CE": enable,
        f"{register}_RST": "RST0",
    }
