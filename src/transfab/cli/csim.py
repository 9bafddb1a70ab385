"""`transfab csim`: run the HLS C++ on a bundle's packets and compare every byte."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from transfab.cli import engines, show


def command(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    top: Annotated[
        list[str] | None,
        typer.Option(
            help="Kernel to run: qkv, attention, intermediate, output, board_a, board_b or layer; "
            "repeatable, by default the first four."
        ),
    ] = None,
    width_true: Annotated[
        bool, typer.Option("--width-true", help="AMD's ap_int of exactly each width; slower.")
    ] = False,
    engine: Annotated[Path | None, typer.Option(help=engines.ENGINE)] = None,
    sequence: Annotated[int | None, typer.Option(help=engines.SEQUENCE)] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Run the C++ kernels, built on first use, on every recorded layer; compare every byte."""
    from transfab.hls.build import Variant, executor_name
    from transfab.hls.csim import CSimulation, top_of
    from transfab.hls.replay import replay
    from transfab.quant.bundle import read_bundle
    from transfab.quant.bundle_packets import sequence_of
    from transfab.quant.contract.tops import TENSORS, TOPS
    from transfab.quant.engine import build_hash

    tops = list(dict.fromkeys(top or list(TOPS)[:4]))
    for name in tops:
        top_of(name)
    built = engines.read_engine(engine, sequence)
    step, opened = show.progress(), read_bundle(bundle)
    built.check_sequence(sequence_of(opened))
    variant: Variant = "width_true" if width_true else "native"
    start = time.monotonic()
    simulation = CSimulation(opened.config, built, variant, step)
    seconds = time.monotonic() - start
    results = replay(opened, simulation, tops, step)
    mismatches = [mismatch for result in results for mismatch in result.mismatches]
    if json:
        show.emit_json(
            {
                "exact": not mismatches,
                "compared": sum(result.integers for result in results),
                "executors": [executor_name(variant)],
                "mismatches": [vars(mismatch) for mismatch in mismatches],
                "tops": [
                    {
                        "layer": result.layer,
                        "top": result.top,
                        "exact": not result.mismatches,
                        "milliseconds": [round(value, 3) for value in result.milliseconds],
                    }
                    for result in results
                ],
                "build": {
                    "variant": variant,
                    "build_hash": build_hash(opened.config, built),
                    "config_hash": opened.config.hash,
                    "engine": built.as_dict(),
                    "seconds": round(seconds, 3),
                },
            }
        )
        return 1 if mismatches else 0
    cells = []
    for result in results:
        tensors = ", ".join(TENSORS[TOPS[result.top].output])
        cell = f"exact ({tensors}: {result.integers:,} integers)"
        if result.mismatches:
            cell = f"DIFFERS at {result.mismatches[0].tensor}{list(result.mismatches[0].index)}"
        cells.append([str(result.layer), result.top, cell, f"{median(result.milliseconds):,.1f}"])
    columns = {"layer": "right", "top": "left", executor_name(variant): "left", "ms a run": "right"}
    show.table(f"{bundle}: top x layer, build {build_hash(opened.config, built)}", columns, cells)
    for result in results:
        if result.mismatches:
            print(result.mismatches[0])
    total = sum(result.integers for result in results)
    print(f"{total:,} integers compared, {'every one exact' if not mismatches else 'NOT exact'}")
    return 1 if mismatches else 0
