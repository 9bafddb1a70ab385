"""`transfab bench`: measure, on this machine, the figures that the project is held to."""

from __future__ import annotations

from typing import Annotated

import typer

from transfab.cli import show


def command(
    what: Annotated[str, typer.Argument(help="golden: the integer layer and a whole run.")],
    repetitions: Annotated[int, typer.Option(help="Timed repetitions of each side.")] = 40,
    sequence: Annotated[int, typer.Option(help="Tokens of the timed layer.")] = 128,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure speed and memory; ratios are of medians taken in turn in one run."""
    if what != "golden":
        raise ValueError(f"bench must be golden, not {what}")
    if repetitions < 1 or not 1 <= sequence <= 512:
        raise ValueError(
            f"--repetitions must be at least 1 and --sequence in [1, 512], not {repetitions} "
            f"and {sequence}"
        )
    from transfab.quant.bench import bench_golden

    figures = bench_golden(repetitions, sequence, show.progress())
    if json:
        show.emit_json({"figures": [vars(figure) for figure in figures]})
        return
    show.table(
        "a BERT-base layer against Hugging Face's in float32 (sdpa); a run of the default model",
        {"figure": "left", "value": "right", "unit": "left", "kind": "left"},
        [[f.name, f"{f.value:,}", f.unit, f.kind] for f in figures],
    )
