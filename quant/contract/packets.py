"""Activations as packets of beats and back, and the beats of every packet (docs/stage_contract.md).

What is padding is zero when packed and ignored when read.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats, ceil_divide, check_beats, from_beats, to_beats
from transfab.quant.contract.layout import parameter_beats
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array, Int8Array

RESIDUAL_PACKETS: Final = ("hidden", "attention_output", "output")
PARAMETER_PACKETS: Final = tuple(
    f"{stage}_parameters" for stage in ("qkv", "attention", "intermediate", "output")
)
PACKETS: Final = (*RESIDUAL_PACKETS, "qkv", "intermediate", *PARAMETER_PACKETS)


def beats_of(config: LayerConfig, engine: Engine, packet_name: str, sequence: int) -> int:
    """Beats of one packet.

    packet_name  one of PACKETS
    sequence     S, in [1, engine.sequence]; parameters are as many for any

    Raises ValueError for another packet or a longer sequence.
    """
    engine.check_sequence(sequence)
    width = engine.beat_bytes
    if packet_name in RESIDUAL_PACKETS:
        row = ceil_divide(config.hidden * config.residual_bits // 8, width)
        return ceil_divide(sequence, width) + sequence * row
    if packet_name == "qkv":
        return config.heads * 3 * sequence * ceil_divide(config.head_size, width)
    if packet_name == "intermediate":
        return ceil_divide(config.inner, width) * sequence
    if packet_name in PARAMETER_PACKETS:
        return parameter_beats(config, engine, packet_name.removesuffix("_parameters"))
    raise ValueError(f"packet must be one of {', '.join(PACKETS)}, not {packet_name}")


def pack_residual(engine: Engine, tensor: Array, mask: Array) -> Beats:
    """Pack `hidden`, `attention_output` or `output` of one sequence.

    tensor  (S, E) int8 or int16
    mask    (S,)   uint8   1 for a real token
    ->      (beats, W) uint8: the mask, then a row a token

    Raises ValueError for other shapes or dtypes and for a sequence that the engine does not take.
    """
    sequence = _sequence("residual stream", engine, tensor)
    if tensor.dtype not in (np.int8, np.int16):
        raise ValueError(f"residual stream must be int8 or int16, not {tensor.dtype}")
    _check("mask", mask, (sequence,), "uint8")
    rows = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
    return np.concatenate([to_beats(mask, engine.beat_bytes), to_beats(rows, engine.beat_bytes)])


def unpack_residual(
    config: LayerConfig, engine: Engine, beats: Beats, sequence: int
) -> tuple[Array, Array]:
    """Read `hidden`, `attention_output` or `output` of one sequence.

    beats     (beats, W) uint8
    sequence  S
    ->        tensor (S, E) int8 or int16 by config.residual_bits, mask (S,) uint8

    Raises ValueError for another number of beats.
    """
    expected = beats_of(config, engine, "hidden", sequence)
    check_beats("hidden, attention_output or output", beats, expected, engine.beat_bytes)
    first = ceil_divide(sequence, engine.beat_bytes)
    mask = from_beats(beats[:first], (sequence,), np.uint8)
    shape = (sequence, config.hidden)
    tensor = from_beats(beats[first:], shape, f"<i{config.residual_bits // 8}")
    return tensor.astype(f"int{config.residual_bits}", copy=False), mask


def pack_qkv(
    engine: Engine, config: LayerConfig, query: Int8Array, key: Int8Array, value: Int8Array
) -> Beats:
    """Pack the output of stage 1 for one sequence.

    query, key, value  (S, E) int8
    ->                 (beats, W) uint8: for each head, of each of the three, S rows of D

    Raises ValueError for other shapes or dtypes and for a sequence that the engine does not take.
    """
    sequence = _sequence("query", engine, query)
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        _check(name, tensor, (sequence, config.hidden), "int8")
    shape = (3, sequence, config.heads, config.head_size)
    rows = np.stack([query, key, value]).reshape(shape).transpose(2, 0, 1, 3)
    return to_beats(rows, engine.beat_bytes)


def unpack_qkv(
    config: LayerConfig, engine: Engine, beats: Beats, sequence: int
) -> tuple[Int8Array, Int8Array, Int8Array]:
    """Read the output of stage 1 for one sequence.

    beats     (beats, W) uint8
    sequence  S
    ->        query, key, value (S, E) int8

    Raises ValueError for another number of beats.
    """
    check_beats("qkv", beats, beats_of(config, engine, "qkv", sequence), engine.beat_bytes)
    shape = (config.heads, 3, sequence, config.head_size)
    rows = from_beats(beats, shape, np.int8).transpose(1, 2, 0, 3)
    query, key, value = rows.reshape(3, sequence, config.hidden)
    return query, key, value


def pack_intermediate(engine: Engine, config: LayerConfig, tensor: Int8Array) -> Beats:
    """Pack the output of stage 3 for one sequence.

    tensor  (S, F) int8, F = config.inner
    ->      (beats, W) uint8: for each block of W channels, S rows of a beat

    Raises ValueError for another shape or dtype and for a sequence that the engine does not take.
    """
    sequence = _sequence("intermediate", engine, tensor)
    _check("intermediate", tensor, (sequence, config.inner), "int8")
    rows = to_beats(tensor, engine.beat_bytes).reshape(sequence, -1, engine.beat_bytes)
    return np.ascontiguousarray(rows.transpose(1, 0, 2)).reshape(-1, engine.beat_bytes)


def unpack_intermediate(
    config: LayerConfig, engine: Engine, beats: Beats, sequence: int
) -> Int8Array:
    """Read the output of stage 3 for one sequence.

    beats     (beats, W) uint8
    sequence  S
    ->        (S, F) int8, F = config.inner

    Raises ValueError for another number of beats.
    """
    expected = beats_of(config, engine, "intermediate", sequence)
    check_beats("intermediate", beats, expected, engine.beat_bytes)
    rows = beats.reshape(-1, sequence, engine.beat_bytes).transpose(1, 0, 2)
    return from_beats(rows, (sequence, config.inner), np.int8)


def _sequence(name: str, engine: Engine, tensor: Array) -> int:
    """S of a tensor of one sequence."""
    if tensor.ndim != 2:
        raise ValueError(
            f"{name} must be (S, channels), not {tensor.shape}: pack one sequence at a time"
        )
    engine.check_sequence(len(tensor))
    return len(tensor)


def _check(name: str, tensor: Array, shape: tuple[int, ...], dtype: str) -> None:
    if tensor.shape != shape or tensor.dtype != np.dtype(dtype):
        raise ValueError(f"{name} must be {shape} {dtype}, not {tensor.shape} {tensor.dtype}")
