"""A module placed and routed on a Lattice ECP5-85k by open tools: synth_ecp5 and nextpnr-ecp5.

The clock is nextpnr's, from its timing model of the ECP5, for one seed. A module has more ports
than the device pins, so that a shift register feeds its inputs and one takes its outputs. Registers
beside a multiplier become its own (multiplier_registers.py).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine, Tile
from transfab.rtl import multiplier_registers
from transfab.rtl.multiplier_registers import absorb
from transfab.rtl.resources import named
from transfab.rtl.yosys import NEXTPNR, YOSYS, Case, kept, run, write

DEVICE: Final = "ECP5-85k"
# More is asked for than is met, so that placement does not stop at less than it can.
FLAGS: Final = tuple(
    "--85k --package CABGA381 --freq 110 --seed 3 --timing-allow-fail "
    "--lpf pins.lpf --lpf-allow-unconstrained".split()
)
PINS: Final = "pins"
# Bits that enter and leave the shift registers at once.
WIDTH: Final = 64
# A pin with a way of its own to the clock network.
LPF: Final = 'LOCATE COMP "clk" SITE "G2";\n'
CLOCK, RESET = "clk_i", "rst_ni"

_TILE: Final = Tile(8, 16)
# 128 products a cycle: the ECP5 has 156 multipliers of 18 x 18 bits, one a product.
PLACED: Final = Case(
    "gemm_by_channel",
    LayerConfig(128, 2, 512),
    Engine(*4 * (_TILE,), beat_bytes=16, sequence=64),
    {"Pe": 8, "Simd": 16, "Depth": 128, "Channels": 128, "Packed": 0},
)


@dataclass(frozen=True)
class Placement:
    """What nextpnr reports of a placed and routed module.

    mhz          highest clock by its timing model
    luts         4-input LUTs (TRELLIS_COMB), carry chains and memories in LUTs included
    flip_flops   TRELLIS_FF; `shifted` of them are the shift registers around the module
    shifted
    multipliers  MULT18X18D
    blocks       DP16KD, block RAM of 16 Kbit
    path         cells of the slowest path, from register to register
    """

    mhz: float
    luts: int
    flip_flops: int
    shifted: int
    multipliers: int
    blocks: int
    path: list[str]


def place(case: Case = PLACED) -> Placement:
    """Place and route a module, unless the cache has it; RuntimeError with what a tool says."""
    texts = case.texts()

    def make(folder: Path) -> dict[str, Any]:
        core = ["proc", "flatten", "opt_clean", "rename -top core"]
        kept_files = ["write_rtlil core.il", "write_json core.json"]
        write(folder, {**texts, "core.ys": "\n".join([case.read(), *core, *kept_files, ""])})
        run(folder, YOSYS, "-q", "-s", "core.ys")
        ports = json.loads((folder / "core.json").read_text(encoding="utf-8"))
        around, shifted = shift_registers(ports["modules"]["core"]["ports"])
        steps = ["read_rtlil core.il", f"read_verilog {PINS}.v", f"hierarchy -top {PINS}"]
        steps += [f"synth_ecp5 -top {PINS} -json netlist.json", ""]
        write(folder, {f"{PINS}.v": around, "pins.ys": "\n".join(steps), "pins.lpf": LPF})
        run(folder, YOSYS, "-q", "-s", "pins.ys")
        netlist = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))
        absorb(netlist["modules"][PINS]["cells"])
        write(folder, {"placed.json": json.dumps(netlist)})
        run(folder, NEXTPNR, *FLAGS, "--json", "placed.json", "--report", "report.json")
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return asdict(read_report(report, shifted))

    used = place, shift_registers, read_report, multiplier_registers
    functions = [inspect.getsource(one) for one in used]
    inputs = [functions, case.read(), FLAGS, LPF, texts]
    return Placement(**kept("placed", inputs, (YOSYS, NEXTPNR), make))


def shift_registers(ports: Mapping[str, Mapping[str, Any]]) -> tuple[str, int]:
    """Verilog of a top of few pins around a module `core`, and its flip-flops.

    ports  of the module, as Yosys writes them
    """
    places: dict[str, list[str]] = {"input": [], "output": []}
    widths = {"input": 0, "output": 0}
    for name, port in ports.items():
        if name in (CLOCK, RESET):
            continue
        side, width = port["direction"], len(port["bits"])
        wires = "in_q" if side == "input" else "out"
        places[side].append(f".{name}({wires}[{widths[side]}+:{width}])")
        widths[side] += width
    sides = [f".{CLOCK}(clk)", f".{RESET}(reset_n)", *places["input"], *places["output"]]
    joined = ",\n    ".join(sides)
    # Pins on all sides of the device hold the placement apart: from one, it starts as a point.
    pins = f"input [{WIDTH - 1}:0] in, input take, output [{WIDTH - 1}:0] out_o"
    text = f"""module {PINS}(input clk, input reset_n, {pins});
  reg [{widths["input"] - 1}:0] in_q;
  reg [{widths["output"] - 1}:0] out_q;
  wire [{widths["output"] - 1}:0] out;
  always @(posedge clk) begin
    in_q <= {{in_q, in}};
    out_q <= take ? out : out_q >> {WIDTH};
  end
  assign out_o = out_q[{WIDTH - 1}:0];
  core u_core (
    {joined}
  );
endmodule
"""
    return text, sum(widths.values())


def read_report(report: Mapping[str, Any], shifted: int) -> Placement:
    """The report of nextpnr-ecp5 on a design of one clock."""
    (clock,) = report["fmax"].values()
    used = {name: one["used"] for name, one in report["utilization"].items()}
    slow = [one for one in report["critical_paths"] if not one["from"].startswith("<")]
    inside = next(one for one in slow if one["from"] == one["to"])
    cells = [step["to"]["cell"] for step in inside["path"]]
    return Placement(
        mhz=clock["achieved"],
        luts=used["TRELLIS_COMB"],
        flip_flops=used["TRELLIS_FF"],
        shifted=shifted,
        multipliers=used["MULT18X18D"],
        blocks=used["DP16KD"],
        path=list(dict.fromkeys(cells)),
    )


HEADING: Final = (
    "| module | device | MHz | MULT18X18D | LUT4 | flip-flops | of them around it | block RAM |",
    "|---|---|---|---|---|---|---|---|",
)


def line(case: Case, found: Placement) -> str:
    """The row of the table of docs/resources.md."""
    whole = (found.multipliers, found.luts, found.flip_flops, found.shifted, found.blocks)
    cells = [named(case), DEVICE, f"{found.mhz:.1f}", *(f"{value:,}" for value in whole)]
    return f"| {' | '.join(cells)} |"
