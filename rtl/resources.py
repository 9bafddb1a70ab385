"""What modules of `rtl/` take of an UltraScale+ device: synthesis by Yosys, an upper bound.

DSP48E2, LUT (memories in LUTs included), flip-flops, block RAM of 36 Kbit. Yosys puts no flip-flop
into a DSP48E2, and every product of two numbers into one; a vendor's tool does better on both.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transfab.quant.config import COPIES, LayerConfig
from transfab.quant.engine import Engine, Tile
from transfab.rtl.yosys import YOSYS, Case, kept, run, write

# Assertions are no hardware.
SYNTHESIS: Final = "chformal -remove\nsynth_xilinx -family xcup -flatten -noiopad -noclkbuf"
DSP: Final = "DSP48E2"
FLIP_FLOPS: Final = frozenset({"FDRE", "FDSE", "FDCE", "FDPE"})
# Shift registers in LUTs: they hold flip-flops of the RTL, too.
SHIFTS: Final = frozenset({"SRL16E", "SRLC32E"})
# LUTs of a cell that is more, or less, than one: RAM64M8 are eight LUTs of 64 bits.
LUTS: Final = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    "INV": 1,
    "SRL16E": 1,
    "SRLC32E": 1,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
}
BLOCKS: Final = {"RAMB18E2": 0.5, "RAMB36E2": 1.0}
# Of what is counted, nothing: carry chains and multiplexers beside the LUTs.
BESIDE: Final = frozenset({"CARRY4", "CARRY8", "MUXF7", "MUXF8", "MUXF9", "$scopeinfo"})
URAM: Final = "URAM288"

_TILE: Final = Tile(16, 16)
_SMALL_TILE: Final = Tile(4, 8)
# Modules at BERT-base's sizes, and whole stages that Yosys finishes in minutes.
BASE: Final = (
    LayerConfig(768, 12, 3072, copies=COPIES),
    Engine(_TILE, _TILE, _TILE, _TILE, sequence=128),
)
SMALL: Final = (
    LayerConfig(64, 2, 256, copies=16),
    Engine(*4 * (_SMALL_TILE,), beat_bytes=16, sequence=32),
)
CASES: Final = (
    Case("gemm_array", *BASE, {"Pe": 4, "Simd": 4, "Packed": 0}),
    Case("gemm_array", *BASE, {"Pe": 4, "Simd": 4, "Packed": 1}),
    Case("gemm_array", *BASE, {"Pe": 16, "Simd": 16, "Packed": 0}),
    Case("gemm_array", *BASE, {"Pe": 16, "Simd": 16, "Packed": 1}),
    Case("accumulator", *BASE, {"Pe": 16, "SumBits": 20, "Words": 128}),
    Case("accumulator", *BASE, {"Pe": 16, "SumBits": 20, "Words": 3072, "Banks": 2}),
    Case("row_ring", *BASE, {"Rows": 128, "RowBeats": 12}),
    Case("stream_buffer", *BASE, {"Width": 512, "Depth": 1024}),
    Case("word_buffer", *BASE, {"Width": 512, "Depth": 64}),
    Case("record_memory", *BASE, {"Lanes": 16, "Words": 48}),
    Case("lane_scatter", *BASE, {"Lanes": 16, "Block": 64, "Words": 128}),
    Case("block_order", *BASE, {"Pe": 16, "Block": 64, "Channels": 768}),
    Case("exponential_rows", *BASE),
    Case("requantize", *BASE, {"Lanes": 4}),
    Case("context_requantize", *BASE, {"Lanes": 4}),
    Case("gelu", *BASE, {"Lanes": 16}),
    Case("exponential", *BASE, {"Lanes": 4}),
    Case("reciprocal", *BASE),
    Case("root", *BASE),
    Case("narrow", *SMALL),
    Case("residual", *SMALL),
    Case("softmax", *SMALL),
    Case("layernorm", *SMALL),
    Case("gemm_by_channel", *SMALL, {"Pe": 4, "Simd": 8, "Depth": 64, "Channels": 256}),
    Case("gemm_by_depth", *SMALL, {"Pe": 4, "Simd": 8, "Channels": 64, "Block": 16, "Blocks": 16}),
    Case("intermediate", *SMALL),
)


@dataclass(frozen=True)
class Resources:
    """Cells of one module and all below it.

    dsp         DSP48E2
    registered  of them, those between registers: operands from some, product into flip-flops
    luts        LUTs, also those that are memory or an inverter
    memory      of them, those that are memory
    flip_flops
    blocks      block RAM of 36 Kbit, in halves
    urams
    """

    dsp: int
    registered: int
    luts: int
    memory: int
    flip_flops: int
    blocks: float
    urams: int


def resources(case: Case) -> Resources:
    """Synthesize a module, unless the cache has it; RuntimeError with what Yosys says."""
    texts = case.texts()
    script = f"{case.read()}\n{SYNTHESIS} -top {case.module}\nwrite_json netlist.json\n"

    def make(folder: Path) -> dict[str, Any]:
        write(folder, {**texts, "run.ys": script})
        run(folder, YOSYS, "-q", "-s", "run.ys")
        top = flat_top(json.loads((folder / "netlist.json").read_text(encoding="utf-8")))
        types = Counter(cell["type"] for cell in top["cells"].values())
        return {"types": types, "registered": sum(registered(top))}

    # How registers are found is part of the result, too.
    inputs = [inspect.getsource(registered), script, texts]
    found = kept("synthesis", inputs, (YOSYS,), make)
    return count(Counter(found["types"]), found["registered"])


def count(types: Counter[str], registered: int) -> Resources:
    """Sum the cells of each type; ValueError for one that is none of the device's."""
    known = FLIP_FLOPS | LUTS.keys() | BLOCKS.keys() | BESIDE | {DSP, URAM}
    if strange := sorted(types.keys() - known):
        raise ValueError(f"cells must be those of an UltraScale+ device, not {strange[0]}")
    luts = {name: LUTS[name] * n for name, n in types.items() if name in LUTS}
    return Resources(
        dsp=types[DSP],
        registered=registered,
        luts=sum(luts.values()),
        memory=sum(n for name, n in luts.items() if name.startswith(("RAM", "SRL"))),
        flip_flops=sum(types[name] for name in FLIP_FLOPS),
        blocks=sum(BLOCKS[name] * n for name, n in types.items() if name in BLOCKS),
        urams=types[URAM],
    )


def flat_top(netlist: dict[str, Any]) -> dict[str, Any]:
    """The top of a netlist that Yosys wrote."""
    modules: list[dict[str, Any]] = list(netlist["modules"].values())
    (top,) = [one for one in modules if int(one["attributes"].get("top", "0"), 2)]
    return top


def registered(top: dict[str, Any]) -> Iterator[bool]:
    """For each DSP48E2, whether registers alone drive its operands and take its product."""
    stored: set[int] = set()
    read_otherwise: set[int] = set()
    for port in top["ports"].values():
        if port["direction"] != "input":
            read_otherwise.update(port["bits"])
    cells = list(top["cells"].values())
    for cell in cells:
        flip_flop = cell["type"] in FLIP_FLOPS
        for name, bits in cell["connections"].items():
            if (flip_flop or cell["type"] in SHIFTS) and name == "Q":
                stored.update(bits)
            elif cell["port_directions"][name] == "input" and not (flip_flop and name == "D"):
                read_otherwise.update(bits)
    for cell in cells:
        if cell["type"] == DSP:
            pins = cell["connections"]
            # A constant is a text, a net a number.
            operands = {bit for bit in (*pins["A"], *pins["B"]) if isinstance(bit, int)}
            yield operands <= stored and read_otherwise.isdisjoint(pins["P"])


HEADING: Final = (
    "| module | build | DSP48E2 | registered | LUT | of them memory | flip-flops | BRAM36 | URAM |",
    "|---|---|---|---|---|---|---|---|---|",
)


def line(case: Case, found: Resources) -> str:
    """A row of the table of docs/resources.md."""
    build = "base" if (case.config, case.engine) == BASE else "small"
    whole = (found.dsp, found.registered, found.luts, found.memory, found.flip_flops)
    cells = [named(case), build, *(f"{value:,}" for value in whole), f"{found.blocks:g}"]
    return f"| {' | '.join([*cells, str(found.urams)])} |"


def named(case: Case) -> str:
    """`module`, and its parameters."""
    values = ", ".join(f"{name} {value}" for name, value in case.parameters.items())
    return f"`{case.module}` {values}".strip()
