"""The xclbin container (axlf): what XRT needs to know of a bitstream, and how it is written.

A header of 456 bytes, section headers of 40, then the sections, little-endian (xclbin.h of XRT):
EMBEDDED_METADATA (XML: kernels, arguments, addresses), BITSTREAM, MEM_TOPOLOGY, CONNECTIVITY,
IP_LAYOUT. A container of ours also has the sha256 of all else in USER_METADATA, so that any byte
that changes is noticed. It is for the emulation: it programs no FPGA. xclbin_reader.py reads it.
"""

from __future__ import annotations

import hashlib
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

MAGIC: Final = b"xclbin2\0"
# magic, signature length, reserved, key block, unique id; length, two time stamps, version (patch,
# major, minor), mode, action mask, ROM's uuid, platform, uuid, debug name, sections, padding
HEAD: Final = struct.Struct("<8si28s256sQ" + "QQQHBBHH16s64s16s16sI4x")
SECTION: Final = struct.Struct("<I16s4xQQ")  # kind, name, offset, size
MEMORY: Final = struct.Struct("<BB6xQQ16s")  # type, used, KiB, base, tag
CONNECTION: Final = struct.Struct("<iii")  # argument, index in IP_LAYOUT, index in MEM_TOPOLOGY
IP: Final = struct.Struct("<IIQ64s")  # type, properties, base, "kernel:instance"
BITSTREAM, METADATA, MEMORIES, CONNECTIONS, IPS, USER = 0, 2, 6, 7, 8, 16
NAMES: Final = {
    BITSTREAM: "BITSTREAM",
    METADATA: "EMBEDDED_METADATA",
    MEMORIES: "MEM_TOPOLOGY",
    CONNECTIONS: "CONNECTIVITY",
    IPS: "IP_LAYOUT",
}
SOFTWARE_EMULATION, DDR4, IP_KERNEL = 5, 1, 1
# In the order of xclbin.h; `write` takes the first two.
CONTROLS: Final = (
    *("ap_ctrl_hs", "ap_ctrl_chain", "ap_ctrl_none"),
    *("ap_ctrl_me", "accel_adapter", "fast_adapter"),
)
# Address qualifier of an argument that is a stream, as v++ writes it.
STREAM: Final = "4"
WRITER: Final = b"transfab"  # in the header, where the name of a debug file may be
DIGEST: Final = b"transfab sha256 "
DIGEST_DIGITS: Final = 64
# A bank's may have an index, such as HBM[3].
TAG: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[[0-9]+\])?")


@dataclass(frozen=True)
class Bank:
    """A memory bank: name of at most 15 letters; base and size in bytes, whole KiB."""

    name: str
    base: int
    size: int


@dataclass(frozen=True)
class Argument:
    """An argument: offset of its registers, 4 or 8 bytes; with a bank, a pointer into it.

    A stream has no registers: `stream_argument`.
    """

    name: str
    offset: int
    size: int
    bank: str | None = None
    stream: bool = False


def stream_argument(name: str) -> Argument:
    """It counts as an argument, and no host sets it."""
    return Argument(name, 0, 4, stream=True)


@dataclass(frozen=True)
class Kernel:
    """A compute unit of a kernel: `base` and `span` in bytes in the board's register map.

    Units of one kernel have its name, instances of their own, and arguments that differ by their
    banks only.
    """

    name: str
    base: int
    arguments: tuple[Argument, ...]
    control: str = "ap_ctrl_chain"
    instance: str = ""
    span: int = 0x10000

    @property
    def unit(self) -> str:
        """The compute unit's name."""
        return self.instance or f"{self.name}_1"


@dataclass(frozen=True)
class Container:
    """What an xclbin says. `uuid` is given by `write`: 16 bytes of the content's hash."""

    kernels: tuple[Kernel, ...]
    banks: tuple[Bank, ...]
    bitstream: bytes = b"emulated"
    platform: str = "transfab_emulated"
    uuid: bytes = bytes(16)


def write(container: Container, path: Path) -> bytes:
    """Write the container; the same content gives the same bytes.

    ->  its uuid, 16 bytes

    Raises ValueError for what does not fit the format.
    """
    _check(container)
    kernels = sorted(container.kernels, key=lambda kernel: kernel.base)  # XRT's order
    sections = [
        (METADATA, _metadata(container, kernels)),
        (BITSTREAM, container.bitstream),
        (MEMORIES, _memories(container.banks)),
        (CONNECTIONS, _connections(kernels, container.banks)),
        (IPS, _ips(kernels)),
        (USER, DIGEST + b"0" * DIGEST_DIGITS),
    ]
    uuid = hashlib.sha256(b"".join(data for _, data in sections)).digest()[:16]
    at = HEAD.size + len(sections) * SECTION.size
    headers, body = b"", b""
    for kind, data in sections:
        body += bytes(-(at + len(body)) % 8)
        headers += SECTION.pack(kind, NAMES.get(kind, "").encode()[:15], at + len(body), len(data))
        body += data
    head = HEAD.pack(
        *(MAGIC, -1, b"\xff" * 28, bytes(256), int.from_bytes(uuid[:8], "little")),
        *(at + len(body), 0, 0, 0, 2, 1, SOFTWARE_EMULATION, 0, bytes(16)),
        *(container.platform.encode(), uuid, WRITER, len(sections)),
    )
    whole = head + headers + body
    digest = hashlib.sha256(whole).hexdigest().encode()
    path.write_bytes(whole[:-DIGEST_DIGITS] + digest)
    return uuid


def _check(container: Container) -> None:
    banks = {bank.name for bank in container.banks}
    for bank in container.banks:
        if not TAG.fullmatch(bank.name):
            raise ValueError(f"a bank's name must be a word, or one with [index], not {bank.name}")
    units = [k.unit for k in container.kernels]
    for name in [*units, *(n for k in container.kernels for n in _names(k))]:
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f"a name in an xclbin must be an ASCII identifier, not {name!r}")
    for names in (units, [bank.name for bank in container.banks]):
        if len(set(names)) != len(names):
            raise ValueError(f"compute units and banks need names of their own, not {names}")
    alike: dict[str, Kernel] = {}
    for kernel in container.kernels:
        first = alike.setdefault(kernel.name, kernel)
        if _kind(kernel) != _kind(first):
            raise ValueError(f"{kernel.unit} and {first.unit} are not of one kernel {kernel.name}")
    for bank in container.banks:
        if bank.base % 1024 or bank.size % 1024 or bank.size <= 0 or len(bank.name) > 15:
            raise ValueError(f"a bank has whole KiB and at most 15 letters, not {bank}")
    for kernel in container.kernels:
        if kernel.control not in CONTROLS[:2]:
            raise ValueError(
                f"control of {kernel.name} must be one of {CONTROLS[:2]}, not {kernel.control}"
            )
        if len(f"{kernel.name}:{kernel.unit}") > 63:
            raise ValueError(f"{kernel.name}:{kernel.unit} has more than 63 letters")
        for argument in kernel.arguments:
            if argument.stream:
                continue
            if argument.size not in (4, 8) or argument.offset < 0x10 or argument.offset % 4:
                raise ValueError(f"{kernel.name}: 4 or 8 bytes from 0x10 on, not {argument}")
            if argument.bank is not None and (argument.bank not in banks or argument.size != 8):
                raise ValueError(f"{kernel.name}: a pointer has 8 bytes and a bank, not {argument}")


def _names(kernel: Kernel) -> list[str]:
    return [kernel.name, *(argument.name for argument in kernel.arguments)]


def _kind(kernel: Kernel) -> object:
    """What units of a kernel share."""
    alike = (replace(a, bank="" if a.bank else None) for a in kernel.arguments)
    return kernel.control, kernel.span, tuple(alike)


def _metadata(container: Container, kernels: Iterable[Kernel]) -> bytes:
    project = ET.Element("project", name="transfab")
    platform = ET.SubElement(project, "platform", vendor="transfab", name=container.platform)
    device = ET.SubElement(platform, "device", name="fpga0")
    core = ET.SubElement(device, "core", name="emulated", type="clc_region", target="csim")
    nodes: dict[str, ET.Element] = {}
    for kernel in kernels:
        if kernel.name not in nodes:
            nodes[kernel.name] = _described(core, kernel)
        instance = ET.SubElement(nodes[kernel.name], "instance", name=kernel.unit)
        fields = {"base": f"{kernel.base:#x}", "range": f"{kernel.span:#x}"}
        ET.SubElement(instance, "addrRemap", fields, port="S_AXI_CONTROL")
    text: bytes = ET.tostring(project, encoding="utf-8", xml_declaration=True)
    return text


def _described(core: ET.Element, kernel: Kernel) -> ET.Element:
    """Ports and arguments of a kernel, which its units share."""
    node = ET.SubElement(
        core, "kernel", name=kernel.name, language="c", hwControlProtocol=kernel.control
    )
    ports = [("S_AXI_CONTROL", "slave", kernel.span, 32)]
    ports += [("M_AXI_GMEM", "master", 1 << 64, 512)] * any(a.bank for a in kernel.arguments)
    for name, mode, span, bits in ports:
        fields = {"name": name, "mode": mode, "range": f"{min(span, (1 << 64) - 1):#x}"}
        ET.SubElement(node, "port", fields, dataWidth=str(bits), portType="addressable")
    for index, argument in enumerate(kernel.arguments):
        qualifier, port, kind = _argument(argument)
        ET.SubElement(
            node,
            "arg",
            name=argument.name,
            addressQualifier=qualifier,
            id=str(index),
            port=port,
            size=f"{argument.size:#x}",
            offset=f"{argument.offset:#x}",
            hostOffset="0x0",
            hostSize=f"{argument.size:#x}",
            type=kind,
        )
    return node


def _argument(argument: Argument) -> tuple[str, str, str]:
    """Address qualifier, port and type."""
    if argument.stream:
        return STREAM, argument.name, "stream"
    if argument.bank is not None:
        return "1", "M_AXI_GMEM", "void*"
    return "0", "S_AXI_CONTROL", "ulong" if argument.size == 8 else "uint"


def _memories(banks: Iterable[Bank]) -> bytes:
    packed = [MEMORY.pack(DDR4, 1, b.size // 1024, b.base, b.name.encode()) for b in banks]
    return struct.pack("<i4x", len(packed)) + b"".join(packed)


def _connections(kernels: Iterable[Kernel], banks: Iterable[Bank]) -> bytes:
    index = {bank.name: position for position, bank in enumerate(banks)}
    packed = [
        CONNECTION.pack(argument, unit, index[bank])
        for unit, kernel in enumerate(kernels)
        for argument, bank in enumerate(item.bank for item in kernel.arguments)
        if bank is not None
    ]
    return struct.pack("<i", len(packed)) + b"".join(packed)


def _ips(kernels: Iterable[Kernel]) -> bytes:
    packed = [
        IP.pack(IP_KERNEL, CONTROLS.index(k.control) << 8, k.base, f"{k.name}:{k.unit}".encode())
        for k in kernels
    ]
    return struct.pack("<i4x", len(packed)) + b"".join(packed)
