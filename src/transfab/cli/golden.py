"""`transfab golden`: write the golden bundle of a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from transfab.cli import show


def command(
    model: Annotated[
        str | None,
        typer.Argument(help="Model folder or hub id; by default the packaged MiniLM."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Bundle folder to write.")] = Path("golden"),
    text: Annotated[
        Path | None,
        typer.Option(help="UTF-8 file, one input text a line; by default the notebook's text."),
    ] = None,
    layers: Annotated[str, typer.Option(help="One layer (0), a range (0-3) or all.")] = "0",
    residual: Annotated[int, typer.Option(help="Bits of the residual stream, 8 or 16.")] = 16,
    level: Annotated[str, typer.Option(help="stage, or op: every tensor in between.")] = "stage",
    sequence: Annotated[int, typer.Option(help="Cut each text to this many tokens.")] = 128,
    calibration: Annotated[
        Path | None,
        typer.Option(help="UTF-8 file, one text a line; by default the packaged corpus."),
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="Round weights to the nearest on less text: 1 to 2 dB worse.")
    ] = False,
    random: Annotated[
        str | None, typer.Option(help="Seeded weights instead of a model, such as bert-base.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of --random.")] = 0,
    revision: Annotated[str | None, typer.Option(help="Revision of a hub id.")] = None,
    threads: Annotated[int, typer.Option(help="Threads; changes no bit.")] = os.cpu_count() or 1,
    force: Annotated[bool, typer.Option(help="Replace a bundle of that name.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write the golden bundle of one layer, a range of layers or all, cascaded in integers."""
    from transfab.quant.corpus import packaged, read_texts
    from transfab.quant.golden import CALIBRATION, QUICK_CALIBRATION, Request, golden
    from transfab.quant.native_executor import fastest
    from transfab.quant.notebook_text import TEXT_128
    from transfab.quant.random_source import RandomSource
    from transfab.quant.sources import Source, open_source

    if level not in ("stage", "op"):
        raise ValueError(f"--level must be stage or op, not {level}")
    if threads < 1:
        raise ValueError(f"--threads must be at least 1, not {threads}")
    if random is not None and model is not None:
        raise ValueError(f"give a model or --random, not both {model} and {random}")
    step = show.progress()
    step(f"opening {random or model or 'the packaged model'}")
    source: Source = (
        RandomSource(random, seed) if random is not None else open_source(model, revision)
    )
    if not 1 <= sequence <= source.longest:
        raise ValueError(f"--sequence must be in [1, {source.longest}], not {sequence}")
    inputs = [source.tokens(t) for t in ([TEXT_128] if text is None else read_texts(text))]
    for index, tokens in enumerate(inputs):
        if len(tokens) > sequence:
            step(f"text {index} has {len(tokens)} tokens: cut at {sequence} (--sequence)")
    corpus = (
        packaged("calibration", *(QUICK_CALIBRATION if quick else CALIBRATION))
        if calibration is None
        else read_texts(calibration)
    )
    manifest = golden(
        source,
        Request(
            sequences=[tokens[:sequence] for tokens in inputs],
            calibration=[source.tokens(t)[: source.longest] for t in corpus],
            input_source="original notebook" if text is None else text.name,
            calibration_source="packaged corpus" if calibration is None else calibration.name,
            layers=parse_layers(layers, source.layers),
            residual_bits=residual,
            level=level,  # type: ignore[arg-type]
            threads=threads,
            quick=quick,
        ),
        out,
        fastest(threads),
        force,
        step,
    )
    if json:
        show.emit_json(
            {
                "bundle": str(out),
                "bundle_hash": manifest.bundle_hash,
                "config_hash": manifest.config_hash,
                "layers": manifest.layers,
                "level": manifest.level,
                "model": manifest.model.name,
                "tokens": manifest.input.tokens,
            }
        )
        return
    config = manifest.config
    print(f"wrote {out}: {manifest.model.name}, layers {layers} of {source.layers}")
    print(
        f"  E = {config['hidden']}, H = {config['heads']}, "
        f"F = {config['feed_forward']} + {config['copies']}, "
        f"{manifest.input.texts} text(s), {manifest.input.tokens} tokens, "
        f"{config['residual_bits']}-bit residual, level {level}"
    )
    print(f"  bundle hash {manifest.bundle_hash}")


def parse_layers(text: str, count: int) -> range:
    """`3` to range(3, 4), `0-2` to range(0, 3), `all` to range(count).

    Raises ValueError for anything else.
    """
    first, dash, last = text.partition("-")
    if text == "all":
        return range(count)
    if not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise ValueError(f"--layers must be a number, a range such as 0-3, or all, not {text!r}")
    layers = range(int(first), int(last or first) + 1)
    if not layers or layers.stop > count:
        raise ValueError(f"--layers must lie in 0-{count - 1}, not {text}")
    return layers
