"""What a bundle's tensors look like: ranges, saturation, recorded agreement with float."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from transfab.quant.bert.names import TENSORS
from transfab.quant.bundle import INPUT_FILE, Bundle, stage_file
from transfab.quant.deviation import saturation


@dataclass(frozen=True)
class TensorRow:
    """One tensor of a bundle.

    saturated  int | None    elements at the limit of their width, padding included
    sqnr_db    float | None  recorded against the float64 model, over real tokens
    """

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


def inspect(bundle: Bundle) -> Iterator[TensorRow]:
    """Every tensor of a bundle in the order of its files."""
    yield from _rows(bundle, INPUT_FILE, None, "input")
    for layer, stage in bundle.stages():
        yield from _rows(bundle, stage_file(layer, stage.name), layer, stage.name)


def _rows(bundle: Bundle, file: str, layer: int | None, stage: str) -> Iterator[TensorRow]:
    first = bundle.manifest.layers[0]
    sqnr = {
        row.tensor: row.sqnr_db
        for row in bundle.manifest.deviation
        if (row.layer, row.stage) == (first if layer is None else layer, stage)
    }
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
                sqnr.get(name),
                TENSORS[name].text if name in TENSORS else "",
            )
