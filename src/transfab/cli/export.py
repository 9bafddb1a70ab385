"""`transfab export`: a bundle's tensors as files that simulators and C++ read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transfab.cli import show


def command(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("export"),
    format: Annotated[str, typer.Option(help="mem ($readmemh), bin (raw) or npy.")] = "mem",
    layer: Annotated[int | None, typer.Option(help="Only this layer.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    force: Annotated[bool, typer.Option(help="Replace an export of that name.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write each tensor of a bundle to a file of its own, with an index."""
    from transfab.quant.bundle import read_bundle
    from transfab.quant.export import export

    files, size = export(read_bundle(bundle), out, format, layer, stage, force, show.progress())
    if json:
        show.emit_json({"folder": str(out), "files": files, "bytes": size})
    else:
        print(f"wrote {files} tensors, {size:,} bytes, and index.json to {out}")
