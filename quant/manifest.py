"""The manifest of a bundle: what it holds, where it comes from, and the hashes over both.

Serialised canonically, so that a manifest is right only if its bytes are those that writing it
again would give.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transfab.quant.config import LayerConfig
from transfab.quant.deviation import Deviation

SCHEMA: Final = 2
INPUT_FILE: Final = "input.safetensors"


def stage_file(layer: int, stage: str) -> str:
    return f"layer{layer:02d}.{stage}.safetensors"


def scales_file(layer: int) -> str:
    return f"layer{layer:02d}.scales.json"


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=80)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Dtype = Literal["int8", "uint8", "int16", "int32", "int64"]


class TensorEntry(_Model):
    """shape, dtype and sha256 of a tensor."""

    shape: list[Annotated[int, Field(ge=0, lt=1 << 32)]]
    dtype: Dtype
    sha256: Sha256


class FileEntry(_Model):
    """A file of the bundle; `tensors` is empty for JSON."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    tensors: dict[str, TensorEntry]


class ModelEntry(_Model):
    """Float weights: name of the model, its number of layers, sha256 of its weight files."""

    name: str
    layers: int
    weight_sha256: Sha256


class TextEntry(_Model):
    """Texts by count, tokens and the sha256 of their token ids; source says which."""

    source: str
    texts: int
    tokens: int
    sha256: Sha256


class Manifest(_Model):
    """Everything about a bundle but its tensors.

    bundle_hash covers the integers and all that decides them; versions and deviation, which is
    measured in floats, are left out of it. checksum covers the whole manifest.
    """

    schema_: Annotated[int, Field(alias="schema")] = SCHEMA
    config: dict[str, Any]
    config_hash: str
    level: Literal["stage", "op"]
    layers: Annotated[list[Annotated[int, Field(ge=0, lt=100)]], Field(min_length=1)]
    model: ModelEntry
    calibration: TextEntry
    input: TextEntry
    files: dict[FileName, FileEntry] = {}
    deviation: list[Deviation] = []
    versions: dict[str, str]
    bundle_hash: str = ""
    checksum: str = ""

    def sealed(self) -> Manifest:
        """This manifest with both hashes computed."""
        content = self._values(without=("versions", "deviation", "bundle_hash", "checksum"))
        with_hash = self.model_copy(update={"bundle_hash": _digest(content)})
        checksum = _digest(with_hash._values(without=("checksum",)))
        return with_hash.model_copy(update={"checksum": checksum})

    def to_bytes(self) -> bytes:
        """Canonical JSON, one value a line."""
        text = json.dumps(self._values(), sort_keys=False, indent=1, ensure_ascii=True)
        return text.encode() + b"\n"

    def _values(self, without: tuple[str, ...] = ()) -> dict[str, Any]:
        values = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {name: value for name, value in values.items() if name not in without}


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest and check its schema, its types, its config and its checksum.

    Raises ValueError, in one line, for anything but the bytes of `Manifest.to_bytes`.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise ValueError("the manifest is not JSON") from err
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}, not {schema!r:.40}")
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where!r:.80} {first['msg']:.80}") from err
    config_hash = LayerConfig.from_dict(manifest.config).hash
    if config_hash != manifest.config_hash:
        raise ValueError(
            f"config_hash must be that of the config, {config_hash}, "
            f"not {manifest.config_hash!r:.40}"
        )
    if manifest.sealed().to_bytes() != data:
        raise ValueError("the manifest differs from its checksum")
    return manifest


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()
