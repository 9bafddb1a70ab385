"""The container of a .bit file, and what an emulated board finds in it instead of configuration.

header of named fields (design, part, date, time) | length | {"transfab": 1, "top", "config", ...}

As in a real one, a checksum stands for what is configured: no changed byte makes another board.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

from transfab.quant.config import LayerConfig
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine, build_hash

MAGIC: Final = bytes.fromhex("0009 0ff0 0ff0 0ff0 0ff0 00 0001".replace(" ", ""))
SCHEMA: Final = 1
# An FPGA manager takes 32-bit words.
WORD: Final = 4


@dataclass(frozen=True)
class Image:
    """What an emulated board becomes."""

    board: str
    top: str
    config: LayerConfig
    engine: Engine

    @property
    def build(self) -> str:
        return build_hash(self.config, self.engine)


def bit_file(image: Image, part: str) -> bytes:
    """The bytes of a .bit file for an emulated board; the same for the same image."""
    content: dict[str, Any] = {
        "transfab": SCHEMA,
        "board": image.board,
        "top": image.top,
        "config": image.config.as_dict(),
        "engine": image.engine.as_dict(),
        "build_hash": image.build,
    }
    content["checksum"] = _checksum(content)
    payload = json.dumps(content, sort_keys=True).encode()
    payload += b" " * (-len(payload) % WORD)
    fields = {"a": f"{image.top};emulated", "b": part, "c": "2000/01/01", "d": "00:00:00"}
    header = MAGIC
    for key, text in fields.items():
        data = text.encode() + b"\0"
        header += key.encode() + struct.pack(">H", len(data)) + data
    return header + b"e" + struct.pack(">I", len(payload)) + payload


def read_bit(data: bytes) -> Image:
    """The image of a file of `bit_file`; ValueError, in one line, for any other."""
    try:
        at = len(MAGIC)
        if data[:at] != MAGIC:
            raise ValueError("it has no header of a .bit file")
        while data[at : at + 1] != b"e":
            (size,) = struct.unpack_from(">H", data, at + 1)
            at += 3 + size
        (size,) = struct.unpack_from(">I", data, at + 1)
        payload = data[at + 5 :]
        if len(payload) != size:
            raise ValueError(f"it must end with {size} bytes of configuration, not {len(payload)}")
        return _image(json.loads(payload))
    except (ValueError, struct.error, KeyError, TypeError) as err:
        raise ValueError(f"bitstream is not one for an emulated board: {err}") from err


def read_bin(data: bytes) -> Image:
    """The image of what an FPGA manager is given: the configuration with its words' bytes swapped.

    Raises ValueError, in one line, for anything else.
    """
    try:
        if len(data) % WORD:
            raise ValueError(f"it must be whole words of {WORD} bytes, not {len(data)} bytes")
        count = len(data) // WORD
        return _image(json.loads(struct.pack(f"<{count}I", *struct.unpack(f">{count}I", data))))
    except (ValueError, struct.error, KeyError, TypeError) as err:
        raise ValueError(f"configuration is not one for an emulated board: {err}") from err


def _checksum(content: dict[str, Any]) -> int:
    """CRC-32 of all but the checksum."""
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def _image(content: Any) -> Image:
    if not isinstance(content, dict):
        raise ValueError(f"it must hold a JSON object, not {content!r:.40}")
    if content.get("transfab") != SCHEMA:
        raise ValueError(f"its schema must be {SCHEMA}, not {content.get('transfab')}")
    if content["checksum"] != (found := _checksum(content)):
        raise ValueError(f"its checksum must be {found}, not {content['checksum']!r:.40}")
    if content["top"] not in TOPS:
        raise ValueError(f"its top must be one of {', '.join(TOPS)}, not {content['top']}")
    config = LayerConfig.from_dict(content["config"])
    image = Image(content["board"], content["top"], config, Engine.from_dict(content["engine"]))
    if image.build != content["build_hash"]:
        raise ValueError(f"its build hash must be {image.build}, not {content['build_hash']}")
    return image
