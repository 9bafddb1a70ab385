"""What a bundle's tensors look like: ranges, saturation, recorded agreement with float."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transfab.quant.bert.names import TENSORS
from transfab.quant.bundle import INPUT_FILE, Bundle, stage_file
from transfab.quant.intmath import Array, limit


@dataclass(frozen=True)
class TensorRow:
    """One tensor of a bundle; saturated counts elements at the limit of their width."""

    layer: int | None
    stage: str
    role: str
    tensor: str
    dtype: str
    shape: tuple[int, ...]
    low: int
    high: int
    saturated: int | None
    sqnr_db: float | None
    text: str


def saturation(name: str, tensor: Array) -> int | None:
    """Elements at +-127 or +-32767 of a tensor that is clamped, None for one that is not."""
    if name not in TENSORS or not TENSORS[name].clamped:
        return None
    return int(np.count_nonzero(np.abs(tensor.astype(np.int32)) == limit(8 * tensor.itemsize)))


def inspect(bundle: Bundle) -> Iterator[TensorRow]:
    """Every tensor of a bundle in the order of its files."""
    yield from _rows(bundle, INPUT_FILE, None, "input")
    for layer, stage in bundle.stages():
        yield from _rows(bundle, stage_file(layer, stage.name), layer, stage.name)


def _rows(bundle: Bundle, file: str, layer: int | None, stage: str) -> Iterator[TensorRow]:
    entries = bundle.manifest.files[file].tensors
    for role in ("input", "parameter", "operator", "output"):
        for name, tensor in bundle.tensors(file, role).items():
            yield TensorRow(
                layer,
                stage,
                role,
                name,
                str(tensor.dtype),
                tensor.shape,
                int(tensor.min()),
                int(tensor.max()),
                saturation(name, tensor),
                entries[f"{role}/{name}"].sqnr_db,
                TENSORS[name].text if name in TENSORS else "",
            )
