"""The register map of a kernel: AXI4-Lite, 32-bit words, AMD's `ap_ctrl_chain` block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine, build_hash


@dataclass(frozen=True)
class Field:
    """Bits of a register.

    name    str
    low     int   lowest bit, in [0, 31]
    bits    int   width
    access  str   "read write", "read only", "read clear" (a read clears it), "write clear"
                  (clears itself after a write) or "toggle" (writing 1 flips it)
    text    str   what it is
    """

    name: str
    low: int
    bits: int
    access: str
    text: str


@dataclass(frozen=True)
class Register:
    """A 32-bit word: its byte offset, its fields from the lowest bit on, and what it is."""

    name: str
    offset: int
    fields: tuple[Field, ...]
    text: str


def _word(bits: int, access: str, text: str) -> tuple[Field, ...]:
    return (Field("value", 0, bits, access, text),)


REGISTERS: Final = (
    Register(
        "control",
        0x00,
        (
            Field("start", 0, 1, "read write", "start on the next packet"),
            Field("done", 1, 1, "read only", "finished, until continue"),
            Field("idle", 2, 1, "read only", "not running"),
            Field("ready", 3, 1, "read clear", "takes the next start"),
            Field("continue", 4, 1, "write clear", "acknowledges done"),
            Field("auto_restart", 7, 1, "read write", "start again when ready"),
        ),
        "ap_ctrl_chain",
    ),
    Register(
        "global_interrupt_enable",
        0x04,
        (Field("enable", 0, 1, "read write", "of the interrupt line"),),
        "the interrupt line",
    ),
    Register(
        "interrupt_enable",
        0x08,
        (
            Field("done", 0, 1, "read write", "interrupt when done"),
            Field("ready", 1, 1, "read write", "interrupt when ready"),
        ),
        "which events interrupt",
    ),
    Register(
        "interrupt_status",
        0x0C,
        (
            Field("done", 0, 1, "toggle", "done has interrupted"),
            Field("ready", 1, 1, "toggle", "ready has interrupted"),
        ),
        "which events have interrupted",
    ),
    Register(
        "sequence",
        0x10,
        _word(16, "read write", "S, in [1, the engine's limit]"),
        "tokens of the next packet",
    ),
    Register(
        "build_hash_low",
        0x18,
        _word(32, "read only", "bits 31 to 0"),
        "low word of the build hash",
    ),
    Register(
        "build_hash_high",
        0x1C,
        _word(32, "read only", "bits 63 to 32"),
        "high word of the build hash",
    ),
)

# By name: byte offset of a register, mask of a field of `control`.
OFFSETS: Final = {register.name: register.offset for register in REGISTERS}
CONTROL_BITS: Final = {field.name: 1 << field.low for field in REGISTERS[0].fields}


def build_hash_words(config: LayerConfig, engine: Engine) -> tuple[int, int]:
    """What `build_hash_low` and `build_hash_high` of this build read as."""
    value = int(build_hash(config, engine), 16)
    return value & 0xFFFF_FFFF, value >> 32
