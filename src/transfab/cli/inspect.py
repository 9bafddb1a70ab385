"""`transfab inspect`: shapes, ranges, saturation and agreement of each tensor of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transfab.cli import show


def command(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    parameters: Annotated[bool, typer.Option(help="List parameters as well.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show what a bundle holds, after checking every byte of it."""
    from transfab.quant.bundle import read_bundle
    from transfab.quant.report import inspect

    opened = read_bundle(bundle)
    manifest = opened.manifest
    rows = [row for row in inspect(opened) if parameters or row.role != "parameter"]
    if json:
        content = manifest.model_dump(mode="json", by_alias=True, exclude={"files", "deviation"})
        show.emit_json(content | {"tensors": [vars(row) for row in rows]})
        return
    config = manifest.config
    print(
        f"{bundle}: {manifest.model.name}, layers {', '.join(map(str, manifest.layers))} of "
        f"{manifest.model.layers}, level {manifest.level}\n"
        f"  E = {config['hidden']}, H = {config['heads']}, "
        f"F = {config['feed_forward']} + {config['copies']}, "
        f"{config['residual_bits']}-bit residual, config {manifest.config_hash}\n"
        f"  input: {manifest.input.texts} text(s), {manifest.input.tokens} tokens "
        f"({manifest.input.source}); calibrated on {manifest.calibration.texts} texts, "
        f"{manifest.calibration.tokens} tokens ({manifest.calibration.source})\n"
        f"  bundle hash {manifest.bundle_hash}"
    )
    columns = {
        "stage": "left",
        "tensor": "left",
        "what it is": "left",
        "type": "left",
        "shape": "right",
        "lowest": "right",
        "highest": "right",
        "saturated": "right",
        "SQNR dB": "right",
    }
    cells = [
        [
            row.stage if row.layer is None else f"{row.layer} {row.stage}",
            row.tensor,
            row.text or row.role,
            row.dtype,
            "x".join(map(str, row.shape)) or "1",
            f"{row.low:,}",
            f"{row.high:,}",
            "-" if row.saturated is None else f"{row.saturated:,}",
            "-" if row.sqnr_db is None else f"{row.sqnr_db:.1f}",
        ]
        for row in rows
    ]
    show.table("every tensor is an integer", columns, cells)
    print(
        "saturated: elements at the limit of their width\n"
        "SQNR: agreement with the same tensor of the float64 model, measured when the bundle was "
        "made; it includes\n      the error of the bundle's earlier layers; 6 dB are one bit"
    )
