"""`transfab sim`: simulate tops on a bundle's packets, cycle by cycle, and compare every byte."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transfab.cli import engines, show


def command(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    stage: Annotated[
        list[str] | None,
        typer.Option(help="Stage to run: qkv, attention, intermediate or output; repeatable."),
    ] = None,
    top: Annotated[
        list[str] | None,
        typer.Option(
            help="Top to run: a stage, board_a, board_b or layer; repeatable, by default the "
            "four stages."
        ),
    ] = None,
    stall: Annotated[
        float, typer.Option(help="Share of cycles in [0, 1) in which each port pauses, at random.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the pauses and of registers not yet set.")] = 1,
    waves: Annotated[
        Path | None, typer.Option(help="VCD file to write, of one top; a slower build.")
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(help="Picture (PNG, SVG or PDF) of what each unit does, of one top."),
    ] = None,
    on: Annotated[
        str, typer.Option(help="rtl, or hls: the C++ kernels behind the same ports.")
    ] = "rtl",
    rtl: Annotated[
        Path | None,
        typer.Option(help="Folder of Verilog to run instead, such as Vitis HLS exports of a top."),
    ] = None,
    engine: Annotated[Path | None, typer.Option(help=engines.ENGINE)] = None,
    sequence: Annotated[int | None, typer.Option(help=engines.SEQUENCE)] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Simulate the RTL, built on first use, on every recorded layer; compare every byte."""
    from transfab.quant.bundle import read_bundle
    from transfab.quant.bundle_packets import sequence_of
    from transfab.quant.contract.tops import TENSORS, TOPS
    from transfab.quant.engine import build_hash
    from transfab.sim.executor import KINDS, Simulation
    from transfab.sim.replay import replay

    tops = _tops(stage, top, list(TOPS))
    kind = next((kind for kind in KINDS if kind == on), None)
    if kind is None:
        raise ValueError(f"--on must be one of {', '.join(KINDS)}, not {on}")
    if waves is not None and len(tops) != 1:
        raise ValueError(f"--waves records one top: choose one with --top, not {', '.join(tops)}")
    if waves is not None and not waves.absolute().parent.is_dir():
        raise ValueError(f"--waves {waves}: there is no folder {waves.parent}")
    if rtl is not None and kind != "rtl":
        raise ValueError(f"--rtl is a folder for --on rtl, not for --on {kind}")
    if timeline is not None:
        if len(tops) != 1 or kind != "rtl":
            raise ValueError(
                "--timeline shows one top of the RTL: choose one with --top, "
                f"not {', '.join(tops)} on {kind}"
            )
        if timeline.suffix not in (".png", ".svg", ".pdf"):
            raise ValueError(f"--timeline must end in .png, .svg or .pdf, not {timeline.name}")
        if not timeline.absolute().parent.is_dir():
            raise ValueError(f"--timeline {timeline}: there is no folder {timeline.parent}")
    built = engines.read_engine(engine, sequence)
    step, opened = show.progress(), read_bundle(bundle)
    built.check_sequence(sequence_of(opened))
    simulation = Simulation(opened.config, built, kind, stall, seed, step, waves, rtl)
    results = replay(opened, simulation, tops, step)
    if timeline is not None:
        from transfab.sim.activity import draw_timeline

        first = results[0]
        title = f"{first.top}, S = {sequence_of(opened)}, sequences: {len(first.result.outputs)}"
        draw_timeline(timeline, first.top, first.result, f"{title}, simulated RTL")
    mismatches = [mismatch for result in results for mismatch in result.mismatches]
    if json:
        show.emit_json(
            {
                "exact": not mismatches,
                "compared": sum(result.integers for result in results),
                "executors": [kind],
                "mismatches": [vars(mismatch) for mismatch in mismatches],
                "tops": [
                    {
                        "layer": one.layer,
                        "top": one.top,
                        "exact": not one.mismatches,
                        "milliseconds": [round(one.result.seconds * 1e3, 3)],
                        "cycles": one.result.cycles if kind == "rtl" else None,
                        "spans": one.result.spans if kind == "rtl" else None,
                    }
                    for one in results
                ],
                "build": {
                    "variant": kind,
                    "build_hash": build_hash(opened.config, built),
                    "config_hash": opened.config.hash,
                    "engine": built.as_dict(),
                    "seconds": round(simulation.build_seconds, 3),
                },
                "stall": stall,
                "seed": seed,
            }
        )
        return 1 if mismatches else 0
    cells = []
    for one in results:
        tensors = ", ".join(TENSORS[TOPS[one.top].output])
        cell = f"exact ({tensors}: {one.integers:,} integers)"
        if one.mismatches:
            cell = f"DIFFERS at {one.mismatches[0].tensor}{list(one.mismatches[0].index)}"
        # A shell's cycles say nothing of a kernel's.
        cycles = [f"{one.result.cycles:,}"] if kind == "rtl" else []
        cells.append([str(one.layer), one.top, cell, *cycles, f"{one.result.seconds:,.1f}"])
    columns = {"layer": "right", "top": "left", kind: "left"}
    columns |= {"cycles": "right"} if kind == "rtl" else {}
    batch = len(results[0].result.outputs)
    show.table(
        f"{bundle}: top x layer, {batch} sequences each, build {build_hash(opened.config, built)}",
        columns | {"CPU s": "right"},
        cells,
    )
    for one in results:
        if one.mismatches:
            print(one.mismatches[0])
    total = sum(one.integers for one in results)
    print(f"{total:,} integers compared, {'every one exact' if not mismatches else 'NOT exact'}")
    return 1 if mismatches else 0


def _tops(stages: list[str] | None, tops: list[str] | None, known: list[str]) -> list[str]:
    """The chosen tops, once each; ValueError for an unknown one."""
    if stages and tops:
        raise ValueError("--stage and --top exclude each other: a stage is a top, too")
    for option, names, allowed in (("--stage", stages, known[:4]), ("--top", tops, known)):
        for name in names or []:
            if name not in allowed:
                raise ValueError(f"{option} must be one of {', '.join(allowed)}, not {name}")
    return list(dict.fromkeys(stages or tops or known[:4]))
