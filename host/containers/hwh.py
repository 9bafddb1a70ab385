"""The hardware handoff (.hwh) of a Zynq design, as much of it as PYNQ reads.

Vivado writes one for each block design; this one is for emulated boards, from the same register map
and layout.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

from transfab.host.layout import LENGTH_BITS, SPAN, engine_name, layout
from transfab.quant.contract.registers import REGISTERS, Register
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine

ENGINE: Final = "xilinx.com:ip:axi_dma:7.1"
PROCESSORS: Final = {
    "zynq_ultra_ps_e": "xilinx.com:ip:zynq_ultra_ps_e:3.5",
    "processing_system7": "xilinx.com:ip:processing_system7:5.5",
}
# The processor's control port.
MASTERS: Final = {"zynq_ultra_ps_e": "M_AXI_HPM0_FPD", "processing_system7": "M_AXI_GP0"}
CONTROL: Final = "s_axi_control"
LITE: Final = "S_AXI_LITE"
AXIMM: Final = "xilinx.com:interface:aximm:1.0"
# Of the first PL clock; the others are off.
CLOCK_MHZ: Final = 100
ACCESS: Final = {"read only": "read-only"}


def hwh(top: str, engine: Engine, processor: str) -> str:
    """The text of the handoff of a top's design."""
    places = layout(top, processor)
    root = ElementTree.Element("EDKSYSTEM", {"EDWVERSION": "1.2", "VIVADOVERSION": "emulated"})
    ElementTree.SubElement(root, "EXTERNALPORTS")
    modules = ElementTree.SubElement(root, "MODULES")
    clocks = _clocks(processor)
    owner = _module(modules, "processor", PROCESSORS[processor], clocks, MASTERS[processor], True)
    memory = ElementTree.SubElement(owner, "MEMORYMAP")
    blocks = [(top, f"xilinx.com:hls:{top}:1.0", places.kernel, CONTROL)]
    blocks += [
        (engine_name(packet), ENGINE, address, LITE) for packet, address in places.engines.items()
    ]
    for name, _, address, port in blocks:
        ElementTree.SubElement(
            memory,
            "MEMRANGE",
            {
                "ADDRESSBLOCK": "Reg",
                "INSTANCE": name,
                "BASEVALUE": f"{address:#010X}",
                "HIGHVALUE": f"{address + SPAN - 1:#010X}",
                "MASTERBUSINTERFACE": MASTERS[processor],
                "MEMTYPE": "REGISTER",
                "SLAVEBUSINTERFACE": port,
            },
        )
    kernel = _module(modules, top, blocks[0][1], {}, CONTROL)
    _registers(kernel)
    for packet in places.engines:
        reads = packet != TOPS[top].output
        _module(modules, engine_name(packet), ENGINE, _engine(engine, reads), LITE)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _module(
    modules: ElementTree.Element,
    name: str,
    vlnv: str,
    parameters: dict[str, str],
    port: str,
    is_master: bool = False,
) -> ElementTree.Element:
    module = ElementTree.SubElement(
        modules,
        "MODULE",
        {"FULLNAME": f"/{name}", "INSTANCE": name, "MODTYPE": vlnv.split(":")[2], "VLNV": vlnv},
    )
    listed = ElementTree.SubElement(module, "PARAMETERS")
    for key, value in parameters.items():
        ElementTree.SubElement(listed, "PARAMETER", {"NAME": key, "VALUE": value})
    ElementTree.SubElement(module, "PORTS")
    ports = ElementTree.SubElement(module, "BUSINTERFACES")
    kind = "MASTER" if is_master else "SLAVE"
    ElementTree.SubElement(ports, "BUSINTERFACE", {"NAME": port, "TYPE": kind, "VLNV": AXIMM})
    return module


def _clocks(processor: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for index in range(4):
        on = int(index == 0)
        if processor == "processing_system7":
            found |= {
                f"PCW_FPGA_FCLK{index}_ENABLE": str(on),
                f"PCW_FCLK{index}_PERIPHERAL_DIVISOR0": "10",
                f"PCW_FCLK{index}_PERIPHERAL_DIVISOR1": "1",
                f"PCW_FCLK{index}_PERIPHERAL_CLKSRC": "IO PLL",
                f"PCW_ACT_FPGA{index}_PERIPHERAL_FREQMHZ": f"{CLOCK_MHZ:.6f}",
            }
        else:
            clock = f"PSU__CRL_APB__PL{index}_REF_CTRL"
            found |= {
                f"PSU__FPGA_PL{index}_ENABLE": str(on),
                f"{clock}__DIVISOR0": "15",
                f"{clock}__DIVISOR1": "1",
                f"{clock}__SRCSEL": "IOPLL",
                f"{clock}__ACT_FREQMHZ": f"{CLOCK_MHZ:.6f}",
            }
    return found


def _engine(engine: Engine, reads: bool) -> dict[str, str]:
    width = str(8 * engine.beat_bytes)
    return {
        "c_include_sg": "0",
        "c_include_mm2s": str(int(reads)),
        "c_include_s2mm": str(int(not reads)),
        "c_include_mm2s_dre": "0",
        "c_include_s2mm_dre": "0",
        "c_m_axi_mm2s_data_width": width,
        "c_m_axi_s2mm_data_width": width,
        "c_sg_length_width": str(LENGTH_BITS),
    }


def _registers(module: ElementTree.Element) -> None:
    blocks = ElementTree.SubElement(module, "ADDRESSBLOCKS")
    block = ElementTree.SubElement(
        blocks,
        "ADDRESSBLOCK",
        {"INTERFACE": CONTROL, "NAME": "Reg", "RANGE": str(SPAN), "USAGE": "register"},
    )
    listed = ElementTree.SubElement(block, "REGISTERS")
    for register in REGISTERS:
        made = ElementTree.SubElement(listed, "REGISTER", {"NAME": register.name})
        only = all(field.access == "read only" for field in register.fields)
        _properties(made, register.text, "read-only" if only else "read-write", register)
        fields = ElementTree.SubElement(made, "FIELDS")
        for field in register.fields:
            one = ElementTree.SubElement(fields, "FIELD", {"NAME": field.name})
            for key, value in (
                ("DESCRIPTION", field.text),
                ("BIT_OFFSET", str(field.low)),
                ("BIT_WIDTH", str(field.bits)),
                ("ACCESS", ACCESS.get(field.access, "read-write")),
            ):
                ElementTree.SubElement(one, "PROPERTY", {"NAME": key, "VALUE": value})


def _properties(element: ElementTree.Element, text: str, access: str, register: Register) -> None:
    for key, value in (
        ("DESCRIPTION", text),
        ("ADDRESS_OFFSET", str(register.offset)),
        ("SIZE", "32"),
        ("IS_ENABLED", "true"),
        ("ACCESS", access),
    ):
        ElementTree.SubElement(element, "PROPERTY", {"NAME": key, "VALUE": value})
