"""The tops of a kernel build: which stages each runs, and what passes its ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import (
    RESIDUAL_PACKETS,
    pack_intermediate,
    pack_qkv,
    pack_residual,
    unpack_intermediate,
    unpack_qkv,
    unpack_residual,
)
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array


@dataclass(frozen=True)
class Top:
    """One kernel.

    name         str
    activations  tuple of str   packets of one sequence that it reads, in the order of its ports
    stages       tuple of str   that it runs; after the activations it reads their parameters
    output       str            packet that it writes
    """

    name: str
    activations: tuple[str, ...]
    stages: tuple[str, ...]
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """All packets that it reads, in the order of its ports."""
        return (*self.activations, *(f"{stage}_parameters" for stage in self.stages))


TOPS: Final = {
    top.name: top
    for top in (
        Top("qkv", ("hidden",), ("qkv",), "qkv"),
        Top("attention", ("qkv", "hidden"), ("attention",), "attention_output"),
        Top("intermediate", ("attention_output",), ("intermediate",), "intermediate"),
        Top("output", ("intermediate", "attention_output"), ("output",), "output"),
        Top("board_a", ("hidden",), ("qkv", "attention"), "attention_output"),
        Top("board_b", ("attention_output",), ("intermediate", "output"), "output"),
        Top("layer", ("hidden",), ("qkv", "attention", "intermediate", "output"), "output"),
    )
}
# Tensors of a packet of activations, in its order.
TENSORS: Final = {name: ("mask", name) for name in RESIDUAL_PACKETS} | {
    "qkv": ("query", "key", "value"),
    "intermediate": ("intermediate",),
}


def pack_activation(
    config: LayerConfig, engine: Engine, packet: str, tensors: Mapping[str, Array]
) -> Beats:
    """Pack one packet of one sequence.

    packet   a name of TENSORS
    tensors  at least the packet's, (S, channels) each, a mask (S,)
    ->       (beats, W) uint8

    Raises ValueError for a tensor of another shape or dtype (see `packets`).
    """
    parts = [tensors[name] for name in TENSORS[packet]]
    if packet == "qkv":
        query, key, value = parts
        return pack_qkv(config=config, engine=engine, query=query, key=key, value=value)
    if packet == "intermediate":
        return pack_intermediate(config=config, engine=engine, tensor=parts[0])
    mask, rows = parts
    return pack_residual(engine=engine, tensor=rows, mask=mask)


def unpack_activation(
    config: LayerConfig, engine: Engine, packet: str, beats: Beats, sequence: int
) -> dict[str, Array]:
    """Read one packet of one sequence; ValueError for another number of beats.

    ->  the tensors of TENSORS[packet] by name, (S, channels) each, a mask (S,)
    """
    parts: tuple[Array, ...]
    if packet == "qkv":
        parts = unpack_qkv(config, engine, beats, sequence)
    elif packet == "intermediate":
        parts = (unpack_intermediate(config, engine, beats, sequence),)
    else:
        parts = unpack_residual(config, engine, beats, sequence)[::-1]
    return dict(zip(TENSORS[packet], parts, strict=True))
