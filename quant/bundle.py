"""Golden bundles on disk: write atomically, read with every byte checked.

A bundle is a folder: `manifest.json` (canonical JSON with a checksum over itself),
`input.safetensors`, and for each layer one safetensors file a stage and one JSON file of scales.
Reading never unpickles and never trusts: a file that is missing, left over or different from
its sha256 is refused with one line.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from transfab.quant.atomic import replacing
from transfab.quant.bert.layer import (
    STAGES,
    LayerParameters,
    Stage,
    check_shapes,
)
from transfab.quant.bert.scales import Affine
from transfab.quant.bert.shapes import check_inputs
from transfab.quant.config import LayerConfig
from transfab.quant.deviation import Deviation
from transfab.quant.intmath import Array
from transfab.quant.manifest import INPUT_FILE as INPUT_FILE
from transfab.quant.manifest import Dtype, FileEntry, Manifest, TensorEntry, parse_manifest
from transfab.quant.manifest import scales_file as scales_file
from transfab.quant.manifest import stage_file as stage_file
from transfab.quant.parameters import unflatten
from transfab.quant.structure import check_structure

MANIFEST = "manifest.json"
REGENERATE = "write it again with `transfab golden`"


class BundleError(ValueError):
    """A bundle that cannot be trusted; the message is one line."""


@contextmanager
def _refusing(where: Path) -> Iterator[None]:
    """Turn the ValueError of a check on a bundle's content into a BundleError."""
    try:
        yield
    except ValueError as err:
        way_out = "" if "write the bundle again" in str(err) else f": {REGENERATE}"
        raise BundleError(f"{where}: {err!s:.400}{way_out}") from err


def sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def tensor_sha256(tensor: Array) -> str:
    """sha256 of a tensor's little-endian bytes in C order."""
    little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
    return sha256(np.ascontiguousarray(little).tobytes())


class BundleWriter:
    """Collects the files of a bundle in a folder beside its destination (see `writing`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, FileEntry] = {}
        self.deviation: list[Deviation] = []

    def add_tensors(self, file: str, groups: Mapping[str, Mapping[str, Array]]) -> None:
        """Write one safetensors file.

        groups   role ("input", "parameter", "output", "operator") -> name -> tensor
        """
        tensors: dict[str, Array] = {}
        entries: dict[str, TensorEntry] = {}
        for role, group in groups.items():
            for name, tensor in group.items():
                key = f"{role}/{name}"
                tensors[key] = np.ascontiguousarray(tensor).reshape(tensor.shape)
                entries[key] = TensorEntry(
                    shape=list(tensor.shape),
                    dtype=cast(Dtype, str(tensor.dtype)),
                    sha256=tensor_sha256(tensor),
                )
        self._write(file, save(tensors), entries)

    def add_scales(self, file: str, scales: Mapping[str, Affine]) -> None:
        """Write scales and centers as hexadecimal floats: exact, and readable by any tool."""
        values = {
            name: {
                "scale": [value.hex() for value in affine.scale.tolist()],
                "center": [value.hex() for value in affine.center.tolist()],
            }
            for name, affine in scales.items()
        }
        self._write(file, json.dumps(values, separators=(",", ":")).encode(), {})

    def _write(self, file: str, data: bytes, entries: dict[str, TensorEntry]) -> None:
        with (self.folder / file).open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        self.files[file] = FileEntry(sha256=sha256(data), size=len(data), tensors=entries)

    def finish(self, manifest: Manifest) -> Manifest:
        """Write the manifest over all files added so far; returns it with its hashes."""
        held = {"files": self.files, "deviation": self.deviation}
        sealed = manifest.model_copy(update=held).sealed()
        with (self.folder / MANIFEST).open("xb") as stream:
            stream.write(sealed.to_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        return sealed


@contextmanager
def writing(destination: Path, force: bool = False) -> Iterator[BundleWriter]:
    """Write a bundle that stands at `destination` only when it is whole (see `replacing`)."""
    with replacing(destination, force, marker=MANIFEST) as folder:
        yield BundleWriter(folder)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest was checked; its files are checked again as they are read."""

    folder: Path
    manifest: Manifest

    @cached_property
    def config(self) -> LayerConfig:
        return LayerConfig.from_dict(self.manifest.config)

    def stages(self) -> Iterator[tuple[int, Stage]]:
        """Every (layer, stage) in order of execution."""
        for layer in self.manifest.layers:
            for stage in STAGES:
                yield layer, stage

    def tensors(self, file: str, role: str | None = None) -> dict[str, Array]:
        """Tensors of a file by name, of one role or of all but parameters, in manifest order."""
        entry = self.manifest.files[file]
        loaded = self._load(file, entry)
        return {
            key.partition("/")[2]: loaded[key]
            for key in entry.tensors
            if (key.startswith(f"{role}/") if role else not key.startswith("parameter/"))
        }

    def parameters(self, layer: int, stage: Stage) -> Any:
        """The stage's parameter dataclass, checked against its own bounds."""
        leaves = self.tensors(stage_file(layer, stage.name), "parameter")
        with _refusing(self.folder):
            return unflatten(stage.parameters, leaves)

    def layer_parameters(self, layer: int) -> LayerParameters:
        """The parameters of all four stages, checked against the config and each other."""
        params = LayerParameters(*(self.parameters(layer, stage) for stage in STAGES))
        with _refusing(self.folder):
            check_shapes(self.config, params)
        return params

    def stage_inputs(self, layer: int, stage: Stage) -> dict[str, Array]:
        """What the stage reads: outputs of the stages before it, the bundle's input, the mask."""
        available = self.tensors(INPUT_FILE, "input")
        if layer != self.manifest.layers[0]:
            before = self.tensors(stage_file(layer - 1, "output"), "output")
            available["hidden"] = before["output"]
        for earlier in STAGES[: STAGES.index(stage)]:
            if set(earlier.outputs) & set(stage.inputs):
                available |= self.tensors(stage_file(layer, earlier.name), "output")
        inputs = {name: available[name] for name in stage.inputs}
        with _refusing(self.folder):
            check_inputs(self.config, inputs)
        return inputs

    def scales(self, layer: int) -> dict[str, Affine]:
        """Scales of a layer's tensors: real = scale * integer + center."""
        file = scales_file(layer)
        data = self._bytes(file, self.manifest.files[file])
        try:
            return {name: _affine(**value) for name, value in json.loads(data).items()}
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as err:
            raise BundleError(f"{self.folder}: {file} holds no scales: {REGENERATE}") from err

    def check_files(self) -> None:
        """Raise BundleError unless exactly the manifest's files are there, byte for byte."""
        try:
            there = set(os.listdir(self.folder)) - {MANIFEST}
        except OSError as err:
            raise BundleError(f"{self.folder} cannot be read ({err.strerror})") from err
        for file in sorted(self.manifest.files.keys() - there):
            raise BundleError(f"{self.folder}: {file} is missing: {REGENERATE}")
        for file in sorted(there - self.manifest.files.keys()):
            raise BundleError(f"{self.folder}: {file} is not in the manifest: {REGENERATE}")
        for file, entry in self.manifest.files.items():
            self._load(file, entry) if entry.tensors else self._bytes(file, entry)

    def _bytes(self, file: str, entry: FileEntry) -> bytes:
        try:
            path = self.folder / file
            if not path.is_file() or path.stat().st_size != entry.size:
                raise BundleError(
                    f"{self.folder}: {file} must have {entry.size} bytes: {REGENERATE}"
                )
            data = path.read_bytes()
        except OSError as err:
            raise BundleError(f"{self.folder}: {file} cannot be read ({err.strerror})") from err
        if sha256(data) != entry.sha256:
            raise BundleError(f"{self.folder}: {self._damage(file, entry, data)}: {REGENERATE}")
        return data

    def _load(self, file: str, entry: FileEntry) -> dict[str, Array]:
        try:
            tensors: dict[str, Array] = load(self._bytes(file, entry))
        except (SafetensorError, KeyError, ValueError, TypeError) as err:
            if isinstance(err, BundleError):
                raise
            raise BundleError(
                f"{self.folder}: {file} is no safetensors file: {REGENERATE}"
            ) from err
        if problem := _differing(entry, tensors):
            raise BundleError(f"{self.folder}: {file}: {problem}: {REGENERATE}")
        return tensors

    @staticmethod
    def _damage(file: str, entry: FileEntry, data: bytes) -> str:
        """Name the damaged tensor where the container still parses."""
        try:
            problem = _differing(entry, load(data))
        except Exception:  # the bytes are known to be wrong: any parser error means the same
            problem = None
        return f"{file}: {problem}" if problem else f"{file} differs from its sha256"


def _affine(scale: list[str], center: list[str]) -> Affine:
    """Scales and centers from hexadecimal floats; ValueError unless finite and scales positive."""
    affine = Affine(
        *(np.array([float.fromhex(text) for text in texts]) for texts in (scale, center))
    )
    if affine.scale.shape != affine.center.shape or not np.isfinite(affine.center).all():
        raise ValueError("centers must be finite, one a scale")
    if not ((affine.scale > 0) & np.isfinite(affine.scale)).all():
        raise ValueError("scales must be positive and finite")
    return affine


def _differing(entry: FileEntry, tensors: Mapping[str, Array]) -> str | None:
    if missing := sorted(entry.tensors.keys() - tensors.keys()):
        return f"tensor {missing[0]} is missing"
    if extra := sorted(tensors.keys() - entry.tensors.keys()):
        return f"tensor {extra[0]} is not in the manifest"
    for name, expected in entry.tensors.items():
        tensor = tensors[name]
        if list(tensor.shape) != expected.shape or str(tensor.dtype) != expected.dtype:
            return f"tensor {name} must be {expected.shape} {expected.dtype}"
        if tensor_sha256(tensor) != expected.sha256:
            return f"tensor {name} differs from its sha256"
    return None


def read_bundle(folder: Path) -> Bundle:
    """Open a bundle and check its manifest, its config and every file.

    Raises BundleError, in one line, for anything but the bytes that `transfab golden` wrote.
    """
    path = folder / MANIFEST
    try:
        if not path.is_file():  # nor a pipe, which would block
            raise BundleError(f"{folder} has no {MANIFEST}: it is no bundle")
        data = path.read_bytes()
    except OSError as err:
        raise BundleError(f"{path} cannot be read ({err.strerror})") from err
    with _refusing(path):
        bundle = Bundle(folder, parse_manifest(data))
        check_structure(bundle.manifest, bundle.config)
    bundle.check_files()
    return bundle
