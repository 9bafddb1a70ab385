"""`transfab bench`: measure, on this machine, the figures that the project is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from transfab.cli import show

if TYPE_CHECKING:
    from transfab.quant.figure import Figure

TITLES: Final = {
    "golden": "a BERT-base layer against Hugging Face's in float32 (sdpa); a run of the default "
    "model",
    "csim": "the HLS C++ of a BERT-base layer on one thread, and its first build on two",
    "rtl": "the RTL of a BERT-base layer in simulation; cycles are between the ends of sequences",
    "host": "the drivers over pynq and, where it is there, XRT; emulated boards that compute "
    "nothing, 128 x 768 int8",
}
REPETITIONS: Final = {"golden": 40, "csim": 10, "rtl": 4, "host": 200}


def command(
    what: Annotated[
        str,
        typer.Argument(
            help="golden: the integer layer and a whole run; csim: the C++ kernels; rtl: cycles; "
            "host: the drivers."
        ),
    ],
    repetitions: Annotated[
        int | None,
        typer.Option(
            help="Timed repetitions: by default 40, 10 of csim, 200 of host; of rtl, sequences in "
            "a row: 4."
        ),
    ] = None,
    sequence: Annotated[int, typer.Option(help="Tokens of the timed layer.")] = 128,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure speed and memory; ratios are of medians taken in turn in one run."""
    if what not in TITLES:
        raise ValueError(f"bench must be one of {', '.join(TITLES)}, not {what}")
    count = repetitions if repetitions is not None else REPETITIONS[what]
    if count < 1 or not 1 <= sequence <= 512:
        raise ValueError(
            f"--repetitions must be at least 1 and --sequence in [1, 512], not {count} "
            f"and {sequence}"
        )
    figures = _measure(what, count, sequence)
    if json:
        show.emit_json({"figures": [vars(figure) for figure in figures]})
        return
    show.table(
        TITLES[what],
        {"figure": "left", "value": "right", "unit": "left", "kind": "left"},
        [[f.name, f"{f.value:,}", f.unit, f.kind] for f in figures],
    )


def _measure(what: str, repetitions: int, sequence: int) -> list[Figure]:
    if what == "csim":
        from transfab.hls.bench import bench_csim

        return bench_csim(repetitions, sequence, show.progress())
    if what == "rtl":
        from transfab.sim.figures import bench_rtl

        return bench_rtl(repetitions, sequence, show.progress())
    if what == "host":
        from transfab.host.bench import bench_host
        from transfab.host.bench_card import bench_card

        step = show.progress()
        return bench_host(repetitions, progress=step) + bench_card(repetitions, step)
    from transfab.quant.bench import bench_golden

    return bench_golden(repetitions, sequence, show.progress())
