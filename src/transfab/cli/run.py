"""`transfab run`: stream a bundle through boards and compare every packet that leaves one."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from transfab.cli import engines, show

NOTE = (
    "emulated boards: a match proves the host's side against this project's model of the board, "
    "not silicon"
)


def command(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    board: Annotated[
        list[str] | None,
        typer.Option(
            help="emulated[:BOARD], pynq:BOARD or pynq-remote:BOARD@ADDRESS, emulated-xrt[:BOARD] "
            "or xrt:BOARD@BUS_ID; given once (the whole layer), twice (stages 1 and 2, 3 and 4) or "
            "four times (a stage each)."
        ),
    ] = None,
    fabric: Annotated[
        str, typer.Option(help="What emulated boards compute with: csim or rtl.")
    ] = "csim",
    bitstreams: Annotated[
        Path | None, typer.Option(help="Folder of bitstreams with their manifest.json.")
    ] = None,
    engine: Annotated[Path | None, typer.Option(help=engines.ENGINE)] = None,
    sequence: Annotated[int | None, typer.Option(help=engines.SEQUENCE)] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds without a result until a board is given up.")
    ] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Stream a bundle through boards; check each stage that leaves one, and time it."""
    from transfab.cli import boards, cards
    from transfab.host.open import open_session
    from transfab.host.place import parse_place
    from transfab.host.session import counted, plan
    from transfab.quant.bundle import read_bundle
    from transfab.quant.bundle_packets import layer_tensors, sequence_of
    from transfab.quant.contract.tops import TENSORS, TOPS
    from transfab.quant.engine import build_hash
    from transfab.quant.executors import Mismatch
    from transfab.quant.packet_check import check_packets

    if not 0 < patience < inf:
        raise ValueError(f"--patience must be above 0 seconds and finite, not {patience:g}")
    places = [parse_place(text) for text in board or ["emulated"]]
    step = show.progress()
    make_run = boards.fabric(fabric, step)
    built, opened = engines.read_engine(engine, sequence), read_bundle(bundle)
    built.check_sequence(sequence_of(opened))
    config, rows, figures, total = opened.config, [], [], 0
    if cards.needs_child(places):
        for top in plan(len(places)):
            # Built now: no card may wait for it.
            make_run(config, built, top)
        return cards.in_child(context.obj, places, fabric)
    mismatches: list[Mismatch] = []
    names = [str(place) for place in places]
    with open_session(config, built, places, bitstreams, make_run, patience, step) as session:
        for layer in opened.manifest.layers:
            step(f"layer {layer}: weights to {'the board' if len(places) == 1 else 'the boards'}")
            session.configure(opened.layer_parameters(layer))
            tensors = layer_tensors(opened, layer)
            passage = session.run(tensors, step)
            batch = len(tensors["mask"])
            for name, (top, _) in zip(names, session.boards, strict=True):
                count, found = check_packets(
                    config, built, name, layer, top, tensors, passage.packets[top]
                )
                total += count
                mismatches += found
                held = ", ".join(TENSORS[TOPS[top].output])
                first = f"DIFFERS at {found[0].tensor}{list(found[0].index)}" if found else ""
                milliseconds, rate = passage.latency[top] * 1e3, passage.rates[top]
                rows.append(
                    [
                        str(layer),
                        name,
                        " ".join(TOPS[top].stages),
                        first or f"exact ({held}: {count:,} integers)",
                        f"{milliseconds:.1f}",
                        f"{rate:.1f}",
                    ]
                )
                figures.append(
                    {
                        "layer": layer,
                        "top": top,
                        "board": name,
                        "milliseconds": milliseconds,
                        "rate": rate,
                    }
                )
            figures.append({"layer": layer, "sequences_per_second": batch / passage.seconds})
        tops = [top for top, _ in session.boards]
        boundaries = [
            {"from": first, "to": second, "by": by}
            for (first, second), by in zip(pairwise(tops), session.boundaries, strict=True)
        ]
        counters = {f"{top} {board.name}": dict(board.counters()) for top, board in session.boards}
    if json:
        show.emit_json(
            {
                "exact": not mismatches,
                "compared": total,
                "executors": names,
                "mismatches": [vars(mismatch) for mismatch in mismatches],
                "times": figures,
                "counters": counters,
                "boundaries": boundaries,
                "build_hash": build_hash(config, built),
            }
        )
        return 1 if mismatches else 0
    show.table(
        f"{bundle} on {counted(len(places), 'board')}, build {build_hash(config, built)}",
        {
            "layer": "right",
            "board": "left",
            "stages": "left",
            "result": "left",
            "ms": "right",
            "sequences/s": "right",
        },
        rows,
    )
    for mismatch in mismatches:
        print(mismatch)
    for one in figures:
        if "sequences_per_second" in one:
            whole = f"{one['sequences_per_second']:.1f} sequences a second"
            print(f"layer {one['layer']}: {whole}, all boards at work; measured on this machine")
    print("ms: the first sequence alone; sequences/s: of a board, from its first to its last")
    for way in boundaries:
        print(f"{way['from']} to {way['to']} by {way['by']}")
    if session.emulated:
        print(NOTE)
    print(f"{total:,} integers compared, {'every one exact' if not mismatches else 'NOT exact'}")
    return 1 if mismatches else 0
