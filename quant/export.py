"""Tensors of a bundle as files that tools read: `.mem`, `.bin` or `.npy`, with an index.

`.mem` is for $readmemh: one element a line in two's complement of the tensor's own width, C
order. `.bin` is the same elements as raw little-endian bytes. `beats` are the packets of a kernel
build instead (see `bundle_packets`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from transfab.quant.atomic import replacing
from transfab.quant.bundle import INPUT_FILE, Bundle, stage_file, tensor_sha256
from transfab.quant.bundle_packets import INDEX, export_packets
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array

FORMATS = ("mem", "bin", "npy")
BEATS = "beats"


def mem_text(tensor: Array) -> str:
    """Hexadecimal words, one element a line, two's complement, C order."""
    digits = 2 * tensor.itemsize
    words = tensor.reshape(-1).astype(np.int64).view(np.uint64)
    if digits < 16:
        words = words & np.uint64((1 << 4 * digits) - 1)
    return "".join(f"{word:0{digits}x}\n" for word in words.tolist())


def write_tensor(path: Path, tensor: Array, form: str) -> None:
    """Write one tensor in one of FORMATS."""
    little = np.ascontiguousarray(tensor.astype(tensor.dtype.newbyteorder("<"), copy=False))
    if form == "mem":
        path.write_text(mem_text(tensor), encoding="ascii")
    elif form == "bin":
        path.write_bytes(little.tobytes())
    else:
        with path.open("wb") as stream:
            np.save(stream, little.reshape(tensor.shape), allow_pickle=False)


def export(
    bundle: Bundle,
    destination: Path,
    form: str = "mem",
    layer: int | None = None,
    stage: str | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda text: None,
    engine: Engine | None = None,
) -> tuple[int, int]:
    """Write the chosen tensors and an index; returns how many tensors, or packets, and bytes.

    engine  of the kernel build, for beats; None for the usual one

    Raises ValueError for another format, layer or stage than the bundle has; writes whole or
    not at all.
    """
    if form not in (*FORMATS, BEATS):
        raise ValueError(f"--format must be one of {', '.join((*FORMATS, BEATS))}, not {form}")
    chosen = [
        (number, one)
        for number, one in bundle.stages()
        if layer in (None, number) and stage in (None, one.name)
    ]
    if not chosen:
        raise ValueError(
            f"the bundle has layers {bundle.manifest.layers} and stages "
            f"{', '.join(one.name for _, one in list(bundle.stages())[:4])}, "
            f"not layer {layer} stage {stage}"
        )
    if form == BEATS:
        stages = [(number, one.name) for number, one in chosen]
        return export_packets(bundle, engine or Engine(), destination, stages, force, progress)
    index: dict[str, dict[str, object]] = {}
    size = 0
    with replacing(destination, force, marker=INDEX) as folder:
        for name, tensor in _tensors(bundle, [stage_file(n, one.name) for n, one in chosen]):
            progress(f"writing {name}")
            path = folder / f"{name}.{form}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tensor(path, tensor, form)
            size += path.stat().st_size
            index[f"{name}.{form}"] = {
                "shape": list(tensor.shape),
                "dtype": str(tensor.dtype),
                "sha256": tensor_sha256(tensor),
            }
        content = {
            "bundle_hash": bundle.manifest.bundle_hash,
            "config": bundle.manifest.config,
            "config_hash": bundle.manifest.config_hash,
            "layers": bundle.manifest.layers,
            "tensors": index,
        }
        (folder / INDEX).write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")
    return len(index), size


def _tensors(bundle: Bundle, files: list[str]) -> Iterator[tuple[str, Array]]:
    for file in [INPUT_FILE, *files]:
        for role in ("input", "parameter", "operator", "output"):
            for name, tensor in bundle.tensors(file, role).items():
                yield f"{file.removesuffix('.safetensors')}/{role}/{name}", tensor
