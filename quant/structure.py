"""What a manifest must list: its layers' files, every tensor's shape and dtype, every deviation.

A checksum only says that a manifest is as it was written; this says that it describes a whole
bundle, so that whoever reads one may index files and tensors without looking first.
"""

from __future__ import annotations

import json

from transfab.quant.bert.layer import STAGES
from transfab.quant.bert.shapes import Specification, specifications
from transfab.quant.config import LayerConfig
from transfab.quant.manifest import (
    INPUT_FILE,
    FileEntry,
    Manifest,
    scales_file,
    stage_file,
)


def check_structure(manifest: Manifest, config: LayerConfig) -> None:
    """Raise ValueError, in one line, unless the manifest lists exactly what a bundle holds."""
    # As text, because 16 == 16.0 == True + 15.
    written, known = (json.dumps(c, sort_keys=True) for c in (manifest.config, config.as_dict()))
    if written != known:
        raise ValueError(f"config must be {known:.400}")
    layers = manifest.layers
    first, count = layers[0], manifest.model.layers
    if layers != list(range(first, first + len(layers))) or layers[-1] >= count:
        raise ValueError(f"layers must be consecutive and below {count}, not {layers}")
    wanted = {INPUT_FILE} | {scales_file(layer) for layer in layers}
    wanted |= {stage_file(layer, stage.name) for layer in layers for stage in STAGES}
    if differing := sorted(wanted ^ manifest.files.keys()):
        rule = "must be listed" if differing[0] in wanted else "has no place in a bundle"
        raise ValueError(f"{differing[0]} {rule}")
    shape = _shape(manifest.files[INPUT_FILE])
    _check_tensors(
        INPUT_FILE,
        manifest.files[INPUT_FILE],
        {f"input/{n}": s for n, s in specifications(config, "inputs", *shape).items()},
    )
    deviation = [(first, "input", "hidden")]
    for layer in layers:
        if manifest.files[scales_file(layer)].tensors:
            raise ValueError(f"{scales_file(layer)} must list no tensors")
        for stage in STAGES:
            tensors = {}
            for name, specification in specifications(config, stage.name, *shape).items():
                if name in stage.outputs:
                    tensors[f"output/{name}"] = specification
                elif manifest.level == "op":
                    tensors[f"operator/{name}"] = specification
                deviation.append((layer, stage.name, name))
            file = stage_file(layer, stage.name)
            _check_tensors(file, manifest.files[file], tensors)
    if [(row.layer, row.stage, row.tensor) for row in manifest.deviation] != deviation:
        raise ValueError("deviation must list every tensor of every stage once, in order")


def _shape(entry: FileEntry) -> tuple[int, int]:
    """Batch and sequence, from the mask."""
    mask = entry.tensors.get("input/mask")
    if mask is None or len(mask.shape) != 2:
        raise ValueError(f"{INPUT_FILE} must list input/mask with a batch and a sequence")
    return mask.shape[0], mask.shape[1]


def _check_tensors(file: str, entry: FileEntry, wanted: dict[str, Specification]) -> None:
    """Parameters are left to the dataclasses that hold them."""
    listed = {
        name: (tuple(tensor.shape), tensor.dtype)
        for name, tensor in entry.tensors.items()
        if not name.startswith("parameter/")
    }
    for name in sorted(listed.keys() | wanted.keys()):
        if listed.get(name) != wanted.get(name):
            raise ValueError(
                f"{file}: tensor {name!r:.80} must be {_text(wanted.get(name))}, "
                f"not {_text(listed.get(name))}"
            )


def _text(specification: Specification | None) -> str:
    return f"{specification[0]!s:.80} {specification[1]}" if specification else "absent"
