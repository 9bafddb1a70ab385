"""A minimal .bit and .hwh pair, as pynq 4.0.0 reads them: two DMA engines and a kernel.

`dma_hidden` sends (MM2S), `dma_output` receives (S2MM), `layer` is an ap_ctrl kernel; 64 KiB each
from `base` on, in this order: layer, dma_hidden, dma_output.
"""

from __future__ import annotations

import struct
from pathlib import Path
from xml.sax.saxutils import quoteattr

ULTRASCALE, ZYNQ = "zynq_ultra_ps_e", "processing_system7"
BASE = {ULTRASCALE: 0xA000_0000, ZYNQ: 0x4000_0000}
NAMES = ("layer", "dma_hidden", "dma_output")
SPAN = 0x1_0000
STREAM_BITS = 128


def write_overlay(
    folder: Path,
    name: str,
    image: bytes,
    family: str = ULTRASCALE,
    clocks: dict[int, float] | None = None,
) -> Path:
    """`name`.bit, which holds `image`, and `name`.hwh; clocks: MHz of the enabled ones."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}.bit"
    path.write_bytes(bit_file(image))
    path.with_suffix(".hwh").write_text(hwh(family, {0: 100.0} if clocks is None else clocks))
    return path


def bit_file(image: bytes) -> bytes:
    """The header that Vivado writes, then whole words in the other byte order."""
    image += bytes(-len(image) % 4)
    words = struct.unpack(f">{len(image) // 4}I", image)
    data = struct.pack(f"<{len(words)}I", *words)
    first = b"\x0f\xf0\x0f\xf0\x0f\xf0\x0f\xf0\x00"
    texts = (
        (b"a", b"top;Version=2023.2\0"),
        (b"b", b"xczu7ev\0"),
        (b"c", b"2024/01/01\0"),
        (b"d", b"00:00:00\0"),
    )
    header = struct.pack(">h", len(first)) + first + b"\0\1"
    header += b"".join(tag + struct.pack(">h", len(text)) + text for tag, text in texts)
    return header + b"e" + struct.pack(">i", len(data)) + data


def _parameters(values: dict[str, object]) -> str:
    rows = (
        f"<PARAMETER NAME={quoteattr(k)} VALUE={quoteattr(str(v))}/>" for k, v in values.items()
    )
    return f"<PARAMETERS>{''.join(rows)}</PARAMETERS>"


def _ps_parameters(family: str, clocks: dict[int, float]) -> dict[str, object]:
    found: dict[str, object] = {}
    for index in range(4):
        enabled, mhz = int(index in clocks), clocks.get(index, 100.0)
        if family == ULTRASCALE:
            found[f"PSU__FPGA_PL{index}_ENABLE"] = enabled
            control = f"PSU__CRL_APB__PL{index}_REF_CTRL__"
            found |= {
                f"{control}DIVISOR0": 15,
                f"{control}DIVISOR1": 1,
                f"{control}SRCSEL": "IOPLL",
            }
            found[f"{control}ACT_FREQMHZ"] = mhz
        else:
            found[f"PCW_FPGA_FCLK{index}_ENABLE"] = enabled
            clock = f"PCW_FCLK{index}_PERIPHERAL_"
            found |= {f"{clock}DIVISOR0": 10, f"{clock}DIVISOR1": 1, f"{clock}CLKSRC": "IO PLL"}
            found[f"PCW_ACT_FPGA{index}_PERIPHERAL_FREQMHZ"] = mhz
    if family == ULTRASCALE:
        # Of both register families that pynq sets: a master port's and a slave port's width.
        found |= {"C_MAXIGP0_DATA_WIDTH": 128, "C_SAXIGP2_DATA_WIDTH": 64}
    return found


def hwh(family: str, clocks: dict[int, float]) -> str:
    master = "M_AXI_HPM0_FPD" if family == ULTRASCALE else "M_AXI_GP0"
    version = "3.4" if family == ULTRASCALE else "5.5"
    interfaces = {"layer": "s_axi_control", "dma_hidden": "S_AXI_LITE", "dma_output": "S_AXI_LITE"}
    ranges = "".join(
        f'<MEMRANGE ADDRESSBLOCK="Reg" BASEVALUE="0x{BASE[family] + place * SPAN:X}" '
        f'HIGHVALUE="0x{BASE[family] + (place + 1) * SPAN - 1:X}" INSTANCE="{name}" '
        f'MASTERBUSINTERFACE="{master}" MEMTYPE="REGISTER" SLAVEBUSINTERFACE="{interfaces[name]}"/>'
        for place, name in enumerate(NAMES)
    )
    aximm = 'VLNV="xilinx.com:interface:aximm:1.0"'
    modules = [
        f'<MODULE INSTANCE="ps" FULLNAME="/ps" MODTYPE="{family}" '
        f'VLNV="xilinx.com:ip:{family}:{version}">'
        f"{_parameters(_ps_parameters(family, clocks))}<BUSINTERFACES>"
        f'<BUSINTERFACE NAME="{master}" TYPE="MASTER" {aximm}/></BUSINTERFACES>'
        f"<MEMORYMAP>{ranges}</MEMORYMAP></MODULE>"
    ]
    registers = "".join(
        f'<REGISTER NAME="{name}"><PROPERTY NAME="ADDRESS_OFFSET" VALUE="{offset}"/>'
        '<PROPERTY NAME="SIZE" VALUE="32"/><PROPERTY NAME="IS_ENABLED" VALUE="true"/><FIELDS>'
        + "".join(
            f'<FIELD NAME="{field}"><PROPERTY NAME="BIT_OFFSET" VALUE="{bit}"/>'
            f'<PROPERTY NAME="BIT_WIDTH" VALUE="{width}"/></FIELD>'
            for field, bit, width in fields
        )
        + "</FIELDS></REGISTER>"
        for name, offset, fields in (
            ("CTRL", 0x00, (("AP_START", 0, 1), ("AP_DONE", 1, 1), ("AP_IDLE", 2, 1))),
            ("sequence", 0x10, (("sequence", 0, 16),)),
            ("build_hash_low", 0x18, (("build_hash_low", 0, 32),)),
        )
    )
    modules.append(
        '<MODULE INSTANCE="layer" FULLNAME="/layer" MODTYPE="layer" '
        'VLNV="xilinx.com:hls:layer:1.0">'
        '<ADDRESSBLOCKS><ADDRESSBLOCK INTERFACE="s_axi_control" USAGE="register">'
        f"<REGISTERS>{registers}</REGISTERS></ADDRESSBLOCK></ADDRESSBLOCKS>"
        f'{_parameters({})}<BUSINTERFACES><BUSINTERFACE NAME="s_axi_control" TYPE="SLAVE" {aximm}/>'
        "</BUSINTERFACES></MODULE>"
    )
    for name, sends in (("dma_hidden", 1), ("dma_output", 0)):
        settings = {
            "c_include_mm2s": sends,
            "c_include_s2mm": 1 - sends,
            "c_include_sg": 0,
            "c_m_axi_mm2s_data_width": STREAM_BITS,
            "c_m_axi_s2mm_data_width": STREAM_BITS,
            "c_sg_length_width": 26,
        }
        modules.append(
            f'<MODULE INSTANCE="{name}" FULLNAME="/{name}" MODTYPE="axi_dma" '
            f'VLNV="xilinx.com:ip:axi_dma:7.1">{_parameters(settings)}<BUSINTERFACES>'
            f'<BUSINTERFACE NAME="S_AXI_LITE" TYPE="SLAVE" {aximm}/></BUSINTERFACES></MODULE>'
        )
    return (
        '<?xml version="1.0"?><EDKSYSTEM><SYSTEMINFO NAME="board"/><EXTERNALPORTS/>'
        f"<MODULES>{''.join(modules)}</MODULES></EDKSYSTEM>"
    )
