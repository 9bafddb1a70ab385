"""The manifest of bitstreams/: which board, kernels, config and engine each file is for.

A recipe has no file yet: its sha256 is null. Hosts read the manifest to find a file, compare its
sha256 before they load it, and the build hash with the registers of what they loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine, build_hash

SCHEMA: Final = 1
RECIPE: Final = "recipe, unverified"

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+\.(xclbin|bit)$", max_length=80)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Bitstream(_Model):
    """One file for one board.

    board        name of a target, such as u280
    plan         name of a plan; kernels are those of this board
    file         beside the manifest or in the build folder; null sha256: not built
    tool         releases that it is written for, or the one that built it
    clock_mhz    assumed until it is built
    origin       who says that it works: "recipe, unverified", or how it was checked
    """

    board: Name
    plan: Name
    kernels: Annotated[list[Name], Field(min_length=1)]
    file: FileName
    sha256: Sha256 | None
    config: dict[str, Any]
    config_hash: Hash
    engine: dict[str, Any]
    engine_hash: Hash
    build_hash: Hash
    tool: str
    clock_mhz: Annotated[int, Field(gt=0)]
    clock_kind: Literal["assumed", "measured"]
    origin: str

    def check(self) -> None:
        """Raise ValueError unless the hashes are those of config and engine."""
        config, engine = LayerConfig.from_dict(self.config), Engine.from_dict(self.engine)
        expected = (config.hash, engine.hash, build_hash(config, engine))
        found = (self.config_hash, self.engine_hash, self.build_hash)
        for name, want, have in zip(("config", "engine", "build"), expected, found, strict=True):
            if want != have:
                raise ValueError(f"{name}_hash of {self.file} must be {want}, not {have}")
        if (self.sha256 is None) != (self.origin == RECIPE):
            raise ValueError(f"origin of {self.file} must be {RECIPE!r} exactly without a sha256")


class Bitstreams(_Model):
    """All entries; no two are for the same file of the same board."""

    schema_: Annotated[int, Field(alias="schema")] = SCHEMA
    bitstreams: list[Bitstream]

    def to_bytes(self) -> bytes:
        """Canonical JSON, one value a line."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=True)
        return text.encode() + b"\n"


def recipe(
    board: str,
    plan: str,
    kernels: Sequence[str],
    file: str,
    config: LayerConfig,
    engine: Engine,
    tool: str,
    clock_mhz: int,
) -> Bitstream:
    """The entry of a bitstream that nobody has built."""
    return Bitstream(
        board=board,
        plan=plan,
        kernels=list(kernels),
        file=file,
        sha256=None,
        config=config.as_dict(),
        config_hash=config.hash,
        engine=engine.as_dict(),
        engine_hash=engine.hash,
        build_hash=build_hash(config, engine),
        tool=tool,
        clock_mhz=clock_mhz,
        clock_kind="assumed",
        origin=RECIPE,
    )


def parse_bitstreams(data: bytes) -> Bitstreams:
    """Read a manifest and check types, hashes and that no file comes twice.

    Raises ValueError, in one line, for anything else.
    """
    try:
        manifest = Bitstreams.model_validate_json(data)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where!r:.80} {first['msg']:.80}") from err
    if manifest.schema_ != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}, not {manifest.schema_}")
    seen = set()
    for entry in manifest.bitstreams:
        entry.check()
        if (entry.board, entry.file) in seen:
            raise ValueError(f"{entry.file} of {entry.board} comes twice")
        seen.add((entry.board, entry.file))
    return manifest
