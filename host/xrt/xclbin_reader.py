"""Reads an xclbin, ours or AMD's, and refuses one that is damaged."""

from __future__ import annotations

import hashlib
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

from transfab.host.xrt.xclbin import (
    BITSTREAM,
    CONNECTION,
    CONNECTIONS,
    CONTROLS,
    DIGEST,
    DIGEST_DIGITS,
    HEAD,
    IP,
    IP_KERNEL,
    IPS,
    MAGIC,
    MEMORIES,
    MEMORY,
    METADATA,
    NAMES,
    SECTION,
    STREAM,
    WRITER,
    Argument,
    Bank,
    Container,
    Kernel,
)

LONGEST: Final = 1 << 30  # bytes


def read(path: Path) -> Container:
    """Read and check a container.

    Raises ValueError, one line that names the file, for one that is damaged or says what this
    format does not hold, and OSError where it cannot be read.
    """
    if path.stat().st_size > LONGEST:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, more than an xclbin's {LONGEST}")
    data = path.read_bytes()
    try:
        return _read(data)
    except (ValueError, struct.error, ET.ParseError, UnicodeDecodeError, OverflowError) as err:
        raise ValueError(f"{path} is no whole xclbin: {err} (write or fetch it again)") from err


def _read(data: bytes) -> Container:
    if len(data) < HEAD.size:
        raise ValueError(f"{len(data)} bytes, less than its header's {HEAD.size}")
    fields = HEAD.unpack_from(data)
    magic, length, platform, uuid, count = fields[0], fields[5], fields[14], fields[15], fields[17]
    if magic != MAGIC:
        raise ValueError(f"it begins with {magic!r}, not {MAGIC!r}")
    if length != len(data):
        raise ValueError(f"its header says {length} bytes, and it has {len(data)}")
    if HEAD.size + count * SECTION.size > len(data):
        raise ValueError(f"{count} section headers do not fit into it")
    sections: dict[int, bytes] = {}
    for index in range(count):
        kind, _, at, size = SECTION.unpack_from(data, HEAD.size + index * SECTION.size)
        if at + size > len(data):
            raise ValueError(f"section {NAMES.get(kind, kind)} reaches beyond its end")
        sections[kind] = data[at : at + size]
    # Either mark is enough: a change of one byte spares the other.
    ours = fields[16].startswith(WRITER) or data[:-DIGEST_DIGITS].endswith(DIGEST)
    zeroed = data[:-DIGEST_DIGITS] + b"0" * DIGEST_DIGITS
    if ours and hashlib.sha256(zeroed).hexdigest().encode() != data[-DIGEST_DIGITS:]:
        raise ValueError("its content does not have the sha256 that it names")
    for kind, name in NAMES.items():
        if kind not in sections:
            raise ValueError(f"it has no section {name}")
    banks = tuple(
        Bank(_text(tag), base, size * 1024)
        for _, _, size, base, tag in _items(sections[MEMORIES], MEMORY, 8, "MEM_TOPOLOGY")
    )
    kernels = _kernels(sections, banks)
    return Container(kernels, banks, sections[BITSTREAM], _text(platform), uuid)


def _items(data: bytes, item: struct.Struct, head: int, name: str) -> list[tuple[Any, ...]]:
    (count,) = struct.unpack_from("<i", data)
    if count < 0 or head + count * item.size > len(data):
        raise ValueError(f"{name} says {count} entries in {len(data)} bytes")
    return [item.unpack_from(data, head + index * item.size) for index in range(count)]


def _kernels(sections: dict[int, bytes], banks: tuple[Bank, ...]) -> tuple[Kernel, ...]:
    """The kernels in the order of IP_LAYOUT, their arguments from the XML."""
    described = {
        str(node.get("name")): node for node in ET.fromstring(sections[METADATA]).iter("kernel")
    }
    wired: dict[tuple[int, int], str] = {}
    for argument, unit, memory in _items(sections[CONNECTIONS], CONNECTION, 4, "CONNECTIVITY"):
        if not 0 <= memory < len(banks):
            raise ValueError(f"CONNECTIVITY names bank {memory} of {len(banks)}")
        wired[unit, argument] = banks[memory].name
    kernels = []
    for unit, (kind, properties, base, label) in enumerate(
        _items(sections[IPS], IP, 8, "IP_LAYOUT")
    ):
        name, _, instance = _text(label).partition(":")
        if kind != IP_KERNEL:
            continue
        control = (properties >> 8) & 0xFF
        if name not in described or control >= len(CONTROLS):
            raise ValueError(f"IP_LAYOUT names {name} with control {control}, unknown to its XML")
        node = described[name]
        remap = node.find(f"instance[@name='{instance}']/addrRemap")
        span = int(remap.get("range", "0x10000"), 0) if remap is not None else 0x10000
        arguments = tuple(
            Argument(
                str(argument.get("name")),
                int(str(argument.get("offset")), 0),
                int(str(argument.get("size")), 0),
                wired.get((unit, int(str(argument.get("id")), 0))),
                argument.get("addressQualifier") == STREAM,
            )
            for argument in node.iter("arg")
        )
        unit_name = "" if instance == f"{name}_1" else instance
        kernels.append(Kernel(name, base, arguments, CONTROLS[control], unit_name, span))
    return tuple(kernels)


def _text(field: bytes) -> str:
    """A field of letters that ends at its first zero."""
    return field.split(b"\0")[0].decode("ascii")
