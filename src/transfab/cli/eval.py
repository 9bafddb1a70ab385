"""`transfab eval`: the whole integer encoder against float, beside other quantizers."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfab.cli import deviation, show

if TYPE_CHECKING:
    from transfab.quant.evaluate.metrics import Agreement
    from transfab.quant.evaluate.run import Evaluation

_COUNT = "Packaged held-out texts"


def command(
    model: Annotated[
        str | None,
        typer.Argument(help="Model folder or hub id; by default the packaged MiniLM."),
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="Round weights to the nearest on less text: 1 to 2 dB worse.")
    ] = False,
    random: Annotated[
        str | None, typer.Option(help="Seeded weights instead of a model, such as bert-tiny.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of --random.")] = 0,
    layers: Annotated[int | None, typer.Option(help="Only so many first layers.")] = None,
    revision: Annotated[str | None, typer.Option(help="Revision of a hub id.")] = None,
    baselines: Annotated[
        str,
        typer.Option(help="all, none, or some of torchao,onnxruntime,torch,per-tensor."),
    ] = "all",
    residual: Annotated[str, typer.Option(help="Bits of the residual stream: 16,8.")] = "16,8",
    text: Annotated[
        Path | None,
        typer.Option(help="UTF-8 file, one held-out text a line, instead of the packaged ones."),
    ] = None,
    sentences: Annotated[int, typer.Option(help=f"{_COUNT} of class short.")] = 500,
    paragraphs: Annotated[int, typer.Option(help=f"{_COUNT} of 128 tokens.")] = 40,
    passages: Annotated[int, typer.Option(help=f"{_COUNT} of 512 tokens.")] = 20,
    calibration: Annotated[
        Path | None,
        typer.Option(help="UTF-8 file, one text a line; by default the packaged corpus."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw SQNR by layer into this .png or .svg file.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads.")] = os.cpu_count() or 1,
    worst: Annotated[int, typer.Option(help=deviation.HELP)] = 10,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Run all layers cascaded in integers on held-out text and compare with the float encoder."""
    # transformers imports torchao wherever it is installed, and that reports what a CPU lacks.
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from transfab.quant.corpus import packaged, read_texts
    from transfab.quant.evaluate.baselines import chosen
    from transfab.quant.evaluate.first_layers import FirstLayers
    from transfab.quant.evaluate.picture import check_path, draw, missing
    from transfab.quant.evaluate.run import Request, evaluate
    from transfab.quant.evaluate.texts import held_out
    from transfab.quant.golden import CALIBRATION, QUICK_CALIBRATION
    from transfab.quant.random_source import RandomSource
    from transfab.quant.sources import Source, open_source

    widths, names = parse_widths(residual), chosen(baselines)
    deviation.check(worst)
    if threads < 1:
        raise ValueError(f"--threads must be at least 1, not {threads}")
    if random is not None and model is not None:
        raise ValueError(f"give a model or --random, not both {model} and {random}")
    if picture is not None:
        check_path(picture)
    step = show.progress()
    step(f"opening {random or model or 'the packaged model'}")
    source: Source = (
        RandomSource(random, seed) if random is not None else open_source(model, revision)
    )
    if layers is not None:
        source = FirstLayers(source, layers)
    corpus = (
        packaged("calibration", *(QUICK_CALIBRATION if quick else CALIBRATION))
        if calibration is None
        else read_texts(calibration)
    )
    classes = held_out(source, corpus, (sentences, paragraphs, passages), text, step)
    known = [source.tokens(line)[: source.longest] for line in corpus]
    result = evaluate(source, Request(classes, known, widths, names, threads, quick), step)
    if picture is not None:
        if lack := missing():
            result.skipped["picture"] = lack
        else:
            step(f"drawing {picture}")
            draw(result, f"{source.name}: agreement with float64, layer by layer", picture)
    if json:
        show.emit_json(
            {
                "model": source.name,
                "layers": source.layers,
                "calibration": {"texts": len(known), "tokens": sum(map(len, known))},
                "schemes": {
                    scheme: {name: asdict(agreement) for name, agreement in found.items()}
                    for scheme, found in result.schemes.items()
                },
                "deviation": {
                    scheme: {name: asdict(measured) for name, measured in found.items()}
                    for scheme, found in result.deviation.items()
                },
                "skipped": result.skipped,
            }
        )
    else:
        print_tables(source.name, result, worst)


def parse_widths(text: str) -> list[int]:
    """`16,8` to [16, 8]; ValueError for anything but 8 and 16, each once."""
    parts = text.split(",")
    if not set(parts) <= {"8", "16"} or len(set(parts)) != len(parts):
        raise ValueError(f"--residual must be 16, 8 or 16,8, not {text!r}")
    return [int(part) for part in parts]


def print_tables(model: str, result: Evaluation, worst: int) -> None:
    """One table a length class, what was skipped, and the worst tensors of each integer scheme."""
    from transfab.quant.evaluate.baselines import BASELINES

    columns = {"scheme": "left", "what it is": "left"} | dict.fromkeys(
        ("SQNR dB", "cosine mean", "min", "top-1", "top-10", "Spearman"), "right"
    )
    own = {"R16": "integer, int16 residual stream", "R8": "integer, int8 residual stream"}
    texts = own | {name: baseline.text for name, baseline in BASELINES.items()}
    for group, first in next(iter(result.schemes.values())).items():
        label = f"{group} tokens" if group.isdecimal() else group
        show.table(
            f"{model}, {label}: {first.texts} held-out texts, {first.tokens:,} tokens",
            columns,
            [[name, texts[name], *_cells(found[group])] for name, found in result.schemes.items()],
        )
    for name, reason in result.skipped.items():
        print(f"{name} skipped: {reason}")
    print(
        "agreement with the float64 encoder, all layers cascaded: SQNR of the last hidden state; "
        "cosine of the\nmean-pooled embeddings; share of the nearest texts that stay the nearest; "
        "rank correlation of similarities"
    )
    if worst:
        print_deviation(result, worst)


def print_deviation(result: Evaluation, worst: int) -> None:
    """One table a scheme, with a column of SQNR for each length class."""
    for scheme, found in result.deviation.items():
        print()
        groups = {name: measured.tensors for name, measured in found.items()}
        deviation.print_table(f"{scheme}, SQNR in dB by class", groups, worst)
    sizes = next(iter(result.deviation.values())).items()
    size = "; ".join(f"{n}: {each.texts} texts, {each.tokens:,} tokens" for n, each in sizes)
    print(
        f"{deviation.LEGEND}\n"
        "measured on each layer alone, on its own float input, not in cascade; a sample of the "
        f"texts of\neach class: {size}"
    )


def _cells(agreement: Agreement) -> list[str]:
    def share(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    return [
        f"{agreement.sqnr_db:.2f}",
        f"{agreement.cosine_mean:.4f}",
        f"{agreement.cosine_min:.4f}",
        share(agreement.top1, 3),
        share(agreement.top10, 3),
        share(agreement.spearman, 4),
    ]
