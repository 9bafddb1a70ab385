"""`transfab verify`: run a bundle's stages again and compare every recorded byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from transfab.cli import deviation, show


def command(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    on: Annotated[
        str | None,
        typer.Option(
            help="Executors, comma-separated (transfab doctor); by default integer,native."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of each executor.")] = os.cpu_count() or 1,
    worst: Annotated[int, typer.Option(help=deviation.HELP)] = 10,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Execute each stage of a bundle again, on each executor, and compare all recorded integers."""
    from transfab.cli.executors import executors
    from transfab.quant.bundle import read_bundle
    from transfab.quant.deviation import worst_first
    from transfab.quant.executors import verify

    deviation.check(worst)
    if threads < 1:
        raise ValueError(f"--threads must be at least 1, not {threads}")
    step = show.progress()
    chosen = executors(on, threads, step)
    opened = read_bundle(bundle)
    results = verify(opened, chosen, step)
    mismatches = [mismatch for result in results for mismatch in result.mismatches]
    names = [executor.name for executor in chosen]
    ranked = worst_first(opened.manifest.deviation)
    if json:
        show.emit_json(
            {
                "exact": not mismatches,
                "compared": sum(result.integers for result in results),
                "executors": names,
                "mismatches": [vars(mismatch) for mismatch in mismatches],
                "deviation": deviation.values(ranked),
            }
        )
        return 1 if mismatches else 0
    rows: dict[tuple[int, str], list[str]] = {}
    for result in results:
        row = rows.setdefault((result.layer, result.stage), [str(result.layer), result.stage])
        if result.mismatches:
            first = result.mismatches[0]
            row.append(f"DIFFERS at {first.tensor}{list(first.index)}")
        else:
            row.append(f"exact ({result.tensors} tensors, {result.integers:,} integers)")
    columns = {"layer": "right", "stage": "left"} | dict.fromkeys(names, "left")
    show.table(f"{bundle}: stage x executor", columns, list(rows.values()))
    if worst:
        deviation.print_table("deviation from float64", {"SQNR dB": ranked}, worst)
        print(
            f"{deviation.LEGEND}\n"
            "measured when the bundle was made, on its own texts; includes the error of its "
            "earlier layers\n"
        )
    for result in results:
        if result.mismatches:
            print(result.mismatches[0])
    total = sum(result.integers for result in results)
    print(f"{total:,} integers compared, {'every one exact' if not mismatches else 'NOT exact'}")
    return 1 if mismatches else 0
