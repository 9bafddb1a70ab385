"""The boards that kernels are built for: parts, memories, limits, and a recipe that should fit.

Everything that a script or a link configuration says about a board is said here once. Limits are
those of the device; a shell and DMA engines take their part of them. All of it is from data sheets
and platform documentation, unverified: no vendor tools were at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from transfab.hls.estimate.resources import DSP48E1, DSP48E2, Dsp
from transfab.hls.ports import KERNELS
from transfab.quant.engine import Engine, Tile

VERSIONS: Final = "2023.2 to 2024.2"
# Either runs a Tcl script of Vitis HLS; releases after 2024.1 may have the second alone.
HLS: Final = ("vitis_hls", "vitis-run")
UNVERIFIED: Final = "unverified: no vendor tools were at hand"


@dataclass(frozen=True)
class Plan:
    """Which kernels each board runs."""

    name: str
    boards: tuple[tuple[str, ...], ...]
    text: str


PLANS: Final = {
    plan.name: plan
    for plan in (
        Plan("one", (("layer",),), "one board, one kernel"),
        Plan(
            "split",
            (("board_a", "board_b"),),
            "one board, a kernel for stages 1 and 2, one for 3, 4",
        ),
        Plan("two", (("board_a",), ("board_b",)), "two boards: stages 1 and 2, stages 3 and 4"),
    )
}


@dataclass(frozen=True)
class Bank:
    """A memory of a data mover: its tag for `sp=`, and the region next to it."""

    tag: str
    region: str


@dataclass(frozen=True)
class Recipe:
    """What is built unless asked otherwise: seeded weights of a preset, an engine, a plan."""

    preset: str
    engine: Engine
    plan: str


@dataclass(frozen=True)
class Target:
    """A board.

    flow        vitis (xclbin, XRT) or vivado (block design with a Zynq processor)
    part        for set_part
    platform    of v++, or the board part of Vivado, whose files a user may have to install
    mhz         clock, assumed
    dsp         kind of slice
    slices      of the device
    blocks      BRAM36 of the device
    urams       URAM288 of the device
    regions     name -> slices of each super logic region
    activations, parameters   banks for packets of the two kinds
    processor   of a block design: zynq_ultra_ps_e or processing_system7
    ports       high-performance memory ports of the processor
    """

    name: str
    flow: Literal["vitis", "vivado"]
    part: str
    platform: str
    mhz: int
    dsp: Dsp
    slices: int
    blocks: int
    urams: int
    recipe: Recipe
    regions: tuple[tuple[str, int], ...] = ()
    activations: tuple[Bank, ...] = ()
    parameters: tuple[Bank, ...] = ()
    processor: str = ""
    ports: int = 0

    @property
    def period(self) -> str:
        """Of the clock in ns."""
        return f"{1000 / self.mhz:.3f}"

    @property
    def tools(self) -> tuple[str, ...]:
        """What a build calls: `hls` stands for vitis_hls or vitis-run."""
        return ("hls", "v++") if self.flow == "vitis" else ("hls", "vivado")

    @property
    def product_suffixes(self) -> tuple[str, ...]:
        return (".xclbin",) if self.flow == "vitis" else (".bit", ".hwh")


def _hbm(first: int, count: int) -> tuple[Bank, ...]:
    return tuple(Bank(f"HBM[{index}]", "SLR0") for index in range(first, first + count))


def _regions(*slices: int) -> tuple[tuple[str, int], ...]:
    return tuple((f"SLR{index}", count) for index, count in enumerate(slices))


_BERT_BASE = Recipe("bert-base", Engine(sequence=128), "one")
# Each of its two kernels fits a region.
_HALVES = Engine(Tile(20, 64), Tile(14, 32), Tile(25, 64), Tile(25, 64), 64, 128)
_ZCU104 = Engine(Tile(16, 32), Tile(12, 16), Tile(20, 32), Tile(20, 32), 32, 64)
_KV260 = Engine(Tile(14, 16), Tile(10, 16), Tile(24, 16), Tile(24, 16), 16, 64)
_PYNQ_Z2 = Engine(Tile(2, 16), Tile(1, 8), Tile(2, 16), Tile(3, 16), 16, 64)

TARGETS: Final = {
    target.name: target
    for target in (
        Target(
            name="u200",
            flow="vitis",
            part="xcu200-fsgd2104-2-e",
            platform="xilinx_u200_gen3x16_xdma_2_202110_1",
            mhz=300,
            dsp=DSP48E2,
            slices=6840,
            blocks=2160,
            urams=960,
            recipe=Recipe("bert-base", _HALVES, "split"),
            regions=_regions(2280, 1320, 2280),
            activations=(Bank("DDR[1]", "SLR1"),),
            parameters=(Bank("DDR[0]", "SLR0"), Bank("DDR[2]", "SLR1"), Bank("DDR[3]", "SLR2")),
        ),
        Target(
            name="u280",
            flow="vitis",
            part="xcu280-fsvh2892-2L-e",
            platform="xilinx_u280_gen3x16_xdma_1_202211_1",
            mhz=300,
            dsp=DSP48E2,
            slices=9024,
            blocks=2016,
            urams=960,
            recipe=_BERT_BASE,
            regions=_regions(3008, 3008, 3008),
            activations=(Bank("DDR[0]", "SLR0"), Bank("DDR[1]", "SLR1")),
            parameters=_hbm(0, 8),
        ),
        Target(
            name="u55c",
            flow="vitis",
            part="xcu55c-fsvh2892-2L-e",
            platform="xilinx_u55c_gen3x16_xdma_3_202210_1",
            mhz=300,
            dsp=DSP48E2,
            slices=9024,
            blocks=2016,
            urams=960,
            recipe=_BERT_BASE,
            regions=_regions(3008, 3008, 3008),
            activations=_hbm(0, 2),
            parameters=_hbm(2, 8),
        ),
        Target(
            name="zcu104",
            flow="vivado",
            part="xczu7ev-ffvc1156-2-e",
            platform="xilinx.com:zcu104:part0:1.1",
            mhz=200,
            dsp=DSP48E2,
            slices=1728,
            blocks=312,
            urams=96,
            recipe=Recipe("bert-base", _ZCU104, "two"),
            processor="zynq_ultra_ps_e",
            ports=4,
        ),
        Target(
            name="kv260",
            flow="vivado",
            part="xck26-sfvc784-2LV-c",
            platform="xilinx.com:kv260_som:part0:1.4",
            mhz=200,
            dsp=DSP48E2,
            slices=1248,
            blocks=144,
            urams=64,
            recipe=Recipe("bert-small", _KV260, "two"),
            processor="zynq_ultra_ps_e",
            ports=4,
        ),
        Target(
            name="pynq-z2",
            flow="vivado",
            part="xc7z020clg400-1",
            platform="tul.com.tw:pynq-z2:part0:1.0",
            mhz=100,
            dsp=DSP48E1,
            slices=220,
            blocks=140,
            urams=0,
            recipe=Recipe("bert-tiny", _PYNQ_Z2, "two"),
            processor="processing_system7",
            ports=4,
        ),
    )
}


def target_named(name: str) -> Target:
    """One of TARGETS; ValueError for another name."""
    if name not in TARGETS:
        raise ValueError(f"--target must be one of {', '.join(TARGETS)}, not {name}")
    return TARGETS[name]


def plan_named(name: str) -> Plan:
    """One of PLANS; ValueError for another name."""
    if name not in PLANS:
        raise ValueError(f"--plan must be one of {', '.join(PLANS)}, not {name}")
    return PLANS[name]


def hls_arguments(target: Target, kernel: str) -> dict[str, str]:
    """What scripts/kernel.tcl reads from the environment, but folders; ValueError for no kernel."""
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, not {kernel}")
    return {
        "TRANSFAB_TOP": kernel,
        "TRANSFAB_PART": target.part,
        "TRANSFAB_PERIOD": target.period,
        "TRANSFAB_FORMAT": "xo" if target.flow == "vitis" else "ip",
    }
