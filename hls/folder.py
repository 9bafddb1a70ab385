"""The build folder of a target: all that AMD's tools need, so that it can be carried to them.

Makefile   build.json   config/config.hpp   sources/   scripts/   link/*.cfg (Alveo)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transfab.hls.cycles import Estimate, estimate
from transfab.hls.link import link_configuration
from transfab.hls.ports import MOVERS, links
from transfab.hls.targets import HLS, UNVERIFIED, VERSIONS, Plan, Target, hls_arguments
from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.engine import Engine, build_hash

ROOT: Final = Path(__file__).parent
COPIED: Final = ("include", "kernels", "tops", "testbench")
# A folder of ours, which may be replaced.
MARKER: Final = "build.json"
SCHEMA: Final = 1
BLOCK_PER_URAM: Final = 8


@dataclass(frozen=True)
class Request:
    """What to build."""

    target: Target
    plan: Plan
    config: LayerConfig
    engine: Engine

    @property
    def hash(self) -> str:
        return build_hash(self.config, self.engine)

    def stem(self, kernels: Sequence[str]) -> str:
        """Name of one board's bitstream: another build has another name."""
        return f"{'-'.join(kernels)}-{self.hash}"

    def products(self, kernels: Sequence[str]) -> list[str]:
        return [self.stem(kernels) + suffix for suffix in self.target.product_suffixes]

    def estimates(self) -> list[Estimate]:
        """Of each kernel, on the engine's longest sequence."""
        return [
            estimate(self.config, self.engine, self.engine.sequence, kernel)
            for kernels in self.plan.boards
            for kernel in kernels
        ]

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "target": self.target.name,
            "plan": self.plan.name,
            "config": self.config.as_dict(),
            "config_hash": self.config.hash,
            "engine": self.engine.as_dict(),
            "engine_hash": self.engine.hash,
            "build_hash": self.hash,
            "products": [name for kernels in self.plan.boards for name in self.products(kernels)],
        }


def check_request(request: Request) -> None:
    """Raise ValueError for a plan that a target's flow has not, and for what cannot fit it."""
    target = request.target
    if target.flow == "vivado" and any(len(kernels) > 1 for kernels in request.plan.boards):
        raise ValueError(f"{target.name} runs one kernel a board: take --plan one or --plan two")
    found = {one.top: one for one in request.estimates()}
    for kernels in request.plan.boards:
        ones = [found[kernel] for kernel in kernels]
        slices = sum(one.slices(target.dsp) for one in ones)
        blocks = sum(one.blocks for one in ones)
        # An URAM288 holds as much as 8 BRAM36.
        limit = target.blocks + BLOCK_PER_URAM * target.urams
        for count, most, what in (
            (slices, target.slices, target.dsp.name),
            (blocks, limit, "BRAM36"),
        ):
            if count > most:
                raise ValueError(
                    f"{' and '.join(kernels)} need about {count:,} {what}, {target.name} has "
                    f"{most:,}: take smaller tiles (--engine), a shorter --sequence, --plan two or "
                    "a smaller model"
                )


def folder_files(request: Request) -> dict[str, str]:
    """Text of every file of the folder by its path; the same texts each time."""
    files = {
        "Makefile": makefile(request),
        MARKER: json.dumps(request.as_dict(), indent=1) + "\n",
        "config/config.hpp": cpp_header(request.config, request.engine),
    }
    for folder in COPIED:
        for path in sorted((ROOT / folder).glob("*.[ch]pp")):
            files[f"sources/{folder}/{path.name}"] = path.read_text(encoding="utf-8")
    scripts = (
        ["kernel.tcl"] if request.target.flow == "vitis" else ["kernel.tcl", "block_design.tcl"]
    )
    for name in scripts:
        files[f"scripts/{name}"] = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    if request.target.flow == "vitis":
        files |= {f"link/{name}": text for name, text in link_files(request).items()}
    return files


def link_files(request: Request) -> dict[str, str]:
    """A configuration of v++ for each board."""
    target = request.target
    slices = {one.top: one.slices(target.dsp) for one in request.estimates()}
    return {
        f"{'-'.join(kernels)}.cfg": link_configuration(target, kernels, slices, request.hash)
        for kernels in request.plan.boards
    }


def makefile(request: Request) -> str:
    """Recipe of every kernel and bitstream; what is made is not made again."""
    target, plan = request.target, request.plan
    arguments = hls_arguments(target, plan.boards[0][0])
    del arguments["TRANSFAB_TOP"]
    products = [name for kernels in plan.boards for name in request.products(kernels)[:1]]
    lines = [
        f"# Generated by `transfab build`: {target.name}, plan {plan.name}, build {request.hash}.",
        f"# Written for Vitis and Vivado {VERSIONS}; {UNVERIFIED}.",
        "#",
        "#   make          every bitstream of the plan",
        "#   make cosim TOP=qkv VECTORS=FOLDER   C simulation, synthesis, co-simulation of a top",
        f"HLS ?= $(if $(shell command -v {HLS[0]} 2>/dev/null),"
        f"{HLS[0]} -f,{HLS[1]} --mode hls --tcl)",
        *(f"export {name} := {value}" for name, value in arguments.items()),
        "export TRANSFAB_CONFIG := config",
        "export TRANSFAB_SOURCES := sources",
        "",
        ".PHONY: all cosim",
        ".SECONDARY:",
        f"all: {' '.join(products)}",
        "",
        "cosim:",
        "\tTRANSFAB_TOP=$(TOP) TRANSFAB_OUT=cosim TRANSFAB_STEPS='csim csynth cosim' \\",
        "\t  TRANSFAB_VECTORS='$(VECTORS)' $(HLS) scripts/kernel.tcl",
        "",
    ]
    lines += _vitis(request) if target.flow == "vitis" else _vivado(request)
    return "\n".join(lines) + "\n"


def _vitis(request: Request) -> list[str]:
    lines = [
        "kernels/%.xo: config/config.hpp",
        "\tTRANSFAB_TOP=$* TRANSFAB_OUT=kernels $(HLS) scripts/kernel.tcl",
    ]
    for kernels in request.plan.boards:
        objects = " ".join(f"kernels/{name}.xo" for name in (*kernels, *MOVERS))
        lines += [
            "",
            f"{request.products(kernels)[0]}: link/{'-'.join(kernels)}.cfg {objects}",
            "\tv++ --link --config $< -o $@ $(filter %.xo,$^)",
        ]
    return lines


def _vivado(request: Request) -> list[str]:
    target = request.target
    lines = [
        "kernels/%.ip: config/config.hpp",
        "\tTRANSFAB_TOP=$* TRANSFAB_OUT=kernels $(HLS) scripts/kernel.tcl",
        "\ttouch $@",
    ]
    for kernels in request.plan.boards:
        (kernel,) = kernels
        ports = links(kernels)
        inputs = " ".join(link.sink.partition(".")[2] for link in ports if link.sink)
        (output,) = [link.source.partition(".")[2] for link in ports if link.source]
        values = {
            "KERNEL": kernel,
            "IP": f"kernels/{kernel}/solution/impl/ip",
            "INPUTS": f"'{inputs}'",
            "OUTPUT": output,
            "BEAT_BYTES": request.engine.beat_bytes,
            "PLATFORM": target.platform,
            "PROCESSOR": target.processor,
            "PORTS": target.ports,
            "MHZ": target.mhz,
            "OUT": "design",
        }
        lines += [
            "",
            f"{request.stem(kernels)}.bit: kernels/{kernel}.ip",
            "\t"
            + " \\\n\t  ".join(f"TRANSFAB_{name}={value}" for name, value in values.items())
            + " \\\n\t  vivado -mode batch -source scripts/block_design.tcl",
            f"\tcp design/{kernel}.hwh {request.stem(kernels)}.hwh",
            f"\tcp design/{kernel}.bit $@",
        ]
    return lines
