"""The .bit and .hwh files of emulated boards: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from emulated_boards import layer_of, write_bitstream
from strategies import refuses

from transfab.host.boards import board_named
from transfab.host.containers.bit import Image, bit_file, read_bin, read_bit
from transfab.quant.contract.registers import REGISTERS
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import build_hash

LAYER = layer_of(4)
IMAGE = Image("zcu104", "board_a", LAYER.config, LAYER.engine)
DATA = bit_file(IMAGE, "xczu7ev-ffvc1156-2-e")


def payload_of(data: bytes) -> bytes:
    """What follows the header."""
    return data[data.index(b"{") :]


def swapped(payload: bytes) -> bytes:
    count = len(payload) // 4
    return struct.pack(f">{count}I", *struct.unpack(f"<{count}I", payload))


def with_payload(content: Any) -> bytes:
    payload = json.dumps(content).encode()
    payload += b" " * (-len(payload) % 4)
    head = DATA[: -len(payload_of(DATA)) - 4]
    return head + struct.pack(">I", len(payload)) + payload


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("index", [0, 2, 4])
def test_a_bit_file_gives_its_image_back(top: str, index: int) -> None:
    layer = layer_of(index)
    image = Image("pynq-z2", top, layer.config, layer.engine)
    data = bit_file(image, "xc7z020clg400-1")
    assert data == bit_file(image, "xc7z020clg400-1")
    assert read_bit(data) == image
    assert image.build == build_hash(layer.config, layer.engine)
    assert read_bin(swapped(payload_of(data))) == image


def outcome(data: bytes) -> Image | None:
    """None where it is refused in one line."""
    try:
        return read_bit(data)
    except ValueError as err:
        assert str(err).startswith("bitstream is not one for an emulated board: ")
        assert "\n" not in str(err)
        return None


@pytest.mark.parametrize("change", [0x01, 0x03, 0x20, 0xFF])
def test_a_changed_byte_is_refused_or_changes_nothing(change: int) -> None:
    refused = 0
    for at in range(len(DATA)):
        broken = bytearray(DATA)
        broken[at] ^= change
        found = outcome(bytes(broken))
        assert found in (None, IMAGE), at
        refused += found is None
    assert refused >= len(payload_of(DATA)) - 4


def test_every_shorter_file_and_a_longer_one_is_refused() -> None:
    assert [size for size in range(len(DATA)) if outcome(DATA[:size])] == []
    assert outcome(DATA + b" ") is None


def test_what_is_no_image_is_refused_with_the_reason() -> None:
    content = json.loads(payload_of(DATA))
    for changed, *reasons in (
        ([], "must hold a JSON object, not []"),
        (7, "must hold a JSON object, not 7"),
        ({}, "schema must be 1, not None"),
        (content | {"transfab": 2}, "schema must be 1, not 2"),
        (content | {"board": "kv260"}, "its checksum must be"),
        (content | {"config": 5}, "its checksum must be"),
        ({key: content[key] for key in content.keys() - {"checksum"}}, "checksum"),
    ):
        refuses(lambda changed=changed: read_bit(with_payload(changed)), *reasons)
    refuses(lambda: read_bin(b"abc"), "whole words of 4 bytes, not 3 bytes")
    refuses(lambda: read_bin(bytes(64)), "configuration is not one for an emulated board")


@pytest.mark.parametrize("board", ["zcu104", "pynq-z2"])
@pytest.mark.parametrize("top", TOPS)
def test_pynq_reads_addresses_and_registers_from_the_handoff(
    private: Path, tmp_path: Path, top: str, board: str
) -> None:
    from pynq.pl_server.remote_device import RemoteBitfileHandler

    file = write_bitstream(tmp_path, LAYER, top, board_named(board))
    parser = RemoteBitfileHandler(str(file)).get_parser()
    base = {"zcu104": 0xA000_0000, "pynq-z2": 0x4000_0000}[board]
    blocks = dict(parser.ip_dict)
    processor = blocks.pop("processor", None) or blocks.pop(parser.ps_name)
    assert processor["type"].split(":")[2] == board_named(board).processor
    packets = (*TOPS[top].inputs, TOPS[top].output)
    assert {name: block["phys_addr"] - base for name, block in blocks.items()} == {
        top: 0,
        **{f"dma_{packet}": 0x2_0000 + 0x1_0000 * at for at, packet in enumerate(packets)},
    }
    assert {block["addr_range"] for block in blocks.values()} == {0x1_0000}
    registers = blocks[top]["registers"]
    assert {name: entry["address_offset"] for name, entry in registers.items()} == {
        register.name: register.offset for register in REGISTERS
    }
    control = registers["control"]["fields"]
    assert {name: field["bit_offset"] for name, field in control.items()} == {
        "start": 0, "done": 1, "idle": 2, "ready": 3, "continue": 4, "auto_restart": 7
    }  # fmt: skip
    for packet in packets:
        parameters = blocks[f"dma_{packet}"]["parameters"]
        directions = [parameters[f"c_include_{way}"] for way in ("mm2s", "s2mm")]
        assert directions == (["0", "1"] if packet == packets[-1] else ["1", "0"])
        assert parameters["c_m_axi_mm2s_data_width"] == str(8 * LAYER.engine.beat_bytes)
        assert int(parameters["c_sg_length_width"]) == 26
    assert [clock["enable"] for clock in parser.clock_dict.values()] == [1, 0, 0, 0]
