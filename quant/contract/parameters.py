"""Parameters of a stage as one packet of beats, and back, by the sections of `layout.py`."""

from __future__ import annotations

import numpy as np

from transfab.quant.bert.layer import LayerParameters, check_shapes
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats, check_beats, from_beats, to_beats
from transfab.quant.contract.elements import arranged, decode, disarranged, encode
from transfab.quant.contract.layout import parameter_beats, parameter_blocks
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array
from transfab.quant.parameters import flatten


def pack_parameters(
    config: LayerConfig, engine: Engine, stage_name: str, params: LayerParameters
) -> Beats:
    """Pack the parameters of one stage for one kernel build.

    stage_name  qkv, attention, intermediate or output
    params      of the whole layer, as `config` shapes them
    ->          (beats, W) uint8, C-contiguous: the packet `{stage_name}_parameters`

    Raises ValueError for another stage and for parameters that do not fit the config.
    """
    blocks = parameter_blocks(config, engine, stage_name)
    check_shapes(config, params)
    leaves = arranged(config, stage_name, flatten(getattr(params, stage_name)))
    width = engine.beat_bytes
    packet = []
    for block in blocks:
        parts = [to_beats(encode(one, block.repeat, leaves), width) for one in block.sections]
        turns = [part.reshape(block.repeat, -1, width) for part in parts]
        packet.append(np.concatenate(turns, axis=1).reshape(-1, width))
    return np.concatenate(packet)


def unpack_parameters(
    config: LayerConfig, engine: Engine, stage_name: str, beats: Beats
) -> dict[str, Array]:
    """Read the parameters of one stage from its packet; its padding may hold anything.

    beats  (beats, W) uint8   the packet `{stage_name}_parameters` of this config and engine
    ->     name -> array, as `quant.parameters.flatten` names the leaves of the stage's
           parameters and `unflatten` takes them

    Raises ValueError for another stage and for another number of beats.
    """
    blocks = parameter_blocks(config, engine, stage_name)
    width = engine.beat_bytes
    expected = parameter_beats(config, engine, stage_name)
    check_beats(f"{stage_name}_parameters", beats, expected, width)
    made: dict[str, Array] = {}
    at = 0
    for block in blocks:
        turns = beats[at : at + block.beats(width)].reshape(block.repeat, -1, width)
        at += block.beats(width)
        first = 0
        for section in block.sections:
            count = section.beats(width)
            shape = (block.repeat, section.runs, section.elements)
            made |= decode(
                section, from_beats(turns[:, first : first + count], shape, section.dtype)
            )
            first += count
    return disarranged(config, stage_name, made)
