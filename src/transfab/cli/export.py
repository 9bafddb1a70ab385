"""`transfab export`: a bundle's tensors, or packets, as files that simulators and C++ read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transfab.cli import engines, show


def command(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("export"),
    format: Annotated[
        str, typer.Option(help="mem ($readmemh), bin (raw), npy, or beats: packets of kernels.")
    ] = "mem",
    layer: Annotated[int | None, typer.Option(help="Only this layer.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    engine: Annotated[Path | None, typer.Option(help=f"For beats: {engines.ENGINE}")] = None,
    sequence: Annotated[int | None, typer.Option(help=f"For beats: {engines.SEQUENCE}")] = None,
    force: Annotated[bool, typer.Option(help="Replace an export of that name.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write each tensor of a bundle to a file of its own, with an index."""
    from transfab.quant.bundle import read_bundle
    from transfab.quant.export import export

    if format != "beats" and (engine is not None or sequence is not None):
        raise ValueError(f"--engine and --sequence are for --format beats, not {format}")
    build = engines.read_engine(engine, sequence)
    opened = read_bundle(bundle)
    files, size = export(opened, out, format, layer, stage, force, show.progress(), build)
    if json:
        show.emit_json({"folder": str(out), "files": files, "bytes": size})
    else:
        what = "packets" if format == "beats" else "tensors"
        print(f"wrote {files} {what}, {size:,} bytes, and index.json to {out}")
