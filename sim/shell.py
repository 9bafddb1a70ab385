"""The HLS C++ kernels behind the ports of a top: SystemVerilog that hands packets to C++.

A packet is taken to its TLAST, the kernel runs when all have come and the host has started it, and
its packet is sent, a beat a cycle. Functional only: the cycles are this shell's, never a kernel's.

    s_axi_control -> control.sv -> shell_run(S)    kernels (hls/) or what a test puts there
    {packet}_T*   -> shell_take                    shell_give -> {packet}_T*
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Final

from transfab.hls.build import build
from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import cpp_header, sv_package
from transfab.quant.contract.packets import RESIDUAL_PACKETS, beats_of
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine
from transfab.rtl.sources import GENERATED, SOURCES
from transfab.sim.model_build import MODULES, Design

FOLDER: Final = Path(__file__).parent / "shell"


def hls_design(
    config: LayerConfig,
    engine: Engine,
    top: str,
    progress: Callable[[str], None] = lambda text: None,
) -> Design:
    """The kernel of a top behind its ports, the kernels compiled first unless they are there.

    Raises what `transfab.hls.build.build` raises.
    """
    # By its path: what the program loads is the file that the hash of this design names.
    library = build(config, engine, progress=progress)._name
    return shell_design(config, engine, top, flags=(library,))


def shell_design(
    config: LayerConfig,
    engine: Engine,
    top: str,
    cpp: tuple[Path, ...] = (),
    flags: tuple[str, ...] = (),
    edit: Callable[[str], str] = lambda text: text,
) -> Design:
    """A shell around any TransfabRunTop, in C++ or a library of the linker's flags.

    edit  changes the SystemVerilog: the shell and the registers, which are those of the RTL
    """
    module, control = MODULES.get(top, top), "control.sv"
    registers = (SOURCES / control).read_text(encoding="utf-8")
    ports = f"constexpr int kPorts = {len(TOPS[top].inputs)};"
    header = f'#pragma once\n#define TRANSFAB_TOP "{top}"\n{ports}\n'
    return Design(
        module=module,
        sources=(),
        texts=(
            (f"{GENERATED}.sv", sv_package(config, engine)),
            (control, edit(registers)),
            (f"{module}.sv", edit(shell(config, engine, top))),
            ("config.hpp", cpp_header(config, engine)),
            ("shell_top.hpp", header),
        ),
        cpp=(FOLDER / "shell.cpp", *cpp),
        flags=flags,
    )


def shell(config: LayerConfig, engine: Engine, top: str) -> str:
    """SystemVerilog of the shell of a top."""
    wanted, width = TOPS[top], engine.beat_bytes
    inputs = wanted.inputs
    one = beats_of(config, engine, wanted.output, 1)
    beats = f"length * {one}"
    if wanted.output in RESIDUAL_PACKETS:
        beats = f"(length + {width - 1}) / {width} + length * {one - 1}"
    template = Template((FOLDER / "shell.sv").read_text(encoding="utf-8"))
    return template.substitute(
        module=MODULES.get(top, top),
        bits=8 * width,
        keep=width,
        inputs="".join(_input_ports(name, width) for name in inputs),
        ready="".join(f"  assign {name}_TREADY = 1'b1;\n" for name in inputs),
        take="".join(
            f"      if ({name}_TVALID) shell_take({index}, {name}_TDATA, {name}_TLAST);\n"
            for index, name in enumerate(inputs)
        ),
        output=wanted.output,
        beats=beats,
    )


def _input_ports(name: str, width: int) -> str:
    return (
        f"    input  logic [{8 * width - 1}:0] {name}_TDATA,\n"
        f"    input  logic [{width - 1}:0] {name}_TKEEP,\n"
        f"    input  logic {name}_TLAST,\n"
        f"    input  logic {name}_TVALID,\n"
        f"    output logic {name}_TREADY,\n"
    )
