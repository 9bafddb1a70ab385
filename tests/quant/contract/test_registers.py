"""The register map is the document's, and fits its words."""

from __future__ import annotations

import re
from pathlib import Path

from transfab.quant.config import LayerConfig
from transfab.quant.contract.registers import REGISTERS, Register, build_hash_words
from transfab.quant.engine import Engine, build_hash

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/stage_contract.md"


def bits_column(register: Register) -> str:
    """The document's third column."""
    fields = register.fields
    if len(fields) > 1:
        return ", ".join(f"{field.low} {field.name.replace('_', ' ')}" for field in fields)
    (field,) = fields
    width = str(field.low if field.bits == 1 else field.bits)
    return f"{width}, read only" if field.access == "read only" else width


def test_the_map_is_the_documents() -> None:
    rows = re.findall(r"^\| (0x\w\w) \| `(\w+)` \| (.*?) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(f"0x{one.offset:02x}", one.name, bits_column(one)) for one in REGISTERS]


def test_registers_are_aligned_words_and_fields_do_not_overlap() -> None:
    offsets = [register.offset for register in REGISTERS]
    assert offsets == sorted(set(offsets))
    for register in REGISTERS:
        assert register.offset % 4 == 0
        bits = [i for field in register.fields for i in range(field.low, field.low + field.bits)]
        assert bits == sorted(set(bits)) and bits[-1] < 32
        assert len({field.name for field in register.fields}) == len(register.fields)


def test_the_sequence_register_holds_the_longest_sequence() -> None:
    (register,) = (one for one in REGISTERS if one.name == "sequence")
    assert Engine().sequence < 1 << register.fields[0].bits


def test_the_two_hash_words_make_the_build_hash() -> None:
    config, engine = LayerConfig(768, 12, 3072), Engine()
    low, high = build_hash_words(config, engine)
    assert f"{high:08x}{low:08x}" == build_hash(config, engine)
