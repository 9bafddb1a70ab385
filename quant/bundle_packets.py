"""The packets of a bundle's layers for one kernel build, and their export as files.

index.txt                                  for the C++ testbench: build, batch, sequence, layers
index.json                                 the same, with the sha256 of each file
layerNN/STAGE_parameters.bin               beats, one after the other
layerNN/sequenceNNN/PACKET.bin
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from transfab.quant.atomic import replacing
from transfab.quant.bert.layer import STAGES, Tensors
from transfab.quant.bundle import INPUT_FILE, Bundle, stage_file, tensor_sha256
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.engine import Engine, build_hash

INDEX = "index.json"
TEXT_INDEX = "index.txt"


def sequence_of(bundle: Bundle) -> int:
    """S of the bundle's sequences, from the manifest alone."""
    return bundle.manifest.files[INPUT_FILE].tensors["input/mask"].shape[1]


def layer_tensors(bundle: Bundle, layer: int) -> Tensors:
    """Every tensor of a layer that crosses a stage's boundary, with the mask; (B, S, ...) each."""
    tensors = bundle.tensors(INPUT_FILE, "input")
    for stage in STAGES:
        tensors |= bundle.stage_inputs(layer, stage)
    return tensors | bundle.tensors(stage_file(layer, "output"), "output")


def layer_packets(
    bundle: Bundle, engine: Engine, layer: int, stage_names: list[str]
) -> Iterator[tuple[str, Beats]]:
    """(file name, packet) of all that the tops of some stages read and write."""
    params, tensors = bundle.layer_parameters(layer), layer_tensors(bundle, layer)
    for stage in stage_names:
        packet = pack_parameters(bundle.config, engine, stage, params)
        yield f"layer{layer:02d}/{stage}_parameters.bin", packet
    tops = [TOPS[stage] for stage in stage_names]
    names = dict.fromkeys(name for top in tops for name in (*top.activations, top.output))
    for index in range(len(tensors["mask"])):
        one = {name: tensor[index] for name, tensor in tensors.items()}
        for name in names:
            packet = pack_activation(bundle.config, engine, name, one)
            yield f"layer{layer:02d}/sequence{index:03d}/{name}.bin", packet


def export_packets(
    bundle: Bundle,
    engine: Engine,
    destination: Path,
    chosen: list[tuple[int, str]],
    force: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[int, int]:
    """Write the packets of some stages of some layers; returns how many files and bytes.

    chosen  (layer, stage name), in order of execution

    Raises ValueError for sequences longer than the engine takes; writes whole or not at all.
    """
    engine.check_sequence(sequence_of(bundle))
    layers = list(dict.fromkeys(layer for layer, _ in chosen))
    built, files, size = build_hash(bundle.config, engine), dict[str, object](), 0
    with replacing(destination, force, marker=INDEX) as folder:
        for layer in layers:
            stages = [stage for number, stage in chosen if number == layer]
            for name, packet in layer_packets(bundle, engine, layer, stages):
                progress(f"writing {name}")
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(packet.tobytes())
                size += packet.nbytes
                files[name] = {"beats": len(packet), "sha256": tensor_sha256(packet)}
        batch, sequence = bundle.manifest.files[INPUT_FILE].tensors["input/mask"].shape
        content = {
            "bundle_hash": bundle.manifest.bundle_hash,
            "build_hash": built,
            "config": bundle.manifest.config,
            "config_hash": bundle.manifest.config_hash,
            "engine": engine.as_dict(),
            "layers": layers,
            "packets": files,
        }
        (folder / INDEX).write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")
        lines = [f"build {built}", f"batch {batch}", f"sequence {sequence}"]
        lines += [f"layer {layer}" for layer in layers]
        header = cpp_header(bundle.config, engine)
        (folder / "config.hpp").write_text(header, encoding="utf-8")
        (folder / TEXT_INDEX).write_text("\n".join(lines) + "\n", encoding="ascii")
    return len(files), size
