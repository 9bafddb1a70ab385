"""Compares the packets that a top wrote with those of a bundle, by tensor and byte by byte."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transfab.quant.bert.layer import Tensors
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.tops import TENSORS, TOPS, pack_activation, unpack_activation
from transfab.quant.engine import Engine
from transfab.quant.executors import Mismatch, first_difference
from transfab.quant.intmath import Array


def unpacked(
    config: LayerConfig, engine: Engine, packet: str, made: Sequence[Beats], sequence: int
) -> dict[str, Array]:
    """Tensors of the packets of a batch by name, (B, S, channels) each, a mask (B, S)."""
    parts = [unpack_activation(config, engine, packet, one, sequence) for one in made]
    return {name: np.stack([part[name] for part in parts]) for name in TENSORS[packet]}


def check_packets(
    config: LayerConfig,
    engine: Engine,
    executor: str,
    layer: int,
    top: str,
    tensors: Tensors,
    made: Sequence[Beats],
) -> tuple[int, tuple[Mismatch, ...]]:
    """How many integers the packets of a batch hold, and the first mismatch of each tensor.

    tensors  recorded, name -> (B, S, channels), mask (B, S)
    made     (beats, W) uint8, the packet `Top.output` of each sequence

    In a mismatch `stage` is the top. Where every tensor is as recorded and the bytes are not, it is
    padding: tensor `packet`, index (b, beat, byte).
    """
    packet, sequence = TOPS[top].output, tensors["mask"].shape[1]
    got = unpacked(config, engine, packet, made, sequence)
    expected = [
        pack_activation(config, engine, packet, {name: x[index] for name, x in tensors.items()})
        for index in range(len(made))
    ]
    mismatches: list[Mismatch] = []
    for name, left, right in (
        *((name, tensors[name], tensor) for name, tensor in got.items()),
        ("packet", np.stack(expected), np.stack(made)),
    ):
        at = first_difference(left, right)
        if at is not None and (name != "packet" or not mismatches):
            values = int(left[at]), int(right[at])
            mismatches.append(Mismatch(executor, layer, top, name, at, *values))
    return sum(tensor.size for tensor in got.values()), tuple(mismatches)
