"""Golden bundles of a model: tokens, calibration, integer layers, float deviation, files."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import numpy as np

from transfab.quant.bert.layer import STAGES
from transfab.quant.bert.real import tensor_scales
from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bundle import INPUT_FILE, BundleWriter, scales_file, stage_file, writing
from transfab.quant.calibrate import calibrate, one_thread_each, pad
from transfab.quant.config import LayerConfig
from transfab.quant.deviation import LayerTally
from transfab.quant.executors import Executor
from transfab.quant.intmath import Array
from transfab.quant.manifest import Manifest, ModelEntry, TextEntry
from transfab.quant.parameters import flatten
from transfab.quant.sources import Source

Level = Literal["stage", "op"]

# Sentences, paragraphs (128 tokens and more) and passages (512) of the packaged corpus. With
# short text alone 512 tokens lose 5 dB; fitted weights need several tokens for each channel.
CALIBRATION: Final = (1400, 48, 24)
QUICK_CALIBRATION: Final = (256, 24, 12)


@dataclass(frozen=True)
class Request:
    """What to make a bundle of.

    sequences          token ids of the input texts, each in [1, source.longest]
    calibration        token ids of the calibration texts
    calibration_source where they come from, for the manifest
    layers             consecutive layer indices, cascaded
    residual_bits      8 or 16
    level              "stage": stage outputs; "op": every tensor between operators as well
    threads            changes no bit of the result
    quick              round weights to the nearest instead of fitting them to the integers
    """

    sequences: Sequence[list[int]]
    calibration: Sequence[list[int]]
    input_source: str
    calibration_source: str
    layers: range
    residual_bits: int = 16
    level: Level = "stage"
    threads: int = 1
    quick: bool = False


def check_request(source: Source, request: Request) -> None:
    """Raise ValueError, in one line, for texts or layers that the source cannot take."""
    if not request.sequences:
        raise ValueError("the input must have at least one text, not none")
    for index, tokens in enumerate(request.sequences):
        if not 1 <= len(tokens) <= source.longest:
            raise ValueError(
                f"text {index} must have 1 to {source.longest} tokens, not {len(tokens)}: "
                "cut it with --sequence"
            )
    layers = request.layers
    if len(layers) < 1 or layers.start < 0 or layers.stop > source.layers:
        raise ValueError(
            f"layers must lie in 0..{source.layers - 1}, not {layers.start}..{layers.stop - 1}"
        )


def token_digest(sequences: Sequence[list[int]]) -> str:
    """sha256 of token ids, length-prefixed so that no two lists of texts collide."""
    digest = hashlib.sha256()
    for tokens in sequences:
        digest.update(np.array([len(tokens), *tokens], "<i8").tobytes())
    return digest.hexdigest()


def golden(
    source: Source,
    request: Request,
    destination: Path,
    executor: Executor,
    force: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Manifest:
    """Write the golden bundle of a request; returns its manifest.

    Raises ValueError for what the source or the arithmetic cannot take; nothing is written then.
    """
    check_request(source, request)
    config = source.config(request.residual_bits)
    with writing(destination, force) as writer:
        for text in _write_layers(source, request, config, executor, writer):
            progress(text)
        progress("writing the manifest")
        return writer.finish(
            Manifest(
                config=config.as_dict(),
                config_hash=config.hash,
                level=request.level,
                layers=list(request.layers),
                model=ModelEntry(
                    name=source.name, layers=source.layers, weight_sha256=source.weight_hash()
                ),
                calibration=_text_entry(request.calibration_source, request.calibration),
                input=_text_entry(request.input_source, request.sequences),
                versions=_versions(),
            )
        )


def _write_layers(
    source: Source, request: Request, config: LayerConfig, executor: Executor, writer: BundleWriter
) -> Iterator[str]:
    bits = request.residual_bits
    yield f"calibrating layer by layer on {len(request.calibration)} texts"
    embeddings = source.embeddings()
    states = [embed(embeddings, tokens) for tokens in request.sequences]
    stream: dict[str, Array] = {}
    for calibrated in calibrate(
        source,
        embeddings,
        request.calibration,
        request.layers.stop,
        bits,
        request.threads,
        None if request.quick else executor,
    ):
        index, scales = calibrated.index, calibrated.scales
        with one_thread_each():
            floats = [{"hidden": state, **float_layer(calibrated.layer, state)} for state in states]
        if index in request.layers:
            yield f"layer {index}: calibrated, running in integers"
            params = calibrated.params
            if not stream:
                stream = pad(states, scales.hidden.stream, bits)
                writer.add_tensors(INPUT_FILE, {"input": stream})
            tensors = dict(stream)
            for stage in STAGES:
                made = dict(executor.run(config, stage, params, tensors))
                tensors |= made
                outputs = {name: made.pop(name) for name in stage.outputs}
                groups = {
                    "parameter": flatten(getattr(params, stage.name)),
                    "operator": made if request.level == "op" else {},
                    "output": outputs,
                }
                writer.add_tensors(stage_file(index, stage.name), groups)
            writer.add_scales(scales_file(index), tensor_scales(scales))
            tally = LayerTally(index, calibrated.layer, params, scales)
            tally.add(tensors, floats)
            first = index == request.layers.start
            # The input of a later layer is the output of the one before.
            writer.deviation += [r for r in tally.result() if first or r.stage != "input"]
            stream["hidden"] = tensors["output"]
        states = [state["output"] for state in floats]


def _text_entry(source: str, sequences: Sequence[list[int]]) -> TextEntry:
    return TextEntry(
        source=source,
        texts=len(sequences),
        tokens=sum(len(tokens) for tokens in sequences),
        sha256=token_digest(sequences),
    )


def _versions() -> dict[str, str]:
    packages = ("transfab", "numpy", "torch", "safetensors")
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}
