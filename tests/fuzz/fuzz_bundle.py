"""Damage a bundle in one place at a time and see that reading it refuses or changes nothing.

A mutation is a small JSON object: `describe` draws one from a seed, `Target.apply` does it,
`Target.check` reads the bundle. `seal` says how much of the manifest is recomputed afterwards, so
that the checks behind the hashes are reached: 0 nothing, 1 the manifest's own hashes and the
file's, 2 the shapes and hashes of its tensors too. Run alone:

    python tests/fuzz/fuzz_bundle.py BUNDLE --cases 100000 --seed 1
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import struct
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from transfab.quant.bundle import (
    INPUT_FILE,
    MANIFEST,
    Bundle,
    BundleError,
    read_bundle,
    stage_file,
    tensor_sha256,
)
from transfab.quant.executors import IntegerExecutor, verify
from transfab.quant.parameters import flatten

Mutation = dict[str, Any]
Json = Any

STRINGS = [
    "", " ", "..", "../../escape", "/etc/passwd", "a/b", "a\\b", "con", "~", "-", ".hidden",
    "manifest.json", INPUT_FILE, "layer00.qkv.safetensors", "layer00.qkv.safetensors/", "\0", "\n",
    "a\nb", "\ud800", "\u202e", "\u00e9", "e\u0301", "\U0001d518" * 60, "x" * 5000, "%s%n", "{0}",
    "NaN", "0x1p-3", "0x1p9999",
    "int8", "int64", "uint8", "float32", "I8", "I32", "BF16", "F8_E4M3", "stage", "op",
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 2, 7, 8, 15, 16, 99, 100, 255, 2**15, 2**31, -(2**31), 2**32, 2**53 + 1, 2**63,
    -(2**63), 2**64, 10**30, 10**400, 0.0, -0.0, 0.5, 16.0, 1e308, 5e-324,
    float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
# "@[900" in a JSON text becomes 900 nested lists: json.dumps itself stops at the recursion limit.
NESTS = [f"@{opening}{depth}" for depth in (3, 150, 250, 900, 5000) for opening in "[{"]
VALUES: list[Json] = [
    *STRINGS,
    *NUMBERS,
    *NESTS,
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"": 0},
    [0] * 40,
]
BLOCKERS = ["directory", "pipe", "dangling", "loop", "absent", "empty", "link", "device", "extra"]


def describe(rng: random.Random, files: dict[str, bytes]) -> Mutation:
    """Draw a mutation of a bundle that has these files."""
    kind = rng.choice(["bytes", "bytes", "manifest", "manifest", "header", "tensor", "scales",
                       "swap", "block"])  # fmt: skip
    tensor_files = sorted(file for file in files if file.endswith(".safetensors"))
    file = rng.choice(sorted(files))
    mutation: Mutation = {"kind": kind, "seal": rng.choice([0, 1, 2, 2])}
    match kind:
        case "bytes":
            size = len(files[file])
            edits = [_byte_edit(rng, size) for _ in range(rng.choice([1, 1, 1, 2, 5]))]
            seal = 0 if file == MANIFEST else mutation["seal"]
            return mutation | {"file": file, "edits": edits, "seal": seal}
        case "manifest":
            return mutation | _edit(rng, json.loads(files[MANIFEST]))
        case "header":
            file = rng.choice(tensor_files)
            return mutation | {"file": file, **_edit(rng, _header(files[file])[0])}
        case "scales":
            file = rng.choice([file for file in sorted(files) if file.endswith(".scales.json")])
            return mutation | {"file": file, **_edit(rng, json.loads(files[file]))}
        case "tensor":
            file = rng.choice(tensor_files)
            names = sorted(key for key in _header(files[file])[0] if key != "__metadata__")
            place = rng.randrange(1 << 30)
            value = rng.choice([0, 1, -1, 127, -128, 255, 1 << 15, 1 << 31, -(1 << 31), 1 << 47])
            change = {"tensor": rng.choice(names), "place": place, "value": value}
            return mutation | {"file": file, "how": rng.choice(TENSOR_EDITS), **change}
        case "swap":
            return mutation | {"file": file, "with": rng.choice(sorted(files.keys() - {file}))}
        case _:
            return mutation | {"file": file, "by": rng.choice(BLOCKERS), "seal": 0}


TENSOR_EDITS = ["element", "element", "add", "dtype", "flatten", "trim", "drop", "rename", "empty"]


def _byte_edit(rng: random.Random, size: int) -> list[Json]:
    offset = rng.choice([rng.randrange(size), rng.randrange(min(size, 64))])
    length = rng.choice([1, 1, 2, 8, 64, 1000])
    how = rng.choice(["flip", "flip", "flip", "insert", "delete", "duplicate", "truncate", "set"])
    argument: Json = {
        "flip": rng.randrange(8),
        "insert": rng.randbytes(min(length, 16)).hex(),
        "set": rng.choice([b"\0", b"\xff", b"9", b'"', b"}", rng.randbytes(8)]).hex(),
    }.get(how, length)
    return [how, offset, argument]


def _edit(rng: random.Random, value: Json) -> Mutation:
    """A change at a random path of a JSON value."""
    path: list[Json] = []
    while isinstance(value, dict | list) and value and (not path or rng.random() < 0.8):
        path.append(
            rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        )
        value = value[path[-1]]
    how = rng.choice(["set", "set", "near", "near", "delete", "rename", "add"])
    new: Json = rng.choice(VALUES)
    if how == "near":
        new = _near(rng, value)
    elif how in ("rename", "add"):
        new = rng.choice(STRINGS)
    return {"path": path, "how": how, "value": new}


def _near(rng: random.Random, value: Json) -> Json:
    """A value of the same type as `value`, where there is one."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + rng.choice([-1, 1, -value, 256])
    if isinstance(value, float):
        return rng.choice([-value, value * 2, value + 1e-9])
    if isinstance(value, str) and value:
        at = rng.randrange(len(value))
        return (
            value[:at] + rng.choice(["", "0", "f", "A", ".", " ", value[at] * 2]) + value[at + 1 :]
        )
    if isinstance(value, list):
        return rng.choice([value[::-1], value + value[-1:], value[:-1], value * 2])
    return value


def _text(value: Json, indent: int | None = None) -> bytes:
    text = json.dumps(value, indent=indent, separators=None if indent else (",", ":"))
    return re.sub(r'"@([\[{])(\d+)"', _nest, text).encode()


def _nest(match: re.Match[str]) -> str:
    depth = int(match[2])
    return "[" * depth + "]" * depth if match[1] == "[" else '{"a":' * depth + "0" + "}" * depth


def _change(root: Json, path: list[Json], how: str, value: Json) -> Json:
    """Change `root` in place at `path`; returns the root, which may be replaced."""
    if not path:
        return value
    try:
        parent = root
        for step in path[:-1]:
            parent = parent[step]
        last = path[-1]
        if how in ("set", "near"):
            parent[last] = value
        elif how == "delete":
            del parent[last]
        elif how == "rename" and isinstance(parent, dict):
            items = [(value if key == last else key, item) for key, item in parent.items()]
            parent.clear()
            parent.update(items)
        elif isinstance(parent, dict):
            parent[value] = parent[last]
        else:
            parent.append(parent[last])
    except (LookupError, TypeError):  # a seed from a bundle of another shape: nothing to change
        pass
    return root


def _header(data: bytes) -> tuple[Json, bytes]:
    """Header and tensor bytes of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _edit_bytes(data: bytes, edits: list[list[Json]]) -> bytes:
    for how, place, argument in edits:
        at = place % max(len(data), 1)
        head, tail = data[:at], data[at:]
        match how:
            case "flip" if tail:
                data = head + bytes([tail[0] ^ 1 << argument]) + tail[1:]
            case "insert":
                data = head + bytes.fromhex(argument) + tail
            case "set":
                new = bytes.fromhex(argument)
                data = head + new + tail[len(new) :]
            case "delete":
                data = head + tail[argument:]
            case "duplicate":
                data = head + tail[:argument] + tail
            case "truncate":
                data = head
    return data


def _edit_tensor(data: bytes, mutation: Mutation) -> bytes:
    tensors = load(data)
    name, value = mutation["tensor"], mutation["value"]
    if name not in tensors:
        return data
    tensor = tensors[name].copy()
    match mutation["how"]:
        case "element" if tensor.size:
            # Wraps into the tensor's type, and is never what stood there.
            flat = tensor.reshape(-1).view(f"u{tensor.itemsize}")
            at, mask = mutation["place"] % tensor.size, (1 << 8 * tensor.itemsize) - 1
            flat[at] = value & mask if value & mask != int(flat[at]) else int(flat[at]) ^ 1
        case "add":
            tensors["operator/extra"] = tensor
        case "dtype":
            tensor = tensor.astype(np.int64 if tensor.itemsize < 8 else np.int32)
        case "flatten":
            tensor = tensor.reshape(-1)
        case "trim":
            tensor = tensor[:-1] if tensor.ndim else tensor.reshape(1)
        case "empty":
            tensor = tensor[:0] if tensor.ndim else tensor.reshape(1, 1)
        case "rename":
            tensors["parameter/" + name.partition("/")[2]] = tensors.pop(name)
            return save(tensors)
    tensors[name] = np.ascontiguousarray(tensor).reshape(tensor.shape)
    if mutation["how"] == "drop":
        del tensors[name]
    return save(tensors)


def _digest(value: Json) -> str:
    return hashlib.sha256(_text(value)).hexdigest()


def _seal(values: Json) -> bytes:
    """The manifest with its own three hashes recomputed, whatever else it says."""
    if isinstance(values, dict):
        config = json.dumps(values.get("config"), sort_keys=True, separators=(",", ":"))
        hashes = ("bundle_hash", "checksum")
        if "config_hash" in values:
            values["config_hash"] = hashlib.sha256(config.encode()).hexdigest()[:16]
        if all(name in values for name in hashes):
            free = ("versions", "deviation", *hashes)
            bare = {k: v for k, v in values.items() if k not in free}
            values["bundle_hash"] = _digest(bare)
            values["checksum"] = _digest({k: v for k, v in values.items() if k != "checksum"})
    return _text(values, indent=1) + b"\n"


class Target:
    """A folder with a bundle, mutated in place and restored after every case."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.folder = Path(shutil.copytree(bundle, folder / "bundle"))
        self.files = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        self.touched: set[str] = set()
        self.content = dict(contents(read_bundle(self.folder)))

    def apply(self, mutation: Mutation) -> None:
        """Do a mutation on disk."""
        self.touched = {MANIFEST, *(mutation[key] for key in ("file", "with") if key in mutation)}
        if mutation["kind"] == "block":
            self._block(self.folder / mutation["file"], mutation["by"])
            return
        changed = self._changed(mutation)
        if mutation["seal"]:
            manifest = changed.get(MANIFEST, self.files[MANIFEST])
            changed[MANIFEST] = self._sealed(manifest, changed, mutation["seal"])
        for name, data in changed.items():
            (self.folder / name).write_bytes(data)

    def _changed(self, mutation: Mutation) -> dict[str, bytes]:
        name = mutation.get("file", MANIFEST)
        data = self.files[name]
        value = mutation.get("value")
        match mutation["kind"]:
            case "bytes":
                return {name: _edit_bytes(data, mutation["edits"])}
            case "manifest" | "scales":
                root = _change(json.loads(data), mutation["path"], mutation["how"], value)
                return {name: _text(root, indent=1 if name == MANIFEST else None)}
            case "header":
                header, rest = _header(data)
                new = _text(_change(header, mutation["path"], mutation["how"], value))
                new += b" " * (-len(new) % 8)
                return {name: struct.pack("<Q", len(new)) + new + rest}
            case "tensor":
                return {name: _edit_tensor(data, mutation)}
            case "swap":
                other = mutation["with"]
                return {name: self.files[other], other: data}
        raise ValueError(f"unknown mutation {mutation['kind']}")

    @staticmethod
    def _sealed(manifest: bytes, changed: dict[str, bytes], seal: int) -> bytes:
        try:
            values = json.loads(manifest)
            for name, data in changed.items():
                if name == MANIFEST:
                    continue
                entry = values["files"][name]
                entry |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
                if seal == 2 and name.endswith(".safetensors"):
                    entry["tensors"] = {
                        key: {
                            "shape": list(tensor.shape),
                            "dtype": str(tensor.dtype),
                            "sha256": tensor_sha256(tensor),
                        }
                        for key, tensor in load(data).items()
                    }
            return _seal(values)
        except Exception:  # what cannot be described any more stays as it is
            return manifest

    def _block(self, path: Path, by: str) -> None:
        if by == "extra":
            (self.folder / "extra.bin").write_bytes(b"")
            return
        path.unlink()
        match by:
            case "directory":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "dangling":
                path.symlink_to("nowhere")
            case "loop":
                path.symlink_to(path.name)
            case "device":
                path.symlink_to("/dev/null")
            case "link":
                path.symlink_to(self.folder / next(iter(self.files.keys() - {path.name})))
            case "empty":
                path.touch()

    def restore(self) -> None:
        """Put every byte back."""
        for name in os.listdir(self.folder):
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif name not in self.files or path.is_symlink() or not path.is_file():
                path.unlink()
        for name in self.touched:
            (self.folder / name).write_bytes(self.files[name])

    def check(self, mutation: Mutation) -> str:
        """Read the mutated bundle: "refused", "same", "exact" or "differs".

        Raises AssertionError for content that changed unnoticed, and lets through whatever else
        reading raises: both are defects.
        """
        try:
            bundle = read_bundle(self.folder)
            if not mutation["seal"]:
                content = dict(contents(bundle))
                assert content == self.content, "the content changed and was accepted"
                return "same"
            for layer in bundle.manifest.layers:
                bundle.scales(layer)
            if mutation["kind"] == "scales":  # nothing that is executed reads them
                return "exact"
            results = verify(bundle, [IntegerExecutor()])
        except BundleError as err:
            line = str(err)
            assert line and "\n" not in line and len(line) < 1000, f"not one line: {line!r}"
            return "refused"
        exact = not any(result.mismatches for result in results)
        recorded = mutation.get("tensor", "").startswith(("output/", "operator/"))
        planted = recorded and mutation["kind"] == "tensor" and mutation["how"] == "element"
        assert not (exact and planted), "verify passed over a wrong integer"
        return "exact" if exact else "differs"

    def run(self, mutation: Mutation) -> str:
        """Apply, check, restore."""
        try:
            self.apply(mutation)
            return self.check(mutation)
        finally:
            self.restore()


def contents(bundle: Bundle) -> Iterator[tuple[str, object]]:
    """Everything that a reader can take from a bundle, as names and digests."""
    yield "config", bundle.config
    yield "manifest", bundle.manifest
    for name, tensor in bundle.tensors(INPUT_FILE).items():
        yield f"input {name}", _fingerprint(tensor)
    for layer, stage in bundle.stages():
        where = f"{layer} {stage.name}"
        for name, leaf in flatten(bundle.parameters(layer, stage)).items():
            yield f"{where} parameter {name}", _fingerprint(leaf)
        for name, tensor in bundle.stage_inputs(layer, stage).items():
            yield f"{where} reads {name}", _fingerprint(tensor)
        for name, tensor in bundle.tensors(stage_file(layer, stage.name)).items():
            yield f"{where} holds {name}", _fingerprint(tensor)
    for layer in bundle.manifest.layers:
        for name, affine in bundle.scales(layer).items():
            digests = _fingerprint(affine.scale), _fingerprint(affine.center)
            yield f"{layer} scale {name}", digests


def _fingerprint(array: np.ndarray) -> tuple[object, ...]:
    return array.shape, str(array.dtype), tensor_sha256(array)


def fuzz(target: Target, cases: int, seed: int) -> Iterator[tuple[str, Mutation]]:
    """Run cases of a seed, yielding each outcome; a defect raises with its mutation as a note."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in range(cases):
            mutation = describe(random.Random(f"{seed}:{case}"), target.files)
            try:
                yield target.run(mutation), mutation
            except Exception as err:
                err.add_note(f"seed {seed} case {case}: {json.dumps(mutation)}")
                raise


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder in memory where there is one."""
    memory = "/dev/shm"
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with scratch() as folder:
        target = Target(arguments.bundle, Path(folder))
        outcomes = fuzz(target, arguments.cases, arguments.seed)
        print(Counter(f"{mutation['kind']} {outcome}" for outcome, mutation in outcomes))


if __name__ == "__main__":
    main()
